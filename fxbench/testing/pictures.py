"""Pictures of faces that code draws, so that the kit needs no file and no licence.

OpenCV's Haar cascade and dlib's HOG detector find these faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fxbench.faces import crops
from fxbench.types import Boxes, FaceSpec, Float32, Float64, UInt8

_SIZES = ((120, 96, 1), (48, 48, 1), (180, 320, 2), (160, 120, 1), (200, 200, 1), (48, 48, 1))
"""Height, width and how many faces."""

_SUBPIXELS = 4
"""OpenCV draws in sixteenths of a pixel: the binary digits after the point."""

BROWS = 0.1
"""How far a full expression raises the brows of a drawn head, in halves of its height."""


def portrait(height: int, width: int, count: int = 1, seed: int = 0) -> UInt8:
    """A picture of faces side by side, RGB uint8 (height, width, 3); another for each seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    shade = 60 + 60 * x / width + 40 * y / height
    image: Float32 = (shade[..., None] * (0.9, 1.0, 1.1)).astype(np.float32)
    cell = width / count
    for place in range(count):
        half = min(cell, height) * random.uniform(0.62, 0.75) / 2
        shift = random.uniform(-0.03, 0.03, 2)
        centre = ((place + 0.5 + shift[0]) * cell, (0.5 + shift[1]) * height)
        head(image, centre, half, random)
    return photograph(image, random)


def photograph(image: Float32, random: np.random.Generator) -> UInt8:
    """What a camera makes of it: a little blur and noise, RGB uint8 (H, W, 3)."""
    blurred = cv2.GaussianBlur(image, (0, 0), max(0.4, min(image.shape[:2]) / 150))
    noisy = np.asarray(blurred) + random.normal(0, 3, image.shape).astype(np.float32)
    drawn: UInt8 = np.clip(noisy, 0, 255).astype(np.uint8)
    return drawn


@dataclass(frozen=True, slots=True)
class Mouth:
    """Of a drawn head: half its width and half its height, and how far it is open.

    In units of half the head's height, like everything about a head.
    """

    width: float
    height: float
    gap: float


def head(
    image: Float32,
    centre: tuple[float, float],
    half: float,
    random: np.random.Generator,
    expression: float = 0.0,
) -> Mouth:
    """Draw one head.

    Args:
        image: float32 (H, W, 3), is drawn into.
        centre: of the head, x and y in pixels.
        half: half its height in pixels.
        random: who it is.
        expression: from 0 to 1: how far the brows are raised and the mouth is drawn wide and open.
    """
    skin: Float64 = np.array((224.0, 172.0, 145.0)) * random.uniform(0.75, 1.1)
    gap = random.uniform(0.01, 0.08) + 0.05 * expression
    hair, smile = skin * 0.25, random.uniform(0.22, 0.34) + 0.1 * expression
    mouth = Mouth(smile, 0.06 + gap, gap)
    brows = -0.3 - BROWS * expression

    def ellipse(
        place: tuple[float, float],
        axes: tuple[float, float],
        colour: Float64 | tuple[float, float, float],
        angle: float = 0.0,
    ) -> None:
        one = 1 << _SUBPIXELS
        middle = [round(one * (c + p * half)) for c, p in zip(centre, place, strict=True)]
        sides = [max(1, round(one * axis * half)) for axis in axes]
        red, green, blue = (float(value) for value in colour)
        cv2.ellipse(
            image,
            (middle[0], middle[1]),
            (sides[0], sides[1]),
            angle,
            0,
            360,
            (red, green, blue),
            -1,
            cv2.LINE_AA,
            _SUBPIXELS,
        )

    ellipse((0, -0.15), (0.85, 1.05), hair)
    ellipse((0, 0.05), (0.72, 0.95), skin)
    for side in (-1, 1):
        ellipse((side * 0.3, -0.12), (0.2, 0.12), skin * 0.72)
        ellipse((side * 0.3, brows), (0.2, 0.045), hair, side * random.uniform(-8, 8))
        ellipse((side * 0.3, -0.12), (0.14, 0.07), (235, 235, 235))
        ellipse((side * 0.3, -0.12), (0.065, 0.07), (40, 30, 25))
        ellipse((side * 0.4, 0.22), (0.16, 0.13), skin * 1.08)
    ellipse((0, 0.12), (0.07, 0.25), skin * 1.1)
    ellipse((0, 0.34), (0.15, 0.05), skin * 0.65)
    ellipse((0, 0.58), (mouth.width, mouth.height), (150, 70, 70))
    ellipse((0, 0.57), (smile * 0.9, gap), (70, 30, 30))
    ellipse((0, 0.75), (0.16, 0.03), skin * 0.8)
    return mouth


def photos() -> tuple[UInt8, ...]:
    """Six pictures of several sizes with one or two faces each, RGB uint8 (H, W, 3)."""
    return tuple(
        portrait(height, width, count, seed) for seed, (height, width, count) in enumerate(_SIZES)
    )


def boxes(pictures: Sequence[UInt8]) -> Boxes:
    """Boxes to put landmarks into: none in the second picture, two in every third, else one."""
    per_image = []
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        middle = (width * 0.15, height * 0.15, width * 0.85, height * 0.85, 1.0)
        # Far from the origin for its size: points that are not of the whole image lie beside it.
        corner = (width * 0.6, height * 0.55, width * 0.95, height * 0.95, 0.5)
        both = [middle, corner] if index % 3 == 2 else [middle]
        per_image.append([] if index == 1 else both)
    return Boxes.from_lists(per_image)


def faces(spec: FaceSpec, pictures: Sequence[UInt8] = (), count: int = 8) -> UInt8:
    """Faces as a classifier wants them.

    Args:
        spec: how they are rendered.
        pictures: one face in each, RGB uint8 (H, W, 3); drawn ones follow where they are too few.
        count: how many, M.

    Returns:
        uint8 (M, size, size, 3).
    """
    chosen = [*pictures[:count]]
    chosen += [portrait(112, 96, seed=seed) for seed in range(count - len(chosen))]
    frame = np.arange(len(chosen), dtype=np.int64)
    whole = [(0, 0, picture.shape[1], picture.shape[0]) for picture in chosen]
    return crops(tuple(chosen), (frame, np.array(whole, np.float32).reshape(-1, 4)), spec)
