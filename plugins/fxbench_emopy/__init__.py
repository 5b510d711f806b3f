"""`emopy`: the small convolutional network that the EmoPy project found best, trained on FER+.

`emopy-robust` is the same network, trained further on adversarial faces.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component
from fxbench.shipped import components

if TYPE_CHECKING:
    from fxbench.training.keras_trainer import KerasTrainer

_FOLDER = Path(__file__).parent
_BASELINE = "emopy-onnx"
"""What other classifiers' errors on corrupted pictures are divided by: it needs no extra."""
_LICENCE = "research use: the FER2013 images that it was trained on carry no open licence"


def _network() -> Any:
    from fxbench_emopy.network import build

    return build()


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `emopy`, `emopy-onnx`, `emopy-int8`, `emopy-robust`, `emopy-robust-onnx`."""
    summary = "EmoPy's convolutional network (92,424 parameters), trained on FER+."
    robust = "emopy, trained further on adversarial faces: right more often under attack."
    own = components("emopy", summary, _FOLDER, _network, licence=_LICENCE)
    return [
        *(replace(c, traits=c.traits | {"baseline"}) if c.name == _BASELINE else c for c in own),
        *components(
            "emopy-robust",
            robust,
            _FOLDER,
            _network,
            licence=_LICENCE,
            variants=("onnx",),
            # Whoever compares protection asks for it; a plain run stays quick.
            default=False,
            card="CARD-robust.md",
        ),
    ]


def create_trainer() -> KerasTrainer:
    """What trains `emopy`."""
    from fxbench.training.keras_trainer import KerasTrainer
    from fxbench_emopy.trainer import RECIPE, EmopyNetwork

    return KerasTrainer(EmopyNetwork(), RECIPE)


def create_robust_trainer() -> KerasTrainer:
    """What trains `emopy-robust`."""
    from fxbench.training.keras_trainer import KerasTrainer
    from fxbench_emopy.trainer import ROBUST_RECIPE, RobustEmopyNetwork

    (weights,) = fxbench_classifiers()[0].weights
    return KerasTrainer(RobustEmopyNetwork(weights), ROBUST_RECIPE)


@fxbench.hookimpl
def fxbench_trainers() -> list[Component]:
    """The trainers `emopy` and `emopy-robust`."""
    return [
        Component(
            name="emopy",
            summary="Trains EmoPy's convolutional network from nothing.",
            factory=create_trainer,
            extra="train",
            requires=("keras", "matplotlib", "tf2onnx"),
        ),
        Component(
            name="emopy-robust",
            summary="Trains emopy's weights further, on faces changed to mislead it.",
            factory=create_robust_trainer,
            extra="train",
            requires=("keras", "matplotlib", "tf2onnx"),
        ),
    ]
