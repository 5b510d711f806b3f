"""`emopy`: the small convolutional network that the EmoPy project found best, trained on FER+."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component
from fxbench.shipped import components

if TYPE_CHECKING:
    from fxbench.training.keras_trainer import KerasTrainer

_LICENCE = "research use: the FER2013 images that it was trained on carry no open licence"


def _network() -> Any:
    from fxbench_emopy.network import build

    return build()


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `emopy`, `emopy-onnx` and `emopy-int8`."""
    summary = "EmoPy's convolutional network (92,424 parameters), trained on FER+."
    return components("emopy", summary, Path(__file__).parent, _network, licence=_LICENCE)


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
