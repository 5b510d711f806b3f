"""Right and wrong answers: accuracy, recall, precision, F1 and multi-target accuracy.

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
    from collections.abc import Callable

    from fxbench.types import Bool, Float64, Int64

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
    cells = confusion_columns(truth, answers)
    counts = np.bincount(cells[cells >= 0], minlength=_COUNT * len(COLUMNS))
    return counts.reshape(_COUNT, len(COLUMNS)).astype(np.int64)


def confusion_columns(truth: Int64, answers: Int64) -> Int64:
    """Where each image is counted in a confusion matrix that is read row by row.

    Returns:
        int64 (N,), from 0 to 79; -1 where an image counts nowhere.
    """
    column = np.where(answers == OTHER, _COUNT, answers)
    column = np.where(answers == NOT_FOUND, _COUNT + 1, column)
    return np.where(truth >= 0, truth * len(COLUMNS) + column, -1).astype(np.int64)


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
    return _mean(macro_f1_of, counts, end_to_end)


def balanced_accuracy(counts: Int64, *, end_to_end: bool = False) -> Estimate:
    """The plain mean of recall over the emotions that are right for at least one image that counts.

    Brodersen, Ong, Stephan & Buhmann (2010), The balanced accuracy and its posterior distribution,
    ICPR; scikit-learn's `balanced_accuracy_score`. Without looking it is 1 over the number of
    emotions.

    Args:
        counts: a confusion matrix.
        end_to_end: whether a missed face is counted, as wrong.
    """
    return _mean(balanced_accuracy_of, counts, end_to_end)


def _mean(of: Callable[[Float64], Float64], counts: Int64, end_to_end: bool) -> Estimate:
    images = int(_rows(counts, end_to_end).sum())
    if not images:
        return without_interval(None, 0)
    table = counts if end_to_end else counts[:, :-1]
    return without_interval(float(of(table.astype(np.float64))), images)


def accuracy_of(tables: Float64) -> Float64:
    """The accuracy of many confusion matrices at once; see :func:`macro_f1_of`."""
    images = tables.sum(axis=(-2, -1))
    hits = np.diagonal(tables, axis1=-2, axis2=-1).sum(axis=-1)
    return _divided(hits, images)


def macro_f1_of(tables: Float64) -> Float64:
    """The macro-F1 of many confusion matrices at once.

    Args:
        tables: float64 (..., 8, C), of which the first 8 columns are the emotions.

    Returns:
        float64 (...); NaN without an image.
    """
    images = tables.sum(axis=-1)
    hits = np.diagonal(tables, axis1=-2, axis2=-1)
    answered = tables[..., :_COUNT].sum(axis=-2)
    return _over_present(_divided(2 * hits, images + answered), images)


def balanced_accuracy_of(tables: Float64) -> Float64:
    """The balanced accuracy of many confusion matrices at once; see :func:`macro_f1_of`."""
    images = tables.sum(axis=-1)
    return _over_present(_divided(np.diagonal(tables, axis1=-2, axis2=-1), images), images)


def _over_present(scores: Float64, images: Float64) -> Float64:
    present = images > 0
    return _divided(np.where(present, scores, 0.0).sum(axis=-1), present.sum(axis=-1))


def _divided(above: Float64, below: Float64) -> Float64:
    """A quotient, NaN where nothing is to be divided by."""
    quotient: Float64 = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=quotient, where=np.asarray(below) > 0)
    return quotient


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
