"""Answers about whole clips: by hand, and against other libraries."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from docs_text import read
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from fxbench.clips import Clip, Interval
from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.metrics.clips import (
    COMPOSITE,
    NONE,
    class_counts,
    composite,
    flips,
    smoothed,
    uar,
    uf1,
    votes,
)
from fxbench.metrics.intervals import proportion, wilson
from fxbench.scoring import Predictions, score
from fxbench.scoring_clips import Seen, correct_clips, score_clips, seconds_of, smooth, step_of
from fxbench.types import Answers

NEUTRAL, HAPPY, SURPRISED, SAD, ANGRY = (
    EMOTIONS.index(e) for e in ("neutral", "happiness", "surprise", "sadness", "anger")
)


def certain(*emotions: int | None) -> np.ndarray:
    """Outputs that are sure of these emotions; a row of NaN for None."""
    rows = [np.full(8, np.nan) if e is None else np.eye(8)[e] for e in emotions]
    return np.array(rows, np.float16).reshape(-1, 8)


def seen(*told, labels=EMOTIONS, time_s=None) -> Seen:
    """Of `(clip, right labels, outputs)`, whose rows follow one another; NaN means no face.

    Clips have ten frames a second.
    """
    clips, index, right, outputs, rows, times = [], [], [], [], [], []
    for number, (shown, emotions, answered) in enumerate(told):
        count = len(emotions)
        clips.append(shown)
        index += [number] * count
        right += list(emotions)
        outputs.append(np.asarray(answered, np.float16))
        rows += [shown.first + i for i in range(count)]
        times += [i / shown.fps for i in range(count)]
    table = np.concatenate(outputs)
    return Seen(
        tuple(clips),
        np.array(index, np.int64),
        np.array(times) if time_s is None else np.array(time_s, np.float64),
        Answers(np.array(rows, np.int64), np.array(right, np.int64)),
        Predictions(~np.isnan(table).any(axis=1), table, labels),
    )


def clip(name: str, emotion: int, frames: int, first: int = 0, **more) -> Clip:
    return Clip(name, first, frames, more.pop("fps", 10.0), emotion, **more)


def value(result: dict, name: str):
    return result["metrics"][name]["value"]


# What a clip is taken to show


def test_mean_probability_and_vote_may_differ():
    # Two frames are a little surer of happiness, one is quite sure of sadness.
    outputs = np.zeros((3, 8))
    outputs[:2, HAPPY], outputs[:2, SAD] = 0.55, 0.45
    outputs[2, HAPPY], outputs[2, SAD] = 0.05, 0.95
    for emotion, mean, vote in ((HAPPY, 0.0, 1.0), (SAD, 1.0, 0.0)):
        result = score_clips(seen((clip("a", emotion, 3), [emotion] * 3, outputs)))
        assert value(result, "clip_accuracy") == mean
        assert value(result, "clip_accuracy_vote") == vote


def test_a_tie_of_votes_is_decided_by_the_mean_probability():
    assert votes(np.array([2, 1]), np.array([0.0, 0.4, 0.6])) == 2
    assert votes(np.array([2, 1]), np.array([0.0, 0.6, 0.4])) == 1
    assert votes(np.array([2, 1, 1]), np.array([0.0, 0.4, 0.6])) == 1


def test_only_the_frames_of_the_expression_say_what_a_clip_shows():
    # One frame of happiness among nine neutral ones.
    labels = [NEUTRAL] * 9 + [HAPPY]
    told = (clip("a", HAPPY, 10, intervals=(Interval(9, 9, 9, "micro"),)), labels, certain(*labels))
    assert value(score_clips(seen(told)), "clip_accuracy") == 1.0
    # Where none of its frames were taken, all that were.
    left_out = (told[0], labels[:9], certain(*labels[:9]))
    assert value(score_clips(seen(left_out)), "clip_accuracy") == 0.0


def test_a_clip_without_a_face_is_wrong_and_without_an_emotion_counts_nowhere():
    result = score_clips(
        seen(
            (clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, None)),
            (clip("b", HAPPY, 2), [HAPPY] * 2, certain(None, None)),
            (clip("c", -1, 2), [-1] * 2, certain(HAPPY, HAPPY)),
            (clip("d", SAD, 1), [SAD], certain(SAD)),
        )
    )
    for name in ("clip_accuracy", "clip_accuracy_vote"):
        assert result["metrics"][name] == proportion(2, 3)
    assert result["video"]["clips"] == 4
    assert value(result, "uf1") == pytest.approx((2 / 3 + 1) / 2)


def test_a_clip_of_which_no_frame_was_taken_counts_nowhere():
    one = seen((clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, HAPPY)))
    more = Seen(
        (*one.clips, clip("b", SAD, 5, 2)), one.clip, one.time_s, one.answers, one.predictions
    )
    assert score_clips(more) == score_clips(one)


def test_outputs_of_one_emotion_are_one_answer_and_those_of_none_are_wrong():
    labels = ("happiness", "happiness", "sadness", None)
    table = np.array([[0.4, 0.1, 0.3, 0.2], [0.1, 0.4, 0.3, 0.2], [0.1, 0.1, 0.8, 0.0]])
    told = (clip("a", HAPPY, 3), [HAPPY] * 3, table)
    result = score_clips(seen(told, labels=labels))
    # By vote two frames of happiness; the highest mean output is sadness.
    assert value(result, "clip_accuracy_vote") == 1.0
    assert value(result, "clip_accuracy") == 0.0
    other = (clip("a", HAPPY, 1), [HAPPY], np.array([[0.2, 0.2, 0.1, 0.5]]))
    result = score_clips(seen(other, labels=labels))
    assert value(result, "clip_accuracy") == value(result, "clip_accuracy_vote") == 0.0
    # Among negative, positive and surprise it has no say.
    sad = (clip("b", SAD, 1), [SAD], np.array([[0.0, 0.1, 0.4, 0.5]]))
    assert value(score_clips(seen(other, sad, labels=labels)), "uf1") == 1.0


def test_clips_of_one_person_are_alike():
    def accuracy(*subjects):
        told = [
            (clip(f"c{i}", HAPPY, 1, i, subject=one), [HAPPY], certain(HAPPY if i < 4 else SAD))
            for i, one in enumerate(subjects)
        ]
        return score_clips(seen(*told))["metrics"]["clip_accuracy"]

    together = accuracy(*["s1"] * 4, *["s2"] * 4)
    assert together["value"] == 0.5
    assert together["low"] < proportion(4, 8)["low"]
    # Each of another person, or of nobody knows whom.
    assert accuracy(*map(str, range(8))) == accuracy(*[""] * 8) == proportion(4, 8)


def test_frames_of_a_clip_are_alike():
    """The scores of frames as for images, and intervals that don't take 200 frames for 200."""
    rng = np.random.default_rng(1)
    told = []
    for i in range(8):
        outputs = certain(*(HAPPY if i < 5 else SAD for _ in range(25))).astype(np.float64)
        outputs[rng.random(25) < 0.1] = np.nan
        told.append((clip(f"c{i}", HAPPY, 25, 25 * i), [HAPPY] * 25, outputs))
    one = seen(*told)
    plain, result = score(one.answers, one.predictions, ()), score_clips(one)
    for name in ("accuracy", "accuracy_end_to_end", "detection_rate"):
        alike, independent = result["metrics"][name], plain["metrics"][name]
        assert alike["value"] == pytest.approx(independent["value"])
        assert alike["n"] == independent["n"]
        if name != "detection_rate":
            assert alike["high"] - alike["low"] > 3 * (independent["high"] - independent["low"])
    for name in ("recall", "recall_end_to_end"):
        for emotion in EMOTIONS:
            alike, independent = result[name][emotion], plain[name][emotion]
            assert (alike["n"], alike["value"]) == (
                independent["n"],
                pytest.approx(independent["value"]),
            )


def test_frames_that_show_nothing_of_how_alike_they_are_count_as_one_trial():
    def interval(*told):
        estimate = score_clips(seen(*told))["metrics"]["accuracy"]
        return estimate["value"], pytest.approx((estimate["low"], estimate["high"])), estimate["n"]

    def ends(hits, trials):
        low, high = wilson(hits, trials)
        return float(low), float(high)

    right = [
        (clip(f"c{i}", HAPPY, 25, 25 * i), [HAPPY] * 25, certain(*[HAPPY] * 25)) for i in range(3)
    ]
    assert interval(*right) == (1.0, ends(3, 3), 75)
    half = (clip("c", HAPPY, 20), [HAPPY] * 20, certain(*[HAPPY] * 10, *[SAD] * 10))
    assert interval(half) == (0.5, ends(0.5, 1), 20)


def test_cells_on_videos_are_ranked_by_clips():
    one = seen(
        (clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, None)),
        (clip("b", SAD, 1, 2), [SAD], certain(None)),
        (clip("c", -1, 1, 3), [-1], certain(SAD)),
        (clip("d", SAD, 1, 4), [SAD], certain(HAPPY)),
    )
    assert correct_clips(one).tolist() == [True, False, False]


# UF1 and UAR


def test_the_eight_emotions_make_three_classes_and_neutral_none():
    names = [COMPOSITE[c] if c != NONE else "-" for c in composite(np.arange(8))]
    assert dict(zip(EMOTIONS, names, strict=True)) == {
        "neutral": "-",
        "happiness": "positive",
        "surprise": "surprise",
        "sadness": "negative",
        "anger": "negative",
        "disgust": "negative",
        "fear": "negative",
        "contempt": "negative",
    }
    assert composite(np.array([-1, -2], np.int64)).tolist() == [NONE, NONE]


def test_uf1_and_uar_by_hand():
    # negative: 4, of which 3 right; positive: 2, 1 right; surprise: 1, right.
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    answer = np.array([0, 0, 0, 1, 1, NONE, 2])
    counts = class_counts(truth, answer)
    assert (counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()) == (
        [3, 1, 1],
        [0, 1, 0],
        [1, 1, 0],
    )
    assert uf1(counts)["value"] == pytest.approx((6 / 7 + 2 / 4 + 1) / 3)
    assert uar(counts)["value"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert uf1(counts)["n"] == 7


def test_a_class_that_nobody_shows_is_not_in_the_mean():
    counts = class_counts(np.array([0, 1, NONE]), np.array([0, 2, 1]))
    assert uf1(counts)["value"] == uar(counts)["value"] == pytest.approx(1 / 2)
    empty = class_counts(np.array([NONE]), np.array([1]))
    assert uf1(empty)["value"] is None
    assert uar(empty)["value"] is None


pairs = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=30)


@given(pairs)
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_uf1_and_uar_are_those_of_scikit_learn(told):
    truth, answer = (np.array(column) for column in zip(*told, strict=True))
    counts, kept = class_counts(truth, answer), truth != NONE
    if not kept.any():
        assert counts.n == 0
        return
    truth, answer = truth[kept], answer[kept]
    there = np.unique(truth)
    expected = f1_score(truth, answer, labels=there, average="macro", zero_division=0)
    assert uf1(counts)["value"] == pytest.approx(expected)
    assert uar(counts)["value"] == pytest.approx(balanced_accuracy_score(truth, answer))


@given(pairs, st.integers(1, 4))
@settings(deadline=None)
def test_folds_only_pool(told, people):
    """Counts that are summed over subjects are those of all clips together."""
    truth, answer = (np.array(column) for column in zip(*told, strict=True))
    subject = np.arange(len(truth)) % people
    folds = [class_counts(truth[subject == s], answer[subject == s]) for s in range(people)]
    together = class_counts(truth, answer)
    for name in ("tp", "fp", "fn"):
        assert sum(getattr(fold, name) for fold in folds).tolist() == (
            getattr(together, name).tolist()
        )


def test_a_clip_is_recognised_among_the_emotions_other_than_neutral():
    outputs = np.zeros((1, 8))
    outputs[0, NEUTRAL], outputs[0, SURPRISED], outputs[0, SAD] = 0.7, 0.2, 0.1
    result = score_clips(seen((clip("a", SURPRISED, 1), [SURPRISED], outputs)))
    assert value(result, "clip_accuracy") == 0.0
    # One class has nothing to be confused with.
    assert value(result, "uf1") is value(result, "uar") is None
    assert result["metrics"]["uf1"]["n"] == 1
    assert result["video"]["classes"] == {"negative": 0, "positive": 0, "surprise": 1}
    glad = (clip("b", HAPPY, 1), [HAPPY], certain(HAPPY))
    result = score_clips(seen((clip("a", SURPRISED, 1), [SURPRISED], outputs), glad))
    assert value(result, "uf1") == value(result, "uar") == 1.0
    assert result["video"]["classes"] == {"negative": 0, "positive": 1, "surprise": 1}


def test_without_a_clip_that_shows_one_of_the_classes_there_is_no_uf1():
    result = score_clips(seen((clip("a", NEUTRAL, 1), [NEUTRAL], certain(NEUTRAL))))
    assert {"uf1", "uar"} & set(result["metrics"]) == set()


# Flips


def test_flips_are_counted_within_a_clip_from_face_to_face():
    first = certain(HAPPY, SAD, None, SAD, HAPPY)
    second = certain(SAD, SAD)
    result = score_clips(
        seen(
            (clip("a", HAPPY, 5), [HAPPY] * 5, first),
            (clip("b", SAD, 2, 5, fps=2.0), [SAD] * 2, second),
        )
    )
    # Two changes in 0.4 s, none in 0.5 s; from one clip to the next is none.
    assert value(result, "flips_per_s") == pytest.approx(2 / 0.9)


def test_without_two_faces_there_are_no_flips_per_second():
    result = score_clips(seen((clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, None))))
    assert value(result, "flips_per_s") is None
    empty = np.zeros(0, np.int64)
    assert flips(empty, np.zeros(0), empty, np.zeros(0, bool)) == (0, 0.0)


# Smoothing


def test_smoothing_reaches_63_percent_of_a_step_in_its_time_constant():
    for fps in (10.0, 25.0, 100.0):
        count = int(fps) + 1
        time_s = np.arange(count) / fps
        outputs = np.ones((count, 1))
        outputs[0] = 0.0
        clips, found = np.zeros(count, np.int64), np.ones(count, bool)
        result = smoothed(clips, time_s, outputs, found, 1.0)
        assert result[-1, 0] == pytest.approx(1 - np.exp(-1), abs=1e-9)


def test_smoothing_is_pandas_exponential_mean_at_even_times():
    rng = np.random.default_rng(3)
    outputs, seconds = rng.random((40, 3)), 0.2
    result = smoothed(
        np.zeros(40, np.int64), np.arange(40) / 25, outputs, np.ones(40, bool), seconds
    )
    alpha = 1 - np.exp(-1 / 25 / seconds)
    np.testing.assert_allclose(result, pd.DataFrame(outputs).ewm(alpha=alpha, adjust=False).mean())


def test_frames_without_a_face_leave_the_average_as_it_is():
    told = (clip("a", HAPPY, 4), [HAPPY] * 4, certain(HAPPY, None, None, SAD))
    smooth_one = smooth(seen(told), 0.3)
    assert smooth_one.found.tolist() == [True, False, False, True]
    # 0.3 s after the last face, one time constant.
    share = 1 - np.exp(-1)
    assert float(smooth_one.outputs[3, SAD]) == pytest.approx(share, abs=1e-3)
    assert float(smooth_one.outputs[3, HAPPY]) == pytest.approx(1 - share, abs=1e-3)
    assert float(smooth_one.outputs[0, HAPPY]) == 1.0


def test_each_clip_begins_anew():
    told = [(clip(str(i), HAPPY, 1, i), [HAPPY], certain(e)) for i, e in enumerate((HAPPY, SAD))]
    assert smooth(seen(*told), 10.0).outputs.tolist() == certain(HAPPY, SAD).tolist()


def test_no_smoothing_changes_nothing():
    one = seen((clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, SAD)))
    assert smooth(one, 0.0) is one.predictions


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 10))
@settings(deadline=None, max_examples=50)
def test_a_smoothed_probability_stays_between_those_that_were_seen(seed, seconds):
    rng = np.random.default_rng(seed)
    count = 20
    clips = np.sort(rng.integers(0, 3, count))
    time_s = np.concatenate([np.sort(rng.random((clips == c).sum())) for c in range(3)])
    outputs, found = rng.dirichlet(np.ones(4), count), rng.random(count) < 0.8
    result = smoothed(clips, time_s, outputs, found, seconds)
    np.testing.assert_allclose(result.sum(axis=1), 1.0)
    for c in np.unique(clips[found]):
        rows = found & (clips == c)
        assert (result[rows] >= outputs[rows].min(axis=0) - 1e-12).all()
        assert (result[rows] <= outputs[rows].max(axis=0) + 1e-12).all()
    np.testing.assert_array_equal(result[~found], outputs[~found])


# How much video there was


def test_length_and_frame_rate_are_of_the_frames_that_were_taken():
    assert seconds_of(np.arange(250), 25.0) == 10.0
    assert seconds_of(np.arange(0, 1000, 4), 100.0) == 10.0
    assert seconds_of(np.array([7]), 25.0) == 1 / 25
    assert seconds_of(np.arange(0), 25.0) == 0.0
    # Ten of 25 a second, which can't be evenly spaced.
    tenth = np.floor(np.arange(100) * 2.5).astype(np.int64)
    assert step_of(tenth) == pytest.approx(2.5, abs=0.01)
    assert seconds_of(tenth, 25.0) == pytest.approx(10.0, rel=0.01)
    # Two expressions of a second each, ten seconds apart.
    apart = np.concatenate([np.arange(25), np.arange(275, 300)])
    assert seconds_of(apart, 25.0) == pytest.approx(2.0, rel=0.03)


def test_results_are_given_by_frame_rate():
    result = score_clips(
        seen(
            (clip("a", HAPPY, 2, fps=25.0), [HAPPY] * 2, certain(HAPPY, HAPPY)),
            (clip("b", SAD, 4, 2, fps=100.0), [SAD] * 4, certain(*[HAPPY] * 4)),
        )
    )
    video = result["video"]
    assert (video["clips"], video["frames"]) == (2, 6)
    assert video["seconds"] == pytest.approx(2 / 25 + 4 / 100)
    assert list(video["by_fps"]) == ["25", "100"]
    assert [one["clip_accuracy"]["value"] for one in video["by_fps"].values()] == [1.0, 0.0]
    assert [one["frames"] for one in video["by_fps"].values()] == [2, 4]


def test_every_metric_and_field_is_defined():
    result = score_clips(seen((clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, HAPPY))))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    names = [*result["metrics"], *result["video"], "uf1", "uar"]
    text = read("metrics.md")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_rows_must_be_clip_by_clip():
    one = seen((clip("a", HAPPY, 2), [HAPPY] * 2, certain(HAPPY, HAPPY)))
    for wrong in ([1, 0], [0, 5], [-1, 0]):
        with pytest.raises(PluginError, match=r"Seen\.clip"):
            Seen(one.clips * 2, np.array(wrong), one.time_s, one.answers, one.predictions)
