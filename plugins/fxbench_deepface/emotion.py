"""DeepFace's emotion model, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.errors import PluginError, UnavailableError, WeightsError
from fxbench.keras_network import GREY
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench_deepface.home import deepface_home
from fxbench_deepface.vendor import KNOWN, speaking_for

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FACE = FaceSpec(224, "pad")

SIDE = 48
_BATCH = 256
"""More faces at once gain nothing, and the first layer alone takes half a megabyte for each."""
_GRADIENT_BATCH = 64
"""Fewer: a gradient needs the answers of all layers at once."""

_RESIZE = cv2.resize(np.eye(FACE.size, dtype=np.float32), (FACE.size, SIDE))
"""OpenCV's bilinear resize along one axis, float32 (48, 224)."""
_FIRST = (_RESIZE != 0).argmax(axis=1)
"""Each of the 48 is made from two neighbours of the 224, of which this is the first; no two share
one, and the others count for nothing."""
_SHARES = np.stack([_RESIZE[np.arange(SIDE), _FIRST + i, None] for i in range(2)])
_ACROSS = np.einsum("yx,c->yxc", _RESIZE, np.asarray(GREY, np.float32)).reshape(SIDE, -1)
"""From slopes of grey columns to those of a face's columns and colours, float32 (48, 224 * 3)."""


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

        *layers, last = model.layers
        activation = getattr(getattr(last, "activation", None), "__name__", None)

        def run(faces: Any) -> Any:
            return model(faces, training=False)

        def slopes(faces: Any, targets: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(faces)
                features = faces
                for layer in layers:
                    features = layer(features, training=False)
                # Of the softmax's input: a probability that rounds to 1 would leave no gradient.
                logits = tf.matmul(features, last.kernel) + last.bias
                loss = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            return tape.gradient(loss, faces)

        # One trace for every number of faces.
        signature = [tf.TensorSpec((None, SIDE, SIDE, 1), tf.float32)]
        self._run = tf.function(run, input_signature=signature)
        answer = self._run(np.zeros((1, SIDE, SIDE, 1), np.float32))
        if answer.shape != (1, len(self.labels)) or activation != "softmax":
            raise PluginError(
                f"This release of DeepFace has an emotion model that doesn't end with a softmax of "
                f"{len(self.labels)} outputs; install another: pip install 'deepface=={KNOWN}'."
            )
        signature.append(tf.TensorSpec((None, len(self.labels)), tf.float32))
        self._slopes = tf.function(slopes, input_signature=signature)

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, 7) for RGB faces uint8 (M, 224, 224, 3)."""
        check_array("faces", faces, np.uint8, (None, self.face.size, self.face.size, 3))
        out = np.empty((len(faces), len(self.labels)), np.float32)
        for start in range(0, len(faces), _BATCH):
            part = slice(start, start + _BATCH)
            out[part] = self._run(preprocess(faces[part])).numpy()
        return out

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of each face's cross-entropy with respect to its pixels.

        It goes through DeepFace's preprocessing. Bilinear resizing reads 96 x 96 of the 224 x 224
        pixels of a face: the gradient at all others is 0.

        Args:
            faces: RGB float32 (M, 224, 224, 3) in [0, 1].
            targets: float32 (M, 7), a distribution over the labels for each face.

        Returns:
            float32 (M, 224, 224, 3): d cross_entropy(targets, predict(faces)) / d faces, in nats
            per unit of [0, 1].

        Raises:
            PluginError: an array has another shape or type.
        """
        check_array("faces", faces, np.float32, (None, self.face.size, self.face.size, 3))
        check_array("targets", targets, np.float32, (len(faces), len(self.labels)))
        slopes = np.zeros(faces.shape, np.float32)
        for start in range(0, len(faces), _GRADIENT_BATCH):
            part = slice(start, start + _GRADIENT_BATCH)
            grey = _grey(faces[part])
            dark = _dark(faces[part], grey, np.float32(1 / 255))
            grey[dark] *= 255
            of_grey = self._slopes(grey, targets[part]).numpy()
            of_grey[dark] *= 255
            to_pixels(of_grey, slopes[part])
        return slopes


def preprocess(faces: UInt8) -> Float32:
    """DeepFace's preprocessing of RGB faces uint8 (M, 224, 224, 3): float32 (M, 48, 48, 1).

    DeepFace scales to [0, 1], makes grey and resizes to 48 x 48 bilinearly. All three are linear,
    so the order is free: resizing first reads and converts a fraction of the pixels. In 8 bits it
    would round.
    """
    out = _grey(faces)
    dark = _dark(faces, out, np.float32(1))
    out *= np.float32(1 / 255)
    out[dark] *= 255
    return out


def to_pixels(slopes: Float32, out: Float32) -> None:
    """The transpose of resizing and making grey, which are linear.

    Args:
        slopes: float32 (M, 48, 48, 1), with respect to grey pixels.
        out: float32 (M, 224, 224, 3), zeros; gets the slopes with respect to a face's pixels.
    """
    across = (slopes.reshape(-1, SIDE) @ _ACROSS).reshape(len(slopes), SIDE, -1)
    for slope, rows in zip(across, out.reshape(len(out), FACE.size, -1), strict=True):
        for i, share in enumerate(_SHARES):
            rows[_FIRST + i] = slope * share


def _grey(faces: UInt8 | Float32) -> Float32:
    """Faces (M, 224, 224, 3) resized, then made grey: float32 (M, 48, 48, 1), their scale kept."""
    out = np.empty((len(faces), SIDE, SIDE, 1), np.float32)
    for face, grey in zip(faces, out, strict=True):
        small = cv2.resize(face.astype(np.float32, copy=False), (SIDE, SIDE))
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY, dst=grey)
    return out


def _dark(faces: UInt8 | Float32, grey: Float32, level: np.float32) -> list[int]:
    """The faces of which no pixel is above one grey level in 8 bits.

    DeepFace takes an image without a value above 1 for one that is scaled already.

    Args:
        faces: (M, 224, 224, 3).
        grey: what :func:`_grey` made of them: where that is brighter, no more need be looked at.
        level: one grey level in their scale.
    """
    rows = np.flatnonzero(grey.max(axis=(1, 2, 3), initial=0) < 1.6 * level)
    return [row for row in rows.tolist() if faces[row].max() < 1.5 * level]


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
