"""What stands next to a face: a table with bars, a line for each classifier, or one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import cv2

from fxbench.labels import EMOTIONS
from fxbench.lettering import DIM, WHITE, Colour, Pen, darken
from fxbench.types import Float32, UInt8

Labels = Sequence[tuple[str, str, float]]
"""Of each classifier its name, what it labels a face as, and the probability of that."""

Parts = Sequence[tuple[str, bool]]
"""A line of text in pieces, and whether each is dim."""

_TROUGH: Colour = (85, 85, 85)


class Plate(Protocol):
    """Something that is written on a plate.

    Attributes:
        width: in pixels.
        height: likewise.
    """

    width: int
    height: int

    def draw(self, canvas: UInt8, x: int, y: int, colour: Colour | None) -> None:
        """Draw it with its top left corner at (x, y), and an edge in the colour of its face."""
        ...


def percent(probability: float) -> str:
    """A probability in words; empty where it is not known."""
    if not math.isfinite(probability):
        return ""
    return f"{100 * min(max(probability, 0.0), 1.0):.0f} %"


def answer(emotion: str, probability: float) -> str:
    """An emotion and its probability."""
    return f"{emotion} {percent(probability)}".rstrip()


class Lines:
    """Lines of text."""

    def __init__(self, pen: Pen, rows: Sequence[Parts]) -> None:
        self._pen = pen
        self._rows = rows
        space = pen.width("  ")
        widths = [sum(pen.width(t) for t, _ in row) + space * (len(row) - 1) for row in rows]
        self._space = space
        self.width = max(widths) + 2 * pen.gap + pen.stroke
        self.height = len(rows) * pen.line + pen.gap // 2

    def draw(self, canvas: UInt8, x: int, y: int, colour: Colour | None) -> None:
        """See :class:`Plate`."""
        pen = self._pen
        _ground(canvas, x, y, self, pen, colour)
        for number, row in enumerate(self._rows):
            at = x + pen.gap + pen.stroke
            for text, dim in row:
                top = y + pen.gap // 4 + number * pen.line
                pen.write(canvas, text, at, top, DIM if dim else WHITE)
                at += pen.width(text) + self._space


class Short(Lines):
    """One line that says the answers alone: what they are must be said elsewhere."""


class Table:
    """A row for each emotion, and a column of bars for each classifier.

    Args:
        pen: the letters.
        track: of the face, or -1.
        labels: of each classifier.
        bars: float32 (C, 8), its probabilities.
    """

    def __init__(self, pen: Pen, track: int, labels: Labels, bars: Float32) -> None:
        self._pen = pen
        self._bars = bars
        self._title = f"person {track}" if track >= 0 else ""
        self._names = [name for name, _, _ in labels]
        self._answers = [answer(emotion, probability) for _, emotion, probability in labels]
        first = ("labelled as", self._title, *EMOTIONS)
        self._columns = [max(pen.width(text) for text in first)]
        for name, text in zip(self._names, self._answers, strict=True):
            self._columns.append(max(pen.width(name), pen.width(text), pen.width("happiness")))
        space = 2 * pen.gap
        self.width = sum(self._columns) + space * len(labels) + 2 * pen.gap + pen.stroke
        self.height = (2 + len(EMOTIONS)) * pen.line + pen.gap // 2

    def draw(self, canvas: UInt8, x: int, y: int, colour: Colour | None) -> None:
        """See :class:`Plate`."""
        pen = self._pen
        _ground(canvas, x, y, self, pen, colour)
        y += pen.gap // 4
        x += pen.gap + pen.stroke
        pen.write(canvas, self._title, x, y, DIM)
        pen.write(canvas, "labelled as", x, y + pen.line, DIM)
        for row, emotion in enumerate(EMOTIONS, 2):
            pen.write(canvas, emotion, x, y + row * pen.line, DIM)
        for column, name in enumerate(self._names):
            x += self._columns[column] + 2 * pen.gap
            pen.write(canvas, name, x, y, DIM)
            pen.write(canvas, self._answers[column], x, y + pen.line)
            for row, share in enumerate(self._bars[column].tolist(), 2):
                width = self._columns[column + 1]
                _bar(canvas, x, y + row * pen.line, width, share, pen, colour or WHITE)


def lines(width: int, pen: Pen, rows: Sequence[Parts]) -> Lines:
    """Lines of text, cut off where they are wider than a picture of that width."""
    room = width - 2 * pen.gap - pen.stroke
    fitted = []
    for row in rows:
        left, kept = room, []
        for text, dim in row:
            some = pen.fitted(text, left)
            if some:
                left -= pen.width(some) + pen.width("  ")
                kept.append((some, dim))
        fitted.append(kept)
    return Lines(pen, fitted)


def long_lines(track: int, labels: Labels, pen: Pen, width: int) -> Plate | None:
    """A line for each classifier, below a title; None where there is nothing to say."""
    if not labels:
        return short_line(track, labels, pen, width)
    title = f"person {track}, labelled as" if track >= 0 else "labelled as"
    rows: list[Parts] = [[(title, True)]]
    for name, emotion, probability in labels:
        rows.append([(answer(emotion, probability), False), (name, True)])
    return lines(width, pen, rows)


def short_line(track: int, labels: Labels, pen: Pen, width: int) -> Plate | None:
    """One line: the emotions in the order of the classifiers; None where there is nothing."""
    if not labels:
        return lines(width, pen, [[(f"person {track}", False)]]) if track >= 0 else None
    text = ", ".join(emotion for _, emotion, _ in labels)
    if len(labels) == 1:
        text = answer(text, labels[0][2])
    text = f"{track}: {text}" if track >= 0 else text
    return Short(pen, [[(pen.fitted(text, width - 2 * pen.gap - pen.stroke), False)]])


def _ground(canvas: UInt8, x: int, y: int, plate: Plate, pen: Pen, colour: Colour | None) -> None:
    darken(canvas, x, y, plate.width, plate.height)
    if colour is not None:
        end = (x + pen.stroke, y + plate.height - 1)
        cv2.rectangle(canvas, (x, y), end, colour, cv2.FILLED)


def _bar(canvas: UInt8, x: int, y: int, width: int, share: float, pen: Pen, colour: Colour) -> None:
    top = y + (pen.line - pen.capital) // 2 + 1
    bottom = top + max(2, pen.capital - 2)
    if not math.isfinite(share):
        pen.write(canvas, "-", x, y, DIM)
        return
    cv2.rectangle(canvas, (x, top), (x + width - 1, bottom), _TROUGH, cv2.FILLED)
    full = round(width * min(max(share, 0.0), 1.0))
    if full:
        cv2.rectangle(canvas, (x, top), (x + full - 1, bottom), colour, cv2.FILLED)
