"""Compare the classifier `deepface-onnx` with DeepFace's ONNX engine; run by test_deepface_onnx.py.

    DEEPFACE_BACKEND_ENGINE=onnx deepface_onnx_faithful.py

The weights are in DEEPFACE_HOME.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
from deepface import DeepFace
from fxbench_deepface import fxbench_classifiers

LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]

before = dict(os.environ)
component = next(c for c in fxbench_classifiers() if c.name == "deepface-onnx")
mine = component.factory()

drawn = np.random.default_rng(0)
faces = np.zeros((9, 224, 224, 3), np.uint8)
faces[1:5] = drawn.integers(0, 256, (4, 224, 224, 3), np.uint8)
faces[5, :112] = 250
faces[6] = np.arange(224, dtype=np.uint8)[:, None, None]
faces[7] = 1
faces[8, 30:190, 30:190] = drawn.integers(0, 3, (160, 160, 3), np.uint8)


def own(rgb: np.ndarray) -> list[float]:
    (answer,) = DeepFace.analyze(
        np.ascontiguousarray(rgb[..., ::-1]),
        actions=["emotion"],
        detector_backend="skip",
        silent=True,
    )
    return [answer["emotion"][label] / 100 for label in LABELS]


theirs = np.array([own(face) for face in faces])
print(
    json.dumps(
        {
            "largest": float(np.abs(mine.predict(faces) - theirs).max()),
            "range": float(np.ptp(theirs, axis=0).max()),
            "changed": [key for key in before if os.environ.get(key) != before[key]],
            "tensorflow": "tensorflow" in sys.modules,
        }
    )
)
