"""The detector `dlib-hog`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from fxbench_dlib import fxbench_detectors
from real_faces import ferplus_faces

from fxbench.errors import UsageError
from fxbench.faces import iou
from fxbench.protocols import Detector

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.heavy


def hog(**options) -> Detector:
    pytest.importorskip("dlib")
    component = fxbench_detectors()[0]
    return component.factory(**{x.name: x.default for x in component.options} | options)


def rgb(path: Path) -> np.ndarray:
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def test_the_record_names_its_extra():
    component = fxbench_detectors()[0]
    assert (component.name, component.extra, component.requires) == ("dlib-hog", "dlib", ("dlib",))


def test_no_images_and_images_without_faces():
    detector = hog()
    assert isinstance(detector, Detector)
    assert len(detector.detect(())) == 0
    plain = tuple(
        np.full(shape, 90, np.uint8) for shape in [(1, 1, 3), (1, 3000, 3), (300, 200, 3)]
    )
    assert len(detector.detect(plain)) == 0


@pytest.mark.parametrize("options", [{"upsample": -1}, {"upsample": 5}, {"threshold": np.nan}])
def test_options_out_of_range(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        hog(**options)


def test_boxes_agree_with_annotated_ones(shared):
    folder = shared / "data" / "landmarks-dlib"
    path = folder / "testing_with_face_landmarks.xml"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    detector = hog()
    for element in ET.parse(path).getroot().iter("image"):
        image = rgb(folder / element.get("file"))
        image.flags.writeable = False
        before = image.copy()
        boxes = detector.detect((image,))
        truth = np.array(
            [
                [float(box.get(key)) for key in ("left", "top", "width", "height")]
                for box in element.iter("box")
            ],
            np.float32,
        )
        truth[:, 2:] += truth[:, :2]
        overlap = iou(boxes.xyxy[:, None], truth[None])
        assert (overlap.max(axis=0) > 0.5).all()
        assert len(boxes) == len(truth)
        assert (np.diff(boxes.score) <= 0).all()
        assert np.array_equal(image, before)
        height, width = image.shape[:2]
        assert boxes.xyxy.min() >= 0
        assert (boxes.xyxy[:, 2:] <= (width, height)).all()


def test_a_face_in_a_photo_and_the_threshold(shared):
    image = rgb(shared / "data" / "photos" / "grace_hopper.png")
    boxes = hog(upsample=0).detect((image,))
    assert len(boxes) == 1
    assert len(hog(upsample=0, threshold=float(boxes.score[0]) + 0.1).detect((image,))) == 0


def test_small_faces_are_found_inside_their_images(shared):
    images = ferplus_faces(shared, 40)
    boxes = hog().detect(images)
    assert len(np.unique(boxes.frame)) >= 0.72 * len(images)
    assert boxes.xyxy.min() >= 0
    assert boxes.xyxy.max() <= 48
    assert np.median(boxes.xyxy[:, 2] - boxes.xyxy[:, 0]) > 30
    # `upsample` is for large images alone.
    assert np.array_equal(boxes.xyxy, hog(upsample=0).detect(images).xyxy)


def test_a_batch_is_its_images_and_the_same_again(shared):
    photo = rgb(shared / "data" / "photos" / "single_face.jpg")
    images = (*ferplus_faces(shared, 300), photo)
    detector = hog()
    boxes = detector.detect(images)
    singles = [detector.detect((image,)) for image in images]
    for name in ("xyxy", "score"):
        assert np.array_equal(getattr(boxes, name), getattr(detector.detect(images), name))
        assert np.array_equal(
            getattr(boxes, name), np.concatenate([getattr(single, name) for single in singles])
        )
    counts = np.bincount(boxes.frame, minlength=len(images))
    assert counts.tolist() == [len(single) for single in singles]
