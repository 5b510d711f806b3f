"""A classifier, a detector and a picture for tests of cloaks."""

from __future__ import annotations

import numpy as np
from made_up import Uniform

from fxbench.types import Boxes, FaceSpec

_SPEC = FaceSpec(48)


class Bright(Uniform):
    """The brighter a face's left half, the happier; else neutral."""

    labels = ("neutral", "happiness", None)

    def __init__(self, spec: FaceSpec = _SPEC, steepness: float = 40.0) -> None:
        self.face = spec
        self.steepness = steepness
        self.asked = 0

    def _happy(self, faces: np.ndarray) -> np.ndarray:
        half = faces[:, :, : self.face.size // 2].mean(axis=(1, 2, 3))
        return 1 / (1 + np.exp(-self.steepness * (half - 0.5)))

    def predict(self, faces: np.ndarray) -> np.ndarray:
        self.asked += len(faces)
        happy = self._happy(faces / 255)
        return np.stack([1 - happy, happy, 0 * happy], axis=1).astype(np.float32)

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        slope = (self._happy(faces) * targets[:, :2].sum(axis=1) - targets[:, 1]) * self.steepness
        slopes = np.zeros_like(faces)
        half = slopes[:, :, : self.face.size // 2]
        half += (slope / half[0].size)[:, None, None, None].astype(np.float32)
        return slopes


class Fixed:
    """Finds the same boxes in every picture."""

    def __init__(self, *boxes: tuple[float, ...]) -> None:
        self.boxes = boxes

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        return Boxes.from_lists([[(*box, 1.0) for box in self.boxes] for _ in images])


def photo(value: int = 131, shape: tuple[int, int] = (100, 120)) -> np.ndarray:
    """Noise around a grey that Bright finds happy."""
    noise = np.random.default_rng(3).integers(-5, 6, (*shape, 3))
    return np.clip(value + noise, 0, 255).astype(np.uint8)


def box(*values: float) -> np.ndarray:
    return np.array([values], np.float32)
