"""How far the annotators of FER+ agree with each other."""

from __future__ import annotations

from itertools import product
from math import comb, prod
from typing import TYPE_CHECKING

import numpy as np

from fxbench.metrics.bootstrap import drawn_sums, percentile, units_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from fxbench.metrics.intervals import Estimate
    from fxbench.types import Answers, Float64, Int64

_EMOTIONS = 8
_STEPS = ((5, "5 votes or fewer"), (7, "6 or 7 votes"), (9, "8 or 9 votes"))
_MOST = "10 votes"


def texts(votes: Int64) -> npt.NDArray[np.str_]:
    """How many votes the emotion with most of them has, in four steps.

    Args:
        votes: int64 (N, 10).
    """
    most = votes[:, :_EMOTIONS].max(axis=1, initial=0)
    words = np.array([*(text for _, text in _STEPS), _MOST])
    told: npt.NDArray[np.str_] = words[np.searchsorted([step for step, _ in _STEPS], most)]
    return told


def references(votes: Int64, answers: Answers) -> dict[str, Estimate]:
    """What people would score on these images: reference lines, and no ceiling.

    A model that has learned from many annotators may agree with most of them more often than one
    of them does. The images that a protocol keeps are chosen by these same votes, which makes both
    numbers higher than on all images.

    Args:
        votes: int64 (N, 10), of the images that count.
        answers: the same images; copies are drawn together for the intervals.

    Returns:
        `one_annotator`: how often one annotator says what most of the others say. `split_half`: how
        often half of the annotators, drawn at random, and the other half have the same label with
        most votes. Labels are all ten, and of several with as many votes each counts with its
        share.
    """
    clusters = answers.rows if answers.clusters is None else answers.clusters
    return {
        "one_annotator": _mean(one_annotator(votes), clusters),
        "split_half": _mean(split_half(votes), clusters),
    }


def one_annotator(votes: Int64) -> Float64:
    """For each image how often an annotator is with the most of the others, float64 (N,).

    Args:
        votes: int64 (N, 10), with at least two votes in each row.
    """
    agreed = np.zeros(len(votes))
    for label in range(votes.shape[1]):
        others = votes.copy()
        others[:, label] -= 1
        most = others.max(axis=1)
        tied = (others == most[:, None]).sum(axis=1)
        agreed += votes[:, label] * (others[:, label] == most) / tied
    shares: Float64 = agreed / votes.sum(axis=1)
    return shares


def split_half(votes: Int64) -> Float64:
    """For each image how often both halves of its annotators agree, float64 (N,).

    Over all ways to halve them; of an odd number one half has one more.

    Args:
        votes: int64 (N, 10), with at least two votes in each row.
    """
    distinct, inverse = np.unique(np.sort(votes, axis=1), axis=0, return_inverse=True)
    agreed = np.array([_halves([n for n in row if n]) for row in distinct.tolist()])
    result: Float64 = agreed[inverse.reshape(-1)]
    return result


def _halves(votes: list[int]) -> float:
    """The mean agreement over all halves; which labels the votes are for makes no difference."""
    half, agreed = sum(votes) // 2, 0.0
    for taken in product(*(range(min(n, half) + 1) for n in votes)):
        if sum(taken) != half:
            continue
        left = [n - t for n, t in zip(votes, taken, strict=True)]
        here, there = _first(taken), _first(left)
        same = len(here & there) / (len(here) * len(there))
        agreed += same * prod(comb(n, t) for n, t in zip(votes, taken, strict=True))
    return agreed / comb(sum(votes), half)


def _first(votes: tuple[int, ...] | list[int]) -> set[int]:
    most = max(votes)
    return {label for label, number in enumerate(votes) if number == most}


def _mean(values: Float64, clusters: Int64) -> Estimate:
    units = units_of(clusters)
    count, total = drawn_sums(units, np.stack([np.ones(len(values)), values], axis=1)).T
    return percentile(float(values.mean()), total / count, len(values), int(units.max()) + 1)
