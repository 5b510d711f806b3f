"""Noise on every pixel, or on grains of several where the face is larger than 32 pixels."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fxbench.types import Float64, UInt8
from fxbench_corruptions.everyday import Face

_GAUSSIAN = (0.04, 0.06, 0.08, 0.09, 0.10)
_PHOTONS = (500, 250, 100, 75, 50)
_IMPULSES = (0.01, 0.02, 0.03, 0.05, 0.07)

_QUANTILES = 4096


def grid(shape: tuple[int, ...], grain: float) -> tuple[int, ...]:
    """How many grains of that side, pixels, cover a picture; each channel has its own."""
    return (math.ceil(shape[0] / grain), math.ceil(shape[1] / grain), *shape[2:])


def spread(field: npt.NDArray[Any], shape: tuple[int, ...], grain: float) -> npt.NDArray[Any]:
    """Each grain's value at its pixels: some have one more than others where `grain` is broken."""
    if grain == 1:
        return field
    height, width = field.shape[:2]
    size = (math.ceil(width * grain), math.ceil(height * grain))
    return cv2.resize(field, size, interpolation=cv2.INTER_NEAREST)[: shape[0], : shape[1]]


def gaussian_noise(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Add normal noise of a standard deviation of 0.04 to 0.1 of the range."""
    grain = face.grain
    normal = random.standard_normal(grid(picture.shape, grain), np.float32)
    normal *= np.float32(255 * _GAUSSIAN[severity - 1])
    noise = spread(normal, picture.shape, grain)
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def shot_noise(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Count quanta of light: from 500 down to 50 where the picture is white."""
    grain = face.grain
    drawn = random.integers(0, _QUANTILES, grid(picture.shape, grain), np.uint16)
    place = picture.astype(np.int32) * np.int32(_QUANTILES)
    place += spread(drawn, picture.shape, grain)
    return _counted(_PHOTONS[severity - 1]).take(place)


@lru_cache(maxsize=len(_PHOTONS))
def _counted(photons: int) -> UInt8:
    """What is seen of each grey level in Poisson noise, uint8 (256 * 4096,).

    For each level its 4,096 quantiles: taking one at random draws from the distribution, and the
    same quantile at another severity is the same luck.
    """
    most = int(photons + 12 * np.sqrt(photons))
    counts = np.arange(most + 1)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
    luck: Float64 = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    table = np.zeros((256, _QUANTILES), np.uint8)
    for level in range(1, 256):
        mean = level / 255 * photons
        chances = np.exp(counts * np.log(mean) - mean - factorial)
        seen = np.searchsorted(np.cumsum(chances), luck) * (255 / photons)
        table[level] = np.rint(np.minimum(seen, 255))
    return table.reshape(-1)


def impulse_noise(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Make 1 to 7 % of the values black or white, as many one as the other."""
    grain = face.grain
    drawn = random.integers(0, 2**16, grid(picture.shape, grain), np.uint16)
    field = spread(drawn, picture.shape, grain)
    half = round(_IMPULSES[severity - 1] / 2 * 2**16)
    out = picture.copy()
    out[field < half] = 0
    out[field >= 2**16 - half] = 255
    return out
