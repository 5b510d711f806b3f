"""A picture from a formula, and what each corruption makes of it, in a few numbers.

`python tests/corruptions_golden.py` writes them anew, after a change that is meant.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from fxbench_corruptions import fxbench_corruptions
from fxbench_floors.mean_shape import shape

from fxbench.types import Points

FILE = Path(__file__).parent / "corruptions_golden.json"
SIDE = 40.0


def drawn(height=48, width=56):
    """Waves and a bright oval with two dark spots: RGB uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    u, v = x / width - 0.5, y / height - 0.5
    oval = 90 / (1 + np.exp(30 * (u**2 / 0.13 + v**2 / 0.2 - 1)))
    spots = sum(70 * np.exp(-((u - s) ** 2 + (v + 0.14) ** 2) / 0.004) for s in (-0.15, 0.15))
    waves = 14 * np.sin(x / 1.7) * np.cos(y / 2.3)
    base = 75 + 40 * u + oval - spots + waves
    colours = [base + shift + 20 * v * shift / 12 for shift in (24, 0, -16)]
    return np.clip(np.stack(colours, axis=2), 0, 255).astype(np.uint8)


def speckled(size):
    """Noise."""
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)


def flat(level, size=256):
    """Grey."""
    return np.full((size, size, 3), level, np.uint8)


def points_of(image):
    """Landmarks of the face that is drawn in the middle, of the scheme `300w-68`."""
    height, width = image.shape[:2]
    xy = (0.15 + 0.7 * shape()) * np.array([width, height], np.float32)
    return Points(xy[None].astype(np.float32), "300w-68")


def corrupted(corruption, severity, image, *, seed=0, side=SIDE, points=None):
    random = np.random.default_rng(seed)
    where = points_of(image) if points is None else points
    return corruption.corrupt(image, severity, random=random, side=side, points=where)


def numbers(image):
    """The means of 4 x 4 tiles, of each channel, and the standard deviation."""
    rows = [np.array_split(strip, 4, axis=1) for strip in np.array_split(image, 4, axis=0)]
    tiles = [tile.mean() for strip in rows for tile in strip]
    told = [*tiles, *image.mean(axis=(0, 1)), image.std()]
    return [round(float(number), 1) for number in told]


def golden():
    """By name, for each severity the numbers."""
    image = drawn()
    return {
        component.name: [
            numbers(corrupted(component.factory(), severity, image)) for severity in range(1, 6)
        ]
        for component in fxbench_corruptions()
    }


if __name__ == "__main__":
    lines = (f"{json.dumps(name)}: {json.dumps(rows)}" for name, rows in golden().items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
