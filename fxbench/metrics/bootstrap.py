"""What a number would be on other images of the same sort, by drawing from those that are there.

Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7(1); whole
clusters are drawn, as in Davison & Hinkley (1997), Bootstrap methods and their application,
section 3.8. Every number that is drawn for is a function of sums over images, so that a draw is a
weight for each unit, and all draws of all sums are one product of matrices. The draws depend on
nothing but how many units there are: two cells on the same images are drawn alike, and a cell has
the same interval wherever it is computed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fxbench.metrics.intervals import CONFIDENCE, Estimate, without_interval

if TYPE_CHECKING:
    from fxbench.types import Float64, Int64, UInt8

DRAWS = 1000
"""How often an interval is drawn for."""
FEWEST = 5
"""Of fewer units there is no interval."""
_UNITS = 4096
"""More units than these are drawn in groups, so that no dataset is too large."""
_BLOCK = 100
"""How many draws are multiplied at once."""
_STEPS = 2**20
"""Sums are of whole steps, so that no order and no processor changes the last digit."""


def units_of(clusters: Int64) -> Int64:
    """What each image is drawn together with.

    Clusters; of more than 4,096 so many groups of clusters, put together at random, whose totals
    vary as the clusters' do.

    Args:
        clusters: int64 (N,); images with the same number go together.

    Returns:
        int64 (N,), numbers from 0 on without gaps. They depend on the numbers of the clusters
        alone, not on the order of the images.
    """
    distinct, index = np.unique(clusters, return_inverse=True)
    count = len(distinct)
    if count > _UNITS:
        index = (np.random.default_rng(0).permutation(count) % _UNITS)[index]
    return index.astype(np.int64)


def weights(units: int, draws: int = DRAWS) -> UInt8:
    """How often each unit is drawn.

    Args:
        units: how many there are, at least 1. So many are drawn, with replacement.
        draws: how often.

    Returns:
        uint8 (`draws`, `units`), read-only; each row sums to `units`.
    """
    return _weights(units, draws) if draws <= DRAWS else _drawn(units, draws)


@lru_cache(maxsize=4)
def _weights(units: int, draws: int) -> UInt8:
    return _drawn(units, draws)


def _drawn(units: int, draws: int) -> UInt8:
    random = np.random.default_rng(units)
    table = np.empty((draws, units), np.uint8)
    for start in range(0, draws, _BLOCK):
        rows = min(_BLOCK, draws - start)
        drawn = random.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units)
        table[start : start + rows] = counts.reshape(rows, units)
    table.flags.writeable = False
    return table


def drawn_counts(units: Int64, columns: Int64, width: int, draws: int = DRAWS) -> Float64:
    """How often each column is hit, in every draw.

    Args:
        units: int64 (N,), from :func:`units_of`, of all images.
        columns: int64 (N,) or (N, C), the columns that each image is counted in, from 0 to
            `width` - 1; a negative one is none.
        width: how many columns there are.
        draws: how often.

    Returns:
        float64 (`draws`, `width`) of whole numbers.
    """
    total = int(units.max()) + 1
    columns = columns.reshape(len(units), -1)
    counted = columns >= 0
    cells = (units[:, None] * width + columns)[counted]
    table = np.bincount(cells, minlength=total * width).reshape(total, width)
    used = np.flatnonzero(table.any(axis=0))
    sums = np.zeros((draws, width))
    # Float32 holds whole numbers below 2**24 exactly, and is twice as fast.
    exact = np.float32 if len(units) < 2**22 else np.float64
    sums[:, used] = _product(weights(total, draws), table[:, used].astype(exact))
    return sums


def drawn_sums(units: Int64, values: Float64, draws: int = DRAWS) -> Float64:
    """The sums of some numbers, to a millionth each, in every draw.

    Args:
        units: int64 (N,), from :func:`units_of`, of all images.
        values: float64 (N, K), each below 1,000.
        draws: how often.

    Returns:
        float64 (`draws`, K).
    """
    steps = np.rint(values * _STEPS)
    total = int(units.max()) + 1
    parts = [np.bincount(units, column, total) for column in steps.T]
    table = np.stack(parts, axis=1).astype(np.float64)
    return _product(weights(total, draws), table) / _STEPS


def _product(drawn: UInt8, table: npt.NDArray[np.floating]) -> Float64:
    sums = np.empty((len(drawn), table.shape[1]))
    for start in range(0, len(drawn), _BLOCK):
        block = slice(start, start + _BLOCK)
        sums[block] = drawn[block].astype(table.dtype) @ table
    return sums


def percentile(value: float | None, drawn: Float64, n: int, units: int) -> Estimate:
    """A number with the middle 95 % of its draws.

    Args:
        value: the number itself; the interval is widened to it where it lies outside, as it may
            with very few images.
        drawn: float64 (D,), NaN where a draw left nothing to count.
        n: from how many images it is.
        units: from how many independent ones; of fewer than :data:`FEWEST` there is no interval.
    """
    known = drawn[~np.isnan(drawn)]
    if value is None or not n or units < FEWEST or not len(known):
        return without_interval(value, n)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(
        value=float(value), low=float(min(low, value)), high=float(max(high, value)), n=n
    )


def from_zero(value: float | None, drawn: Float64, n: int, units: int) -> Estimate:
    """A distance or a spread, which chance alone makes larger, with a cautious interval.

    Each draw adds the chance of drawing to that of the images, so that the draws lie above the
    number. Their upper end stands; the lower end is as far below the number, but not below 0.

    Args:
        value: the number, not negative.
        drawn: float64 (D,).
        n: as in :func:`percentile`.
        units: as in :func:`percentile`.
    """
    estimate = percentile(value, drawn, n, units)
    if estimate["high"] is None or estimate["value"] is None:
        return estimate
    low = max(0.0, 2 * estimate["value"] - estimate["high"])
    return Estimate(value=estimate["value"], low=low, high=estimate["high"], n=n)
