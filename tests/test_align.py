"""Where the eyes of aligned faces are, on pictures whose eyes are dots."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fxbench import schemes
from fxbench.align import EYE_DISTANCE, EYE_ROW, HOW, aligned, eye_groups
from fxbench.errors import PluginError, UsageError
from fxbench.faces import crops
from fxbench.types import FaceSpec

SCHEME = "yunet-5"  # right eye, left eye, and three points that decide nothing
RIGHT, LEFT = (255, 0, 0), (0, 255, 0)


def dots(right, left, width=200, height=160, sigma=3.0) -> np.ndarray:
    """A black picture with a red dot at the right eye and a green one at the left."""
    y, x = np.mgrid[:height, :width]
    picture = np.zeros((height, width, 3))
    for (across, down), colour in ((right, RIGHT), (left, LEFT)):
        dot = np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * sigma**2))
        picture += dot[:, :, None] * colour
    return picture.round().astype(np.uint8)


def centre(face: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a dot is, in pixels from the corner of the face: x, y."""
    weight = face[:, :, np.argmax(colour)].astype(float)
    assert weight.max() > 100, "the dot is not to be seen"
    y, x = np.mgrid[: len(face), : len(face)] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def eyes(right, left) -> np.ndarray:
    return np.array([[right, left, (1, 2), (3, 4), (5, 6)]], np.float32)


def box(*edges) -> np.ndarray:
    return np.array([edges], np.float32)


def align(picture, xyxy, points, spec, how, scheme=SCHEME):
    faces, done = aligned(
        (picture,), np.zeros(len(xyxy), np.int64), xyxy, points, scheme, spec, how
    )
    assert faces.shape == (len(xyxy), spec.size, spec.size, 3)
    assert faces.dtype == np.uint8
    return faces[0], bool(done[0])


def natural(height, width, seed=0) -> np.ndarray:
    """A smooth picture in colours, read-only as those of datasets are."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    picture = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    picture.flags.writeable = False
    return picture


# Which points are eyes


def test_the_eyes_of_the_schemes_that_are_there():
    assert eye_groups("300w-68") == ((45, 44, 43, 42, 46, 47), (36, 37, 38, 39, 41, 40))
    assert eye_groups("dlib-5") == ((0, 1), (2, 3))
    assert eye_groups("yunet-5") == eye_groups("mtcnn-5") == ((1,), (0,))


def test_the_eyes_of_other_schemes(monkeypatch):
    monkeypatch.setattr(schemes, "SCHEMES", dict(schemes.SCHEMES))
    corners = [
        f"{side}_eye_{part}_corner" for side in ("right", "left") for part in ("inner", "outer")
    ]
    for name, points, expected in (
        ("pupils", ("nose_tip", "right_pupil", "left_pupil"), ((2,), (1,))),
        ("corners-and-pupils", (*corners, "left_pupil", "right_pupil"), ((4,), (5,))),
        ("corners", tuple(corners), ((3, 2), (1, 0))),
        ("outer-corners", (corners[1], corners[3]), None),
        ("one-eye", ("left_pupil", "nose_tip", *corners[:3]), None),
    ):
        schemes.register(name, points)
        assert eye_groups(name) == expected, name
    assert eye_groups("unheard-of") is None


@pytest.mark.parametrize("how", HOW)
def test_the_mean_of_an_eyes_points_is_its_centre(how):
    picture = dots((80, 90), (120, 70))
    points = np.full((1, 68, 2), 7, np.float32)
    around = np.array([(-5, 0), (-2, -3), (2, -3), (5, 0), (2, 3), (-2, 3)])
    points[0, 36:42] = np.add(around, (80, 90))
    points[0, 42:48] = np.add(around, (120, 70))
    spec = FaceSpec(96)
    by_68 = align(picture, box(60, 40, 140, 120), points, spec, how, "300w-68")
    by_5 = align(picture, box(60, 40, 140, 120), eyes((80, 90), (120, 70)), spec, how)
    assert np.array_equal(by_68[0], by_5[0])
    assert by_68[1]


# similarity


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "area"])
@pytest.mark.parametrize(
    ("size", "margin", "fit"), [(96, 0, "stretch"), (64, 0.25, "pad"), (45, 0.1, "stretch")]
)
@pytest.mark.parametrize("turn", [0, 1, 20, -45, 90, 180, -170])
@pytest.mark.parametrize("apart", [18, 45, 70])
def test_similarity_puts_the_eyes_in_their_places(turn, apart, size, margin, fit, interpolation):
    way = apart / 2 * np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))])
    right, left = np.array([101.3, 77.6]) - way, np.array([101.3, 77.6]) + way
    picture = dots(right, left, sigma=apart / 14)
    spec = FaceSpec(size, fit, margin, interpolation)
    # The box has no say: this one is far from the eyes.
    face, done = align(picture, box(3, 5, 9, 50), eyes(right, left), spec, "similarity")
    side = size / (1 + 2 * margin)
    row = (EYE_ROW + margin) * side
    assert done
    for colour, sign in ((RIGHT, -1), (LEFT, 1)):
        expected = (size / 2 + sign * EYE_DISTANCE * side / 2, row)
        assert centre(face, colour) == pytest.approx(expected, abs=0.25)


def test_similarity_of_a_face_that_fills_its_picture_as_it_should_is_the_whole_picture():
    picture = natural(48, 48)
    middle, half, row = 48 / 2 - 0.5, EYE_DISTANCE * 48 / 2, EYE_ROW * 48 - 0.5
    points = eyes((middle - half, row), (middle + half, row))
    whole = box(0, 0, 48, 48)
    face, _ = align(picture, whole, points, FaceSpec(48), "similarity")
    assert np.abs(face.astype(int) - picture).max() <= 1
    face, _ = align(picture, whole, points, FaceSpec(224, "pad"), "similarity")
    crop = crops((picture,), (np.zeros(1, np.int64), whole), FaceSpec(224, "pad"))[0]
    assert np.abs(face.astype(int) - crop).max() <= 3


# eyes


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("margin", [0, 0.2])
@pytest.mark.parametrize("turn", [3, 25, -60, 90, 178])
def test_eyes_turns_the_picture_about_the_middle_of_the_box(turn, margin, fit):
    # A box that is higher than wide: `stretch` makes it square, `pad` does not.
    xyxy, middle, sides = box(70, 40, 130, 120), np.array([100, 80]), np.array([60, 80])
    radians = np.radians(turn)
    cosine, sine = np.cos(radians), np.sin(radians)
    level = {-1: np.array([85, 71]), 1: np.array([115, 71])}  # from the corner of the picture
    turned = {
        sign: middle + np.array([[cosine, -sine], [sine, cosine]]) @ (place - middle)
        for sign, place in level.items()
    }
    right, left = turned[-1] - 0.5, turned[1] - 0.5
    spec = FaceSpec(112, fit, margin)
    face, done = align(dots(right, left, sigma=2), xyxy, eyes(right, left), spec, "eyes")
    assert done
    grown = sides * (1 + 2 * margin)
    shown = np.array([112, 112]) if fit == "stretch" else (grown * 112 / grown.max()).astype(int)
    corner = (112 - shown) // 2
    for sign, colour in ((-1, RIGHT), (1, LEFT)):
        expected = corner + (level[sign] - middle + grown / 2) * shown / grown
        assert centre(face, colour) == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("interpolation", ["linear", "cubic", "area"])
@pytest.mark.parametrize(
    ("fit", "margin"), [("stretch", 0), ("pad", 0), ("pad", 0.25), ("stretch", 0.1)]
)
@pytest.mark.parametrize("size", [24, 48, 75, 224])
def test_eyes_of_a_face_whose_eyes_are_level_gives_its_crop(size, fit, margin, interpolation):
    picture = natural(120, 160)
    spec = FaceSpec(size, fit, margin, interpolation)
    xyxy = box(30.2, 20.7, 110.4, 90.1)
    face, done = align(picture, xyxy, eyes((50, 44), (90, 44)), spec, "eyes")
    crop = crops((picture,), (np.zeros(1, np.int64), xyxy), spec)[0]
    assert done
    difference = np.abs(face.astype(int) - crop)
    # OpenCV's two functions round differently, and a crop ends at its edge pixels.
    assert difference.max() <= 12
    assert difference.mean() <= 1.5
    bars = (crop == 0).all(axis=2)
    assert (face[bars.all(axis=1)] == 0).all()
    assert (face[:, bars.all(axis=0)] == 0).all()


def test_eyes_of_a_box_at_the_border_cuts_where_the_crop_does():
    picture = natural(60, 60)
    xyxy = box(-20, 30, 40, 90)
    spec = FaceSpec(40, margin=0.1)
    face, _ = align(picture, xyxy, eyes((10, 50), (30, 50)), spec, "eyes")
    crop = crops((picture,), (np.zeros(1, np.int64), xyxy), spec)[0]
    assert np.abs(face.astype(int) - crop).max() <= 4


# Both


@pytest.mark.parametrize("how", HOW)
def test_what_lies_outside_the_picture_is_like_its_edge(how):
    picture = np.full((48, 48, 3), (200, 90, 30), np.uint8)
    for points in (eyes((10, 10), (30, 30)), eyes((40, 2), (47, 40)), eyes((500, 600), (560, 640))):
        face, done = align(picture, box(0, 0, 48, 48), points, FaceSpec(64, margin=0.3), how)
        assert done
        assert (face == (200, 90, 30)).all()


@pytest.mark.parametrize("how", HOW)
def test_area_takes_means_where_the_crop_does(how):
    checks = ((np.indices((640, 640)).sum(axis=0) % 2) * 255).astype(np.uint8)
    picture = np.repeat(checks[:, :, None], 3, axis=2)
    points = eyes((200, 230), (425, 250))
    faces = {
        name: align(picture, box(20, 20, 620, 620), points, FaceSpec(40, "stretch", 0, name), how)[
            0
        ]
        for name in ("area", "nearest")
    }
    assert np.abs(faces["area"].astype(int) - 127).max() <= 16
    assert set(np.unique(faces["nearest"])) == {0, 255}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    "points",
    [
        eyes((np.nan, np.nan), (np.nan, np.nan)),
        eyes((np.nan, 3), (30, 3)),
        eyes((np.inf, 3), (30, 3)),
        eyes((20, 20), (20, 20)),
        eyes((20, 20), (20.4, 20.4)),
        eyes((1e30, 20), (20, 20)),
        eyes((-1e30, 20), (1e30, 20)),
        eyes((3e7, 20), (3e7 + 40, 20)),
    ],
)
def test_a_face_whose_eyes_are_not_known_is_cropped(points, how):
    picture = natural(60, 80)
    spec = FaceSpec(50, "pad", 0.2)
    face, done = align(picture, box(10, 5, 60, 55), points, spec, how)
    assert not done
    assert np.array_equal(
        face, crops((picture,), (np.zeros(1, np.int64), box(10, 5, 60, 55)), spec)[0]
    )


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("scheme", ["outer-corners-alone", "unheard-of"])
def test_faces_of_a_scheme_without_eyes_are_cropped(monkeypatch, scheme, how):
    monkeypatch.setattr(schemes, "SCHEMES", dict(schemes.SCHEMES))
    schemes.register(
        "outer-corners-alone", ("left_eye_outer_corner", "right_eye_outer_corner", *"abc")
    )
    picture, spec = natural(60, 80), FaceSpec(50)
    face, done = align(picture, box(10, 5, 60, 55), eyes((20, 20), (40, 35)), spec, how, scheme)
    assert not done
    assert np.array_equal(
        face, crops((picture,), (np.zeros(1, np.int64), box(10, 5, 60, 55)), spec)[0]
    )


@pytest.mark.parametrize("how", HOW)
def test_rows_keep_their_faces(how):
    pictures = tuple(natural(50 + 10 * i, 70, seed=i) for i in range(3))
    frame = np.array([2, 0, 1, 0, 2], np.int64)
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 20, (5, 2))
    xyxy = np.hstack([corner, corner + 30]).astype(np.float32)
    points = np.zeros((5, 5, 2), np.float32)
    points[:, :2] = corner[:, None] + np.array([(8, 12), (22, 12)]) + rng.normal(0, 2, (5, 2, 2))
    points[3] = np.nan
    spec = FaceSpec(32)
    faces, done = aligned(pictures, frame, xyxy, points, SCHEME, spec, how)
    assert done.tolist() == [True, True, True, False, True]
    for row in range(5):
        one = slice(row, row + 1)
        alone, _ = aligned(pictures, frame[one], xyxy[one], points[one], SCHEME, spec, how)
        assert np.array_equal(faces[row], alone[0])


@pytest.mark.parametrize("how", HOW)
def test_no_faces(how):
    none = np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
    faces, done = aligned((), np.empty(0, np.int64), *none, SCHEME, FaceSpec(8), how)
    assert faces.shape == (0, 8, 8, 3)
    assert done.shape == (0,)


@pytest.mark.parametrize("how", HOW)
def test_a_face_of_a_few_pixels_and_one_in_a_picture_of_one_pixel(how):
    tiny = natural(6, 6)
    assert align(tiny, box(0, 0, 6, 6), eyes((1.5, 2), (3.6, 2.4)), FaceSpec(64), how)[1]
    dot = np.full((1, 1, 3), 9, np.uint8)
    face, _ = align(dot, box(0, 0, 1, 1), eyes((-2, 0), (3, 1)), FaceSpec(16), how)
    assert (face == 9).all()


@pytest.mark.parametrize("interpolation", ["linear", "area"])
@pytest.mark.parametrize("how", HOW)
def test_pictures_that_are_longer_than_opencv_can_turn(how, interpolation):
    long = np.full((20, 40_000, 3), 60, np.uint8)
    long[:, 30_000:] = 160
    spec = FaceSpec(24, interpolation=interpolation)
    near, _ = align(long, box(39_950, 0, 39_970, 20), eyes((39_955, 8), (39_965, 9)), spec, how)
    assert (near == 160).all()
    whole, done = align(long, box(0, 0, 40_000, 20), eyes((10_000, 10), (30_000, 10)), spec, how)
    assert done
    assert set(np.unique(whole)) <= set(range(60, 161))
    assert np.ptp(whole) == 100


def test_wrong_arguments_are_refused():
    picture, spec = natural(20, 20), FaceSpec(8)
    good = (np.zeros(1, np.int64), box(0, 0, 9, 9), eyes((2, 3), (7, 3)), SCHEME, spec)
    with pytest.raises(UsageError, match="by eyes or similarity, not by 'nose'"):
        aligned((picture,), *good, "nose")
    with pytest.raises(PluginError, match="there are 1 images"):
        aligned((picture,), np.ones(1, np.int64), *good[1:], "eyes")
    with pytest.raises(PluginError, match="not finite"):
        aligned((picture,), good[0], box(0, 0, np.nan, 9), *good[2:], "similarity")
    with pytest.raises(PluginError, match="points must be float32"):
        aligned((picture,), *good[:2], np.zeros((2, 5, 2), np.float32), *good[3:], "eyes")
