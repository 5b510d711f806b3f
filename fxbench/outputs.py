"""What components answered, checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.types import Boxes, Float32, Points, UInt8, check_array


def probabilities(name: str, classifier: Any, faces: UInt8) -> Float32:
    """A classifier's answer, checked.

    Raises:
        PluginError: it is no float32 (M, K) of finite numbers whose rows sum to 1.
    """
    if not len(faces):
        return np.zeros((0, len(classifier.labels)), np.float32)
    return checked(name, classifier.labels, classifier.predict(faces), len(faces))


def checked(
    name: str, labels: tuple[str | None, ...], outputs: Any, count: int | None = None
) -> Float32:
    """Probabilities as they are to be, of `count` faces.

    Raises:
        PluginError: they are no float32 (M, K) of finite numbers whose rows sum to 1.
    """
    check_array(f"What {name} predicts", outputs, np.float32, (count, len(labels)))
    if len(outputs) and not (
        np.isfinite(outputs).all()
        and outputs.min() >= 0
        and np.abs(outputs.sum(axis=1, dtype=np.float64) - 1).max() < 1e-3
    ):
        raise PluginError(f"What {name} predicts must be probabilities: each row sums to 1.")
    right: Float32 = outputs
    return right


def located(name: str, landmarker: Any, images: tuple[UInt8, ...], boxes: Boxes) -> Points:
    """A landmarker's answer, checked.

    Raises:
        PluginError: it is no Points with a row for each box.
    """
    points: Any = landmarker.locate(images, boxes)
    if not isinstance(points, Points):
        raise PluginError(f"{name} must return Points, not {type(points).__name__}.")
    if len(points.xy) != len(boxes):
        raise PluginError(
            f"{name} returned {len(points.xy)} rows of points for {len(boxes)} boxes."
        )
    return points


def by_emotion(outputs: npt.NDArray[Any], labels: tuple[str | None, ...]) -> npt.NDArray[Any]:
    """The probability of each emotion: the sum of the outputs that mean it.

    Args:
        outputs: floats (M, K).
        labels: the emotion that each of the K means, or None.

    Returns:
        Such floats (M, 8), in the order of EMOTIONS: 0 for an emotion that no output means.
    """
    table = np.zeros((len(outputs), len(EMOTIONS)), outputs.dtype)
    for column, label in enumerate(labels):
        if label is not None:
            table[:, EMOTIONS.index(label)] += outputs[:, column]
    return table
