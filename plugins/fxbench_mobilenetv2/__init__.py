"""`mobilenetv2`: MobileNetV2, from ImageNet's weights fine-tuned on FER+."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component, Option, Weights
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

    return KerasNetwork("mobilenetv2", _network, weights("mobilenetv2.weights.h5"))


def create_onnx() -> OnnxNetwork:
    """The same network in ONNX Runtime.

    Raises:
        WeightsError: the file is missing, or is not the one that was shipped.
    """
    from fxbench.onnx_network import OnnxNetwork

    return OnnxNetwork("mobilenetv2-onnx", weights("mobilenetv2.onnx"))


def create_int8() -> OnnxNetwork:
    """The same network in ONNX Runtime with 8-bit weights and activations.

    Raises:
        WeightsError: the file is missing, or is not the one that was shipped.
    """
    from fxbench.onnx_network import OnnxNetwork

    return OnnxNetwork("mobilenetv2-int8", weights("mobilenetv2-int8.onnx"))


def _network() -> Any:
    from fxbench_mobilenetv2.network import build

    return build()


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `mobilenetv2`, `mobilenetv2-onnx` and `mobilenetv2-int8`."""
    return [
        Component(
            name="mobilenetv2",
            summary="MobileNetV2 (2,268,232 parameters), ImageNet weights fine-tuned on FER+.",
            factory=create,
            extra="tensorflow",
            requires=("tensorflow", "keras"),
            traits=frozenset({"default", "gradient"}),
            weights=(weights("mobilenetv2.weights.h5"),),
            licence="research use, see the weights",
        ),
        Component(
            name="mobilenetv2-onnx",
            summary="mobilenetv2 in ONNX Runtime: the same network, without TensorFlow.",
            factory=create_onnx,
            requires=("onnxruntime",),
            traits=frozenset({"default"}),
            weights=(weights("mobilenetv2.onnx"),),
            variant_of="mobilenetv2",
            licence="research use, see the weights",
        ),
        Component(
            name="mobilenetv2-int8",
            summary="mobilenetv2 in ONNX Runtime with 8-bit weights and activations.",
            factory=create_int8,
            requires=("onnxruntime",),
            traits=frozenset({"default"}),
            weights=(weights("mobilenetv2-int8.onnx"),),
            variant_of="mobilenetv2",
            licence="research use, see the weights",
        ),
    ]


def create_trainer(imagenet: str) -> KerasTrainer:
    """What trains `mobilenetv2`.

    Args:
        imagenet: see the option.
    """
    from fxbench.training.keras_trainer import KerasTrainer
    from fxbench_mobilenetv2.trainer import RECIPE, MobileNetV2

    return KerasTrainer(MobileNetV2(imagenet), RECIPE)


@fxbench.hookimpl
def fxbench_trainers() -> list[Component]:
    """The trainer `mobilenetv2`."""
    return [
        Component(
            name="mobilenetv2",
            summary="Trains MobileNetV2 from ImageNet's weights: its output first, then all of it.",
            factory=create_trainer,
            extra="train",
            requires=("keras", "matplotlib", "tf2onnx"),
            options=(
                Option(
                    "imagenet",
                    "str",
                    "imagenet",
                    "The weights to begin with: `imagenet` lets Keras download its own; else a "
                    "file of MobileNetV2's weights without the top (.h5).",
                ),
            ),
        )
    ]
