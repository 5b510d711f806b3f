"""Landmarks drawn into a picture: dots, and lines along brows, lids, lips, nose and jaw."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from fxbench.lettering import WHITE, Colour
from fxbench.types import Float32, Float64, UInt8

CONTOURS = {
    "300w-68": (
        (range(17), False),
        (range(17, 22), False),
        (range(22, 27), False),
        (range(27, 31), False),
        (range(31, 36), False),
        (range(36, 42), True),
        (range(42, 48), True),
        (range(48, 60), True),
        (range(60, 68), True),
    )
}
"""Which points of a scheme are joined, and whether the line is closed. A scheme whose contours are
not known is drawn as dots."""

SHIFT = 4
"""OpenCV takes coordinates as whole numbers: of sixteenths of a pixel."""

_FAR = 2**20


def draw(
    canvas: UInt8,
    points: Float32 | Float64,
    scheme: str,
    colour: Colour,
    side: float,
    stroke: int = 1,
) -> None:
    """Draw the landmarks of a face.

    Args:
        canvas: RGB uint8 (H, W, 3), drawn into.
        points: float (P, 2), pixels, of which (0, 0) is the first one's centre; a row of NaN is
            left out.
        scheme: of the points.
        colour: of the lines.
        side: how wide the face's box is, pixels: dots are as large as fits it.
        stroke: how thick the lines are, pixels.
    """
    points = np.asarray(points, np.float64)
    known = np.asarray((np.abs(points) < _FAR).all(axis=1), np.bool_)
    for numbers, closed in CONTOURS.get(scheme, ()):
        some = [number for number in numbers if number < len(points) and known[number]]
        if len(some) > 1:
            line = fine(points[some]).reshape(-1, 1, 2)
            cv2.polylines(canvas, [line], closed, colour, stroke, cv2.LINE_AA, SHIFT)
    radius = max(1.0, side / (160 if len(points) <= 68 else 400))
    for spot in fine(points[known]):
        size = round(radius * 2**SHIFT)
        cv2.circle(canvas, spot.tolist(), size, WHITE, -1, cv2.LINE_AA, SHIFT)


def frame(canvas: UInt8, xyxy: Float32 | Float64, colour: Colour, stroke: int = 1) -> None:
    """Draw a box: `x1, y1, x2, y2` in pixels, whose edges are those of pixels."""
    corners = np.clip(np.asarray(xyxy, np.float64), -_FAR, _FAR).reshape(2, 2) - 0.5
    box = fine(corners)
    cv2.rectangle(canvas, box[0].tolist(), box[1].tolist(), colour, stroke, cv2.LINE_AA, SHIFT)


def fine(points: Float64) -> Any:
    """Coordinates as OpenCV takes them with :data:`SHIFT`, int32."""
    return np.round(points * 2**SHIFT).astype(np.int32)
