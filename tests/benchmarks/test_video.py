"""What a run on a video costs beside decoding, detecting and predicting.

docs/benchmarks.md says what is in each side. No test fails because something is slow: it asserts
that both sides came to the same answers.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fxbench import environment, exports, runner
from fxbench.batching import BATCH
from fxbench.chunks import Chunks
from fxbench.faces import crops
from fxbench.selection import Selection

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),
]

CLIP = "WolfgangLanger_Pexels.mp4"
DETECTOR = "opencv-yunet"
ROUNDS = 5


def bare(path: Path, detector: Any, classifier: Any) -> np.ndarray:
    """Decode, detect, crop, predict: the answers about all frames that have a face."""
    reader, answers = cv2.VideoCapture(str(path)), []
    more = True
    while more:
        images = []
        while len(images) < BATCH:
            more, image = reader.read()
            if not more:
                break
            images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        if images:
            boxes = detector.detect(tuple(images))
            _, largest = np.unique(boxes.frame, return_index=True)
            faces = crops(
                tuple(images), (boxes.frame[largest], boxes.xyxy[largest]), classifier.face
            )
            answers.append(classifier.predict(faces))
    reader.release()
    return np.concatenate(answers)


def test_a_run_against_a_bare_loop(
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bench_of: Callable[..., Any],
    compare: Callable[..., None],
) -> None:
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(shared / "weights" / "deepface"))
    path = shared / "data" / "video" / CLIP
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    shutil.copyfile(path, tmp_path / CLIP)
    (tmp_path / "clips.csv").write_text(f"file,emotion\n{CLIP},happiness\n", encoding="utf-8")
    environment.fix_threads(environment.default_threads())
    wanted = Selection(
        datasets=("clips",),
        detectors=(DETECTOR,),
        classifiers=("emopy-onnx",),
        landmarkers=(),
        attacks=("none",),
    )
    prepared = runner.prepare(wanted, (f"clips.path={tmp_path}",), folder=tmp_path)
    ours = bench_of(prepared)
    finds, classifier = (
        ours.component("detector", DETECTOR),
        ours.component("classifier", "emopy-onnx"),
    )
    stored, expected = ours.run(), bare(path, finds, classifier)
    found = exports.find_cell(stored.cells, classifier="emopy-onnx", detector=DETECTOR)
    table = exports.predictions(stored, found, Chunks(tmp_path / "cache-0"))
    same = min(len(table.outputs), len(expected))
    # Where a frame has several faces, the two may look at different ones.
    agree = (table.outputs[:same].argmax(axis=1) == expected[:same].argmax(axis=1)).mean()
    assert agree > 0.9
    compare(
        f"fxbench run on a video against a bare loop, {DETECTOR} and emopy-onnx: images/s",
        "at least 0.9",
        ours.images,
        ours.run,
        lambda: bare(path, finds, classifier),
        rounds=ROUNDS,
        of="speed",
    )
