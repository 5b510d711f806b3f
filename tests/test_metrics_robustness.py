"""What attacks achieve: rates with the right denominators, and 'robust at epsilon'."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fxbench.metrics.intervals import wilson
from fxbench.metrics.robustness import (
    Condition,
    attack_success_rate,
    robust_at,
    targeted_success_rate,
    transfer_success,
)


def bits(text):
    return np.array([letter == "1" for letter in text], bool)


def test_a_success_was_right_when_clean_and_is_wrong_now():
    rate = attack_success_rate(bits("111100"), bits("110110"), bits("010000"))
    # Attacked and right: faces 0, 1 and 3. The attack breaks 0 and 3.
    assert (rate["value"], rate["n"]) == (2 / 3, 3)
    assert attack_success_rate(bits("000"), bits("111"), bits("000"))["value"] is None


def test_a_targeted_success_reaches_the_target_from_another_label():
    attacked, right, away, reached = bits("11110"), bits("11101"), bits("11011"), bits("10111")
    # Face 1 is wrong in another way, 2 has the target for its label, 3 was wrong before, 4 was not
    # attacked.
    rate = targeted_success_rate(attacked, right, away, reached)
    assert (rate["value"], rate["n"]) == (1 / 2, 2)


def test_transfer_counts_the_faces_that_all_given_classifiers_got_right():
    attacked, succeeded = bits("1110"), bits("1011")
    both = np.stack([bits("1111"), bits("1101")])
    rate = transfer_success(attacked, both, succeeded)
    assert (rate["value"], rate["n"]) == (1 / 2, 2)
    everyone = np.vstack([both, bits("0111")])
    assert transfer_success(attacked, everyone, succeeded)["value"] == 0
    assert transfer_success(attacked, everyone & bits("0000"), succeeded)["n"] == 0


def condition(name, epsilon, right, attacked=None, norm="linf"):
    ran = np.ones(len(right), bool) if attacked is None else bits(attacked)
    return Condition(name, norm, epsilon, bits(right), ran)


def test_an_image_survives_every_attack_up_to_the_budget():
    clean = bits("11110")
    records = robust_at(
        clean,
        [
            condition("fgsm", 0.0, "11110"),
            condition("fgsm", 0.1, "01110"),
            # FGSM overshoots: at 0.2 it breaks another face than at 0.1.
            condition("fgsm", 0.2, "10110"),
            condition("pgd", 0.1, "11010"),
            # Run on the first face only: what it says of others doesn't count.
            condition("square", 0.2, "00000", "10000"),
        ],
    )
    assert [(r["norm"], r["epsilon"], r["estimate"]["value"]) for r in records] == [
        ("linf", 0.1, 2 / 5),
        ("linf", 0.2, 1 / 5),
    ]
    assert [r["attacks"] for r in records] == [["fgsm", "pgd"], ["fgsm", "pgd", "square"]]
    assert records[1]["images"] == {"fgsm": 5, "pgd": 5, "square": 1}
    low, high = wilson(1, 5)
    assert records[1]["estimate"] == {"value": 0.2, "low": low, "high": high, "n": 5}
    assert clean.tolist() == [True, True, True, True, False]


def test_norms_are_told_apart_and_epsilon_0_is_no_record():
    records = robust_at(
        bits("11"),
        [
            condition("fgsm", 0.0, "11"),
            condition("fgsm-l2", 0.1, "00", norm="l2"),
            condition("fgsm", 0.1, "10"),
        ],
    )
    assert [(r["norm"], r["estimate"]["value"]) for r in records] == [("linf", 0.5), ("l2", 0.0)]
    assert robust_at(bits("11"), []) == []
    assert robust_at(bits("11"), [condition("fgsm", 0.0, "11")]) == []


def test_without_an_image_there_is_nothing_to_say():
    (record,) = robust_at(bits(""), [condition("fgsm", 0.1, "")])
    assert record["estimate"]["value"] is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 30))
def test_it_never_rises_with_epsilon_nor_exceeds_a_single_attack(seed, count, images):
    rng = np.random.default_rng(seed)
    clean = rng.random(images) < 0.8
    conditions = [
        Condition(
            f"a{index % 3}",
            "linf",
            float(rng.integers(1, 5)) / 255,
            rng.random(images) < 0.6,
            rng.random(images) < 0.7,
        )
        for index in range(count)
    ]
    run = np.any([one.attacked for one in conditions], axis=0)
    assume(run.any())
    records = robust_at(clean, conditions)
    values = [record["estimate"]["value"] for record in records]
    assert values == sorted(values, reverse=True)
    for record in records:
        for one in conditions:
            if one.epsilon <= record["epsilon"]:
                alone = (clean & (one.right | ~one.attacked))[run].mean()
                assert record["estimate"]["value"] <= alone + 1e-12
    assert robust_at(clean, conditions[::-1])[-1]["estimate"] == records[-1]["estimate"]


def test_what_no_attack_was_run_on_is_no_evidence():
    few = condition("square", 0.1, "0101", "1100")
    (record,) = robust_at(bits("1111"), [few])
    assert (record["estimate"]["value"], record["estimate"]["n"]) == (0.5, 2)
    both = robust_at(bits("1111"), [few, condition("pgd", 0.1, "1111", "1111")])
    assert (both[0]["estimate"]["value"], both[0]["estimate"]["n"]) == (0.75, 4)
