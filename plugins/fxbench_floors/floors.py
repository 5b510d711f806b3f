"""The floors: answers that look at no pixel."""

from __future__ import annotations

import math

import numpy as np

from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.types import Boxes, FaceSpec, Float32, UInt8


class FullFrame:
    """One box with score 1 for each image: the image."""

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes that cover the images; see :class:`fxbench.protocols.Detector`."""
        return Boxes.from_lists(
            [[(0.0, 0.0, float(image.shape[1]), float(image.shape[0]), 1.0)] for image in images]
        )


class Prior:
    """The same probabilities for every face: the class frequencies of the training images.

    Args:
        frequencies: eight numbers of at least 0, comma-separated, in the order of EMOTIONS. They
            need not sum to 1.

    Raises:
        UsageError: `frequencies` is something else.
    """

    labels: tuple[str | None, ...] = EMOTIONS
    # It looks at no pixel, so the smallest face will do.
    face = FaceSpec(1, interpolation="nearest")

    def __init__(self, frequencies: str) -> None:
        self._probabilities = _probabilities(frequencies)

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, 8) for faces uint8 (M, 1, 1, 3): M equal rows."""
        return np.tile(self._probabilities, (len(faces), 1))


def _probabilities(frequencies: str) -> Float32:
    try:
        values = [float(part) for part in frequencies.split(",")]
    except ValueError:
        values = []
    good = len(values) == len(EMOTIONS) and all(math.isfinite(x) and x >= 0 for x in values)
    if not good or not 0 < sum(values) < math.inf:
        raise UsageError(
            f"The option frequencies of prior is {frequencies!r}, but eight comma-separated "
            f"numbers of at least 0, not all 0, are expected, in the order {', '.join(EMOTIONS)}."
        )
    return (np.array(values) / sum(values)).astype(np.float32)
