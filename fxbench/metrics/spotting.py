"""How well spotted intervals cover the true ones.

Frames of an interval are counted with its first and its last one, so that `[0, 4]` and `[5, 9]`
touch without sharing a frame. There are two ways to pair intervals: :func:`match`, which is the
project's own, and :func:`match_script`, which is that of the micro-expression grand challenges'
public script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaincinv

from fxbench.metrics.detection import clustered_proportion
from fxbench.metrics.intervals import CONFIDENCE, Estimate, without_interval

if TYPE_CHECKING:
    from fxbench.clips import Interval
    from fxbench.types import Float64, Int64

LEAST = 0.5
"""The intersection over union from which on an interval is right (MEGC 2020; see :func:`match`)."""

Pairs = tuple[tuple[int, int], ...]
"""Pairs of a spotted interval and a true one, by their places in what was given."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of some spotted intervals.

    Attributes:
        tp: true positives.
        fp: spotted intervals that are not right.
        fn: true intervals that were not spotted.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def total(self) -> int:
        """All of them: what F1 is made from."""
        return self.tp + self.fp + self.fn

    @property
    def precision(self) -> float | None:
        """TP / (TP + FP); None where nothing was spotted."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """TP / (TP + FN); None where there was nothing to spot."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None where nothing was spotted and nothing was there."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def overlap(spotted: Sequence[Interval], truth: Sequence[Interval]) -> Float64:
    """The intersection over union, in frames, of each spotted interval with each true one.

    Returns:
        float64 (S, T), from 0 to 1.
    """
    a, b = _ends(spotted)[:, None], _ends(truth)[None]
    shared = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]) + 1
    shared = np.maximum(shared, 0)
    either = (a[..., 1] - a[..., 0] + 1) + (b[..., 1] - b[..., 0] + 1) - shared
    share: Float64 = shared / either
    return share


def match(spotted: Sequence[Interval], truth: Sequence[Interval], least: float = LEAST) -> Pairs:
    """The most pairs that can be made, one to one, of intervals that overlap enough.

    That an interval is right at an intersection over union of 0.5 is He, Wang, Li & Yap (2020),
    Spotting macro- and micro-expression intervals in long video sequences, FG. Among
    several ways to make the most pairs, that with the largest sum of overlaps is taken (Kuhn 1955,
    The Hungarian method for the assignment problem, Naval Research Logistics Quarterly 2), so the
    order of the intervals decides nothing.

    Args:
        spotted: of one clip, in any order.
        truth: of the same clip.
        least: intersection over union, above 0.
    """
    shared = overlap(spotted, truth)
    enough = shared >= least
    # The overlaps of all pairs together weigh less than one pair more.
    weight = np.where(enough, 1 + shared / (min(shared.shape, default=0) + 1), 0.0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return tuple(
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if enough[row, column]
    )


def match_script(
    spotted: Sequence[Interval], truth: Sequence[Interval], least: float = LEAST
) -> Pairs:
    """The pairs that the public script of the grand challenges makes.

    Liong, See & Chan (2023), Spot-then-recognize: a micro-expression analysis network for seamless
    evaluation of long videos, Signal Processing: Image Communication 110, 116875, and its authors'
    STRS-Metric, in the version in which a true interval is taken once at most. Spotted intervals
    take their turn in the order in which they are given; each takes *every* true interval that is
    left and that it overlaps enough. So one may have two, and what comes first decides which of
    them is a false positive.

    Args:
        spotted: of one clip, in the order in which they were given.
        truth: of the same clip.
        least: intersection over union.
    """
    shared = overlap(spotted, truth)
    taken: set[int] = set()
    pairs = []
    for row in range(len(spotted)):
        for column in range(len(truth)):
            if shared[row, column] >= least and column not in taken:
                taken.add(column)
                pairs.append((row, column))
    return tuple(pairs)


def counted(pairs: Pairs, spotted: int, truth: int) -> Counts:
    """What pairs of `spotted` and `truth` intervals mean: a true positive is a true interval."""
    right = {row for row, _ in pairs}
    return Counts(len(pairs), spotted - len(right), truth - len(pairs))


def f1(clusters: Sequence[Counts]) -> Estimate:
    """F1 over all counts together, with a 95 % interval.

    F1 is 2 J / (1 + J), where J = TP / (TP + FP + FN) is a proportion and the larger the larger F1
    is. So the interval is that of J, which knows that intervals come by subjects (see
    :func:`fxbench.metrics.detection.clustered_proportion`), its ends put into the same formula.

    Args:
        clusters: the counts of each subject, or of each clip where subjects are not known.

    Returns:
        `n` is TP + FP + FN; without a value where that is 0.
    """
    jaccard = clustered_proportion(
        np.array([one.tp for one in clusters], np.int64),
        np.array([one.total for one in clusters], np.int64),
    )
    pooled = sum(clusters, Counts())
    low, high = (None if end is None else 2 * end / (1 + end) for end in _interval(jaccard))
    return Estimate(value=pooled.f1, low=low, high=high, n=pooled.total)


def precision(clusters: Sequence[Counts]) -> Estimate:
    """The share of the spotted intervals that are right; `n` is how many were spotted."""
    hits = np.array([one.tp for one in clusters], np.int64)
    spotted = np.array([one.tp + one.fp for one in clusters], np.int64)
    return clustered_proportion(hits, spotted)


def recall(clusters: Sequence[Counts]) -> Estimate:
    """The share of the true intervals that were spotted; `n` is how many there are."""
    hits = np.array([one.tp for one in clusters], np.int64)
    true = np.array([one.tp + one.fn for one in clusters], np.int64)
    return clustered_proportion(hits, true)


def rate(count: int, minutes: float, n: int) -> Estimate:
    """How often something happens in a minute, with the exact 95 % interval of a Poisson rate.

    Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28, 437-442.

    Args:
        count: how often it happened.
        minutes: in how much video.
        n: how many frames that was.
    """
    if minutes <= 0:
        return without_interval(None, 0)
    tail = (1 - CONFIDENCE) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    high = float(gammaincinv(count + 1, 1 - tail))
    return Estimate(value=count / minutes, low=low / minutes, high=high / minutes, n=n)


@dataclass(frozen=True, slots=True)
class Analysis:
    """The public script's figures of what was recognised in the intervals that were spotted.

    Attributes:
        precision: the mean of the classes' precisions.
        recall: the mean of their recalls.
        f1: of these two means; None where both are 0, for which the script has no number.
        uf1: the mean of the classes' F1.
        uar: what the script calls so, which is the mean of the *precisions* again.
    """

    precision: float
    recall: float
    f1: float | None
    uf1: float
    uar: float


def analysis(truth: Sequence[str], answered: Sequence[str], classes: Sequence[str]) -> Analysis:
    """The script's analysis (see :func:`match_script`), of the intervals that were spotted.

    Hits whose right class is none of `classes` count nowhere. A class that is right and answered
    for every hit has precision and recall 0 in the script, as has one that no hit has anything to
    do with: it makes no use of a confusion matrix that has one class.

    Args:
        truth: the right class of each hit.
        answered: what was answered, equally many.
        classes: those to be taken the mean over, at least one.
    """
    hits = [(t, a) for t, a in zip(truth, answered, strict=True) if t in classes]
    each: list[tuple[float, float, float]] = []
    for one in classes:
        tp = sum(t == one == a for t, a in hits)
        fp = sum(t != one == a for t, a in hits)
        fn = sum(t == one != a for t, a in hits)
        counts = Counts(0 if tp == len(hits) else tp, fp, fn)
        each.append((counts.precision or 0.0, counts.recall or 0.0, counts.f1 or 0.0))
    p, r, uf1 = (float(np.mean(column)) for column in zip(*each, strict=True))
    return Analysis(p, r, 2 * p * r / (p + r) if p + r else None, uf1, p)


def _interval(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate["low"], estimate["high"]


def _ends(intervals: Sequence[Interval]) -> Int64:
    return np.array([(one.onset, one.offset) for one in intervals], np.int64).reshape(-1, 2)


def _share(part: int, of: int) -> float | None:
    return part / of if of else None
