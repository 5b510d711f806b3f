"""The scores of groups of images, from what a run answered image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.answers import NOT_ASKED
from fxbench.errors import UsageError
from fxbench.metrics.paired import holm
from fxbench.metrics.subgroups import LEAST, by_group
from fxbench.names import unknown_name
from fxbench.tables import classified, leading_columns, notes, put
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fxbench.answers import Answered
    from fxbench.tables import Cell
    from fxbench.tabular import Row

UNKNOWN = "(not known)"


def group_tables(
    cells: Iterable[Cell],
    answered: Sequence[Answered],
    column: str,
    run: Mapping[str, Any] | None = None,
) -> tuple[Table, Table]:
    """The scores of each group, and for each clean cell the gap between the worst and the best.

    Args:
        cells: of a run.
        answered: what they answered, see :func:`fxbench.answers.read`.
        column: of the datasets' metadata; its values are the groups.
        run: the run's record, for the notes.

    Raises:
        UsageError: no dataset of the run has such a column.
    """
    columns = dict.fromkeys(name for source in answered for name in source.groups)
    if column not in columns:
        raise UsageError(_no_column(column, tuple(columns), bool(answered)))
    sources = [source for source in answered if column in source.groups]
    found = {cell: source for source in sources for cell in source.cells}
    chosen = [c for c in classified(cells, attacked=False) if c["status"] == "ok"]
    chosen = [cell for cell in chosen if cell["id"] in found]
    rows: list[Row] = []
    gaps: list[Row] = []
    for cell in chosen:
        here, gap = _scored(cell, found[cell["id"]], column)
        rows += here
        gaps.append(gap)
    tested = [row for row in gaps if row["p"] is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]).tolist(), strict=True):
        row["p_holm"] = p
    lead = leading_columns(chosen)
    first = "Accuracy and macro-F1 end-to-end: a missed face is wrong. Macro-F1 is over the "
    return (
        Table(
            f"By {column}",
            (
                *lead,
                Column("group", column),
                Column("n", "images", "count"),
                Column("accuracy", "accuracy % [95 % CI]", "interval"),
                Column("macro_f1", "macro-F1 % [95 % CI]", "interval"),
                Column("mark", "", show="any"),
            ),
            tuple(rows),
            (
                f"{first}emotions that a group has, which may be others in another group.",
                *notes(chosen, run, shared=False),
            ),
        ),
        Table(
            f"Gap by {column}",
            (
                *lead,
                Column("worst", "worst"),
                Column("best", "best"),
                Column("gap", "gap, points [95 % CI]", "interval"),
                Column("by_chance", "by chance", "interval"),
                Column("p_holm", "p (Holm)", "number"),
            ),
            tuple(gaps),
            (
                "Gap: the accuracy of the best group less that of the worst, of those with "
                f"{LEAST} images or more. By chance: what groups of these sizes drawn at random "
                "would show, the mean and the middle 95 %; p is the share of draws that show as "
                "much.",
                "A gap says that the groups differ, not why: their emotions, pictures and labels "
                "may differ as well.",
            ),
        ),
    )


def _scored(cell: Cell, source: Answered, column: str) -> tuple[list[Row], Row]:
    top = source.top(cell["id"])
    asked = np.flatnonzero(top != NOT_ASKED)
    names = source.groups[column]
    groups, gap = by_group(
        source.labels[asked],
        top[asked],
        [names[place] for place in asked.tolist()],
        source.clusters[asked],
    )
    axes: Row = {"align": "none", "landmarker": None, **cell["axes"]}
    axes |= {"weights": cell.get("weights"), "floor": bool(cell.get("floor")), "id": cell["id"]}
    rows = []
    for one in groups:
        row: Row = axes | {"group": one.name or UNKNOWN, "n": one.n, "mark": ""}
        put(row, "accuracy", one.accuracy)
        put(row, "macro_f1", one.macro_f1)
        if gap is not None and one.name in (gap.worst, gap.best):
            row["mark"] = "worst" if one.name == gap.worst else "best"
        rows.append(row)
    difference: Row = axes | {"worst": None, "best": None, "p": None, "p_holm": None}
    put(difference, "gap", None if gap is None else dict(gap.gap))
    put(difference, "by_chance", None if gap is None else dict(gap.by_chance))
    if gap is not None:
        difference |= {"worst": gap.worst, "best": gap.best, "p": gap.p}
    return rows, difference


def _no_column(column: str, columns: tuple[str, ...], answered: bool) -> str:
    if columns:
        return unknown_name("column", column, columns)
    if not answered:
        return (
            "This run keeps no answers to single images, as an earlier version of fxbench made it "
            "or its folder answers is lost: give its command again."
        )
    return (
        f"No dataset of this run has a column {column!r}, or any other: see 'Subgroups' in "
        "docs/statistics.md for which have."
    )
