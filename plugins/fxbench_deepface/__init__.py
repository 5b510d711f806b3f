"""DeepFace's emotion model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fxbench
from fxbench.component import Component, Weights
from fxbench.errors import WeightsError
from fxbench.weights import search

FILE = "facial_expression_model_weights.h5"

_MEND = (
    "python -c \"from deepface import DeepFace; DeepFace.build_model('Emotion', "
    "task='facial_attribute')\""
)
"""DeepFace downloads the file into $DEEPFACE_HOME/.deepface/weights, else ~/.deepface/weights."""


def _locate() -> Path | None:
    """Where DeepFace keeps the file if DEEPFACE_HOME says so, FXBENCH_WEIGHTS, the home folder."""
    home = os.environ.get("DEEPFACE_HOME")
    if home:
        path = Path(home) / ".deepface" / "weights" / FILE
        return path if path.is_file() else search(FILE)
    found = search(FILE)
    if found is not None:
        return found
    path = Path.home() / ".deepface" / "weights" / FILE
    return path if path.is_file() else None


def _deepface() -> Any:
    path = _locate()
    if path is None:
        raise WeightsError(
            f"deepface needs the weights {FILE}, which are neither in "
            "$DEEPFACE_HOME/.deepface/weights (else ~/.deepface/weights) nor in a folder that "
            f"FXBENCH_WEIGHTS names. DeepFace fetches them with {_MEND}"
        )
    from fxbench_deepface.emotion import Emotion

    return Emotion(path)


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifier `deepface`."""
    return [
        Component(
            name="deepface",
            summary="DeepFace's emotion model: a small convolutional network, seven emotions.",
            factory=_deepface,
            traits=frozenset({"default"}),
            extra="deepface",
            requires=("deepface", "tensorflow", "tf_keras"),
            weights=(
                Weights(
                    FILE,
                    _locate,
                    sha256=None,
                    mend=_MEND,
                    source="https://github.com/serengil/deepface_models/releases/tag/v1.0, looked "
                    "for in $DEEPFACE_HOME/.deepface/weights, FXBENCH_WEIGHTS and the home folder",
                ),
            ),
        )
    ]
