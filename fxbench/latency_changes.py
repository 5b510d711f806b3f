"""By how much the latency of a cell changed from one run to another, where that can be said.

Milliseconds of two runs are those of two moments of a machine, so they are not compared. Reference
units are, where both runs have them and they are of one kind of machine; see docs/latency.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import ndtr, ndtri

from fxbench.metrics.intervals import CONFIDENCE

if TYPE_CHECKING:
    from fxbench.sides import Record, Side

_IN_BRACKETS = re.compile(r" \([^()]*\)")
_VARIED = re.compile(r"varied by \d+ % and the samples by \d+ % only")


@dataclass(frozen=True, slots=True)
class TimeChange:
    """How the typical latency of a cell changed.

    Attributes:
        why: it can't be compared; None where it can.
        before: in reference units; None where a measurement of its own gave the factor alone.
        after: the same.
        factor: after by before; None where they can't be compared.
        low: the lower end of its 95 % interval; None without one.
        high: the upper end.
        p_slower: one-sided, that chance alone makes it so much slower.
        test: which test it was.
    """

    why: str | None = None
    before: float | None = None
    after: float | None = None
    factor: float | None = None
    low: float | None = None
    high: float | None = None
    p_slower: float | None = None
    test: str | None = None


def latency_change(before: Record, after: Record, first: Side, second: Side) -> TimeChange:
    """Compare the latency of two cells in reference units.

    Args:
        before: the first side's cell.
        after: the second's.
        first: the first side.
        second: the second.
    """
    records = before.get("latency") or {}, after.get("latency") or {}
    for record, side in zip(records, (first, second), strict=True):
        if not record:
            return TimeChange(f"{side.name} has no latency of it")
    for what in ("cpu", "threads"):
        values = [side.environment.get(what) for side in (first, second)]
        if values[0] != values[1]:
            name = {"cpu": "processor", "threads": "number of threads"}[what]
            return TimeChange(
                f"the {name} is another: {values[0]} in {first.name}, {values[1]} in {second.name}"
            )
    for record, side in zip(records, (first, second), strict=True):
        if record.get("reference_p50") is None:
            why = record.get("reference_why") or "they were not measured"
            return TimeChange(f"{side.name} has no reference units of it: {why}")
    units = [record.get("reference_unit") for record in records]
    if units[0] != units[1]:
        return TimeChange("the reference units are of two kinds")
    return _of_units(*records)


def _of_units(before: Record, after: Record) -> TimeChange:
    first, second = float(before["reference_p50"]), float(after["reference_p50"])
    spreads = [_spread(record) for record in (before, after)]
    factor = second / first
    if spreads[0] is None or spreads[1] is None:
        return TimeChange(None, first, second, factor)
    return of_logarithms(factor, math.hypot(spreads[0], spreads[1]), first, second)


def of_logarithms(
    factor: float, spread: float, before: float | None = None, after: float | None = None
) -> TimeChange:
    """A factor whose logarithm has that standard error, with its interval and test.

    Args:
        factor: after by before.
        spread: the standard error of its logarithm.
        before: in reference units.
        after: the same.
    """
    far = float(ndtri((1 + CONFIDENCE) / 2)) * spread
    if spread == 0:
        p = 0.5 if factor == 1 else float(factor < 1)
    else:
        p = 1 - float(ndtr(math.log(factor) / spread))
    ends = factor * math.exp(-far), factor * math.exp(far)
    return TimeChange(None, before, after, factor, *ends, p, "intervals")


def of_paired(
    factor: float, low: float, high: float, p: float, reason: str | None = None
) -> TimeChange:
    """A factor that was measured in turns; see :mod:`fxbench.paired_timing`.

    Args:
        factor: after by before.
        low: the lower end of its 95 % interval.
        high: the upper end.
        p: two-sided, that chance alone makes it differ from 1.
        reason: why nothing was compared; None where it was.
    """
    if reason is not None:
        return TimeChange(reason)
    p_slower = p / 2 if factor > 1 else 1 - p / 2
    return TimeChange(None, None, None, factor, low, high, p_slower, "sign test")


def untold(changes: Iterable[str | None]) -> list[str]:
    """A sentence for each reason why latency is not compared, with how often it is there."""
    counts: dict[str, int] = {}
    for why in changes:
        # What was measured stands in the records; here it would make a reason of each cell.
        short = _IN_BRACKETS.sub("", why or "nobody knows why")
        short = _VARIED.sub("varied more than the samples", short)
        counts[short] = counts.get(short, 0) + 1
    return [
        f"Latency not compared ({count:,}): {why.rstrip('.')}." for why, count in counts.items()
    ]


def _spread(record: Record) -> float | None:
    """The standard error of the logarithm of a cell's reference units."""
    low, high = record.get("reference_low"), record.get("reference_high")
    if low is None or high is None or min(low, high) <= 0:
        return None
    width = 2 * float(ndtri((1 + CONFIDENCE) / 2))
    return (math.log(high) - math.log(low)) / width
