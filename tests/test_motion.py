"""Motion error and jitter, against motions that are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fxbench.metrics.motion import FEWEST_CLIPS, MOVED, jitters, motion_errors, score_motion

FRAMES, POINTS, FPS = 60, 68, 25.0


def face() -> np.ndarray:
    return np.random.default_rng(3).uniform(20, 80, (POINTS, 2))


def clip(
    frames: int = FRAMES, *, move: float = 4.0, head: float = 0.0, fps: float = FPS
) -> np.ndarray:
    """A face of which a quarter of the points moves for a third of the time; float64 (T, P, 2)."""
    when = np.linspace(0, 1, frames)
    intensity = np.clip(np.minimum(when - 1 / 3, 2 / 3 - when) * 10, 0, 1)
    points = np.repeat(face()[None], frames, axis=0)
    points[:, : POINTS // 4, 1] -= move * intensity[:, None]
    angle = head * np.sin(4 * when)
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], -1)
    size = 1 + 0.3 * head * when
    return (points @ turn.reshape(-1, 2, 2)) * size[:, None, None] + 40 * head * when[:, None, None]


def score(points: np.ndarray, truth: np.ndarray, clips: int = 1, **more: Any) -> dict[str, Any]:
    frames = len(truth) // clips
    return score_motion(
        points.astype(np.float32),
        truth.astype(np.float32),
        more.get("ocular", np.full(len(truth), 40.0)),
        np.repeat(np.arange(clips), frames),
        more.get("time_s", np.tile(np.arange(frames) / FPS, clips)),
    )


def test_a_landmarker_that_is_right_has_no_error() -> None:
    truth = clip(head=0.3)
    found = score(truth, truth)
    assert found["motion_error"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["jitter"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["jitter"]["n"] == FRAMES - 2
    # Where the face is at rest there is no motion to be seen.
    assert 0 < found["motion_error"]["n"] < FRAMES / 2


def test_a_shape_that_is_wrong_all_the_time_alike_is_no_wrong_motion() -> None:
    truth = clip()
    drawn = truth + np.random.default_rng(0).normal(0, 1, (1, POINTS, 2))
    found = score(drawn, truth)
    # The similarity differs a little where the face moves.
    assert found["motion_error"]["value"] < 0.002
    assert found["jitter"]["value"] == pytest.approx(0, abs=1e-6)


def test_a_box_that_moves_is_no_motion_of_the_face_but_trembles() -> None:
    truth = clip()
    rng = np.random.default_rng(0)
    size = rng.uniform(0.95, 1.05, (FRAMES, 1, 1))
    boxed = (truth - 50) * size + 50 + rng.normal(0, 1, (FRAMES, 1, 2))
    found = score(boxed, truth)
    assert found["motion_error"]["value"] == pytest.approx(0, abs=1e-5)
    assert found["jitter"]["value"] > 0.02


def test_a_head_that_moves_changes_nothing() -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, (FRAMES, POINTS, 2))
    still = score(clip() + noise, clip())["motion_error"]["value"]
    moving = score(clip(head=0.1) + noise, clip(head=0.1))["motion_error"]["value"]
    assert moving == pytest.approx(still, rel=0.1)


def test_a_face_that_never_moves_misses_the_whole_motion() -> None:
    truth = clip().astype(float)
    ocular = np.full(FRAMES, 40.0)
    frozen = np.repeat(truth[:1], FRAMES, axis=0)
    errors, moved = motion_errors(frozen, truth, ocular)
    np.testing.assert_allclose(errors, moved, rtol=1e-3, atol=1e-9)
    # A quarter of the points moves 0.1 inter-ocular distances; the similarity takes a part of it.
    assert 0.02 < moved.max() < 0.05
    found = score(frozen, truth)
    assert found["motion_error"]["value"] == pytest.approx(moved[moved >= MOVED].mean(), rel=1e-3)
    assert found["jitter"]["value"] < 0.01


def test_half_of_a_motion_is_half_an_error() -> None:
    half, whole = clip(move=2), clip(move=4)
    none = score(clip(move=0), whole)["motion_error"]["value"]
    assert score(half, whole)["motion_error"]["value"] == pytest.approx(none / 2, rel=0.05)


@pytest.mark.parametrize("fps", [15.0, 25.0, 200.0])
def test_jitter_is_the_deviation_of_errors_that_are_new_in_each_frame(fps: float) -> None:
    truth = clip(2000, head=0.2)
    noise = np.random.default_rng(1).normal(0, 0.4, truth.shape)
    found = score(truth + noise, truth, time_s=np.arange(2000) / fps)
    assert found["jitter"]["value"] == pytest.approx(0.4 * np.sqrt(2) / 40, rel=0.01)


def test_jitter_at_uneven_times_is_the_same() -> None:
    rng = np.random.default_rng(2)
    truth = clip(4000)
    noise = rng.normal(0, 0.4, truth.shape)
    time_s = np.cumsum(rng.uniform(0.03, 0.05, 4000))
    found = score(truth + noise, truth, time_s=time_s)
    assert found["jitter"]["value"] == pytest.approx(0.4 * np.sqrt(2) / 40, rel=0.01)


def test_an_error_that_drifts_is_no_jitter() -> None:
    truth = clip()
    time_s = np.cumsum(np.random.default_rng(0).uniform(0.03, 0.05, FRAMES))
    drifting = truth + 30 * time_s[:, None, None]
    assert score(drifting, truth, time_s=time_s)["jitter"]["value"] == pytest.approx(0, abs=1e-5)


def test_three_frames_by_hand() -> None:
    truth = np.zeros((3, 3, 2))
    truth[:, 1, 0] = truth[:, 2, 1] = 10.0
    points = truth.copy()
    points[1, 0, 0] += 6.0  # one of three points is 6 px off in the frame between
    # Off the line by 6; squared, over three points: 12; less the factor 1.5: 8; of an ocular of 2.
    found = jitters(points, truth, np.full(3, 2.0), np.arange(3) / 10)
    assert found[1] == pytest.approx(np.sqrt(8) / 2)
    assert np.isnan(found[[0, 2]]).all()


def test_frames_without_landmarks_count_nowhere_and_part_their_neighbours() -> None:
    truth = clip()
    points = truth.copy()
    points[10] = np.nan
    points[11] += 500  # a jump after the gap is no trembling
    points[12:] += 500
    found = score(points, truth)
    assert found["jitter"]["n"] == FRAMES - 2 - 3
    assert found["jitter"]["value"] == pytest.approx(0, abs=1e-4)
    nothing = score(np.full_like(truth, np.nan), truth)
    assert nothing == {
        name: {"value": None, "low": None, "high": None, "n": 0}
        for name in ("motion_error", "jitter")
    }


def test_frames_that_are_missing_are_no_neighbours() -> None:
    truth = clip()
    time_s = np.arange(FRAMES) / FPS
    time_s[30:] += 0.5
    assert score(truth, truth, time_s=time_s)["jitter"]["n"] == FRAMES - 2 - 2


def test_clips_are_apart() -> None:
    truth = np.concatenate([clip(), clip() + 300])
    points = np.concatenate([clip(), clip() + 310])
    found = score(points, truth, clips=2)
    assert found["jitter"] == pytest.approx({"value": 0, "low": None, "high": None, "n": 116})
    assert found["motion_error"]["value"] == pytest.approx(0, abs=1e-5)


def test_an_interval_holds_the_value_and_is_over_clips() -> None:
    rng = np.random.default_rng(5)
    clips = 12
    truth = np.concatenate([clip() for _ in range(clips)])
    spread = np.repeat(rng.uniform(0.2, 1.5, clips), FRAMES)
    points = truth + spread[:, None, None] * rng.normal(0, 1, truth.shape)
    found = score(points, truth, clips=clips)
    for name in ("motion_error", "jitter"):
        one = found[name]
        assert one["low"] < one["value"] < one["high"]
        # Frames of one clip are alike: over frames it would be far narrower.
        assert one["high"] - one["low"] > 0.2 * one["value"]
    assert score(points, truth, clips=clips) == found
    few = (FEWEST_CLIPS - 1) * FRAMES
    assert score(points[:few], truth[:few], clips=FEWEST_CLIPS - 1)["jitter"]["low"] is None


def test_two_points_have_no_shape() -> None:
    truth = clip()[:, :2]
    found = score(truth + 1, truth)
    assert found["motion_error"]["value"] is None
    assert found["jitter"]["value"] == pytest.approx(0, abs=1e-5)


def test_points_in_one_place_and_no_frames_are_survived() -> None:
    truth = np.zeros((5, 4, 2))
    assert score(truth, truth)["motion_error"]["value"] is None
    assert score(truth[:0], truth[:0])["jitter"]["n"] == 0
    assert score(truth[:1], truth[:1])["jitter"]["n"] == 0


def test_shapes_that_do_not_fit_are_refused() -> None:
    truth = clip().astype(np.float32)
    ocular, clips, time_s = np.full(FRAMES, 40.0), np.zeros(FRAMES, np.int64), np.arange(60.0)
    with pytest.raises(ValueError, match="must both be"):
        score_motion(truth[:, :5], truth, ocular, clips, time_s)
    with pytest.raises(ValueError, match="60 frames need as many"):
        score_motion(truth, truth, ocular[:5], clips, time_s)
