"""Two runs beside each other, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fxbench.latency_changes import untold
from fxbench.names import counted
from fxbench.reasons import ended, numbered
from fxbench.sides import PLACE, called
from fxbench.tabular import Column, Table, dump_json, format_p

if TYPE_CHECKING:
    from fxbench.compare import Compared, Comparison
    from fxbench.latency_changes import TimeChange
    from fxbench.tabular import Row

_NAMED = 5
_COLUMNS = (
    Column("place", "data", show="varies"),
    Column("cell", "cell"),
    Column("before", "before, %", "percent"),
    Column("after", "after, %", "percent"),
    Column("change", "change, points", "shown"),
    Column("p_holm", "p (Holm)", "shown", spare=True),
    Column("changed", "answers changed", "shown", spare=True),
    Column("latency", "latency", "shown", "any", spare=True),
    Column("verdict", "verdict"),
    Column("note", "note", "shown", show="any"),
)
_IMAGE_COLUMNS = (
    Column("kind", ""),
    Column("id", "image"),
    Column("label", "label"),
    Column("before", "before"),
    Column("after", "after"),
)


def compare_table(comparison: Comparison) -> Table:
    """A row for each cell that both runs have."""
    title = f"{comparison.after} measured by {comparison.before}: {comparison.metric}"
    rows, reasons = numbered(_row(cell) for cell in comparison.cells if cell.tested is not None)
    first, *others = _notes(comparison)
    return Table(title, _COLUMNS, rows, (first, *reasons, *others))


def image_tables(comparison: Comparison) -> tuple[Table, ...]:
    """For each cell with any, the images that were answered differently."""
    return tuple(
        Table(
            f"Images that {called(cell.axes)} answers differently",
            _IMAGE_COLUMNS,
            tuple({"kind": flip.kind} | asdict(flip) for flip in cell.images),
        )
        for cell in comparison.cells
        if cell.images
    )


def _row(cell: Compared) -> Row:
    tested, flipped = cell.tested, cell.flipped
    change = None if tested is None else tested.change
    return {
        "place": " ".join(str(cell.axes[axis]) for axis in PLACE),
        "cell": called(cell.axes, whole=False),
        "before": None if tested is None else tested.before,
        "after": None if tested is None else tested.after,
        "change": None
        if change is None
        else f"{_points(change.value)} [{_points(change.low)}, {_points(change.high)}]",
        "p_holm": None if cell.p_holm is None else format_p(cell.p_holm),
        "changed": None
        if flipped is None or tested is None
        else f"{flipped.total:,} (lost {flipped.lost:,}, won {flipped.won:,})",
        "latency": _latency(cell.latency),
        "verdict": cell.verdict,
        "why": cell.why,
    }


def _points(share: float) -> str:
    # Without a minus before what is rounded to nothing.
    return f"{100 * share:+z.1f}"


def _latency(change: TimeChange | None) -> str | None:
    if change is None or change.factor is None:
        return None
    ends = "" if change.low is None else f" [{change.low:.2f}, {change.high:.2f}]"
    return f"{change.factor:.2f}x{ends}"


def _notes(comparison: Comparison) -> list[str]:
    notes = []
    if comparison.tests:
        notes.append(
            f"Tested on the same images, p adjusted for {counted(comparison.tests, 'cell')} "
            "(Holm): better or worse where it is at most 0.05. No difference shown is not the same "
            "as equal: the interval says how far apart they may be."
        )
    elif any(cell.tested is not None for cell in comparison.cells):
        notes.append("No image speaks for either run, so nothing was tested.")
    else:
        notes.append("No cell that both have could be compared.")
    if any(
        cell.latency is not None and cell.latency.factor is not None for cell in comparison.cells
    ):
        notes.append("Latency: the second run's reference units by the first's.")
    apart: dict[str, list[str]] = {}
    for cell in comparison.cells:
        if cell.tested is None:
            apart.setdefault(cell.why or "", []).append(called(cell.axes, whole=False))
    notes += [f"Not comparable: {_some(names)}: {ended(why)}" for why, names in apart.items()]
    latencies = (cell.latency for cell in comparison.cells if cell.latency is not None)
    notes += untold(change.why for change in latencies if change.why is not None)
    if comparison.changed:
        notes.append(f"Not the same in both runs: {', '.join(comparison.changed)}.")
    for name, only in (
        (comparison.before, comparison.only_before),
        (comparison.after, comparison.only_after),
    ):
        if only:
            notes.append(f"Only in {name}: {_some([called(axes) for axes in only])}.")
    return notes


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return "; ".join(names[:_NAMED]) + more


def compare_json(comparison: Comparison) -> str:
    """An object with everything."""
    record: dict[str, Any] = {
        "before": comparison.before,
        "after": comparison.after,
        "metric": comparison.metric,
        "tests": comparison.tests,
        "cells": [_plain(cell) for cell in comparison.cells],
        "only_before": [dict(axes) for axes in comparison.only_before],
        "only_after": [dict(axes) for axes in comparison.only_after],
        "changed": list(comparison.changed),
    }
    return dump_json(record, 1)


def _plain(cell: Compared) -> dict[str, Any]:
    record = asdict(cell)
    if cell.tested is not None and cell.tested.change is not None:
        record["tested"]["change"] = cell.tested.change._asdict()
    record["images"] = [asdict(flip) | {"kind": flip.kind} for flip in cell.images]
    return record
