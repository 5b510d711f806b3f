"""Tables of single emotions: recall, and all scores of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.labels import EMOTIONS
from fxbench.tables import classified, leading_columns, notes, put
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fxbench.tables import Cell
    from fxbench.tabular import Row


def recall_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """The recall of each emotion, for the clean cells that have a result."""
    chosen = _chosen(cells, "recall")
    rows: list[Row] = []
    for cell in chosen:
        row = _axes(cell)
        for emotion in EMOTIONS:
            put(row, f"recall_{emotion}", cell["recall"].get(emotion))
        rows.append(row | {"id": cell.get("id")})
    columns = (
        *leading_columns(chosen),
        *(Column(f"recall_{emotion}", f"{emotion} %", "interval") for emotion in EMOTIONS),
    )
    first = "Right answers among the found faces of each emotion, with 95 % intervals."
    return Table("Recall", columns, tuple(rows), (first, *notes(chosen, run, shared=False)))


def emotion_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """Precision, recall and F1, a row for each clean cell and emotion."""
    chosen = _chosen(cells, "f1")
    rows: list[Row] = []
    for cell in chosen:
        for emotion in EMOTIONS:
            row = _axes(cell) | {"emotion": emotion}
            for name in ("precision", "recall", "f1"):
                put(row, name, cell[name].get(emotion))
            rows.append(row | {"id": cell.get("id")})
    columns = (
        *leading_columns(chosen),
        Column("emotion", "emotion"),
        Column("recall_n", "faces", "count"),
        Column("precision", "precision % [95 % CI]", "interval"),
        Column("recall", "recall % [95 % CI]", "interval"),
        Column("f1", "F1 % [95 % CI]", "interval"),
    )
    first = (
        "Over found faces. Precision: of the answers that were this emotion, the share that is "
        "right. Recall: of the faces with this emotion, the share that got it."
    )
    return Table("By emotion", columns, tuple(rows), (first, *notes(chosen, run, shared=False)))


def _chosen(cells: Iterable[Cell], name: str) -> list[Cell]:
    clean = classified(cells, attacked=False)
    return [cell for cell in clean if cell["status"] == "ok" and cell.get(name)]


def _axes(cell: Cell) -> Row:
    return {
        "align": "none",
        "landmarker": None,
        **cell["axes"],
        "weights": cell.get("weights"),
        "floor": bool(cell.get("floor")),
    }
