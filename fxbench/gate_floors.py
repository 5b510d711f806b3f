"""Floors of a gate: what a number must reach, whatever the baseline says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fxbench.budgets import Floor
from fxbench.judgement import Check
from fxbench.sides import estimates, fits, reason

if TYPE_CHECKING:
    from fxbench.sides import Key, Record


def floor_checks(
    floors: Sequence[Floor],
    here: Mapping[Key, Record],
    there: Mapping[Key, Record],
    every: Sequence[Record],
) -> Iterator[Check]:
    """A check for each floor and each cell of the run that has its metric, or should have.

    Args:
        floors: of the gate.
        here: the run's cells.
        there: the baseline's that have a result.
        every: all cells of both, which tell what a cell without a result would have had.
    """
    for floor in floors:
        for key, cell in here.items():
            if not fits(cell["axes"], floor.cells):
                continue
            if cell["status"] == "ok":
                yield from _above(floor, cell, there.get(key, {}))
            elif key not in there and _may_have(cell, floor.metric, every):
                # Of those in the baseline it is said already.
                why = f"{floor.text}: {reason(cell)}"
                yield Check(cell["id"], cell["axes"], floor.metric, "floor", "failed", why)


def _may_have(cell: Record, metric: str, every: Sequence[Record]) -> bool:
    """Whether a cell without a result was asked for, and would have had the metric."""
    if cell["status"] == "skipped" and not cell.get("asked", True):
        return False
    alike = [c for c in every if c["status"] == "ok" and set(c["axes"]) == set(cell["axes"])]
    return not alike or any(metric in dict(estimates(other)) for other in alike)


def _above(floor: Floor, cell: Record, before: Record) -> Iterator[Check]:
    """Whether a cell reaches a floor; nothing where it never had the metric."""
    known = dict(estimates(cell))
    if floor.metric not in known and floor.metric not in dict(estimates(before)):
        return
    value = known.get(floor.metric, {}).get("value")
    check = Check(
        cell["id"],
        cell["axes"],
        floor.metric,
        "floor",
        "passed",
        floor.text,
        None,
        value,
        floor.least if floor.least is not None else floor.most,
    )
    if value is None:
        yield replace(
            check, verdict="not comparable", why=f"{floor.text}: the run has no value of it"
        )
    elif (floor.least is not None and value < floor.least) or (
        floor.most is not None and value > floor.most
    ):
        yield replace(check, verdict="below the floor")
    else:
        yield check
