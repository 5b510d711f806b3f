"""Proportions with their 95 % intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

if TYPE_CHECKING:
    from fxbench.types import Float64

CONFIDENCE = 0.95


class Estimate(TypedDict):
    """A number of a cell, ready for JSON.

    Attributes:
        value: None where there is nothing to count (`n` is 0).
        low: the lower end of the 95 % interval; None where the metric has no interval.
        high: its upper end.
        n: how many images the number was made from: the denominator of a proportion.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def wilson(
    successes: npt.NDArray[Any] | int, n: npt.NDArray[Any] | int, confidence: float = CONFIDENCE
) -> tuple[Float64, Float64]:
    """Wilson's score interval of a binomial proportion, for many at once.

    Wilson (1927), Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22(158), 209-212; without continuity correction.

    Args:
        successes: how many of `n`, any shape.
        n: of the same shape, or one for all.
        confidence: the nominal coverage.

    Returns:
        The lower and upper ends, float64 of that shape, within [0, 1]; [0, 1] where `n` is 0.

    Raises:
        ValueError: when there are more successes than trials, or fewer than none.
    """
    hits, trials = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    if (hits < 0).any() or (hits > trials).any():
        raise ValueError("Successes must lie between 0 and n.")
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    safe = np.maximum(trials, 1)
    share = hits / safe
    centre = share + z2 / (2 * safe)
    half = np.sqrt(z2 * (share * (1 - share) / safe + z2 / (4 * safe**2)))
    # Rounding must not push an end past the point that it encloses, or 0 and 1 off their places.
    low = np.where(hits == 0, 0.0, np.minimum((centre - half) / (1 + z2 / safe), share))
    high = np.where(hits == trials, 1.0, np.maximum((centre + half) / (1 + z2 / safe), share))
    return low, high


def proportion(successes: int, n: int) -> Estimate:
    """`successes` of `n` with Wilson's 95 % interval."""
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    low, high = wilson(int(successes), int(n))
    return Estimate(value=int(successes) / int(n), low=float(low), high=float(high), n=int(n))


def without_interval(value: float | None, n: int) -> Estimate:
    """A number that no interval is given for, made from `n` images."""
    return Estimate(
        value=None if value is None or n == 0 else float(value), low=None, high=None, n=n
    )
