"""Compare the classifier `deepface` with `DeepFace.analyze`; run by test_deepface.py.

    deepface_faithful.py ORDER FER2013Valid.zip

ORDER is the order in which Keras, the component and DeepFace's own entry point are imported.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile

import cv2
import numpy as np
from fxbench_deepface import fxbench_classifiers

from fxbench.faces import crops

LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
WATCHED = ("DEEPFACE_HOME", "TF_USE_LEGACY_KERAS", "FXBENCH_WEIGHTS", "DEEPFACE_BACKEND_ENGINE")

changed = []
for step in sys.argv[1].split(","):
    if step == "keras":
        import keras

        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])(np.zeros((1, 2)))
    elif step == "deepface":
        from deepface import DeepFace
    else:
        before = dict(os.environ)
        classifier = fxbench_classifiers()[0].factory()
        changed = [key for key in WATCHED if before.get(key) != os.environ.get(key)]


def own(rgb: np.ndarray) -> list[float]:
    answer = DeepFace.analyze(
        np.ascontiguousarray(rgb[..., ::-1]),
        actions=["emotion"],
        detector_backend="skip",
        silent=True,
    )
    return [answer[0]["emotion"][label] / 100 for label in LABELS]


with zipfile.ZipFile(sys.argv[2]) as file:
    names = sorted(name for name in file.namelist() if name.endswith(".png"))[::35]
    grey = [cv2.imdecode(np.frombuffer(file.read(name), np.uint8), 0) for name in names]
# Half of them lose their proportions and get colours, so that padding and grey are compared too.
images = [np.repeat(pixels[..., None], 3, axis=2) for pixels in grey]
images[::2] = [np.stack([x[..., 0], 255 - x[..., 0], x[..., 0]], 2)[5:40] for x in images[::2]]
frame = np.arange(len(images))
whole = np.array([[0, 0, image.shape[1], image.shape[0]] for image in images], np.float32)
faces = crops(tuple(images), (frame, whole), classifier.face)
mine = classifier.predict(faces)
theirs = np.array([own(face) for face in faces[::4]])
from_images = np.array([own(image) for image in images])

dark = np.zeros((4, 224, 224, 3), np.uint8)
dark[1] = 1
dark[2, ::2] = 1
dark[3, 50:] = 1
dark[3, 0, 0] = 2
difference = classifier.predict(dark) - np.array([own(face) for face in dark])

print(
    json.dumps(
        {
            "images": len(images),
            "on_the_array": float(np.abs(mine[::4] - theirs).max()),
            "on_dark_arrays": float(np.abs(difference).max()),
            "same_answers": float((mine.argmax(1) == from_images.argmax(1)).mean()),
            "keras": keras.__version__,
            "changed": changed,
        }
    )
)
