"""The dataset `mini`, as it is shipped and when it is damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fxbench_mini import TERMS, fxbench_builders, fxbench_datasets
from fxbench_mini.dataset import FOLDER, Mini
from fxbench_opencv import fxbench_detectors

from fxbench.errors import DataError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.protocols import Builder, Dataset

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def mini() -> Mini:
    made = fxbench_datasets()[0].factory()
    assert isinstance(made, Dataset)
    return made


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("stills.zip", "faces.npz", "manifest.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def test_each_emotion_has_at_least_two_hundred_faces(mini: Mini) -> None:
    answers = mini.answers("test", "single")
    assert np.bincount(answers.labels).min() >= 200
    ids = mini.ids("test")
    assert len(set(ids)) == len(ids) == len(answers.labels)
    assert all(
        name.startswith(f"{EMOTIONS[label]}/")
        for name, label in zip(ids, answers.labels, strict=True)
    )


def test_pictures_come_with_emotion_box_and_landmarks(mini: Mini) -> None:
    rows = np.arange(0, 2300, 31)
    for batch in mini.batches("test", rows):
        assert not batch.failures
        assert batch.frames.ids == tuple(mini.ids("test")[row] for row in batch.rows)
        truth = batch.truth
        assert truth is not None
        assert (truth.votes.argmax(1) == mini.answers("test", "single").labels[batch.rows]).all()
        assert truth.points.scheme == mini.scheme == "300w-68"
        for image, points, box in zip(
            batch.frames.images, truth.points.xy, truth.xyxy, strict=True
        ):
            side = len(image)
            assert image.shape == (side, side, 3)
            assert side >= 96
            assert box.min() >= 0
            assert box.max() <= side
            # A box counts from the pixels' edges, a point from their centres.
            assert (points + 0.5 - box[:2]).min() > -1e-3
            assert (box[2:] - points - 0.5).min() > -1e-3
            assert box[3] - box[1] < 0.95 * side


def test_a_classical_detector_finds_nearly_all(mini: Mini) -> None:
    images = tuple(
        image
        for batch in mini.batches("test", np.arange(7, 2300, 23))
        for image in batch.frames.images
    )
    haar = fxbench_detectors()[0]
    detector = haar.factory(**{option.name: option.default for option in haar.options})
    found = set(detector.detect(images).frame.tolist())
    assert len(found) >= 0.95 * len(images)


def test_it_is_small_and_says_what_it_is() -> None:
    stills = sum((FOLDER / name).stat().st_size for name in ("stills.zip", "faces.npz"))
    assert stills < 12_000_000
    for words in ("FER2013", "no open licence", "not cleared for commercial use"):
        assert words in TERMS.licence
    card = (FOLDER.parent / "CARD.md").read_text(encoding="utf-8")
    for words in ("dlib-68", "home advantage", "composites", "not cleared for commercial use"):
        assert words in card


def test_it_names_the_landmarker_that_its_points_come_from(mini: Mini) -> None:
    assert "dlib-68" in mini.home_advantage


def test_its_fingerprint_is_that_of_its_files(mini: Mini, copy: Path) -> None:
    assert Mini(copy, TERMS).fingerprint("test") == mini.fingerprint("test")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"]["stills.zip"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"stills\.zip is not the file that was built"):
        Mini(copy, TERMS).fingerprint("test")


def test_a_truncated_archive_is_told_row_by_row(copy: Path) -> None:
    whole = (copy / "stills.zip").read_bytes()
    (copy / "stills.zip").write_bytes(whole[: len(whole) // 2])
    (batch,) = Mini(copy, TERMS).batches("test", np.arange(3))
    assert len(batch.failures) == 3
    assert "build-mini" in batch.failures[0].reason


@pytest.mark.parametrize("name", ["faces.npz", "manifest.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_damaged_or_missing_file_is_told(copy: Path, name: str, content: bytes | None) -> None:
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    with pytest.raises(DataError, match="build-mini"):
        Mini(copy, TERMS)


def test_what_it_does_not_have_is_told(mini: Mini) -> None:
    with pytest.raises(UsageError, match="there is test"):
        mini.ids("train")
    with pytest.raises(UsageError, match="no protocol 'majority'"):
        mini.answers("test", "majority")
    with pytest.raises(DataError, match="it has 2300"):
        next(mini.batches("test", np.array([2300])))


def test_they_need_no_option_no_extra_and_no_heavy_import() -> None:
    components = tuple(fxbench_datasets())
    assert [component.name for component in components] == ["mini", "mini-clips"]
    for component in components:
        assert (component.options, component.extra, component.requires) == ((), None, ())
    code = (
        "import sys, fxbench_mini; fxbench_mini.fxbench_datasets()[0].factory\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "scipy", "dlib", "pandas"} & set(done.stdout.split())


def test_its_builder_is_one() -> None:
    (component,) = fxbench_builders()
    assert component.extra == "dlib"
    assert isinstance(component.factory(), Builder)
