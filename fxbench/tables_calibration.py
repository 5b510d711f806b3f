"""The table of what probabilities are worth: calibration, Brier score and risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import classified, flat, leading_columns, notes
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fxbench.tables import Cell

HALF = 0.5
"""The coverage that the table has the risk at."""


def calibration_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """Whether the clean cells are right as often as they say, and how well they know when."""
    chosen = [
        cell
        for cell in classified(cells, attacked=False)
        if cell["status"] == "ok" and "ece" in cell["metrics"]
    ]
    rows = [flat(cell) | _means(cell) for cell in chosen]
    columns = (
        *leading_columns(chosen),
        Column("ece", "ECE % [95 % CI]", "interval"),
        Column("ece_calibrated", "if calibrated %", "interval"),
        Column("confidence", "confidence %", "percent"),
        Column("accuracy", "accuracy %", "percent"),
        Column("brier", "Brier [95 % CI]", "number-interval"),
        Column("cross_entropy", "cross-entropy [95 % CI]", "number-interval", show="any"),
        Column("aurc", "AURC %", "percent"),
        Column("risk_at_half", "wrong among surest half %", "percent"),
    )
    first = (
        "ECE: the mean gap between confidence (the top answer's probability) and accuracy, in bins "
        "of equally many found faces. It is never 0: 'if calibrated' is what a classifier whose "
        "probabilities are right would get on as many, in the middle 95 % of cases.",
        "AURC: the mean share of wrong answers over all shares of the answers that are given, the "
        "surest first; an order that tells nothing has 100 less accuracy. Brier: from 0 to 2. "
        "Cross-entropy: against the annotators' votes, in nats.",
    )
    return Table("Calibration", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def _means(cell: Cell) -> dict[str, float | None]:
    bins = cell.get("calibration") or {"count": (), "confidence": ()}
    total = sum(bins["count"])
    sums = zip(bins["count"], bins["confidence"], strict=True)
    risk = cell.get("risk_coverage") or {"coverage": (), "risk": ()}
    points = zip(risk["coverage"], risk["risk"], strict=True)
    return {
        "confidence": sum(count * sure for count, sure in sums) / total if total else None,
        "risk_at_half": next((wrong for share, wrong in points if share >= HALF), None),
    }
