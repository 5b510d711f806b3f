"""Runs with attacks: transfer, targeted, on a subset, minimal, and what is kept of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import IMAGES, entry, run
from made_up_attacks import EPSILON, FIXED, GRADIENT, Bright, Halves, Step, cell, halves

from fxbench import runner
from fxbench.batching import FIRST_BATCH
from fxbench.errors import UsageError
from fxbench.selection import Selection


def value(record: dict[str, Any], metric: str) -> Any:
    return record["metrics"][metric]["value"]


def test_adversarial_faces_are_made_once_for_all_targets_and_kept(tmp_path: Path) -> None:
    step = Step()
    models = {"near": Bright(), "far": Bright(130), "other": Bright(70, size=6)}
    entries = halves(
        *(entry("classifier", n, lambda m=m: m, traits=GRADIENT) for n, m in models.items()),
        entry("attack", "step", lambda: step, traits=FIXED),
    )
    how = {"attacks": ("step",), "epsilons": (EPSILON,), "surrogates": ("near",)}
    first = run(tmp_path, *entries, classifiers=None, targets=("far",), **how)
    assert {c["axes"].get("surrogate") for c in first.cells} == {None, "near"}
    calls, gradients = step.calls, models["near"].gradients
    assert calls == 2 * 2, "two budgets, zero among them, in two batches"
    second = run(tmp_path, *entries, classifiers=None, targets=("far", "other", "near"), **how)
    assert step.calls == calls, "what was made for one target serves the others, in another run too"
    assert models["near"].gradients == gradients
    record = cell(second, classifier="far", epsilon=EPSILON)
    assert record["metrics"] == cell(first, classifier="far", epsilon=EPSILON)["metrics"] | {
        name: record["metrics"][name] for name in ("transfer_success_all",)
    } | {k: v for k, v in record["metrics"].items() if "shared" in k}


def test_transfer_counts_what_both_and_what_all_got_right(tmp_path: Path) -> None:
    models = {"near": Bright(), "far": Bright(130), "contrary": Bright(sign=-1.0)}
    stored = run(
        tmp_path,
        *halves(
            *(entry("classifier", n, lambda m=m: m, traits=GRADIENT) for n, m in models.items()),
            entry("attack", "step", Step, traits=FIXED),
        ),
        attacks=("step",),
        epsilons=(EPSILON,),
        surrogates=("near",),
        classifiers=None,
        targets=("near", "far"),
    )
    far = cell(stored, classifier="far", epsilon=EPSILON)
    clean = {n: cell(stored, classifier=n, attack=None) for n in ("near", "far")}
    right = {n: round(value(c, "accuracy") * IMAGES) for n, c in clean.items()}
    assert right == {"near": 19, "far": 16}
    assert far["metrics"]["transfer_success_both"]["n"] == 16
    assert far["metrics"]["transfer_success_all"]["n"] == 16
    # 140 to 170 levels less 40 are no brighter than 130; no dark one, of 90 at most, gets there.
    assert far["metrics"]["transfer_success_both"]["value"] == pytest.approx(4 / 16)
    # 40 levels take 110 to 140 below the surrogate's own border, and 70 to 90 above it.
    near = cell(stored, classifier="near", epsilon=EPSILON)
    assert value(near, "attack_success_rate") == pytest.approx(7 / 19)
    assert value(near, "transfer_success_all") == pytest.approx(4 / 16)
    assert "contrary" not in {c["axes"]["classifier"] for c in stored.cells}


def test_a_target_with_another_size_gets_the_perturbation_within_the_budget(
    tmp_path: Path,
) -> None:
    seen: list[np.ndarray] = []

    class Large(Bright):
        def predict(self, faces: np.ndarray) -> np.ndarray:
            seen.append(faces.copy())
            return super().predict(faces)

    large = Large(size=8)
    stored = run(
        tmp_path,
        *halves(
            entry("classifier", "near", Bright, traits=GRADIENT),
            entry("classifier", "large", lambda: large),
            entry("attack", "step", Step, traits=FIXED),
        ),
        attacks=("step",),
        epsilons=(EPSILON,),
        surrogates=("near",),
        classifiers=None,
        targets=("large",),
    )
    assert cell(stored, classifier="large", epsilon=EPSILON)["status"] == "ok"
    clean = np.concatenate(seen[:1])
    pushed = [f for f in seen if f.shape == clean.shape and (f != clean).any()]
    change = pushed[-1].astype(int) - clean
    assert 0 < np.abs(change).max() <= 40
    zero = cell(stored, classifier="large", epsilon=0.0)
    assert value(zero, "accuracy") == value(
        cell(stored, classifier="large", attack=None), "accuracy"
    )


def test_a_targeted_attack_succeeds_only_where_its_label_is_reached(tmp_path: Path) -> None:
    stored = run(
        tmp_path,
        *halves(
            entry("classifier", "near", Bright, traits=GRADIENT),
            entry("attack", "step", Step, traits=FIXED),
        ),
        attacks=("step",),
        epsilons=(EPSILON,),
        classifiers=("near",),
        target_labels=("none", "happiness", "fear"),
    )
    happy = cell(stored, target_label="happiness", epsilon=EPSILON)
    assert happy["images"]["attacked"] == 10, "the neutral ones"
    rate = happy["metrics"]["attack_success_rate"]
    assert (rate["n"], rate["value"]) == (10, 0.3), "70, 80 and 90 levels become brighter than 100"
    never = cell(stored, target_label="fear", epsilon=EPSILON)
    assert never["metrics"]["attack_success_rate"]["value"] == 0
    clean = cell(stored, attack=None)
    assert clean["robust"][0]["attacks"] == ["step"], "targeted attacks count in no survival"


class Nonce(Bright):
    """Answers otherwise each time."""

    def predict(self, faces: np.ndarray) -> np.ndarray:
        answers = super().predict(faces)
        answers[:, 0] -= 0.001 * self.asked * answers[:, 0]
        return (answers / answers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_with_no_budget_any_other_answer_is_a_hard_failure(tmp_path: Path) -> None:
    stored = run(
        tmp_path,
        *halves(
            entry("classifier", "near", Nonce, traits=GRADIENT),
            entry("attack", "step", Step, traits=FIXED),
        ),
        attacks=("step",),
        epsilons=(EPSILON,),
    )
    zero = cell(stored, epsilon=0.0)
    assert zero["status"] == "failed"
    assert "With epsilon 0, step must leave every answer" in zero["reason"]["message"]
    assert runner.exit_code(stored) == 3


class Climb:
    """A black-box attack: asks about brighter and darker faces."""

    norm = "linf"
    faces = 5
    queries = 3

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        pixels = (faces * 255).astype(np.uint8)
        for change in (-35, 35, -20, 20):
            model.predict(np.clip(pixels.astype(int) + change, 0, 255).astype(np.uint8))
        return faces


def test_a_black_box_attack_runs_on_some_faces_and_its_queries_are_told(tmp_path: Path) -> None:
    model = Bright()
    entries = halves(
        entry("classifier", "near", lambda: model),
        entry("attack", "climb", Climb, traits=FIXED | {"black-box"}),
    )
    how = {"attacks": ("climb",), "epsilons": (0.0, 10 / 255, EPSILON)}
    stored = run(tmp_path, *entries, **how)
    cells = [c for c in stored.cells if c["axes"].get("attack")]
    assert [c["axes"]["epsilon"] for c in cells] == [10 / 255, EPSILON], "nothing to ask with 0"
    for one in cells:
        assert one["axes"]["subset"] == one["images"]["n"] == 5
        assert one["attack"]["queries"] == {"budget": 3, "median": 3.0, "max": 3, "total": 15}
    small, large = cells
    assert value(small, "accuracy") == 1.0
    assert value(large, "accuracy") < 1.0, "160 and 40 levels are not fooled, 80 and 120 are"
    survived = cell(stored, attack=None)["robust"]
    assert [r["epsilon"] for r in survived] == [10 / 255, EPSILON]
    assert survived[0]["estimate"]["n"] == 5, "the others were not tried"
    assert survived[0]["estimate"]["value"] >= survived[1]["estimate"]["value"]
    assert survived[0]["images"] == {"climb": 5}
    asked = model.asked
    assert run(tmp_path, *entries, results="again", **how).cells[0]["status"] == "ok"
    assert model.asked == asked, "a second run reads"


def test_a_batch_of_which_nothing_is_attacked_is_as_whole_as_the_others(tmp_path: Path) -> None:
    class Batches(Halves):
        """The first batch is neutral, the second happy."""

        def __init__(self) -> None:
            super().__init__()
            self.labels = (np.arange(IMAGES) >= FIRST_BATCH).astype(np.int64)

    class Seven(Bright):
        labels = ("neutral", "surprise", *(None,) * 6)

    class Many(Climb):
        faces = 20

    stored = run(
        tmp_path,
        entry("dataset", "batches", Batches),
        entry("classifier", "seven", Seven),
        entry("attack", "climb", Many, traits=FIXED | {"black-box"}),
        attacks=("climb",),
        epsilons=(EPSILON,),
    )
    record = cell(stored, epsilon=EPSILON)
    assert record["status"] == "ok", record["reason"]
    assert record["images"]["attacked"] == FIRST_BATCH, "it doesn't have the others' label"
    assert record["attack"]["queries"]["total"] == 3 * FIRST_BATCH


class Least:
    """Finds the smallest change that fools."""

    norm = "linf"
    faces = 20
    queries = 200

    def __init__(self) -> None:
        self.calls = 0

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        assert epsilon == 1.0
        self.calls += 1
        pixels = (faces * 255).round().astype(int)
        for change in range(1, 101):
            for sign in (-1, 1):
                tried = np.clip(pixels + sign * change, 0, 255).astype(np.uint8)
                if model.predict(tried).argmax() != targets.argmax():
                    return tried.astype(np.float32) / np.float32(255)
        return faces


def test_of_a_smallest_change_every_budget_is_derived(tmp_path: Path) -> None:
    least = Least()
    budgets = tuple(step / 255 for step in (10, 30, 60))
    stored = run(
        tmp_path,
        *halves(
            entry("classifier", "near", Bright),
            entry("attack", "least", lambda: least, traits=frozenset({"minimum", "black-box"})),
        ),
        attacks=("least",),
        epsilons=budgets,
    )
    assert least.calls == IMAGES, "once for all budgets"
    accuracies = [value(cell(stored, epsilon=e), "accuracy") for e in budgets]
    assert accuracies == [0.9, 0.7, 0.4]
    record = cell(stored, epsilon=budgets[0])
    assert record["attack"]["distance"]["median"] == pytest.approx(50.5 / 255)
    assert [r["estimate"]["value"] for r in cell(stored, attack=None)["robust"]] == accuracies


class Noise(Step):
    """Nothing at all."""

    gradients = 0

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        self.calls += 1
        return faces


def test_controls_join_and_attacks_are_judged_by_them(tmp_path: Path) -> None:
    stored = run(
        tmp_path,
        *halves(
            entry("classifier", "near", Bright, traits=GRADIENT),
            entry("classifier", "closed", Bright),
            entry(
                "attack",
                "step",
                Step,
                traits=FIXED | {"iterative"},
                no_weaker_than=("nothing", "absent"),
            ),
            entry("attack", "nothing", Noise, traits=FIXED | {"control"}),
        ),
        attacks=("step",),
        epsilons=(10 / 255, 90 / 255),
    )
    clean = cell(stored, classifier="near", attack=None)
    found = {(d["check"], d["what"]): d for d in clean["diagnostics"]}
    assert set(found) == {
        ("stronger-with-epsilon", "step linf 90/255"),
        ("noise", "step linf 10/255"),
        ("noise", "step linf 90/255"),
        ("gradient", "step linf 90/255"),
    }
    assert found["noise", "step linf 90/255"]["status"] == "pass"
    assert found["gradient", "step linf 90/255"]["status"] == "pass"
    assert clean["robust"][-1]["attacks"] == ["step", "nothing"]
    closed = [c for c in stored.cells if c["axes"]["classifier"] == "closed"]
    assert {c["status"] for c in closed if c["axes"].get("attack")} == {"skipped"}


def test_target_labels_may_be_spelt_otherwise() -> None:
    assert Selection(target_labels=("none", "happy", "joy")).target_labels == ("none", "happiness")


def test_targets_without_surrogates_are_refused() -> None:
    with pytest.raises(UsageError, match="name those too"):
        Selection(targets=("a",))
    with pytest.raises(UsageError, match="did you mean 'happiness'"):
        Selection(target_labels=("hapiness",))
    with pytest.raises(UsageError, match="from 1 to 5"):
        Selection(severities=(0, 6))
