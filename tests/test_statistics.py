"""Intervals, calibration and paired tests against scipy, statsmodels and scikit-learn."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    brier_score_loss,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
)
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from fxbench.labels import EMOTIONS
from fxbench.metrics import bootstrap, calibration, paired
from fxbench.metrics.probabilities import brier_scores, risk_coverage
from fxbench.metrics.robustness import (
    Condition,
    attack_success_rate,
    robust_at,
    targeted_success_rate,
    transfer_success,
)
from fxbench.metrics.sanity import Comparison, judge
from fxbench.metrics.shares import Shares
from fxbench.scoring import Predictions, correct_end_to_end, rank, score
from fxbench.types import Answers

seeds = st.integers(0, 2**32 - 1)


def cell(seed, n=300, clusters=None, skill=1.0):
    """Images, and what a classifier that is right more often than not answered about them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 8, n)
    outputs = rng.dirichlet(np.full(8, 0.5), n)
    outputs[np.arange(n), truth] += skill * rng.random(n)
    outputs /= outputs.sum(axis=1, keepdims=True)
    votes = rng.dirichlet(np.full(8, 0.3), n).astype(np.float32)
    found = rng.random(n) < 0.8
    answers = Answers(np.arange(n), truth, votes > 0.3, votes, clusters)
    return answers, Predictions(found, outputs.astype(np.float16), EMOTIONS)


def in_pairs(n):
    """Clusters of two images each, spread over the rows."""
    return np.arange(n) % (n // 2)


def some_metrics(seed, clusters=None, n=300):
    truth, p = cell(seed, n, clusters)
    return truth, p, score(truth, p, EMOTIONS)


# Scores by emotion


def test_the_scores_by_emotion_agree_with_scikit_learn():
    truth, p, result = some_metrics(0)
    right, top = truth.labels[p.found], p.outputs[p.found].argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(right, top, labels=range(8))
    for index, emotion in enumerate(EMOTIONS):
        assert result["precision"][emotion]["value"] == pytest.approx(precision[index])
        assert result["recall"][emotion]["value"] == pytest.approx(recall[index])
        assert result["f1"][emotion]["value"] == pytest.approx(f1[index])


def test_the_interval_of_f1_is_that_of_the_share_behind_it():
    truth, p, result = some_metrics(1)
    top = np.where(p.found, p.outputs.argmax(axis=1), -1)
    for index, emotion in enumerate(EMOTIONS):
        true = (truth.labels == index) & p.found
        hit, either = int((true & (top == index)).sum()), int((true | (top == index)).sum())
        low, high = proportion_confint(hit, either, method="wilson")
        got = result["f1"][emotion]
        assert (got["low"], got["high"]) == pytest.approx(
            (2 * low / (1 + low), 2 * high / (1 + high))
        )
        assert got["n"] == either


def test_balanced_accuracy_agrees_with_scikit_learn():
    truth, p, result = some_metrics(2)
    top = np.where(p.found, p.outputs.argmax(axis=1), 8)
    for name, rows in (("balanced_accuracy", p.found), ("balanced_accuracy_end_to_end", top >= 0)):
        expected = recall_score(
            truth.labels[rows], top[rows], labels=range(8), average="macro", zero_division=0
        )
        assert result["metrics"][name]["value"] == pytest.approx(expected)
        assert result["metrics"][name]["n"] == rows.sum()


# Probabilities


def test_the_brier_score_agrees_with_scikit_learn():
    truth, p, result = some_metrics(3)
    outputs = p.outputs[p.found].astype(float)
    right = truth.labels[p.found]
    own = brier_scores(outputs, EMOTIONS, right).mean()
    whole = outputs / outputs.sum(axis=1, keepdims=True)
    expected = brier_score_loss(right, whole, labels=range(8), scale_by_half=False)
    assert own == pytest.approx(expected, abs=1e-3)
    assert brier_scores(whole, EMOTIONS, right).mean() == pytest.approx(expected)
    assert result["metrics"]["brier"]["value"] == pytest.approx(own)


def test_the_brier_score_adds_up_outputs_of_one_emotion_and_punishes_a_lack():
    twice = np.array([[0.5, 0.5, 0.0]])
    assert brier_scores(twice, ("neutral", "neutral", "fear"), np.array([0])) == pytest.approx(0)
    other = np.array([[0.5, 0.5]])
    assert brier_scores(other, (None, None), np.array([0])) == pytest.approx(1.5)
    assert brier_scores(np.array([[1.0]]), ("fear",), np.array([0])) == pytest.approx(2)


def test_cross_entropy_agrees_with_scikit_learn_where_all_annotators_agree():
    truth, p = cell(4)
    outputs = p.outputs[p.found].astype(float)
    outputs = np.maximum(outputs, 1e-6)
    certain = Answers(truth.rows, truth.labels, None, np.eye(8, dtype=np.float32)[truth.labels])
    got = score(certain, p, EMOTIONS)["metrics"]["cross_entropy"]
    told = log_loss(truth.labels[p.found], outputs / outputs.sum(axis=1, keepdims=True))
    assert got["value"] == pytest.approx(told, abs=2e-3)
    assert got["low"] < got["value"] < got["high"]


def test_the_calibration_error_agrees_with_scikit_learn():
    rng = np.random.default_rng(5)
    sure = rng.permutation(np.linspace(0.2, 0.99, 1500))
    right = rng.random(1500) < sure**2
    points = calibration.reliability(sure, right)
    share, mean = calibration_curve(right, sure, n_bins=15, strategy="quantile")
    assert points.accuracy == pytest.approx(share)
    assert points.confidence == pytest.approx(mean)
    assert points.error == pytest.approx(np.abs(share - mean).mean())


def test_a_calibrated_classifier_gets_the_error_that_is_foretold():
    rng = np.random.default_rng(6)
    sure = rng.uniform(0.2, 1, 900)
    foretold = calibration.calibrated_errors(sure)
    got = [calibration.reliability(sure, rng.random(900) < sure).error for _ in range(200)]
    assert foretold.mean() == pytest.approx(np.mean(got), rel=0.05)
    assert foretold[975] == pytest.approx(np.quantile(got, 0.975), rel=0.15)
    # The mean of |X| in a bin of 60 answers, each right with its own probability.
    index = calibration.bins_of(sure)
    spread = np.sqrt(np.bincount(index, sure * (1 - sure)))
    assert foretold.mean() == pytest.approx(spread.sum() * np.sqrt(2 / np.pi) / 900, rel=0.03)


def test_the_interval_of_the_calibration_error_holds_the_true_one():
    held = 0
    for seed in range(40):
        rng = np.random.default_rng([7, seed])
        sure = rng.uniform(0.65, 1, 400)
        outputs = np.zeros((400, 8), np.float16)
        outputs[:, 0], outputs[:, 1] = sure, 1 - sure
        for too_sure in (0.0, 0.12):
            truth = np.where(rng.random(400) < sure - too_sure, 0, 2)
            p = Predictions(np.ones(400, bool), outputs, EMOTIONS)
            got = score(Answers(np.arange(400), truth), p, EMOTIONS)["metrics"]["ece"]
            held += got["low"] <= too_sure <= got["high"]
    assert held >= 74


def test_risk_against_coverage_by_hand_and_by_brute_force():
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert curve.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    rng = np.random.default_rng(8)
    sure, right = rng.permutation(200) / 200, rng.random(200) < 0.7
    order = np.argsort(-sure)
    expected = [1 - right[order[:k]].mean() for k in range(1, 201)]
    assert risk_coverage(sure, right).risk == pytest.approx(expected)


def test_equal_confidences_come_in_no_order():
    sure, right = np.full(6, 0.5), np.array([True, True, True, False, False, False])
    assert risk_coverage(sure, right).risk == pytest.approx([0.5] * 6)
    assert risk_coverage(np.zeros(0), np.zeros(0, bool)).area == 0


# Intervals


@pytest.mark.parametrize("clusters", [None, in_pairs(300)], ids=["images", "pairs"])
def test_bootstrap_intervals_agree_with_scipy(clusters):
    truth, p, result = some_metrics(9, clusters)
    right = truth.labels[p.found]
    brier = brier_scores(p.outputs[p.found].astype(float), EMOTIONS, right)
    top = p.outputs[p.found].argmax(axis=1)
    units = (np.arange(300) if clusters is None else clusters)[p.found]
    members = [np.flatnonzero(units == unit) for unit in np.unique(units)]

    def of(statistic, index):
        return statistic(np.concatenate([members[i] for i in index]))

    for name, statistic in (
        ("brier", lambda rows: brier[rows].mean()),
        ("macro_f1", lambda rows: f1_score(right[rows], top[rows], average="macro")),
        ("balanced_accuracy", lambda rows: recall_score(right[rows], top[rows], average="macro")),
    ):
        expected = stats.bootstrap(
            (np.arange(len(members)),),
            lambda index, statistic=statistic: of(statistic, index),
            vectorized=False,
            n_resamples=600,
            method="percentile",
            rng=np.random.default_rng(1),
        ).confidence_interval
        got = result["metrics"][name]
        width = expected.high - expected.low
        assert (got["low"], got["high"]) == pytest.approx(tuple(expected), abs=0.13 * width)


def test_copies_of_each_image_make_intervals_as_wide_as_one_of_each():
    truth, p = cell(10, 200)
    once = score(truth, p, EMOTIONS)
    twice = np.tile(np.arange(200), 2)
    doubled = Answers(np.arange(400), truth.labels[twice], None, truth.distribution[twice], twice)
    both = Predictions(p.found[twice], p.outputs[twice], EMOTIONS)
    known, unknown = (
        score(doubled, both, EMOTIONS),
        score(
            Answers(np.arange(400), truth.labels[twice], None, truth.distribution[twice]),
            both,
            EMOTIONS,
        ),
    )
    for name in ("accuracy", "accuracy_end_to_end", "macro_f1", "brier", "kl", "detection_rate"):
        one, two, wrong = (r["metrics"][name] for r in (once, known, unknown))
        assert two["value"] == pytest.approx(one["value"])
        widths = [e["high"] - e["low"] for e in (one, two, wrong)]
        assert widths[1] == pytest.approx(widths[0], rel=0.03), name
        assert widths[2] < 0.8 * widths[0], name


def test_single_images_have_wilson_s_interval_also_where_clusters_are_given():
    hit, counted = np.arange(40) % 3 == 0, np.arange(40) % 5 > 0
    assert Shares(np.arange(40)).of(hit, counted) == Shares(None).of(hit, counted)
    low, high = proportion_confint(int((hit & counted).sum()), int(counted.sum()), method="wilson")
    got = Shares(None).of(hit, counted)
    assert (got["low"], got["high"]) == pytest.approx((low, high))


@given(seeds, st.integers(0, 60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_interval_contains_its_point(seed, n, together):
    clusters = np.random.default_rng(seed).integers(0, max(n // 2, 1), n) if together else None
    truth, p = cell(seed, n, clusters)
    result = score(truth, p, EMOTIONS)
    named = ("recall", "recall_end_to_end", "precision", "f1")
    estimates = [*result["metrics"].values(), *(e for name in named for e in result[name].values())]
    for estimate in estimates:
        if estimate["low"] is not None:
            assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"]


@given(seeds, st.booleans())
@settings(max_examples=15, deadline=None)
def test_images_in_another_order_give_the_same_numbers_and_tests(seed, together):
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 30, 80) if together else None
    truth, p = cell(seed, 80, clusters)
    order = rng.permutation(80)
    shuffled = Predictions(p.found[order], p.outputs[order], p.labels)
    first, second = score(truth, p, EMOTIONS), score(truth.take(order), shuffled, EMOTIONS)
    for name, estimate in first["metrics"].items():
        assert second["metrics"][name] == pytest.approx(estimate), name
    assert {k: v for k, v in first.items() if k != "metrics"} == {
        k: v for k, v in second.items() if k != "metrics"
    }
    correct = rng.random((4, 80)) < 0.6
    one = paired.compare(correct, clusters)
    two = paired.compare(correct[:, order], None if clusters is None else clusters[order])
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


def test_few_images_have_no_bootstrap_interval():
    truth, p = cell(11, 4)
    result = score(truth, p, EMOTIONS)["metrics"]
    assert result["macro_f1_end_to_end"]["value"] is not None
    assert result["macro_f1_end_to_end"]["low"] is None
    assert result["accuracy_end_to_end"]["low"] is not None


def test_the_draws_of_many_images_need_no_more_room_than_those_of_few():
    units = bootstrap.units_of(np.arange(20_000))
    assert units.max() + 1 == 4096
    assert set(np.bincount(units)) == {4, 5}
    values = np.random.default_rng(12).normal(size=(20_000, 1))
    means = bootstrap.drawn_sums(units, values)[:, 0] / 20_000
    assert means.std() == pytest.approx(values.std() / np.sqrt(20_000), rel=0.1)


def test_scoring_a_cell_of_ferplus_takes_little_time():
    truth, p = cell(13, 3500)
    score(truth, p, EMOTIONS)
    spent = []
    for _ in range(5):
        start = time.process_time()
        score(truth, p, EMOTIONS)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.15


# Paired tests


def test_without_clusters_the_test_is_that_of_statsmodels():
    rng = np.random.default_rng(14)
    correct = rng.random((2, 400)) < np.array([[0.7], [0.6]])
    for clusters in (None, np.arange(400)):
        counts, p, _ = paired.compare(correct, clusters)
        b, c = int(counts[0, 1]), int(counts[1, 0])
        exact = mcnemar([[0, b], [c, 0]], exact=True).pvalue
        assert p[0, 1] == pytest.approx(exact - stats.binom.pmf(min(b, c), b + c, 0.5))


@pytest.mark.parametrize("size", [2, 5, 60])
def test_a_cluster_has_one_vote(size):
    rng = np.random.default_rng(size)
    clusters = rng.permutation(np.append(np.arange(300) % (300 // size), 1000 + np.arange(50)))
    correct = rng.random((5, 350)) < 0.5 + 0.08 * np.arange(5)[:, None]
    counts, p, _ = paired.compare(correct, clusters)
    for i in range(5):
        for j in range(5):
            net = [
                int(correct[i, clusters == k].sum()) - int(correct[j, clusters == k].sum())
                for k in np.unique(clusters)
            ]
            assert counts[i, j] == sum(value > 0 for value in net)
    b, c = int(counts[4, 0]), int(counts[0, 4])
    sign = stats.binomtest(min(b, c), b + c, 0.5).pvalue
    assert p[4, 0] == pytest.approx(sign - stats.binom.pmf(min(b, c), b + c, 0.5))


def test_copies_prove_nothing_that_one_of_them_does_not():
    correct = np.zeros((2, 40), bool)
    correct[0, :20] = True
    apart = rank([("a", correct[0]), ("b", correct[1])])[0]
    assert apart["a"]["groups"] != apart["b"]["groups"]
    copies = rank([("a", correct[0]), ("b", correct[1])], np.arange(40) // 20)[0]
    assert copies["a"]["groups"] == copies["b"]["groups"] == [1]


@given(seeds, st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_cells_share_a_group_where_they_were_not_told_apart_and_only_there(seed, count):
    rng = np.random.default_rng(seed)
    p = np.triu(rng.choice([0.001, 0.5], (count, count)), 1)
    p = p + p.T + np.eye(count)
    letters = paired.groups(p, rng.permutation(count))
    for i in range(count):
        for j in range(count):
            assert bool(set(letters[i]) & set(letters[j])) == (p[i, j] > paired.ALPHA)


@given(seeds, st.sampled_from(["accuracy", "balanced_accuracy", "macro_f1"]))
@settings(max_examples=20, deadline=None)
def test_identical_cells_never_differ(seed, metric):
    rng = np.random.default_rng(seed)
    truth, top = rng.integers(-1, 8, 50), rng.integers(-2, 8, 50)
    found = paired.paired_bootstrap(truth, top, top, metric=metric, draws=200)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert (paired.compare(np.stack([top == truth] * 3))[1] == 1).all()


def test_the_paired_bootstrap_agrees_with_scipy_and_with_mcnemar():
    rng = np.random.default_rng(15)
    truth = rng.integers(0, 8, 500)
    first = np.where(rng.random(500) < 0.66, truth, rng.integers(-2, 8, 500))
    second = np.where(rng.random(500) < 0.6, truth, rng.integers(-2, 8, 500))

    def difference(rows):
        return np.mean(first[rows] == truth[rows]) - np.mean(second[rows] == truth[rows])

    expected = stats.bootstrap(
        (np.arange(500),),
        difference,
        vectorized=False,
        n_resamples=3000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    got = paired.paired_bootstrap(truth, first, second, metric="accuracy")
    assert got.value == pytest.approx(difference(np.arange(500)))
    assert (got.low, got.high) == pytest.approx(tuple(expected), abs=0.006)
    _, p, _ = paired.compare(np.stack([first == truth, second == truth]))
    assert got.p == pytest.approx(p[0, 1], abs=0.02)


def test_the_paired_bootstrap_of_macro_f1_is_of_what_both_answered():
    truth, p, result = some_metrics(16)
    top = np.where(p.found, p.outputs.argmax(axis=1), -1)
    nothing = np.full(300, -1)
    whole = paired.paired_bootstrap(truth.labels, top, nothing, draws=500)
    assert whole.value == pytest.approx(result["metrics"]["macro_f1_end_to_end"]["value"])
    assert whole.p == pytest.approx(2 / 501)
    assert whole.low < whole.value < whole.high
    half = paired.paired_bootstrap(truth.labels, top, nothing, in_pairs(300), draws=500)
    assert half.value == whole.value
    none = paired.paired_bootstrap(np.full(9, -1), nothing[:9], nothing[:9])
    assert (none.value, none.p, none.n) == (None, 1.0, 0)


def test_chance_differences_are_rarely_significant():
    rng = np.random.default_rng(17)
    found = 0
    for _ in range(100):
        truth = rng.integers(0, 8, 200)
        tops = [np.where(rng.random(200) < 0.6, truth, rng.integers(0, 8, 200)) for _ in range(2)]
        found += paired.paired_bootstrap(truth, *tops, draws=400).p <= 0.05
    assert found <= 11


def test_ranks_of_one_person_s_pictures_take_the_person_as_one():
    truth, p = cell(18, 120, np.arange(120) // 60)
    right = correct_end_to_end(truth, p)
    ranks, pairs = rank([("a", right), ("b", ~right)], truth.clusters)
    assert ranks["a"]["high"] == 2
    assert int(pairs.better[0] + pairs.worse[0]) <= 2


# Under attack


def test_copies_prove_nothing_under_attack_either():
    once = np.random.default_rng(19).random((3, 400)) < 0.6
    twice, copies = np.tile(once, 2), np.tile(np.arange(400), 2)
    everything = np.ones(400, bool)
    for rate in (
        lambda attacked, table, own: attack_success_rate(attacked, table[0], table[1], own),
        lambda attacked, table, own: transfer_success(attacked, table[:2], table[2], own),
        lambda attacked, table, own: targeted_success_rate(attacked, *table, own),
        lambda attacked, table, own: robust_at(
            table[0], [Condition("pgd", "linf", 0.1, table[1], attacked)], own
        )[0]["estimate"],
    ):
        one = rate(everything, once, None)
        both = rate(np.tile(everything, 2), twice, copies)
        blind = rate(np.tile(everything, 2), twice, None)
        assert both["value"] == one["value"] == blind["value"]
        assert both["n"] == 2 * one["n"]
        widths = [e["high"] - e["low"] for e in (one, both, blind)]
        assert widths[1] == pytest.approx(widths[0], rel=0.05)
        assert widths[2] < 0.8 * widths[0]


def test_a_check_of_attacks_counts_a_cluster_once():
    weaker, stronger = np.ones(12, bool), np.arange(12) >= 10
    apart, together = (
        judge([Comparison("noise", "pgd", "noise", stronger, weaker, own)])[0]
        for own in (None, np.arange(12) // 5)
    )
    assert (apart["status"], apart["stronger"]) == ("pass", 10)
    assert (together["stronger"], together["p"]) == (2, 0.125)


def test_the_design_effect_agrees_with_statsmodels():
    rng = np.random.default_rng(20)
    clusters = rng.integers(0, 40, 500)
    hit = rng.random(500) < 0.3 + 0.4 * (clusters % 2)
    fit = OLS(hit.astype(float), np.ones(500)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    groups = len(np.unique(clusters))
    spread = fit.bse[0] * np.sqrt(groups / (groups - 1))
    few = stats.t.ppf(0.975, groups - 1) / stats.norm.ppf(0.975)
    share = hit.mean()
    effective = share * (1 - share) / (spread * few) ** 2
    low, high = proportion_confint(share * effective, effective, method="wilson")
    got = Shares(clusters).of(hit, np.ones(500, bool))
    assert (got["low"], got["high"]) == pytest.approx((low, high))
