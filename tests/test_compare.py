"""`fxbench compare`: better, worse, no difference shown, or not comparable and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import entry, run
from made_up_run import MadeUpRun
from statsmodels.stats.contingency_tables import mcnemar

from fxbench import answers
from fxbench.answers import NOT_ASKED, Answered
from fxbench.changes import count_flips, flips, is_tested
from fxbench.changes import tested as change_of
from fxbench.cli import cli
from fxbench.compare import compare
from fxbench.compare_report import compare_table
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import NOT_FOUND, OTHER
from fxbench.metrics.differences import independent_difference, paired_difference
from fxbench.sides import Pair, Side, called, fits, images_in_common, side_of_run
from fxbench.tabular import render
from fxbench.testing.gate_study import PLACE, changed, drawn_answers, drawn_labels, drawn_side
from fxbench.types import FaceSpec

LABELS = drawn_labels(600, np.random.default_rng(0))
BEFORE = drawn_answers(LABELS, 0.7, np.random.default_rng(1))


def after(drop: float, discordance: float = 0.15, seed: int = 2) -> np.ndarray:
    return changed(LABELS, BEFORE, discordance, drop, np.random.default_rng(seed))


def side(*tops: np.ndarray, name: str = "run") -> Side:
    return drawn_side(name, LABELS, tops)


def pair(labels: list[int], before: list[int], now: list[int], clusters: object = None) -> Pair:
    count = len(labels)
    given = np.arange(count) if clusters is None else np.asarray(clusters)
    ids = tuple(map(str, range(count)))
    return Pair(ids, np.array(labels), given, np.array(before), np.array(now), count)


def test_worse_better_and_no_difference_shown() -> None:
    found = compare(side(BEFORE, BEFORE, BEFORE), side(after(0.1), after(-0.1), after(0.0)))
    assert [cell.verdict for cell in found.cells] == ["worse", "better", "no difference shown"]
    assert found.tests == 3
    back = compare(side(after(0.1), after(-0.1)), side(BEFORE, BEFORE))
    assert [cell.verdict for cell in back.cells] == ["better", "worse"]


def test_the_same_answers_are_no_difference_and_take_no_share_of_the_error() -> None:
    found = compare(side(*[BEFORE] * 9), side(*[BEFORE] * 9))
    assert {cell.verdict for cell in found.cells} == {"no difference shown"}
    assert all(cell.flipped is not None and cell.flipped.total == 0 for cell in found.cells)
    assert found.tests == 0
    # One cell that moved is judged as if it stood alone.
    alone = compare(side(BEFORE), side(after(0.05)))
    among = compare(side(*[BEFORE] * 9), side(after(0.05), *[BEFORE] * 8))
    assert among.cells[0].p_holm == alone.cells[0].p_holm


def test_p_is_that_of_mcnemar_on_the_same_images() -> None:
    now = after(0.05)
    result = change_of("accuracy_end_to_end", pair(LABELS, BEFORE, now))
    was, is_ = BEFORE == LABELS, now == LABELS
    lost, won = int((was & ~is_).sum()), int((~was & is_).sum())
    assert (result.lost, result.won) == (lost, won)
    exact = mcnemar([[0, lost], [won, 0]], exact=True).pvalue
    point = float(np.exp(_log_binomial(lost + won, min(lost, won))))
    assert result.p == pytest.approx(exact - point, rel=1e-9)
    assert result.p_less == pytest.approx(result.p / 2)


def _log_binomial(n: int, k: int) -> float:
    from scipy.stats import binom

    return float(binom.logpmf(k, n, 0.5))


def test_copies_of_an_image_have_one_vote() -> None:
    labels, before, now = [0] * 6, [0] * 6, [1] * 6
    alone = change_of("accuracy", pair(labels, before, now))
    together = change_of("accuracy", pair(labels, before, now, [0, 0, 0, 1, 1, 1]))
    assert (alone.lost, together.lost) == (6, 2)
    assert alone.p is not None
    assert together.p is not None
    assert together.p > alone.p
    assert together.change is not None
    assert alone.change is not None
    assert together.change.high > alone.change.high


def test_a_change_and_its_test_that_point_opposite_ways_are_no_difference_shown() -> None:
    # Of one large cluster 200 images are won, and of each of 30 small ones one is lost.
    labels = np.zeros(1000, np.int64)
    clusters = np.concatenate([np.repeat(np.arange(30), 20), np.full(400, 30)])
    one, other = labels.copy(), labels.copy()
    one[600:800] = 1
    other[:600:20] = 1
    first, second = (
        replace(made, answered={PLACE: replace(made.answered[PLACE], clusters=clusters)})
        for made in (drawn_side("run", labels, (tops,)) for tops in (one, other))
    )
    for sides, way, won, lost in (((first, second), 1, 1, 30), ((second, first), -1, 30, 1)):
        (cell,) = compare(*sides).cells
        assert cell.tested is not None
        assert cell.tested.change is not None
        assert cell.tested.change.value == pytest.approx(way * 0.17)
        assert cell.p_holm is not None
        assert cell.p_holm < 0.001
        assert cell.verdict == "no difference shown"
        assert f"of the clusters of images {won} won and {lost} lost" in str(cell.why)


@pytest.mark.parametrize(
    ("metric", "first", "second", "images"),
    [
        ("accuracy_end_to_end", 2 / 4, 1 / 4, 4),
        ("accuracy", 1 / 2, 1 / 2, 2),
        ("detection_rate", 4 / 5, 3 / 5, 5),
        ("recall_end_to_end.surprise", 1.0, 0.0, 1),
        ("recall.happiness", 0.0, 0.0, 1),
        ("recall.fear", None, None, 0),
    ],
)
def test_what_counts_in_each_metric(
    metric: str, first: float | None, second: float | None, images: int
) -> None:
    n = NOT_FOUND
    both = pair([0, 1, 2, 3, -1], [0, OTHER, 2, n, 4], [0, 3, n, n, 5])
    result = change_of(metric, both)
    assert (result.before, result.after, result.images) == (first, second, images)


def test_macro_f1_is_tested_by_the_bootstrap() -> None:
    result = change_of("macro_f1_end_to_end", pair(LABELS, BEFORE, after(0.12, 0.2)))
    assert result.test == "paired bootstrap"
    assert result.change is not None
    assert result.p_less is not None
    assert result.change.high < 0
    assert result.p_less < 0.01
    same = change_of("macro_f1_end_to_end", pair(LABELS, BEFORE, BEFORE))
    assert same.same
    assert same.change == (0, 0, 0)
    assert not is_tested("kl")


def test_flips_are_lost_won_or_neither() -> None:
    n = NOT_FOUND
    both = pair([0, 1, 2, -1, -1, 5], [0, 2, 3, 1, n, 5], [1, 1, n, 2, 0, 5])
    found = {flip.id: (flip.kind, flip.before, flip.after) for flip in flips(both)}
    assert found == {
        "0": ("lost", "neutral", "happiness"),
        "1": ("won", "surprise", "happiness"),
        "2": ("other", "sadness", "not found"),
        "3": ("other", "happiness", "surprise"),
        "4": ("other", "not found", "neutral"),
    }
    counts = count_flips(both)
    assert (counts.lost, counts.won, counts.other, counts.total) == (1, 1, 3, 5)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 4)), min_size=1))
def test_an_interval_holds_its_point_and_the_order_of_images_does_not_matter(
    rows: list[tuple[bool, bool, int]],
) -> None:
    first, second, clusters = (np.array(column) for column in zip(*rows, strict=True))
    found = paired_difference(first, second, clusters)
    assert -1 <= found.low <= found.value <= found.high <= 1
    order = np.random.default_rng(0).permutation(len(rows))
    again = paired_difference(first[order], second[order], clusters[order])
    assert again == pytest.approx(found)
    back = paired_difference(second, first, clusters)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )


def test_the_interval_is_that_of_bonett_and_price() -> None:
    # 20 images lost, 5 won, 100 in all: their formula, written out.
    first = np.repeat([True, False, True], [20, 5, 75])
    second = np.repeat([False, True, True], [20, 5, 75])
    found = paired_difference(first, second, np.arange(100))
    lost, won = 21 / 102, 6 / 102
    half = 1.959963984540054 * np.sqrt((lost + won - (won - lost) ** 2) / 102)
    expected = (-0.15, won - lost - half, won - lost + half)
    assert found == pytest.approx(expected, abs=1e-12)


def test_two_intervals_ask_for_more_than_pairs_do() -> None:
    estimates = [{"value": v, "low": v - 0.04, "high": v + 0.04} for v in (0.7, 0.64)]
    found = independent_difference(*estimates)
    assert found is not None
    assert found.value == pytest.approx(-0.06)
    assert 0.01 < found.p_less < 0.025
    assert independent_difference(estimates[0], {"value": 0.6, "low": None, "high": None}) is None


def test_cells_that_can_not_be_compared_say_why() -> None:
    whole = side(BEFORE, BEFORE, BEFORE, BEFORE)
    broken = dict(whole.cells)
    names = list(broken)
    broken[names[1]] = broken[names[1]] | {
        "status": "failed",
        "reason": {"message": "no memory", "kind": "error", "mend": None},
    }
    broken[names[3]] = broken[names[3]] | {"axes": broken[names[3]]["axes"] | {"protocol": "other"}}
    found = compare(whole, replace(whole, cells=broken, name="later"))
    whys = {cell.cell: cell.why for cell in found.cells if cell.verdict == "not comparable"}
    assert list(whys) == [names[1]]
    assert "later: failed: no memory" in str(whys[names[1]])
    assert [called(axes) for axes in found.only_before] == [
        "drawn valid majority, detector-0, classifier-3"
    ]
    assert "drawn valid other" in called(found.only_after[0])

    data = replace(whole, datasets={"drawn": {"fingerprint": "another"}}, name="later")
    assert {cell.verdict for cell in compare(whole, data).cells} == {"not comparable"}
    old = replace(whole, answered={}, name="later")
    assert "earlier version" in str(compare(whole, old).cells[0].why)
    assert ".." not in render(compare_table(compare(whole, old)), "md")
    text = render(compare_table(compare(whole, data)), "md")
    assert "No cell that both have could be compared." in text
    assert "Not comparable: detector-0, classifier-0" in text
    assert "the data of drawn are others" in text


def test_images_in_common_are_compared_whatever_their_order() -> None:
    answered = side(BEFORE).answered[PLACE]
    order = np.random.default_rng(3).permutation(600)[:200]
    less = Answered(
        *PLACE,
        np.sort(order),
        tuple(answered.ids[i] for i in order),
        LABELS[order],
        order,
        {},
        {cell: answered.top(cell)[order] for cell in answered.cells},
    )
    found = compare(replace(side(BEFORE), answered={PLACE: less}), side(BEFORE, name="whole"))
    assert found.cells[0].tested is not None
    assert found.cells[0].tested.images == 200
    assert found.cells[0].flipped is not None
    assert found.cells[0].flipped.total == 0
    found = compare(side(BEFORE), replace(side(BEFORE), answered={PLACE: less}))
    assert found.cells[0].why == "on the 200 of 600 images that both have"


def test_labels_that_differ_and_names_that_come_twice_are_no_comparison() -> None:
    answered = side(BEFORE).answered[PLACE]
    other = replace(answered, labels=(LABELS + 1) % 8)
    assert "600 of the 600 images that both have got another label" in str(
        images_in_common(answered, other)
    )
    twice = replace(answered, ids=("same",) * 600)
    assert "same name" in str(images_in_common(answered, twice))
    none = replace(answered, ids=tuple(f"x{i}" for i in range(600)))
    assert images_in_common(answered, none) == "they have no image in common"


def test_images_that_a_service_was_silent_about_are_left_out() -> None:
    silent = BEFORE.copy()
    silent[:100] = NOT_ASKED
    found = compare(side(BEFORE), side(silent)).cells[0]
    assert found.tested is not None
    assert found.tested.images == 500
    assert found.flipped is not None
    assert found.flipped.total == 0


def test_a_component_that_was_renamed_is_compared_with_itself() -> None:
    first, second = side(BEFORE), side(BEFORE)
    cell = next(iter(second.cells.values()))
    moved = cell | {"axes": cell["axes"] | {"classifier": "classifier-0-v2"}}
    second = replace(second, cells={cell["id"]: moved})
    assert compare(first, second).cells == ()
    found = compare(first, second, renamed={"classifier-0": "classifier-0-v2"})
    assert [one.verdict for one in found.cells] == ["no difference shown"]


def test_cells_are_called_by_all_of_their_axes() -> None:
    axes = {
        "dataset": "mini",
        "split": "test",
        "protocol": "single",
        "detector": "haar",
        "classifier": "emopy",
        "attack": "fgsm",
        "norm": "linf",
        "epsilon": 8 / 255,
        "surrogate": "deepface",
    }
    assert called(axes) == "mini test single, haar, emopy, fgsm linf 8/255 through deepface"
    assert fits(axes, {"epsilon": ("8/255",), "classifier": ("emo*",), "corruption": ("none",)})
    assert not fits(axes, {"attack": ("none",)})
    blurred = {"dataset": "d", "split": "s", "protocol": "p", "detector": "x"}
    blurred |= {"classifier": "y", "corruption": "blur", "severity": 3}
    assert called(blurred, whole=False) == "x, y, blur 3"


class Fixed:
    """Answers the emotion of that number, whatever the face."""

    labels = EMOTIONS
    face = FaceSpec(4)

    def __init__(self, emotion: int) -> None:
        self.emotion = emotion

    def predict(self, faces: np.ndarray) -> np.ndarray:
        return np.eye(8, dtype=np.float32)[np.full(len(faces), self.emotion)]


def two_runs(folder: Path) -> tuple[str, str]:
    """Runs of a classifier that answers neutral for all, then fear: half of the images are lost."""
    names = []
    for emotion, weights in ((0, "first"), (6, "second")):
        one = entry("classifier", "fixed", lambda e=emotion: Fixed(e), licence=weights)
        stored = run(folder / weights, one, results=f"../{weights}-results")
        names.append(str(stored.folder))
    return names[0], names[1]


def test_the_command_compares_two_runs(tmp_path: Path) -> None:
    first, second = two_runs(tmp_path)
    done = CliRunner().invoke(cli, ["compare", first, second, "--images", "--format", "json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.output)
    cell = next(cell for cell in record["cells"] if cell["axes"].get("classifier") == "fixed")
    assert cell["verdict"] == "worse"
    assert cell["flipped"] == {"lost": 10, "won": 0, "other": 10}
    assert cell["images"][0]["kind"] == "lost"
    shown = CliRunner().invoke(cli, ["compare", first, first, "--cell", "fixed"])
    assert shown.exit_code == 0, shown.output
    assert "no difference" in shown.output
    wrong = CliRunner().invoke(cli, ["compare", first, first, "--cell", "nobody"])
    assert "means no cell" in str(wrong.exception)
    renamed = CliRunner().invoke(cli, ["compare", first, second, "--renamed", "fixd=fixed"])
    assert "did you mean 'fixed'" in str(renamed.exception)


def test_runs_without_a_cell_in_common_are_refused(tmp_path: Path) -> None:
    first, _ = two_runs(tmp_path)
    MadeUpRun(detectors=1, classifiers=1, conditions=0, images=20, drawn=1).write(
        tmp_path / "other"
    )
    done = CliRunner().invoke(cli, ["compare", first, str(tmp_path / "other")])
    assert "no cell in common" in str(done.exception)


def test_what_was_answered_is_read_back_from_a_run(tmp_path: Path) -> None:
    from fxbench.store import load

    first, _ = two_runs(tmp_path)
    stored = load(Path(first))
    made = side_of_run(stored, answers.read(stored.folder))
    assert made.name == stored.run["id"]
    (one,) = made.answered.values()
    assert [set(one.top(cell).tolist()) for cell in one.cells] == [{0}]


@pytest.mark.parametrize("arguments", [["compare", "RUN", "RUN"], ["baseline", "RUN", "-o", "x"]])
def test_an_empty_text_means_no_cell(tmp_path: Path, arguments: list[str]) -> None:
    first, _ = two_runs(tmp_path)
    given = [first if word == "RUN" else word for word in arguments]
    done = CliRunner().invoke(cli, [*given, "--cell", ""])
    assert "--cell got an empty text" in str(done.exception)
