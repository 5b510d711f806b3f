"""What an attack is handed: a classifier with gradients, or one that only answers, and counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fxbench.errors import FxbenchError
from fxbench.protocols import Classifier, Differentiable
from fxbench.types import Bool, FaceSpec, Float32, Float64, UInt8
from fxbench.views import failures_of


class QueriesSpentError(FxbenchError):
    """The budget of queries for a face is spent. An attack may let it through."""


class UnansweredError(FxbenchError):
    """A service gave no answer amid an attack; the same command asks again."""


def to_pixels(faces: Float32) -> UInt8:
    """Faces uint8 (M, size, size, 3) of faces float32 in [0, 1], clipped to that and rounded."""
    pixels: UInt8 = np.rint(np.clip(faces, 0, 1) * np.float32(255)).astype(np.uint8)
    return pixels


class WhiteBox:
    """A classifier whose gradients an attack may take.

    Attributes:
        labels: the classifier's.
        face: the classifier's.
        targeted: whether the targets are to be reached, as against to be moved away from.
        flat: bool (M,), of the first call of `gradient`: the faces whose gradient is 0 everywhere;
            None before.
    """

    def __init__(
        self,
        classifier: Differentiable,
        *,
        targeted: bool = False,
        counted: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Wrap a classifier.

        Args:
            classifier: with gradients.
            targeted: see above.
            counted: told of each call for how many faces gradients were taken.
        """
        self.labels: tuple[str | None, ...] = classifier.labels
        self.face: FaceSpec = classifier.face
        self.targeted = targeted
        self.flat: Bool | None = None
        self._classifier = classifier
        self._counted = counted

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, K) of faces uint8 (M, size, size, 3)."""
        return self._classifier.predict(faces)

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of the loss that the attack is to increase.

        Args:
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K).

        Returns:
            float32 (M, size, size, 3): of each face's cross-entropy with its target; where
            `targeted`, of its negative.
        """
        slopes = self._classifier.gradient(faces, targets)
        self._counted(len(faces))
        if self.flat is None:
            # Where an attack begins: further on, a gradient of 0 may be a success.
            self.flat = np.asarray(~slopes.any(axis=(1, 2, 3)), np.bool_)
        return -slopes if self.targeted else slopes

    def loss(self, faces: Float32, targets: Float32) -> Float64:
        """The loss that the attack is to increase, float64 (M,), of the faces in 8 bits.

        Args:
            faces: float32 (M, size, size, 3); they are clipped to [0, 1] and rounded.
            targets: float32 (M, K).
        """
        answers = self._classifier.predict(to_pixels(faces)).astype(np.float64)
        entropy = -(targets * np.log(np.maximum(answers, 1e-12))).sum(axis=1)
        losses: Float64 = -entropy if self.targeted else entropy
        return losses


class QueryModel:
    """A classifier that an attack may ask about one face, so and so often.

    Attributes:
        labels: the classifier's.
        face: the classifier's.
        targeted: whether the target is to be reached, as against to be moved away from.
        budget: how many faces may be asked about at most.
        used: how many were.
        silent: why a service gave no answer, where it did so; nothing may be made of the rest then.
        best: uint8 (size, size, 3), of those that fooled the classifier the one that is nearest to
            the original by the norm; None where none did.
    """

    def __init__(
        self,
        classifier: Classifier,
        original: UInt8,
        column: int,
        *,
        norm: str,
        budget: int,
        targeted: bool = False,
        counted: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Wrap a classifier for one face.

        Args:
            classifier: whom to ask.
            original: uint8 (size, size, 3).
            column: the output that is to be moved away from, or reached.
            norm: `linf` or `l2`, by which nearness is measured.
            budget: see above.
            targeted: see above.
            counted: told of each call about how many faces was asked.
        """
        self.labels: tuple[str | None, ...] = classifier.labels
        self.face: FaceSpec = classifier.face
        self.targeted = targeted
        self.budget = budget
        self.used = 0
        self.silent: str | None = None
        self.best: UInt8 | None = None
        self._classifier = classifier
        self._original = original.astype(np.float32)
        self._column = column
        self._norm = norm
        self._counted = counted
        self._nearest = np.inf

    @property
    def left(self) -> int:
        """How many faces may still be asked about."""
        return self.budget - self.used

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, K) of faces uint8 (M, size, size, 3): M queries.

        Raises:
            QueriesSpentError: there are fewer left; nothing was asked.
        """
        if len(faces) > self.left:
            raise QueriesSpentError(
                f"{len(faces)} queries were to be made, {self.left} of {self.budget} are left."
            )
        self.used += len(faces)
        self._counted(len(faces))
        answers = self._classifier.predict(faces)
        for _, reason in failures_of(self._classifier):
            # What stands for an answer is none, and would look like a success.
            self.silent = reason
            raise UnansweredError(f"The classifier gave no answer ({reason}): run it again.")
        fooled = (answers.argmax(axis=1) == self._column) == self.targeted
        for face in faces[fooled]:
            change = np.abs(face.astype(np.float32) - self._original)
            size = change.max() if self._norm == "linf" else np.sqrt(np.square(change).mean())
            if size < self._nearest:
                self._nearest, self.best = float(size), face.copy()
        return answers
