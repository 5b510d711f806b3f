"""What the runtimes of a network that fxbench trained have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.types import FaceSpec, Float32, UInt8, check_array


class TrainedNetwork(ABC):
    """A classifier of the eight emotions of FER+; see :class:`fxbench.protocols.Classifier`.

    A runtime sets `face` and `_at_once`, how many faces go into one call, and answers `_answer`.

    Attributes:
        labels: the eight emotions of FER+.
        face: the network's own size, stretched.
    """

    labels: tuple[str | None, ...] = EMOTIONS
    face: FaceSpec
    _at_once: int

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities of the eight emotions.

        Args:
            faces: RGB uint8 (M, size, size, 3).

        Returns:
            float32 (M, 8), rows sum to 1.

        Raises:
            PluginError: `faces` has another shape or type.
        """
        size = self.face.size
        check_array("faces", faces, np.uint8, (None, size, size, 3))
        answers = np.empty((len(faces), len(EMOTIONS)), np.float32)
        for start in range(0, len(faces), self._at_once):
            part = slice(start, start + self._at_once)
            answers[part] = self._answer(faces[part])
        return answers

    @abstractmethod
    def _answer(self, faces: UInt8) -> Any:
        """Probabilities of at most `_at_once` faces, (M, 8)."""
