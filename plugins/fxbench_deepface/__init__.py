"""DeepFace's emotion model and its detectors."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component
from fxbench_deepface.backends import detectors
from fxbench_deepface.weights import file, found

FILE = "facial_expression_model_weights.h5"
ONNX_FILE = "facial_expression_model_weights.onnx"

_RELEASES = "https://github.com/serengil/deepface_models/releases/download/v1.0/"

_WEIGHTS = file(FILE, _RELEASES + FILE, "fxbench weights fetch deepface")
_ONNX_WEIGHTS = file(ONNX_FILE, _RELEASES + ONNX_FILE, "fxbench weights fetch deepface-onnx")


def _deepface() -> Any:
    path = found("deepface", _WEIGHTS)
    from fxbench_deepface.emotion import Emotion

    return Emotion(path)


def _deepface_onnx() -> Any:
    path = found("deepface-onnx", _ONNX_WEIGHTS)
    from fxbench_deepface.emotion_onnx import OnnxEmotion

    return OnnxEmotion(path)


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `deepface` and `deepface-onnx`."""
    return [
        Component(
            name="deepface",
            summary="DeepFace's emotion model: a small convolutional network, seven emotions.",
            factory=_deepface,
            traits=frozenset({"default", "gradient"}),
            extra="deepface",
            requires=("deepface", "tensorflow", "tf_keras"),
            weights=(_WEIGHTS,),
        ),
        Component(
            name="deepface-onnx",
            summary="DeepFace's emotion model for its ONNX engine, in ONNX Runtime.",
            factory=_deepface_onnx,
            requires=("onnxruntime",),
            weights=(_ONNX_WEIGHTS,),
            variant_of="deepface",
        ),
    ]


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """A detector for each of DeepFace's backends."""
    return detectors()
