"""Spotted intervals against true ones: cases worked out by hand, and slow ways to the same."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
from docs_text import section
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.stats import chi2
from sklearn.metrics import f1_score, precision_score

from fxbench.clips import Clip, Interval
from fxbench.labels import EMOTIONS
from fxbench.metrics.detection import clustered_proportion
from fxbench.metrics.spotting import (
    Counts,
    analysis,
    counted,
    f1,
    match,
    match_script,
    overlap,
    rate,
)
from fxbench.scoring_spotting import recognised, score_spotting

HAPPY, SURPRISED, SAD, ANGRY = (
    EMOTIONS.index(e) for e in ("happiness", "surprise", "sadness", "anger")
)


def at(onset: int, offset: int, kind: str = "micro", apex: int | None = None) -> Interval:
    return Interval(onset, apex, offset, kind)


def clip(name: str, *truth: Interval, **more) -> Clip:
    """A clip of a minute at 30 frames a second."""
    return Clip(name, 0, **{"frames": 1800, "fps": 30.0, "intervals": truth, **more})


def scored(clips, spotted, recognised=None, frames=None) -> dict:
    given = {one.name: np.arange(one.frames, dtype=np.int64) for one in clips}
    return score_spotting(clips, spotted, recognised or {}, given if frames is None else frames)


def counts(result: dict, way: str = "fxbench", kind: str = "both") -> tuple[int, int, int]:
    record = result["spotting"][way][kind]
    return record["tp"], record["fp"], record["fn"]


def value(result: dict, name: str):
    return result["metrics"][name]["value"]


# Overlaps


def test_the_first_and_the_last_frame_belong_to_an_interval():
    # Frames 10 to 19 and 15 to 24: five shared, fifteen in all.
    assert overlap([at(10, 19)], [at(15, 24)]).tolist() == [[5 / 15]]
    # One frame, and the same one.
    assert overlap([at(7, 7)], [at(7, 7), at(8, 8)]).tolist() == [[1.0, 0.0]]


def test_touching_intervals_share_no_frame():
    assert overlap([at(0, 4)], [at(5, 9)]).tolist() == [[0.0]]
    assert overlap([at(0, 5)], [at(5, 9)]).tolist() == [[1 / 10]]


def test_an_overlap_of_exactly_a_half_is_enough():
    truth = (at(0, 9),)
    assert match([at(0, 4)], truth) == ((0, 0),)
    assert match([at(0, 3)], truth) == ()
    # 10 of 20 frames that either has.
    assert match([at(0, 14)], [at(5, 19)]) == ((0, 0),)


# Matching


def test_a_duplicate_is_a_false_positive():
    clips = [clip("a", at(10, 19))]
    both = scored(clips, {"a": [at(10, 19), at(10, 19)]})
    assert counts(both) == counts(both, "megc") == (1, 1, 0)
    assert value(both, "spot_f1") == 2 / 3


def test_one_interval_over_two_true_ones_has_one_of_them():
    # It covers each by exactly a half: here one to one, in the script both.
    clips, spotted = [clip("a", at(0, 9), at(10, 19))], {"a": [at(0, 19)]}
    result = scored(clips, spotted)
    assert counts(result) == (1, 0, 1)
    assert counts(result, "megc") == (2, 0, 0)


def test_the_most_pairs_are_made_where_the_greedy_script_has_a_false_positive():
    # The first overlaps both true ones by 0.5 or more, the second only the first of them.
    truth = (at(0, 9), at(4, 17))
    spotted = [at(3, 12), at(0, 7)]
    shared = overlap(spotted, truth)
    assert (shared >= 0.5).tolist() == [[True, True], [True, False]]
    assert sorted(match(spotted, truth)) == [(0, 1), (1, 0)]
    assert match_script(spotted, truth) == ((0, 0), (0, 1))
    result = scored([clip("a", *truth)], {"a": spotted})
    assert counts(result) == (2, 0, 0)
    assert counts(result, "megc") == (2, 1, 0)


def test_of_two_that_are_right_the_nearer_one_is_taken():
    truth, spotted = (at(10, 19),), [at(12, 21), at(10, 18)]
    assert match(spotted, truth) == ((1, 0),)
    # The script takes whichever comes first.
    assert match_script(spotted, truth) == ((0, 0),)


ends = st.tuples(st.integers(0, 40), st.integers(0, 15)).map(lambda p: at(p[0], p[0] + p[1]))
several = st.lists(ends, max_size=6)


@given(several, several)
@settings(deadline=None, max_examples=200)
def test_the_matching_is_a_largest_one_and_among_these_the_closest(spotted, truth):
    pairs = match(spotted, truth)
    assert len({s for s, _ in pairs}) == len({t for _, t in pairs}) == len(pairs)
    shared = overlap(spotted, truth)
    assert all(shared[pair] >= 0.5 for pair in pairs)
    best = maximum_bipartite_matching(csr_matrix(shared >= 0.5), perm_type="column")
    assert len(pairs) == (best >= 0).sum()
    if len(spotted) <= len(truth) <= 4:
        every = [
            [(s, t) for s, t in enumerate(order[: len(spotted)]) if shared[s, t] >= 0.5]
            for order in permutations(range(len(truth)))
        ]
        largest = max(
            (sum(shared[p] for p in some) for some in every if len(some) == len(pairs)), default=0.0
        )
        assert sum(shared[pair] for pair in pairs) == pytest.approx(largest)


@given(several, several, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_intervals_decides_nothing(spotted, truth, random):
    shuffled = random.sample(spotted, len(spotted))
    (first, one), (second, other) = (
        (len(pairs := match(some, truth)), sum(overlap(some, truth)[pair] for pair in pairs))
        for some in (spotted, shuffled)
    )
    assert first == second
    assert one == pytest.approx(other)


@given(several, several)
@settings(deadline=None)
def test_overlaps_are_those_of_sets_of_frames(spotted, truth):
    expected = [
        [
            len(a & b) / len(a | b)
            for t in truth
            if (b := set(range(t.onset, t.offset + 1))) is not None
        ]
        for s in spotted
        if (a := set(range(s.onset, s.offset + 1)))
    ]
    shared = overlap(spotted, truth)
    assert shared.shape == (len(spotted), len(truth))
    assert shared.tolist() == expected


@given(several)
@settings(deadline=None)
def test_an_oracle_finds_all(truth):
    assert len(match(truth, truth)) == len(truth)
    assert counted(match(truth, truth), len(truth), len(truth)) == Counts(len(truth), 0, 0)


# Both ways, clip by clip


def test_spotting_nothing_scores_0_and_an_oracle_1():
    clips = [
        clip("a", at(10, 19), subject="s1", emotion=HAPPY),
        clip("b", at(5, 90, "macro"), subject="s2", emotion=SAD),
        clip("c", subject="s2"),
    ]
    nothing = scored(clips, {}, {"x": {}})
    assert value(nothing, "spot_f1") == value(nothing, "spot_f1_micro") == 0.0
    assert value(nothing, "spot_f1_macro") == value(nothing, "spot_recall") == 0.0
    assert nothing["metrics"]["spot_precision"]["value"] is None
    assert value(nothing, "false_alarms_per_minute") == 0.0
    assert nothing["spotting"]["megc"]["both"]["f1"] == 0.0
    assert nothing["recognition"]["x"]["fxbench"]["strs"] == 0.0
    assert nothing["recognition"]["x"]["megc"]["strs"] == 0.0

    right = {"x": {"a": [HAPPY], "b": [SAD], "c": []}}
    oracle = scored(clips, {one.name: one.intervals for one in clips}, right)
    for name in ("spot_f1", "spot_f1_micro", "spot_f1_macro", "spot_precision", "spot_recall"):
        assert value(oracle, name) == 1.0
    assert oracle["spotting"]["megc"]["both"]["f1"] == 1.0
    assert oracle["recognition"]["x"]["fxbench"]["strs"] == 1.0
    assert oracle["recognition"]["x"]["megc"]["strs"] == 1.0
    assert oracle["images"] == {"n": 5400, "clips": 3, "events": 2}


def test_a_clip_without_an_expression_counts_here_and_not_in_the_script():
    clips = [clip("a", at(10, 19), subject="s1"), clip("quiet", subject="s1")]
    spotted = {"a": [at(10, 19)], "quiet": [at(100, 120), at(300, 310)]}
    result = scored(clips, spotted)
    assert counts(result) == (1, 2, 0)
    assert value(result, "spot_f1") == pytest.approx(2 / 4)
    assert counts(result, "megc") == (1, 0, 0)
    # Two false alarms in the two minutes of both, and in the one of the quiet clip.
    assert value(result, "false_alarms_per_minute") == pytest.approx(1.0)
    assert value(result, "false_alarms_per_minute_quiet") == pytest.approx(2.0)


def test_a_subject_without_a_spotted_interval_counts_here_and_not_in_the_script():
    clips = [clip("a", at(10, 19), subject="s1"), clip("b", at(10, 19), subject="s2")]
    result = scored(clips, {"a": [at(10, 19)]})
    assert counts(result) == (1, 0, 1)
    assert counts(result, "megc") == (1, 0, 0)
    # In another clip of hers it is one.
    more = [*clips, clip("c", subject="s2")]
    result = scored(more, {"a": [at(10, 19)], "c": [at(0, 9)]})
    assert counts(result, "megc") == (1, 0, 1)


def test_a_clip_that_nobody_looked_through_counts_nowhere():
    clips = [clip("a", at(10, 19)), clip("cut", intervals=None)]
    result = scored(clips, {"a": [at(10, 19)], "cut": [at(0, 9)]})
    assert counts(result) == (1, 0, 0)
    assert result["images"] == {"n": 1800, "clips": 1, "events": 1}


def test_a_clip_of_which_no_frame_was_given_counts_nowhere():
    clips = [clip("a", at(10, 19)), clip("b", at(10, 19))]
    result = scored(clips, {}, frames={"a": np.arange(1800), "b": np.arange(0)})
    assert counts(result) == (0, 0, 1)
    assert result["images"]["clips"] == 1


def test_micro_and_macro_are_scored_apart_and_together():
    # A true micro-expression that is spotted as a macro-expression: found, but of the wrong kind.
    clips = [clip("a", at(10, 19), at(100, 199, "macro"))]
    result = scored(clips, {"a": [at(10, 20, "macro"), at(100, 199, "macro")]})
    assert counts(result, kind="micro") == (0, 0, 1)
    assert counts(result, kind="macro") == (1, 1, 0)
    assert counts(result) == (2, 0, 0)
    assert value(result, "spot_f1_micro") == 0.0
    assert value(result, "spot_f1_macro") == pytest.approx(2 / 3)


def test_intervals_are_compared_in_frames_of_the_clip_at_every_frame_rate():
    clips = [
        clip("slow", at(10, 19), frames=250, fps=25.0),
        clip("fast", at(40, 79), frames=1000, fps=100.0),
    ]
    spotted = {"slow": [at(10, 19)], "fast": [at(0, 9)]}
    result = scored(clips, spotted)
    by_fps = result["spotting"]["fxbench"]["by_fps"]
    assert list(by_fps) == ["25", "100"]
    assert [by_fps[fps]["both"]["f1"] for fps in by_fps] == [1.0, 0.0]
    assert [by_fps[fps]["clips"] for fps in by_fps] == [1, 1]
    # Every fourth frame of the fast one: 25 a second, its truth in its own frames.
    quarter = {"slow": np.arange(250), "fast": np.arange(0, 1000, 4)}
    result = scored(clips, {"slow": [at(10, 19)], "fast": [at(40, 76)]}, frames=quarter)
    assert counts(result) == (2, 0, 0)
    assert list(result["spotting"]["fxbench"]["by_fps"]) == ["25"]
    assert result["images"]["n"] == 500
    # Ten seconds each, however many frames were given.
    clips.append(clip("quiet", frames=1000, fps=100.0))
    quarter["quiet"] = np.arange(0, 1000, 4)
    result = scored(clips, {"quiet": [at(0, 9)]}, frames=quarter)
    assert value(result, "false_alarms_per_minute") == pytest.approx(2.0)
    assert value(result, "false_alarms_per_minute_quiet") == pytest.approx(6.0)


def test_an_expression_after_the_last_frame_that_could_be_read_is_not_held_against_a_spotter():
    clips = [clip("a", at(10, 19), at(500, 519))]
    half = {"a": np.arange(400, dtype=np.int64)}
    assert counts(scored(clips, {}, frames=half)) == (0, 0, 1)
    # But one that falls between two frames that were taken is.
    sparse = {"a": np.arange(0, 1800, 100, dtype=np.int64)}
    assert counts(scored(clips, {}, frames=sparse)) == (0, 0, 2)
    # So is one in what would have gone by up to the next.
    ended = {"a": np.arange(0, 500, 100, dtype=np.int64)}
    assert counts(scored([clip("a", at(450, 460))], {}, frames=ended)) == (0, 0, 1)
    assert counts(scored([clip("a", at(500, 510))], {}, frames=ended)) == (0, 0, 0)


def test_the_apex_error_is_over_right_intervals_that_have_an_apex():
    clips = [
        clip("a", at(10, 19, apex=14), fps=100.0),
        clip("b", at(10, 19, apex=12), fps=25.0),
        clip("c", at(10, 19)),
    ]
    spotted = {
        "a": [at(10, 19, apex=16), at(50, 60, apex=55)],
        "b": [at(11, 19, apex=18)],
        "c": [at(10, 19, apex=10)],
    }
    result = scored(clips, spotted)
    assert result["metrics"]["apex_error_frames"] == {
        "value": (2 + 6) / 2,
        "low": None,
        "high": None,
        "n": 2,
    }
    assert value(result, "apex_error_ms") == pytest.approx((20 + 240) / 2)
    assert scored(clips, {})["metrics"]["apex_error_frames"]["value"] is None
    # In frames of the clip, whichever of them were taken.
    every = {one.name: np.arange(0, 1800, 2, dtype=np.int64) for one in clips}
    assert value(scored(clips, spotted, frames=every), "apex_error_ms") == pytest.approx(130)


def test_what_nobody_shows_and_nobody_spots_has_no_score():
    result = scored([clip("quiet")], {})
    assert result["metrics"]["spot_f1"]["value"] is None
    assert result["metrics"]["spot_f1"]["n"] == 0
    assert value(result, "false_alarms_per_minute_quiet") == 0.0
    assert scored([], {})["metrics"]["false_alarms_per_minute"]["value"] is None


# What must hold for all clips

kinds = st.tuples(ends, st.sampled_from(["micro", "macro"])).map(
    lambda pair: at(pair[0].onset, pair[0].offset, pair[1])
)
days = st.lists(
    st.tuples(st.lists(kinds, max_size=4), st.lists(kinds, max_size=4), st.sampled_from("ab")),
    min_size=1,
    max_size=4,
)


def made(day, scale: int = 1, **more) -> tuple[list[Clip], dict]:
    """Clips and what was spotted in them; each frame `scale` times."""

    def longer(intervals):
        return tuple(
            at(scale * one.onset, scale * one.offset + scale - 1, one.kind) for one in intervals
        )

    clips = [
        clip(f"c{i}", *longer(truth), subject=subject, **more)
        for i, (truth, _, subject) in enumerate(day)
    ]
    return clips, {f"c{i}": longer(spotted) for i, (_, spotted, _) in enumerate(day)}


@given(days)
@settings(deadline=None, max_examples=50)
def test_every_interval_is_counted_once(day):
    clips, spotted = made(day)
    result = scored(clips, spotted)
    for kind in ("micro", "macro", "both"):
        tp, fp, fn = counts(result, kind=kind)
        assert tp + fp == sum(kind in ("both", i.kind) for one in spotted.values() for i in one)
        assert tp + fn == sum(kind in ("both", i.kind) for one in clips for i in one.intervals)
    apart = [counts(result, kind=kind)[0] for kind in ("micro", "macro")]
    assert counts(result)[0] >= sum(apart)
    assert result["metrics"]["spot_f1"]["n"] == sum(counts(result))
    rates = result["spotting"]["fxbench"]["by_fps"]
    assert rates["30"]["both"] == result["spotting"]["fxbench"]["both"]


@given(days)
@settings(deadline=None, max_examples=50)
def test_more_frames_a_second_change_no_score(day):
    plain, finer = (scored(*made(day, scale, fps=30.0 * scale)) for scale in (1, 4))
    for way in ("fxbench", "megc"):
        for kind in ("micro", "macro", "both"):
            assert plain["spotting"][way][kind] == finer["spotting"][way][kind]


@given(days, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_the_clips_decides_nothing(day, random):
    clips, spotted = made(day)
    shuffled = random.sample(clips, len(clips))
    first, second = scored(clips, spotted), scored(shuffled, spotted)
    assert first["spotting"] == second["spotting"]
    for name, estimate in first["metrics"].items():
        assert estimate == pytest.approx(second["metrics"][name])


@given(days)
@settings(deadline=None, max_examples=50)
def test_an_interval_where_nothing_is_lowers_f1_or_leaves_it_at_0(day):
    clips, spotted = made(day)
    before = scored(clips, spotted)["spotting"]["fxbench"]["both"]
    spotted["c0"] = (*spotted["c0"], at(1000, 1010))
    after = scored(clips, spotted)["spotting"]["fxbench"]["both"]
    assert (after["tp"], after["fp"], after["fn"]) == (before["tp"], before["fp"] + 1, before["fn"])
    assert after["f1"] < before["f1"] if before["f1"] else after["f1"] == 0


# The intervals of these figures


def test_f1_has_the_interval_of_the_share_that_it_follows_from():
    clusters = [Counts(3, 1, 0), Counts(1, 2, 1), Counts(4, 0, 0)]
    estimate = f1(clusters)
    assert estimate["value"] == pytest.approx(16 / 20)
    jaccard = clustered_proportion(np.array([3, 1, 4]), np.array([4, 4, 4]))
    low, high = (2 * jaccard[end] / (1 + jaccard[end]) for end in ("low", "high"))
    assert (estimate["low"], estimate["high"], estimate["n"]) == (low, high, 12)
    assert low < estimate["value"] < high


def test_subjects_are_what_is_alike_where_they_are_known():
    def result(*subjects):
        clips = [clip(f"c{i}", at(10, 19), subject=one) for i, one in enumerate(subjects)]
        return scored(clips, {f"c{i}": [at(10, 19)] for i in range(4)})["metrics"]["spot_recall"]

    # Four clips of one person were spotted, none of the four of another.
    together = result(*["s1"] * 4, *["s2"] * 4)
    apart = result(*[""] * 8)
    assert together["value"] == apart["value"] == 0.5
    assert together["low"] < apart["low"]
    # One unknown subject: then clips are what is resampled.
    assert result("", *["s1"] * 3, *["s2"] * 4) == apart


@pytest.mark.parametrize("count", [0, 1, 7])
def test_false_alarms_have_the_exact_interval_of_a_poisson_rate(count):
    estimate = rate(count, 2.0, 3600)
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    assert estimate["value"] == count / 2
    assert estimate["low"] == pytest.approx(low / 2)
    assert estimate["high"] == pytest.approx(chi2.ppf(0.975, 2 * (count + 1)) / 2 / 2)


# Recognising what was spotted


def test_an_interval_is_recognised_by_its_mean_probability_without_neutral():
    probabilities = np.zeros((6, 8), np.float32)
    probabilities[:, 0] = 0.6
    probabilities[:3, HAPPY] = 0.4
    probabilities[3:, SAD] = 0.3
    probabilities[3:, ANGRY] = 0.1
    probabilities[4] = np.nan
    frame = np.arange(0, 12, 2)
    intervals = [at(0, 4), at(6, 10), at(3, 8), at(8, 8), at(20, 30), at(1, 1)]
    assert recognised(probabilities, frame, intervals) == (HAPPY, SAD, HAPPY, -1, -1, -1)
    assert recognised(probabilities, frame, []) == ()
    certain = np.eye(8, dtype=np.float32)[[0]]
    assert recognised(certain, np.array([0]), [at(0, 0)]) == (-1,)


def spotted_and_recognised() -> dict:
    """Five hits and a miss: happiness twice, surprise, sadness and anger, which are one class."""
    told = [
        (HAPPY, HAPPY),
        (HAPPY, SAD),
        (SURPRISED, SURPRISED),
        (SAD, ANGRY),
        (ANGRY, -1),
        (SURPRISED, None),
    ]
    clips = [
        clip(f"c{i}", at(10, 19), subject="s1", emotion=right) for i, (right, _) in enumerate(told)
    ]
    spotted = {f"c{i}": [at(10, 19)] for i, (_, answer) in enumerate(told) if answer is not None}
    answers = {f"c{i}": [answer] for i, (_, answer) in enumerate(told) if answer is not None}
    return scored(clips, spotted, {"x": answers})


def test_recognition_is_unweighted_f1_over_three_classes_of_what_was_spotted():
    record = spotted_and_recognised()["recognition"]["x"]["fxbench"]
    # positive: 1 TP, 0 FP, 1 FN; surprise: 1, 0, 0; negative: 1, 1, 1.
    uf1 = (2 / 3 + 1 + 2 / 4) / 3
    spot = 10 / 11
    assert record["n"] == 5
    assert record["uf1"] == pytest.approx(uf1)
    assert record["uar"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert record["strs"] == pytest.approx(spot * uf1)
    assert record["micro"]["strs"] == pytest.approx(spot * uf1)


def test_the_script_takes_f1_of_the_mean_precision_and_the_mean_recall():
    record = spotted_and_recognised()["recognition"]["x"]["megc"]
    precision, recall = (1 + 1 + 1 / 2) / 3, (1 / 2 + 1 + 1 / 2) / 3
    f1 = 2 * precision * recall / (precision + recall)
    assert record["precision"] == record["uar"] == pytest.approx(precision)
    assert record["recall"] == pytest.approx(recall)
    assert record["f1"] == pytest.approx(f1)
    assert record["uf1"] == pytest.approx((2 / 3 + 1 + 2 / 4) / 3)
    assert record["strs"] == pytest.approx(10 / 11 * f1)


def test_an_emotion_of_no_class_is_spotted_but_not_analysed():
    clips = [
        clip("a", at(10, 19), subject="s", emotion=HAPPY),
        clip("b", at(10, 19), subject="s", emotion=SAD),
        clip("c", at(10, 19), subject="s", emotion=-1),
    ]
    told = {"x": {"a": [HAPPY], "b": [SAD], "c": [HAPPY]}}
    result = scored(clips, {one.name: one.intervals for one in clips}, told)
    assert counts(result) == (3, 0, 0)
    for way in ("fxbench", "megc"):
        record = result["recognition"]["x"][way]
        assert (record["n"], record["uf1"], record["strs"]) == (2, 1.0, 1.0)


def test_micro_expressions_are_recognised_apart():
    clips = [
        clip("a", at(10, 19), at(100, 199, "macro"), subject="s", emotion=HAPPY),
        clip("b", at(10, 19), subject="s", emotion=SAD),
    ]
    spotted = {"a": [at(100, 199, "macro"), at(10, 19)], "b": [at(10, 19)]}
    result = scored(clips, spotted, {"x": {"a": [SAD, HAPPY], "b": [SAD]}})
    for way in ("fxbench", "megc"):
        record = result["recognition"]["x"][way]
        assert record["micro"]["strs"] == 1.0
        assert record["strs"] < 1.0
        assert (record["n"], record["micro"]["n"]) == (3, 2)


def test_a_record_is_json():
    text = json.dumps(spotted_and_recognised(), allow_nan=False)
    assert json.loads(text) == spotted_and_recognised()


def test_every_metric_and_field_is_defined():
    result = spotted_and_recognised()
    fields = {name for record in result["recognition"]["x"].values() for name in record}
    names = {*result["metrics"], *result["images"], *result["spotting"], *fields} - {"n"}
    counts = set(result["spotting"]["fxbench"]["both"])
    text = section("metrics.md", "## Spotting")
    images = {"clips", "events"}
    assert {name for name in names | counts if f"`{name}`" not in text} - images == set()
    assert [name for name in images if f"`{name}`" not in text] == []


# The public script's rules, by hand

EXAMPLE = {
    ("1", "EP02_01f"): ((10, 70, "happiness"), (45, 85, "happiness")),
    ("1", "EP03_02"): ((100, 170, "others"), (130, 160, "others")),
    ("1", "EP04_02"): ((0, 70, "others"), (20, 75, "others")),
    ("2", "EP01_11f"): ((20, 90, "happiness"), (45, 95, "repression")),
    ("2", "EP02_04f"): ((70, 140, "happiness"), (30, 140, "repression")),
}
"""The example in the description of STRS-Metric, whose spotted-then-recognised score it says."""


def test_the_example_of_the_public_script_has_its_score():
    total, right, answered = Counts(), [], []
    for spotted, truth in EXAMPLE.values():
        pairs = match_script([at(*spotted[:2])], [at(*truth[:2])])
        total += counted(pairs, 1, 1)
        right += [truth[2] for _ in pairs]
        answered += [spotted[2] for _ in pairs]
    assert total == Counts(3, 2, 2)
    figures = analysis(right, answered, sorted({truth[2] for _, truth in EXAMPLE.values()}))
    assert figures.f1 == pytest.approx(1 / 3)
    assert round(total.f1 * figures.f1, 4) == 0.2


def test_the_script_gives_a_class_that_is_alone_nothing():
    # All hits are of one class and recognised as it: a confusion matrix of one cell.
    alone = analysis(["positive"] * 3, ["positive"] * 3, ["positive"])
    assert (alone.precision, alone.recall, alone.f1, alone.uf1) == (0.0, 0.0, None, 0.0)
    # One wrong answer is enough for it to count.
    mixed = analysis(["positive"] * 3, ["positive", "positive", "surprise"], ["positive"])
    assert (mixed.precision, mixed.recall) == (1.0, pytest.approx(2 / 3))


def test_the_script_has_no_analysis_where_nothing_is_right():
    assert analysis(["positive", "negative"], ["negative", "positive"], ["positive"]).f1 is None
    assert analysis([], [], ["positive"]).f1 is None


labels = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), max_size=12)


@given(labels)
@settings(deadline=None)
def test_the_scripts_means_are_those_of_scikit_learn(told):
    """As long as no class is right and answered for all hits."""
    truth, answered = [t for t, _ in told], [a for _, a in told]
    if not told or any(set(truth) == set(answered) == {c} for c in "abc"):
        return
    figures = analysis(truth, answered, "abc")
    how = {"labels": list("abc"), "average": "macro", "zero_division": 0}
    assert figures.precision == pytest.approx(precision_score(truth, answered, **how))
    assert figures.uf1 == pytest.approx(f1_score(truth, answered, **how))
