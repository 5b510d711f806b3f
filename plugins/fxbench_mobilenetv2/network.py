"""MobileNetV2 (Sandler et al., CVPR 2018) for grey faces, in Keras 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

SIZE = 96
"""The side of the grey faces that the network takes, pixels."""

HEAD = ("logits",)
"""The layers that are new on top of ImageNet's."""

_PROBE_BATCH = 32


def build(
    outputs: int = 8,
    *,
    dropout: float = 0.3,
    precision: str = "float32",
    imagenet: str | Path | None = None,
) -> Any:
    """MobileNetV2 of width 1.0 without its ImageNet classifier, and a new output.

    2,268,232 parameters with eight outputs.

    Args:
        outputs: the number of classes.
        dropout: the fraction of features dropped before the output.
        precision: a Keras precision policy.
        imagenet: where the layers below the output begin: `imagenet` (Keras downloads its weights),
            a file of such weights, or None for random ones.

    Returns:
        A `keras.Model` from grey faces float32 (N, 96, 96, 1) in [0, 1] to float32 (N, `outputs`)
        probabilities. The layer `logits` holds what goes into the softmax.
    """
    layers = keras.layers
    faces = keras.Input((SIZE, SIZE, 1), name="faces")
    # ImageNet's preprocessing for this network: colours from -1 to 1.
    x = layers.Rescaling(2.0, offset=-1.0, name="centre")(faces)
    x = layers.Concatenate(name="colours")([x, x, x])
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        base = keras.applications.MobileNetV2(
            input_tensor=x,
            include_top=False,
            weights=None if imagenet is None else str(imagenet),
            pooling="avg",
        )
    finally:
        keras.config.set_dtype_policy(before)
    x = layers.Dropout(dropout, name="drop")(base.output)
    # Softmax and loss need float32, also where the rest is computed in 16 bits.
    logits = layers.Dense(outputs, dtype="float32", name="logits")(x)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(faces, probabilities, name="mobilenetv2")


def recentre(model: Any, faces: Any) -> None:
    """Make batch normalisation in training compute what the running statistics compute now.

    Weights whose normalisation was folded into the convolutions, as those of 8-bit models are, keep
    statistics of 0 and 1. In training, batches would be normalised by their true statistics, and
    what the layers had learned be lost. So each normalisation gets the statistics that its inputs
    have on some faces, and the scale and offset that leave its output as it was.

    Args:
        model: a network of :func:`build`; it is changed.
        faces: float32 (N, 96, 96, 1) in [0, 1].
    """
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    probe = keras.Model(model.inputs, [norm.input for norm in norms])
    sums: list[Any] = [0.0] * len(norms)
    squares: list[Any] = [0.0] * len(norms)
    for start in range(0, len(faces), _PROBE_BATCH):
        for i, value in enumerate(probe.predict_on_batch(faces[start : start + _PROBE_BATCH])):
            values = np.asarray(value, np.float64).reshape(len(value), -1, value.shape[-1])
            sums[i] = sums[i] + values.mean(1).sum(0)
            squares[i] = squares[i] + (values**2).mean(1).sum(0)
    for norm, total, square in zip(norms, sums, squares, strict=True):
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in norm.get_weights())
        mean_now = total / len(faces)
        variance_now = np.maximum(square / len(faces) - mean_now**2, 0)
        slope = gamma / np.sqrt(variance + norm.epsilon)
        scale = slope * np.sqrt(variance_now + norm.epsilon)
        norm.set_weights([scale, beta + slope * (mean_now - mean), mean_now, variance_now])
