"""From FER+ votes to labels: the rules of Barsoum et al., ICMI 2016 (arXiv 1608.01041, section 3).

The paper's authors published their own reader with their training code; where the paper leaves
something open, these rules do what that reader does. `votes` is always int (N, 10): the eight
emotions in the order of :data:`fxbench.labels.EMOTIONS`, then `unknown` and `not a face`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import UsageError
from fxbench.types import Answers, Bool, Float32, Int64

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOLS: tuple[str, ...] = (
    "majority",
    "plurality",
    "probability",
    "crossentropy",
    "multi-target",
)
"""The rules for which images count; the first is the default."""

_EMOTIONS = 8


def answers(votes: Int64, protocol: str) -> Answers:
    """The images that count under `protocol`, and what is right.

    `labels` is the majority's or plurality's choice under the protocols of that name. The other
    protocols keep images that are ambiguous by design: there it is the emotion with most votes
    after the removal of outliers, -1 where two share that place.

    On valid of `label.csv`, an answer that is always neutral has 37.0 % accuracy under `majority`
    (1,180 of 3,191) and 43.2 % multi-target accuracy under `multi-target` (1,499 of 3,472).

    Args:
        votes: int (N, 10).
        protocol: one of :data:`PROTOCOLS`.

    Raises:
        UsageError: another protocol.
    """
    if protocol == "majority":
        labels = majority(votes)
        kept = labels >= 0
    elif protocol == "plurality":
        labels = plurality(votes)
        kept = labels >= 0
    elif protocol in ("probability", "crossentropy"):
        kept = kept_by_probability(votes)
        labels = winner(votes)
    elif protocol == "multi-target":
        kept = kept_by_multi_target(votes)
        labels = winner(votes)
    else:
        raise UsageError(
            f"FER+ has no protocol {protocol!r}: the protocols are {', '.join(PROTOCOLS)}."
        )
    rows = np.flatnonzero(kept).astype(np.int64)
    counted = votes[rows]
    return Answers(rows, labels[rows], accepted(counted), distribution(counted))


def without_outliers(votes: Int64) -> Int64:
    """Votes with each single vote set to 0: the authors hold it for noise."""
    return np.where(votes > 1, votes, 0).astype(np.int64)


def majority(votes: Int64) -> Int64:
    """The emotion that has more than half of the votes left after outliers are removed.

    Returns:
        int64 (N,): an index into EMOTIONS, -1 where there is none (also where `unknown` or `not a
        face` has the majority).
    """
    left = without_outliers(votes)
    top = left.argmax(1)
    found = (2 * left.max(1) > left.sum(1)) & (top < _EMOTIONS)
    return np.where(found, top, -1).astype(np.int64)


def plurality(votes: Int64) -> Int64:
    """The emotion that alone has the most of all raw votes, `unknown` and `not a face` included.

    Returns:
        int64 (N,): an index into EMOTIONS, -1 where the most votes are shared or not an emotion's.
    """
    return _single_winner(votes)


def winner(votes: Int64) -> Int64:
    """The emotion with most votes among the eight after the removal of outliers; -1 for a tie."""
    return _single_winner(without_outliers(votes)[:, :_EMOTIONS])


def _single_winner(votes: Int64) -> Int64:
    most = votes.max(1)
    top = votes.argmax(1)
    single = ((votes == most[:, None]).sum(1) == 1) & (most > 0) & (top < _EMOTIONS)
    return np.where(single, top, -1).astype(np.int64)


def kept_by_probability(votes: Int64) -> Bool:
    """Which images the authors keep to train on vote distributions.

    Emotions are taken from the most votes down, those with equal votes together, until they hold
    three quarters of the votes left after outliers are removed, or three emotions are taken, or
    `unknown` or `not a face` would be next. An image counts where one to three emotions were taken
    and they hold more than half of those votes.

    Returns:
        bool (N,).
    """
    distinct, inverse = np.unique(without_outliers(votes), axis=0, return_inverse=True)
    kept = np.array([_few_emotions_explain(row) for row in distinct.tolist()], bool)
    result: Bool = kept[inverse.reshape(-1)]
    return result


def _few_emotions_explain(left: Sequence[int]) -> bool:
    total, taken, count = sum(left), 0, 0
    for level in sorted({number for number in left if number}, reverse=True):
        here = left[:_EMOTIONS].count(level)
        taken += here * level
        count += here
        if level in left[_EMOTIONS:] or 4 * taken >= 3 * total or count >= 3:
            break
    return 2 * taken > total and count <= 3


def _strong(votes: Int64) -> tuple[Int64, Bool, Bool]:
    """What is left of the votes, the columns with 30 % of it, and where those hold over half."""
    left = without_outliers(votes)
    total = left.sum(1)
    strong: Bool = (left > 0) & (10 * left >= 3 * total[:, None])
    return left, strong, 2 * (left * strong).sum(1) > total


def kept_by_multi_target(votes: Int64) -> Bool:
    """Which images the authors keep to train on several targets.

    The columns with at least 30 % of the votes left after outliers are removed must hold more than
    half of them, and an emotion must be first among them (a tie with `unknown` counts as first).

    Returns:
        bool (N,).
    """
    left, strong, enough = _strong(votes)
    result: Bool = enough & ((left * strong).argmax(1) < _EMOTIONS)
    return result


def accepted(votes: Int64) -> Bool:
    """The emotions that `multi_target_accuracy` accepts.

    Those with at least 30 % of the votes left after outliers are removed, where all columns with as
    many votes (`unknown` and `not a face` included) hold more than half of them.

    Returns:
        bool (N, 8): a row without any does not count in that metric.
    """
    _, strong, enough = _strong(votes)
    result: Bool = strong[:, :_EMOTIONS] & enough[:, None]
    return result


def distribution(votes: Int64) -> Float32:
    """The votes for the eight emotions after outliers are removed, as shares of their sum.

    The authors' reader removes outliers before anything else, so they are removed here too. It then
    cuts the distribution off at three quarters of the votes for training; a score should not
    hide what the annotators said, so nothing is cut off here.

    Returns:
        float32 (N, 8): rows sum to 1; a row of NaN where no vote is left.
    """
    left = without_outliers(votes)[:, :_EMOTIONS].astype(np.float64)
    total = left.sum(1, keepdims=True)
    shares = np.divide(left, total, out=np.full_like(left, np.nan), where=total > 0)
    result: Float32 = shares.astype(np.float32)
    return result
