"""How the columns of a table fit into the width of a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fxbench.tabular import Column

_STATUS_WIDTH = 30
"""Characters a line for the reason of a failure where a table is too wide."""

Layout = list[tuple[str, list[str]]]
"""Headers with the cells below them, which may have several lines."""


def fitting(
    wanted: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> tuple[list[Column], Layout]:
    """The columns that fit into a width, and how they do.

    One line a row if that fits; then intervals go below their values, names are broken at hyphens,
    and columns that can be spared are left out, the last first, each only where it must be.

    Args:
        wanted: the columns.
        rows: a text for each of them, row by row.
        width: characters, None for as many as it takes.
    """
    columns = list(wanted)
    cells = [[row[index] for row in rows] for index in range(len(columns))]
    layout = [(column.header, texts) for column, texts in zip(columns, cells, strict=True)]
    if width is None or _total(layout) <= width:
        return columns, layout
    layout = [_stacked(column, texts) for column, texts in zip(columns, cells, strict=True)]
    if _total(layout) > width:
        pairs = zip(columns, layout, strict=True)
        layout = [_hyphenated(column, *head_and_texts) for column, head_and_texts in pairs]
    for index in reversed(range(len(columns))):
        if columns[index].spare and _total(layout) > width:
            del columns[index], layout[index]
    return columns, layout


def _total(layout: Layout) -> int:
    # Two characters stand between columns, one before the first and one after the last.
    return sum(2 + _width([header, *texts]) for header, texts in layout)


def _stacked(column: Column, texts: list[str]) -> tuple[str, list[str]]:
    """A column's header and cells broken into lines where that reads well."""
    cells = [text.replace(" [", "\n[").replace(" (", "\n(") for text in texts]
    if column.format == "status":
        cells = [textwrap.fill(text, _STATUS_WIDTH) for text in texts]
    return _filled(column.header, cells), cells


def _hyphenated(column: Column, header: str, texts: list[str]) -> tuple[str, list[str]]:
    """A column of names broken at their hyphens; others as they are."""
    if column.format not in ("text", "named"):
        return header, texts
    parts = [textwrap.fill(text, 1, break_long_words=False) for text in texts]
    least = _width([*parts, *column.header.split()])
    texts = [textwrap.fill(text, least, break_long_words=False) for text in texts]
    return _filled(column.header, texts), texts


def _filled(header: str, texts: list[str]) -> str:
    """A header in lines no wider than its cells, or its longest word."""
    return textwrap.fill(header, _width([*texts, *header.split()]))


def _width(texts: Iterable[str]) -> int:
    return max((len(line) for text in texts for line in text.splitlines()), default=0)
