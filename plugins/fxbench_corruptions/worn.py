"""What people wear in front of their faces."""

from __future__ import annotations

import numpy as np

from fxbench.types import Float64, UInt8
from fxbench_corruptions.brush import Canvas
from fxbench_corruptions.everyday import Face, shade
from fxbench_corruptions.placing import Layout, layout

_GLASS = ((18.0, 18.0, 20.0), (58.0, 36.0, 22.0), (24.0, 40.0, 30.0))
_RIM = (22.0, 20.0, 20.0)
_OPACITY = (0.35, 0.55, 0.75, 0.9, 1.0)
_WIDTH = (0.32, 0.36, 0.40, 0.45, 0.50)
_HEIGHT = (0.22, 0.26, 0.31, 0.36, 0.42)
"""Of a lens, in distances of the eyes: half."""
_BRIDGE = 0.13


def _rounded_lens() -> Float64:
    """A lens within -1 to 1: a rounded rectangle, narrower below."""
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    x, y = np.cos(angles), np.sin(angles)
    x, y = np.sign(x) * np.abs(x) ** 0.7, np.sign(y) * np.abs(y) ** 0.7
    return np.stack([x * (1 - 0.12 * np.clip(y, 0, 1)), y], axis=1)


_LENS = _rounded_lens()
_GLEAM = np.array([(-0.55, 0.6), (-0.25, 0.6), (0.35, -0.7), (0.05, -0.7)])
_SKY = (255.0, 255.0, 255.0)

_CLOTH = ((158.0, 196.0, 220.0), (236.0, 238.0, 238.0), (44.0, 46.0, 52.0))
_TOP = (1.22, 0.86, 0.68, 0.46, 0.18)
_CHEEK = (1.36, 1.02, 0.86, 0.66, 0.46)
"""How far below the eyes a mask's upper edge is in the middle and at the cheeks, in distances of
the mouth from the eyes: below the lower lip, above the upper one, at the base of the nose, over its
tip, at its root."""


def sunglasses(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Put sunglasses on."""
    glass = shade(_GLASS[int(random.integers(len(_GLASS)))], picture)
    placed = layout(face.points, face.side)
    rim = shade(_RIM, picture)
    wide, high = _WIDTH[severity - 1], _HEIGHT[severity - 1]
    lenses, gleams, rims = [], [], [np.array([(-_BRIDGE, 0.02), (0.0, -0.04), (_BRIDGE, 0.02)])]
    for side in (-1.0, 1.0):
        middle = (side * (_BRIDGE + wide), 0.06)
        lens = _LENS * (side * wide, high) + middle
        hinge = side * (_BRIDGE + 2 * wide)
        lenses.append(lens)
        gleams.append(_GLEAM * (wide, high) + middle)
        rims.append(np.concatenate([lens, lens[:2]]))
        rims.append(np.array([(hinge, -0.05), (max(abs(hinge), 1.22) * side, -0.10)]))
    canvas = Canvas(picture)
    canvas.area([placed.level(lens) for lens in lenses], glass, _OPACITY[severity - 1])
    canvas.area([placed.level(gleam) for gleam in gleams], shade(_SKY, picture), 0.10)
    canvas.lines([placed.level(part) for part in rims], 0.07 * placed.unit, rim)
    return canvas.picture


def face_mask(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Put a mask on."""
    colour = _CLOTH[int(random.integers(len(_CLOTH)))]
    cloth = shade(colour, picture)
    dark = shade((0.7 * colour[0], 0.7 * colour[1], 0.7 * colour[2]), picture)
    placed = layout(face.points, face.side)
    unit = placed.unit
    canvas = Canvas(picture)
    edge, lower = _mask(placed, _TOP[severity - 1], _CHEEK[severity - 1])
    canvas.lines([placed.fitted(band) for band in _bands(placed, lower)], 0.035 * unit, cloth, 0.9)
    canvas.area([placed.fitted(np.concatenate([edge, lower[::-1]]))], cloth)
    below = _across(lower, len(edge))
    pleats = [(edge + (below - edge) * part)[1:-1] for part in (0.25, 0.5, 0.75)]
    canvas.lines([placed.fitted(line) for line in (*pleats, edge)], 0.03 * unit, dark, 0.7)
    canvas.lines([placed.fitted(lower)], 0.06 * unit, dark, 0.6)
    return canvas.picture


def _mask(placed: Layout, top: float, cheek: float) -> tuple[Float64, Float64]:
    """The upper and the lower edge, float64 (N, 2) each, from the subject's right to the left."""
    jaw = placed.jaw.copy()
    middle = len(jaw) // 2
    # It goes around the chin, and a little beyond the cheeks.
    below = np.clip(jaw[:, 1] / max(float(jaw[middle, 1]), 0.5), 0, 1)
    jaw[:, 1] += 0.10 * below**4
    jaw[:, 0] *= 1.02
    halves = []
    for half in (jaw[: middle + 1], jaw[middle:][::-1]):
        lower = half[half[:, 1] > cheek]
        x = float(np.interp(cheek, np.maximum.accumulate(half[:, 1]), half[:, 0]))
        halves.append(np.concatenate([[(x, cheek)], lower]))
    right, left = halves
    lower = np.concatenate([right, left[::-1][1:] if len(left) > 1 else left])
    # The ridge of the nose leads where the head is turned.
    ridge = placed.nose * float(np.clip(1.3 - top, 0, 0.8))
    share = np.linspace(-1, 1, 17)
    ends = np.where(share < 0, lower[0, 0], lower[-1, 0])
    x = ridge + (ends - ridge) * np.abs(share)
    y = top + (cheek - top) * np.abs(share) ** 1.4
    return np.stack([x, y], axis=1), lower


def _across(line: Float64, count: int) -> Float64:
    """As many points, evenly spaced along a line."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0, along[-1], count)
    return np.stack([np.interp(wanted, along, line[:, axis]) for axis in (0, 1)], axis=1)


def _bands(placed: Layout, lower: Float64) -> list[Float64]:
    """What holds a mask: from its corners, and from a little below them, to the ears."""
    inner = min(3, len(lower) // 3)
    ends = [(index, placed.jaw[0]) for index in (0, inner)]
    ends += [(-1 - index, placed.jaw[-1]) for index in (0, inner)]
    return [np.array([lower[index], ear * (1.02, 1.0)]) for index, ear in ends]
