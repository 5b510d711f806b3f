"""How much the harness costs: its throughput against that of bare loops, on FER+ valid.

Each test gives a ratio of two times that were taken in turn in one process; docs/benchmarks.md says
what is in each. No test fails because something is slow: they assert that both sides did the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fxbench.batching import BATCH
from fxbench.faces import choose, crops
from fxbench.labels import EMOTIONS
from fxbench.types import Batch, Boxes, UInt8

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(1800),
    # TensorFlow, Keras and DeepFace warn of one another's old interfaces.
    pytest.mark.filterwarnings("ignore"),
]

DEEPFACE_LABELS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}


def in_batches(faces: UInt8, predict: Callable[[UInt8], Any]) -> np.ndarray:
    return np.concatenate([predict(faces[i : i + BATCH]) for i in range(0, len(faces), BATCH)])


def whole(images: tuple[UInt8, ...]) -> tuple[Any, Any]:
    """The boxes of whole images, for `crops`."""
    sizes = [(0, 0, image.shape[1], image.shape[0]) for image in images]
    return np.arange(len(images)), np.array(sizes, np.float32)


@pytest.mark.parametrize("name", ["emopy", "deepface"])
def test_a_run_against_a_bare_loop(
    bench: Callable[..., Any], standin: None, compare: Callable[..., None], name: str
) -> None:
    ours = bench(detectors=("full-frame",), classifiers=(name,))
    classifier = ours.component("classifier", name)
    images = tuple(image for batch in ours.batches() for image in batch.frames.images)
    faces = crops(images, whole(images), classifier.face)

    def bare() -> np.ndarray:
        return in_batches(faces, classifier.predict)

    compare(
        f"fxbench run against a bare loop of predictions, {name}: images/s",
        "at least 0.9",
        len(images),
        ours.run,
        bare,
        rounds=7,
        of="speed",
    )
    (cell,) = [c for c in ours.run().cells if c["axes"]["classifier"] == name]
    top = bare().astype(np.float16).argmax(axis=1)
    right = np.array([EMOTIONS.index(label) for label in classifier.labels])[top]
    accuracy = (right == ours.source.answers.labels).mean()
    assert cell["images"]["n"] == len(images) == ours.images
    # The batches are cut elsewhere, so that a last digit may differ.
    assert cell["metrics"]["accuracy"]["value"] == pytest.approx(accuracy, abs=0.001)


def test_deepface_in_batches_against_deepface_one_by_one(
    bench: Callable[..., Any], standin: None, compare: Callable[..., None]
) -> None:
    from deepface import DeepFace

    ours = bench(detectors=("full-frame",), classifiers=("deepface",), limit=512)
    classifier = ours.component("classifier", "deepface")
    images = tuple(image for batch in ours.batches() for image in batch.frames.images)
    boxes = whole(images)
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in images]

    def one_by_one() -> list[str]:
        answers = [
            DeepFace.analyze(
                image,
                actions=["emotion"],
                detector_backend="skip",
                enforce_detection=False,
                silent=True,
            )
            for image in bgr
        ]
        return [DEEPFACE_LABELS[answer[0]["dominant_emotion"]] for answer in answers]

    def batched() -> list[str | None]:
        answers: list[str | None] = []
        for i in range(0, len(images), BATCH):
            part = slice(i, i + BATCH)
            frame = np.arange(len(images[part]))
            faces = crops(images[part], (frame, boxes[1][part]), classifier.face)
            top = classifier.predict(faces).argmax(axis=1)
            answers += [classifier.labels[k] for k in top]
        return answers

    compare(
        "deepface, crop included, against DeepFace.analyze one by one: images/s",
        "at least 12",
        len(images),
        batched,
        one_by_one,
        rounds=7,
        of="speed",
    )
    same = [a == b for a, b in zip(batched(), one_by_one(), strict=True)]
    assert np.mean(same) >= 0.99


def test_three_detectors_with_three_classifiers_against_their_stages(
    bench: Callable[..., Any], standin: None, compare: Callable[..., None]
) -> None:
    detectors = ("full-frame", "opencv-haar", "dlib-hog")
    classifiers = ("prior", "emopy", "deepface")
    ours = bench(detectors=detectors, classifiers=classifiers, limit=1024)
    found: dict[str, int] = {}

    def stages() -> None:
        """Decode once, detect three times, crop and predict nine times, and nothing else."""
        batches = ours.batches()
        for name in detectors:
            detector = ours.component("detector", name)
            boxes = [detector.detect(batch.frames.images) for batch in batches]
            scored = [_scored(*pair) for pair in zip(batches, boxes, strict=True)]
            found[name] = sum(len(frame) for frame, _ in scored)
            for other in classifiers:
                classifier = ours.component("classifier", other)
                for batch, chosen in zip(batches, scored, strict=True):
                    if len(chosen[0]):
                        faces = crops(batch.frames.images, chosen, classifier.face)
                        classifier.predict(faces)

    compare(
        "three detectors with three classifiers against the sum of their stages: time",
        "at most 1.1",
        ours.images,
        ours.run,
        stages,
        rounds=3,
        of="time",
    )
    cells = {(c["axes"]["detector"], c["axes"]["classifier"]): c for c in ours.run().cells}
    assert set(cells) == set(itertools.product(detectors, classifiers))
    assert {name: cells[name, "emopy"]["images"]["found"] for name in detectors} == found


def _scored(batch: Batch, boxes: Boxes) -> tuple[Any, Any]:
    """Which images have a face, and the box of that which is scored."""
    assert batch.truth is not None
    index = choose(boxes, len(batch.rows), batch.truth.xyxy)
    frame = np.flatnonzero(index >= 0)
    return frame, boxes.xyxy[index[frame]]
