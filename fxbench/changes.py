"""What changed from a cell of one run to the same cell of another, and whether chance could do it.

Both answered the same images, so it is these that are compared, one by one. The images on which the
two cells agree say nothing about which is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from fxbench.answers import NOT_ASKED
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import (
    NOT_FOUND,
    OTHER,
    balanced_accuracy_of,
    confusion_matrix,
    macro_f1_of,
)
from fxbench.metrics.differences import Change, paired_difference
from fxbench.metrics.intervals import CONFIDENCE
from fxbench.metrics.paired import (
    Metric,
    discordant,
    mid_p_mcnemar,
    one_sided_mid_p_mcnemar,
    paired_bootstrap,
)

if TYPE_CHECKING:
    from fxbench.sides import Pair
    from fxbench.types import Bool, Float64

Test = Literal["mid-p McNemar", "paired bootstrap", "intervals"]
EMOTION_OR = {NOT_FOUND: "not found", OTHER: "other", NOT_ASKED: "not asked"}


@dataclass(frozen=True, slots=True)
class Tested:
    """How a metric changed on the images that two cells have in common.

    Attributes:
        metric: its name.
        before: its value of the first cell.
        after: of the second.
        change: after less before, with its 95 % interval; None where nothing could be counted.
        images: how many images count.
        won: how many images (or clusters of images) speak for the second cell.
        lost: for the first; both None where the test does not count images.
        p: that chance alone makes such a difference, whichever way; None without a test.
        p_less: that chance alone makes `after` that much less.
        test: which test it was.
    """

    metric: str
    before: float | None
    after: float | None
    change: Change | None
    images: int
    won: int | None
    lost: int | None
    p: float | None
    p_less: float | None
    test: Test

    @property
    def same(self) -> bool:
        """Whether no image speaks for either: then there is nothing to test."""
        return self.won == 0 and self.lost == 0


def is_tested(metric: str) -> bool:
    """Whether a metric follows from the answers to single images, so that pairs can be tested."""
    return _outcome(metric) is not None or metric in _OF_COUNTS_NAMED


def tested(metric: str, pair: Pair) -> Tested:
    """Test the change of a metric on the same images.

    Proportions by the mid-p McNemar test, one vote for each cluster of images; macro-F1 and
    balanced accuracy by the paired bootstrap over clusters. Where its p value is the least that its
    draws can give, it is, if that is smaller, the one of a normal distribution with the bootstrap's
    spread.

    Raises:
        KeyError: it does not follow from the answers; see :func:`is_tested`.
    """
    outcome = _outcome(metric)
    if outcome is None:
        return _bootstrapped(metric, pair)
    counted, before, after = outcome(pair)
    images = int(counted.sum())
    if not images:
        return Tested(metric, None, None, None, 0, 0, 0, None, None, "mid-p McNemar")
    before, after, clusters = before[counted], after[counted], pair.clusters[counted]
    counts = discordant(np.stack([before, after]), clusters)
    won, lost = int(counts[1, 0]), int(counts[0, 1])
    return Tested(
        metric,
        float(before.mean()),
        float(after.mean()),
        paired_difference(before, after, clusters),
        images,
        won,
        lost,
        float(mid_p_mcnemar(won, lost)),
        float(one_sided_mid_p_mcnemar(lost, won)),
        "mid-p McNemar",
    )


Outcome = Callable[["Pair"], "tuple[Bool, Bool, Bool]"]
"""Of a pair of cells which images count, and which of them the first and the second get right."""


def _outcome(metric: str) -> Outcome | None:
    name, _, emotion = metric.partition(".")
    end_to_end = name.endswith("_end_to_end")
    if metric == "detection_rate":
        return _found
    if metric in ("accuracy", "accuracy_end_to_end"):
        return lambda pair: _right(pair, pair.labels >= 0, end_to_end)
    if name in ("recall", "recall_end_to_end") and emotion in EMOTIONS:
        code = EMOTIONS.index(emotion)
        return lambda pair: _right(pair, pair.labels == code, end_to_end)
    return None


def _found(pair: Pair) -> tuple[Bool, Bool, Bool]:
    everything = np.ones(len(pair.ids), np.bool_)
    return everything, pair.before != NOT_FOUND, pair.after != NOT_FOUND


def _right(pair: Pair, counted: Bool, end_to_end: bool) -> tuple[Bool, Bool, Bool]:
    if not end_to_end:
        counted = counted & _both_found(pair)
    return counted, pair.before == pair.labels, pair.after == pair.labels


def _both_found(pair: Pair) -> Bool:
    both: Bool = (pair.before != NOT_FOUND) & (pair.after != NOT_FOUND)
    return both


_OF_COUNTS: dict[Metric, Callable[[Float64], Float64]] = {
    "macro_f1": macro_f1_of,
    "balanced_accuracy": balanced_accuracy_of,
}
_OF_COUNTS_NAMED: dict[str, tuple[Metric, bool]] = {
    f"{name}{suffix}": (name, bool(suffix)) for name in _OF_COUNTS for suffix in ("", "_end_to_end")
}


_DRAWS = 2_000
_LEAST_P = 2 / (1 + _DRAWS)
"""Two-sided; so many draws can't tell smaller ones from 0."""


def _tail(value: float, low: float, high: float) -> float:
    """The two-sided p value of a normal estimate with that 95 % interval."""
    spread = (high - low) / (2 * float(ndtri((1 + CONFIDENCE) / 2)))
    return 2 * float(ndtr(-abs(value) / spread)) if spread > 0 else 1.0


def _bootstrapped(metric: str, pair: Pair) -> Tested:
    name, end_to_end = _OF_COUNTS_NAMED[metric]
    counted = pair.labels >= 0 if end_to_end else (pair.labels >= 0) & _both_found(pair)
    truth, clusters = pair.labels[counted], pair.clusters[counted]
    before, after = pair.before[counted], pair.after[counted]
    if not len(truth):
        return Tested(metric, None, None, None, 0, 0, 0, None, None, "paired bootstrap")
    of = _OF_COUNTS[name]
    first, second = (float(of(confusion_matrix(truth, t).astype(float))) for t in (before, after))
    if not (before != after).any():
        same = Change(0.0, 0.0, 0.0)
        return Tested(metric, first, second, same, len(truth), 0, 0, 1.0, 0.5, "paired bootstrap")
    found = paired_bootstrap(
        truth, after, before, clusters, metric=name, end_to_end=end_to_end, draws=_DRAWS
    )
    value = second - first
    low, high = (value if end is None else end for end in (found.low, found.high))
    p = None
    if found.low is not None and found.high is not None:
        p = min(
            found.p, _tail(value, found.low, found.high) if found.p <= _LEAST_P * 1.001 else 1.0
        )
    p_less = None if p is None else p / 2 if value < 0 else 1 - p / 2
    return Tested(
        metric,
        first,
        second,
        Change(value, low, high),
        len(truth),
        None,
        None,
        p,
        p_less,
        "paired bootstrap",
    )


@dataclass(frozen=True, slots=True)
class Flip:
    """An image that two cells answered differently.

    Attributes:
        id: its name.
        label: the right emotion, None where there is none.
        before: what the first answered: an emotion, `other` or `not found`.
        after: what the second did.
    """

    id: str
    label: str | None
    before: str
    after: str

    @property
    def kind(self) -> Literal["lost", "won", "other"]:
        """Whether the second is wrong where the first was right, the reverse, or neither."""
        if self.label is None or self.label not in (self.before, self.after):
            return "other"
        return "lost" if self.before == self.label else "won"


def flips(pair: Pair) -> list[Flip]:
    """The images that two cells answered differently, those that were lost first."""
    found = [
        Flip(
            pair.ids[index],
            EMOTIONS[pair.labels[index]] if pair.labels[index] >= 0 else None,
            answer(pair.before[index]),
            answer(pair.after[index]),
        )
        for index in np.flatnonzero(pair.before != pair.after).tolist()
    ]
    order = ("lost", "won", "other")
    return sorted(found, key=lambda flip: order.index(flip.kind))


def answer(code: Any) -> str:
    """The name of an answer."""
    return EMOTION_OR.get(int(code)) or EMOTIONS[int(code)]


@dataclass(frozen=True, slots=True)
class Flipped:
    """How many images two cells answered differently: lost, won, and neither."""

    lost: int
    won: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.lost + self.won + self.other


def count_flips(pair: Pair) -> Flipped:
    """The same as counts."""
    differ = pair.before != pair.after
    labelled = differ & (pair.labels >= 0)
    lost = int((labelled & (pair.before == pair.labels)).sum())
    won = int((labelled & (pair.after == pair.labels)).sum())
    return Flipped(lost, won, int(differ.sum()) - lost - won)
