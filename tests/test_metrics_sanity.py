"""The diagnostics of attacks, and the one-sided test that they rest on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from fxbench.metrics.paired import holm, mid_p_mcnemar, one_sided_mid_p_mcnemar
from fxbench.metrics.sanity import WARNING, Comparison, gradient_check, judge


def comparison(both, only_stronger, only_weaker, neither, check="no-weaker"):
    """So many images are broken by both conditions, by one of them, by none."""
    stronger = np.repeat([False, False, True, True], [both, only_stronger, only_weaker, neither])
    weaker = np.repeat([False, True, False, True], [both, only_stronger, only_weaker, neither])
    return Comparison(check, "pgd linf 8/255", "fgsm linf 8/255", stronger, weaker)


def verdict(*counts, check="no-weaker"):
    return judge([comparison(*counts, check=check)])[0]


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 3), (7, 7), (12, 3), (3, 12), (900, 800)])
def test_the_one_sided_value_is_its_definition(b, c):
    expected = binom.sf(b, b + c, 0.5) + binom.pmf(b, b + c, 0.5) / 2
    assert one_sided_mid_p_mcnemar(b, c) == pytest.approx(expected, rel=1e-9)
    reverse = one_sided_mid_p_mcnemar(c, b)
    assert one_sided_mid_p_mcnemar(b, c) + reverse == pytest.approx(1)
    if b > c:
        assert 2 * one_sided_mid_p_mcnemar(b, c) == pytest.approx(mid_p_mcnemar(b, c))


def test_many_pairs_at_once():
    values = one_sided_mid_p_mcnemar([12, 3], [3, 12])
    assert values.shape == (2,)
    assert values[0] < 0.05 < values[1]


def test_a_significantly_weaker_attack_is_warned_of():
    record = verdict(100, 2, 20, 50)
    assert record["status"] == "warn"
    assert record["message"].startswith(WARNING)
    assert "Carlini et al. 2019" in record["message"]
    assert "pgd linf 8/255 breaks 102 of 172 images, fgsm linf 8/255 120" in record["message"]
    assert (record["n"], record["stronger"], record["weaker"]) == (172, 2, 20)
    assert record["p"] == pytest.approx(float(one_sided_mid_p_mcnemar(20, 2)))


@pytest.mark.parametrize("check", ["no-weaker", "white-box", "noise", "stronger-with-epsilon"])
def test_every_check_warns_and_passes_where_the_difference_is_significant(check):
    assert verdict(10, 0, 30, 10, check=check)["status"] == "warn"
    assert verdict(10, 30, 0, 10, check=check)["status"] == "pass"


@pytest.mark.parametrize(
    ("counts", "at_least", "more"),
    [
        # As many images as the other: evidence for 'not less', none for 'more'.
        ((50, 0, 0, 50), "pass", "inconclusive"),
        ((50, 3, 2, 50), "pass", "inconclusive"),
        # Fewer, though not significantly.
        ((50, 2, 3, 50), "inconclusive", "inconclusive"),
        # Nothing was broken: neither is shown.
        ((0, 0, 0, 50), "inconclusive", "inconclusive"),
        ((0, 0, 2, 50), "inconclusive", "inconclusive"),
        # Nothing is left to break.
        ((50, 0, 0, 0), "pass", "pass"),
        ((48, 2, 0, 0), "pass", "pass"),
        # The weaker one breaks everything, the stronger one doesn't quite.
        ((48, 0, 2, 0), "inconclusive", "inconclusive"),
        ((0, 0, 0, 0), "inconclusive", "inconclusive"),
    ],
)
def test_what_passes_depends_on_what_is_claimed(counts, at_least, more):
    assert verdict(*counts, check="no-weaker")["status"] == at_least
    assert verdict(*counts, check="white-box")["status"] == at_least
    assert verdict(*counts, check="noise")["status"] == more
    assert verdict(*counts, check="stronger-with-epsilon")["status"] == more


def test_holm_is_over_all_comparisons_in_each_direction():
    # Six to one way: alone significant, among many not.
    alone = verdict(20, 0, 6, 20)
    assert alone["status"] == "warn"
    many = judge([comparison(20, 0, 6, 20)] + [comparison(20, 3, 3, 20) for _ in range(9)])
    assert many[0]["status"] == "inconclusive"
    assert many[0]["p"] == alone["p"]
    assert many[0]["p_holm"] == pytest.approx(10 * alone["p"])
    expected = holm(one_sided_mid_p_mcnemar([6] + [3] * 9, [0] + [3] * 9))
    assert many[0]["p_holm"] == pytest.approx(float(expected[0]))


def test_what_has_no_differing_image_costs_the_others_nothing():
    records = judge([comparison(20, 0, 6, 20)] + [comparison(20, 0, 0, 20) for _ in range(9)])
    assert records[0]["status"] == "warn"
    assert records[1]["p"] is None
    assert records[1]["p_holm"] is None


def test_the_order_is_kept_and_no_comparison_is_no_record():
    records = judge([comparison(1, 9, 0, 1, "noise"), comparison(1, 0, 9, 1, "white-box")])
    assert [record["check"] for record in records] == ["noise", "white-box"]
    assert [record["status"] for record in records] == ["pass", "warn"]
    assert judge([]) == []


def test_numbers_are_plain_for_json():
    record = verdict(3, 4, 5, 6)
    assert {type(record[key]) for key in ("n", "stronger", "weaker")} == {int}
    assert {type(record[key]) for key in ("p", "p_holm")} == {float}


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="none of"):
        judge([comparison(1, 1, 1, 1, check="gradient")])
    odd = Comparison("noise", "a", "b", np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(ValueError, match="not the same images"):
        judge([odd])
    with pytest.raises(ValueError, match="can't be"):
        gradient_check(3, 2, "pgd")


@pytest.mark.parametrize(
    ("flat", "attacked", "status"),
    [
        (0, 100, "pass"),
        (1, 100, "inconclusive"),
        (2, 100, "warn"),
        (5, 5, "warn"),
        (0, 0, "inconclusive"),
    ],
)
def test_a_gradient_of_zero_is_warned_of(flat, attacked, status):
    record = gradient_check(flat, attacked, "pgd linf 8/255")
    assert record["status"] == status
    assert (record["check"], record["n"], record["weaker"]) == ("gradient", attacked, flat)
    assert record["message"].startswith(WARNING) == (status == "warn")
    assert set(record) == set(verdict(1, 1, 1, 1))
