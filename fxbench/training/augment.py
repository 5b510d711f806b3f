"""Randomly changed training faces."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fxbench.training.recipe import Recipe
from fxbench.types import Float32, UInt8

_ERASED = (1 / 6, 5 / 12)  # shortest and longest side of an erased rectangle, of the face's side


def augmented(
    images: Sequence[UInt8], size: int, recipe: Recipe, random: np.random.Generator
) -> Float32:
    """Randomly turned, scaled, moved, mirrored and relit faces.

    Args:
        images: grey uint8 (H, W) of any sizes.
        size: of the faces to make, pixels.
        recipe: how far each change may go.
        random: where the changes are drawn from.

    Returns:
        float32 (N, size, size, 1) in [0, 1]. An image is resampled once, bilinearly.
    """
    count = len(images)
    angle = np.deg2rad(random.uniform(-recipe.rotation, recipe.rotation, count))
    factor = random.uniform(1 - recipe.scale, 1 + recipe.scale, count)
    shift = random.uniform(-recipe.shift, recipe.shift, (count, 2)) * size
    mirror = random.choice((-1.0, 1.0), count)
    contrast = random.uniform(1 - recipe.contrast, 1 + recipe.contrast, (count, 1, 1))
    brightness = random.uniform(-recipe.brightness, recipe.brightness, (count, 1, 1))
    erased = np.flatnonzero(random.random(count) < recipe.erase)

    moved = np.empty((count, size, size), np.uint8)
    for i, image in enumerate(images):
        height, width = image.shape
        cosine, sine = factor[i] * np.cos(angle[i]), factor[i] * np.sin(angle[i])
        linear = np.array([[mirror[i] * cosine, -sine], [mirror[i] * sine, cosine]])
        linear = linear * (size / width, size / height)
        # Pixel centres lie at whole numbers, so that the middle of n pixels is (n - 1) / 2.
        offset = (size - 1) / 2 + shift[i] - linear @ ((width - 1) / 2, (height - 1) / 2)
        cv2.warpAffine(
            image,
            np.column_stack([linear, offset]),
            (size, size),
            dst=moved[i],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    lit = moved.astype(np.float32) / 255
    mean = lit.mean((1, 2), keepdims=True)
    lit = np.clip((lit - mean) * contrast + mean + brightness, 0, 1).astype(np.float32)
    for row in erased:
        low, high = (max(1, round(side * size)) for side in _ERASED)
        tall, wide = random.integers(low, high + 1, 2)
        top, left = random.integers(0, (size - tall + 1, size - wide + 1))
        lit[row, top : top + tall, left : left + wide] = random.random()
    return np.expand_dims(lit, -1)
