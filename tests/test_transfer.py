"""Where a perturbation of one crop lies on another crop of the same box."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fxbench.errors import PluginError
from fxbench.faces import crops
from fxbench.transfer import carried
from fxbench.types import FaceSpec

EXACT = 1e-4
"""Grey levels: what is left to rounding."""

specs = st.builds(
    FaceSpec,
    st.integers(1, 60),
    st.sampled_from(["stretch", "pad"]),
    st.sampled_from([0.0, 0.1, 0.5]),
)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two boxes with the sizes of their images: within, across the edge, or outside."""
    drawn = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = drawn.integers(1, 120, (2, 2))
    start = drawn.uniform(-20, 110, (2, 2))
    return np.hstack([start, start + drawn.uniform(0.2, 90, (2, 2))]).astype(np.float32), sizes


def whole(side: int, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    box = np.array([0, 0, side, side], np.float32)
    return np.tile(box, (count, 1)), np.full((count, 2), side, np.int64)


def waves(size: int) -> np.ndarray:
    """A smooth change: one wave across a face."""
    x, y = np.meshgrid(*2 * [(np.arange(size) + 0.5) / size])
    wave = 8 * np.stack([np.sin(6.28 * x), np.cos(6.28 * y), np.sin(3.14 * (x + y))], axis=2)
    return wave[None].astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    surrogate=specs,
    target=specs,
    where=boxes(),
    dtype=st.sampled_from([np.int8, np.int16, np.float32]),
)
@settings(max_examples=150, deadline=None)
def test_no_change_gets_larger(seed, surrogate, target, where, dtype) -> None:
    drawn = np.random.default_rng(seed)
    change = drawn.integers(-8, 9, (2, surrogate.size, surrogate.size, 3)).astype(dtype)
    before = change.copy()
    got = carried(change, surrogate, target, *where)
    assert got.dtype == np.float32
    assert got.shape == (2, target.size, target.size, 3)
    assert (change == before).all()
    for row in range(2):
        # Where there is no change, it is 0.
        assert got[row].min() >= min(0, change[row].min()) - EXACT
        assert got[row].max() <= max(0, change[row].max()) + EXACT


@given(surrogate=specs, target=specs, where=boxes())
@settings(max_examples=150, deadline=None)
def test_a_constant_change_stays_constant_where_both_see_the_image(
    surrogate, target, where
) -> None:
    assume((surrogate.size, surrogate.fit) != (target.size, target.fit))
    change = np.full((2, surrogate.size, surrogate.size, 3), -5, np.int16)
    got = carried(change, surrogate, target, *where)
    changed = np.abs(got + 5) < EXACT
    assert (changed | (got == 0)).all()
    # A white image is black in the padding alone: there nothing changes.
    xyxy, sizes = where
    images = tuple(np.full((height, width, 3), 255, np.uint8) for width, height in sizes)
    shown = crops(images, (np.arange(2), xyxy), target) > 0
    assert not changed[~shown].any()
    if surrogate.margin >= target.margin:
        assert changed[shown].all()


@given(size=st.integers(1, 60), fit=st.sampled_from(["stretch", "pad"]), where=boxes())
@settings(max_examples=50, deadline=None)
def test_specs_that_crop_alike_give_the_change_back(size, fit, where) -> None:
    change = np.random.default_rng(0).normal(0, 8, (2, size, size, 3)).astype(np.float32)
    spec = FaceSpec(size, fit, 0.1)
    assert np.array_equal(carried(change, spec, spec, *where), change)
    other = FaceSpec(size, fit, 0.1, "cubic")
    assert np.array_equal(carried(change, spec, other, *where), change)
    assert carried(change, spec, spec, *where) is not change


def test_of_a_square_padding_and_stretching_are_alike() -> None:
    """FER+ on DeepFace's faces: the resize of a whole picture."""
    change = np.random.default_rng(0).integers(-8, 9, (3, 48, 48, 3), np.int16)
    got = carried(change, FaceSpec(48), FaceSpec(224, "pad"), *whole(48, 3))
    for row in range(3):
        assert np.array_equal(got[row], cv2.resize(change[row].astype(np.float32), (224, 224)))


@pytest.mark.parametrize("sizes", [(48, 96), (96, 224), (48, 224), (64, 48)])
def test_there_and_back_a_smooth_change_is_nearly_the_same(sizes: tuple[int, int]) -> None:
    first, second = (FaceSpec(size) for size in sizes)
    change = waves(first.size)
    there = carried(change, first, second, *whole(100))
    # The outer half of a pixel at the edge is repeated.
    edge = second.size // 20
    inner = (slice(None), slice(edge, -edge), slice(edge, -edge))
    assert np.abs(there - waves(second.size))[inner].max() < 0.1
    back = carried(there, second, first, *whole(100))
    assert np.abs(back - change).max() < 0.3


@given(
    surrogate=st.builds(FaceSpec, st.integers(90, 120), st.just("pad"), st.just(0.3)),
    target=specs.filter(lambda spec: spec.size >= 20 and spec.margin < 0.3),
    where=boxes().filter(lambda where: where[1].min() >= 20),
)
@settings(max_examples=60, deadline=None)
def test_both_ways_of_resampling_agree(surrogate, target, where) -> None:
    """A crop that shows more, against one that shows just what the target's does."""
    slope = np.linspace(-8, 8, 120, dtype=np.float32)
    images = [np.add.outer(slope[:h], slope[:w])[..., None].repeat(3, axis=2) for w, h in where[1]]
    exactly = FaceSpec(100, "stretch", target.margin)
    got = [
        carried(rendered(images, *where, spec), spec, target, *where)
        for spec in (surrogate, exactly)
    ]
    # Half a pixel of a crop at an edge is repeated: as much as the slope changes within it.
    assert np.abs(got[0] - got[1]).max() < 0.5


def rendered(images, xyxy, sizes, spec: FaceSpec) -> np.ndarray:
    """Crops of float images, through the core's own: in 8 bits, which is undone."""
    scaled = tuple(np.rint(image * 7 + 128).clip(1, 255).astype(np.uint8) for image in images)
    faces = crops(scaled, (np.arange(len(images)), xyxy), spec).astype(np.float32)
    return np.where(faces > 0, (faces - 128) / 7, 0).astype(np.float32)


def centre(weights: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(weights.shape) + 0.5
    return (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()


@pytest.mark.parametrize("surrogate", [FaceSpec(48), FaceSpec(60, "pad"), FaceSpec(96, "pad", 0.4)])
@pytest.mark.parametrize(
    "target", [FaceSpec(224, "pad"), FaceSpec(96, margin=0.2), FaceSpec(50, margin=0.5)]
)
@pytest.mark.parametrize("box", [(30, 20, 110, 120), (-15, 40, 70, 90), (100, 70, 190, 160)])
def test_a_spot_lies_where_the_crop_shows_it(surrogate, target, box) -> None:
    """A square drawn into the image, cropped by both: the change is where the target shows it."""
    image = np.zeros((150, 170, 3), np.uint8)
    x1, y1, x2, y2 = np.clip(box, 0, (170, 150, 170, 150))
    x, y = (x1 + x2) // 2 - 6, (y1 + y2) // 2 + 2
    image[y : y + 14, x : x + 14] = 200
    xyxy = np.array([box], np.float32)
    frame = np.zeros(1, np.int64)
    seen = crops((image,), (frame, xyxy), surrogate)
    shown = crops((image,), (frame, xyxy), target)[0, ..., 0].astype(float)
    got = carried(seen.astype(np.int16), surrogate, target, xyxy, np.array([[170, 150]]))
    got = got[0, ..., 0].astype(float)
    assert centre(got) == pytest.approx(centre(shown), abs=target.size / 100)
    assert got.sum() == pytest.approx(shown.sum(), rel=0.15)
    both = np.minimum(got, shown).sum() / np.maximum(got, shown).sum()
    assert both > 0.7


def test_what_the_surrogate_doesnt_show_is_not_changed() -> None:
    change = np.full((1, 40, 40, 3), 4, np.int16)
    xyxy, sizes = np.array([[30, 30, 70, 70]], np.float32), np.array([[100, 100]])
    got = carried(change, FaceSpec(40), FaceSpec(80, margin=0.5), xyxy, sizes)
    expected = np.zeros((1, 80, 80, 3), np.float32)
    expected[:, 20:60, 20:60] = 4
    assert np.array_equal(got, expected)
    # The other way round, what lies around the target's crop is lost.
    back = carried(got, FaceSpec(80, margin=0.5), FaceSpec(40), xyxy, sizes)
    assert np.array_equal(back, change)


@pytest.mark.parametrize(
    ("change", "count", "message"),
    [
        (np.zeros((2, 40, 40, 3), np.uint8), 2, "signed or floating"),
        (np.zeros((2, 40, 40, 3), np.bool_), 2, "signed or floating"),
        (np.zeros((2, 41, 40, 3), np.int16), 2, r"change must be int16 \(2, 40, 40, 3\)"),
        (np.zeros((1, 40, 40, 3), np.int16), 2, r"change must be int16 \(2, 40, 40, 3\)"),
        (np.zeros((2, 40, 40, 3), np.int16), 3, "sizes must be int64"),
    ],
)
def test_other_arrays_are_refused(change: np.ndarray, count: int, message: str) -> None:
    xyxy, sizes = whole(48, 2)
    with pytest.raises(PluginError, match=message):
        carried(change, FaceSpec(40), FaceSpec(48), xyxy, np.resize(sizes, (count, 2)))


def test_no_face() -> None:
    xyxy, sizes = whole(48, 0)
    none = np.zeros((0, 40, 40, 3), np.int16)
    got = carried(none, FaceSpec(40), FaceSpec(48), xyxy, sizes)
    assert got.shape == (0, 48, 48, 3)
