"""By how much a proportion changed on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from fxbench.metrics.intervals import CONFIDENCE

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64


class Change(NamedTuple):
    """A difference with its 95 % interval, as fractions."""

    value: float
    low: float
    high: float


def paired_difference(
    before: Bool, after: Bool, clusters: Int64, confidence: float = CONFIDENCE
) -> Change:
    """How much larger the share is after than before, on the same images.

    Bonett & Price (2012), Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data, Journal of Educational and Behavioral Statistics 37(4),
    479-488: two images are added, one won and one lost, before the variance is taken. Where images
    form clusters, the variance is that of the clusters' sums (linearised ratio estimator, Cochran
    1977, Sampling Techniques, section 11.8); with clusters of one image it is theirs exactly.

    Args:
        before: bool (N,), whether it was so, N at least 1.
        after: bool (N,), whether it is so.
        clusters: int64 (N,), images with the same number are not independent.
        confidence: the nominal coverage.
    """
    change = after.astype(np.float64) - before
    sums, sizes = _by_cluster(change, clusters)
    images = len(change) + 2
    centre = float(sums.sum()) / images
    # The two added images are clusters of their own.
    spread = ((sums - centre * sizes) ** 2).sum() + (1 - centre) ** 2 + (-1 - centre) ** 2
    half = float(ndtri((1 + confidence) / 2)) * float(np.sqrt(spread)) / images
    value = float(change.mean())
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Change(value, min(low, value), max(high, value))


def _by_cluster(values: Float64, clusters: Int64) -> tuple[Float64, Float64]:
    _, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    sums: Float64 = np.bincount(place, values, len(sizes)).astype(np.float64)
    return sums, sizes.astype(np.float64)


class Apart(NamedTuple):
    """A difference of two numbers that are known with their intervals alone."""

    value: float
    p_less: float


def independent_difference(
    before: Mapping[str, Any], after: Mapping[str, Any], confidence: float = CONFIDENCE
) -> Apart | None:
    """How much larger a number is after than before, by the two intervals.

    Each interval is taken for that of a normal estimate, and the two for independent (Schenker &
    Gentleman 2001, On judging the significance of differences by examining the overlap between
    confidence intervals, The American Statistician 55(3), the standard method). On the same images
    the two go up and down together, so this asks for a larger difference than a paired test does:
    it misses some, and makes none up.

    Args:
        before: `value`, `low` and `high`.
        after: the same.
        confidence: of both intervals.

    Returns:
        The difference, and the one-sided p value that chance alone makes `after` so much less; None
        where one has no interval.
    """
    if any(one.get(key) is None for one in (before, after) for key in ("value", "low", "high")):
        return None
    width = 2 * float(ndtri((1 + confidence) / 2))
    spread = float(np.hypot(*((one["high"] - one["low"]) / width for one in (before, after))))
    value = float(after["value"] - before["value"])
    if spread == 0:
        return Apart(value, 0.5 if value == 0 else float(value > 0))
    return Apart(value, float(ndtr(value / spread)))
