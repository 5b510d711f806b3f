"""From answers to the metrics of a cell."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.scoring import Predictions, correct_end_to_end, rank, score, top_emotions
from fxbench.scoring_robustness import score_attack
from fxbench.types import Answers

SEVEN = EMOTIONS[:7]


def one_hot(winners, width=8):
    return np.eye(width, dtype=np.float16)[np.asarray(winners)]


def predictions(winners, labels=EMOTIONS, found=None):
    found = np.ones(len(winners), bool) if found is None else np.asarray(found, bool)
    return Predictions(found, one_hot(winners, len(labels)), tuple(labels))


def answers(labels, accepted=None, distribution=None):
    labels = np.asarray(labels, np.int64)
    return Answers(np.arange(len(labels)), labels, accepted, distribution)


def random_cell(seed, n=200, labels=EMOTIONS):
    rng = np.random.default_rng(seed)
    votes = rng.dirichlet(np.full(8, 0.3), n).astype(np.float32)
    votes[rng.random(n) < 0.1] = np.nan
    truth = answers(rng.integers(-1, 8, n), np.nan_to_num(votes) >= 0.3, votes)
    outputs = rng.dirichlet(np.full(len(labels), 0.5), n).astype(np.float16)
    return truth, Predictions(rng.random(n) < 0.8, outputs, tuple(labels))


def values(result):
    return {name: estimate["value"] for name, estimate in result["metrics"].items()}


def test_always_neutral_on_the_validation_split_of_ferplus():
    truth = np.repeat(np.arange(8), [1180, 862, 411, 348, 289, 25, 60, 16])
    result = score(answers(truth), predictions(np.zeros(3191, int)), EMOTIONS)
    assert result["images"] == {"n": 3191, "found": 3191}
    accuracy = result["metrics"]["accuracy"]
    assert accuracy["value"] == 1180 / 3191
    assert accuracy["n"] == 3191
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((0.3532, 0.3867), abs=5e-5)
    assert result["metrics"]["accuracy_end_to_end"] == accuracy
    assert result["recall"]["neutral"]["value"] == 1
    assert result["recall"]["contempt"]["value"] == 0
    assert result["metrics"]["macro_f1"]["value"] == pytest.approx(2 * 1180 / (3191 + 1180) / 8)
    assert "multi_target_accuracy" not in result["metrics"]
    assert "cross_entropy" not in result["metrics"]


def test_a_missed_face_is_wrong_end_to_end_and_absent_otherwise():
    found = [True, True, False, False]
    result = score(answers([0, 1, 0, 1]), predictions([0, 2, 0, 1], found=found), EMOTIONS)
    metrics = result["metrics"]
    assert (metrics["accuracy"]["value"], metrics["accuracy"]["n"]) == (0.5, 2)
    assert metrics["accuracy_end_to_end"]["value"] == 0.25
    assert metrics["accuracy_end_to_end"]["n"] == 4
    assert (metrics["detection_rate"]["value"], metrics["detection_rate"]["n"]) == (0.5, 4)
    assert result["recall"]["neutral"]["value"] == 1
    assert result["recall_end_to_end"]["neutral"]["value"] == 0.5
    counts = np.array(result["confusion"]["counts"])
    assert result["confusion"]["columns"] == [*EMOTIONS, "other", "not found"]
    assert counts[:, 9].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_nothing_found_gives_none_not_an_error():
    p = Predictions(np.zeros(3, bool), np.full((3, 8), np.nan, np.float16), EMOTIONS)
    votes = np.full((3, 8), 1 / 8, np.float32)
    result = score(answers([0, 1, 2], np.ones((3, 8), bool), votes), p, EMOTIONS)
    for name in ("accuracy", "macro_f1", "accuracy_shared", "multi_target_accuracy", "kl"):
        assert result["metrics"][name] == {"value": None, "low": None, "high": None, "n": 0}
    assert result["metrics"]["accuracy_end_to_end"]["value"] == 0
    assert result["metrics"]["detection_rate"]["value"] == 0
    assert top_emotions(p).tolist() == [-1, -1, -1]


def test_no_images_at_all():
    result = score(answers([]), predictions(np.zeros(0, int)), EMOTIONS)
    assert result["images"] == {"n": 0, "found": 0}
    assert set(values(result).values()) == {None}


def test_the_first_output_wins_a_tie_of_the_stored_halves():
    # 0.30000 and 0.30004 are the same float16: what is stored decides.
    row = np.array([[0.1, 0.30000, 0.30004, 0.2999, 0, 0, 0, 0]], np.float16)
    assert top_emotions(Predictions(np.ones(1, bool), row, EMOTIONS)).tolist() == [1]


def test_an_output_without_counterpart_is_wrong_when_it_wins():
    labels = (None, "happiness", "neutral", None)
    p = predictions([0, 1, 2, 3], labels)
    assert top_emotions(p).tolist() == [-2, 1, 0, -2]
    result = score(answers([0, 1, 0, 1]), p, ("neutral", "happiness"))
    assert result["metrics"]["accuracy"]["value"] == 0.5
    counts = np.array(result["confusion"]["counts"])
    assert counts[:2, 8].tolist() == [1, 1]


def test_a_classifier_of_seven_labels_is_wrong_on_contempt_and_has_no_soft_scores():
    truth = answers([7, 0], np.ones((2, 8), bool), np.full((2, 8), 1 / 8, np.float32))
    result = score(truth, predictions([0, 0], SEVEN), SEVEN)
    metrics = result["metrics"]
    assert (metrics["accuracy"]["value"], metrics["accuracy"]["n"]) == (0.5, 2)
    assert (metrics["accuracy_shared"]["value"], metrics["accuracy_shared"]["n"]) == (1.0, 1)
    assert "cross_entropy" not in metrics
    assert "kl" not in metrics


def test_shared_labels_let_only_shared_outputs_compete():
    outputs = np.zeros((2, 8), np.float16)
    outputs[0, [7, 1]] = [0.6, 0.4]  # contempt wins, but is not shared
    outputs[1, [7, 0]] = [0.6, 0.4]
    p = Predictions(np.array([True, True]), outputs, EMOTIONS)
    metrics = score(answers([1, 1]), p, SEVEN)["metrics"]
    assert metrics["accuracy"]["value"] == 0
    assert metrics["accuracy_shared"]["value"] == 0.5
    missed = Predictions(np.array([True, False]), outputs, EMOTIONS)
    metrics = score(answers([1, 1]), missed, SEVEN)["metrics"]
    assert metrics["accuracy_shared"]["value"] == 1
    assert metrics["accuracy_shared_end_to_end"]["value"] == 0.5


def test_without_shared_labels_there_is_no_score_over_them():
    assert "accuracy_shared" not in score(answers([0]), predictions([0]), ())["metrics"]
    # A classifier with none of the shared labels answers none of them.
    lacking = predictions([0], ("anger",))
    assert score(answers([0]), lacking, ("neutral",))["metrics"]["accuracy_shared"]["value"] == 0


def test_images_without_one_label_count_in_multi_target_and_soft_scores_only():
    accepted = np.zeros((2, 8), bool)
    accepted[:, [0, 3]] = True
    votes = np.zeros((2, 8), np.float32)
    votes[:, [0, 3]] = 0.5
    result = score(answers([-1, 0], accepted, votes), predictions([3, 3]), EMOTIONS)
    metrics = result["metrics"]
    assert metrics["accuracy"]["n"] == 1
    assert (metrics["multi_target_accuracy"]["value"], metrics["multi_target_accuracy"]["n"]) == (
        1.0,
        2,
    )
    assert metrics["cross_entropy"]["n"] == 2
    assert metrics["cross_entropy"]["value"] == pytest.approx(-0.5 * np.log(1e-6))
    assert metrics["detection_rate"]["n"] == 2


def test_outputs_of_the_same_emotion_add_up_in_the_soft_scores():
    labels = (*EMOTIONS, "neutral")
    outputs = np.zeros((1, 9), np.float16)
    outputs[0, [0, 8]] = 0.5
    votes = np.eye(8, dtype=np.float32)[:1]
    p = Predictions(np.ones(1, bool), outputs, labels)
    assert score(answers([0], None, votes), p, EMOTIONS)["metrics"]["kl"]["value"] == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_images_changes_nothing(seed):
    truth, p = random_cell(seed)
    order = np.random.default_rng(seed).permutation(len(p.found))
    shuffled = Predictions(p.found[order], p.outputs[order], p.labels)
    first, second = score(truth, p, SEVEN), score(truth.take(order), shuffled, SEVEN)
    assert values(first) == pytest.approx(values(second))
    assert {k: v for k, v in first.items() if k != "metrics"} == {
        k: v for k, v in second.items() if k != "metrics"
    }


@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_intervals_contain_the_point_and_end_to_end_is_never_higher(seed, n):
    truth, p = random_cell(seed, n)
    metrics = score(truth, p, SEVEN)["metrics"]
    for estimate in metrics.values():
        if estimate["low"] is not None:
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    for name in ("accuracy", "accuracy_shared", "multi_target_accuracy"):
        if metrics[name]["value"] is not None:
            assert metrics[f"{name}_end_to_end"]["value"] <= metrics[name]["value"]


def test_every_result_is_plain_json():
    truth, p = random_cell(3)
    attack = score_attack(truth, p, p, p.found & (truth.labels >= 0), SEVEN)
    ranks, _ = rank([("a", correct_end_to_end(truth, p)), ("b", correct_end_to_end(truth, p))])
    for result in (score(truth, p, SEVEN), attack, ranks):
        assert json.loads(json.dumps(result, allow_nan=False)) == result


# Attacks


def test_the_success_rate_is_over_attacked_faces_that_were_right():
    # Right twice, wrong, a label that it lacks, not found, no label, and right but not attacked.
    truth = answers([0, 0, 0, 7, 0, -1, 1])
    found = [True, True, True, True, False, True, True]
    clean = predictions([0, 0, 1, 0, 0, 0, 1], SEVEN, found)
    adversarial = predictions([0, 2, 2, 0, 0, 1, 1], SEVEN, found)
    attacked = np.array([True, True, True, False, False, False, False])
    result = score_attack(truth, clean, adversarial, attacked, SEVEN)
    rate = result["metrics"]["attack_success_rate"]
    assert (rate["value"], rate["n"]) == (0.5, 2)
    assert result["metrics"]["accuracy"]["value"] == 2 / 5
    assert result["metrics"]["accuracy_end_to_end"]["value"] == 2 / 6
    assert result["images"] == {"n": 7, "found": 6, "attacked": 3}


def test_an_attack_that_changes_nothing_equals_the_clean_cell():
    truth, p = random_cell(5)
    result = score_attack(truth, p, p, p.found & (truth.labels >= 0), SEVEN)
    assert result["metrics"].pop("attack_success_rate")["value"] == 0
    assert result["images"].pop("attacked") == (p.found & (truth.labels >= 0)).sum()
    assert result == score(truth, p, SEVEN)


# Ranks


def test_what_is_ranked_is_right_end_to_end():
    truth = answers([0, -1, 1, 1])
    p = predictions([0, 0, 1, 1], found=[True, True, True, False])
    assert correct_end_to_end(truth, p).tolist() == [True, True, False]


def test_rank_reports_ranges_and_both_directions_of_each_pair():
    strong, weak = np.arange(100) < 90, np.arange(100) >= 60
    ranks, pairs = rank([("strong", strong), ("weak", weak), ("twin", strong)])
    assert ranks["strong"] == {"low": 1, "high": 2, "of": 3, "groups": [1]}
    assert ranks["twin"] == {"low": 1, "high": 2, "of": 3, "groups": [1]}
    assert ranks["weak"] == {"low": 3, "high": 3, "of": 3, "groups": [2]}
    assert len(pairs) == 3
    to_weak, to_twin = pairs.of("strong")
    assert (to_weak["cell"], to_weak["better"], to_weak["worse"]) == ("weak", 60, 10)
    assert to_weak["p_holm"] < 1e-6
    assert to_twin == {"cell": "twin", "better": 0, "worse": 0, "p": 1.0, "p_holm": 1.0}
    back = pairs.of("weak")[0]
    assert (back["better"], back["worse"], back["p"]) == (10, 60, to_weak["p"])


def test_rank_of_one_cell_and_of_none():
    ranks, pairs = rank([])
    assert (ranks, len(pairs)) == ({}, 0)
    ranks, pairs = rank([("only", np.ones(3, bool))])
    assert ranks == {"only": {"low": 1, "high": 1, "of": 1, "groups": [1]}}
    assert pairs.of("only") == []


def test_rank_refuses_other_images_and_a_cell_that_comes_twice():
    with pytest.raises(ValueError, match="same images"):
        rank([("a", np.ones(3, bool)), ("b", np.ones(4, bool))])
    with pytest.raises(ValueError, match="twice"):
        rank([("a", np.ones(3, bool)), ("a", np.ones(3, bool))])


def test_ranking_a_large_run_is_quick():
    rng = np.random.default_rng(0)
    cells = [(f"c{i}", rng.random(3191) < 0.5 + i / 200) for i in range(60)]
    start = time.process_time()
    ranks, pairs = rank(cells)
    assert time.process_time() - start < 2
    assert len(ranks) == 60
    assert len(pairs) == 60 * 59 / 2
    assert len(pairs.of("c7")) == 59


# What is refused


@pytest.mark.parametrize(
    ("found", "outputs", "labels", "message"),
    [
        (np.ones(2, bool), np.zeros((2, 8), np.float32), EMOTIONS, "float16"),
        (np.ones(2, bool), np.zeros((3, 8), np.float16), EMOTIONS, r"\(2, 8\)"),
        (np.ones(2), np.zeros((2, 8), np.float16), EMOTIONS, "found"),
        (np.ones(1, bool), np.zeros((1, 2), np.float16), ("neutral", "happy"), "happy"),
        (np.ones(1, bool), np.zeros((1, 0), np.float16), (), "empty"),
        (np.ones(1, bool), np.full((1, 8), np.nan, np.float16), EMOTIONS, "not finite"),
    ],
)
def test_malformed_predictions_are_refused(found, outputs, labels, message):
    with pytest.raises(PluginError, match=message):
        Predictions(found, outputs, labels)


def test_parts_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="2 predictions for 1 images"):
        score(answers([0]), predictions([0, 1]), EMOTIONS)
    with pytest.raises(ValueError, match="2 predictions for 1 images"):
        correct_end_to_end(answers([0]), predictions([0, 1]))
    p = predictions([0])
    with pytest.raises(ValueError, match="not for the same 1 images"):
        score_attack(answers([0]), p, p, np.ones(2, bool), EMOTIONS)
