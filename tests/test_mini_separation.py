"""Whether `mini` is told to separate models when it does, and only then."""

from __future__ import annotations

import numpy as np
import pytest
from fxbench_mini.separation import _tau, separation
from scipy.stats import kendalltau

from fxbench.errors import UsageError


def models(skill: np.ndarray, images: int, seed: int) -> np.ndarray:
    """Answers of models that share the images' difficulty, as networks of one family do."""
    rng = np.random.default_rng(seed)
    difficulty = rng.random((1, images)) + rng.random((len(skill), images))
    return difficulty / 2 < skill[:, None]


def test_two_samples_of_the_same_skill_agree() -> None:
    skill = np.linspace(0.4, 0.9, 12)
    found = separation(models(skill, 3000, 1), models(skill, 1600, 2))
    assert found.models == 12
    assert found.pairs > 50
    assert found.reversed == 0
    assert found.share_reversed == 0
    assert found.confirmed > 0.9 * found.pairs
    assert found.tau > 0.95
    assert 0.9 < found.tau_low <= found.tau_high < 1.01


def test_a_dataset_that_prefers_the_bad_models_is_found_out() -> None:
    skill = np.linspace(0.4, 0.9, 12)
    found = separation(models(skill, 3000, 1), models(skill[::-1], 1600, 2))
    assert found.reversed > 0.9 * found.pairs
    assert found.reversed_unadjusted >= found.reversed
    assert found.tau < -0.9


def test_equal_models_have_no_pair_to_reverse() -> None:
    skill = np.full(8, 0.8)
    found = separation(models(skill, 2000, 1), models(skill, 1600, 2))
    assert found.pairs == 0
    assert np.isnan(found.share_reversed)


def test_the_interval_is_that_of_the_same_tau() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 6, (2, 9)).astype(float)
        expected = kendalltau(a, b, variant="b").statistic
        assert _tau(a, b, np.arange(9)) == pytest.approx(expected)


@pytest.mark.parametrize(("first", "second"), [(2, 2), (4, 5)])
def test_the_same_models_are_needed_on_both(first: int, second: int) -> None:
    with pytest.raises(UsageError, match="at least three"):
        separation(np.ones((first, 10), bool), np.ones((second, 10), bool))
