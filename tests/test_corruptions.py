"""The 21 corruptions: what they share, and what each of them does."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from corruptions_golden import FILE, corrupted, drawn, flat, golden, points_of, speckled
from fxbench_corruptions import fxbench_corruptions
from fxbench_corruptions.everyday import Everyday

from fxbench.errors import PluginError, UsageError
from fxbench.protocols import Corruption
from fxbench.registry import discover
from fxbench.testing.corruptions import change
from fxbench.testing.pictures import portrait
from fxbench.types import Points

COMPONENTS = {component.name: component for component in fxbench_corruptions()}
COMMON = [
    "gaussian-noise",
    "shot-noise",
    "impulse-noise",
    "defocus-blur",
    "glass-blur",
    "motion-blur",
    "zoom-blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic-transform",
    "pixelate",
    "jpeg-compression",
]
PLACED = ["sunglasses", "face-mask", "hand-over-mouth"]
RANDOM = {
    *COMMON[:3],
    *("glass-blur", "motion-blur", "snow", "frost", "fog", "elastic-transform", "low-light"),
}
"""Those that two seeds give two results of; the side of a rotation is one of two."""


@pytest.fixture(scope="module")
def made():
    return {name: component.factory() for name, component in COMPONENTS.items()}


def grey(image):
    return np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


# The components.


def test_there_are_the_fifteen_and_six_more():
    by_trait = {
        trait: [name for name, component in COMPONENTS.items() if trait in component.traits]
        for trait in ("common", "placed")
    }
    assert by_trait == {"common": COMMON, "placed": PLACED}
    assert set(COMPONENTS) - set(COMMON) == {*PLACED, "low-light", "low-resolution", "rotation"}
    assert all(isinstance(component.factory(), Corruption) for component in COMPONENTS.values())


def test_they_are_installed():
    assert set(COMPONENTS) <= {entry.name for entry in discover().of_kind("corruption")}


# What is stored.


def test_the_results_are_those_that_are_stored():
    stored, now = json.loads(FILE.read_text(encoding="utf-8")), golden()
    assert list(stored) == list(now)
    for name, rows in now.items():
        # Builds of OpenCV round differently, by a grey level of a pixel here and there.
        np.testing.assert_allclose(rows, stored[name], atol=0.6, err_msg=name)


# What all of them do.


@pytest.mark.parametrize("name", COMPONENTS)
def test_form_size_and_grey(made, name):
    corruption = made[name]
    for height, width in ((1, 1), (2, 3), (48, 48), (100, 300)):
        image = drawn(height, width)
        image.flags.writeable = False
        for severity in (1, 3, 5):
            for side in (1.0, 44.5, 260.0):
                answer = corrupted(corruption, severity, image, side=side)
                assert answer.dtype == np.uint8
                assert answer.shape == image.shape
        plain = corrupted(corruption, 5, grey(image))
        assert (plain == plain[..., :1]).all(), "a grey picture stays grey"


@pytest.mark.parametrize("name", COMPONENTS)
def test_only_the_seed_decides(made, name):
    image = drawn()
    np.random.seed(1)  # noqa: NPY002 - the global one must not matter
    first = corrupted(made[name], 4, image, seed=5)
    np.random.seed(2)  # noqa: NPY002
    again = corrupted(COMPONENTS[name].factory(), 4, image, seed=5)
    np.testing.assert_array_equal(first, again)
    others = [corrupted(made[name], 4, image, seed=seed) for seed in range(6, 12)]
    differ = [not np.array_equal(first, other) for other in others]
    if name in RANDOM:
        assert all(differ)
    else:
        # Of the others some have a side or a colour that is drawn, and the rest nothing.
        drawn_one = name in {"rotation", *PLACED}
        assert any(differ) == drawn_one


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_severity_changes_more_than_the_last(made, name):
    pictures = [(drawn(), 40.0, points_of(drawn()))]
    for size, seed in ((48, 0), (96, 1), (180, 2)):
        image = portrait(size, size, seed=seed)
        pictures += [(image, 0.7 * size, points_of(image))]
        pictures += [(grey(image), 0.7 * size, points_of(image))]
    changes = []
    for image, side, points in pictures:
        severities = [
            corrupted(made[name], s, image, side=side, points=points) for s in range(1, 6)
        ]
        changes.append([change(image, answer) for answer in severities])
    levels, structure = np.moveaxis(np.array(changes), 2, 0)
    assert (levels[:, 0] > 0).all()
    assert (levels[:, 4] > levels[:, 0]).all() or (structure[:, 4] > structure[:, 0]).all()
    steps = [np.diff(measure.mean(axis=0)).min() for measure in (levels, structure)]
    assert max(steps) > 0, (levels.mean(axis=0), structure.mean(axis=0))


@pytest.mark.parametrize("severity", [0, 6, -1, 2.5, True, "1", None])
def test_another_severity_is_refused(made, severity):
    with pytest.raises(
        UsageError, match=r"^The severity is .*: give a whole number from 1 to 5\.$"
    ):
        corrupted(made["fog"], severity, drawn())


@pytest.mark.parametrize("side", [0.0, -3.0, float("nan"), float("inf")])
def test_a_side_that_is_no_length_is_refused(made, side):
    with pytest.raises(UsageError, match="positive number of pixels"):
        corrupted(made["fog"], 1, drawn(), side=side)


def test_what_is_no_picture_is_refused(made):
    with pytest.raises(PluginError, match="The picture must be uint8"):
        corrupted(made["fog"], 1, drawn().astype(np.float32))


@pytest.mark.parametrize("name", ["defocus-blur", "motion-blur", "zoom-blur", "rotation"])
def test_a_face_twice_as_large_is_changed_as_much(made, name):
    """A picture at twice the size, corrupted and made smaller, is like the small one corrupted."""
    small = cv2.GaussianBlur(portrait(60, 60, seed=4), (0, 0), 1.0)
    large = cv2.resize(small, (120, 120), interpolation=cv2.INTER_CUBIC)
    answers = [
        corrupted(made[name], 4, image, side=side) for image, side in ((small, 42), (large, 84))
    ]
    shrunk = cv2.resize(answers[1], (60, 60), interpolation=cv2.INTER_AREA)
    inner = np.s_[8:-8, 8:-8]
    effect = np.abs(answers[0][inner].astype(float) - small[inner]).mean()
    error = np.abs(answers[0][inner].astype(float) - shrunk[inner]).mean()
    assert error < 0.25 * effect


# Noise.


def test_gaussian_noise_has_the_published_deviation(made):
    for severity, deviation in enumerate((0.04, 0.06, 0.08, 0.09, 0.10), 1):
        answer = corrupted(made["gaussian-noise"], severity, flat(128), side=32)
        assert answer.astype(float).std() == pytest.approx(255 * deviation, rel=0.02)
        assert answer.mean() == pytest.approx(128, abs=0.3)


@pytest.mark.parametrize("level", [0, 3, 40, 128])
def test_shot_noise_has_the_variance_of_a_poisson_count(made, level):
    for severity, photons in enumerate((500, 250, 100, 75, 50), 1):
        answer = corrupted(made["shot-noise"], severity, flat(level), side=32).astype(float)
        assert answer.mean() == pytest.approx(level, abs=0.6)
        expected = 255 * np.sqrt(level / 255 / photons)
        assert answer.std() == pytest.approx(expected, rel=0.05, abs=0.3)


def test_impulse_noise_is_half_black_half_white_and_grows_from_the_same_pixels(made):
    before = np.zeros((256, 256, 3), bool)
    for severity, share in enumerate((0.01, 0.02, 0.03, 0.05, 0.07), 1):
        answer = corrupted(made["impulse-noise"], severity, flat(99), side=32)
        hit = answer != 99
        assert set(np.unique(answer)) == {0, 99, 255}
        assert (answer == 0).mean() == pytest.approx(share / 2, rel=0.1)
        assert (answer == 255).mean() == pytest.approx(share / 2, rel=0.1)
        assert (hit | before).sum() == hit.sum()
        before = hit


@pytest.mark.parametrize(("side", "grain"), [(20, 1), (32, 1), (48, 1.5), (80, 2.5), (128, 4)])
def test_a_grain_grows_with_the_face(made, side, grain):
    answer = corrupted(made["gaussian-noise"], 5, flat(128, 240), side=side)
    for pairs in (answer[1:] == answer[:-1], answer[:, 1:] == answer[:, :-1]):
        # Of the borders between pixels, those within a grain; some grains are equal by chance.
        assert pairs.mean() == pytest.approx(1 - 1 / grain, abs=0.02)


# Blur.


def test_defocus_spreads_a_point_over_a_disc(made):
    image = flat(0, 41)
    image[20, 20] = 255
    answer = corrupted(made["defocus-blur"], 5, image, side=128).astype(float)[..., 0]
    y, x = np.mgrid[-20:21, -20:21]
    assert answer.sum() == pytest.approx(255, rel=0.05)
    # A disc's points lie radius / sqrt(2) from its middle, as a root mean square.
    reach = np.sqrt((answer * (x**2 + y**2)).sum() / answer.sum())
    assert reach == pytest.approx(1.63 * 4 / np.sqrt(2), rel=0.05)


def test_motion_blur_draws_to_one_side_of_the_direction(made):
    image = flat(0, 61)
    image[30, 30] = 255
    for seed in range(4):
        answer = corrupted(made["motion-blur"], 5, image, side=64, seed=seed)[..., 0].astype(float)
        y, x = np.nonzero(answer)
        assert x.max() <= 31, "a trail to one side"
        angle = np.degrees(np.arctan2(30 - y.mean(), 30 - x.mean()))
        assert -46 < angle < 46
        along = np.hypot(x - 30, y - 30)
        # Half a normal curve has its mean at sigma * sqrt(2 / pi).
        mean = (answer[y, x] * along).sum() / answer.sum()
        assert mean == pytest.approx(5 * np.sqrt(2 / np.pi), rel=0.1)


def test_zoom_blur_leaves_the_face_s_middle_sharp(made):
    image = cv2.GaussianBlur(speckled(96), (0, 0), 1.0)
    points = points_of(image)
    moved = Points(points.xy + np.float32([15, -9]), points.scheme)
    x, y = ((moved.xy[0].min(axis=0) + moved.xy[0].max(axis=0)) / 2).round().astype(int)
    answer = corrupted(made["zoom-blur"], 5, image, side=60, points=moved)
    error = np.abs(answer.astype(float) - image)
    assert error[y - 3 : y + 4, x - 3 : x + 4].mean() < 0.3 * error.mean()


# Weather and light.


def test_snow_and_frost_and_fog_add_light(made):
    for name in ("snow", "frost"):
        dark = flat(20, 96)
        assert corrupted(made[name], 3, dark).mean() > 30
    foggy = corrupted(made["fog"], 5, drawn(96, 96)).astype(float)
    assert foggy.max() <= drawn(96, 96).max() + 1, "no brighter than the picture was"


def test_brightness_keeps_the_hue(made):
    image = np.array([[(100, 50, 25), (0, 0, 0), (250, 125, 0)]], np.uint8)
    answer = corrupted(made["brightness"], 4, image)
    np.testing.assert_array_equal(answer[0], [(151, 76, 38), (51, 51, 51), (255, 128, 0)])
    plain = np.full((1, 2, 3), 77, np.uint8)
    assert corrupted(made["brightness"], 1, plain).tolist() == [[[90] * 3] * 2]


def test_contrast_moves_towards_each_channel_s_mean(made):
    image = drawn()
    answer = corrupted(made["contrast"], 3, image).astype(float)
    means = image.mean(axis=(0, 1))
    np.testing.assert_allclose(answer, (image - means) * 0.4 + means, atol=0.51)


def test_low_light_takes_light_and_adds_noise(made):
    answer = corrupted(made["low-light"], 5, flat(128)).astype(float)
    expected = 255 * ((128 / 255) ** 2.2 * 0.06) ** (1 / 2.2)
    assert answer.mean() == pytest.approx(expected, rel=0.06)
    noise = [
        corrupted(made["low-light"], severity, flat(128)).std() / severity for severity in (1, 5)
    ]
    assert min(noise) > 0.3


# Shape.


def test_pixelate_leaves_so_many_cells(made):
    image = portrait(96, 96, seed=2)
    answer = corrupted(made["pixelate"], 4, image, side=96)
    cells = answer.reshape(24, 4, 24, 4, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    np.testing.assert_allclose(
        cells[:, 0, :, 0], image.reshape(24, 4, 24, 4, 3).mean(axis=(1, 3)), atol=0.51
    )


def test_low_resolution_leaves_nothing_finer(made):
    y, x = np.mgrid[0:96, 0:96]
    board = np.repeat(((x // 4 + y // 4) % 2 * 255)[..., None], 3, axis=2).astype(np.uint8)
    left = [corrupted(made["low-resolution"], s, board, side=96).std() for s in (1, 5)]
    assert left[0] > 40
    assert left[1] < 12


def test_jpeg_is_that_of_opencv_at_the_published_quality(made):
    image = portrait(48, 48)
    _, file = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
    expected = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(corrupted(made["jpeg-compression"], 5, image), expected)


def test_rotation_turns_about_the_face(made):
    image = flat(0, 101)
    points = points_of(image)
    x, y = ((points.xy[0].min(axis=0) + points.xy[0].max(axis=0)) / 2).tolist()
    centre = np.array([x, y])
    spot = np.round(centre + np.array([30, 0])).astype(int)
    image[spot[1] - 1 : spot[1] + 2, spot[0] - 1 : spot[0] + 2] = 255
    for severity, degrees in enumerate((6, 12, 20, 30, 45), 1):
        turns = set()
        for seed in range(6):
            answer = corrupted(made["rotation"], severity, image, seed=seed, points=points)
            light = answer[..., 0].astype(float)
            rows, columns = np.mgrid[0:101, 0:101]
            now = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum() - centre
            turns.add(round(float(np.degrees(np.arctan2(now[1], now[0])))))
        was = np.degrees(np.arctan2(*(spot - centre)[::-1]))
        assert turns == {round(was + degrees), round(was - degrees)}


def test_a_rotation_without_points_is_about_the_picture_s_middle(made):
    image = drawn(41, 41)
    random = np.random.default_rng(0)
    answer = made["rotation"].corrupt(image, 5, random=random, side=41.0, points=None)
    np.testing.assert_array_equal(answer[20, 20], image[20, 20])


def test_the_sheet_is_drawn(tmp_path):
    from fxbench_corruptions import sheet

    sheet.main(["-o", str(tmp_path / "sheet.png"), "--row", "0"])
    drawn_sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert drawn_sheet.shape[0] > 7 * 96
    assert len(np.unique(drawn_sheet)) > 200


def test_one_object_serves_any_picture():
    seen = []

    def note(picture, severity, random, face):
        seen.append((picture.ndim, face.scale))
        return picture

    corruption = Everyday(note)
    corrupted(corruption, 1, drawn(), side=64)
    corrupted(corruption, np.int64(2), grey(drawn()), side=16)
    assert seen == [(3, 2.0), (2, 0.5)]
