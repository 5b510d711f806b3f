"""The gate: regressions, budgets, floors, and what can't be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs_text import DOCS, blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from fxbench import baseline
from fxbench.budgets import Budget, Budgets, Floor, Kind, read
from fxbench.errors import UsageError
from fxbench.gate import judge
from fxbench.gate_cover import watched_for_latency
from fxbench.judgement import Check, Judgement
from fxbench.latency_changes import latency_change, of_paired
from fxbench.metrics.classification import NOT_FOUND
from fxbench.metrics.paired import holm, one_sided_mid_p_mcnemar
from fxbench.sides import Side
from fxbench.testing import gate_study
from fxbench.testing.gate_study import (
    PLACE,
    Study,
    changed,
    drawn_answers,
    drawn_labels,
    drawn_side,
)

LABELS = drawn_labels(1000, np.random.default_rng(0))
BEFORE = drawn_answers(LABELS, 0.7, np.random.default_rng(1))
ACCURACY = Budget("accuracy_end_to_end", "drop", 1.0)
ID = f"{0:012x}"


def after(drop: float, discordance: float = 0.15, seed: int = 2) -> np.ndarray:
    return changed(LABELS, BEFORE, discordance, drop, np.random.default_rng(seed))


def side(*tops: np.ndarray, name: str = "run") -> Side:
    return drawn_side(name, LABELS, tops)


def with_cell(given: Side, **changes: Any) -> Side:
    """A side whose first cell is not as it was."""
    cells = dict(given.cells)
    cells[ID] = dict(cells[ID]) | changes
    return replace(given, cells=cells)


def only(judgement: Judgement, verdict: str) -> Check:
    (check,) = [one for one in judgement.checks if one.verdict == verdict]
    return check


def test_a_run_passes_its_own_baseline(tmp_path: Path) -> None:
    run = side(BEFORE, after(0.1), after(-0.1))
    baseline.write(tmp_path / "b.json", run)
    judgement = judge(run, baseline.read(tmp_path / "b.json"))
    assert (judgement.exit_code, judgement.ok, judgement.tests) == (0, True, 0)
    assert [check.verdict for check in judgement.checks] == ["passed"] * 3
    assert all(c.flipped is not None and c.flipped.total == 0 for c in judgement.checks)


def test_a_run_fails_the_baseline_of_a_better_one_and_its_cells_are_named() -> None:
    judgement = judge(side(BEFORE, after(0.12)), side(BEFORE, BEFORE))
    assert judgement.exit_code == 1
    worse = only(judgement, "regression")
    assert worse.axes["classifier"] == "classifier-1"
    assert worse.worse is not None
    assert worse.low is not None
    assert worse.high is not None
    assert worse.low < worse.worse < worse.high
    flips = judgement.flips[worse.cell]
    assert worse.flipped is not None
    assert sum(flip.kind == "lost" for flip in flips) == worse.flipped.lost
    assert judge(side(BEFORE, BEFORE), side(BEFORE, after(0.12))).exit_code == 0, "better"


def test_a_regression_needs_the_budget_and_the_test() -> None:
    # Many images change places, and the net is as large as chance makes it.
    noisy = after(0.02, 0.3)
    lost = int(((BEFORE == LABELS) & (noisy != LABELS)).sum())
    won = int(((BEFORE != LABELS) & (noisy == LABELS)).sum())
    assert lost - won > 10
    chance = judge(side(noisy), side(BEFORE)).checks[0]
    assert chance.verdict == "passed"
    assert chance.why == "beyond its budget, but chance may do that"
    assert chance.p == pytest.approx(float(one_sided_mid_p_mcnemar(lost, won)))
    # Ten images are lost and none won: no chance, but within the budget.
    few = BEFORE.copy()
    right = np.flatnonzero(BEFORE == LABELS)[:10]
    few[right] = (LABELS[right] + 1) % 8
    small = judge(side(few), side(BEFORE)).checks[0]
    assert small.p_holm is not None
    assert small.p_holm < 0.005
    assert (small.verdict, small.worse) == ("passed", pytest.approx(1.0))
    tight = Budgets((replace(ACCURACY, limit=0.9),))
    assert judge(side(few), side(BEFORE), tight).checks[0].verdict == "regression"


def test_all_tests_of_a_gate_are_one_family() -> None:
    tops = [after(0.03, seed=seed) for seed in range(6)]
    judgement = judge(side(*tops, BEFORE), side(*[BEFORE] * 7))
    p = [check.p for check in judgement.checks if check.p is not None]
    assert judgement.tests == len(p) == 6, "a cell in which nothing moved is not tested"
    found = [check.p_holm for check in judgement.checks if check.p_holm is not None]
    assert found == pytest.approx(holm(p).tolist())


def test_the_last_budget_that_means_a_cell_holds() -> None:
    budgets = Budgets((ACCURACY, replace(ACCURACY, limit=30.0, cells={"classifier": ("*-1",)})))
    judgement = judge(side(after(0.12), after(0.12)), side(BEFORE, BEFORE), budgets)
    assert [check.verdict for check in judgement.checks] == ["regression", "passed"]
    assert [check.limit for check in judgement.checks] == [1.0, 30.0]


def test_cells_that_are_missing_or_failed_are_regressions_with_their_own_words() -> None:
    good = side(BEFORE, BEFORE)
    gone = replace(good, cells=dict(list(good.cells.items())[1:]))
    missing = only(judge(gone, good), "missing")
    assert missing.axes["classifier"] == "classifier-0"
    assert "it has drawn valid majority, detector-0, classifier-1" in str(missing.why)
    reason = {"message": "needs the extra dlib", "kind": "missing extra", "mend": "pip"}
    failed = only(judge(with_cell(good, status="failed", reason=reason), good), "failed")
    assert "needs the extra dlib" in str(failed.why)
    assert judge(gone, good).exit_code == 1
    # What the baseline doesn't have is said, and gated by nothing.
    judgement = judge(good, gone)
    assert judgement.exit_code == 0
    assert [axes["classifier"] for axes in judgement.new] == ["classifier-0"]


def test_a_renamed_classifier_is_gated_by_what_it_was() -> None:
    axes = side(BEFORE).cells[ID]["axes"] | {"classifier": "new-name"}
    run = with_cell(side(after(0.12)), axes=axes)
    assert only(judge(run, side(BEFORE)), "missing").why is not None
    renamed = Budgets(renamed={"classifier-0": "new-name"})
    assert judge(run, side(BEFORE), renamed).checks[0].verdict == "regression"
    clash = Budgets(renamed={"classifier-0": "classifier-1"})
    with pytest.raises(UsageError, match="Two cells would be called"):
        judge(side(BEFORE, BEFORE), side(BEFORE, BEFORE), clash)


def test_other_data_are_no_pass() -> None:
    other = replace(side(BEFORE), datasets={"drawn": {"fingerprint": "other"}})
    judgement = judge(other, side(BEFORE))
    assert judgement.exit_code == 2
    assert "the data of drawn are others" in str(only(judgement, "not comparable").why)
    # A regression elsewhere is told first.
    floors = Budgets(floors=(Floor("accuracy_end_to_end", 0.9, None),))
    assert judge(other, side(BEFORE), floors).exit_code == 1


def test_a_run_without_answers_to_single_images_is_no_pass() -> None:
    judgement = judge(side(BEFORE), replace(side(BEFORE), answered={}))
    assert judgement.exit_code == 2
    assert "earlier version" in str(only(judgement, "not comparable").why)


def some(given: Side, count: int) -> Side:
    """The same of the first images alone."""
    answered = given.answered[PLACE]
    part = replace(
        answered,
        rows=answered.rows[:count],
        ids=answered.ids[:count],
        labels=answered.labels[:count],
        clusters=answered.clusters[:count],
        tops={cell: answered.top(cell)[:count] for cell in answered.cells},
    )
    return replace(given, answered={PLACE: part})


def test_a_baseline_of_fewer_images_gates_those_and_a_run_of_fewer_does_not_pass() -> None:
    judgement = judge(side(after(0.12)), some(side(BEFORE), 500))
    assert judgement.checks[0].images == 500
    assert judgement.exit_code == 1
    few = judge(some(side(BEFORE), 500), side(BEFORE))
    assert few.exit_code == 2
    assert "on the 500 of 1,000 images" in str(few.checks[0].why)
    assert judge(some(side(BEFORE), 500), side(BEFORE), Budgets(images=0.5)).exit_code == 0
    assert judge(some(side(BEFORE), 950), side(BEFORE)).exit_code == 0


def test_floors_hold_whatever_the_baseline_is() -> None:
    run = side(BEFORE)
    value = run.cells[ID]["recall_end_to_end"]["fear"]["value"]
    for bound, code in ((value, 0), (value + 0.001, 1)):
        floor = Floor("recall_end_to_end.fear", bound, None)
        judgement = judge(run, run, Budgets(floors=(floor,)))
        assert judgement.exit_code == code
    most = Budgets(floors=(Floor("recall_end_to_end.fear", None, value - 0.01),))
    assert only(judge(run, run, most), "below the floor").after == value
    nothing = {"fear": {"value": None, "low": None, "high": None, "n": 0}}
    empty = with_cell(run, recall_end_to_end=nothing)
    judgement = judge(empty, run, Budgets(floors=(Floor("recall_end_to_end.fear", 0.1, None),)))
    assert judgement.exit_code == 2


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "recall.fear"])
def test_a_detector_that_finds_nothing_passes_no_budget(metric: str) -> None:
    def valued(tops: np.ndarray, value: float | None) -> Side:
        estimate = {"value": value, "low": None, "high": None, "n": 1000}
        return with_cell(side(tops), metrics={metric: estimate})

    gone, budgets = np.full_like(BEFORE, NOT_FOUND), Budgets((Budget(metric, "drop", 1.0),))
    judgement = judge(valued(gone, None), valued(BEFORE, 0.7), budgets)
    assert judgement.exit_code == 2
    assert "no image that both have counts" in str(only(judgement, "not comparable").why)
    assert judge(valued(gone, None), valued(gone, None), budgets).exit_code == 0


def test_a_floor_on_a_cell_that_failed_does_not_pass() -> None:
    base, run = side(BEFORE), side(BEFORE, BEFORE)
    (key,) = set(run.cells) - set(base.cells)

    def ended(**how: Any) -> Side:
        record = dict(run.cells[key]) | {"metrics": {}, "reason": {"message": "boom"}} | how
        return replace(run, cells=dict(run.cells) | {key: record})

    budgets = Budgets(floors=(Floor("accuracy_end_to_end", 0.5, None),))
    for status in ("failed", "skipped"):
        judgement = judge(ended(status=status), base, budgets)
        check = only(judgement, "failed")
        assert (judgement.exit_code, check.rule, check.cell) == (1, "floor", key)
        assert f"accuracy_end_to_end >= 0.5: {status}: boom" in str(check.why)
    assert judge(ended(status="skipped", asked=False), base, budgets).exit_code == 0
    # Cells of its kind never have that number, so the floor does not mean it.
    other = Budgets(floors=(Floor("kl", None, 9.0),))
    assert judge(ended(status="failed"), base, other).exit_code == 0
    # One that the baseline has is told once.
    assert len(judge(ended(status="failed"), run, budgets).of("failed")) == 1


def test_a_floor_on_a_number_that_the_run_lost_does_not_pass() -> None:
    kl = {"kl": {"value": 0.1, "low": None, "high": None, "n": 1000}}
    budgets = Budgets((ACCURACY,), (Floor("kl", None, 0.5),))
    assert judge(side(BEFORE), with_cell(side(BEFORE), metrics=kl), budgets).exit_code == 2
    assert judge(side(BEFORE), side(BEFORE), budgets).exit_code == 0


@pytest.mark.parametrize(("kind", "limit"), [("rise", 0.0), ("factor", 1.0)])
def test_a_run_passes_its_own_baseline_to_the_last_digit(
    tmp_path: Path, kind: Kind, limit: float
) -> None:
    def made(value: float) -> Side:
        kl = {"kl": {"value": value, "low": None, "high": None, "n": 1000}}
        return with_cell(timed(value), metrics=kl, images={"n": 1000})

    run = made(0.123456449)
    baseline.write(tmp_path / "b.json", run)
    base = baseline.read(tmp_path / "b.json")
    strict = Budgets((Budget("kl", kind, limit, 1.0), Budget("latency", "factor", 1.0, 1.0)))
    assert [check.verdict for check in judge(run, base, strict).checks] == ["passed", "passed"]
    worse = judge(made(0.123458), base, strict)
    assert [check.verdict for check in worse.checks] == ["regression", "regression"]


def test_a_budget_or_floor_that_watches_nothing_is_a_mistake() -> None:
    run = side(BEFORE)
    unknown = replace(ACCURACY, metric="accuracy_end_to_ends", origin="fxbench.toml [gate]")
    with pytest.raises(UsageError, match="did you mean 'accuracy_end_to_end'"):
        judge(run, run, Budgets((unknown,)))
    nobody = replace(ACCURACY, cells={"detector": ("nobody",)}, origin="fxbench.toml [gate]")
    with pytest.raises(UsageError, match="no cell of the run or the baseline is meant"):
        judge(run, run, Budgets((nobody,)))
    time = Floor("latency", None, 9.0, origin="fxbench.toml [gate]")
    with pytest.raises(UsageError, match="'latency'"):
        judge(run, run, Budgets(floors=(time,)))
    with pytest.raises(UsageError, match="nothing to gate"):
        judge(run, run, Budgets((Budget("kl", "rise", 1.0),)))


def test_a_metric_without_images_is_judged_by_its_intervals() -> None:
    def kl(value: float, half: float | None = 0.03) -> Side:
        ends = {"low": None, "high": None}
        if half is not None:
            ends = {"low": value - half, "high": value + half}
        return with_cell(side(BEFORE), metrics={"kl": {"value": value, "n": 1000} | ends})

    budgets = Budgets((Budget("kl", "rise", 5.0),))
    worse = judge(kl(0.5), kl(0.4), budgets).checks[0]
    assert (worse.verdict, worse.test, worse.worse) == (
        "regression",
        "intervals",
        pytest.approx(10.0),
    )
    assert judge(kl(0.5, 0.2), kl(0.4, 0.2), budgets).checks[0].verdict == "passed"
    assert judge(kl(0.4), kl(0.5), budgets).checks[0].verdict == "passed"
    unknown = judge(kl(0.5, None), kl(0.4, None), budgets)
    assert unknown.exit_code == 2
    assert "significance = 1" in str(unknown.checks[0].why)
    alone = Budgets((Budget("kl", "rise", 5.0, 1.0),))
    assert judge(kl(0.5, None), kl(0.4, None), alone).checks[0].verdict == "regression"
    factor = Budgets((Budget("kl", "factor", 1.2),))
    assert judge(kl(0.5), kl(0.4), factor).checks[0].verdict == "regression"
    assert judge(kl(0.45), kl(0.4), factor).checks[0].verdict == "passed"
    fewer = replace(kl(0.4), cells={ID: dict(kl(0.4).cells[ID]) | {"images": {"n": 500}}})
    assert "500 images" in str(judge(kl(0.5), fewer, budgets).checks[0].why)


def test_macro_f1_is_gated_by_the_paired_bootstrap() -> None:
    budgets = Budgets((Budget("macro_f1_end_to_end", "drop", 2.0),))
    worse = judge(side(after(0.15, 0.2)), side(BEFORE), budgets).checks[0]
    assert (worse.verdict, worse.test) == ("regression", "paired bootstrap")
    assert judge(side(after(0.0, 0.2)), side(BEFORE), budgets).checks[0].verdict == "passed"


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_a_run_is_never_worse_than_itself(seed: int, accuracy: float) -> None:
    rng = np.random.default_rng(seed)
    labels = drawn_labels(40, rng)
    run = drawn_side("run", labels, [drawn_answers(labels, accuracy, rng)])
    metrics = ("accuracy_end_to_end", "macro_f1_end_to_end", "recall_end_to_end.happiness")
    zero = Budgets(tuple(Budget(metric, "drop", 0.0, 0.99) for metric in metrics))
    assert judge(run, run, zero).exit_code == 0


def timed(p50: float, *, cpu: str = "X", half: float = 0.02, **more: Any) -> Side:
    record = {
        "p50_ms": 5.0,
        "reference_p50": p50,
        "reference_low": p50 * (1 - half),
        "reference_high": p50 * (1 + half),
        "reference_unit": f"float32, 1 threads, {cpu}",
        "reference_why": None,
    }
    given = with_cell(side(BEFORE), latency=record | more)
    return replace(given, environment={"cpu": cpu, "threads": 1})


def test_latency_is_compared_in_reference_units() -> None:
    judgement = judge(timed(13.0), timed(10.0))
    worse = only(judgement, "regression")
    assert (worse.metric, worse.worse) == ("latency", pytest.approx(1.3))
    assert judge(timed(11.0), timed(10.0)).exit_code == 0, "within the budget"
    assert judge(timed(13.0, half=0.4), timed(10.0, half=0.4)).exit_code == 0, "chance"
    assert judge(timed(7.0), timed(10.0)).exit_code == 0


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (timed(13.0, cpu="Y"), "the processor is another: X in run, Y in run"),
        (timed(13.0, reference_p50=None, reference_why="a busy machine"), "a busy machine"),
        (timed(13.0, reference_unit="float16"), "of two kinds"),
        (timed(13.0, reference_low=None), "it has no interval"),
        (replace(side(BEFORE), environment={"cpu": "X", "threads": 1}), "run has no latency"),
    ],
)
def test_latency_that_can_not_be_compared_says_why_and_fails_nothing(run: Side, why: str) -> None:
    judgement = judge(run, timed(10.0))
    assert judgement.exit_code == 0
    assert why in str(only(judgement, "not compared").why)


def test_a_measurement_in_turns_counts_instead() -> None:
    slow = of_paired(1.25, 1.2, 1.3, 1e-6)
    worse = judge(side(BEFORE), side(BEFORE), paired={ID: slow})
    assert only(worse, "regression").worse == 1.25
    same = judge(timed(13.0), timed(10.0), paired={ID: of_paired(1.01, 0.98, 1.04, 0.6)})
    assert same.exit_code == 0
    nothing = of_paired(float("nan"), float("nan"), float("nan"), 1.0, "no such component there")
    check = only(judge(timed(13.0), timed(10.0), paired={ID: nothing}), "not compared")
    assert check.why == "no such component there"
    assert of_paired(0.8, 0.7, 0.9, 0.001).p_slower == pytest.approx(0.9995)


def test_only_clean_cells_that_a_budget_watches_are_timed_in_turns() -> None:
    run = side(BEFORE, BEFORE, BEFORE)
    cells = {key: dict(cell) for key, cell in run.cells.items()}
    first, second, third = cells
    cells[second]["axes"] = cells[second]["axes"] | {"attack": "fgsm"}
    attacked = replace(run, cells=cells)
    assert [c["id"] for c in watched_for_latency(attacked, attacked)] == [first, third]
    assert [c["id"] for c in watched_for_latency(attacked, run)] == [first, third]
    one = Budgets((Budget("latency", "factor", 1.1, cells={"classifier": ("*-2",)}),))
    assert [c["id"] for c in watched_for_latency(run, run, one)] == [third]
    assert watched_for_latency(run, run, Budgets((ACCURACY,))) == []


def test_latency_of_equal_numbers_is_no_difference() -> None:
    first, second = timed(10.0), timed(10.0)
    change = latency_change(first.cells[ID], second.cells[ID], first, second)
    assert (change.factor, change.p_slower) == (1.0, pytest.approx(0.5))


GOOD = """
[gate]
significance = 0.01
images = 0.8
renamed = { emopy = "emopy-v2" }
floors = ["recall.fear >= 0.35", { floor = "kl <= 0.5", cells = { classifier = "emopy*" } }]

[[gate.budgets]]
metric = "accuracy_end_to_end"
drop = 1.5

[[gate.budgets]]
metric = "kl"
rise = 2
significance = 1
cells = { detector = ["a", "b*"], severity = 3 }

[[gate.budgets]]
metric = "latency"
factor = 1.2
"""


def test_budgets_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fxbench.toml"
    path.write_text(GOOD, encoding="utf-8")
    found = read(path)
    assert [(b.metric, b.kind, b.limit, b.significance) for b in found.budgets] == [
        ("accuracy_end_to_end", "drop", 1.5, 0.01),
        ("kl", "rise", 2.0, 1.0),
        ("latency", "factor", 1.2, 0.01),
    ]
    assert found.budgets[1].cells == {"detector": ("a", "b*"), "severity": ("3",)}
    assert [floor.text for floor in found.floors] == ["recall.fear >= 0.35", "kl <= 0.5"]
    assert (found.images, found.renamed) == (0.8, {"emopy": "emopy-v2"})
    path.write_text("[options.ferplus]\npath = 'x'\n", encoding="utf-8")
    assert read(path) == Budgets() == read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[gate", "not valid TOML"),
        ("[gate]\nbudget = []", "did you mean 'budgets'"),
        ("[gate]\nsignificance = 2", "a number, 0 to 1, got 2"),
        ("[gate]\nsignificance = 0", "a number above 0, such as 0.005"),
        ('[[gate.budgets]]\nmetric = "kl"\nrise = 1\nsignificance = 0.0', "above 0, such as"),
        ("[gate]\nimages = true", "a number, 0 to 1, got True"),
        ("[[gate.budgets]]\ndrop = 1", "expected a metric"),
        ('[[gate.budgets]]\nmetric = "kl"', "one of drop"),
        ('[[gate.budgets]]\nmetric = "kl"\ndrop = 1\nrise = 1', "got drop and rise"),
        ('[[gate.budgets]]\nmetric = "kl"\nrise = -1', "0 or more, got -1"),
        ('[[gate.budgets]]\nmetric = "latency"\ndrop = 1', "latency has a factor"),
        ('[[gate.budgets]]\nmetric = "kl"\nfactor = 0.5', "1 or more, got 0.5"),
        ('[[gate.budgets]]\nmetric = "kl"\nrise = 1\ncells = { clasifier = "x" }', "'classifier'"),
        ('[[gate.budgets]]\nmetric = "kl"\nrise = 1\ncells = { classifier = {} }', "is a text"),
        ('[gate]\nfloors = ["recall.fear > 0.3"]', "such as"),
        ('[[gate.budgets]]\nmetric = "accuracy"\nfactor = 1.1', "accuracy is good when high"),
        ('[[gate.budgets]]\nmetric = "robust.l2.0.5"\nfactor = 1.1', "good when high"),
        ('[[gate.budgets]]\nmetric = "recall.fear"\nrise = 1', "good when high"),
        ('[[gate.budgets]]\nmetric = "cross_entropy"\ndrop = 1', "good when low"),
        ('[[gate.budgets]]\nmetric = "accuracy"\ndrop = inf', "0 or more, got inf"),
        ('[gate]\nfloors = ["accuracy >= 80"]', "a share from 0 to 1, got 80: 0.8?"),
        ('[gate]\nfloors = ["latency <= 0.1"]', "latency has no floor"),
        ('[gate]\nfloors = "recall.fear >= 0.3"', "expected a list"),
        ('[gate]\nfloors = ["recall.fear >= 1e999"]', "such as"),
        ("[gate]\nrenamed = { a = 1 }", "expected a table"),
        ('[gate]\nrenamed = { a = "" }', "with no name empty"),
        ('[gate]\nrenamed = { "" = "a" }', "with no name empty"),
        ("gate = 3", "expected a table"),
    ],
)
def test_budgets_that_are_not_right_are_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "fxbench.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        read(path)
    assert what in str(error.value)


def test_floors_may_name_robust_numbers_and_factors_those_that_are_good_when_low(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fxbench.toml"
    text = '[gate]\nfloors = ["robust.linf.8/255 >= 0.3", "robust.l2.1e-05 >= 1e-1"]\n'
    for metric in ("aurc", "kl", "failure_rate", "false_positives_per_image", "latency"):
        text += f'[[gate.budgets]]\nmetric = "{metric}"\nfactor = 1.1\n'
    path.write_text(text, encoding="utf-8")
    found = read(path)
    assert [(f.metric, f.least) for f in found.floors] == [
        ("robust.linf.8/255", 0.3),
        ("robust.l2.1e-05", 0.1),
    ]
    assert len(found.budgets) == 5


def test_the_budgets_that_the_page_shows_are_right(tmp_path: Path) -> None:
    shown = blocks((DOCS / "gate.md").read_text(encoding="utf-8"), "toml")
    assert len(shown) == 2
    for text in shown:
        path = tmp_path / "fxbench.toml"
        path.write_text(text, encoding="utf-8")
        assert {budget.origin is not None for budget in read(path).budgets} == {True}


def test_the_study_counts_what_was_planted() -> None:
    study = Study(images=2000, discordance=0.12, drop=0.1)
    found = gate_study.count(study, 5, planted=True)
    assert (found.runs, found.found, found.alarms) == (5, 5, 0)
    quiet = gate_study.count(study, 5, planted=False)
    assert (quiet.found, quiet.alarms) == (0, 0)


def test_a_planted_change_has_the_stated_discordance_and_drop() -> None:
    rng = np.random.default_rng(0)
    labels = drawn_labels(200_000, rng)
    before = drawn_answers(labels, 0.75, rng)
    now = changed(labels, before, 0.09, 0.03, rng)
    was, is_ = before == labels, now == labels
    assert (was != is_).mean() == pytest.approx(0.09, abs=0.003)
    assert was.mean() - is_.mean() == pytest.approx(0.03, abs=0.003)
    with pytest.raises(ValueError, match="can't both be"):
        changed(labels, before, 0.01, 0.03, rng)


# What a gate does not look at.


def test_cells_that_nobody_watches_are_named() -> None:
    run = side(BEFORE, BEFORE)
    second = list(run.cells)[1]
    one = Budgets((replace(ACCURACY, cells={"classifier": ("*-0",)}),))
    judgement = judge(run, run, one)
    assert judgement.unwatched == (run.cells[second]["axes"],)
    assert judge(run, run).unwatched == ()
    floors = Budgets(one.budgets, (Floor("macro_f1_end_to_end", 0.1, None),))
    assert judge(run, run, floors).unwatched == ()
    # Of one whose latency alone is watched, and can't be compared, nothing was looked at.
    cells = {key: dict(cell) for key, cell in run.cells.items()}
    cells[second]["latency"] = {"p50_ms": 5.0, "reference_p50": None}
    both = Budgets((*one.budgets, Budget("latency", "factor", 1.1)))
    judgement = judge(replace(run, cells=cells), run, both)
    assert only(judgement, "not compared").cell == second
    assert judgement.unwatched == (run.cells[second]["axes"],)


def test_latency_that_neither_side_has_is_not_silent() -> None:
    run = side(BEFORE)
    assert judge(run, run).untimed == (run.cells[ID]["axes"],)
    assert judge(timed(1.0), run).untimed == judge(run, timed(1.0)).untimed == ()
    assert judge(run, run, Budgets((ACCURACY,))).untimed == ()
    assert judge(run, run, paired={ID: of_paired(1.0, 0.9, 1.1, 0.9)}).untimed == ()
    attacked = with_cell(run, axes=run.cells[ID]["axes"] | {"attack": "fgsm"})
    assert judge(attacked, attacked).untimed == (), "attacks are never timed"


def test_numbers_that_did_not_change_need_no_interval() -> None:
    def aurc(value: float, half: float | None) -> Side:
        ends = (None, None) if half is None else (value - half, value + half)
        estimate = {"value": value, "low": ends[0], "high": ends[1], "n": 1000}
        return with_cell(side(BEFORE), metrics={"aurc": estimate})

    budgets = Budgets((Budget("aurc", "rise", 1.0),))
    for half in (None, 0.1):
        judgement = judge(aurc(0.25, half), aurc(0.25, half), budgets)
        assert (judgement.exit_code, judgement.tests) == (0, 0)
        assert judgement.checks[0].why == "unchanged"
    assert judge(aurc(0.26, None), aurc(0.25, None), budgets).exit_code == 2


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("cross_entropy", "no cell that is meant has 'cross_entropy', in the run or the baseline"),
        ("acuracy_end_to_end", "no cell .*: did you mean 'accuracy_end_to_end'"),
    ],
)
def test_a_metric_that_no_cell_has_is_not_called_unknown(metric: str, message: str) -> None:
    run = side(BEFORE)
    budget = Budget(metric, "factor", 2.0, origin="fxbench.toml [gate]")
    with pytest.raises(UsageError, match=message) as error:
        judge(run, run, Budgets((budget,)))
    assert "Unknown" not in str(error.value)


def test_two_cells_of_one_name_are_refused_in_words() -> None:
    run = side(BEFORE, BEFORE)
    axes = run.cells[ID]["axes"]
    twice = {key: dict(cell) | {"axes": axes} for key, cell in run.cells.items()}
    with pytest.raises(UsageError, match="Two cells are called drawn valid majority, detector-0"):
        judge(replace(run, cells=twice), run)
    clash = Budgets(renamed={"classifier-0": "classifier-1"})
    with pytest.raises(UsageError, match="as classifier-0 to classifier-1 is renamed"):
        judge(run, run, clash)
