"""How `fer` and `facex` prepare a face: labels, size and grey."""

from __future__ import annotations

import cv2
import numpy as np

from fxbench.types import FaceSpec, Float32, UInt8

FER_LABELS: tuple[str | None, ...] = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
)
"""`FER._get_labels`."""

FACEX_LABELS: tuple[str | None, ...] = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)
"""The default of `EmotionClassifier(category=...)`."""

FER_FACE = FaceSpec(64, margin=0.1)
"""`fer` adds 10 pixels to each side of a box, whatever its size: a tenth of one of 100 pixels.

Before that it makes the box a square by adding picture to its shorter side, where this stretches
it; and where the box leaves the picture it goes on in the grey of the lowest rows, where this stops
at the edge. Boxes of OpenCV's cascade, which `fer` looks for faces with, are squares already.
"""

FACEX_FACE = FaceSpec(200)
"""`facex` takes the box as it is.

It resizes bilinearly as well, and smooths a face that is larger than 200 pixels before that.
"""


def grey(faces: UInt8) -> UInt8:
    """Grey as both packages make it: OpenCV's, in 8 bits.

    The rounding is kept, because it moves their probabilities by up to 0.02.

    Args:
        faces: RGB uint8 (M, size, size, 3), M at least 1.

    Returns:
        uint8 (M, size, size).
    """
    count, height, width = faces.shape[:3]
    tall = cv2.cvtColor(faces.reshape(count * height, width, 3), cv2.COLOR_RGB2GRAY)
    return np.asarray(tall, np.uint8).reshape(count, height, width)


def centred(pixels: UInt8 | Float32) -> Float32:
    """What `fer` makes of grey pixels from 0 to 255: float32 (M, 64, 64, 1) in [-1, 1]."""
    scaled: Float32 = (pixels.astype(np.float32) / np.float32(255) - np.float32(0.5)) * 2
    return scaled[..., None]


def repeated(pixels: UInt8) -> Float32:
    """What `facex` makes of grey pixels: float32 (M, 200, 200, 3) in [0, 1], equal channels."""
    scaled: Float32 = pixels.astype(np.float32) / np.float32(255)
    return np.repeat(scaled[..., None], 3, axis=3)
