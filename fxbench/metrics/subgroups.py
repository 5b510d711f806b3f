"""How a score differs between groups of images, and how much of that is chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.metrics.bootstrap import DRAWS, drawn_counts, from_zero, percentile, units_of
from fxbench.metrics.classification import confusion_columns, confusion_matrix, macro_f1_of
from fxbench.metrics.intervals import CONFIDENCE, Estimate, without_interval
from fxbench.metrics.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fxbench.types import Bool, Float64, Int64

LEAST = 20
"""A group of fewer images is shown, but is neither the worst nor the best: it may be by chance."""


@dataclass(frozen=True, slots=True)
class Group:
    """The scores of one group.

    Attributes:
        name: of the group, empty for the images of which it isn't known.
        n: its images.
        accuracy: end-to-end.
        macro_f1: end-to-end, over the emotions that the group has.
    """

    name: str
    n: int
    accuracy: Estimate
    macro_f1: Estimate


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference between the best and the worst group.

    Attributes:
        worst: the group of the lowest accuracy.
        best: that of the highest.
        gap: the difference of their accuracies, with a cautious interval.
        by_chance: the mean difference where groups are drawn at random, and its middle 95 %.
        p: the share of such draws with a difference as large, at least.
    """

    worst: str
    best: str
    gap: Estimate
    by_chance: Estimate
    p: float


def by_group(
    truth: Int64, top: Int64, names: Sequence[str], clusters: Int64
) -> tuple[tuple[Group, ...], Gap | None]:
    """The scores of each group of images, and the gap between the worst and the best.

    The more groups there are and the smaller they are, the larger the gap is by chance alone. So
    beside it stands what groups drawn at random would show: the groups' names are dealt out anew
    among the images, those of a cluster together where they are of one group (a permutation test:
    Good 2005, Permutation, parametric and bootstrap tests of hypotheses, chapter 3).

    Args:
        truth: int64 (N,), indices into EMOTIONS; an image with a negative one counts nowhere.
        top: int64 (N,), the answers: indices, NOT_FOUND or OTHER.
        names: N names of groups; an empty one where it isn't known.
        clusters: int64 (N,); images with the same number depend on each other.

    Returns:
        The groups in order of their names, numbers by size, the unknown last; and the gap, None
        where fewer than two known groups have :data:`LEAST` images.
    """
    counted = truth >= 0
    truth, top, clusters = truth[counted], top[counted], clusters[counted]
    column = np.asarray(names, np.str_)[counted]
    shares, units = Shares(clusters), units_of(clusters) if len(truth) else clusters
    right: Bool = truth == top
    ordered = sorted(set(column.tolist()), key=_by_name)
    groups = []
    for name in ordered:
        member: Bool = column == name
        n = int(member.sum())
        macro = _macro_f1(truth[member], top[member], clusters[member])
        groups.append(Group(name, n, shares.of(right, member), macro))
    known = [one for one in groups if one.name and one.n >= LEAST]
    if len(known) < 2:
        return tuple(groups), None
    index = np.full(len(column), -1, np.int64)
    for place, one in enumerate(known):
        index[column == one.name] = place
    return tuple(groups), _gap(known, index, right, clusters, units)


def _gap(known: Sequence[Group], index: Int64, right: Bool, clusters: Int64, units: Int64) -> Gap:
    columns = np.where(index >= 0, 2 * index + right, -1)
    drawn = _spread(drawn_counts(units, columns, 2 * len(known)))
    among = index >= 0
    there, n = len(np.unique(units[among])), int(among.sum())
    ordered = sorted(known, key=lambda one: one.accuracy["value"] or 0.0)
    worst, best = ordered[0], ordered[-1]
    gap = (best.accuracy["value"] or 0.0) - (worst.accuracy["value"] or 0.0)
    chance = _dealt(index[among], right[among], clusters[among], len(known))
    low, high = np.quantile(chance, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # A difference that is the same but for the last digit is as large.
    p = (1 + int((chance >= gap - 1e-12).sum())) / (1 + len(chance))
    return Gap(
        worst.name,
        best.name,
        from_zero(gap, drawn, n, there),
        Estimate(value=float(chance.mean()), low=float(low), high=float(high), n=n),
        p,
    )


def _dealt(index: Int64, right: Bool, clusters: Int64, groups: int) -> Float64:
    """The gaps where groups are dealt out anew, float64 (D,)."""
    parts, part = np.unique(np.stack([clusters, index]), axis=1, return_inverse=True)
    part = part.reshape(-1)
    hits = np.bincount(part, right).astype(np.float64)
    n = np.bincount(part).astype(np.float64)
    own = np.eye(groups)[parts[1]]
    random = np.random.default_rng(0)
    gaps = np.empty(DRAWS)
    for draw in range(DRAWS):
        order = random.permutation(len(own))
        sizes = n[order] @ own
        shares = (hits[order] @ own)[sizes > 0] / sizes[sizes > 0]
        gaps[draw] = shares.max() - shares.min()
    return gaps


def _spread(counts: Float64) -> Float64:
    """The largest less the smallest share of right answers, float64 (D,)."""
    wrong_right = counts.reshape(len(counts), -1, 2)
    n = wrong_right.sum(axis=2)
    shares = np.full(n.shape, np.nan)
    np.divide(wrong_right[..., 1], n, out=shares, where=n > 0)
    # A group of twenty images is in every draw but one of 10^8; without it there is no spread.
    spread: Float64 = shares.max(axis=1) - shares.min(axis=1)
    return spread


def _macro_f1(truth: Int64, top: Int64, clusters: Int64) -> Estimate:
    if not len(truth):
        return without_interval(None, 0)
    counts, units = confusion_matrix(truth, top), units_of(clusters)
    drawn = drawn_counts(units, confusion_columns(truth, top), counts.size)
    return percentile(
        float(macro_f1_of(counts.astype(np.float64))),
        macro_f1_of(drawn.reshape(-1, *counts.shape)),
        len(truth),
        int(units.max()) + 1,
    )


def _by_name(name: str) -> tuple[bool, float, str]:
    """Numbers at the beginning of names by size, then other names, the empty one last."""
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    return not name, float(digits) if digits else float("inf"), name
