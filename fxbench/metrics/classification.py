"""Right and wrong answers: accuracy, recall, macro-F1 and multi-target accuracy.

Everything but the last is read off one confusion matrix of counts, int64 (8, 10): a row for each
right emotion, a column for each answer: the eight emotions, `other` (an output without counterpart
won) and `not found` (no face was found). A conditional score leaves the last column out; an
end-to-end score counts it as wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.metrics.intervals import Estimate, proportion, without_interval

if TYPE_CHECKING:
    from fxbench.types import Bool, Int64

NOT_FOUND = -1
"""In a vector of answers: no face was found."""
OTHER = -2
"""In a vector of answers: an output won that has no counterpart among the eight emotions."""

COLUMNS: tuple[str, ...] = (*EMOTIONS, "other", "not found")
"""The columns of a confusion matrix."""

_COUNT = len(EMOTIONS)


def confusion_matrix(truth: Int64, answers: Int64) -> Int64:
    """How often each right emotion got each answer.

    Args:
        truth: int64 (N,), indices into EMOTIONS; a negative one counts nowhere.
        answers: int64 (N,), indices into EMOTIONS, NOT_FOUND or OTHER.

    Returns:
        int64 (8, 10) with the columns of COLUMNS.

    Raises:
        ValueError: when the lengths differ or an index is out of range.
    """
    if truth.shape != answers.shape or truth.ndim != 1:
        raise ValueError(f"Truth {truth.shape} and answers {answers.shape} must be equally long.")
    if truth.size and (truth.max() >= _COUNT or answers.max() >= _COUNT or answers.min() < OTHER):
        raise ValueError(f"Emotions are 0 to {_COUNT - 1}; an answer may be -1 or -2 as well.")
    kept = truth >= 0
    column = answers[kept].copy()
    column[column == OTHER] = _COUNT
    column[column == NOT_FOUND] = _COUNT + 1
    cells = truth[kept] * len(COLUMNS) + column
    counts = np.bincount(cells, minlength=_COUNT * len(COLUMNS))
    return counts.reshape(_COUNT, len(COLUMNS)).astype(np.int64)


def _rows(counts: Int64, end_to_end: bool) -> Int64:
    """How many images of each right emotion count, int64 (8,)."""
    rows: Int64 = counts.sum(axis=1) if end_to_end else counts[:, :-1].sum(axis=1)
    return rows


def accuracy(counts: Int64, *, end_to_end: bool = False) -> Estimate:
    """The share of right answers.

    Args:
        counts: a confusion matrix.
        end_to_end: whether a missed face is counted, as wrong.
    """
    return proportion(int(np.trace(counts)), int(_rows(counts, end_to_end).sum()))


def recall(counts: Int64, *, end_to_end: bool = False) -> dict[str, Estimate]:
    """The share of right answers among the images of each right emotion.

    Args:
        counts: a confusion matrix.
        end_to_end: whether a missed face is counted, as wrong.
    """
    rows = _rows(counts, end_to_end)
    return {
        emotion: proportion(int(counts[index, index]), int(rows[index]))
        for index, emotion in enumerate(EMOTIONS)
    }


def macro_f1(counts: Int64, *, end_to_end: bool = False) -> Estimate:
    """The plain mean of F1 over the emotions that are right for at least one image that counts.

    F1 is 2 TP / (2 TP + FP + FN). This is scikit-learn's `f1_score(truth, answers, labels=present,
    average="macro", zero_division=0)`, and the 'averaged F1' of Opitz & Burst (2019), Macro F1 and
    Macro F1, arXiv:1911.03347, which they find the more robust of the two in use.

    Args:
        counts: a confusion matrix.
        end_to_end: whether a missed face is counted, as a false negative of its emotion.
    """
    rows = _rows(counts, end_to_end)
    present = rows > 0
    if not present.any():
        return without_interval(None, 0)
    hits = np.diagonal(counts)
    answered = counts[:, :_COUNT].sum(axis=0)
    f1 = 2 * hits[present] / (rows + answered)[present]
    return without_interval(float(f1.mean()), int(rows.sum()))


def multi_target_accuracy(accepted: Bool, answers: Int64, *, end_to_end: bool = False) -> Estimate:
    """The share of answers that are among the emotions which enough annotators chose.

    Barsoum et al. (2016), Training deep networks for facial expression recognition with
    crowd-sourced label distribution, ICMI (multi-label learning). The dataset says which emotions
    are accepted.

    Args:
        accepted: bool (N, 8); a row without any does not count.
        answers: int64 (N,), indices into EMOTIONS, NOT_FOUND or OTHER.
        end_to_end: whether a missed face is counted, as wrong.
    """
    counted = accepted.any(axis=1)
    if not end_to_end:
        counted = counted & (answers != NOT_FOUND)
    index = np.flatnonzero(counted & (answers >= 0))
    return proportion(int(accepted[index, answers[index]].sum()), int(counted.sum()))
