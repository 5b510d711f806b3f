"""The convolutional network of EmoPy, in Keras 3 and without a backend of its own."""

from __future__ import annotations

from typing import Any

import keras

SIZE = 48
"""The side of the grey faces that the network takes, pixels."""

_BLOCKS = 3
_FILTERS = 32
_KERNEL = 4


def build(
    outputs: int = 8,
    *,
    spatial_dropout: float = 0.05,
    dropout: float = 0.2,
    precision: str = "float32",
) -> Any:
    """The network that the EmoPy project found best, with fresh weights.

    Three blocks of two 4x4 convolutions with 32 filters, each followed by batch normalisation and
    ReLU, then 2x2 max-pooling and dropout; a softmax stands on the flattened last block. The
    convolutions have no bias, since the normalisation's offset would undo it. 92,424 parameters
    with eight outputs.

    Between the blocks whole feature maps are dropped (Tompson et al., CVPR 2015), because
    neighbouring pixels of a map say the same and dropping single ones regularises little.

    Args:
        outputs: the number of classes.
        spatial_dropout: the fraction of feature maps dropped after the first two blocks.
        dropout: the fraction of features dropped before the output.
        precision: a Keras precision policy. The weights are float32 under each of them, and fit a
            network of any other.

    Returns:
        A `keras.Model` from grey faces float32 (N, 48, 48, 1) in [0, 1] to float32 (N, `outputs`)
        probabilities. The layer `logits` holds what goes into the softmax.
    """
    layers = keras.layers
    faces = keras.Input((SIZE, SIZE, 1), name="faces")
    x = layers.Rescaling(4.0, offset=-2.0, dtype=precision, name="centre")(faces)
    for block in range(1, _BLOCKS + 1):
        for step in ("a", "b"):
            x = layers.Conv2D(
                _FILTERS,
                _KERNEL,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                dtype=precision,
                name=f"conv{block}{step}",
            )(x)
            x = layers.BatchNormalization(dtype=precision, name=f"norm{block}{step}")(x)
            x = layers.ReLU(dtype=precision, name=f"relu{block}{step}")(x)
        x = layers.MaxPooling2D(2, dtype=precision, name=f"pool{block}")(x)
        if block < _BLOCKS:
            x = layers.SpatialDropout2D(spatial_dropout, dtype=precision, name=f"drop{block}")(x)
    x = layers.Flatten(dtype=precision, name="flat")(x)
    x = layers.Dropout(dropout, dtype=precision, name="drop")(x)
    # Softmax and loss need float32, also where the rest is computed in 16 bits.
    logits = layers.Dense(outputs, dtype="float32", name="logits")(x)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(faces, probabilities, name="emopy")
