"""DeepFace's emotion model, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.errors import PluginError, UnavailableError, WeightsError
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench_deepface.home import deepface_home
from fxbench_deepface.vendor import speaking_for

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FACE = FaceSpec(224, "pad")

SIDE = 48
_BATCH = 256
"""More faces at once gain nothing, and the first layer alone takes half a megabyte for each."""


class Emotion:
    """DeepFace's network with DeepFace's preprocessing (Serengil and Ozpinar, ICEET 2021).

    The network is built and its weights are loaded by DeepFace's own code, on the TensorFlow
    engine. `predict` does what `DeepFace.analyze(..., detector_backend="skip")` does to a face that
    has its size already, for all faces at once.

    Args:
        weights: the file `facial_expression_model_weights.h5`.

    Raises:
        WeightsError: the file is damaged or holds the weights of another network.
        UnavailableError: DeepFace can't be imported, or runs on another engine in this process.
    """

    labels: tuple[str | None, ...] = LABELS
    face = FACE

    def __init__(self, weights: Path) -> None:
        model = _load(weights)
        import tensorflow as tf

        def run(faces: Any) -> Any:
            return model(faces, training=False)

        # One trace for every number of faces.
        signature = [tf.TensorSpec((None, SIDE, SIDE, 1), tf.float32)]
        self._run = tf.function(run, input_signature=signature)
        if self._run(np.zeros((1, SIDE, SIDE, 1), np.float32)).shape != (1, len(self.labels)):
            raise PluginError(
                f"This release of DeepFace has an emotion model without {len(self.labels)} "
                "outputs; install another: pip install 'deepface==0.0.103'."
            )

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, 7) for RGB faces uint8 (M, 224, 224, 3)."""
        check_array("faces", faces, np.uint8, (None, self.face.size, self.face.size, 3))
        out = np.empty((len(faces), len(self.labels)), np.float32)
        for start in range(0, len(faces), _BATCH):
            part = slice(start, start + _BATCH)
            out[part] = self._run(preprocess(faces[part])).numpy()
        return out


def preprocess(faces: UInt8) -> Float32:
    """DeepFace's preprocessing of RGB faces uint8 (M, 224, 224, 3): float32 (M, 48, 48, 1).

    DeepFace scales to [0, 1], makes grey and resizes to 48 x 48 bilinearly. All three are linear,
    so the order is free: resizing first reads and converts a fraction of the pixels. In 8 bits it
    would round.
    """
    out = np.empty((len(faces), SIDE, SIDE, 1), np.float32)
    for face, grey in zip(faces, out, strict=True):
        small = cv2.resize(face.astype(np.float32), (SIDE, SIDE))
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY, dst=grey)
    brightest = out.max(axis=(1, 2, 3))
    out *= np.float32(1 / 255)
    # DeepFace takes an image without a value above 1 for one that is scaled already.
    for row in np.flatnonzero(brightest < 1.01):
        if faces[row].max(initial=0) <= 1:
            out[row] *= 255
    return out


def _load(weights: Path) -> Any:
    """The Keras model, built by DeepFace."""
    with deepface_home(weights), speaking_for("deepface"):
        from deepface.commons import backend_utils
        from deepface.modules import modeling

        engine = backend_utils.get_backend_engine()
        if engine != backend_utils.TENSORFLOW:
            raise UnavailableError(
                f"DeepFace runs on its engine {engine!r} in this process, but 'tensorflow' is "
                f"expected; unset {backend_utils.BACKEND_ENGINE_ENV_VAR}."
            )
        # Not build_model: it keeps the first model of a process, whatever its weights were.
        build = modeling.get_model_class(task="facial_attribute", model_name="Emotion")
        try:
            return build().model
        except ValueError as error:
            raise WeightsError(
                f"DeepFace can't load {weights}: {error.__cause__ or error}. A whole file of "
                "its emotion model is expected; delete this one and get it again."
            ) from error
