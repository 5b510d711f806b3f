"""The floor `mean-shape`."""

from __future__ import annotations

import numpy as np
import pytest
from fxbench_floors import fxbench_landmarkers
from fxbench_floors.mean_shape import shape

from fxbench.protocols import Landmarker
from fxbench.schemes import SCHEMES
from fxbench.types import Boxes

NAMES = SCHEMES["300w-68"]


def at(name: str) -> np.ndarray:
    return shape()[NAMES.index(name)]


def test_the_record_is_a_floor_that_needs_nothing():
    (component,) = fxbench_landmarkers()
    assert component.name == "mean-shape"
    assert component.traits == {"default", "floor"}
    assert component.requires == ()
    assert component.weights == ()


def test_the_face_is_symmetrical_and_within_the_box():
    points = shape()
    assert points.shape == (68, 2)
    assert points.dtype == np.float32
    assert points.min() > 0
    assert points.max() < 1
    swap = {"right": "left", "left": "right"}
    for name, point in zip(NAMES, points, strict=True):
        other = at("_".join(swap.get(word, word) for word in name.split("_")))
        assert point == pytest.approx([1 - other[0], other[1]], abs=0.0011)
    assert np.round(points, 3) == pytest.approx(points, abs=1e-6)


def test_the_face_stands_upright_with_its_right_on_the_left():
    down = [
        "right_brow_top",
        "right_eye_upper_outer",
        "right_eye_lower_outer",
        "nose_tip",
        "nose_base",
        "upper_lip_top",
        "upper_lip_inner",
        "lower_lip_inner",
        "lower_lip_bottom",
        "chin",
    ]
    assert (np.diff([at(name)[1] for name in down]) > 0).all()
    across = [
        "right_jaw_1",
        "right_brow_outer",
        "right_eye_outer_corner",
        "right_eye_inner_corner",
        "nose_base",
        "left_eye_inner_corner",
        "left_eye_outer_corner",
        "left_brow_outer",
        "left_jaw_1",
    ]
    assert (np.diff([at(name)[0] for name in across]) > 0).all()


def test_it_is_put_into_every_box():
    landmarker = fxbench_landmarkers()[0].factory()
    assert isinstance(landmarker, Landmarker)
    boxes = Boxes.from_lists([[(0, 0, 1, 1, 1)], [], [(10, -20, 110, 180, 1)]])
    images = tuple(np.zeros((5, 5, 3), np.uint8) for _ in range(3))
    points = landmarker.locate(images, boxes)
    assert points.scheme == landmarker.scheme == "300w-68"
    assert np.array_equal(points.xy[0], shape())
    assert points.xy[1] == pytest.approx(shape() * (100, 200) + (10, -20), rel=1e-6)
    assert landmarker.locate((), Boxes.from_lists([])).xy.shape == (0, 68, 2)
