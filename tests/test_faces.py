"""The crop, the choice of the face and the enlarging of small images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fxbench.enlarge import enlarge
from fxbench.errors import PluginError
from fxbench.faces import choose, crop, crops, iou
from fxbench.types import Boxes, FaceSpec


def box(*edges: float) -> np.ndarray:
    return np.array(edges, np.float32)


@pytest.fixture
def image() -> np.ndarray:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    pixels.flags.writeable = False
    return pixels


def deepface_resize(face: np.ndarray, size: int) -> np.ndarray:
    """`deepface.modules.preprocessing.resize_image` of DeepFace 0.0.103, in 8 bits."""
    factor = min(size / face.shape[0], size / face.shape[1])
    face = cv2.resize(face, (int(face.shape[1] * factor), int(face.shape[0] * factor)))
    below, beside = size - face.shape[0], size - face.shape[1]
    return np.pad(
        face,
        ((below // 2, below - below // 2), (beside // 2, beside - beside // 2), (0, 0)),
        "constant",
    )


def test_a_cut_of_the_right_size_is_not_resampled(image):
    for fit in ("stretch", "pad"):
        cut = crop(image, box(20, 8, 52, 40), FaceSpec(32, fit, interpolation="cubic"))
        assert np.array_equal(cut, image[8:40, 20:52])


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area"])
def test_stretch_is_opencvs_resize(image, interpolation):
    flag = getattr(cv2, f"INTER_{interpolation.upper()}")
    cut = crop(image, box(5, 6, 35, 26), FaceSpec(24, interpolation=interpolation))
    assert np.array_equal(cut, cv2.resize(image[6:26, 5:35], (24, 24), interpolation=flag))


@pytest.mark.parametrize("height", [*range(1, 40), 47, 49])
def test_pad_is_deepfaces_resize(height):
    face = np.random.default_rng(height).integers(0, 256, (height, 31, 3), np.uint8)
    for pixels in (face, np.ascontiguousarray(face.transpose(1, 0, 2))):
        whole = box(0, 0, pixels.shape[1], pixels.shape[0])
        assert np.array_equal(crop(pixels, whole, FaceSpec(56, "pad")), deepface_resize(pixels, 56))


def test_pad_of_a_strip_keeps_a_pixel(image):
    cut = crop(image, box(0, 0, 60, 1), FaceSpec(8, "pad"))
    assert cut[3].any()
    assert not cut[4:].any()


def test_edges_are_rounded_to_the_nearest_pixel(image):
    cut = crop(image, box(9.5, 3.49, 19.51, 13.5), FaceSpec(10, interpolation="nearest"))
    expected = cv2.resize(image[3:14, 10:20], (10, 10), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(cut, expected)


def test_margin_is_a_fraction_of_each_side_and_clipped(image):
    spec = FaceSpec(16, margin=0.5)
    assert np.array_equal(
        crop(image, box(20, 10, 30, 14), spec), cv2.resize(image[8:16, 15:35], (16, 16))
    )
    assert np.array_equal(
        crop(image, box(0, 0, 10, 10), spec), cv2.resize(image[0:15, 0:15], (16, 16))
    )


@pytest.mark.parametrize(
    ("edges", "part"),
    [
        ((-30, -30, -10, -10), np.s_[0:1, 0:1]),
        ((70, 5, 90, 15), np.s_[5:15, 59:60]),
        ((5, 1e30, 15, 2e30), np.s_[39:40, 5:15]),
        ((10.1, 10.1, 10.2, 10.2), np.s_[10:11, 10:11]),
        ((-1e30, -1e30, 1e30, 1e30), np.s_[0:40, 0:60]),
    ],
)
def test_odd_boxes_give_the_nearest_pixels(image, edges, part):
    assert np.array_equal(crop(image, box(*edges), FaceSpec(12)), cv2.resize(image[part], (12, 12)))


def test_crops_are_the_crops_of_each_box_and_change_no_image(image):
    rng = np.random.default_rng(2)
    images = (image, rng.integers(0, 256, (48, 48, 3), np.uint8))
    before = [pixels.copy() for pixels in images]
    frame = np.array([1, 0, 1, 0, 0])
    low = rng.uniform(-5, 30, (5, 2))
    xyxy = np.hstack([low, low + rng.uniform(1, 40, (5, 2))]).astype(np.float32)
    for spec in (FaceSpec(48), FaceSpec(30, "pad", 0.2), FaceSpec(1, interpolation="nearest")):
        many = crops(images, (frame, xyxy), spec)
        assert many.dtype == np.uint8
        assert many.shape == (5, spec.size, spec.size, 3)
        for row in range(5):
            assert np.array_equal(many[row], crop(images[frame[row]], xyxy[row], spec))
    for pixels, old in zip(images, before, strict=True):
        assert np.array_equal(pixels, old)


def test_crops_takes_boxes_and_none(image):
    boxes = Boxes.from_lists([[(0, 0, 10, 10, 1)], []])
    assert crops((image, image), boxes, FaceSpec(8)).shape == (1, 8, 8, 3)
    assert crops((image,), Boxes.from_lists([[]]), FaceSpec(8)).shape == (0, 8, 8, 3)
    assert crops((), Boxes.from_lists([]), FaceSpec(8)).shape == (0, 8, 8, 3)


def test_crops_refuse_what_does_not_fit(image):
    spec = FaceSpec(8)
    with pytest.raises(PluginError, match="image 3, but there are 1"):
        crops((image,), (np.array([3]), box(0, 0, 1, 1)[None]), spec)
    with pytest.raises(PluginError, match="float32"):
        crop(image, np.zeros(4), spec)
    with pytest.raises(PluginError, match="not finite"):
        crop(image, box(0, 0, np.nan, 1), spec)
    with pytest.raises(PluginError, match="Image 0"):
        crop(image[..., 0], box(0, 0, 1, 1), spec)


def test_iou_against_known_values():
    a = np.stack([box(0, 0, 10, 10), box(0, 0, 10, 10), box(0, 0, 4, 4), box(2, 2, 2, 2)])
    b = np.stack([box(5, 0, 15, 10), box(10, 0, 20, 10), box(0, 0, 4, 4), box(2, 2, 2, 2)])
    assert iou(a, b) == pytest.approx([1 / 3, 0, 1, 0])
    each = iou(a[:, None], b[None])
    assert each.shape == (4, 4)
    assert np.diag(each) == pytest.approx(iou(a, b))
    assert iou(a[0], b[0]) == pytest.approx(1 / 3)


def test_choose_the_overlapping_else_the_largest_else_the_first():
    small, large, twin = (0, 0, 4, 4, 0.1), (10, 10, 30, 30, 0.2), (30, 10, 50, 30, 0.9)
    boxes = Boxes.from_lists([[small, large, twin], [], [small, twin, large], [small], [small]])
    assert choose(boxes, 6, None).tolist() == [1, -1, 4, 6, 7, -1]
    truth = np.stack(
        [
            box(1, 1, 5, 5),
            box(0, 0, 9, 9),
            box(80, 80, 90, 90),
            box(80, 80, 90, 90),
            np.full(4, np.nan, np.float32),
            box(0, 0, 1, 1),
        ]
    )
    assert choose(boxes, 6, truth).tolist() == [0, -1, 4, 6, 7, -1]
    equal = np.tile(box(20, 10, 40, 30), (6, 1))
    assert choose(boxes, 6, equal).tolist() == [1, -1, 4, 6, 7, -1]


def test_choose_of_nothing_and_of_a_box_without_image():
    nothing = Boxes.from_lists([[], []])
    assert choose(nothing, 2, None).tolist() == [-1, -1]
    assert choose(Boxes.from_lists([]), 0, None).shape == (0,)
    with pytest.raises(PluginError, match="image 1, but there are 1"):
        choose(Boxes.from_lists([[], [(0, 0, 1, 1, 1)]]), 1, None)
    with pytest.raises(PluginError, match="truth_xyxy"):
        choose(nothing, 2, np.zeros((3, 4), np.float32))


def test_enlarge_leaves_large_images_alone(image):
    search = enlarge(image, min_side=40)
    assert search.image is image
    kept = search.restore(np.array([[1.0, 2.0, 9.0, 9.0, 0.5]]))
    assert kept == [(1.0, 2.0, 9.0, 9.0, 0.5)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (1, 5000), (3, 200, 3), (127, 4, 3)])
def test_enlarge_of_a_strip_stays_small(shape):
    search = enlarge(np.zeros(shape, np.uint8))
    assert search.image.size <= max(shape[0] * shape[1] * 3, 192 * 1100 * 3)
    assert min(search.image.shape[:2]) >= min(shape[:2])


@pytest.mark.parametrize("shape", [(48, 48), (48, 48, 3), (30, 64, 3)])
def test_enlarge_and_back(shape):
    pixels = np.full(shape, 200, np.uint8)
    search = enlarge(pixels)
    pad = search.padding
    inner = search.image[pad:-pad, pad:-pad]
    assert min(inner.shape[:2]) == 128
    assert (inner == 200).all()
    assert int(search.image.astype(np.int64).sum()) == 200 * inner.size
    assert (pixels == 200).all()

    height, width = inner.shape[:2]
    whole = [pad, pad, pad + width, pad + height]
    found = np.array(
        [
            [*whole, 1.0],
            [0, 0, search.image.shape[1], search.image.shape[0], 3.0],
            [0, 0, pad, pad, 9.0],
            [pad, pad, pad + width / 2, pad + height, 1.0],
        ]
    )
    restored = search.restore(found)
    # The padding has no face, and what leaves the original is clipped to it.
    assert [row[4] for row in restored] == [3.0, 1.0, 1.0]
    np.testing.assert_allclose(restored[0][:4], (0, 0, shape[1], shape[0]), atol=0.3)
    np.testing.assert_allclose(restored[1][:4], (0, 0, shape[1] / 2, shape[0]), atol=0.3)
    assert restored == search.restore(found[::-1].copy())
