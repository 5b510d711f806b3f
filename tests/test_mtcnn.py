"""The plugin mtcnn: detector `mtcnn` and landmarker `mtcnn-5`."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import cv2
import fxbench_mtcnn
import numpy as np
import pytest
from fxbench_dlibfaces import fxbench_datasets
from fxbench_mtcnn import MTCNN, fxbench_detectors, fxbench_landmarkers

from fxbench import weights
from fxbench.errors import UnavailableError, UsageError, WeightsError
from fxbench.metrics.landmarks import inter_ocular, mean_error, nme
from fxbench.protocols import Analyzer, Detector, Landmarker
from fxbench.schemes import shared_points
from fxbench.scoring_landmarks import averaged
from fxbench.types import Boxes, UInt8
from fxbench.views import Found, Located

pytestmark = [
    pytest.mark.heavy,
    # TensorFlow and Keras warn of one another's old interfaces.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
FILES = tuple(file.name for file in MTCNN.weights)


def made(**options: Any) -> Any:
    return MTCNN.factory(**{x.name: x.default for x in MTCNN.options} | options)


@pytest.fixture(scope="module")
def vendor() -> Any:
    """The package's own object."""
    pytest.importorskip("tensorflow")
    return pytest.importorskip("mtcnn").MTCNN()


@pytest.fixture(scope="module")
def analyzer(vendor: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Made where files of the weights' names lie that are not the weights."""
    folder, before = tmp_path_factory.mktemp("elsewhere"), Path.cwd()
    for name in FILES:
        (folder / name).write_bytes(b"another file")
    os.chdir(folder)
    try:
        return made()
    finally:
        os.chdir(before)


def rgb(shared: Path, name: str) -> UInt8:
    path = shared / "data" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize(
    ("name", "size"),
    [("photos/grace_hopper.png", 1), ("photos/multi_face.jpg", 4), ("photos/single_face.jpg", 1)],
)
def test_it_gives_what_the_package_s_own_call_gives(shared, vendor, analyzer, name, size):
    image = rgb(shared, name)
    image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    expected = vendor.detect_faces(image)
    assert len(expected) >= size
    image.flags.writeable = False
    analysis = analyzer.analyze((image,))
    assert len(analysis.boxes) == len(expected)
    order = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    for face in expected:
        x, y, width, height = face["box"]
        row = np.abs(analysis.boxes.xyxy[:, 0] - x).argmin()
        box = np.array([x, y, x + width, y + height])
        assert np.abs(analysis.boxes.xyxy[row] - box).max() <= 1
        assert analysis.boxes.score[row] == pytest.approx(face["confidence"], abs=1e-5)
        # The package's left is the picture's: the subject's right eye comes first.
        points = np.array([face["keypoints"][key] for key in order])
        assert np.abs(analysis.points.xy[row] - points).max() <= 1


def test_points_are_those_of_300_w_and_on_the_right_side(shared, analyzer):
    folder = shared / "data" / "landmarks-dlib"
    dataset = fxbench_datasets()[0].factory(path=folder)
    own, true = shared_points("mtcnn-5", "300w-68")
    rows = dataset.answers("test", "faces").rows[:2]
    errors = []
    for batch in dataset.batches("test", rows):
        truth = batch.truth
        count = len(truth.frame)
        boxes = Boxes(
            truth.frame, truth.xyxy, np.ones(count, np.float32), np.full(count, -1, np.int64)
        )
        points = Located(analyzer).locate(batch.frames.images, boxes)
        distance = inter_ocular(truth.points.xy, truth.points.scheme)
        located = averaged(points.xy, own)
        errors.append(nme(located, averaged(truth.points.xy, true), distance))
    estimate = mean_error(np.concatenate(errors))
    assert estimate["n"] >= 4
    assert 0.01 < estimate["value"] < 0.08


def test_no_images_and_odd_ones(analyzer):
    assert isinstance(analyzer, Analyzer)
    analysis = analyzer.analyze(())
    assert len(analysis.boxes) == 0
    assert analysis.points.xy.shape == (0, 5, 2)
    shapes = [(1, 1, 3), (1, 300, 3), (300, 2, 3), (12, 12, 3), (60, 50, 3)]
    plain = tuple(np.full(shape, 90, np.uint8) for shape in shapes)
    assert len(Found(analyzer).detect(plain)) == 0


def test_a_batch_is_its_images(shared, analyzer):
    image = rgb(shared, "photos/grace_hopper.png")
    half, third = (
        cv2.resize(image, None, fx=f, fy=f, interpolation=cv2.INTER_AREA) for f in (1 / 2, 1 / 3)
    )
    blank = np.zeros((50, 40, 3), np.uint8)
    together = analyzer.analyze((half, blank, third))
    assert together.boxes.frame.tolist() == [0, 2]
    for row, one in ((0, half), (1, third)):
        alone = analyzer.analyze((one,))
        assert np.array_equal(alone.boxes.xyxy[0], together.boxes.xyxy[row])
        assert np.array_equal(alone.points.xy[0], together.points.xy[row])


def test_a_higher_threshold_and_a_larger_least_face_find_fewer(shared, vendor):
    image = rgb(shared, "photos/multi_face.jpg")
    image = cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    usual = made().analyze((image,)).boxes
    sure = made(threshold_onet=float(np.median(usual.score))).analyze((image,)).boxes
    assert 0 < len(sure) < len(usual)
    large = made(min_face_size=100).analyze((image,)).boxes
    assert len(large) < len(usual)


@pytest.mark.parametrize(
    "options",
    [
        {"min_face_size": 11},
        {"scale_factor": 1.0},
        {"scale_factor": 0.0},
        {"threshold_pnet": -0.1},
        {"threshold_onet": float("nan")},
    ],
)
def test_options_out_of_range(vendor, options):
    with pytest.raises(UsageError, match=next(iter(options)).partition("_")[0]):
        made(**options)


# The record, files and faults


def test_the_records_show_one_analyzer():
    (detector,), (landmarker,) = fxbench_detectors(), fxbench_landmarkers()
    assert (detector.name, landmarker.name) == ("mtcnn", "mtcnn-5")
    for component in (detector, landmarker):
        assert component.owner == "mtcnn"
        assert component.extra == "mtcnn"
        assert component.requires == ("mtcnn", "tensorflow")


def test_views_are_of_their_kinds(analyzer):
    assert isinstance(Found(analyzer), Detector)
    assert isinstance(Located(analyzer), Landmarker)
    assert Located(analyzer).scheme == "mtcnn-5"


def test_the_installed_weights_are_the_declared_ones(vendor):
    record = weights.check(fxbench_detectors()[0])
    assert [record[name]["state"] for name in FILES] == ["verified"] * 3


def test_a_truncated_file_is_named_and_never_unpickled(vendor, monkeypatch, tmp_path):
    folder = tmp_path / "mtcnn" / "assets" / "weights"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(fxbench_mtcnn.locate(name).read_bytes())
    whole = (folder / "rnet.lz4").read_bytes()
    (folder / "rnet.lz4").write_bytes(whole[:1000])
    spec = ModuleSpec("mtcnn", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "mtcnn")]
    monkeypatch.setattr(fxbench_mtcnn, "find_spec", lambda name: spec)
    with pytest.raises(WeightsError, match=r"rnet\.lz4 .*cut off.*pip install") as caught:
        made()
    assert "\n" not in str(caught.value)
    (folder / "rnet.lz4").unlink()
    assert fxbench_mtcnn.locate("rnet.lz4") is None
    with pytest.raises(WeightsError, match=r"rnet\.lz4.*pip install"):
        made()


def test_a_package_that_has_changed_is_named(vendor, monkeypatch):
    monkeypatch.delattr(sys.modules["mtcnn.stages"], "StageONet")
    with pytest.raises(UnavailableError, match=r"StageONet.*pip install 'fxbench\[mtcnn\]'"):
        made()
