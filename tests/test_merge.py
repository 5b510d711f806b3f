"""Runs of several machines as one: the same numbers as of one run with all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import entry, run
from made_up_run import MadeUpRun

from fxbench import answers, pairs
from fxbench.agreement import difference
from fxbench.cli import main
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.leaderboard import leaderboard_rows, leaderboard_table
from fxbench.merge import merge
from fxbench.store import RunFolder, StoredRun, load
from fxbench.tabular import to_text
from fxbench.types import FaceSpec

WHOLE = MadeUpRun(detectors=2, classifiers=4, conditions=2)


def part(folder: Path, keep: Callable[[dict[str, Any]], bool], **changes: Any) -> Path:
    """Of the whole run, those cells that one machine scored, ranked among themselves."""
    replace(WHOLE, only=keep).write(folder)
    if changes:
        path = folder / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def altered(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The same run with other cells."""
    cells = [dict(cell) for cell in load(folder).cells]
    for cell in cells:
        change(cell)
    RunFolder(folder).compact(cells)
    return folder


def classifier(*numbers: int) -> Callable[[dict[str, Any]], bool]:
    names = {f"classifier-{number}" for number in numbers}
    return lambda axes: axes["classifier"] in names


def paired_tests(folder: Path) -> list[tuple[Any, ...]]:
    """Each paired test with its cells in the order of their names."""
    found = pairs.read(folder)
    rows = []
    for cell in found.cells:
        rows += [
            (cell, test["cell"], test["better"], test["worse"], test["p"], test["p_holm"])
            for test in found.of(cell)
        ]
    return sorted(rows)


def told(stored: StoredRun, without: Iterable[str] = ("run", "latency")) -> dict[str, Any]:
    return {
        cell["id"]: {key: value for key, value in cell.items() if key not in without}
        for cell in stored.cells
    }


def test_two_halves_are_the_whole(tmp_path: Path) -> None:
    WHOLE.write(tmp_path / "whole")
    halves = [part(tmp_path / "a", classifier(0, 1)), part(tmp_path / "b", classifier(2, 3))]
    merged = merge(halves, tmp_path / "both")
    assert (merged.cells, merged.twice, merged.notes) == (24, 0, [])
    whole, both = load(tmp_path / "whole"), load(tmp_path / "both")
    assert both.finished
    assert told(both) == told(whole)
    assert paired_tests(tmp_path / "both") == paired_tests(tmp_path / "whole")
    assert len(paired_tests(tmp_path / "both")) > len(paired_tests(tmp_path / "a"))
    (first,), (second,) = answers.read(tmp_path / "whole"), answers.read(tmp_path / "both")
    assert set(first.cells) == set(second.cells)
    assert all((first.top(cell) == second.top(cell)).all() for cell in first.cells)
    assert [c["run"] for c in both.cells].count("a") == 12


def test_a_merged_run_can_be_merged_again(tmp_path: Path) -> None:
    thirds = [part(tmp_path / str(i), classifier(i)) for i in range(3)]
    merge(thirds[:2], tmp_path / "two")
    merge([tmp_path / "two", thirds[2]], tmp_path / "three")
    merge(thirds, tmp_path / "at-once")
    assert paired_tests(tmp_path / "three") == paired_tests(tmp_path / "at-once")
    same = ("rank", "metrics", "id", "axes")
    assert [{k: c[k] for k in same} for c in load(tmp_path / "three").cells] == [
        {k: c[k] for k in same} for c in load(tmp_path / "at-once").cells
    ]


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    halves = [part(tmp_path / "a", classifier(0, 1)), part(tmp_path / "b", classifier(2, 3))]
    with pytest.raises(UsageError, match=r"holds other files, such as a: give -o a folder that is"):
        merge(halves, tmp_path)
    assert not (tmp_path / "run.json").exists()
    # What a merge that was stopped has left is no hindrance.
    (tmp_path / "both" / "answers").mkdir(parents=True)
    (tmp_path / "both" / ".lock").touch()
    merge(halves, tmp_path / "both")
    with pytest.raises(UsageError, match="holds a run already"):
        merge(halves, tmp_path / "both")


def test_a_cell_that_two_runs_have_is_one(tmp_path: Path) -> None:
    runs = [part(tmp_path / "a", classifier(0, 1)), part(tmp_path / "b", classifier(1, 2))]
    merged = merge(runs, tmp_path / "both")
    assert (merged.cells, merged.twice) == (18, 6)
    ranks = [cell["rank"]["of"] for cell in load(tmp_path / "both").cells]
    assert set(ranks) == {6}


def test_a_cell_with_two_numbers_is_refused_or_noted(tmp_path: Path) -> None:
    def worse(cell: dict[str, Any]) -> None:
        if cell["axes"]["classifier"] == "classifier-1" and "attack" not in cell["axes"]:
            cell["metrics"]["macro_f1"]["value"] = 0.125

    runs = [
        part(tmp_path / "a", classifier(0, 1)),
        altered(part(tmp_path / "b", classifier(1)), worse),
    ]
    with pytest.raises(
        UsageError, match=r"det-0 classifier-1 has macro_f1 0\.\d+ and 0\.125 in a and b"
    ):
        merge(runs, tmp_path / "both")
    assert not (tmp_path / "both" / "run.json").exists()
    merged = merge(runs, tmp_path / "both", keep_first=True)
    assert any("the first run's was kept" in note for note in merged.notes)
    kept = load(tmp_path / "both")
    assert kept.run["notes"] == merged.notes
    assert told(kept) == told(load(tmp_path / "a"))


def test_ranks_are_of_the_answers_that_are_kept(tmp_path: Path) -> None:
    class Other(MadeUpRun):
        def top(self, number: int) -> np.ndarray:
            top = super().top(number).copy()
            top[:120] = (self.answers.labels[:120] + 1) % 8
            return top

    def worse(cell: dict[str, Any]) -> None:
        cell["metrics"]["accuracy_end_to_end"]["value"] = 0.125

    small = {"detectors": 1, "classifiers": 3, "conditions": 0}
    Other(**small, only=classifier(2)).write(tmp_path / "a")
    altered(tmp_path / "a", worse)
    MadeUpRun(**small).write(tmp_path / "b")
    runs = [tmp_path / "a", tmp_path / "b"]
    merge(runs, tmp_path / "both", keep_first=True)
    both, (answered,) = load(tmp_path / "both"), answers.read(tmp_path / "both")
    right = {cell["id"]: answered.top(cell["id"]) == answered.labels for cell in both.cells}
    for one, other, better, worse_, *_ in paired_tests(tmp_path / "both"):
        assert better == (right[one] & ~right[other]).sum()
        assert worse_ == (right[other] & ~right[one]).sum()
    (altered_one,) = [cell for cell in both.cells if cell["axes"]["classifier"] == "classifier-2"]
    assert (altered_one["run"], altered_one["rank"]["of"]) == ("a", 3)
    # Without the answers that the kept numbers are of, there is nothing to rank by.
    (kept,) = (tmp_path / "a" / "answers").iterdir()
    kept.unlink()
    merged = merge(runs, tmp_path / "without", keep_first=True)
    assert any("unranked: their runs hold no answers" in note for note in merged.notes)
    assert altered_one["id"] not in answers.read(tmp_path / "without")[0].cells


def test_a_family_that_can_t_be_ranked_anew_keeps_ranks_that_agree(tmp_path: Path) -> None:
    def video(cell: dict[str, Any]) -> None:
        cell["video"] = {"clips": 2}

    runs = [
        altered(part(tmp_path / "a", classifier(1)), video),
        altered(part(tmp_path / "b", classifier(0, 1)), video),
    ]
    assert not merge(runs, tmp_path / "both").notes
    ranks = {cell["id"]: cell["rank"] for cell in load(tmp_path / "both").cells}
    assert ranks == {cell["id"]: cell["rank"] for cell in load(runs[1]).cells}


def test_runs_of_one_name_on_two_machines_are_two(tmp_path: Path) -> None:
    runs = [
        part(tmp_path / "here" / "a", classifier(0)),
        part(tmp_path / "there" / "a", classifier(1)),
        part(tmp_path / "there" / "b", classifier(2)),
    ]
    merge(runs, tmp_path / "all")
    stored = load(tmp_path / "all")
    assert {cell["run"] for cell in stored.cells} == {"here/a", "there/a", "b"}
    told_of = [(record["id"], record["run"]) for record in stored.run["merged"]]
    assert told_of == [("a", "here/a"), ("a", "there/a"), ("b", "b")]


@pytest.mark.parametrize(
    ("key", "first", "second", "differs"),
    [
        ("attack", {"queries": {"median": 9}}, {"queries": {"median": 8}}, True),
        ("attack", {"distance": {"median": 0.5}}, {"distance": {"median": 0.5 + 1e-9}}, False),
        ("attack", {"queries": {"median": 9}}, None, False),
        ("intervals", [{"spotted": [{"onset": 3}]}], [{"spotted": [{"onset": 4}]}], True),
        ("intervals", [{"spotted": []}], [{"spotted": [{"onset": 4}]}], True),
        ("points", 68, 51, True),
        ("points", 68, 68, False),
        (
            "robust",
            [{"attacks": ["a"], "estimate": {"value": 0.5}}],
            [{"attacks": ["a"], "estimate": {"value": 0.25}}],
            True,
        ),
        (
            "robust",
            [{"attacks": ["a"], "estimate": {"value": 0.5}}],
            [{"attacks": ["a", "b"], "estimate": {"value": 0.25}}],
            False,
        ),
    ],
)
def test_everything_that_a_cell_says_must_agree(
    key: str, first: Any, second: Any, *, differs: bool
) -> None:
    found = difference({key: first}, {key: second})
    assert (found is not None) is differs
    assert found is None or key in found


def test_what_failed_here_and_not_there_has_its_result(tmp_path: Path) -> None:
    def fail(cell: dict[str, Any]) -> None:
        if cell["axes"]["classifier"] == "classifier-1":
            cell |= {"status": "failed", "rank": None, "metrics": None, "images": None}

    whole = part(tmp_path / "whole", classifier(0, 1))
    for order in ("ab", "ba"):
        runs = {
            "a": altered(part(tmp_path / f"a-{order}", classifier(0, 1)), fail),
            "b": part(tmp_path / f"b-{order}", classifier(1)),
        }
        merge([runs[name] for name in order], tmp_path / order)
        cells = load(tmp_path / order).cells
        assert {cell["status"] for cell in cells} == {"ok"}
        assert {c["id"]: c["rank"] for c in cells} == {
            c["id"]: c["rank"] for c in load(whole).cells
        }


@pytest.mark.parametrize(
    ("what", "value"), [("fingerprint", "other"), ("split", "valid"), ("protocol", "single")]
)
def test_other_images_and_other_labels_are_refused(tmp_path: Path, what: str, value: str) -> None:
    first = part(tmp_path / "a", classifier(0))
    datasets = load(first).run["datasets"]
    datasets["made-up"][what] = value
    second = part(tmp_path / "b", classifier(1), datasets=datasets)
    with pytest.raises(UsageError, match=f"the {what} of made-up is .* in one and {value}"):
        merge([first, second], tmp_path / "both")


def test_a_part_of_the_images_is_refused(tmp_path: Path) -> None:
    first = part(tmp_path / "a", classifier(0))
    replace(WHOLE, images=150, only=classifier(1)).write(tmp_path / "b")
    with pytest.raises(UsageError, match=r"b was scored on other images .*\(150 and 200\)"):
        merge([first, tmp_path / "b"], tmp_path / "both")


def test_what_can_t_be_merged_is_said(tmp_path: Path) -> None:
    first = part(tmp_path / "a", classifier(0))
    with pytest.raises(UsageError, match="two different runs at least, not a"):
        merge([first], tmp_path / "both")
    with pytest.raises(UsageError, match="two different runs at least, not a, a"):
        merge([first, first], tmp_path / "both")
    running = part(tmp_path / "b", classifier(1), status="running")
    with pytest.raises(UsageError, match="b is not finished"):
        merge([first, running], tmp_path / "both")
    with pytest.raises(UsageError, match="holds a run already"):
        merge([first, running], tmp_path / "a")


def test_times_keep_their_machine(tmp_path: Path) -> None:
    runs = [
        part(tmp_path / "a", classifier(0), environment={"cpu": "Alpha", "threads": 2}),
        part(tmp_path / "b", classifier(1), environment={"cpu": "Beta", "threads": 4}),
    ]
    clean = [cell for cell in load(runs[1]).cells if cell["latency"]]
    columns = {"detect_ns": np.arange(4)}
    RunFolder(runs[1]).write_latency(clean[0]["id"], columns, {"threads": 4})
    merge(runs, tmp_path / "both")
    both = load(tmp_path / "both")
    machines = {c["run"]: c["latency"]["machine"] for c in both.cells if c["latency"]}
    assert machines == {"a": "Alpha, 2 threads", "b": "Beta, 4 threads"}
    assert both.run["environment"]["cpu"] == "Alpha, 2 threads; Beta, 4 threads"
    assert [one["environment"]["cpu"] for one in both.run["merged"]] == ["Alpha", "Beta"]
    copied = RunFolder(both.folder).read_latency(clean[0]["id"])
    assert copied is not None
    assert copied[0]["detect_ns"].tolist() == [0, 1, 2, 3]
    text = to_text(leaderboard_table(both.cells, both.run))
    assert "timed on" in text
    assert "Times of different machines must not be held against each other." in text
    alone = load(runs[0])
    assert "timed on" not in to_text(leaderboard_table(alone.cells, alone.run))


def test_scores_over_shared_labels_don_t_outlive_what_was_shared(tmp_path: Path) -> None:
    def fewer(cell: dict[str, Any]) -> None:
        cell["shared_labels"] = ["neutral", "happiness"]

    runs = [
        part(tmp_path / "a", classifier(0)),
        altered(part(tmp_path / "b", classifier(1)), fewer),
    ]
    merged = merge(runs, tmp_path / "both")
    assert any("no scores over shared labels" in note for note in merged.notes)
    for row in leaderboard_rows(load(tmp_path / "both").cells):
        assert row["accuracy_shared"] is None
        assert row["accuracy"] is not None


def test_a_run_without_answers_keeps_its_own_ranks_alone(tmp_path: Path) -> None:
    runs = [part(tmp_path / "a", classifier(0, 1)), part(tmp_path / "b", classifier(2))]
    (old,) = (runs[0] / "answers").iterdir()
    old.unlink()
    merged = merge(runs, tmp_path / "both")
    assert len(merged.notes) == 3  # clean, and under two conditions
    assert "unranked: their runs hold no answers" in merged.notes[0]
    assert {cell["rank"] is None for cell in load(tmp_path / "both").cells} == {True}


class Sure:
    """Says one emotion, whatever it sees."""

    labels = EMOTIONS
    face = FaceSpec(4)

    def __init__(self, index: int) -> None:
        self.index = index

    def predict(self, faces: np.ndarray) -> np.ndarray:
        outputs = np.zeros((len(faces), 8), np.float32)
        outputs[np.arange(len(faces)), self._named(faces)] = 1
        return outputs

    def _named(self, faces: np.ndarray) -> Any:
        return self.index

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.ones_like(faces)


class Bright(Sure):
    """Sees every second picture right while it is not altered."""

    def _named(self, faces: np.ndarray) -> Any:
        level = faces.reshape(len(faces), -1).mean(axis=1).round().astype(int)
        return np.where(level % 10 == 0, level // 10 % 2, self.index)


class Step:
    """So far into one direction."""

    norm = "linf"

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        return (faces + self.sign * epsilon).astype(np.float32)


def test_attacks_of_two_runs_count_together_in_what_is_robust(tmp_path: Path) -> None:
    traits = frozenset({"gradient", "default", "fixed"})
    models = [
        entry("classifier", "bright", lambda: Bright(5), traits=traits),
        entry("classifier", "sure", lambda: Sure(1), traits=traits),
    ]
    attacks = {
        name: entry("attack", name, lambda sign=sign: Step(sign), traits=traits)
        for name, sign in (("up", 1.0), ("down", -1.0))
    }
    epsilons = {"epsilons": (0.0, 4 / 255)}
    whole = run(tmp_path, *models, *attacks.values(), results="whole", **epsilons)
    parts = [run(tmp_path, *models, one, results=name, **epsilons) for name, one in attacks.items()]
    merged = merge([one.folder for one in parts], tmp_path / "both")
    both = load(tmp_path / "both")
    assert merged.twice
    assert any("count together in what is robust" in note for note in merged.notes)

    def robust(stored: StoredRun) -> dict[str, Any]:
        return {c["id"]: c["robust"] for c in stored.cells if c.get("robust")}

    assert robust(both) == robust(whole)
    assert robust(both) != robust(parts[0])
    assert {c["id"]: c["rank"] for c in both.cells} == {c["id"]: c["rank"] for c in whole.cells}
    assert paired_tests(both.folder) == paired_tests(whole.folder)


def test_the_command_merges_by_name_and_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part(tmp_path / "results" / "a", classifier(0))
    elsewhere = part(tmp_path / "elsewhere" / "b", classifier(1, 2))
    output = tmp_path / "results" / "both"
    given = ["a", str(elsewhere), "-o", str(output), "--results", str(tmp_path / "results")]
    with pytest.raises(SystemExit) as ended:
        main(["merge", *given])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{output}: 18 cells of 2 runs\n"
    with pytest.raises(SystemExit) as ended:
        main(["merge", *given, "--json"])
    assert ended.value.code == 2
    assert "holds a run already" in capsys.readouterr().err
