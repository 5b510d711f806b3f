"""Lists of named things: what is said of each beside it where there is room, else below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

LEAST = 36
"""Characters a line below which prose beside something is no longer read with ease."""
_GAP = "  "
_INDENT = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A thing of a list.

    Attributes:
        head: its name, its state and the like, each short enough for one line.
        told: what is said of it.
    """

    head: tuple[Text, ...]
    told: Text


def print_named(console: Console, groups: Sequence[tuple[str, Iterable[Named]]]) -> None:
    """Print groups of things, each below its title; nothing stands above a title of no letter."""
    made = [(title, list(things)) for title, things in groups]
    every = [thing.head for _, things in made for thing in things]
    columns = list(zip(*every, strict=True))
    widths = [max(text.cell_len for text in column) for column in columns]
    begin = sum(widths) + len(_GAP) * len(widths)
    beside = console.width - begin >= LEAST
    for title, things in made:
        if title:
            console.print(Text(title, "bold"))
        for thing in things:
            head = _line(thing.head, widths)
            if not beside:
                console.print(head, soft_wrap=head.cell_len > console.width)
                _below(console, thing.told, _INDENT)
                continue
            first, *more = thing.told.split("\n", allow_blank=True)
            lines = first.wrap(console, console.width - begin, overflow="fold")
            if lines:
                head.append(_GAP).append(lines[0])
            head.rstrip()
            console.print(head, no_wrap=True, crop=False)
            _below(console, Text("\n").join([*lines[1:], *more]), begin)


def _below(console: Console, text: Text, indent: int) -> None:
    for line in text.wrap(console, max(1, console.width - indent), overflow="fold"):
        line.rstrip()
        if line:
            console.print(Text(" " * indent).append(line), no_wrap=True, crop=False)


def _line(head: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for index, (text, width) in enumerate(zip(head, widths, strict=True)):
        line.append(_GAP * bool(index)).append(text).append(" " * (width - text.cell_len))
    return line
