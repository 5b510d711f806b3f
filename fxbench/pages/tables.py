"""Tables of :mod:`fxbench.tabular` in a page; in the browser they sort and filter."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fxbench.tabular import texts_of

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.tabular import Column, Row, Table

_MANY = 8
"""From so many rows on a table can be filtered."""
_FEW = 12
"""A column of so many different words at most has a list to choose from."""
_SHORT = 40
"""Words of at most so many characters stand in such a list."""
_ONE_LINE = 30
"""A text of at most so many characters is not broken."""
_LOW_IS_GOOD = ("rank", "time", "error", "error-interval", "relative", "distance")
"""Formats of numbers of which the smallest is looked for first."""


def table(
    shown: Table,
    *,
    title: str | None = None,
    filters: bool | None = None,
    sorts: bool = True,
    notes: bool = True,
) -> Markup:
    """A table with its caption and notes. Columns sort by a click or the keyboard.

    Args:
        shown: what it shows; columns without any value are left out.
        title: instead of its own.
        filters: whether rows can be filtered; by default where there are eight or more.
        sorts: whether columns can be sorted by, and rows filtered.
        notes: whether its notes stand below.
    """
    from markupsafe import Markup

    filled = [c for c in shown.columns if any(row.get(c.key) is not None for row in shown.rows)]
    texts = texts_of(replace(shown, columns=tuple(filled)) if shown.rows else shown)
    sortable = sorts and len(shown.rows) > 1
    many = sortable and (len(shown.rows) >= _MANY if filters is None else filters)
    head = Markup("").join(_header(column, sortable=sortable) for column in texts.columns)
    body = Markup("\n").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                _cell(column, row, text, first=number == 0)
                for number, (column, text) in enumerate(zip(texts.columns, line, strict=True))
            )
        )
        for row, line in zip(shown.rows, texts.rows, strict=True)
    )
    caption = texts.title if title is None else title
    return Markup(
        '<div class="table"{}>{}<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        "<table><caption>{}</caption><thead><tr>{}</tr></thead><tbody>\n{}\n</tbody></table></div>"
        "{}</div>"
    ).format(
        Markup(' data-sorts=""') if sortable else "",
        _filters(texts.columns, texts.rows) if many else "",
        caption,
        caption,
        head,
        body,
        _notes(shown.notes) if notes else "",
    )


def folded(shown: Table, summary: str = "The numbers") -> Markup:
    """A table that is there once somebody opens it: below a figure of the same numbers."""
    from markupsafe import Markup

    return Markup("<details><summary>{}</summary>{}</details>").format(
        summary, table(shown, filters=False)
    )


def _header(column: Column, *, sortable: bool) -> Markup:
    from markupsafe import Markup

    text = column.header
    label = Markup('<button type="button">{}</button>').format(text) if sortable else text
    low = Markup(' data-low=""') if column.format in _LOW_IS_GOOD else ""
    return Markup('<th scope="col"{}{}>{}</th>').format(_class(column.justify), low, label)


def _cell(column: Column, row: Row, text: str, *, first: bool) -> Markup:
    from markupsafe import Markup

    value = _sorted_by(row.get(column.key))
    attribute = Markup(' data-v="{}"').format(value) if value and value != text else ""
    if first and column.justify == "left":
        return Markup('<th scope="row"{}{}>{}</th>').format(_kept(text), attribute, text)
    kind = _class(column.justify) or _kept(text)
    return Markup("<td{}{}>{}</td>").format(kind, attribute, text)


def _class(justify: str) -> Markup:
    from markupsafe import Markup

    return Markup(' class="n"') if justify == "right" else Markup("")


def _kept(text: str) -> Markup:
    """Names of components break at their hyphens else."""
    from markupsafe import Markup

    return Markup(' class="s"') if "-" in text and 1 < len(text) <= _ONE_LINE else Markup("")


def _sorted_by(value: Any) -> str:
    """A number as it is, which a text such as `91.2 [88.0, 93.9]` only begins with."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{value:.6g}"


def _filters(columns: tuple[Column, ...], rows: tuple[tuple[str, ...], ...]) -> Markup:
    from markupsafe import Markup

    lists = Markup("")
    for number, column in enumerate(columns):
        words = sorted({row[number] for row in rows})
        short = max(map(len, words)) <= _SHORT if words else False
        if column.justify == "left" and 1 < len(words) <= _FEW and short:
            options = Markup("").join(Markup("<option>{}</option>").format(w) for w in words)
            lists += Markup(
                '<label>{} <select data-column="{}"><option value="">all</option>{}</select>'
                "</label>"
            ).format(column.header, number, options)
    return Markup(
        '<div class="filters"><label>Filter <input type="search" placeholder="words in a row">'
        '</label>{}<span class="count" role="status"></span></div>'
    ).format(lists)


def _notes(notes: tuple[str, ...]) -> Markup:
    from markupsafe import Markup

    if not notes:
        return Markup("")
    lines = Markup("").join(Markup("<li>{}</li>").format(prose(note)) for note in notes)
    return Markup('<ul class="notes">{}</ul>').format(lines)


def prose(text: str) -> Markup:
    """A sentence whose commands, between backticks, are shown as such."""
    from markupsafe import Markup

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return Markup("{}").format(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else Markup("{}").format(part)
        for number, part in enumerate(parts)
    )
