"""What a gate looks at, and what not: budgets that watch nothing, cells that nobody watches.

A gate that looks at nothing must not open in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fxbench.budgets import LATENCY, Budget, Budgets, Floor
from fxbench.errors import UsageError
from fxbench.names import near_name
from fxbench.sides import by_combination, estimates, fits

if TYPE_CHECKING:
    from fxbench.judgement import Check
    from fxbench.sides import Key, Record, Side

_UNTIMED = {"attack", "corruption", "spotter", "every", "smoothing"}
_NAMED = 12
"""Metrics that a message lists."""


def budget_for(cell: Record, metric: str, budgets: Budgets) -> Budget | None:
    """The last budget that means the cell and the metric."""
    meant = [b for b in budgets.budgets if b.metric == metric and fits(cell["axes"], b.cells)]
    return meant[-1] if meant else None


def may_be_timed(cell: Record, budgets: Budgets) -> bool:
    """Whether a cell of the run is a clean one, with a result, whose latency a budget watches."""
    return (
        cell["status"] == "ok"
        and not _UNTIMED & set(cell["axes"])
        and budget_for(cell, LATENCY, budgets) is not None
    )


def watched_for_latency(run: Side, baseline: Side, budgets: Budgets | None = None) -> list[Record]:
    """The run's cells whose latency a budget watches: clean ones that the baseline has as well."""
    watched = budgets or Budgets()
    there = by_combination(baseline.cells.values(), watched.renamed)
    return [
        cell
        for key, cell in by_combination(run.cells.values()).items()
        if key in there and may_be_timed(cell, watched)
    ]


def refuse_idle(cells: Sequence[Record], budgets: Budgets) -> None:
    """See to it that every budget and floor which somebody wrote down watches something.

    Args:
        cells: of the run and the baseline.
        budgets: of the gate.

    Raises:
        UsageError: one does not.
    """
    written: list[Budget | Floor] = [*budgets.budgets, *budgets.floors]
    for one in written:
        if one.origin is None:
            continue
        meant = [cell for cell in cells if fits(cell["axes"], one.cells)]
        if not meant:
            raise UsageError(
                f"{one.origin}: no cell of the run or the baseline is meant by "
                f"{_pattern(one.cells)}: expected values that its axes have, or take it out."
            )
        known = {name for cell in meant for name, _ in estimates(cell)}
        known |= {LATENCY} if isinstance(one, Budget) else set()
        if one.metric not in known and any(cell["status"] == "ok" for cell in meant):
            raise UsageError(f"{one.origin}: {_unknown(one.metric, known)}")


def _pattern(cells: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{axis} = {' or '.join(map(repr, globs))}" for axis, globs in cells.items())


def _unknown(metric: str, known: Iterable[str]) -> str:
    """What to say of a metric that no cell has: it may be misspelt, or one of other runs."""
    near = near_name(metric, known)
    if near:
        return f"no cell that is meant has {metric!r}: did you mean {near}?"
    names = sorted({name.partition(".")[0] for name in known})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"no cell that is meant has {metric!r}, in the run or the baseline: expected what one has "
        f"({', '.join(names[:_NAMED])}{more}), or take it out."
    )


def unwatched(pairs: Iterable[tuple[Record, Record]], checks: Iterable[Check]) -> Iterator[Record]:
    """The axes of cells that both sides have and of which no number was looked at.

    Args:
        pairs: the cells that both have a result of, the baseline's and the run's.
        checks: all of the gate.
    """
    seen = {check.cell for check in checks if check.verdict != "not compared"}
    return (after["axes"] for _, after in pairs if after["id"] not in seen)


def untimed(pairs: Iterable[tuple[Record, Record]], budgets: Budgets) -> Iterator[Record]:
    """The axes of cells whose latency a budget watches, and neither side has measured."""
    return (
        after["axes"]
        for before, after in pairs
        if may_be_timed(after, budgets) and not (before.get("latency") or after.get("latency"))
    )


def common(there: Mapping[Key, Record], here: Mapping[Key, Record]) -> list[tuple[Record, Record]]:
    """The cells that both sides have a result of: the baseline's, and the run's beside it."""
    return [
        (before, here[key])
        for key, before in there.items()
        if key in here and here[key]["status"] == "ok"
    ]
