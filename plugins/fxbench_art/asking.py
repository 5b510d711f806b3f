"""Asking a classifier about one face and its variants, as images of 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.attacked import QueriesSpentError, to_pixels
from fxbench.errors import PluginError

if TYPE_CHECKING:
    from fxbench.attacked import QueryModel, WhiteBox
    from fxbench.types import Bool, Float32, Float64, UInt8

HELD: Float32 = np.array([[1, 0]], np.float32)
"""What ART is told about a face: there are two classes, and it is of the first, which means that
the classifier holds; the second means that it is fooled. So ART need not know which label is to be
left or reached."""

_TINY = np.finfo(np.float32).tiny

_LEAST_MARGIN = 1e-6
"""0 would not say on which side a face is."""


def levels_of(epsilon: float) -> int:
    """By how many grey levels a pixel of an 8-bit image may change with this budget (linf)."""
    return int(np.floor(epsilon * 255 + 1e-6))


def as_floats(pixels: UInt8) -> Float32:
    """Faces float32 in [0, 1] of faces uint8."""
    return pixels.astype(np.float32) / np.float32(255)


class Judge:
    """Says of variants of one face whether the classifier is fooled, and by how much.

    What was asked once is not asked again: ART asks up to three times about the same image, and an
    attacker remembers what he was answered.

    Attributes:
        clean: uint8 (size, size, 3), the face.
        column: the output that is to be moved away from, or reached.
        targeted: whether it is to be reached.
    """

    def __init__(
        self,
        model: QueryModel | WhiteBox,
        face: Float32,
        target: Float32,
        *,
        levels: int | None = None,
        patience: int | None = None,
    ) -> None:
        """Take a face.

        Args:
            model: whom to ask.
            face: float32 (size, size, 3) in [0, 1].
            target: float32 (K,), one-hot.
            levels: by how many grey levels a variant's pixel may differ from the face's; a variant
                that differs by more is brought back before it is asked about. None: by any.
            patience: how many calls may ask about nothing new, altogether. One that is caught in a
                loop asks nothing new, so that no budget ends it. None: any number.
        """
        self.clean: UInt8 = to_pixels(face)
        self.column = int(target.argmax())
        self.targeted = model.targeted
        self._model = model
        self._levels = levels
        self._patience = np.inf if patience is None else patience
        self._known: dict[bytes, Float64] = {}

    def pixels(self, variants: Float32) -> UInt8:
        """Variants as images, uint8 (M, size, size, 3), none farther from the face than allowed.

        Args:
            variants: float32 (M, size, size, 3); they are clipped to [0, 1] and rounded.
        """
        pixels = to_pixels(variants)
        if self._levels is None:
            return pixels
        clean = self.clean.astype(np.int16)
        kept: UInt8 = np.clip(pixels, clean - self._levels, clean + self._levels).astype(np.uint8)
        return kept

    def logs(self, pixels: UInt8) -> Float64:
        """Log-probabilities float64 (M, K) of faces uint8 (M, size, size, 3).

        Raises:
            QueriesSpentError: the model answers no more, or nothing new was asked for too long.
        """
        names = [face.tobytes() for face in pixels]
        new = {name: row for row, name in enumerate(names) if name not in self._known}
        if new:
            answers = self._model.predict(pixels[list(new.values())])
            logs = np.log(np.maximum(answers.astype(np.float64), _TINY))
            self._known.update(zip(new, logs, strict=True))
        else:
            self._patience -= 1
            if self._patience < 0:
                raise QueriesSpentError("The attack asks about nothing new any more.")
        return np.stack([self._known[name] for name in names])

    def fooled(self, logs: Float64) -> Bool:
        """Whether the classifier answers as the attack wants, bool (M,), from logs (M, K)."""
        reached: Bool = logs.argmax(axis=1) == self.column
        return reached if self.targeted else ~reached

    def margins(self, logs: Float64) -> Float64:
        """By how much the classifier holds, float64 (M,), from logs (M, K); below 0: it is fooled.

        It is a difference of log-probabilities, so also of the logits before a softmax: the loss
        f6 of Carlini and Wagner (2017), which the Square attack goes down.
        """
        this = logs[:, self.column]
        others = np.delete(logs, self.column, axis=1).max(axis=1)
        sizes = np.abs(this - others).clip(_LEAST_MARGIN)
        margins: Float64 = np.where(self.fooled(logs), -sizes, sizes)
        return margins


def two_scores(margins: Float64) -> Float32:
    """The margins as scores of ART's two classes, float32 (M, 2).

    They are no probabilities, some being negative: ART looks whether they are.
    """
    return (np.stack([margins, -margins], axis=1) / 2).astype(np.float32)


def first_square(size: int) -> float:
    """The share of a face that Square's first squares cover: 0.8, less where they would not fit.

    Args:
        size: of a side, pixels; at least 2.
    """
    return min(0.8, (1 - 1 / size) ** 2)


def check_one(faces: Float32) -> None:
    """Raise PluginError unless there is one face."""
    if len(faces) != 1:
        raise PluginError(
            f"A black-box attack was given {len(faces)} faces at once, but its queries are counted "
            "for each face: give it one a call."
        )


def nearest(model: QueryModel, face: UInt8) -> Float32:
    """The best that the model has seen, float32 (1, size, size, 3), else the face as it is."""
    return as_floats((face if model.best is None else model.best)[None])
