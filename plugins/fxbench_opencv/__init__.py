"""Detectors of OpenCV: the cascade that it ships, and two networks of its authors."""

from __future__ import annotations

from functools import partial
from typing import Any

import fxbench
from fxbench.component import Component, Option, Weights
from fxbench.views import Found, Located, view
from fxbench.weights import search, verified

YUNET_FILE = "face_detection_yunet_2023mar.onnx"
SSD_FILE = "res10_300x300_ssd_iter_140000.caffemodel"
SSD_LAYERS_FILE = "deploy.prototxt"

_ZOO = "opencv/opencv_zoo/f12e12798e8314f7c074a6656816c048dcc95b7a/models/face_detection_yunet"
_3RDPARTY = "opencv/opencv_3rdparty/dnn_samples_face_detector_20170830"


def _file(
    component: str, name: str, sha256: str, size: int, url: str, source: str, licence: str
) -> Weights:
    return Weights(
        name,
        partial(search, name),
        sha256,
        f"fxbench weights fetch {component}",
        source=source,
        licence=licence,
        url=url,
        bytes=size,
    )


_YUNET = _file(
    "opencv-yunet",
    YUNET_FILE,
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    232589,
    # The repository itself holds a pointer (Git LFS), this address the file.
    f"https://media.githubusercontent.com/media/{_ZOO}/{YUNET_FILE}",
    "https://github.com/opencv/opencv_zoo, models/face_detection_yunet",
    "MIT (in opencv_zoo; Apache 2.0 in libfacedetection.train, where it was trained)",
)
_SSD = (
    # Later versions of OpenCV have another file of this name, which leaves out scores below 0.2.
    _file(
        "opencv-ssd",
        SSD_LAYERS_FILE,
        "f62621cac923d6f37bd669298c428bb7ee72233b5f8c3389bb893e35ebbcf795",
        28092,
        "https://raw.githubusercontent.com/opencv/opencv/4.0.1/samples/dnn/face_detector/"
        f"{SSD_LAYERS_FILE}",
        "https://github.com/opencv/opencv, tag 4.0.1, samples/dnn/face_detector",
        "BSD 3-clause, as OpenCV 4.0.1",
    ),
    _file(
        "opencv-ssd",
        SSD_FILE,
        "2a56a11a57a4a295956b0660b4a3d76bbdca2206c4961cea8efe7d95c7cb2f2d",
        10666211,
        f"https://raw.githubusercontent.com/{_3RDPARTY}/{SSD_FILE}",
        "https://github.com/opencv/opencv_3rdparty, branch dnn_samples_face_detector_20170830",
        "not stated with the file; OpenCV, whose authors trained it, is under BSD 3-clause",
    ),
)


def _haar(*, scale_factor: float, min_neighbors: int, min_size: int) -> Any:
    from fxbench_opencv.haar import Haar

    return Haar(scale_factor, min_neighbors, min_size)


def _yunet(*, threshold: float, nms: float, top_k: int, max_side: int) -> Any:
    path = verified("yunet", _YUNET)
    from fxbench_opencv.yunet import YuNet

    return YuNet(path, threshold=threshold, nms=nms, top_k=top_k, max_side=max_side)


def _ssd(*, threshold: float) -> Any:
    layers, weights = (verified("opencv-ssd", file) for file in _SSD)
    from fxbench_opencv.ssd import Ssd

    return Ssd(layers, weights, threshold)


YUNET = Component(
    name="yunet",
    summary="OpenCV's YuNet: boxes and five points in one call.",
    factory=_yunet,
    requires=("cv2",),
    options=(
        Option(
            "threshold",
            "float",
            0.9,
            "The lowest score of a face, 0 to 1; a lower one finds more, and errs more.",
        ),
        Option(
            "nms",
            "float",
            0.3,
            "The overlap, 0 to 1, above which the box of lower score is dropped.",
        ),
        Option("top_k", "int", 5000, "How many boxes are kept before overlapping ones go."),
        Option(
            "max_side",
            "int",
            0,
            "An image whose longer side is above this is shrunk to it, pixels; 0 shrinks none.",
        ),
    ),
    weights=(_YUNET,),
)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detectors `opencv-haar`, `opencv-yunet` and `opencv-ssd`."""
    return [
        Component(
            name="opencv-haar",
            summary="OpenCV's Haar cascade for frontal faces (Viola and Jones 2001).",
            factory=_haar,
            traits=frozenset({"default"}),
            requires=("cv2",),
            options=(
                Option(
                    "scale_factor",
                    "float",
                    1.1,
                    "How much larger each size that is searched is than the one before, above 1.",
                ),
                Option(
                    "min_neighbors",
                    "int",
                    5,
                    "How many overlapping windows make a face; fewer find more, and err more.",
                ),
                Option(
                    "min_size",
                    "int",
                    24,
                    "The side of the smallest face that is searched, pixels of the image.",
                ),
            ),
        ),
        view(
            "opencv-yunet",
            "OpenCV's YuNet, a small convolutional network (Wu, Peng and Yu 2023).",
            of=YUNET,
            factory=Found,
        ),
        Component(
            name="opencv-ssd",
            summary="OpenCV's single-shot detector on a small ResNet, of 300 x 300 pixels.",
            factory=_ssd,
            requires=("cv2",),
            options=(
                Option(
                    "threshold",
                    "float",
                    0.5,
                    "A face has a score above this, 0 to below 1.",
                ),
            ),
            weights=_SSD,
        ),
    ]


@fxbench.hookimpl
def fxbench_landmarkers() -> list[Component]:
    """The landmarker `yunet-5`."""
    return [
        view(
            "yunet-5",
            "YuNet's five points: centres of the eyes, tip of the nose, corners of the mouth.",
            of=YUNET,
            factory=Located,
        )
    ]
