"""YuNet (`opencv-yunet` and `yunet-5`) and `opencv-ssd`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import fxbench_opencv
import numpy as np
import pytest
from fxbench_dlibfaces import fxbench_datasets
from fxbench_opencv import YUNET, fxbench_detectors, fxbench_landmarkers
from real_faces import ferplus_faces

from fxbench import weights
from fxbench.component import Component
from fxbench.errors import UnavailableError, UsageError, WeightsError
from fxbench.faces import iou
from fxbench.metrics.landmarks import inter_ocular, mean_error, nme
from fxbench.protocols import Analyzer, Detector, Landmarker
from fxbench.schemes import shared_points
from fxbench.scoring_landmarks import averaged
from fxbench.types import Boxes, UInt8

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = {component.name: component for component in (*fxbench_detectors(), YUNET)}
PHOTOS = (
    "photos/single_face.jpg",
    "photos/multi_face.jpg",
    "photos/grace_hopper.png",
    "landmarks-dlib/2007_007763.jpg",
    "landmarks-dlib/2008_002079.jpg",
    "landmarks-dlib/dogs.jpg",
)


@pytest.fixture
def files(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the networks' files, which FXBENCH_WEIGHTS names."""
    folder = shared / "weights" / "deepface" / ".deepface" / "weights"
    for name in (fxbench_opencv.YUNET_FILE, fxbench_opencv.SSD_FILE):
        if not (folder / name).is_file():
            pytest.skip(f"{folder / name} is not there")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(folder))
    return folder


def made(component: Component, **options: Any) -> Any:
    return component.factory(**{x.name: x.default for x in component.options} | options)


def bgr(shared: Path, name: str) -> UInt8:
    path = shared / "data" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return np.asarray(cv2.imread(str(path)), np.uint8)


def rgb(shared: Path, name: str) -> UInt8:
    return np.ascontiguousarray(bgr(shared, name)[..., ::-1])


def clipped(xyxy: np.ndarray, image: UInt8) -> np.ndarray:
    height, width = image.shape[:2]
    return np.clip(xyxy, 0, (width, height, width, height))


# What OpenCV's own calls give


@pytest.mark.parametrize("name", PHOTOS)
def test_yunet_gives_what_opencv_s_own_call_gives(shared, files, name):
    image = bgr(shared, name)
    vendor = cv2.FaceDetectorYN.create(str(files / fxbench_opencv.YUNET_FILE), "", (0, 0))
    vendor.setInputSize((image.shape[1], image.shape[0]))
    faces = vendor.detect(image)[1]
    expected = np.zeros((0, 15)) if faces is None else faces[np.argsort(-faces[:, 14])]
    analysis = made(YUNET).analyze((rgb(shared, name),))
    assert len(analysis.boxes) == len(expected)
    assert len(expected) == {"multi_face.jpg": 5, "dogs.jpg": 0}.get(
        name.split("/")[1], len(expected)
    )
    boxes = np.column_stack([expected[:, :2], expected[:, :2] + expected[:, 2:4]])
    assert np.abs(analysis.boxes.xyxy - clipped(boxes, image)).max(initial=0) < 0.01
    assert np.abs(analysis.boxes.score - expected[:, 14]).max(initial=0) < 1e-4
    points = expected[:, 4:14].reshape(-1, 5, 2)
    assert np.abs(analysis.points.xy - points).max(initial=0) < 0.01


@pytest.mark.parametrize("name", PHOTOS)
def test_ssd_gives_what_opencv_s_own_call_gives(shared, files, name):
    image = bgr(shared, name)
    network = cv2.dnn.readNetFromCaffe(
        str(files / fxbench_opencv.SSD_LAYERS_FILE), str(files / fxbench_opencv.SSD_FILE)
    )
    small = cv2.resize(image, (300, 300))
    network.setInput(cv2.dnn.blobFromImage(small, 1.0, (300, 300), (104.0, 177.0, 123.0)))
    rows = network.forward()[0, 0]
    rows = rows[rows[:, 2] > 0.5]
    expected = clipped(rows[:, 3:7] * (*image.shape[1::-1], *image.shape[1::-1]), image)
    found = made(RECORDS["opencv-ssd"]).detect((rgb(shared, name),))
    assert len(found) == len(expected)
    if "photos/" in name:
        assert len(found) >= 1
    for box, score in zip(found.xyxy, found.score, strict=True):
        nearest = np.abs(expected - box).max(axis=1).argmin()
        assert np.abs(expected[nearest] - box).max() < 0.01
        assert rows[nearest, 2] == pytest.approx(score, abs=1e-5)


def test_ssd_finds_a_large_face_once(shared, files):
    """OpenCV's own layers find it again to the lower right; see `unpadded`."""
    image = rgb(shared, "photos/single_face.jpg")
    detector = made(RECORDS["opencv-ssd"])
    ((x1, y1, x2, y2),) = detector.detect((image,)).xyxy
    crop = image[round(y1) : round(y2), round(x1) : round(x2)]
    (box,) = detector.detect((crop,)).xyxy
    whole = np.array([0, 0, *crop.shape[1::-1]])
    assert iou(box, whole) > 0.95


def test_points_are_those_of_300_w_and_on_the_right_side(shared, files):
    dataset = fxbench_datasets()[0].factory(path=shared / "data" / "landmarks-dlib")
    landmarker = made(fxbench_landmarkers()[0])
    assert isinstance(landmarker, Landmarker)
    own, true = shared_points(landmarker.scheme, dataset.scheme)
    assert len(own) == 5
    errors, nearest = [], []
    for batch in dataset.batches("test", dataset.answers("test", "faces").rows):
        truth = batch.truth
        count = len(truth.frame)
        boxes = Boxes(
            truth.frame, truth.xyxy, np.ones(count, np.float32), np.full(count, -1, np.int64)
        )
        xy = landmarker.locate(batch.frames.images, boxes).xy
        located = averaged(xy, own)
        found = np.isfinite(xy).all(axis=(1, 2))
        assert (xy[found, 0, 0] < xy[found, 1, 0]).all()
        offset = xy[found, 2:, None] - truth.points.xy[found, None]
        nearest.append(np.linalg.norm(offset, axis=3).argmin(axis=2))
        distance = inter_ocular(truth.points.xy, truth.points.scheme)
        errors.append(nme(located, averaged(truth.points.xy, true), distance))
    estimate = mean_error(np.concatenate(errors))
    assert estimate["n"] >= 15
    # The eyes of these small faces are 20 pixels apart, so this is two pixels.
    assert 0.02 < estimate["value"] < 0.13
    assert [np.bincount(column).argmax() for column in np.concatenate(nearest).T] == [30, 48, 54]


# Images of all sorts


@pytest.mark.parametrize("name", ["opencv-yunet", "opencv-ssd"])
def test_no_images_and_odd_ones(files, name):
    detector = made(RECORDS[name])
    assert isinstance(detector, Detector)
    assert len(detector.detect(())) == 0
    shapes = [(1, 1, 3), (1, 300, 3), (3000, 2, 3), (300, 200, 3)]
    plain = tuple(np.full(shape, 90, np.uint8) for shape in shapes)
    found = detector.detect(plain)
    assert len(found) == 0 or name == "opencv-ssd"


def test_yunet_is_an_analyzer_of_boxes_and_points(shared, files):
    analyzer = made(YUNET)
    assert isinstance(analyzer, Analyzer)
    analysis = analyzer.analyze(())
    assert len(analysis.boxes) == 0
    assert analysis.points.xy.shape == (0, 5, 2)
    assert analysis.probabilities is None


@pytest.mark.parametrize(("name", "least"), [("opencv-yunet", 0.7), ("opencv-ssd", 0.9)])
def test_small_faces_are_found_inside_their_images(shared, files, name, least):
    images = ferplus_faces(shared, 80)
    found = made(RECORDS[name]).detect(images)
    assert len(np.unique(found.frame)) >= least * len(images)
    assert found.xyxy.min() >= 0
    assert found.xyxy.max() <= 48
    assert np.median(found.xyxy[:, 2] - found.xyxy[:, 0]) > 25


def test_points_of_small_faces_come_back_to_pixels_of_the_image(shared, files):
    analysis = made(YUNET).analyze(ferplus_faces(shared, 300))
    centre = (analysis.boxes.xyxy[:, :2] + analysis.boxes.xyxy[:, 2:]) / 2
    offset = analysis.points.xy.mean(axis=1) - centre
    assert np.abs(offset).max() < 12
    assert np.abs(analysis.points.xy).max() < 60


@pytest.mark.parametrize("name", ["opencv-yunet", "opencv-ssd"])
def test_a_batch_is_its_images_and_the_same_again(shared, files, name):
    images = (*ferplus_faces(shared, 900), rgb(shared, "photos/multi_face.jpg"))
    for image in images:
        image.flags.writeable = False
    detector = made(RECORDS[name])
    found = detector.detect(images)
    singles = [detector.detect((image,)) for image in images]
    assert np.array_equal(found.xyxy, np.concatenate([single.xyxy for single in singles]))
    assert np.array_equal(found.score, np.concatenate([single.score for single in singles]))
    assert np.array_equal(found.xyxy, detector.detect(images).xyxy)


def test_an_image_that_is_not_contiguous(shared, files):
    image = rgb(shared, "photos/grace_hopper.png")
    view = bgr(shared, "photos/grace_hopper.png")[..., ::-1]
    for component in (RECORDS["opencv-yunet"], RECORDS["opencv-ssd"]):
        detector = made(component)
        assert np.array_equal(detector.detect((view,)).xyxy, detector.detect((image,)).xyxy)


# Options


def test_a_lower_threshold_finds_more(shared, files):
    images = ferplus_faces(shared, 200)
    for name, low in (("opencv-yunet", 0.3), ("opencv-ssd", 0.02)):
        usual = made(RECORDS[name]).detect(images)
        more = made(RECORDS[name], threshold=low).detect(images)
        assert len(more) > len(usual)
        assert more.score.min() >= low


def test_an_image_above_max_side_is_shrunk(shared, files):
    image = rgb(shared, "photos/multi_face.jpg")
    usual = made(YUNET).analyze((image,))
    shrunk = made(YUNET, max_side=500).analyze((image,))
    by_hand = made(YUNET).analyze((cv2.resize(image, (500, 334), interpolation=cv2.INTER_AREA),))
    assert np.abs(shrunk.boxes.xyxy - by_hand.boxes.xyxy * 2).max() < 1
    overlap = iou(usual.boxes.xyxy[:, None], shrunk.boxes.xyxy[None])
    assert (overlap.max(axis=1) > 0.6).all()
    assert not np.array_equal(usual.boxes.xyxy, shrunk.boxes.xyxy)
    large = made(YUNET, max_side=1000).analyze((image,))
    assert np.array_equal(usual.boxes.xyxy, large.boxes.xyxy)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("opencv-yunet", {"threshold": 1.5}),
        ("opencv-yunet", {"threshold": float("nan")}),
        ("opencv-yunet", {"nms": -0.1}),
        ("opencv-yunet", {"top_k": 0}),
        ("opencv-yunet", {"max_side": -1}),
        ("opencv-ssd", {"threshold": 1.0}),
        ("opencv-ssd", {"threshold": float("nan")}),
    ],
)
def test_options_out_of_range(files, name, options):
    with pytest.raises(UsageError, match=next(iter(options))):
        made(RECORDS[name], **options)


# Files and versions


@pytest.mark.parametrize("name", ["opencv-yunet", "opencv-ssd"])
def test_weights_are_verified_and_their_address_is_known(files, name):
    component = RECORDS[name]
    assert {file["state"] for file in weights.check(component).values()} == {"verified"}
    for file in component.weights:
        assert file.url.startswith("https://")
        assert file.url.endswith(file.name)
        assert file.mend == f"fxbench weights fetch {name}"
        assert file.licence
        assert file.source


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("opencv-yunet", fxbench_opencv.YUNET_FILE),
        ("opencv-ssd", fxbench_opencv.SSD_FILE),
        ("opencv-ssd", fxbench_opencv.SSD_LAYERS_FILE),
    ],
)
def test_a_truncated_or_missing_file_is_named_and_not_loaded(
    files, monkeypatch, tmp_path, name, file
):
    mine = tmp_path / "mine"
    mine.mkdir()
    for record in RECORDS[name].weights:
        whole = (files / record.name).read_bytes()
        (mine / record.name).write_bytes(whole[: len(whole) // 2] if record.name == file else whole)
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(mine))
    with pytest.raises(WeightsError, match=f"mine/{file}.*cut off") as caught:
        made(RECORDS[name])
    assert "\n" not in str(caught.value)
    (mine / file).unlink()
    with pytest.raises(WeightsError, match=f"{file}.*fxbench weights fetch"):
        made(RECORDS[name])


def test_an_opencv_without_these_networks_is_named(files, monkeypatch):
    monkeypatch.delattr(cv2, "FaceDetectorYN")
    monkeypatch.delattr(cv2.dnn, "readNetFromCaffe")
    with pytest.raises(UnavailableError, match=r"has no FaceDetectorYN.*pip install"):
        made(RECORDS["opencv-yunet"])
    with pytest.raises(UnavailableError, match=r"reads no Caffe networks.*pip install"):
        made(RECORDS["opencv-ssd"])


def test_a_file_that_opencv_can_t_read(tmp_path):
    from fxbench_opencv.ssd import Ssd
    from fxbench_opencv.yunet import YuNet

    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"can't read .*bad\.onnx"):
        YuNet(bad, threshold=0.9, nms=0.3, top_k=5000, max_side=0)
    with pytest.raises(WeightsError, match=r"can't read .*bad\.onnx"):
        Ssd(bad, bad, 0.5)
