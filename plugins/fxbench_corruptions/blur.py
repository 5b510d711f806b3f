"""Blur: each spreads a point over its surroundings in another way."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from fxbench.types import Float32, UInt8
from fxbench_corruptions.everyday import Face, rounded
from fxbench_corruptions.noise import grid, spread

_DISC = (0.57, 0.92, 1.15, 1.26, 1.63)
"""Radii of discs that spread light as far (by their second moment) as the published kernels, which
are discs of whole pixels, of radius 0.3 to 1.5, each smoothed over 3 x 3 pixels."""

_GLASS = ((0.0, 0.35), (0.05, 0.5), (0.1, 0.7), (0.15, 0.9), (0.2, 1.1))
"""Standard deviations, in pixels, of the blur and of the shift."""

_TRAIL = (1.0, 1.5, 2.0, 2.25, 2.5)
_ZOOM = (1.05, 1.10, 1.15, 1.20, 1.25)
_STEPS = 12


def defocus_blur(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - nothing is random
    """Spread every point over a disc."""
    return np.asarray(cv2.filter2D(picture, -1, _disc(_DISC[severity - 1] * face.scale)), np.uint8)


@lru_cache(maxsize=64)
def _disc(radius: float) -> Float32:
    """A disc with soft edges as a kernel, its sum 1."""
    reach = math.ceil(radius + 0.5)
    away = np.arange(-reach, reach + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(away[:, None], away), 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def glass_blur(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Blur a little, take each point from a place nearby, blur a little."""
    sigma, shift = (length * face.scale for length in _GLASS[severity - 1])
    grain = face.grain
    height, width = picture.shape[:2]
    drawn = random.random((2, *grid(picture.shape[:2], grain)), np.float32)
    # Uniform between -1 and 1 has the standard deviation 1 / sqrt(3).
    shifts = (drawn * 2 - 1) * np.float32(shift * math.sqrt(3))
    x, y = (spread(way, picture.shape, grain) for way in shifts)
    across = np.arange(width, dtype=np.float32) + x
    down = np.arange(height, dtype=np.float32)[:, None] + y
    soft = _soften(picture, sigma)
    glass = cv2.remap(soft, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return _soften(np.asarray(glass, np.uint8), sigma)


def _soften(picture: UInt8, sigma: float) -> UInt8:
    if sigma < 0.2:  # it would change nothing in 8 bits
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def motion_blur(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Draw every point out to one side, in a direction of up to 45 degrees from the horizontal."""
    angle = float(random.uniform(-45, 45))
    return np.asarray(trailed(picture, _TRAIL[severity - 1] * face.scale, angle), np.uint8)


def trailed(picture: UInt8, sigma: float, angle: float, cut: float = 3.0) -> UInt8:
    """A picture whose points have trails.

    Args:
        picture: uint8 (H, W) or (H, W, 3).
        sigma: a trail fades as half a normal curve of this standard deviation, pixels.
        angle: of the trails, degrees from the horizontal.
        cut: so many standard deviations long they are.
    """
    steps = np.arange(0, sigma * cut + 0.5, 0.5)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    x, y = steps * math.cos(math.radians(angle)), steps * math.sin(math.radians(angle))
    left, top = math.floor(x.min()), math.floor(y.min())
    columns, rows = math.floor(x.max()) - left + 2, math.floor(y.max()) - top + 2
    kernel = np.zeros(rows * columns)
    whole_x, whole_y = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = (1 - np.abs(x - whole_x - dx)) * (1 - np.abs(y - whole_y - dy))
        place = (whole_y + dy - top) * columns + whole_x + dx - left
        kernel += np.bincount(place, weights * share, rows * columns)
    fading = (kernel / kernel.sum()).reshape(rows, columns).astype(np.float32)
    return np.asarray(cv2.filter2D(picture, -1, fading, anchor=(-left, -top)), np.uint8)


def zoom_blur(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - nothing is random
    """Take the mean of the picture and of twelve enlargements about the face's middle."""
    height, width = picture.shape[:2]
    x, y = face.middle(picture)
    total = picture.astype(np.float32)
    for factor in np.linspace(1, _ZOOM[severity - 1], _STEPS).tolist():
        enlarging = np.array([[factor, 0, x - factor * x], [0, factor, y - factor * y]])
        cv2.accumulate(
            cv2.warpAffine(picture, enlarging, (width, height), borderMode=cv2.BORDER_REFLECT_101),
            total,
        )
    return rounded(total / (_STEPS + 1))
