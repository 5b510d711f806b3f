"""A hand in front of the mouth, in the colour of the face's own skin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fxbench.types import Float32, Float64, UInt8
from fxbench_corruptions.brush import Canvas
from fxbench_corruptions.everyday import Face, over_channels
from fxbench_corruptions.placing import Layout, layout

# A hand's proportions in distances of the eyes, which are 6.3 cm: a finger is 1.8 cm broad and up
# to 8 cm long, the back of the hand 8.5 cm broad.
_THICK = 0.145
_APART = 0.28
_TIPS = (-0.50, -0.62, -0.52, -0.34)
_FOLDED = 0.60
_KNUCKLES = 0.72
_PALM = 0.56
_TILT = -0.26
"""Of the fingers, radians: they point a little upwards."""

_SEEN = 3.0
"""Of fingers that are so many pixels thick, half, the nails and creases are drawn."""

_FINGERS = (1, 2, 3, 4, 4)
_FARTHER = (0.0, 0.0, 0.0, 0.0, 0.42)
"""How far beyond the mouth the hand reaches."""


@dataclass(frozen=True, slots=True, eq=False)
class _Limb:
    """A finger, a thumb or a palm: all that is so near to a line."""

    start: tuple[float, float]
    end: tuple[float, float]
    thick: float
    round: float
    nail: bool = False


def hand_over_mouth(
    picture: UInt8, severity: int, random: np.random.Generator, face: Face
) -> UInt8:
    """Hold one finger to four, and the whole hand, before the mouth."""
    side = 1.0 if random.random() < 0.5 else -1.0
    placed = layout(face.points, face.side)
    canvas = Canvas(picture)
    skin = _skin(picture, placed)
    axes = np.stack([side * placed.across, placed.upright], axis=1)
    for limb in _limbs(_FINGERS[severity - 1], _FARTHER[severity - 1]):
        _draw(canvas, limb, axes, placed.mouth, skin)
    return canvas.picture


def _limbs(fingers: int, farther: float) -> list[_Limb]:
    """From back to front, seen from the mouth, with the hand on the positive side."""
    cos, sin = np.cos(-_TILT), np.sin(-_TILT)

    def turned(x: float, y: float) -> tuple[float, float]:
        return float(cos * (x - farther) - sin * y), float(sin * (x - farther) + cos * y)

    spread = (fingers - 1) / 2 * _APART
    back = 1.5 * _APART - spread  # the middle of all four, those that are folded too
    limbs = [
        _Limb(turned(1.9, back + 0.30), turned(3.6, back + 1.2), 0.42, 0.25),
        _Limb(turned(_KNUCKLES + 0.56, back), turned(1.75, back + 0.22), _PALM, 0.18),
    ]
    if farther:
        limbs.append(_Limb(turned(1.35, -0.45), turned(0.68, -0.80), 0.17, 0.5, nail=True))
    for finger in reversed(range(4)):
        height = finger * _APART - spread
        # They come together at the knuckles.
        knuckle = turned(_KNUCKLES + 0.25, back + 0.92 * (height - back))
        folded = finger >= fingers
        tip = _FOLDED if folded else _TIPS[finger]
        limbs.append(_Limb(knuckle, turned(tip, height), _THICK, 0.5, nail=not folded))
    return limbs


def _draw(canvas: Canvas, limb: _Limb, axes: Float64, mouth: Float64, skin: Float32) -> None:
    ends = mouth + np.array([limb.start, limb.end]) @ axes.T
    unit = math.hypot(*axes[:, 0].tolist())
    window = canvas.window(ends, limb.thick * unit + 1)
    if window is None:
        return
    top, bottom, left, right = window
    # Along and beside the limb in units of the face: both grow evenly across the picture.
    way = np.subtract(limb.end, limb.start)
    long = math.hypot(*way.tolist())
    forward = np.array([way, (-way[1], way[0])]) / long @ np.linalg.inv(axes)
    x = np.arange(left, right) - ends[0, 0]
    y = np.arange(top, bottom)[:, None] - ends[0, 1]
    along, beside = (
        (step[0] * x).astype(np.float32) + (step[1] * y).astype(np.float32) for step in forward
    )
    beyond = along - np.minimum(np.maximum(along, 0), np.float32(long))
    away = (beside * beside + beyond * beyond) / np.float32(limb.thick**2)
    share = (1 - np.sqrt(away)) * np.float32(limb.thick * unit) + np.float32(0.5)
    share = np.minimum(np.maximum(share, 0), 1)
    # As light falls on something round: darker towards its edges.
    light = np.float32(1 - limb.round) + np.float32(limb.round) * np.sqrt(np.maximum(1 - away, 0))
    if limb.nail and limb.thick * unit > _SEEN:
        nail = np.hypot((along - np.float32(long - 0.02)) / np.float32(0.11), beside / 0.085)
        light += np.clip((1 - nail) * 3, 0, 1) * np.float32(0.10)
        for part in (0.40, 0.72):
            crease = np.exp(-(((along - np.float32(part * long)) / np.float32(0.03)) ** 2))
            light -= crease * np.float32(0.06)
    colour = np.minimum(over_channels(light, canvas.picture) * skin, np.float32(255))
    canvas.blend(window, share, colour)


def _skin(picture: UInt8, placed: Layout) -> Float32:
    """The colour of the cheeks: the median of places on them. What is black gets a dark hand."""
    x, y = np.meshgrid([0.32, 0.42, 0.52, 0.62], [0.42, 0.50, 0.58, 0.66])
    half = np.stack([x.reshape(-1), y.reshape(-1)], axis=1)
    places = placed.fitted(np.concatenate([half, half * (-1, 1)]))
    height, width = picture.shape[:2]
    columns, rows = np.clip(np.rint(places), 0, (width - 1, height - 1)).astype(np.int64).T
    colour = np.median(picture[rows, columns], axis=0)
    return np.asarray(np.maximum(colour * 1.04, 30), np.float32)
