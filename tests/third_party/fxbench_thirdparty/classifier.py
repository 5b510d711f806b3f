"""A differentiable classifier with its own order of labels."""

from __future__ import annotations

import numpy as np

from fxbench.types import FaceSpec, Float32, Float64, UInt8

SIDE = 10


class Linear:
    """Softmax of a random linear map of ten by ten pixels."""

    labels = ("anger", "disgust", "fear", "happiness", "sadness", None, "neutral")
    face = FaceSpec(SIDE, fit="pad", margin=0.1)

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self._weights = random.normal(size=(SIDE * SIDE * 3, len(self.labels))) / 4

    def predict(self, faces: UInt8) -> Float32:
        return self._probabilities(faces.astype(np.float64) / 255).astype(np.float32)

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        slope = (self._probabilities(faces.astype(np.float64)) - targets) @ self._weights.T
        return slope.reshape(faces.shape).astype(np.float32)

    def _probabilities(self, faces: Float64) -> Float64:
        logits = faces.reshape(len(faces), SIDE * SIDE * 3) @ self._weights
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
