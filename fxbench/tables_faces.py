"""The tables of landmarkers and of detectors, from a run's cells alone.

As :mod:`fxbench.tables`, for what is compared with true points and true boxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import STATUS, flat, further_column, kind_of, notes, put, wanted
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fxbench.tables import Cell
    from fxbench.tabular import Row

_PLACE = tuple(Column(axis, axis, show="varies") for axis in ("dataset", "split", "protocol"))
_SPEED = (
    Column("latency_p50_ms", "p50 ms", "time"),
    Column("images_per_s", "images/s", "rate"),
    STATUS,
)
_POINTS = ("nme_inter_ocular", "nme_inter_pupil", "failure_rate", "auc")
_BOXES = (
    "average_precision_50",
    "average_precision_30",
    "precision",
    "recall",
    "precision_30",
    "recall_30",
    "false_positives_per_image",
)


def landmark_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How far landmarkers are from the true points, those that failed or were skipped below."""
    chosen = [cell for cell in cells if kind_of(cell) == "landmarker"]
    chosen.sort(key=lambda cell: (cell["status"] != "ok", bool(cell.get("home_advantage"))))
    rows = [_row(cell, _POINTS) | {"points": cell.get("points")} for cell in wanted(chosen)]
    columns = (
        *_PLACE,
        Column("detector", "detector"),
        further_column("every"),
        Column("landmarker", "landmarker", "named"),
        Column("points", "points", "count"),
        Column("nme_inter_ocular", "NME inter-ocular", "error"),
        Column("nme_inter_pupil", "NME inter-pupil", "error"),
        Column("auc", "AUC 0.08", "number"),
        Column("failure_rate", "failures % [95 % CI]", "interval"),
        Column("found", "faces found", "found"),
        *_SPEED,
    )
    first = [
        "NME: the mean distance of the points that both schemes share, over the true distance of "
        "the outer eye corners (inter-ocular) or of the eyes' centres (inter-pupil), for the faces "
        "that were located. A missed face is a failure, and so is an error above 0.08."
    ]
    return Table("Landmarks", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def detection_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How well detectors find the true boxes, those that failed or were skipped below."""
    chosen = [cell for cell in cells if kind_of(cell) == "detector"]
    chosen.sort(key=lambda cell: cell["status"] != "ok")
    rows = [_row(cell, _BOXES) for cell in wanted(chosen)]
    columns = (
        *_PLACE,
        Column("detector", "detector", "named"),
        further_column("every"),
        Column("average_precision_50", "AP 0.5 %", "percent"),
        Column("average_precision_30", "AP 0.3 %", "percent"),
        Column("precision", "precision % [95 % CI]", "interval-of"),
        Column("recall", "recall % [95 % CI]", "interval-of"),
        Column("false_positives_per_image", "false positives per image", "number"),
        *_SPEED,
    )
    first = [
        "AP: average precision, where a box is right if its intersection over union with a true "
        "one is 0.5, or 0.3, or more. Precision (of the boxes that were found), recall (of the "
        "true ones) and false positives are at 0.5 and at the detector's own threshold."
    ]
    if any(row["precision"] is not None and row["average_precision_50"] is None for row in rows):
        first.append("Without an AP: the detector gives its boxes no score.")
    return Table("Detection", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def _row(cell: Cell, names: tuple[str, ...]) -> Row:
    row = flat(cell)
    # Faces are counted here, of which an image may have several.
    row["n"] = (cell.get("images") or {}).get("faces")
    for name in names:
        put(row, name, (cell.get("metrics") or {}).get(name))
    return row
