"""The classifier `emopy` on TensorFlow: probabilities, and their gradient."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.errors import UnavailableError, WeightsError
from fxbench.labels import EMOTIONS
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench.weights import sha256 as digest

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 48
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, which OpenCV and Pillow use too

# An activation of the first block takes 0.3 MB for each face, several of them live at once.
_CHUNK = 256


class Emopy:
    """EmoPy's network with the weights that fxbench trained on FER+.

    Grey conversion and scaling are part of the compiled function, so that they are timed and
    attacked with the network. Any number of faces runs through the same compiled function.

    Attributes:
        labels: the eight emotions of FER+.
        face: 48 x 48, stretched.
    """

    labels: tuple[str | None, ...] = EMOTIONS
    face = FaceSpec(_SIZE, "stretch")

    def __init__(self, weights: Path | None, sha256: str) -> None:
        """Build the network and load its weights.

        Args:
            weights: the file that `fxbench_emopy.train` wrote; None where it was not found.
            sha256: what the file must have, in hexadecimal.

        Raises:
            UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
            WeightsError: the file is missing, or is not the one that was declared.
        """
        path = _verified(weights, sha256)
        tf = _tensorflow()
        import keras

        from fxbench_emopy.network import build

        network = build(len(EMOTIONS))
        network.load_weights(path)
        logits = keras.Model(network.inputs, network.get_layer("logits").output)

        def grey(faces: Any, white: float) -> Any:
            # A matrix product takes half the time of a sum over the short last axis.
            to_grey = tf.constant(_GREY, tf.float32, (3, 1)) / white
            return tf.reshape(tf.matmul(tf.reshape(faces, (-1, 3)), to_grey), (-1, _SIZE, _SIZE, 1))

        pixels = (None, _SIZE, _SIZE, 3)

        @tf.function(input_signature=[tf.TensorSpec(pixels, tf.uint8)])  # type: ignore[untyped-decorator]
        def predict(faces: Any) -> Any:
            return network(grey(tf.cast(faces, tf.float32), 255.0), training=False)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                tf.TensorSpec(pixels, tf.float32),
                tf.TensorSpec((None, len(EMOTIONS)), tf.float32),
            ]
        )
        def gradient(faces: Any, targets: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(faces)
                answers = logits(grey(faces, 1.0), training=False)
                # From the logits: a probability that rounds to 1 would leave no gradient.
                loss = tf.nn.softmax_cross_entropy_with_logits(targets, answers)
            return tape.gradient(loss, faces)

        self._network = network
        self._predict = predict
        self._gradient = gradient

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities of the eight emotions.

        Args:
            faces: RGB uint8 (M, 48, 48, 3).

        Returns:
            float32 (M, 8), rows sum to 1.

        Raises:
            PluginError: `faces` has another shape or type.
        """
        check_array("faces", faces, np.uint8, (None, _SIZE, _SIZE, 3))
        answers = np.empty((len(faces), len(EMOTIONS)), np.float32)
        for start in range(0, len(faces), _CHUNK):
            part = slice(start, start + _CHUNK)
            answers[part] = self._predict(faces[part]).numpy()
        return answers

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of each face's cross-entropy with respect to its pixels.

        Args:
            faces: RGB float32 (M, 48, 48, 3) in [0, 1].
            targets: float32 (M, 8), a distribution over the emotions for each face.

        Returns:
            float32 (M, 48, 48, 3): d cross_entropy(targets, predict(faces)) / d faces, in nats per
            unit of [0, 1].

        Raises:
            PluginError: an array has another shape or type.
        """
        check_array("faces", faces, np.float32, (None, _SIZE, _SIZE, 3))
        check_array("targets", targets, np.float32, (len(faces), len(EMOTIONS)))
        slopes = np.empty(faces.shape, np.float32)
        for start in range(0, len(faces), _CHUNK):
            part = slice(start, start + _CHUNK)
            slopes[part] = self._gradient(faces[part], targets[part]).numpy()
        return slopes


def _verified(path: Path | None, sha256: str) -> Path:
    """`path`, once its contents are known to be the declared ones."""
    if path is None or not path.is_file():
        raise WeightsError(
            f"The weights of emopy were not found{f' at {path}' if path else ''}: a file "
            "emopy.weights.h5 belongs into its package, install fxbench again."
        )
    found = digest(path)
    if found != sha256:
        raise WeightsError(
            f"The weights of emopy, {path}, have the sha256 {found}, but {sha256} was expected: "
            "install fxbench again."
        )
    return path


def _tensorflow() -> Any:
    """TensorFlow, with Keras running on it."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend == "tensorflow":
        import keras

        backend = keras.config.backend()
    if backend != "tensorflow":
        raise UnavailableError(
            f"emopy needs Keras on TensorFlow, but its backend is {backend!r}: unset KERAS_BACKEND "
            "or set it to 'tensorflow'."
        )
    import tensorflow as tf

    return tf
