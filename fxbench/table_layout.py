"""How the columns of a table fit into the width of a terminal."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fxbench.tabular import Column

_WORDS = ("text", "named", "status")
"""Formats whose cells may be broken between words, and names at hyphens and the like."""
_PEERS = 4
"""From so many columns of one format at the end on, they are of one sort, as in a matrix."""
_BREAKABLE = re.compile(r"(?<=[^\W\d])([-_./:@])(?=[^\W_])")
_GAP = 2
"""Characters between columns; as many stand before the first and after the last together."""

Layout = list[tuple[str, list[str]]]
"""Headers with the cells below them, which may have several lines."""
Part = tuple[list["Column"], Layout]
"""Columns that stand side by side, and how they do."""


_INTERVAL = "[95 % CI]"
_PERCENT = re.compile(r"(?<=\d) %")
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table as it fits into a width.

    Attributes:
        parts: one below the other, each as wide as there is room.
        left_out: columns that stand in none of them.
        shortened: whether a header has `[CI]` where it had `[95 % CI]`.
        listed: whether every row is a list of headers and values, as not even names fit.
    """

    parts: list[Part]
    left_out: list[Column]
    shortened: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True)
class _Shape:
    """A column in one of the ways to set it.

    Attributes:
        column: which.
        header: as it is, or shortened.
        cells: with the line ends that this way has.
        least: the width below which a word would be broken.
        most: the width with which no cell needs a further line end.
    """

    column: Column
    header: str
    cells: list[str]
    least: int
    most: int

    def filled(self, width: int) -> tuple[str, list[str]]:
        """Header and cells in lines of that width."""
        cells = self.cells
        if self.column.format in _WORDS and self.most > width:
            folded = {text: _folded(text, width) for text in set(cells)}
            cells = [folded[text] for text in cells]
        return _folded(self.header, max(width, _width(cells))), cells


def fitting(wanted: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> Fitted:
    """The columns that fit into a width, and how they do.

    One line a row if that fits; then columns without any value go, intervals stand below their
    values, and words and names are broken into lines. Where that is too wide, columns that can be
    spared are left out, the last first; then intervals take two lines, the last columns' first.
    Many columns of one sort are set in several parts, each with the names of the rows; of others
    the last are left out, though never names, nor the first number. Where the names alone are too
    wide, each row is a list.

    Args:
        wanted: the columns.
        rows: a text for each of them, row by row.
        width: characters, None for as many as it takes.
    """
    columns = list(wanted)
    cells = [[row[index] for row in rows] for index in range(len(columns))]
    layout = [(column.header, texts) for column, texts in zip(columns, cells, strict=True)]
    if width is None or _total(_width([head, *texts]) for head, texts in layout) <= width:
        return Fitted([(columns, layout)], [])
    # What nobody has a value of takes no room from the others, and is not missed.
    filled = [c for c, texts in zip(columns, cells, strict=True) if set(texts) - {_NOTHING}]
    columns = [c for c in columns if c in filled or c.format in _WORDS] or columns
    texts_of = {column.key: texts for column, texts in zip(wanted, cells, strict=True)}
    kept = [_shape(column, texts_of[column.key], tight=False) for column in columns]
    for index in reversed(range(len(kept))):
        if kept[index].column.spare and not _fits(kept, width):
            del kept[index]
    for index in reversed(range(len(kept))):
        if not _fits(kept, width):
            column = kept[index].column
            kept[index] = _shape(column, texts_of[column.key], tight=True)
    parts = _parted(kept, width)
    if not all(_fits(part, width) for part in parts):
        return Fitted([_listed(layout, width)], [], listed=True)
    there = {shape.column.key: shape for part in parts for shape in part}
    return Fitted(
        [_set(part, width) for part in parts],
        [column for column in columns if column.key not in there],
        any(shape.header != shape.column.header for shape in there.values()),
    )


def _listed(layout: Layout, width: int) -> Part:
    """Each row as headers with the values beside them."""
    from fxbench.tabular import Column

    longest = _width(word for head, _ in layout for word in head.split(" "))
    room = max(longest, min(_width(head for head, _ in layout), width * 2 // 5))
    beside = max(1, width - room - 2 * _GAP)
    names, values = [], []
    for row in zip(*(texts for _, texts in layout), strict=True):
        lines: list[tuple[str, str]] = []
        for (head, _), text in zip(layout, row, strict=True):
            left = _folded(head, room).split("\n")
            right = textwrap.wrap(_folded(text, beside), beside, break_on_hyphens=False) or [""]
            lines += zip_longest(left, right, fillvalue="")
        names.append("\n".join([*(left for left, _ in lines), ""]))
        values.append("\n".join([*(right for _, right in lines), ""]))
    return [Column("", ""), Column("", "")], [("", names), ("", values)]


def _parted(shapes: list[_Shape], width: int) -> list[list[_Shape]]:
    """The columns in parts that fit, or those of them that do."""
    if _fits(shapes, width):
        return [shapes]
    peers = _peers(shapes)
    if peers:
        lead = shapes[: -len(peers)]
        parts: list[list[_Shape]] = []
        for peer in peers:
            if parts and _fits([*parts[-1], peer], width):
                parts[-1].append(peer)
            else:
                parts.append([*lead, peer])
        return parts
    kept = list(shapes)
    names = [shape.column.key for shape in kept if shape.column.format in _WORDS]
    begin = next((i for i, shape in enumerate(kept) if shape.column.key in names), 0)
    numbers = [shape.column.key for shape in kept[begin:] if shape.column.key not in names]
    needed = {*(shape.column.key for shape in kept[:1]), *names, *numbers[:1]}
    for index in reversed(range(len(kept))):
        if kept[index].column.key not in needed and not _fits(kept, width):
            del kept[index]
    return [kept]


def _peers(shapes: list[_Shape]) -> list[_Shape]:
    """The last columns, if there are many of the same format."""
    last = shapes[-1].column.format
    count = next(
        (n for n, shape in enumerate(reversed(shapes)) if shape.column.format != last), len(shapes)
    )
    return shapes[-count:] if count >= _PEERS and last not in _WORDS else []


def _fits(shapes: Iterable[_Shape], width: int) -> bool:
    return _total(shape.least for shape in shapes) <= width


def _total(widths: Iterable[int]) -> int:
    return sum(_GAP + width for width in widths)


def _set(shapes: list[_Shape], width: int) -> Part:
    """Columns side by side: what room there is goes to those that are the narrowest so far."""

    def widths(cap: int) -> list[int]:
        return [max(shape.least, min(shape.most, cap)) for shape in shapes]

    cap = max((shape.least for shape in shapes), default=0)
    widest = max((shape.most for shape in shapes), default=0)
    low, high = 0, max(cap, widest)
    while low < high:
        middle = (low + high + 1) // 2
        if _total(widths(middle)) <= width:
            low = middle
        else:
            high = middle - 1
    layout = [shape.filled(wide) for shape, wide in zip(shapes, widths(low), strict=True)]
    return [shape.column for shape in shapes], layout


def _shape(column: Column, texts: list[str], *, tight: bool) -> _Shape:
    """A column with intervals below their values, and where it is tight in two lines."""
    cells = [text.replace(" [", "\n[").replace(" (", "\n(") for text in texts]
    if column.format in _WORDS:
        cells = texts
        least = _width(piece for text in {*texts, column.header} for piece in _pieces(text))
        return _Shape(column, column.header, cells, least, max(least, _width(texts)))
    header = column.header
    if tight:
        cells = [text.replace(", ", ",\n").replace(" of ", "\nof ") for text in cells]
        header = header.replace(_INTERVAL, "[CI]")
    words = _pieces(header) if tight else _whole(header).split(" ")
    least = _width([*cells, *words])
    return _Shape(column, header, cells, least, least)


def _whole(text: str) -> str:
    """A text whose intervals and percentages are not to be broken."""
    text = text.replace(_INTERVAL, _INTERVAL.replace(" ", "\xa0"))
    return _PERCENT.sub("\xa0%", text)


def _pieces(text: str) -> list[str]:
    """What a text may be broken into: its words, and these after hyphens and the like."""
    words = _whole(text).split(" ")
    return [piece for word in words for piece in _BREAKABLE.sub(r"\1 ", word).split(" ")]


def _folded(text: str, width: int) -> str:
    """A text in lines of a width, broken between words where that is enough."""
    lines = []
    for line in _whole(text).split("\n"):
        marked = line
        if any(len(word) > width for word in line.split(" ")):
            # A word that is too long by itself gives way at hyphens; the others stay whole.
            words = (w if len(w) <= width else _split(w, width) for w in line.split(" "))
            marked = " ".join(words)
        lines += textwrap.wrap(
            marked, max(1, width), break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines).replace("\xa0", " ")


def _split(word: str, width: int) -> str:
    """A word in pieces that end at hyphens and the like, each as long as the width allows."""
    lines = [""]
    for piece in _BREAKABLE.sub("\\1\n", word).split("\n"):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return " ".join(lines)


def _width(texts: Iterable[str]) -> int:
    return max((len(line) for text in texts for line in text.split("\n")), default=0)
