"""`emopy`: the small convolutional network that the EmoPy project found best, trained on FER+."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component, Weights
from fxbench.weights import shipped

if TYPE_CHECKING:
    from fxbench.keras_network import KerasNetwork
    from fxbench.onnx_network import OnnxNetwork
    from fxbench.training.keras_trainer import KerasTrainer

_LICENCE = "research use: the FER2013 images that it was trained on carry no open licence"


def weights(name: str) -> Weights:
    """A weight file beside this module; CARD.md says how it was trained."""
    return shipped(
        Path(__file__).parent,
        name,
        mend="pip install --force-reinstall --no-deps fxbench",
        source="shipped with fxbench, see the plugin's CARD.md",
        licence=_LICENCE,
    )


def create() -> KerasNetwork:
    """The classifier on TensorFlow, with its verified weights.

    Raises:
        UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
        WeightsError: the weight file is missing, or is not the one that was shipped.
    """
    from fxbench.keras_network import KerasNetwork

    return KerasNetwork("emopy", _network, weights("emopy.weights.h5"))


def create_onnx() -> OnnxNetwork:
    """The same network in ONNX Runtime.

    Raises:
        WeightsError: the file is missing, or is not the one that was shipped.
    """
    from fxbench.onnx_network import OnnxNetwork

    return OnnxNetwork("emopy-onnx", weights("emopy.onnx"))


def create_int8() -> OnnxNetwork:
    """The same network in ONNX Runtime with 8-bit weights and activations.

    Raises:
        WeightsError: the file is missing, or is not the one that was shipped.
    """
    from fxbench.onnx_network import OnnxNetwork

    return OnnxNetwork("emopy-int8", weights("emopy-int8.onnx"))


def _network() -> Any:
    from fxbench_emopy.network import build

    return build()


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `emopy`, `emopy-onnx` and `emopy-int8`."""
    return [
        Component(
            name="emopy",
            summary="EmoPy's convolutional network (92,424 parameters), trained on FER+.",
            factory=create,
            extra="tensorflow",
            requires=("tensorflow", "keras"),
            traits=frozenset({"default", "gradient"}),
            weights=(weights("emopy.weights.h5"),),
            licence="research use, see the weights",
        ),
        Component(
            name="emopy-onnx",
            summary="emopy in ONNX Runtime: the same network, without TensorFlow.",
            factory=create_onnx,
            requires=("onnxruntime",),
            traits=frozenset({"default"}),
            weights=(weights("emopy.onnx"),),
            variant_of="emopy",
            licence="research use, see the weights",
        ),
        Component(
            name="emopy-int8",
            summary="emopy in ONNX Runtime with 8-bit weights and activations.",
            factory=create_int8,
            requires=("onnxruntime",),
            traits=frozenset({"default"}),
            weights=(weights("emopy-int8.onnx"),),
            variant_of="emopy",
            licence="research use, see the weights",
        ),
    ]


def create_trainer() -> KerasTrainer:
    """What trains `emopy`."""
    from fxbench.training.keras_trainer import KerasTrainer
    from fxbench_emopy.trainer import RECIPE, EmopyNetwork

    return KerasTrainer(EmopyNetwork(), RECIPE)


@fxbench.hookimpl
def fxbench_trainers() -> list[Component]:
    """The trainer `emopy`."""
    return [
        Component(
            name="emopy",
            summary="Trains EmoPy's convolutional network from nothing.",
            factory=create_trainer,
            extra="train",
            requires=("keras", "matplotlib", "tf2onnx"),
        )
    ]
