"""Compare DeepFace's detectors with `DeepFace.extract_faces`; run by test_deepface_detectors.py.

    deepface_detectors_faithful.py BACKENDS IMAGE...

An image below 128 pixels a side is enlarged for both, where the component says so.
"""

from __future__ import annotations

import json
import os
import sys

import cv2
import numpy as np
from fxbench_deepface import fxbench_detectors
from fxbench_deepface.backends import BACKENDS

from fxbench.enlarge import enlarge
from fxbench.types import Boxes

COMPONENTS = {component.name: component for component in fxbench_detectors()}
images = {path: cv2.imread(path)[..., ::-1] for path in sys.argv[2:]}

mine: dict[tuple[str, bool, str], Boxes] = {}
before = dict(os.environ)
for name in sys.argv[1].split(","):
    component = COMPONENTS[f"deepface-{name}"]
    options = {option.name: option.default for option in component.options}
    for align in (False, True):
        detector = component.factory(**options | {"align": align})
        for path, image in images.items():
            mine[name, align, path] = detector.detect((image,))
changed = sorted(k for k in {*before, *os.environ} if before.get(k) != os.environ.get(k))

# After what it must not have been needed for.
from deepface import DeepFace  # noqa: E402
from deepface.modules import detection  # noqa: E402
from deepface.modules.exceptions import FaceNotDetected  # noqa: E402


def own(image: np.ndarray, backend: str, *, align: bool) -> list[list[float]]:
    bgr = np.ascontiguousarray(image[..., ::-1])
    if align:
        # What extract_faces calls. It then moves a box that begins outside the picture inwards
        # without making it narrower, so that its other side is wrong.
        faces = detection.detect_faces(backend, bgr, align=True)
        areas = [(face.facial_area, face.confidence) for face in faces]
        return [[area.x, area.y, area.w, area.h, score] for area, score in areas]
    try:
        faces = DeepFace.extract_faces(bgr, detector_backend=backend, align=False)
    except FaceNotDetected:
        return []
    keys = ("x", "y", "w", "h")
    return [[*(float(f["facial_area"][key]) for key in keys), f["confidence"]] for f in faces]


result = {}
for name in sys.argv[1].split(","):
    (backend,) = (known for known in BACKENDS if known.name == name)
    figures = {"faces": 0, "pixels": 0.0, "score": 0.0, "different": []}
    for align in (False, True):
        for path, image in images.items():
            small = backend.enlarged is not None and min(image.shape[:2]) < 128
            side, padding = backend.enlarged if small else (0, 0.0)
            search = enlarge(image, min_side=side, padding=padding)
            table = np.array(own(search.image, name, align=align), np.float64).reshape(-1, 5)
            table[:, 2:4] += table[:, :2]
            theirs = np.array(search.restore(table)).reshape(-1, 5)
            found = mine[name, align, path]
            ours = np.column_stack([found.xyxy, found.score])
            if len(ours) != len(theirs):
                figures["different"].append([path, align, len(ours), len(theirs)])
                continue
            figures["faces"] += len(ours)
            ours, theirs = (rows[np.argsort(rows[:, 0])] for rows in (ours, theirs))
            off = np.abs(ours - theirs)
            # Of the picture that was searched: what is enlarged is reduced afterwards.
            figures["pixels"] = max(figures["pixels"], search.scale * off[:, :4].max(initial=0.0))
            figures["score"] = max(figures["score"], off[:, 4].max(initial=0.0))
    result[name] = figures
print(json.dumps({"backends": result, "changed": changed}))
