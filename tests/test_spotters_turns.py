"""Turns of the head that look like expressions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fxbench_spotters.frontal import DEPTH, turns
from fxbench_spotters.landmark_motion import LandmarkMotion
from fxbench_spotters.peaks import peaks
from fxbench_spotters.turns import Turns

from fxbench.clips import Part, Track
from fxbench.standard_face import MEAN_STABLE, STABLE
from fxbench.types import Points

FPS = 25.0
STEP = 1 / FPS
BROWS = slice(17, 27)


def eyes_open() -> np.ndarray:
    picture = np.full((400, 400, 3), 200, np.uint8)
    for x in (150, 250):
        for start in range(x - 40, x + 40, 4):
            picture[150:250, start : start + 2] = 20
    return picture


def bumps(time_s: np.ndarray, *starts: float, length: float = 1.0) -> np.ndarray:
    phases = [np.clip((time_s - start) / length, 0, 1) for start in starts]
    return np.sum([(1 - np.cos(2 * np.pi * phase)) / 2 for phase in phases], axis=0)


def turning(turn: np.ndarray, raised: np.ndarray) -> Track:
    """A face with brows that stand farther forward than anybody's, which turns and raises them."""
    rng = np.random.default_rng(0)
    face = rng.uniform(-0.5, 1.0, (68, 2))
    face[list(STABLE)] = MEAN_STABLE
    depth = DEPTH.copy()
    depth[BROWS] += 0.4
    xy = np.tile(face, (len(turn), 1, 1))
    xy[:, :, 0] += turn[:, None] * depth
    xy[:, BROWS, 1] -= raised[:, None]
    xy += rng.normal(0, 0.004, xy.shape)
    picture = eyes_open()

    def parts() -> Iterator[Part]:
        frame = np.arange(len(xy), dtype=np.int64)
        points = Points((xy * 100 + 200).astype(np.float32), "300w-68")
        box = np.tile(np.array([[0, 0, 4, 4]], np.float32), (len(xy), 1))
        yield Part(frame, frame / FPS, (picture,) * len(xy), box, points)

    return Track(FPS, parts())


TIME = np.arange(round(12 * FPS)) / FPS
TURNED = 0.15 * bumps(TIME, 1.0, 3.5, 7.0, 9.5)


def test_what_moves_as_the_head_turns_is_no_expression():
    assert LandmarkMotion(0.04).spot(turning(TURNED, np.zeros(len(TIME)))) == ()


def test_an_expression_of_a_head_that_turns_is_found():
    (found,) = LandmarkMotion(0.04).spot(turning(TURNED, 0.06 * bumps(TIME, 5.4, length=0.9)))
    assert (found.onset + found.offset) / 2 * STEP == pytest.approx(5.85, abs=0.1)


def test_one_that_comes_with_a_turn_is_found_where_turns_alone_move_less():
    raised = 0.12 * bumps(TIME, 3.5)
    found = LandmarkMotion(0.04).spot(turning(TURNED, raised))
    assert [round(one.apex * STEP) for one in found] == [4]


def test_turns_are_measured():
    xy = np.zeros((2, 68, 2))
    xy[:, list(STABLE)] = MEAN_STABLE
    xy[1] += np.outer(DEPTH, (0.2, -0.1))
    assert turns(xy) == pytest.approx(np.array([[0, 0], [0.2, -0.1]]), abs=1e-9)
    assert np.isnan(turns(np.zeros((1, 68, 2)))).all()


def of(turn: np.ndarray, moves: np.ndarray) -> Turns:
    return Turns(moves[:, None], np.stack([turn, np.zeros(len(turn))], 1), STEP)


def test_what_turns_do_elsewhere_is_taken_away():
    part, left = of(TURNED, 0.5 * TURNED).around(80, 115)
    assert part == slice(0, len(TIME))
    assert np.ptp(left) < 0.1 * np.ptp(0.5 * TURNED)


def test_a_still_head_explains_nothing():
    moves = 0.1 * bumps(TIME, 5.0)
    # An expression moves the bridge of the nose a little, which looks like a turn.
    _, left = of(0.01 * moves, moves).around(120, 155)
    assert np.ptp(left) > 0.99 * np.ptp(moves)


def test_nothing_is_learned_from_the_peak_itself():
    raised = bumps(TIME, 5.0)
    _, left = of(0.05 * raised, 0.1 * raised).around(125, 150)
    assert np.ptp(left) == pytest.approx(0.1, rel=0.01)


def test_a_clip_that_is_all_peak_teaches_nothing():
    moves = 0.1 * bumps(TIME[:30], 0.1)
    _, left = of(moves, moves).around(1, 28)
    assert left[:, 0] == pytest.approx(moves)


def test_of_a_long_video_only_what_is_near_is_looked_at():
    time_s = np.arange(round(60 * FPS)) / FPS
    turn = 0.2 * np.sin(time_s)
    part, left = of(turn, np.where(time_s < 30, 0.5, -0.5) * turn).around(1000, 1030)
    assert part == slice(1000 - 300, 1030 + 301)
    assert np.abs(left[50:]).max() < 0.02


def test_a_peak_neither_begins_nor_ends_in_noise():
    strength = 0.1 * bumps(TIME, 5.0, length=0.4) + 0.06 * bumps(TIME, 3.95, length=2.5)
    (wide,) = peaks(strength, 0.05, STEP)
    (narrow,) = peaks(strength, 0.05, STEP, floor=0.08)
    assert wide.onset < 120 <= narrow.onset < 125
    assert narrow.apex == wide.apex
