"""A Keras network that fxbench trained, as a classifier on TensorFlow: answers and their gradient.

Importing this module imports neither Keras nor TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fxbench.component import Weights
from fxbench.errors import UnavailableError
from fxbench.labels import EMOTIONS
from fxbench.trained import TrainedNetwork
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench.weights import verified

GREY = (0.299, 0.587, 0.114)
"""The share of red, green and blue in grey: ITU-R BT.601, which OpenCV and Pillow use too."""

_ACTIVATIONS = 80_000_000
"""Bytes that the largest activation of a network may take for the faces of one call."""


class KerasNetwork(TrainedNetwork):
    """A network of grey faces with the weights that it was trained to.

    Grey conversion and scaling are part of the compiled function, so that they are timed and
    attacked with the network. Any number of faces runs through the same compiled function.
    """

    def __init__(self, name: str, build: Callable[[], Any], weights: Weights) -> None:
        """Build the network and load its weights.

        Args:
            name: of the classifier, for messages.
            build: returns a `keras.Model` from grey faces float32 (N, size, size, 1) in [0, 1] to
                probabilities (N, 8). Its layer `logits` holds what goes into the softmax. Called
                when it is known that Keras runs on TensorFlow, so that it may import it.
            weights: the file that `Model.save_weights` wrote.

        Raises:
            UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
            WeightsError: the file is missing, or is not the one that was declared.
        """
        path = verified(name, weights)
        tf = tensorflow(name)
        import keras

        network = build()
        network.load_weights(path)
        logits = keras.Model(network.inputs, network.get_layer("logits").output)
        size = int(network.input_shape[1])
        pixels = (None, size, size, 3)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                tf.TensorSpec(pixels, tf.float32),
                tf.TensorSpec((None, len(EMOTIONS)), tf.float32),
            ]
        )
        def gradient(faces: Any, targets: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(faces)
                answers = logits(_grey(tf, faces, 1.0), training=False)
                # From the logits: a probability that rounds to 1 would leave no gradient.
                loss = tf.nn.softmax_cross_entropy_with_logits(targets, answers)
            return tape.gradient(loss, faces)

        self.face = FaceSpec(size)
        self._network = network
        self._predict = tf.function(
            answering(tf, network), input_signature=[tf.TensorSpec(pixels, tf.uint8)]
        )
        self._gradient = gradient
        self._at_once = _faces_at_once(network)

    def _answer(self, faces: UInt8) -> Any:
        return self._predict(faces).numpy()

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of each face's cross-entropy with respect to its pixels.

        Args:
            faces: RGB float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, 8), a distribution over the emotions for each face.

        Returns:
            float32 (M, size, size, 3): d cross_entropy(targets, predict(faces)) / d faces, in nats
            per unit of [0, 1].

        Raises:
            PluginError: an array has another shape or type.
        """
        size = self.face.size
        check_array("faces", faces, np.float32, (None, size, size, 3))
        check_array("targets", targets, np.float32, (len(faces), len(EMOTIONS)))
        slopes = np.empty(faces.shape, np.float32)
        for start in range(0, len(faces), self._at_once):
            part = slice(start, start + self._at_once)
            slopes[part] = self._gradient(faces[part], targets[part]).numpy()
        return slopes


def answering(tf: Any, network: Any) -> Callable[[Any], Any]:
    """From RGB faces uint8 (N, size, size, 3) to probabilities, as TensorFlow operations."""

    def predict(faces: Any) -> Any:
        return network(_grey(tf, tf.cast(faces, tf.float32), 255.0), training=False)

    return predict


def tensorflow(name: str) -> Any:
    """TensorFlow, with Keras running on it.

    Raises:
        UnavailableError: Keras runs, or is told to run, on another backend.
    """
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend == "tensorflow":
        import keras

        backend = keras.config.backend()
    if backend != "tensorflow":
        raise UnavailableError(
            f"{name} needs Keras on TensorFlow, but its backend is {backend!r}: unset "
            "KERAS_BACKEND or set it to 'tensorflow'."
        )
    import tensorflow as tf

    return tf


def _grey(tf: Any, faces: Any, white: float) -> Any:
    # A matrix product takes half the time of a sum over the short last axis.
    to_grey = tf.constant(GREY, tf.float32, (3, 1)) / white
    size = faces.shape[1]
    return tf.reshape(tf.matmul(tf.reshape(faces, (-1, 3)), to_grey), (-1, size, size, 1))


def _faces_at_once(network: Any) -> int:
    """How many faces fit into one call, at least one: several activations are alive at once."""
    shapes = [layer.output.shape[1:] for layer in network.layers]
    largest = max(4 * int(np.prod(shape)) for shape in shapes)
    return max(1, min(256, _ACTIVATIONS // largest))
