"""Which cells differ: paired tests on the same images, and ranks as ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from fxbench.metrics.bootstrap import drawn_counts, percentile, units_of
from fxbench.metrics.classification import (
    COLUMNS,
    accuracy_of,
    balanced_accuracy_of,
    confusion_columns,
    macro_f1_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.types import Bool, Float64, Int64

ALPHA = 0.05
"""The probability of calling any difference of a family significant where there is none."""


def discordant(correct: Bool, clusters: Int64 | None = None) -> Int64:
    """How many images each cell gets right that each other cell gets wrong.

    Images that depend on each other have one vote together: it goes to the cell that gets more of
    them right, to neither where both get as many. That keeps the votes independent, which is all
    that the test asks for; a vote of an image that stands by itself is the image's.

    Args:
        correct: bool (K, N), K cells on the same N images.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.

    Returns:
        int64 (K, K): at [i, j] the images (the clusters) that i gets right and j gets wrong.
    """
    if clusters is None:
        return _more(correct.astype(np.int64), 1)
    _, index, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    alone = sizes[index] == 1
    counts = _more(correct[:, alone].astype(np.int64), 1)
    together, place = np.unique(index[~alone], return_inverse=True)
    if len(together):
        hits = np.stack([np.bincount(place, c, len(together)) for c in correct[:, ~alone]])
        counts = counts + _more(hits.astype(np.int64), int(sizes.max()))
    return counts


def _more(hits: Int64, most: int) -> Int64:
    """In how many columns each row has more than each other row; int64 (K, K)."""
    counts = np.zeros((len(hits), len(hits)))
    if hits.shape[1] < most:
        for column in hits.T:
            counts += column[:, None] > column[None]
    else:
        for level in range(1, most + 1):
            # Float64 products run on BLAS and are exact for counts below 2**53.
            counts += (hits == level).astype(np.float64) @ (hits < level).astype(np.float64).T
    more: Int64 = np.rint(counts).astype(np.int64)
    return more


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


def compare(correct: Bool, clusters: Int64 | None = None) -> tuple[Int64, Float64, Float64]:
    """Every pair of cells of a family.

    Args:
        correct: bool (K, N), K cells on the same N images.
        clusters: as for `discordant`.

    Returns:
        `discordant(correct, clusters)`, and float64 (K, K) p values, symmetric with 1 on the
        diagonal: as they are, and adjusted by Holm's procedure over the K (K - 1) / 2 pairs.
    """
    counts = discordant(correct, clusters)
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


def groups(p_holm: Float64, order: Int64, alpha: float = ALPHA) -> list[list[int]]:
    """Groups of cells that were not told apart from one another.

    Two cells share a group where their difference is not significant, and only there: a compact
    letter display (Piepho 2004, An algorithm for a letter-based representation of all-pairwise
    comparisons, Journal of Computational and Graphical Statistics 13(2)), found by going through
    the cells in order and completing a group for each pair that has none yet.

    Args:
        p_holm: float64 (K, K), as `compare` gives them.
        order: int64 (K,), the cells, the best first.
        alpha: the level.

    Returns:
        For each cell the numbers of its groups from 1 on, ascending; the first has the best cell.
    """
    alike = (p_holm > alpha)[np.ix_(order, order)]
    count = len(order)
    np.fill_diagonal(alike, True)
    missing = alike.copy()
    found: list[list[int]] = []
    for row in range(count):
        while missing[row, row:].any():
            members = [row]
            fits = alike[row].copy()
            fits[row] = False
            # The pair that lacks a group comes first, then whoever fits, by rank.
            lacking = row + np.flatnonzero(missing[row, row:])
            candidates = np.concatenate([lacking, np.flatnonzero(fits)])
            for place in candidates.tolist():
                if fits[place]:
                    members.append(place)
                    fits &= alike[place]
                    fits[place] = False
            missing[np.ix_(members, members)] = False
            found.append(sorted(members))
    found.sort()
    letters: list[list[int]] = [[] for _ in range(count)]
    for number, members in enumerate(found, 1):
        for place in members:
            letters[int(order[place])].append(number)
    return letters


Metric = Literal["accuracy", "balanced_accuracy", "macro_f1"]
_METRICS: dict[str, Callable[[Float64], Float64]] = {
    "accuracy": accuracy_of,
    "balanced_accuracy": balanced_accuracy_of,
    "macro_f1": macro_f1_of,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two cells are apart on the same images.

    Attributes:
        value: the first cell's number less the second's; None where one has none.
        low: the lower end of the 95 % interval; None where there is none.
        high: its upper end.
        p: two-sided; 1 where no draw differs, and where there are too few images to draw from.
        n: how many images.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float
    n: int


def paired_bootstrap(
    truth: Int64,
    first: Int64,
    second: Int64,
    clusters: Int64 | None = None,
    *,
    metric: Metric = "macro_f1",
    end_to_end: bool = True,
    draws: int = 10_000,
) -> Difference:
    """Compare two cells by a metric that is no count of right answers.

    Whole clusters are drawn, and both cells are scored on what was drawn (Efron & Tibshirani 1993,
    An introduction to the bootstrap, chapters 13 and 16). The interval is the middle 95 % of the
    differences. p is twice the smaller share of draws on which the difference is not on either
    side of 0, (1 + their number) / (1 + `draws`) (Davison & Hinkley 1997, section 4.2), so that it
    is never below 2 / (1 + `draws`).

    Args:
        truth: int64 (N,), indices into EMOTIONS; an image with a negative one counts nowhere.
        first: int64 (N,), the answers of a cell: indices, NOT_FOUND or OTHER.
        second: int64 (N,), those of the other.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.
        metric: what is compared.
        end_to_end: whether a missed face is counted, as wrong. Otherwise two cells whose detectors
            differ are compared on different images.
        draws: how many.
    """
    counted = truth >= 0
    truth, first, second = truth[counted], first[counted], second[counted]
    own = np.arange(len(truth)) if clusters is None else clusters[counted]
    if not len(truth):
        return Difference(None, None, None, 1.0, 0)
    width = truth_width = 8 * len(COLUMNS)
    columns = np.stack([confusion_columns(truth, first), confusion_columns(truth, second)], axis=1)
    columns[:, 1] += truth_width
    width += truth_width
    of = _METRICS[metric]

    def difference(sums: Float64) -> Float64:
        tables = sums.reshape(-1, 2, 8, len(COLUMNS))
        if not end_to_end:
            tables = tables[..., :-1]
        apart: Float64 = of(tables[:, 0]) - of(tables[:, 1])
        return apart

    units = units_of(own)
    point = float(difference(np.bincount(columns.ravel(), minlength=width).astype(float))[0])
    if np.isnan(point):
        return Difference(None, None, None, 1.0, len(truth))
    drawn = difference(drawn_counts(units, columns, width, draws))
    estimate = percentile(point, drawn, len(truth), int(units.max()) + 1)
    p = 1.0
    if estimate["low"] is not None:
        known = drawn[~np.isnan(drawn)]
        least = min(int((known <= 0).sum()), int((known >= 0).sum()))
        p = min(1.0, 2 * (1 + least) / (1 + len(known)))
    return Difference(point, estimate["low"], estimate["high"], p, len(truth))
