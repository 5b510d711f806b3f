"""A face drawn by rule: the floor for landmarkers."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from fxbench.types import Boxes, Points

if TYPE_CHECKING:
    from fxbench.types import Float32, UInt8

SCHEME = "300w-68"

_MIDDLE = 0.5
_WIDTH = 0.92
"""Of the face at the height of the eyes, as a fraction of the box."""
_FIFTH = _WIDTH / 5
_BROW, _CHIN = 0.18, 0.96
_THIRD = (_CHIN - _BROW) / 2
_EYE = _BROW + _THIRD / 3
_NOSE = _BROW + _THIRD
_MOUTH = _NOSE + _THIRD / 3

_Point = tuple[float, float]


class MeanShape:
    """The same face in every box, stretched to it."""

    scheme = SCHEME

    def locate(self, images: tuple[UInt8, ...], boxes: Boxes) -> Points:  # noqa: ARG002 - a floor
        """Points of each box; see :class:`fxbench.protocols.Landmarker`. It looks at no pixel."""
        corner = boxes.xyxy[:, None, :2]
        side = boxes.xyxy[:, None, 2:] - corner
        return Points((corner + side * shape()).astype(np.float32), self.scheme)


@cache
def shape() -> Float32:
    """The 68 points in a box from (0, 0) to (1, 1).

    It is drawn by the canons that art schools teach, and is the mean of no data, since the data
    that a mean could be taken from exclude commercial use. The face fills 92 % of the box's width.
    It is five eyes wide, with one eye's width between the eyes and the same for the nose; the mouth
    is one and a half times as wide. From the brows to the base of the nose is as far as from there
    to the chin. The eyes are a third of the way from the brows to the base of the nose, the mouth
    is a third of the way from there to the chin. The jaw is half an ellipse.

    Returns:
        float32 (68, 2) in the order of `300w-68`, three decimals, symmetrical.
    """
    # x in fifths of the face from its middle, y in fractions of the box
    right_brow = [(-2.2 + 0.4 * i, _BROW - 0.035 * math.sin(math.pi * i / 4)) for i in range(5)]
    bridge = [(0.0, _EYE + (_NOSE - 0.05 - _EYE) * i / 3) for i in range(4)]
    base = [(0.25 * i, _NOSE - 0.01 * abs(i)) for i in range(-2, 3)]
    right_eye = [(-1 + 0.5 * x, _EYE + 0.025 * y) for x, y in _ring(6)]
    left_eye = [(1 + 0.5 * x, _EYE + 0.025 * y) for x, y in _ring(6)]
    outer = [(0.75 * x, _MOUTH + 0.06 * y) for x, y in _ring(12)]
    inner = [(0.6 * x, _MOUTH + 0.015 * y) for x, y in _ring(8)]
    jaw = [(2.5 * x, _EYE - (_CHIN - _EYE) * y) for x, y in _ring(32)[:17]]
    points = [*jaw, *right_brow, *_mirrored(right_brow), *bridge, *base]
    points += [*right_eye, *left_eye, *outer, *inner]
    drawn = np.array([(_MIDDLE + _FIFTH * x, y) for x, y in points])
    fixed = np.round(drawn, 3).astype(np.float32)
    fixed.flags.writeable = False
    return fixed


def _ring(count: int) -> list[_Point]:
    """Points on a circle of radius 1 from its left end over the top (y is negative) around."""
    angles = [2 * math.pi * i / count for i in range(count)]
    return [(-math.cos(angle), -math.sin(angle)) for angle in angles]


def _mirrored(points: list[_Point]) -> list[_Point]:
    return [(-x, y) for x, y in reversed(points)]
