"""`emopy`: the small convolutional network that the EmoPy project found best, trained on FER+."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import fxbench
from fxbench.component import Component, Weights

if TYPE_CHECKING:
    from fxbench_emopy.classifier import Emopy

SHA256 = "8ba4b52fc0a5e0c544905a512c7386abb6a55889d8d4afc275a08447fb1a6876"
"""Of the weight file that this version ships; CARD.md says how it was trained."""


def locate() -> Path | None:
    """The weight file beside this module, None where it is missing."""
    path = Path(__file__).with_name("emopy.weights.h5")
    return path if path.is_file() else None


def create() -> Emopy:
    """The classifier with its verified weights.

    Raises:
        UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
        WeightsError: the weight file is missing, or is not the one that was shipped.
    """
    from fxbench_emopy.classifier import Emopy

    return Emopy(locate(), SHA256)


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifier `emopy`."""
    return [
        Component(
            name="emopy",
            summary="EmoPy's convolutional network (92,424 parameters), trained on FER+.",
            factory=create,
            extra="tensorflow",
            requires=("tensorflow", "keras"),
            traits=frozenset({"default", "gradient"}),
            weights=(
                Weights(
                    name="emopy.weights.h5",
                    locate=locate,
                    sha256=SHA256,
                    mend="pip install --force-reinstall --no-deps fxbench",
                    source="shipped with fxbench, trained by `python -m fxbench_emopy.train`",
                    licence=(
                        "research use: the FER2013 images that it was trained on carry no open "
                        "licence"
                    ),
                ),
            ),
            licence="research use, see the weights",
        )
    ]
