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
    return _mean(losses(distribution, probabilities)[:, 0])


def kl(distribution: _Float, probabilities: _Float) -> Estimate:
    """The mean Kullback-Leibler divergence of the probabilities from the votes, in nats.

    The cross-entropy less the entropy of the votes (Kullback & Leibler 1951, On information and
    sufficiency): 0 for a classifier that gives exactly the votes, up to the rounding of the stored
    probabilities.

    Args:
        distribution: as for `cross_entropy`.
        probabilities: as for `cross_entropy`.
    """
    return _mean(losses(distribution, probabilities)[:, 1])


def losses(distribution: _Float, probabilities: _Float) -> npt.NDArray[np.float64]:
    """The cross-entropy and the divergence of each face.

    Args:
        distribution: as for `cross_entropy`.
        probabilities: as for `cross_entropy`.

    Returns:
        float64 (N, 2); NaN for a row that does not count.
    """
    if distribution.shape != probabilities.shape:
        raise ValueError(
            f"Votes {distribution.shape} and probabilities {probabilities.shape} must be alike."
        )
    votes = distribution.astype(np.float64)
    crossed = -(votes * np.log(np.maximum(probabilities.astype(np.float64), FLOOR))).sum(axis=1)
    # 0 log 0 is 0: a vote of 0 takes part with log 1.
    entropy = -(votes * np.log(np.where(votes > 0, votes, 1.0))).sum(axis=1)
    return np.stack([crossed, crossed - entropy], axis=1)


def _mean(values: npt.NDArray[np.float64]) -> Estimate:
    known = values[~np.isnan(values)]
    return without_interval(float(known.mean()) if len(known) else None, len(known))
