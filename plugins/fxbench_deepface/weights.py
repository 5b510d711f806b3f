"""Where DeepFace's weight files are looked for. Nothing is ever downloaded."""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from fxbench.component import Weights
from fxbench.errors import WeightsError
from fxbench.weights import deepface_folder, search, verified

_DLIB_MODELS = "face_recognition_models"
_DLIB_FILE = "shape_predictor_5_face_landmarks.dat"


def locate(name: str) -> Path | None:
    """A file where DeepFace keeps it if DEEPFACE_HOME says so, else where fxbench looks.

    That is: with DEEPFACE_HOME set, `$DEEPFACE_HOME/.deepface/weights`, then what
    :func:`fxbench.weights.search` finds. Without it, the latter, which ends in
    `~/.deepface/weights`.
    """
    path = deepface_folder() / name
    return path if os.environ.get("DEEPFACE_HOME") and path.is_file() else search(name)


def file(
    name: str,
    url: str | None,
    mend: str,
    *,
    sha256: str | None = None,
    size: int | None = None,
    licence: str = "",
    source: str = "",
) -> Weights:
    """The record of a weight file that DeepFace loads."""
    return Weights(
        name,
        partial(locate, name),
        sha256,
        mend,
        source=f"{source or url}, looked for in $DEEPFACE_HOME/.deepface/weights, "
        "FXBENCH_WEIGHTS, fxbench's store and the home folder",
        licence=licence,
        url=url,
        bytes=size,
    )


def found(component: str, weights: Weights) -> Path:
    """Where a component's file lies, once its contents are known to be the declared ones.

    Raises:
        WeightsError: it is missing, or is not the one that was declared.
    """
    if weights.locate() is None:
        raise WeightsError(
            f"{component} needs the weights {weights.name}, which are neither in "
            "$DEEPFACE_HOME/.deepface/weights (else ~/.deepface/weights) nor where fxbench looks "
            f"for weights (FXBENCH_WEIGHTS names folders). {weights.mend}"
        )
    return verified(component, weights)


def dlib_points() -> Weights:
    """The record of dlib's five-point model, which the package face-recognition-models ships."""
    return Weights(
        _DLIB_FILE,
        _dlib_points,
        "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        "pip install 'fxbench[dlib]'",
        source="https://github.com/davisking/dlib-models, by way of face-recognition-models",
        licence="CC0 1.0 (public domain)",
        bytes=9150489,
    )


def _dlib_points() -> Path | None:
    found = locate(_DLIB_FILE)
    if found is not None:
        return found
    # That package can't be imported where setuptools has no `pkg_resources`, so it is not.
    spec = find_spec(_DLIB_MODELS)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / _DLIB_FILE
        if path.is_file():
            return path
    return None
