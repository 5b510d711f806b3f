"""What a classifier's probabilities are worth: the Brier score, and risk against coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.outputs import by_emotion

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """What share of the answers is wrong, the surest ones first.

    Attributes:
        coverage: float64 (N,), ascending: the share of the answers that is given.
        risk: float64 (N,), the share of these that is wrong.
    """

    coverage: Float64
    risk: Float64

    @property
    def area(self) -> float:
        """The area under the curve (AURC): the mean risk over all coverages."""
        return float(self.risk.mean()) if len(self.risk) else 0.0

    def at(self, points: int) -> tuple[Float64, Float64]:
        """Coverage and risk at some points, evenly spaced, the last at full coverage."""
        count = len(self.risk)
        index = np.unique(np.ceil(np.arange(1, points + 1) * count / points).astype(np.int64)) - 1
        index = index[index >= 0]
        return self.coverage[index], self.risk[index]


def brier_scores(probabilities: Float64, labels: tuple[str | None, ...], truth: Int64) -> Float64:
    """The Brier score of each answer: the squared distance from the right answer.

    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather
    Review 78(1), in its form for several classes: the sum over the classes of (probability - 1 if
    right, else 0)^2, from 0 to 2. Outputs that mean the same emotion are added up; one without
    counterpart is a class that is never right.

    Args:
        probabilities: float64 (N, K).
        labels: the emotion that each of the K means, or None.
        truth: int64 (N,), indices into EMOTIONS.

    Returns:
        float64 (N,).
    """
    told = by_emotion(probabilities, labels)
    others = probabilities[:, [label is None for label in labels]]
    squares = (told**2).sum(axis=1) + (others**2).sum(axis=1)
    scores: Float64 = squares - 2 * told[np.arange(len(truth)), truth] + 1
    return scores


def risk_coverage(confidence: Float64, correct: Bool) -> RiskCoverage:
    """How the share of wrong answers grows as less sure answers are given as well.

    El-Yaniv & Wiener (2010), On the foundations of noise-free selective classification, Journal of
    Machine Learning Research 11. Answers of equal confidence come in no order: each counts as
    their mean.

    Args:
        confidence: float64 (N,), the largest probability of each answer.
        correct: bool (N,), whether that answer is right.
    """
    count = len(confidence)
    _, tie, size = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(tie, ~correct, len(size)) / np.maximum(size, 1)
    given = np.arange(1, count + 1)
    risk = np.cumsum(np.repeat(wrong, size)) / given
    return RiskCoverage(given / max(count, 1), risk)
