"""The latency table of a run, and what tables with times have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import classified, flat, leading_columns, notes
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fxbench.tables import Cell
    from fxbench.tabular import Row

MACHINE = Column("latency_machine", "timed on", show="varies")
"""In a merged run: times of two machines say nothing about which cell is faster."""


def machine_notes(rows: Iterable[Row]) -> list[str]:
    """What to know of times that were taken on several machines."""
    several = len({row["latency_machine"] for row in rows if row.get("latency_machine")}) > 1
    return ["Times of different machines must not be held against each other."] * several


REAL_TIME = Column("real_time_factor", "video s/s", "rate", show="any")


def real_time_notes(rows: Sequence[Row], *, timed: bool = False) -> list[str]:
    """What a table with :data:`REAL_TIME` says of it.

    Args:
        rows: of the table.
        timed: whether it has the times of single images as well.
    """
    some = [row for row in rows if row.get("real_time_factor") is not None]
    if not some:
        return []
    lines = ["Video s/s: seconds of video that are worked through in a second, in the run itself."]
    without = sum(row.get("latency_p50_ms") is None for row in some)
    if timed and 0 < without < len(some):
        lines.append(
            "'-': where faces are looked for in every so many frames, or answers smoothed, an "
            "image by itself has no time, but whole videos have."
        )
    return lines


def latency_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How fast the chain detect, crop, predict is, for the clean cells that were timed."""
    clean = classified(cells, attacked=False)
    chosen = [cell for cell in clean if "p50_ms" in (cell.get("latency") or {})]
    if chosen:
        # Videos are gone through in ways that no single image has a time for.
        known = ("p50_ms", "real_time_factor")
        chosen = [c for c in clean if any((c.get("latency") or {}).get(name) for name in known)]
    rows = [flat(cell) for cell in chosen]
    columns = (
        *leading_columns(chosen),
        Column("latency_p50_ms", "p50 ms", "time"),
        Column("latency_p90_ms", "p90 ms", "time"),
        Column("latency_p99_ms", "p99 ms", "time"),
        Column("latency_reference_p50", "p50 units", "time", show="any"),
        Column("images_per_s_8", "images/s, 8", "rate", show="any"),
        Column("images_per_s", "images/s", "rate"),
        REAL_TIME,
        Column("load_s", "load s", "time"),
        Column("peak_memory_mb", "peak MB", "rate", show="any"),
        Column("latency_samples", "samples", "count"),
        MACHINE,
    )
    sizes = sorted({row["batch"] for row in rows if row["batch"]})
    batches = f" in batches of {', '.join(map(str, sizes))}" if sizes else " in batches"
    first = [
        "Milliseconds for one image at a time (detect, crop, predict) after warm-up; "
        f"images/s{batches}; loading is counted in neither."
    ]
    held = sum(row["latency_reference_p50"] is not None for row in rows)
    if held:
        first.append(f"Units: passes of the reference work; known in {held} of {len(rows)} rows.")
    first += [*real_time_notes(rows, timed=True), *machine_notes(rows)]
    return Table("Latency", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))
