"""The metrics against scipy, statsmodels and scikit-learn, and what must hold for any input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix as sk_confusion_matrix
from sklearn.metrics import f1_score, recall_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fxbench.labels import EMOTIONS
from fxbench.metrics import classification, paired, soft
from fxbench.metrics.intervals import proportion, wilson, without_interval
from fxbench.metrics.robustness import attack_success_rate

counts_of_a_proportion = st.integers(0, 5000).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.just(n))
)


def some_answers(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(8, n, p=[0.37, 0.27, 0.13, 0.11, 0.09, 0.01, 0.02, 0.0])
    guess = np.where(rng.random(n) < 0.6, truth, rng.integers(-2, 8, n))
    return truth, guess


# Intervals


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (5, 25), (1180, 3191), (3191, 3191)])
def test_wilson_agrees_with_scipy_and_statsmodels(hits, n):
    low, high = wilson(hits, n)
    scipy_interval = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((scipy_interval.low, scipy_interval.high), abs=1e-12)
    assert (low, high) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)


def test_wilson_takes_arrays():
    low, high = wilson(np.array([[0, 3], [7, 10]]), 10)
    assert low.shape == high.shape == (2, 2)
    assert (low[1, 0], high[1, 0]) == tuple(map(float, wilson(7, 10)))


@given(counts_of_a_proportion)
def test_an_interval_contains_its_point_and_stays_within_0_and_1(case):
    hits, n = case
    estimate = proportion(hits, n)
    if n == 0:
        assert estimate == {"value": None, "low": None, "high": None, "n": 0}
    else:
        assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
        assert estimate["low"] < estimate["high"]
        assert all(type(estimate[key]) is float for key in ("value", "low", "high"))


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(hits, n):
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(hits, n)


def test_a_number_from_nothing_is_none():
    assert without_interval(0.3, 0)["value"] is None


# Classification


def test_the_confusion_matrix_agrees_with_scikit_learn():
    truth, guess = some_answers(2000)
    counts = classification.confusion_matrix(truth, guess)
    expected = sk_confusion_matrix(truth, guess, labels=[*range(8), -2, -1])
    assert (counts == expected[:8]).all()
    assert counts.shape == (8, 10)
    assert counts.sum() == 2000


@pytest.mark.parametrize("end_to_end", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_macro_f1_and_recall_agree_with_scikit_learn(end_to_end, seed):
    truth, guess = some_answers(400, seed)
    counts = classification.confusion_matrix(truth, guess)
    if not end_to_end:
        truth, guess = truth[guess != -1], guess[guess != -1]
    present = np.unique(truth)
    f1 = classification.macro_f1(counts, end_to_end=end_to_end)
    assert f1["value"] == pytest.approx(
        f1_score(truth, guess, labels=present, average="macro", zero_division=0)
    )
    assert f1["n"] == len(truth)
    recalls = classification.recall(counts, end_to_end=end_to_end)
    for emotion in present:
        expected = recall_score(truth, guess, labels=[emotion], average="macro", zero_division=0)
        assert recalls[EMOTIONS[emotion]]["value"] == pytest.approx(expected)
        assert recalls[EMOTIONS[emotion]]["n"] == (truth == emotion).sum()
    assert recalls["contempt"] == {"value": None, "low": None, "high": None, "n": 0}
    score = classification.accuracy(counts, end_to_end=end_to_end)
    assert score["value"] == pytest.approx((truth == guess).mean())


def test_a_negative_truth_counts_nowhere():
    counts = classification.confusion_matrix(np.array([-1, 3]), np.array([0, 3]))
    assert counts.sum() == 1


def test_one_class_only():
    counts = classification.confusion_matrix(np.full(4, 1), np.array([1, 1, 0, -1]))
    assert classification.accuracy(counts)["value"] == pytest.approx(2 / 3)
    # Neutral is answered once, but never right, so it is no class of the mean.
    assert classification.macro_f1(counts)["value"] == pytest.approx(2 * 2 / (2 * 2 + 0 + 1))


def test_nothing_found_has_no_conditional_scores():
    counts = classification.confusion_matrix(np.array([0, 1]), np.array([-1, -1]))
    assert classification.accuracy(counts)["value"] is None
    assert classification.macro_f1(counts) == without_interval(None, 0)
    assert classification.accuracy(counts, end_to_end=True)["value"] == 0.0
    assert classification.macro_f1(counts, end_to_end=True)["value"] == 0.0


@pytest.mark.parametrize(("truth", "answers"), [([8], [0]), ([0], [8]), ([0], [-3]), ([0, 1], [0])])
def test_indices_out_of_range_are_refused(truth, answers):
    with pytest.raises(ValueError, match=r"must be equally long|Emotions are 0 to 7"):
        classification.confusion_matrix(np.array(truth), np.array(answers))


def test_multi_target_accuracy_counts_rows_with_an_accepted_emotion():
    accepted = np.zeros((5, 8), bool)
    accepted[0, [0, 3]] = accepted[1, 1] = accepted[2, 2] = accepted[3, 4] = True
    answers = np.array([3, 0, -2, -1, 5])
    found = classification.multi_target_accuracy(accepted, answers)
    assert (found["value"], found["n"]) == (pytest.approx(1 / 3), 3)
    everything = classification.multi_target_accuracy(accepted, answers, end_to_end=True)
    assert (everything["value"], everything["n"]) == (pytest.approx(1 / 4), 4)


# Soft labels


def test_cross_entropy_and_kl_by_hand():
    votes = np.zeros((3, 8), np.float32)
    votes[0, [0, 1]] = 0.5
    votes[1, 2] = 1
    votes[2] = np.nan
    answers = np.zeros((3, 8))
    answers[0, [0, 1]] = [0.25, 0.75]
    answers[1, 3] = 1
    entropy = soft.cross_entropy(votes, answers)
    first = -0.5 * np.log(0.25) - 0.5 * np.log(0.75)
    assert entropy["value"] == pytest.approx((first - np.log(1e-6)) / 2)
    assert (entropy["n"], entropy["low"], entropy["high"]) == (2, None, None)
    assert soft.kl(votes, answers)["value"] == pytest.approx((first - np.log(2) - np.log(1e-6)) / 2)


def test_kl_is_the_relative_entropy_of_scipy():
    rng = np.random.default_rng(4)
    votes, answers = rng.dirichlet(np.ones(8), 50), rng.dirichlet(np.ones(8), 50)
    expected = stats.entropy(votes, answers, axis=1).mean()
    assert soft.kl(votes, answers)["value"] == pytest.approx(expected)
    assert soft.kl(votes, votes)["value"] == pytest.approx(0, abs=1e-12)


def test_soft_scores_without_a_row_are_none():
    nothing = np.full((2, 8), np.nan)
    assert soft.cross_entropy(nothing, np.zeros((2, 8))) == without_interval(None, 0)
    assert soft.kl(nothing, np.zeros((2, 8))) == without_interval(None, 0)
    with pytest.raises(ValueError, match="must be alike"):
        soft.kl(nothing, np.zeros((2, 7)))


# Robustness


def test_attack_success_counts_attacked_faces_that_were_right():
    attacked = np.array([True, True, True, True, False])
    clean = np.array([True, True, True, False, True])
    after = np.array([False, True, False, False, False])
    rate = attack_success_rate(attacked, clean, after)
    assert (rate["value"], rate["n"]) == (pytest.approx(2 / 3), 3)
    assert attack_success_rate(~attacked, ~clean, after)["value"] is None


# Paired tests


@pytest.mark.parametrize(("b", "c"), [(0, 1), (1, 7), (3, 4), (60, 95), (700, 812), (0, 2000)])
def test_mid_p_is_the_exact_value_less_the_point_probability(b, c):
    exact = mcnemar([[10, b], [c, 10]], exact=True).pvalue
    expected = exact - stats.binom.pmf(min(b, c), b + c, 0.5)
    assert paired.mid_p_mcnemar(b, c) == pytest.approx(expected, rel=1e-9)
    assert paired.mid_p_mcnemar(c, b) == paired.mid_p_mcnemar(b, c)


def test_mid_p_of_the_published_example():
    # Fagerland et al. (2013), data of Bentur et al.: exact 0.0703, mid-p 0.0391.
    assert paired.mid_p_mcnemar(1, 7) == pytest.approx(0.0391, abs=5e-5)


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000)), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_mid_p_is_a_probability_and_1_for_a_draw(pairs):
    b, c = np.array(pairs).T
    p = paired.mid_p_mcnemar(b, c)
    assert ((p >= 0) & (p <= 1)).all()
    assert (p[b == c] == 1).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 2, 30])
def test_holm_agrees_with_statsmodels(seed, count):
    # A third power makes many of them small; rounding makes some of them equal.
    values = np.random.default_rng(seed).random(count).round(2) ** 3
    rejected, adjusted, _, _ = multipletests(values, alpha=0.05, method="holm")
    assert paired.holm(values) == pytest.approx(adjusted)
    assert ((paired.holm(values) <= 0.05) == rejected).all()


def test_holm_of_nothing_is_nothing():
    assert paired.holm([]).shape == (0,)


def test_discordant_pairs_by_hand():
    correct = np.array([[1, 1, 0, 0], [1, 0, 1, 1]], bool)
    assert paired.discordant(correct).tolist() == [[0, 1], [2, 0]]


def test_ranks_of_three_cells_that_differ_and_two_that_do_not():
    correct = np.zeros((4, 1000), bool)
    for cell, right in enumerate((900, 600, 598, 100)):
        correct[cell, :right] = True
    counts, p, p_holm = paired.compare(correct)
    assert paired.rank_ranges(counts, p_holm).tolist() == [[1, 1], [2, 3], [2, 3], [4, 4]]
    assert (p == p.T).all()
    assert (p_holm >= p).all()
    assert p[1, 2] == pytest.approx(float(paired.mid_p_mcnemar(2, 0)))


@given(st.integers(1, 6), st.integers(0, 200), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_identical_cells_never_differ_and_share_every_rank(cells, images, seed):
    one = np.random.default_rng(seed).random(images) < 0.5
    counts, _, p_holm = paired.compare(np.stack([one] * cells))
    assert (p_holm == 1).all()
    assert paired.rank_ranges(counts, p_holm).tolist() == [[1, cells]] * cells


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_ranks_are_ranges_that_leave_room_for_every_cell(cells, seed):
    rng = np.random.default_rng(seed)
    correct = rng.random((cells, 300)) < rng.random((cells, 1))
    counts, _, p_holm = paired.compare(correct)
    low, high = paired.rank_ranges(counts, p_holm).T
    assert ((low >= 1) & (low <= high) & (high <= cells)).all()
    # The cell with the most right answers is significantly worse than none.
    assert low[correct.sum(axis=1).argmax()] == 1
    shuffled = rng.permutation(300)
    again = paired.compare(correct[:, shuffled])
    assert (again[0] == counts).all()
    assert (again[2] == p_holm).all()
