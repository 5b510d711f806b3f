"""Painting smooth-edged shapes onto a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from fxbench.types import Float32, Float64, UInt8
from fxbench_corruptions.everyday import over_channels

_SUBPIXELS = 4
_FAR = 2.0**15
"""Farther from a picture, pixels, nothing is drawn: OpenCV counts sixteenths in 32 bits."""

Colour = Float32
"""RGB (3,) for a coloured picture, () for a grey one; see `everyday.shade`."""


class Canvas:
    """A picture that is painted on.

    Attributes:
        picture: uint8 (H, W) or (H, W, 3), a copy of what was given.
    """

    def __init__(self, picture: UInt8) -> None:
        self.picture = picture.copy()

    def area(self, shapes: Sequence[Float64], colour: Colour, opacity: float = 1.0) -> None:
        """Fill polygons, each float64 (N, 2) in pixels, that don't overlap."""
        self._paint(shapes, colour, opacity, None)

    def lines(
        self, shapes: Sequence[Float64], width: float, colour: Colour, opacity: float = 1.0
    ) -> None:
        """Draw lines, each through points float64 (N, 2) in pixels.

        Args:
            shapes: the lines. Where they cross, they are no darker.
            width: in pixels; it may be below 1.
            colour: see :data:`Colour`.
            opacity: from 0 to 1.
        """
        self._paint(shapes, colour, opacity, width)

    def _paint(
        self, shapes: Sequence[Float64], colour: Colour, opacity: float, width: float | None
    ) -> None:
        xy = np.concatenate(shapes)
        window = self.window(xy, 1 + (width or 0))
        if window is None:
            return
        top, bottom, left, right = window
        fine = 4 if max(bottom - top, right - left) <= 200 else 1
        mask = np.zeros(((bottom - top) * fine, (right - left) * fine), np.uint8)
        one = 1 << _SUBPIXELS
        # A pixel's centre is a whole number; that of its first fine pixel lies before it.
        place = ((np.clip(xy, -_FAR, _FAR) - (left, top) + 0.5) * fine - 0.5) * one
        corners = np.split(np.rint(place).astype(np.int32), _ends(shapes))
        if width is None:
            cv2.fillPoly(mask, corners, 255, cv2.LINE_AA, _SUBPIXELS)
        else:
            broad = width * fine
            # Thinner than a pixel is drawn as a pixel that is less opaque.
            opacity *= min(1.0, broad)
            stroke = max(1, round(broad))
            cv2.polylines(mask, corners, False, 255, stroke, cv2.LINE_AA, _SUBPIXELS)
        if fine > 1:
            mask = np.asarray(
                cv2.resize(mask, (right - left, bottom - top), interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        share = mask.astype(np.float32) * np.float32(opacity / 255)
        self.blend(window, share, colour)

    def window(self, xy: Float64, margin: float) -> tuple[int, int, int, int] | None:
        """Top, bottom, left and right of what surrounds points; None where it is not in sight."""
        height, width = self.picture.shape[:2]
        (left, top), (right, bottom) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
        first_row, last_row = _within(top - margin, bottom + margin, height)
        first_column, last_column = _within(left - margin, right + margin, width)
        if first_row >= last_row or first_column >= last_column:
            return None
        return first_row, last_row, first_column, last_column

    def blend(self, window: tuple[int, int, int, int], share: Float32, colour: Float32) -> None:
        """Cover a window by a colour of 0 to 255, as far as `share`, float32 (h, w), 0 to 1."""
        top, bottom, left, right = window
        below = self.picture[top:bottom, left:right]
        mixed = colour - below
        mixed *= over_channels(share, self.picture)
        mixed += below
        mixed += np.float32(0.5)
        self.picture[top:bottom, left:right] = mixed.astype(np.uint8)


def _within(low: float, high: float, size: int) -> tuple[int, int]:
    """The pixels from `low` to `high`, of those from 0 to `size`."""
    first = max(0, math.floor(max(low, -_FAR)))
    return min(first, size), min(size, math.ceil(min(high, _FAR)) + 1)


def _ends(shapes: Sequence[Float64]) -> list[int]:
    """Where each but the last ends when they are joined."""
    ends, total = [], 0
    for shape in shapes[:-1]:
        total += len(shape)
        ends.append(total)
    return ends
