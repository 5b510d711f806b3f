"""A dataset, classifiers and an attack of which everything can be computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from made_up import IMAGES, Squares, Uniform, entry

from fxbench.types import FaceSpec

if TYPE_CHECKING:
    from fxbench.store import StoredRun

GRADIENT = frozenset({"gradient"})
FIXED = frozenset({"fixed"})
EPSILON = 40 / 255


class Bright(Uniform):
    """Bright faces are happy, the brighter the surer; it counts what it is asked."""

    def __init__(self, border: float = 100, size: int = 4, sign: float = 1.0) -> None:
        self.border, self.sign = border, sign
        self.face = FaceSpec(size)
        self.gradients = self.asked = 0

    def predict(self, faces: np.ndarray) -> np.ndarray:
        self.asked += len(faces)
        level = self.sign * (faces.mean(axis=(1, 2, 3)) - self.border) / 255
        happy = 1 / (1 + np.exp(-8 * level))
        rest = np.zeros((len(faces), 8), np.float32)
        rest[:, 0], rest[:, 1] = 1 - happy, happy
        return rest

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self.gradients += len(faces)
        way = (targets[:, 0] - targets[:, 1])[:, None, None, None]
        return (self.sign * way * np.ones_like(faces)).astype(np.float32)


class Halves(Squares):
    """Dark squares are neutral, bright ones happy: rows from 0 to 190 grey levels."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = (np.arange(IMAGES) >= IMAGES // 2).astype(np.int64)


class Step:
    """One step along the gradient's sign; it counts its calls."""

    norm = "linf"
    gradients = 1

    def __init__(self) -> None:
        self.calls = 0

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        self.calls += 1
        return (faces + epsilon * np.sign(model.gradient(faces, targets))).astype(np.float32)


def halves(*entries: Any) -> tuple[Any, ...]:
    return (entry("dataset", "halves", Halves), *entries)


def cell(stored: StoredRun, **axes: Any) -> dict[str, Any]:
    (found,) = [
        c for c in stored.cells if all(c["axes"].get(axis) == v for axis, v in axes.items())
    ]
    return found
