"""Text in pictures: OpenCV's stroke font, at sizes that can be read, on plates that can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2

from fxbench.types import UInt8

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

WHITE: Colour = (255, 255, 255)
DIM: Colour = (190, 190, 190)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST = 0.42
"""Below, the letters of this font run into one another: they are 9 pixels high here."""

_USUAL = 0.45
"""In a picture of 480 lines. In larger ones letters grow with the picture, which is made smaller
wherever it is looked at as a whole."""

_MARK = ".."


@dataclass(frozen=True, slots=True)
class Pen:
    """Letters of one size.

    Attributes:
        scale: of the font.
    """

    scale: float

    @classmethod
    def fit(cls, height: int, width: int) -> Pen:
        """For a picture of so many pixels."""
        return cls(max(_SMALLEST, _USUAL * min(height, 0.75 * width) / 480))

    @classmethod
    def smallest(cls) -> Pen:
        """The smallest letters that can be read."""
        return cls(_SMALLEST)

    def smaller(self) -> Pen:
        """Somewhat smaller letters, for where there is little room."""
        return Pen(max(_SMALLEST, 0.7 * self.scale))

    @property
    def stroke(self) -> int:
        """How thick lines are, pixels."""
        return max(1, round(self.scale * 1.7))

    @property
    def edge(self) -> int:
        """How thick the edge of a box is, pixels."""
        return max(1, round(self.scale * 2.6))

    @property
    def capital(self) -> int:
        """How high a capital letter is, pixels."""
        return round(self.scale * 21)

    @property
    def line(self) -> int:
        """How far lines of text are apart, pixels."""
        return round(self.scale * 36)

    @property
    def gap(self) -> int:
        """What is left free around text, pixels."""
        return max(3, round(self.scale * 10))

    def width(self, text: str) -> int:
        """Of a text, pixels."""
        return _width(text, self.scale, self.stroke)

    def fitted(self, text: str, width: int) -> str:
        """The text, with its end cut off where it is wider than that; empty where nothing fits."""
        if self.width(text) <= width:
            return text
        kept = len(text)
        while kept and self.width(text[:kept] + _MARK) > width:
            kept -= 1
        return text[:kept] + _MARK if kept else ""

    def write(self, canvas: UInt8, text: str, x: int, y: int, colour: Colour = WHITE) -> None:
        """Write a line whose top left corner is (x, y): it takes :attr:`line` pixels downwards.

        The font has ASCII letters only: others appear as question marks.
        """
        base = y + (self.line + self.capital) // 2
        place = (x, base)
        cv2.putText(canvas, text, place, _FONT, self.scale, colour, self.stroke, cv2.LINE_AA)


@lru_cache(maxsize=4096)
def _width(text: str, scale: float, stroke: int) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, stroke)[0][0])


def darken(canvas: UInt8, x: int, y: int, width: int, height: int) -> None:
    """A dark plate that light text can be read on, with a little of the picture to be seen."""
    some = canvas[y : y + height, x : x + width]
    if some.size:
        cv2.convertScaleAbs(some, dst=some, alpha=0.2, beta=12)
