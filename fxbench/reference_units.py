"""Whether a component's time may be said in reference units, and what it is then.

Dividing by the reference takes the machine's state out of a figure only where both feel that state
alike. That is looked for in the samples themselves, block by block: see :func:`judge`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fxbench.sampling import Sampled
from fxbench.types import Float64, Int64

LEAST_BLOCKS = 6
LEAST_CORRELATION = 0.8
STEADY = 0.1
"""Where the middle 80 % of all blocks lie within 10 %, nothing has moved."""
SMALL_SHARE = 0.05
"""A step that takes less of a chain than that needs no reference of its own."""


@dataclass(frozen=True, slots=True)
class Movement:
    """How the samples and the reference went up and down from block to block.

    Attributes:
        blocks: how many.
        samples: by which factor the samples varied: that between the 10th and the 90th percentile
            of the blocks.
        reference: the same of the reference.
        ratio: the same of samples by reference.
        correlation: Pearson's, of the blocks' logarithms; None where one of them is constant.
        why: why reference units don't hold; None where they do.
    """

    blocks: int
    samples: float
    reference: float
    ratio: float
    correlation: float | None
    why: str | None

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def judge(sampled: Sampled) -> Movement:
    """See whether the samples and the reference moved together.

    An item's samples are divided by their median over all blocks, since items differ and blocks
    are what is looked at; the median of these is the block's. Reference units hold where

    - both were steady, each within 10 % (then there is nothing that could move together, and a
      correlation would be one of noise with noise); or
    - the correlation of the blocks' logarithms is at least 0.8, and the ratio varied less than the
      samples did: a reference that moves with them but farther makes things worse.
    """
    samples, reference = block_medians(sampled)
    count = len(samples)
    spreads = (_spread(samples), _spread(reference), _spread(samples - reference))
    # Imported here, as processes that time need none of it.
    from scipy import stats

    correlation = None
    if count > 2 and np.ptp(samples) > 0 and np.ptp(reference) > 0:
        correlation = float(stats.pearsonr(samples, reference).statistic)
    why = None
    if count < LEAST_BLOCKS:
        why = f"there was time for {count} of the {LEAST_BLOCKS} blocks that are needed"
    elif max(spreads[:2]) > 1 + STEADY:
        if correlation is None or correlation < LEAST_CORRELATION:
            shown = "none" if correlation is None else f"{correlation:.2f}"
            why = (
                "samples and reference did not move together (correlation "
                f"{shown}; samples varied by {_percent(spreads[0])}, the reference by "
                f"{_percent(spreads[1])})"
            )
        elif spreads[2] > spreads[0]:
            why = (
                f"the reference varied by {_percent(spreads[1])} and the samples by "
                f"{_percent(spreads[0])} only, so that dividing adds to it"
            )
    return Movement(count, *spreads, correlation, why)


def block_medians(sampled: Sampled) -> tuple[Float64, Float64]:
    """The logarithms of the blocks' medians, of the samples and of the reference, float64 (B,)."""
    ns = np.maximum(sampled.parts.sum(axis=1), 1).astype(np.float64)
    values = np.log(ns)
    for item in np.unique(sampled.item):
        mine = sampled.item == item
        values[mine] -= np.median(values[mine])
    blocks = np.unique(sampled.block)
    samples = [np.median(values[sampled.block == block]) for block in blocks]
    reference = [np.median(_passes(sampled, block)) for block in blocks]
    return np.asarray(samples), np.log(np.asarray(reference))


def reference_ns(sampled: Sampled, block: Int64) -> Float64:
    """The median nanoseconds of a pass in the block of each sample, float64 as `block`."""
    known = {int(b): float(np.median(_passes(sampled, b))) for b in np.unique(sampled.block)}
    return np.asarray([known[int(b)] for b in block], np.float64)


def interval(units: Float64, block: Int64) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of the median of some units, from how the blocks' medians scatter.

    Student's t on their logarithms, since samples of one block are alike; (None, None) with fewer
    than three blocks.

    Args:
        units: float64 (N,).
        block: int64 (N,), which each is of.
    """
    from scipy import stats

    medians = np.log([np.median(units[block == b]) for b in np.unique(block)])
    if len(medians) < 3:
        return None, None
    far = stats.t.ppf(0.975, len(medians) - 1) * medians.std(ddof=1) / np.sqrt(len(medians))
    middle = np.log(np.median(units))
    return float(np.exp(middle - far)), float(np.exp(middle + far))


def _passes(sampled: Sampled, block: int) -> Float64:
    mine = sampled.reference[sampled.reference[:, 0] == block]
    return np.asarray(mine[:, 2] / mine[:, 1], np.float64)


def _spread(logarithms: Float64) -> float:
    low, high = np.percentile(logarithms, (10, 90))
    return float(np.exp(high - low))


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):.0f} %"
