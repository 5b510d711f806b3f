"""What rich shows of a table: its body is one block for each column, laid out here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.measure import Measurement
    from rich.segment import Segment
    from rich.table import Table as RichTable

    from fxbench.table_layout import Layout
    from fxbench.tabular import Column


def side_by_side(columns: Sequence[Column], layout: Layout, width: int | None) -> RichTable:
    """Columns that may have several lines in a cell, as rich shows them.

    Args:
        columns: as a table has them.
        layout: as :func:`fxbench.table_layout.fitting` gives it.
        width: of the terminal in characters, None for as much as it takes.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    rich_table = RichTable(
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for column, (header, _) in zip(columns, layout, strict=True):
        # Folding a word that is too long keeps it whole; the default would cut it off.
        rich_table.add_column(Text(header), justify=column.justify, overflow="fold")
    texts = [cells for _, cells in layout]
    if texts and texts[0] and fits(layout, width):
        # Rich takes six times as long to lay out a thousand rows one by one.
        rich_table.add_row(*blocks(columns, layout))
        return rich_table
    for row in zip(*texts, strict=True):
        # As Text, so that square brackets are not read as markup.
        rich_table.add_row(*(Text(text) for text in row))
    return rich_table


def fits(layout: Layout, width: int | None) -> bool:
    """Whether no text of a table has to be broken.

    Args:
        layout: as :func:`fxbench.table_layout.fitting` gives it.
        width: of the terminal in characters, None for as much as it takes.
    """
    return width is None or sum(2 + _cells([head, *texts]) for head, texts in layout) <= width


def blocks(columns: Sequence[Column], layout: Layout) -> list[Block]:
    """For each column all of its texts, so that those of a row begin at the same height."""
    rows = zip(*(texts for _, texts in layout), strict=True)
    heights = [max(text.count("\n") for text in row) for row in rows]
    return [
        Block(texts, heights, _cells([head, *texts]), column.justify)
        for column, (head, texts) in zip(columns, layout, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Block:
    """The texts of a column, one below the other, as rich shows them.

    Attributes:
        texts: each of a line or more.
        heights: for each how many line ends its row has.
        width: of the column.
        justify: as of a column.
    """

    texts: list[str]
    heights: list[int]
    width: int
    justify: Literal["left", "right"]

    def __rich_console__(self, *_: object) -> Iterable[Segment]:
        from rich.segment import Segment

        lines = []
        for text, height in zip(self.texts, self.heights, strict=True):
            lines += [self._placed(line) for line in text.split("\n")]
            lines += [""] * (height - text.count("\n"))
        yield Segment("\n".join(lines))

    def __rich_measure__(self, *_: object) -> Measurement:
        from rich.measure import Measurement

        return Measurement(self.width, self.width)

    def _placed(self, line: str) -> str:
        return line if self.justify == "left" else " " * (self.width - _cells([line])) + line


def _cells(texts: Iterable[str]) -> int:
    """The columns of a terminal that the longest line takes."""
    from rich.cells import cell_len

    return max((cell_len(line) for text in texts for line in text.split("\n")), default=0)
