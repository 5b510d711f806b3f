"""Weather between the camera and the face."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fxbench.types import Float32, UInt8
from fxbench_corruptions.blur import trailed
from fxbench_corruptions.everyday import PUBLISHED_SIDE, Face, over_channels, rounded, shade
from fxbench_corruptions.ice import pane

_SNOW = (
    (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
    (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)
"""Mean and standard deviation of the layer, size of a flake, what is too thin to be one, length
and standard deviation of its trail, how much of the picture is not whitened."""

_FROST = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.44), (0.75, 0.48))
_FOG = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))

_ICE = (225.0, 242.0, 255.0)


def snow(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Whiten the picture and let snow fall, in two layers."""
    mean, spread, size, thin, length, sigma, kept = _SNOW[severity - 1]
    height, width = picture.shape[:2]
    angle = float(random.uniform(-135, -45))
    scale = face.grain
    drawn = random.standard_normal(
        (math.ceil(height / scale) + 1, math.ceil(width / scale) + 1), np.float32
    )
    middle = (np.array(drawn.shape[::-1]) - 1) / 2
    flakes = cv2.warpAffine(
        drawn * np.float32(spread) + np.float32(mean),
        np.array([[size, 0, middle[0] * (1 - size)], [0, size, middle[1] * (1 - size)]]),
        drawn.shape[::-1],
    )
    flakes[flakes < thin] = 0
    cut = min(3.0, (2 * length + 1) / sigma)
    falling = trailed(rounded(flakes * 255), sigma * face.scale / scale, angle, cut)
    full = [round(scale * side) for side in drawn.shape[::-1]]
    large = cv2.resize(falling, full, interpolation=cv2.INTER_LINEAR)[:height, :width]
    layer: Float32 = large.astype(np.float32) + large[::-1, ::-1]
    values = picture.astype(np.float32)
    grey = values if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    white = over_channels(np.asarray(grey, np.float32) * 1.5 + 127.5, picture)
    whitened = kept * values + (1 - kept) * np.maximum(values, white)
    return rounded(whitened + over_channels(layer, picture))


def frost(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Look through a pane with ice on it."""
    clear, ice = _FROST[severity - 1]
    crystals = over_channels(pane(picture.shape, face.scale, random), picture)
    light = shade(_ICE, picture) / np.float32(255) * np.float32(ice)
    return rounded(picture * np.float32(clear) + crystals * light)


def fog(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Add a plasma fractal, and darken as much as the brightest place became brighter."""
    density, decay = _FOG[severity - 1]
    lightest = float(picture.max())
    added = density * 255 * _plasma(picture.shape, decay, random, face)
    dimmed = lightest / (lightest + density * 255)
    return rounded((picture + over_channels(added, picture)) * np.float32(dimmed))


def _plasma(
    shape: tuple[int, ...], decay: float, random: np.random.Generator, face: Face
) -> Float32:
    """A random field, float32 (H, W) from 0 to 1, of structures as large as the face and smaller.

    Octaves of half the size each are `decay` times weaker: midpoint displacement, where each
    octave's midpoints lie between those of the last.
    """
    height, width = shape[:2]
    field = np.zeros((height, width), np.float32)
    octaves = int(math.log2(PUBLISHED_SIDE)) + 1
    for octave in range(octaves):
        step = max(1.0, face.side / 2**octave)
        corner = random.uniform(0, 1, 2)
        points = random.random(
            (math.ceil(height / step) + 2, math.ceil(width / step) + 2), np.float32
        )
        place = np.array([[1 / step, 0, corner[0]], [0, 1 / step, corner[1]]])
        field += cv2.warpAffine(
            (points * 2 - 1) / np.float32(decay**octave),
            place,
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    low, high = float(field.min()), float(field.max())
    if high - low < 1e-6:  # a picture of one pixel
        return np.full_like(field, 0.5)
    return np.asarray((field - low) / np.float32(high - low), np.float32)
