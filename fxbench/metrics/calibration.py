"""Whether a classifier is right as often as its probabilities say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.metrics.intervals import Estimate, without_interval

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64

BINS = 15
_DRAWS = 1000
_BLOCK = 2**20
"""How many answers are drawn at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Answers in bins by their confidence: the points of a reliability diagram.

    Attributes:
        count: int64 (B,), the answers in each bin.
        confidence: float64 (B,), their mean confidence, ascending.
        accuracy: float64 (B,), the share that is right.
    """

    count: Int64
    confidence: Float64
    accuracy: Float64

    @property
    def error(self) -> float:
        """The expected calibration error: the bins' mean gap, each weighted by its answers."""
        if not len(self.count):
            return 0.0
        gaps = np.abs(self.confidence - self.accuracy)
        return float((gaps * self.count).sum() / self.count.sum())


def bins_of(confidence: Float64, bins: int = BINS) -> Int64:
    """The bin of each answer, from 0 on: bins of equally many answers, as far as that can be.

    Equal confidences share a bin, so that the order of the images has no effect; there are fewer
    bins where many are equal.

    Args:
        confidence: float64 (N,).
        bins: at most so many.

    Returns:
        int64 (N,).
    """
    if not len(confidence):
        return np.zeros(0, np.int64)
    ordered = np.sort(confidence)
    # The first confidence of each equal part begins a bin.
    starts = np.unique(ordered[np.arange(bins) * len(ordered) // bins])
    found = np.searchsorted(starts, confidence, side="right") - 1
    return found.astype(np.int64)


def reliability(confidence: Float64, correct: Bool, bins: int = BINS) -> Reliability:
    """Compare confidence and accuracy in bins of equally many answers.

    Args:
        confidence: float64 (N,), the largest probability of each answer.
        correct: bool (N,), whether that answer is right.
        bins: at most so many; see :func:`bins_of`.
    """
    index = bins_of(confidence, bins)
    count = np.bincount(index)
    return Reliability(
        count.astype(np.int64),
        np.bincount(index, confidence) / count,
        np.bincount(index, correct) / count,
    )


def expected_calibration_error(confidence: Float64, correct: Bool, bins: int = BINS) -> Estimate:
    """The mean gap between confidence and accuracy, over bins of equally many answers.

    Naeini, Cooper & Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
    binning, AAAI; of the top label as in Guo et al. (2017), On calibration of modern neural
    networks, ICML; with bins of equal mass as in Nguyen & O'Connor (2015), Posterior calibration
    and exploratory analysis for natural language processing models, EMNLP. It is never below 0, so
    that chance alone makes it larger: see :func:`calibrated_errors`.

    Args:
        confidence: float64 (N,), the largest probability of each answer.
        correct: bool (N,), whether that answer is right.
        bins: at most so many.
    """
    return without_interval(reliability(confidence, correct, bins).error, len(confidence))


def calibrated_errors(
    confidence: Float64, *, bins: int = BINS, draws: int = _DRAWS, seed: int = 0
) -> Float64:
    """The errors that a perfectly calibrated classifier with these confidences would get.

    Each answer is drawn to be right with the probability that its confidence says (consistency
    resampling: Broecker & Smith 2007, Increasing the reliability of reliability diagrams, Weather
    and Forecasting 22(3)).

    Args:
        confidence: float64 (N,).
        bins: as for :func:`expected_calibration_error`.
        draws: how many times.
        seed: of the draws.

    Returns:
        float64 (`draws`,), ascending.
    """
    if not len(confidence):
        return np.zeros(draws)
    random = np.random.default_rng(seed)
    index = bins_of(confidence, bins)
    order = np.lexsort((confidence, index))
    sure, starts = confidence[order].astype(np.float32), np.searchsorted(index[order], _bins(index))
    expected = np.add.reduceat(sure, starts, dtype=np.float64)
    errors = np.empty(draws)
    step = max(1, _BLOCK // len(sure))
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        right = random.random((rows, len(sure)), np.float32) < sure
        hits = np.add.reduceat(right, starts, axis=1, dtype=np.float64)
        errors[start : start + rows] = np.abs(hits - expected).sum(axis=1) / len(sure)
    return np.sort(errors)


def _bins(index: Int64) -> Int64:
    return np.arange(int(index.max()) + 1)
