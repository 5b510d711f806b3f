"""Which cells differ: paired tests on the same images, and ranks as ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64

ALPHA = 0.05
"""The probability of calling any difference of a family significant where there is none."""


def discordant(correct: Bool) -> Int64:
    """How many images each cell gets right that each other cell gets wrong.

    Args:
        correct: bool (K, N), K cells on the same N images.

    Returns:
        int64 (K, K): at [i, j] the images that i gets right and j gets wrong.
    """
    # Float64 products run on BLAS and are exact for counts below 2**53.
    right = correct.astype(np.float64)
    counts: Int64 = np.rint(right @ (1.0 - right).T).astype(np.int64)
    return counts


def mid_p_mcnemar(b: npt.ArrayLike, c: npt.ArrayLike) -> Float64:
    """Two-sided mid-p values of McNemar's test, for many pairs at once.

    Fagerland, Lydersen & Laake (2013), The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional, BMC Medical Research Methodology 13:91. With
    X ~ Binomial(b + c, 1/2) and m = min(b, c) it is 2 P(X <= m) - P(X = m), the exact conditional
    value less the point probability.

    Where b = c it is 1: nothing speaks for either. (The authors' supplement takes half the point
    probability off in that case. Its values, 0.5 and above, change no decision, but would give two
    identical cells 0.5.)

    Args:
        b: images that the first gets right and the second wrong, any shape.
        c: the reverse, of the same shape.

    Returns:
        float64 of that shape, in (0, 1].
    """
    first, second = np.broadcast_arrays(np.asarray(b, np.int64), np.asarray(c, np.int64))
    trials = first + second
    least = np.minimum(first, second)
    # 2 P(X <= m) - P(X = m) = P(X <= m) + P(X <= m - 1), which cancels nothing.
    upto = bdtr(least.astype(float), trials, 0.5)
    below = np.where(least > 0, bdtr(np.maximum(least - 1, 0).astype(float), trials, 0.5), 0.0)
    return np.where(first == second, 1.0, np.minimum(upto + below, 1.0))


def one_sided_mid_p_mcnemar(b: npt.ArrayLike, c: npt.ArrayLike) -> Float64:
    """One-sided mid-p values of McNemar's test: whether `b` is more than chance gives.

    Fagerland, Lydersen & Laake (2013), as :func:`mid_p_mcnemar`. With X ~ Binomial(b + c, 1/2) it
    is P(X > b) + P(X = b) / 2. Where b > c it is half the two-sided value; where both are equal it
    is 0.5. The values of the two directions sum to 1.

    Args:
        b: images that only the one which is claimed to do more does it to, any shape.
        c: the reverse, of the same shape.

    Returns:
        float64 of that shape, from 0 to 1.
    """
    first, second = np.broadcast_arrays(np.asarray(b, np.int64), np.asarray(c, np.int64))
    trials = first + second
    # By symmetry P(X >= b) = P(X <= c), and P(X > b) = P(X <= c - 1).
    upto = bdtr(second.astype(float), trials, 0.5)
    below = np.where(second > 0, bdtr(np.maximum(second - 1, 0).astype(float), trials, 0.5), 0.0)
    values: Float64 = (upto + below) / 2
    return values


def holm(p: npt.ArrayLike) -> Float64:
    """P values adjusted for their number by Holm's step-down procedure.

    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6(2), 65-70. A hypothesis is rejected where its adjusted value is at most ALPHA; the
    probability of rejecting any true one is then at most ALPHA, whatever the dependence.

    Args:
        p: float (M,).

    Returns:
        float64 (M,), in the order given.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def compare(correct: Bool) -> tuple[Int64, Float64, Float64]:
    """Every pair of cells of a family.

    Args:
        correct: bool (K, N), K cells on the same N images.

    Returns:
        `discordant(correct)`, and float64 (K, K) p values, symmetric with 1 on the diagonal: as
        they are, and adjusted by Holm's procedure over the K (K - 1) / 2 pairs.
    """
    counts = discordant(correct)
    upper = np.triu_indices(len(correct), 1)
    pairs = mid_p_mcnemar(counts[upper], counts.T[upper])
    p = np.ones(counts.shape)
    p_holm = np.ones(counts.shape)
    for table, values in ((p, pairs), (p_holm, holm(pairs))):
        table[upper] = values
        table.T[upper] = values
    return counts, p, p_holm


def rank_ranges(counts: Int64, p_holm: Float64, alpha: float = ALPHA) -> Int64:
    """The ranks that each cell may have.

    Args:
        counts: int64 (K, K), as `compare` gives them.
        p_holm: float64 (K, K), as `compare` gives them.
        alpha: the level.

    Returns:
        int64 (K, 2): 1 + the number of cells significantly better, and 1 + the number of other
        cells not significantly worse. A cell that was not told apart from any has 1 to K.
    """
    better = (counts < counts.T) & (p_holm <= alpha)
    not_worse = len(counts) - better.sum(axis=0)
    return np.stack([1 + better.sum(axis=1), not_worse], axis=1).astype(np.int64)
