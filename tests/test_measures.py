"""Standardised landmarks, pose and measures, against constructed faces and `mini`'s exact ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fxbench_mini import clip_files
from fxbench_mini.dataset import FOLDER

from fxbench import schemes
from fxbench.errors import PluginError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.measures import NAMES, PROXIES, Measures, baseline, measure
from fxbench.standard_face import (
    _MEAN_3D,
    _RIGID,
    MEAN_STABLE,
    STABLE,
    pose,
    standardised,
)

SIZE = (640, 480)


@pytest.fixture(scope="module")
def clips() -> dict[str, Any]:
    return {clip.file: clip for clip in clip_files.read(FOLDER / "clips")}


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    with np.load(FOLDER / "faces.npz", allow_pickle=False) as archive:
        return archive["points"][:50]


def moved(points: np.ndarray, turn: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    """Points turned clockwise in the picture, in degrees, about its origin, scaled and shifted."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return (scale * points @ np.array([(c, s), (-s, c)]) + shift).astype(np.float32)


def test_the_alignment_is_the_one_of_least_squares(faces: np.ndarray) -> None:
    standard = standardised(faces)
    for face, placed in zip(faces.astype(float), standard.xy, strict=True):
        x, y = face[list(STABLE)].T
        one, nil = np.ones(8), np.zeros(8)
        # x' = a x - b y + c and y' = b x + a y + d, linear in a, b, c and d
        rows = np.concatenate([np.stack([x, -y, one, nil], 1), np.stack([y, x, nil, one], 1)])
        wanted = np.concatenate(MEAN_STABLE.T)
        (a, b, c, d), *_ = np.linalg.lstsq(rows, wanted)
        x, y = face.T
        expected = np.stack([a * x - b * y + c, b * x + a * y + d], 1)
        np.testing.assert_allclose(placed, expected, atol=1e-5)


@pytest.mark.parametrize(("turn", "scale"), [(0, 1), (25, 0.3), (-170, 4), (90, 1)])
def test_a_head_that_moves_leaves_the_standard_face_where_it_is(
    faces: np.ndarray, turn: float, scale: float
) -> None:
    before, after = standardised(faces), standardised(moved(faces, turn, scale, (31, -12)))
    np.testing.assert_allclose(after.xy, before.xy, atol=2e-5)
    np.testing.assert_allclose(after.scale, scale * before.scale, rtol=1e-5)
    leant = (after.angle - before.angle - turn + 180) % 360 - 180
    np.testing.assert_allclose(leant, 0, atol=1e-2)


def test_no_face_is_mirrored(faces: np.ndarray) -> None:
    flipped = faces * np.float32([-1, 1])
    far = np.abs(standardised(flipped).xy - standardised(faces).xy).max(axis=(1, 2))
    assert (far > 0.5).all()


def test_the_way_back_leads_to_the_pixels(faces: np.ndarray) -> None:
    standard = standardised(faces)
    np.testing.assert_allclose(standard.in_picture(standard.xy), faces, atol=1e-3)
    spots = standard.in_picture(np.array([(0.0, 0.0), (1.0, 0.0)]))
    np.testing.assert_allclose(spots[:, 0], standard.origin)
    np.testing.assert_allclose(np.linalg.norm(spots[:, 1] - spots[:, 0], axis=1), standard.scale)


def test_what_is_not_known_stays_unknown(faces: np.ndarray) -> None:
    lost = faces[:4].copy()
    lost[1] = np.nan
    lost[2, 57] = np.nan  # no stable point
    lost[3] = 5  # all in one place
    standard = standardised(lost)
    gone = np.isnan(standard.xy).any(axis=2)
    assert not gone[0].any()
    assert gone[1].all()
    assert np.flatnonzero(gone[2]).tolist() == [57]
    assert gone[3].all()
    assert np.isnan(standard.scale[[1, 3]]).all()
    assert np.isnan(pose(lost, SIZE)[1]).all()
    assert not len(standardised(np.zeros((0, 68, 2), np.float32)))


def test_a_scheme_with_some_of_the_points_gives_those(faces: np.ndarray) -> None:
    names = ("nose_tip", "left_eye_outer_corner", "left_eye_inner_corner", "right_eye_inner_corner")
    some = (*names, "right_eye_outer_corner", "nose_root", "acme_1")
    schemes.register("acme-of-measures", some)
    known = [schemes.SCHEMES["300w-68"].index(name) for name in some[:-1]]
    points = np.concatenate([faces[:, known], np.zeros((len(faces), 1, 2), np.float32)], axis=1)
    standard = standardised(points, "acme-of-measures")
    there = np.isfinite(standard.xy).all(axis=(0, 2))
    assert sorted(np.flatnonzero(there)) == sorted(known)
    # The stable points that it lacks would have moved it a little.
    np.testing.assert_allclose(standard.xy[:, known], standardised(faces).xy[:, known], atol=0.03)
    assert np.isfinite(pose(points, SIZE, "acme-of-measures")).all()
    assert np.isnan(measure(standard).values).all()


def test_a_scheme_without_corners_and_bridge_is_refused() -> None:
    with pytest.raises(UsageError, match="mtcnn-5 can't be standardised: it has 1 of"):
        standardised(np.zeros((2, 5, 2), np.float32), "mtcnn-5")
    with pytest.raises(UsageError, match="unheard-of"):
        standardised(np.zeros((2, 68, 2), np.float32), "unheard-of")


def test_points_of_another_shape_are_refused() -> None:
    with pytest.raises(PluginError, match="points"):
        standardised(np.zeros((2, 67, 2), np.float32))
    with pytest.raises(PluginError, match="points"):
        pose(np.zeros((2, 68, 2)), SIZE)  # type: ignore[arg-type]


def seen(yaw: float, pitch: float, roll: float, place: tuple[float, float] = (0, 0)) -> np.ndarray:
    """The rigid points of the mean face, turned, 700 mm from the camera that `pose` supposes."""
    y, p, r = np.radians([yaw, pitch, roll])
    # Built from where the face looks and where its top is, independent of rotation matrices' order.
    ahead = np.array([np.sin(y) * np.cos(p), -np.sin(p), -np.cos(y) * np.cos(p)])
    level = np.array([np.cos(y), 0, np.sin(y)])
    down = np.cross(-ahead, level)
    right = np.cos(r) * level + np.sin(r) * down
    turned = np.stack([right, np.cross(-ahead, right), -ahead], axis=1)
    camera = _MEAN_3D * (1, 1, -1) @ turned.T + (*place, 700)
    focal = 1.2 * 640
    points = np.full((1, 68, 2), np.nan, np.float32)
    points[0, list(_RIGID)] = focal * camera[:, :2] / camera[:, 2:] + (319.5, 239.5)
    return points


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"),
    [(0, 0, 0), (20, 0, 0), (-35, 0, 0), (0, 15, 0), (0, -20, 0), (0, 0, 30), (15, -10, -40)],
)
def test_the_pose_of_a_mean_face_is_found(yaw: float, pitch: float, roll: float) -> None:
    found = pose(seen(yaw, pitch, roll), SIZE)[0]
    assert found == pytest.approx([yaw, pitch, roll], abs=0.1)


def test_signs_of_the_pose_are_those_of_the_picture() -> None:
    ahead = seen(0, 0, 0)[0]
    tip, corners = 30, [36, 45]
    assert seen(20, 0, 0)[0, tip, 0] > ahead[tip, 0] + 5  # to the right in the picture
    assert seen(0, 20, 0)[0, tip, 1] < ahead[tip, 1] - 5  # up
    right, left = seen(0, 0, 20)[0, corners]
    assert left[1] > right[1] + 5  # clockwise: the eye on the right is lower


def test_roll_is_the_angle_by_which_the_face_leans(faces: np.ndarray) -> None:
    centred = faces - faces.mean(axis=1, keepdims=True)
    leaning = moved(centred, 30, 2, (320, 240))
    level = moved(centred, 0, 2, (320, 240))
    difference = pose(leaning, SIZE)[:, 2] - pose(level, SIZE)[:, 2]
    assert np.abs(difference - 30).max() < 5


def test_every_measure_is_described_and_made_of_its_points(faces: np.ndarray) -> None:
    before = measure(standardised(faces)).values
    for column, proxy in enumerate(PROXIES):
        others = sorted(set(range(68)) - set(proxy.points) - set(STABLE))
        changed = faces.copy()
        changed[:, others] += 7
        after = measure(standardised(changed)).values
        np.testing.assert_allclose(after[:, column], before[:, column], atol=1e-5)
        for point in proxy.points:
            one = faces.copy()
            one[:, point] += np.float32([1.5, 2.5])
            assert (measure(standardised(one)).values[:, column] != before[:, column]).any()


def move(face: np.ndarray, points: list[int], x: float, y: float) -> dict[str, float]:
    """By how much each measure changes where points move, in inter-ocular units."""
    standard = standardised(face[None])
    other = standard.xy.copy()
    other[:, points] += np.float32([x, y])
    changed = standard.in_picture(other).astype(np.float32)
    difference = measure(standardised(changed)).values - measure(standard).values
    return dict(zip(NAMES, difference[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("points", "x", "y", "expected"),
    [
        ([21, 22], 0, -0.1, {"brow_inner_raise": 0.1, "brow_lowering": -0.1 / 3}),
        ([17, 18, 25, 26], 0, -0.1, {"brow_outer_raise": 0.1}),
        ([19, 20, 21, 22, 23, 24], 0, 0.1, {"brow_inner_raise": -0.1, "brow_lowering": 0.1}),
        ([31, 35], 0, -0.1, {"nose_wrinkling": 0.1}),
        ([8], 0, 0.2, {"jaw_drop": 0.2}),
        ([48, 54], 0, 0.1, {"lip_corner_depression": 0.1, "lip_corner_pull": -0.1 / 2**0.5}),
        ([50, 51, 52], 0, -0.1, {"upper_lip_raise": 0.1, "lip_corner_depression": 0.1}),
    ],
)
def test_a_measure_is_how_far_its_points_move(
    faces: np.ndarray, points: list[int], x: float, y: float, expected: dict[str, float]
) -> None:
    found = move(faces[0], points, x, y)
    for name in NAMES:
        if name not in ("lip_stretch", "brow_drawing"):
            assert found[name] == pytest.approx(expected.get(name, 0), abs=1e-4), name


def test_lips_that_part_and_lids_that_open() -> None:
    face = np.zeros((68, 2), np.float32)
    face[list(STABLE)] = MEAN_STABLE
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        face[[upper, lower], 1] = -0.05, 0.05
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        face[[upper, lower], 1] = 0.7, 0.9
    face[[48, 54], 0] = -0.3, 0.3
    face[[21, 22], 0] = -0.2, 0.2
    found = measure(standardised(100 * face[None] + 50))
    assert found["lip_parting"] == pytest.approx([0.2], abs=1e-4)
    assert found["eye_opening"] == pytest.approx([0.1], abs=1e-4)
    assert found["lip_stretch"] == pytest.approx([0.6], abs=1e-4)
    assert found["brow_drawing"] == pytest.approx([-0.4], abs=1e-4)
    with pytest.raises(KeyError):
        found["smile"]


STRONG = {
    "surprise": ("brow_inner_raise", "brow_outer_raise", "eye_opening", "jaw_drop", "lip_parting"),
    "happiness": ("lip_corner_pull", "lip_stretch", "upper_lip_raise"),
    "anger": ("brow_lowering", "brow_drawing"),
    "disgust": ("nose_wrinkling", "brow_lowering"),
    "fear": ("brow_inner_raise", "eye_opening", "lip_stretch"),
    "sadness": ("lip_corner_depression", "brow_drawing"),
}
WEAK = {
    "surprise": ("brow_lowering", "lip_corner_pull"),
    "happiness": ("lip_corner_depression",),
    "anger": ("brow_inner_raise",),
    "disgust": ("eye_opening",),
    "sadness": ("brow_outer_raise",),
}


def test_expressions_of_mini_show_in_the_measures_that_they_should(clips: dict[str, Any]) -> None:
    checked = set()
    for clip in clips.values():
        emotion = EMOTIONS[clip.emotion]
        if clip.interval is None or emotion not in STRONG:
            continue
        measures = measure(standardised(clip.points))
        less = measures.less(baseline(measures))
        at = (clip.intensity > 0.9 * clip.intensity.max()) & (clip.blink == 0)
        for name in STRONG[emotion]:
            assert less[name][at].mean() > 0.004, (clip.file, name)
        for name in WEAK.get(emotion, ()):
            assert less[name][at].mean() < -0.004, (clip.file, name)
        checked.add(emotion)
    assert checked == set(STRONG)


def test_heads_of_mini_that_move_leave_a_neutral_face_still(clips: dict[str, Any]) -> None:
    clip = clips["s02-5.mp4"]  # neutral, the head moves by some pixels
    assert np.ptp(clip.points, axis=0).max() > 5
    measures = measure(standardised(clip.points))
    assert np.abs(measures.less(baseline(measures)).values).max() < 0.015


def test_lids_of_mini_that_blink_show(clips: dict[str, Any]) -> None:
    for clip in clips.values():
        shut = clip.blink > 0.9
        if not shut.any() or clip.interval is not None:
            continue
        measures = measure(standardised(clip.points))
        opening = measures.less(baseline(measures))["eye_opening"]
        assert opening[shut].max() < -0.05
        assert np.abs(opening[clip.blink == 0]).max() < 0.03


def test_the_neutral_face_is_found_where_it_is_shown_for_a_quarter(clips: dict[str, Any]) -> None:
    clip = clips["s05-2.mp4"]  # happiness
    measures = measure(standardised(clip.points)).values
    smiling = measures[clip.intensity > 0.95 * clip.intensity.max()]
    neutral = measures[clip.intensity == 0]
    rng = np.random.default_rng(0)
    shown = np.concatenate([neutral[:25], smiling[rng.integers(0, len(smiling), 75)]])
    shown = (shown + rng.normal(0, 0.004, shown.shape)).astype(np.float32)
    found = baseline(Measures(shown))
    assert np.abs(found - np.median(neutral, axis=0)).max() < 0.01
    assert np.abs(np.median(shown, axis=0) - np.median(neutral, axis=0)).max() > 0.1
    # A glimpse of something else is not what the person is like.
    glimpse = np.concatenate([smiling.repeat(5, axis=0), neutral[:3]])
    assert np.abs(baseline(Measures(glimpse)) - np.median(smiling, axis=0)).max() < 0.02


def test_no_face_has_no_neutral_face() -> None:
    nothing = Measures(np.zeros((0, len(NAMES)), np.float32))
    assert np.isnan(baseline(nothing)).all()
    values = np.full((5, len(NAMES)), np.nan, np.float32)
    assert np.isnan(baseline(Measures(values))).all()
    values[2:, 4] = 0.1, 0.2, 0.1
    found = baseline(Measures(values))
    assert found[4] == pytest.approx(0.1)
    assert np.isnan(np.delete(found, 4)).all()
    with pytest.raises(PluginError, match=r"Measures\.values"):
        Measures(np.zeros((3, 2), np.float32))


def test_one_frame_is_its_own_neutral_face(faces: np.ndarray) -> None:
    one = measure(standardised(faces[:1]))
    np.testing.assert_allclose(one.less(baseline(one)).values, 0, atol=1e-6)
