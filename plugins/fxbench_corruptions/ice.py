"""Ice on a pane, drawn by rule: the published frost is cut from photographs that are not shipped.

Crystals grow from nuclei as window frost does: a stem, side branches at 60 degrees to it, and
branches of these, each set shorter than the last.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from fxbench.types import Float32, Float64, UInt8

DETAIL = 4
"""Pixels of the largest pane for one pixel of a picture of 32 x 32."""

_SIDE = 1024
_NUCLEI = 110
_SUBPIXELS = 3


@lru_cache(maxsize=1)
def panes() -> tuple[UInt8, ...]:
    """One pane at full, half, ... size: uint8 (1024, 1024), (512, 512), ... (64, 64)."""
    random = np.random.default_rng(1903)
    stems = _stems(random)
    side = _branches(stems, random, spacing=9, length=0.42)
    twigs = _branches(side, random, spacing=7, length=0.36)
    ice = np.zeros((_SIDE, _SIDE), np.float32)
    for lines, thickness, light in ((twigs, 1, 45), (side, 1, 85), (stems, 2, 130)):
        layer = np.zeros((_SIDE, _SIDE), np.uint8)
        one = 1 << _SUBPIXELS
        strokes = list(np.rint(lines.reshape(-1, 2, 2) * one).astype(np.int32))
        cv2.polylines(layer, strokes, False, light, thickness, cv2.LINE_AA, _SUBPIXELS)
        ice += layer
    rime = cv2.GaussianBlur(ice, (0, 0), 12)
    grains = cv2.GaussianBlur(random.standard_normal((_SIDE, _SIDE), np.float32), (0, 0), 2.5)
    thick = 12 + 0.45 * rime * (1 + 3 * grains) + 0.75 * ice
    # Light that passes is lost by the same share in every layer.
    largest = (255 * (1 - np.exp(-np.maximum(thick, 0) / 130))).astype(np.uint8)
    sizes = [_SIDE >> step for step in range(5)]
    return tuple(
        np.asarray(cv2.resize(largest, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        for size in sizes
    )


def _stems(random: np.random.Generator) -> Float64:
    """Lines float64 (N, 4), x, y of both ends: from three to six from each nucleus."""
    lines = []
    for x, y in random.uniform(0, _SIDE, (_NUCLEI, 2)).tolist():
        count = int(random.integers(3, 7))
        first = random.uniform(0, 2 * math.pi)
        for arm in range(count):
            angle = first + 2 * math.pi * arm / count + random.uniform(-0.2, 0.2)
            length = 30 + random.exponential(60)
            lines.append((x, y, x + length * math.cos(angle), y + length * math.sin(angle)))
    return np.array(lines)


def _branches(
    lines: Float64, random: np.random.Generator, *, spacing: float, length: float
) -> Float64:
    """Branches on both sides of lines, a spacing in pixels apart, shorter towards the tips.

    Args:
        lines: float64 (N, 4).
        random: for their lengths.
        spacing: between branches of one side, pixels.
        length: of the first branch as a fraction of its line's.
    """
    start, way = lines[:, :2], lines[:, 2:] - lines[:, :2]
    long = np.hypot(way[:, 0], way[:, 1])
    count = np.maximum(1, (long / spacing).astype(np.int64))
    row = np.repeat(np.arange(len(lines)), count)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    along = (np.arange(len(row)) - first[row] + 1) / (count[row] + 1)
    root = start[row] + along[:, None] * way[row]
    reach = length * (1.1 - along) * random.uniform(0.6, 1.2, len(row))
    turned = []
    for turn in (math.pi / 3, -math.pi / 3):
        cos, sin = math.cos(turn), math.sin(turn)
        x, y = way[row, 0], way[row, 1]
        step = np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)
        turned.append(np.concatenate([root, root + reach[:, None] * step], axis=1))
    return np.concatenate(turned)


def pane(shape: tuple[int, ...], scale: float, random: np.random.Generator) -> Float32:
    """A piece of the pane for a picture of that shape, float32 (H, W), 0 to 255.

    Args:
        shape: of the picture.
        scale: pixels of the picture for one of a picture of 32 x 32.
        random: which piece, and how it is turned.
    """
    place = random.uniform(0, 1, 2) * (_SIDE / DETAIL)
    angle = float(random.uniform(0, 2 * math.pi))
    step = DETAIL / scale
    level = min(max(0, math.floor(math.log2(step))), len(panes()) - 1)
    step /= 2**level
    turn = step * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    start = place * DETAIL / 2**level
    piece = cv2.warpAffine(
        panes()[level],
        np.column_stack([turn, start]),
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(piece, np.float32)
