"""DeepFace's detector backends: a table of what each needs, read without importing anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fxbench.component import Component, Option, Weights
from fxbench.errors import UnavailableError
from fxbench_deepface.weights import dlib_points, file

_RELEASES = "https://github.com/serengil/deepface_models/releases/download/v1.0/"
_OPENCV = "https://github.com/opencv/"
_YAPA = "https://github.com/YapaLab/yolo-face/releases/download/1.0.0/"
_AKANAMETOV = "https://github.com/akanametov/yolo-face/releases/download/1.0.0/"

_WITH_YOLO = (
    "pip install --no-deps ultralytics && pip install 'fxbench[deepface]' matplotlib pillow psutil "
    "pyyaml requests torch torchvision"
)
"""Not ultralytics with what it asks for: that puts another OpenCV over the one that is there."""

_WITH_FACENET = (
    "pip install --no-deps facenet-pytorch && pip install 'fxbench[deepface]' pillow requests "
    "torch torchvision tqdm"
)
"""facenet-pytorch itself asks for a NumPy before 2, which the other packages don't go with."""

_WITH_MEDIAPIPE = (
    "pip install --no-deps 'mediapipe<0.10.30' && pip install 'fxbench[deepface]' absl-py attrs "
    "flatbuffers matplotlib protobuf"
)
"""DeepFace asks for `mediapipe.solutions`, which later releases don't have; those before ask for a
NumPy before 2 and for another OpenCV."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One of DeepFace's detectors.

    Attributes:
        name: DeepFace's name for it.
        what: the method, for the component's summary.
        needs: modules beside DeepFace's own.
        install: the command that installs them; None where the extra `deepface` does.
        weights: the files that it loads.
        threshold: the environment variable that DeepFace reads the lowest confidence of a face
            from, and its value where that is not set. None where the code fixes it.
        fixed: other variables that it reads, with the values that they have where nobody sets
            them. They are no options.
        enlarged: to which shorter side, pixels, a picture is enlarged whose own is below 128, and
            how much black is put around it, as a fraction of that side. None where it brings every
            picture to one size itself.
        reloads: it loads its weights for every image.
        scored: DeepFace's confidence says how sure a face is.
        licence: where it restricts use.
    """

    name: str
    what: str
    needs: tuple[str, ...] = ()
    install: str | None = None
    weights: tuple[Weights, ...] = ()
    threshold: tuple[str, float] | None = None
    fixed: tuple[tuple[str, str], ...] = ()
    enlarged: tuple[int, float] | None = (128, 0.25)
    reloads: bool = False
    scored: bool = True
    licence: str = ""


def _fetch(name: str) -> str:
    return f"fxbench weights fetch deepface-{name}"


def _yolo(name: str, url: str | None = None) -> Backend:
    """A YOLO network of version 8, 11 or 12: size n, s, m or l."""
    weights = f"{name}-face.pt"
    mend = (
        'python -c "from deepface import DeepFace; DeepFace.build_model('
        f"'{name}', task='face_detector')\""
    )
    return Backend(
        name,
        f"a {name.replace('yolov', 'YOLOv')} network for faces, on PyTorch",
        ("ultralytics", "torch"),
        _WITH_YOLO,
        (
            file(
                weights,
                url and url + weights,
                _fetch(name) if url else mend,
                source="https://github.com/derronqi/yolov8-face",
                licence="as ultralytics: AGPL-3.0",
            ),
        ),
        ("YOLO_MIN_DETECTION_CONFIDENCE", 0.25),
        licence="ultralytics and what is trained with it are under AGPL-3.0",
    )


BACKENDS: tuple[Backend, ...] = (
    Backend("opencv", "OpenCV's Haar cascade for frontal faces", ("cv2",), scored=False),
    Backend(
        "ssd",
        "OpenCV's single shot detector, a ResNet-10 at 300 x 300",
        ("cv2",),
        weights=(
            file(
                "deploy.prototxt",
                f"{_OPENCV}opencv/raw/3.4.0/samples/dnn/face_detector/deploy.prototxt",
                _fetch("ssd"),
                sha256="f62621cac923d6f37bd669298c428bb7ee72233b5f8c3389bb893e35ebbcf795",
                size=28092,
                licence="BSD 3-clause, as OpenCV 4.0.1",
            ),
            file(
                "res10_300x300_ssd_iter_140000.caffemodel",
                f"{_OPENCV}opencv_3rdparty/raw/dnn_samples_face_detector_20170830/"
                "res10_300x300_ssd_iter_140000.caffemodel",
                _fetch("ssd"),
                sha256="2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d",
                size=10666211,
                licence="not stated with the file; OpenCV, whose authors trained it, is under "
                "BSD 3-clause",
            ),
        ),
        enlarged=None,
    ),
    Backend(
        "yunet",
        "YuNet through OpenCV, pictures reduced to 640 pixels",
        ("cv2",),
        weights=(
            file(
                "face_detection_yunet_2023mar.onnx",
                f"{_OPENCV}opencv_zoo/raw/main/models/face_detection_yunet/"
                "face_detection_yunet_2023mar.onnx",
                _fetch("yunet"),
                sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
                size=232589,
                licence="MIT (in opencv_zoo; Apache 2.0 in libfacedetection.train, where it was "
                "trained)",
            ),
        ),
        threshold=("yunet_score_threshold", 0.9),
        # It finds more than at 128 pixels, and fewer with black around them.
        enlarged=(256, 0.0),
    ),
    Backend(
        "dlib",
        "dlib's frontal face detector, pictures doubled once",
        ("dlib",),
        "pip install 'fxbench[deepface,dlib]'",
        (dlib_points(),),
    ),
    Backend(
        "mtcnn",
        "MTCNN, three small networks in a cascade, of the package mtcnn",
        ("mtcnn", "tensorflow"),
        "pip install 'fxbench[deepface,mtcnn]'",
    ),
    Backend(
        "retinaface",
        "RetinaFace with a ResNet-50, of the package retina-face",
        ("retinaface", "tensorflow", "tf_keras"),
        weights=(
            file(
                "retinaface.h5",
                f"{_RELEASES}retinaface.h5",
                _fetch("retinaface"),
            ),
        ),
    ),
    Backend(
        "centerface",
        "CenterFace through OpenCV",
        ("cv2",),
        weights=(
            file(
                "centerface.onnx",
                "https://github.com/Star-Clouds/CenterFace/raw/master/models/onnx/centerface.onnx",
                _fetch("centerface"),
                licence="MIT",
            ),
        ),
        threshold=("CENTERFACE_THRESHOLD", 0.35),
        reloads=True,
    ),
    Backend(
        "mediapipe",
        "MediaPipe's short-range model for faces (BlazeFace)",
        ("mediapipe",),
        _WITH_MEDIAPIPE,
        threshold=("MEDIAPIPE_MIN_DETECTION_CONFIDENCE", 0.7),
        fixed=(("MEDIAPIPE_MODEL_SELECTION", "0"),),
    ),
    Backend(
        "fastmtcnn",
        "MTCNN of the package facenet-pytorch",
        ("facenet_pytorch", "torch"),
        _WITH_FACENET,
    ),
    _yolo("yolov8n"),
    _yolo("yolov8m", _YAPA),
    _yolo("yolov8l", _YAPA),
    _yolo("yolov11n", _AKANAMETOV),
    _yolo("yolov11s", _AKANAMETOV),
    _yolo("yolov11m", _AKANAMETOV),
    _yolo("yolov11l", _YAPA),
    _yolo("yolov12n", _YAPA),
    _yolo("yolov12s", _YAPA),
    _yolo("yolov12m", _YAPA),
    _yolo("yolov12l", _YAPA),
)

_ALIGN = Option(
    "align",
    "bool",
    False,
    "Pad the picture with black by half of its size on each side before the search, as "
    "`DeepFace.extract_faces` does unless it is told not to: then it finds fewer faces in a group.",
)


def detectors() -> list[Component]:
    """A component for each backend, those of a newer DeepFace included."""
    known = {backend.name for backend in BACKENDS}
    unknown = [name for name in offered() if name not in known]
    return [_component(backend) for backend in BACKENDS] + [_unknown(name) for name in unknown]


def offered() -> tuple[str, ...]:
    """The backends that the installed DeepFace names, read from its source; none where it can't be.

    Importing it would be slow, and leaves traces in the environment and the home folder.
    """
    try:
        spec = find_spec("deepface")
    except (ImportError, ValueError):
        return ()
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            text = (Path(folder) / "modules" / "modeling.py").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return tuple(re.findall(r'"(\w+)":\s*\{[^{}]*"deepface\.models\.face_detection\.', text))
    return ()


def _component(backend: Backend) -> Component:
    options = [_ALIGN]
    if backend.threshold is not None:
        help_ = (
            "The lowest confidence of a face, from 0 to 1; a lower one finds more, and errs more."
        )
        options.append(Option("threshold", "float", backend.threshold[1], help_))
    return Component(
        name=f"deepface-{backend.name}",
        summary=f"DeepFace's {backend.name}: {backend.what}.",
        factory=partial(_create, backend),
        extra="deepface",
        requires=("deepface", *backend.needs),
        traits=frozenset() if backend.scored else frozenset({"unscored"}),
        options=tuple(options),
        weights=backend.weights,
        mend=backend.install,
        licence=backend.licence,
    )


def _create(backend: Backend, *, align: bool, threshold: float | None = None) -> Any:
    from fxbench_deepface.detector import Detector

    return Detector(backend, align=align, threshold=threshold)


def _unknown(name: str) -> Component:
    """A backend that this release doesn't know: listed, so that it is not lost, and never run.

    What it needs is not known, so results could not be told from those of another state of it.
    """
    mend = "pip install --upgrade fxbench"
    module = f"{__package__}.{name}"

    def create() -> Any:
        raise UnavailableError(
            f"DeepFace has a detector {name!r} that this fxbench doesn't know; a newer one may: "
            f"{mend}"
        )

    return Component(
        name="deepface-" + "-".join(re.findall(r"[a-z0-9]+", name.lower())),
        summary=f"DeepFace's backend {name!r}, which is newer than this fxbench.",
        factory=create,
        extra="deepface",
        requires=("deepface", module),
        mend=mend,
    )
