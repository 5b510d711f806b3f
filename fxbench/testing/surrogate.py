"""A small classifier for attacks to be tried on: NumPy only, differentiable, the same anywhere."""

from __future__ import annotations

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.testing.pictures import faces
from fxbench.types import FaceSpec, Float32, Float64, Int64, UInt8

_SIDE = 16
_HIDDEN = 12


class Surrogate:
    """One hidden layer of tanh and a softmax over the eight emotions, with fixed random weights.

    Faces are computed one by one, so that the answer for a face has the same bits in any batch.

    Attributes:
        labels: the eight emotions.
        face: 16 x 16.
    """

    labels: tuple[str | None, ...] = EMOTIONS
    face = FaceSpec(_SIDE)

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        inputs = _SIDE * _SIDE * 3
        self._first = random.normal(size=(_HIDDEN, inputs)) / np.sqrt(inputs) * 4
        self._second = random.normal(size=(len(EMOTIONS), _HIDDEN))

    def _forward(self, face: Float64) -> tuple[Float64, Float64]:
        hidden = np.tanh(self._first @ (face.reshape(-1) - 0.5))
        logits = self._second @ hidden
        odds = np.exp(logits - logits.max())
        return hidden, odds / odds.sum()

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, 8) for RGB faces uint8 (M, 16, 16, 3)."""
        answers = np.empty((len(faces), len(EMOTIONS)), np.float32)
        for row, face in enumerate(faces):
            answers[row] = self._forward(face.astype(np.float64) / 255)[1]
        return answers

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of the cross-entropy; see :class:`fxbench.protocols.Differentiable`."""
        slopes = np.empty(faces.shape, np.float32)
        for row, (face, target) in enumerate(zip(faces, targets, strict=True)):
            hidden, probabilities = self._forward(face.astype(np.float64))
            share = target.astype(np.float64)
            error = self._second.T @ (probabilities * share.sum() - share)
            slopes[row] = (self._first.T @ (error * (1 - hidden**2))).reshape(face.shape)
        return slopes


def attack_inputs(count: int = 8) -> tuple[Surrogate, Float32, Float32, Int64]:
    """What the kit gives to an attack: model, faces, targets and seeds.

    Returns:
        The model; float32 (count, 16, 16, 3) in [0, 1]; one-hot float32 (count, 8), the model's own
        answer for each face; int64 (count,).
    """
    model = Surrogate()
    rendered = faces(model.face, count=count)
    targets = np.zeros((count, len(EMOTIONS)), np.float32)
    targets[np.arange(count), model.predict(rendered).argmax(axis=1)] = 1
    pixels: Float32 = rendered.astype(np.float32) / np.float32(255)
    return model, pixels, targets, 1000 + 17 * np.arange(count, dtype=np.int64)
