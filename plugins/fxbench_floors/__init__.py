"""The least that a component can do: a whole image is a face, and the most frequent emotion wins.

They stand in every table, so that a score can be read against them.
"""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option

FREQUENCIES = "8733,7284,3136,3022,2098,116,536,120"
"""Images per emotion in FER+ train, majority protocol with label.csv, in FER+ order."""


def _full_frame() -> Any:
    from fxbench_floors.floors import FullFrame

    return FullFrame()


def _mean_shape() -> Any:
    from fxbench_floors.mean_shape import MeanShape

    return MeanShape()


def _prior(*, frequencies: str) -> Any:
    from fxbench_floors.floors import Prior

    return Prior(frequencies)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `full-frame`."""
    return [
        Component(
            name="full-frame",
            summary="The whole image as one face: the floor for detectors.",
            factory=_full_frame,
            traits=frozenset({"default", "floor"}),
        )
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarker `mean-shape`."""
    return [
        Component(
            name="mean-shape",
            summary="One face of 68 points put into every box: the floor for landmarkers.",
            factory=_mean_shape,
            traits=frozenset({"default", "floor"}),
        )
    ]


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifier `prior`."""
    return [
        Component(
            name="prior",
            summary="The class frequencies of FER+ train for every face: the floor of accuracy.",
            factory=_prior,
            traits=frozenset({"default", "floor"}),
            options=(
                Option(
                    "frequencies",
                    "str",
                    FREQUENCIES,
                    "Eight numbers, comma-separated, in the order neutral, happiness, surprise, "
                    "sadness, anger, disgust, fear, contempt.",
                ),
            ),
        )
    ]
