"""Light: too much, too little, too even."""

from __future__ import annotations

import cv2
import numpy as np

from fxbench.types import UInt8
from fxbench_corruptions.everyday import Face, rounded

_BRIGHTER = (0.05, 0.10, 0.15, 0.20, 0.30)
_CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
_LIGHT = (0.50, 0.30, 0.18, 0.10, 0.06)
_READ = 0.004
_SHOT = 0.0006
_GAMMA = 2.2
_STEPS = 4096


def brightness(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - nothing is random
    """Add 0.05 to 0.3 to the value of hue, saturation and value."""
    more = 255 * _BRIGHTER[severity - 1]
    value = np.arange(256, dtype=np.float32)
    lighter = np.minimum(value + np.float32(more), 255)
    if picture.ndim == 2:
        return np.asarray(cv2.LUT(picture, rounded(lighter)), np.uint8)
    largest = picture.max(axis=2)
    # Hue and saturation stay as they are where all three channels grow by one factor.
    factor = lighter / np.maximum(value, 1)
    brighter = rounded(picture * factor[largest][..., None])
    brighter[largest == 0] = round(more)
    return brighter


def contrast(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - nothing is random
    """Leave 75 to 15 % of the distance of every value from its channel's mean."""
    left = _CONTRAST[severity - 1]
    means = np.atleast_1d(picture.mean(axis=(0, 1)))
    levels = np.arange(256)[:, None]
    table = rounded((levels - means) * left + means)
    return np.asarray(cv2.LUT(picture, np.ascontiguousarray(table[None])), np.uint8)


def low_light(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - a sensor's noise knows no face
    """Take 50 to 6 % of the light, with the noise of a sensor, and don't brighten it.

    Light goes with the power 2.2 of a grey level. The noise's variance grows with the light (shot
    noise), from that of an unlit pixel on (read noise).
    """
    light = (np.arange(256) / 255) ** _GAMMA * _LIGHT[severity - 1]
    noise = np.sqrt(light * _SHOT + _READ**2)
    normal = random.standard_normal(picture.shape, np.float32)
    seen = light.astype(np.float32)[picture] + noise.astype(np.float32)[picture] * normal
    # Where light is short, steps of 8 bits are as fine as 1 / 4096 of it.
    shown = rounded(255 * (np.arange(_STEPS) / (_STEPS - 1)) ** (1 / _GAMMA))
    place = np.clip(seen, 0, 1) * np.float32(_STEPS - 1)
    return shown.take((place + np.float32(0.5)).astype(np.int32))
