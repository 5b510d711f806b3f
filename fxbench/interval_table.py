"""Every expression that was spotted beside those that are there, from a run's cells alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import further_column, kind_of
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fxbench.tables import Cell
    from fxbench.tabular import Row

_AXES = ("dataset", "split", "protocol", "detector", "every", "landmarker", "classifier", "spotter")


def interval_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:  # noqa: ARG001 - as all tables
    """A row for each interval of each clip: `truth`, or what a spotter found.

    Frames count from 0; the onset and the offset belong to an interval. Seconds are by the clip's
    average frame rate.
    """
    rows: list[Row] = []
    for cell in cells:
        if kind_of(cell) != "spotter" or cell["status"] != "ok":
            continue
        axes = {axis: cell["axes"].get(axis) for axis in _AXES}
        for clip in cell.get("intervals") or ():
            for whose in ("truth", "spotted"):
                rows += [axes | _row(clip, whose, interval) for interval in clip[whose]]
    columns = (
        *(
            further_column(axis) if axis == "every" else Column(axis, axis, show="varies")
            for axis in _AXES[:-1]
        ),
        Column("spotter", "spotter"),
        Column("clip", "clip"),
        Column("whose", "what"),
        Column("kind", "kind"),
        Column("onset", "onset", "count"),
        Column("apex", "apex", "count"),
        Column("offset", "offset", "count"),
        Column("onset_s", "from s", "time"),
        Column("offset_s", "to s", "time"),
        Column("score", "score", "time"),
    )
    notes = ("Truth: what is annotated, repeated for each spotter. Frames count from 0.",)
    return Table("Intervals", columns, tuple(rows), notes)


def _row(clip: Mapping[str, Any], whose: str, interval: Mapping[str, Any]) -> Row:
    row: Row = {"clip": clip["clip"], "whose": whose, **interval}
    row["onset_s"] = interval["onset"] / clip["fps"]
    row["offset_s"] = (interval["offset"] + 1) / clip["fps"]
    if whose == "truth":
        row["score"] = None
    return row
