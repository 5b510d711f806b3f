"""`mobilenetv2`: MobileNetV2, from ImageNet's weights fine-tuned on FER+."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component, Option
from fxbench.shipped import components

if TYPE_CHECKING:
    from fxbench.training.keras_trainer import KerasTrainer

_LICENCE = "research use: the FER2013 images that it was trained on carry no open licence"


def _network() -> Any:
    from fxbench_mobilenetv2.network import build

    return build()


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `mobilenetv2`, `mobilenetv2-onnx` and `mobilenetv2-int8`."""
    summary = "MobileNetV2 (2,268,232 parameters), ImageNet weights fine-tuned on FER+."
    return components("mobilenetv2", summary, Path(__file__).parent, _network, licence=_LICENCE)


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
