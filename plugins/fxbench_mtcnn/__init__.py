"""MTCNN, by the package mtcnn: a detector with five points."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fxbench
from fxbench.component import Component, Option, Weights
from fxbench.views import Found, Located, view
from fxbench.weights import verified

_PACKAGE = "mtcnn"
_FILES = (
    ("pnet.lz4", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5", 27119),
    ("rnet.lz4", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee", 401659),
    ("onet.lz4", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3", 1557637),
)


def locate(name: str) -> Path | None:
    """A weight file of the installed package mtcnn, which is not imported."""
    spec = find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "assets" / "weights" / name
        if path.is_file():
            return path
    return None


_WEIGHTS = tuple(
    Weights(
        name,
        partial(locate, name),
        sha256,
        "pip install --force-reinstall --no-deps 'mtcnn==1.0.0', which ships the file",
        source="https://github.com/ipazc/mtcnn, in the package mtcnn 1.0.0",
        licence="MIT, as the package",
        bytes=size,
    )
    for name, sha256, size in _FILES
)


def _mtcnn(
    *,
    min_face_size: int,
    scale_factor: float,
    threshold_pnet: float,
    threshold_rnet: float,
    threshold_onet: float,
) -> Any:
    # The package unpickles its weights, so what is in them must be known before.
    first, second, third = (verified("mtcnn", file) for file in _WEIGHTS)
    from fxbench_mtcnn.detector import Mtcnn

    return Mtcnn(
        (first, second, third),
        min_face_size=min_face_size,
        scale_factor=scale_factor,
        thresholds=(threshold_pnet, threshold_rnet, threshold_onet),
    )


MTCNN = Component(
    name="mtcnn",
    summary="MTCNN on TensorFlow: boxes and five points in one call.",
    factory=_mtcnn,
    extra="mtcnn",
    requires=("mtcnn", "tensorflow"),
    options=(
        Option("min_face_size", "int", 20, "The side of the smallest face, pixels, at least 12."),
        Option(
            "scale_factor",
            "float",
            0.709,
            "The size of each image that is searched over the one before, below 0.95.",
        ),
        Option("threshold_pnet", "float", 0.6, "The lowest score in the first network, 0 to 1."),
        Option("threshold_rnet", "float", 0.7, "The lowest score in the second network, 0 to 1."),
        Option("threshold_onet", "float", 0.8, "The lowest score of a face, 0 to 1."),
    ),
    weights=_WEIGHTS,
)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `mtcnn`."""
    return [
        view(
            "mtcnn",
            "MTCNN, three small networks one behind the other (Zhang et al. 2016).",
            of=MTCNN,
            factory=Found,
        )
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarker `mtcnn-5`."""
    return [
        view(
            "mtcnn-5",
            "MTCNN's five points: centres of the eyes, tip of the nose, corners of the mouth.",
            of=MTCNN,
            factory=Located,
        )
    ]
