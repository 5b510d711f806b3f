"""The detector `opencv-haar`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from fxbench_opencv import fxbench_detectors
from real_faces import ferplus_faces

from fxbench.errors import UnavailableError, UsageError
from fxbench.protocols import Detector

if TYPE_CHECKING:
    from pathlib import Path


def haar(**options) -> Detector:
    component = fxbench_detectors()[0]
    return component.factory(**{x.name: x.default for x in component.options} | options)


def photo(shared: Path, name: str) -> np.ndarray:
    pixels = cv2.imread(str(shared / "data" / "photos" / name))
    return np.ascontiguousarray(pixels[..., ::-1])


def test_no_images_and_images_without_faces():
    detector = haar()
    assert isinstance(detector, Detector)
    assert len(detector.detect(())) == 0
    tiny = tuple(np.full(shape, 90, np.uint8) for shape in [(1, 1, 3), (1, 3000, 3), (300, 200, 3)])
    assert len(detector.detect(tiny)) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 1.0},
        {"scale_factor": float("nan")},
        {"scale_factor": float("inf")},
        {"min_neighbors": -1},
        {"min_size": 0},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        haar(**options)


def test_an_opencv_without_cascades_is_named(monkeypatch):
    monkeypatch.setattr(cv2.data, "haarcascades", "/nowhere/")
    with pytest.raises(UnavailableError, match="haarcascade_frontalface_default"):
        haar()


@pytest.mark.parametrize(
    ("name", "centre", "low", "high"),
    [
        ("single_face.jpg", (300, 260), 1, 1),
        ("multi_face.jpg", None, 4, 5),
        ("grace_hopper.png", (265, 210), 1, 1),
    ],
)
def test_faces_in_photos(shared, name, centre, low, high):
    image = photo(shared, name)
    image.flags.writeable = False
    before = image.copy()
    boxes = haar().detect((image,))
    assert low <= len(boxes) <= high
    assert (np.diff(boxes.score) <= 0).all()
    if centre is not None:
        x1, y1, x2, y2 = boxes.xyxy[0]
        assert x1 < centre[0] < x2
        assert y1 < centre[1] < y2
    assert np.array_equal(image, before)


def test_small_faces_are_found_inside_their_images(shared):
    images = ferplus_faces(shared, 40)
    boxes = haar().detect(images)
    assert len(np.unique(boxes.frame)) >= 0.7 * len(images)
    assert boxes.xyxy.min() >= 0
    assert boxes.xyxy.max() <= 48
    # Where the face is is known roughly: most of the image.
    assert np.median(boxes.xyxy[:, 2] - boxes.xyxy[:, 0]) > 30


def test_a_batch_is_its_images_and_the_same_again(shared):
    images = (*ferplus_faces(shared, 300), photo(shared, "multi_face.jpg"))
    detector = haar()
    boxes = detector.detect(images)
    again = detector.detect(images)
    singles = [detector.detect((image,)) for image in images]
    for one in (again.xyxy, np.concatenate([single.xyxy for single in singles])):
        assert np.array_equal(boxes.xyxy, one)
    assert np.array_equal(boxes.score, np.concatenate([single.score for single in singles]))
    counts = np.bincount(boxes.frame, minlength=len(images))
    assert counts.tolist() == [len(single) for single in singles]


def test_min_neighbors_and_min_size_count_in_pixels_of_the_image(shared):
    images = ferplus_faces(shared, 100)
    usual = len(haar().detect(images))
    assert len(haar(min_neighbors=1).detect(images)) > usual
    assert len(haar(min_size=60).detect(images)) < usual
    large = haar(min_size=150).detect((photo(shared, "multi_face.jpg"),))
    assert len(large) == 0
