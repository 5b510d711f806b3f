"""How near a classifier's probabilities come to the distribution of the annotators' votes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fxbench.metrics.intervals import Estimate, without_interval

FLOOR = 1e-6
"""The least probability that an emotion is taken to have, so that one zero costs 13.8 nats."""

_Float = npt.NDArray[np.floating]


def cross_entropy(distribution: _Float, probabilities: _Float) -> Estimate:
    """The mean cross-entropy of the probabilities against the votes, in nats.

    Barsoum et al. (2016), ICMI (cross-entropy loss): -sum over the emotions of
    votes x log(probability), here with each probability floored at FLOOR and not renormalised.

    Args:
        distribution: float (N, 8), each row the share of the votes and summing to 1; a row of NaN
            does not count.
        probabilities: float (N, 8), of the same emotions.
    """
    votes, answers = _counted(distribution, probabilities)
    if not len(votes):
        return without_interval(None, 0)
    return without_interval(float(_cross_entropy(votes, answers).mean()), len(votes))


def kl(distribution: _Float, probabilities: _Float) -> Estimate:
    """The mean Kullback-Leibler divergence of the probabilities from the votes, in nats.

    The cross-entropy less the entropy of the votes (Kullback & Leibler 1951, On information and
    sufficiency): 0 for a classifier that gives exactly the votes, up to the rounding of the stored
    probabilities.

    Args:
        distribution: as for `cross_entropy`.
        probabilities: as for `cross_entropy`.
    """
    votes, answers = _counted(distribution, probabilities)
    if not len(votes):
        return without_interval(None, 0)
    # 0 log 0 is 0: a vote of 0 takes part with log 1.
    entropy = -(votes * np.log(np.where(votes > 0, votes, 1.0))).sum(axis=1)
    return without_interval(float((_cross_entropy(votes, answers) - entropy).mean()), len(votes))


def _counted(
    distribution: _Float, probabilities: _Float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if distribution.shape != probabilities.shape:
        raise ValueError(
            f"Votes {distribution.shape} and probabilities {probabilities.shape} must be alike."
        )
    rows = ~np.isnan(distribution).any(axis=1)
    return distribution[rows].astype(np.float64), probabilities[rows].astype(np.float64)


def _cross_entropy(
    votes: npt.NDArray[np.float64], answers: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    losses: npt.NDArray[np.float64] = -(votes * np.log(np.maximum(answers, FLOOR))).sum(axis=1)
    return losses
