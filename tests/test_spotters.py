"""The spotters that are shipped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from fxbench_mini import clip_files
from fxbench_mini.dataset import FOLDER
from fxbench_spotters import fxbench_spotters
from fxbench_spotters.carried import Carried
from fxbench_spotters.eyes import blinks, eye_contrast
from fxbench_spotters.frontal import DEPTH, frontal, in_300w
from fxbench_spotters.peaks import peaks
from fxbench_spotters.series import rest, smooth, stretches

from fxbench.clips import Interval, Part, Track
from fxbench.errors import PluginError, UsageError
from fxbench.loader import Loader
from fxbench.options import resolve
from fxbench.protocols import Spotter
from fxbench.registry import discover
from fxbench.standard_face import MEAN_STABLE, STABLE
from fxbench.testing.films import film, track
from fxbench.types import Boxes, Points

MOTION = ("landmark-motion", "optical-flow")
BROWS, MOUTH, LOWER = slice(17, 27), slice(48, 68), [56, 57, 58, 65, 66, 67]


def made(name: str, **options: object) -> Spotter:
    component = next(c for c in fxbench_spotters() if c.name == name)
    defaults = {option.name: option.default for option in component.options}
    return component.factory(**(defaults | options))


def face() -> np.ndarray:
    """Points of a face from the front, 100 pixels between the eyes' outer corners, (68, 2)."""
    xy = np.random.default_rng(0).uniform(-0.5, 1.0, (68, 2))
    xy[list(STABLE)] = MEAN_STABLE
    return xy * 100 + 200


def seen(xy: np.ndarray, fps: float, image: np.ndarray | None = None) -> Track:
    """A track of points (N, 68, 2) whose pictures are all the same."""
    blank = np.full((4, 4, 3), 128, np.uint8) if image is None else image

    def parts() -> Iterator[Part]:
        for start in range(0, len(xy), 32):
            points = xy[start : start + 32].astype(np.float32)
            frame = np.arange(start, start + len(points), dtype=np.int64)
            box = np.tile(np.array([[0, 0, 4, 4]], np.float32), (len(points), 1))
            images = (blank,) * len(points)
            yield Part(frame, frame / fps, images, box, Points(points, "300w-68"))

    return Track(fps, parts())


def bump(time_s: np.ndarray, onset: float, offset: float) -> np.ndarray:
    phase = np.clip((time_s - onset) / (offset - onset), 0, 1)
    return (1 - np.cos(2 * np.pi * phase)) / 2


def moving(fps: float, seconds: float = 4.0, jitter: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """A face that trembles by less than a pixel: the time of each frame, and points."""
    time_s = np.arange(round(seconds * fps)) / fps
    noise = np.random.default_rng(1).normal(0, jitter, (len(time_s), 68, 2))
    return time_s, face() + noise


def eyes_open() -> np.ndarray:
    """A picture in which the eyes of :func:`face` have contrast."""
    picture = np.full((400, 400, 3), 200, np.uint8)
    for x in (150, 250):
        for start in range(x - 40, x + 40, 4):
            picture[150:250, start : start + 2] = 20
    return picture


def test_components_say_what_they_want():
    traits = {component.name: component.traits - {"default"} for component in fxbench_spotters()}
    assert traits == {
        "landmark-motion": {"points"},
        "optical-flow": {"points"},
        "emotion-change": {"probabilities"},
        "spot-none": {"floor"},
        "spot-everything": {"floor"},
    }
    assert all(isinstance(made(name), Spotter) for name in traits)


def test_floors():
    assert made("spot-none").spot(track(seconds=2)) == ()
    assert made("spot-everything").spot(track(seconds=2)) == (Interval(0, 24, 49, "macro"),)
    assert made("spot-everything").spot(track(seconds=0.4))[0].kind == "micro"
    assert made("spot-everything").spot(track(seconds=2, first=7))[0].onset == 7
    assert made("spot-everything").spot(Track(25, iter(()))) == ()


@pytest.mark.parametrize("name", [*MOTION, "emotion-change"])
@pytest.mark.parametrize("fps", [15.0, 25.0, 60.0, 200.0])
def test_both_expressions_of_a_drawn_face_are_found_at_any_frame_rate(name: str, fps: float):
    wants = {"probabilities": True} if name == "emotion-change" else {"points": True}
    found = made(name).spot(track(fps=fps, seconds=4, **wants))
    assert [one.kind for one in found] == ["macro", "micro"]
    for one, (onset, offset) in zip(found, ((0.8, 1.9), (2.7, 3.1)), strict=True):
        both = min(one.offset / fps, offset) - max(one.onset / fps, onset)
        either = max(one.offset / fps, offset) - min(one.onset / fps, onset)
        assert both / either > 0.6
        assert one.apex / fps == pytest.approx((onset + offset) / 2, abs=0.12)
        assert one.score > 1


@pytest.mark.parametrize("fps", [25.0, 100.0])
def test_a_small_movement_of_the_brows_is_found(fps: float):
    time_s, xy = moving(fps)
    xy[:, BROWS, 1] -= 4 * bump(time_s, 2.0, 2.4)[:, None]
    (found,) = made("landmark-motion").spot(seen(xy, fps, eyes_open()))
    assert found.kind == "micro"
    assert (found.onset + found.offset) / 2 / fps == pytest.approx(2.2, abs=0.06)


@pytest.mark.parametrize("fps", [25.0, 100.0])
def test_what_is_no_expression_is_not_taken_for_one(fps: float):
    def sway(time_s: np.ndarray, xy: np.ndarray) -> np.ndarray:
        turned = (xy - 200) @ [1, 1j] * np.exp(0.1j * np.sin(2 * time_s))[:, None]
        # To the side by up to six degrees.
        turned += 100 * DEPTH * 0.1 * np.sin(3 * time_s)[:, None]
        turned *= 1 + 0.1 * np.sin(time_s)[:, None]
        return np.stack([turned.real, turned.imag], -1) + 200 + 20 * np.sin(time_s)[:, None, None]

    def talk(time_s: np.ndarray, xy: np.ndarray) -> np.ndarray:
        xy[:, LOWER, 1] += 8 * np.sin(2 * np.pi * 3.5 * time_s)[:, None] ** 2
        return xy

    def slide(time_s: np.ndarray, xy: np.ndarray) -> np.ndarray:
        xy[:, MOUTH, 1] += 4 * bump(time_s, 2.0, 2.5)[:, None]
        return xy

    def jump(time_s: np.ndarray, xy: np.ndarray) -> np.ndarray:
        xy[(time_s > 2) & (time_s < 2.4), BROWS] += 8
        return xy

    for change in (sway, talk, slide, jump):
        changed = change(*moving(fps))
        assert made("landmark-motion").spot(seen(changed, fps, eyes_open())) == (), change.__name__


def test_what_is_seen_while_the_lids_are_shut_is_not_believed():
    time_s, xy = moving(25.0)
    blink = (time_s > 2.0) & (time_s < 2.25)
    xy[blink, BROWS, 1] += 8
    shut = np.full((400, 400, 3), 200, np.uint8)
    whole = seen(xy, 25.0, eyes_open())
    parts = [
        Part(
            part.frame,
            part.time_s,
            tuple(shut if blink[i] else eyes_open() for i in part.frame),
            part.xyxy,
            part.points,
        )
        for part in whole
    ]
    assert made("landmark-motion").spot(Track(25.0, iter(parts))) == ()


@pytest.mark.parametrize("name", MOTION)
def test_a_long_video_is_compared_with_what_is_around(name: str):
    once = film(4.0, 25.0)
    parts = (part for number in range(8) for part in once.again({"points"}, number))
    found = made(name).spot(Track(25.0, parts))
    assert [one.kind for one in found] == ["macro", "micro"] * 8
    middles = [(one.onset + one.offset) / 50 % 4 for one in found]
    assert middles == pytest.approx([1.35, 2.9] * 8, abs=0.15)


def test_the_threshold_decides():
    many = {"seconds": 4, "points": True}
    for name in MOTION:
        assert made(name, threshold=5.0).spot(track(**many)) == ()
    assert made("emotion-change", threshold=0.9).spot(track(seconds=4, probabilities=True)) == ()


@pytest.mark.parametrize("name", [*MOTION, "emotion-change"])
def test_a_wrong_threshold_is_refused(name: str):
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=f"{name} got the threshold"):
            made(name, threshold=wrong)


@pytest.mark.parametrize("name", [*MOTION, "emotion-change"])
def test_what_is_wanted_must_be_given(name: str):
    with pytest.raises(PluginError, match="was given none"):
        made(name).spot(track(seconds=1))


def test_points_of_another_scheme_are_refused():
    with pytest.raises(PluginError, match="dlib-5"):
        in_300w(Points(np.zeros((1, 5, 2), np.float32), "dlib-5"))


def test_a_face_is_put_upright_whatever_its_place_size_and_tilt():
    xy = face()
    other = (xy @ [1, 1j]) * 0.7 * np.exp(0.4j) + 30 - 12j
    both = frontal(np.stack([xy, np.stack([other.real, other.imag], -1)]))
    assert both[0] == pytest.approx(both[1])
    assert both[0][list(STABLE)] == pytest.approx(MEAN_STABLE, abs=1e-9)


def test_a_small_turn_is_undone():
    xy = face()
    turned = xy + np.outer(DEPTH * 100, (0.1, -0.05))
    assert frontal(turned[None])[0, 17:] == pytest.approx(frontal(xy[None])[0, 17:], abs=1e-9)


def test_a_face_without_points_stays_one():
    assert np.isnan(frontal(np.full((1, 68, 2), np.nan))).all()
    assert np.isnan(frontal(np.zeros((1, 68, 2)))).all()
    assert np.isnan(eye_contrast(np.zeros((9, 9), np.uint8), np.full((68, 2), np.nan)))


def test_gaps_that_are_short_are_filled_and_long_ones_cut():
    values = np.arange(100.0)[:, None]
    values[20:23] = np.nan
    values[50:70] = np.nan
    one, two = stretches(np.arange(100), np.arange(100) / 25, values, 25)
    assert one.values[:, 0] == pytest.approx(np.arange(50))
    assert two.values[:, 0] == pytest.approx(np.arange(70, 100))
    assert two.frame.tolist() == list(range(70, 100))


def test_uneven_times_become_even():
    time_s = np.cumsum(np.tile([0.03, 0.05], 40))
    (found,) = stretches(np.arange(10, 90), time_s, time_s[:, None], 25)
    assert np.diff(found.time_s) == pytest.approx(found.step_s)
    assert found.values[:, 0] == pytest.approx(np.clip(found.time_s, None, time_s[-1]))
    assert abs(time_s[found.frame - 10] - found.time_s).max() <= 0.025 + 1e-9


def test_smoothing_keeps_what_is_constant_and_the_sum():
    assert smooth(np.full((9, 2), 3.0), 2.0) == pytest.approx(np.full((9, 2), 3.0))
    pulse = np.zeros((41, 1))
    pulse[20] = 1
    done = smooth(pulse, 2.0)
    assert done.sum() == pytest.approx(1)
    assert (done[:, 0] @ (np.arange(41) - 20) ** 2) ** 0.5 == pytest.approx(2.0, rel=0.02)


def test_rest_is_not_the_expression_though_that_takes_half_of_the_clip():
    time_s = np.arange(100) / 25
    values = bump(time_s, 1.0, 3.6)[:, None]
    values += np.random.default_rng(0).normal(0, 0.02, values.shape)
    assert abs(rest(values, 0.04)).max() < 0.05
    drift = np.linspace(0, 1, 2500)[:, None]
    assert abs(rest(drift, 0.04) - drift)[200:-200].max() < 0.1


def test_peaks_begin_and_end_where_they_do():
    time_s = np.arange(100) / 25
    (found,) = peaks(bump(time_s, 1.0, 2.0), 0.5, 0.04)
    assert found.onset / 25 == pytest.approx(1.0, abs=0.13)
    assert found.offset / 25 == pytest.approx(2.0, abs=0.13)
    assert found.apex / 25 == pytest.approx(1.5, abs=0.1)
    assert found.height == pytest.approx(1, rel=0.01)
    assert peaks(bump(time_s, 1.0, 2.0), 1.1, 0.04) == []


def test_flickers_moods_and_what_is_cut_are_no_peaks():
    flicker = np.zeros(100)
    flicker[50:52] = 1
    assert peaks(flicker, 0.5, 0.04) == []
    mood = np.zeros(400)
    mood[50:350] = 1
    assert peaks(mood, 0.5, 0.04) == []
    cut = bump(np.arange(100) / 25, -0.5, 0.5)
    assert peaks(cut, 0.4, 0.04) == []
    assert peaks(cut[::-1], 0.6, 0.04) == []
    assert len(peaks(cut[::-1], 0.4, 0.04)) == 1


def test_neighbours_do_not_overlap():
    time_s = np.arange(100) / 25
    strength = bump(time_s, 1.0, 1.5) + bump(time_s, 1.4, 1.9)
    found = peaks(strength, 0.3, 0.04)
    assert len(found) == 2
    assert found[0].offset < found[1].onset


def test_blinks_are_short():
    contrast = np.full(100, 80.0)
    contrast[20:25] = 40
    contrast[50:80] = 50
    found = blinks(contrast, 0.04)
    assert found[19:26].all()
    assert not found[:18].any()
    assert not found[30:].any()


def test_shut_eyes_have_no_contrast():
    shut = np.full((400, 400, 3), 128, np.uint8)
    assert eye_contrast(shut, face()) == 0
    assert eye_contrast(eyes_open(), face()) > 100


def photograph() -> np.ndarray:
    """A picture with something to follow everywhere."""
    rough = np.random.default_rng(0).integers(0, 256, (50, 50), np.uint8)
    smooth_ = cv2.GaussianBlur(
        cv2.resize(rough, (400, 400), interpolation=cv2.INTER_CUBIC), (0, 0), 3
    )
    return cv2.cvtColor(smooth_, cv2.COLOR_GRAY2RGB)


@pytest.mark.parametrize("main_direction", [False, True])
def test_flow_carries_points_where_the_picture_went(main_direction: bool):
    picture, xy = photograph(), face().astype(np.float32)
    carried = Carried(main_direction=main_direction)
    before, _ = carried.see(picture, xy, 0.0)
    # The lower part of the face goes down by 4 pixels, as the landmarks don't say.
    y, x = np.mgrid[:400, :400].astype(np.float32)
    after = cv2.remap(picture, x, y - 4 * np.clip((y - 215) / 10, 0, 1), cv2.INTER_LINEAR)
    moved = (carried.see(after, xy, 0.04)[0] - before) * 100
    low = [p for p in (31, 32, 33, 34, 35) if xy[p, 1] > 235]
    assert moved[list(STABLE)[:4]] == pytest.approx(0, abs=0.7)
    assert low == [] or moved[low, 1].mean() == pytest.approx(4, abs=1.5)


def test_flow_does_not_depend_on_threads():
    answers = []
    threads = cv2.getNumThreads()
    try:
        for count in (1, 2, 5):
            cv2.setNumThreads(count)
            answers.append(made("optical-flow").spot(track(seconds=4, points=True)))
    finally:
        cv2.setNumThreads(threads)
    assert answers[0] == answers[1] == answers[2]


def test_flow_looks_at_fifty_pictures_a_second(monkeypatch: pytest.MonkeyPatch):
    looked: list[float] = []
    see = Carried.see

    def counted(self: Carried, image: np.ndarray, xy: np.ndarray, time_s: float) -> object:
        looked.append(time_s)
        return see(self, image, xy, time_s)

    monkeypatch.setattr(Carried, "see", counted)
    for fps, expected in ((25.0, 50), (50.0, 100), (200.0, 100)):
        looked.clear()
        made("optical-flow").spot(track(seconds=2, fps=fps, points=True))
        assert len(looked) == pytest.approx(expected, abs=2)


CLIPS = FOLDER / "clips"


@pytest.mark.heavy
@pytest.mark.parametrize("name", MOTION)
def test_clips_of_mini_that_were_tuned_on(name: str):
    registry = discover()
    landmarker = registry.get("landmarker", "dlib-68")
    pytest.importorskip("dlib")
    locate = Loader(resolve(e.component for e in registry.entries)).get(landmarker).locate
    found = {}
    for clip in clip_files.read(CLIPS):
        if clip.file not in ("s02-1.mp4", "s02-4.mp4", "s02-5.mp4", "s03-1.mp4"):
            continue
        images = tuple(cv2.cvtColor(g, cv2.COLOR_GRAY2RGB) for g in _frames(clip.file))
        low, high = clip.points[:, 17:].min(1), clip.points.max(1)
        xyxy = np.concatenate([low, high], axis=1).astype(np.float32)
        frame = np.arange(len(images), dtype=np.int64)
        blank = np.zeros(len(images))
        boxes = Boxes(frame, xyxy, blank.astype(np.float32), frame)
        part = Part(frame, frame / clip.fps, images, xyxy, locate(images, boxes))
        got = made(name).spot(Track(clip.fps, iter([part])))
        wanted = () if clip.interval is None else (clip.interval,)
        found[clip.file] = len(got) == len(wanted) and all(
            a.kind == b.kind and _iou(a, b) >= 0.5 for a, b in zip(got, wanted, strict=True)
        )
    assert found == dict.fromkeys(found, True)
    assert len(found) == 4


def _frames(file: str) -> np.ndarray:
    return clip_files.read_frames(Path(CLIPS / file))


def _iou(a: Interval, b: clip_files.Interval) -> float:
    both = max(0, min(a.offset, b.offset) - max(a.onset, b.onset) + 1)
    return both / (a.frames + b.frames - both)


def test_a_slow_rise_behind_a_quick_expression_leaves_both_in_order() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        steps = rng.integers(40, 400)
        curve = np.convolve(
            rng.random(int(steps)) ** 3, np.hanning(int(rng.integers(5, 30))), "same"
        )
        found = peaks(curve, 0.3 * float(curve.max()), 0.02)
        assert all(one.onset <= one.apex <= one.offset for one in found)
        assert all(one.offset < two.onset for one, two in itertools.pairwise(found))
