"""Corruption errors, against hand-made sums."""

from __future__ import annotations

import pytest

from fxbench.metrics.corruption import corruption_error, mean, relative_corruption_error

ERRORS = {1: 0.2, 2: 0.3, 3: 0.4, 4: 0.5, 5: 0.6}
BASELINE = {1: 0.4, 2: 0.4, 3: 0.4, 4: 0.4, 5: 0.4}


def test_it_is_the_ratio_of_the_sums_in_percent():
    assert corruption_error(ERRORS, BASELINE) == pytest.approx(100)
    assert corruption_error(BASELINE, BASELINE) == 100
    assert corruption_error(ERRORS, {s: 2 * e for s, e in ERRORS.items()}) == pytest.approx(50)
    # The ratio of the sums is not the mean of the ratios.
    ratios = [ERRORS[s] / (0.1 * s) for s in ERRORS]
    of_sums = corruption_error(ERRORS, {s: 0.1 * s for s in ERRORS})
    assert of_sums == pytest.approx(100 * 2.0 / 1.5)
    assert of_sums != pytest.approx(100 * sum(ratios) / 5)


def test_the_relative_one_takes_the_clean_error_off():
    # (2.0 - 5 * 0.1) / (2.0 - 5 * 0.3)
    assert relative_corruption_error(ERRORS, 0.1, BASELINE, 0.3) == pytest.approx(300)
    assert relative_corruption_error(ERRORS, 0.4, BASELINE, 0.3) == pytest.approx(0)
    assert relative_corruption_error(ERRORS, 0.5, BASELINE, 0.3) == pytest.approx(-100)


def test_what_is_missing_or_zero_gives_none():
    part = {s: e for s, e in ERRORS.items() if s != 3}
    zero = dict.fromkeys(ERRORS, 0.0)
    assert corruption_error(part, BASELINE) is None
    assert corruption_error(ERRORS, part) is None
    assert corruption_error(ERRORS, {}) is None
    assert corruption_error(ERRORS, zero) is None
    assert corruption_error(zero, BASELINE) == 0
    assert relative_corruption_error(ERRORS, None, BASELINE, 0.3) is None
    assert relative_corruption_error(ERRORS, 0.1, BASELINE, None) is None
    # The corruption adds nothing to the baseline's error, or takes some off.
    assert relative_corruption_error(ERRORS, 0.1, BASELINE, 0.4) is None
    assert relative_corruption_error(ERRORS, 0.1, BASELINE, 0.5) is None
    assert relative_corruption_error(part, 0.1, BASELINE, 0.3) is None


def test_the_mean_is_over_all_fifteen_or_none():
    assert mean([100.0] * 14 + [115.0]) == pytest.approx(101)
    assert mean([100.0] * 14) is None
    assert mean([100.0] * 14 + [None]) is None
    assert mean([]) is None
    assert mean([], 0) is None
    assert mean([1.0, 2.0], 2) == 1.5
