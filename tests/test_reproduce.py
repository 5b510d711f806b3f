"""A run that is made again: the same comes out, and what does not is named."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fxbench import answers, runner, store
from fxbench.answers import Answered
from fxbench.cli import main
from fxbench.errors import UsageError
from fxbench.following import moved
from fxbench.recipe import Recipe
from fxbench.registry import discover
from fxbench.reproduce import cell_table, condition_table, record, reproduction
from fxbench.selection import Selection
from fxbench.store import RunFolder, StoredRun


def a_cell(name="one", accuracy=0.5, **changes):
    axes = {"dataset": "mini", "split": "test", "protocol": "quick", "detector": "full-frame"}
    return {
        "id": name,
        "axes": axes | {"classifier": name},
        "status": "ok",
        "reason": None,
        "images": {"n": 4, "found": 4},
        "metrics": {"accuracy": {"value": accuracy, "low": 0.1, "high": 0.9, "n": 4}},
        "recall": {"fear": {"value": None, "low": None, "high": None, "n": 0}},
        "confusion": {"labels": ["fear"], "counts": [[4, 0]]},
        "latency": {"p50_ms": 3.0},
        "chunks": {},
        **changes,
    }


def a_run(*cells, **changes):
    run = {
        "id": "mini-test-1a2b3c4d",
        "environment": {"fxbench": "0.1.0", "cpu": "x", "packages": {"numpy": "2.4"}},
        "datasets": {"mini": {"fingerprint": "f" * 64}},
        "weights": {"classifier one": {"one.onnx": {"sha256": "a" * 64}}},
        "components": {"classifier one": "c" * 32},
    }
    return StoredRun(Path("somewhere"), run | changes, list(cells))


def only(made):
    (one,) = made.cells
    return one


def test_the_same_is_the_same_whatever_it_took():
    slower = a_cell(latency={"p50_ms": 9.0}, chunks={"x": "y"})
    made = reproduction(a_run(a_cell()), a_run(slower))
    assert made.same
    assert only(made).verdict == "identical"
    assert made.conditions == ()


@pytest.mark.parametrize(
    ("after", "verdict", "number"),
    [
        (a_cell(accuracy=0.50001), "within tolerance", "metrics.accuracy.value"),
        (a_cell(accuracy=0.51), "differs", "metrics.accuracy.value"),
        (
            a_cell(confusion={"labels": ["fear"], "counts": [[3, 1]]}),
            "differs",
            "confusion.counts.0.0",
        ),
        (
            a_cell(recall={"fear": {"value": 0.0, "low": None, "high": None, "n": 0}}),
            "differs",
            "recall.fear.value",
        ),
        (a_cell(metrics={}), "differs", "metrics.accuracy.value"),
    ],
)
def test_what_differs_is_named_with_the_largest_difference(after, verdict, number):
    made = reproduction(a_run(a_cell()), a_run(after))
    assert (only(made).verdict, only(made).number) == (verdict, number)
    assert made.same == (verdict != "differs")


def test_the_tolerance_is_as_asked():
    near = a_run(a_cell(accuracy=0.50001))
    assert not reproduction(a_run(a_cell()), near, tolerance=0).same
    far = a_run(a_cell(accuracy=0.6))
    assert reproduction(a_run(a_cell()), far, tolerance=0.2).same


def test_a_metric_that_a_later_version_adds_is_no_difference():
    more = a_cell(metrics=a_cell()["metrics"] | {"brier": {"value": 0.3}})
    assert only(reproduction(a_run(a_cell()), a_run(more))).verdict == "identical"


def test_cells_that_are_gone_failed_or_never_were():
    reason = {"kind": "missing extra", "message": "no TensorFlow", "mend": None}
    failed = a_cell("two", status="failed", reason=reason, metrics=None)
    before = a_run(a_cell("one"), a_cell("two"), failed | {"id": "three"})
    after = a_run(failed, a_cell("three"), a_cell("four"))
    made = reproduction(before, after)
    assert [one.verdict for one in made.cells] == ["not there", "not there", "no result"]
    assert made.cells[1].why == "no TensorFlow"
    assert made.further == 1
    assert not made.same


def answered(*tops, rows=(0, 1, 2)):
    rows = np.array(rows)
    names = tuple(map(str, rows))
    tops = {"one": np.array(tops, np.int8)}
    return (Answered("mini", "test", "quick", rows, names, rows, rows, {}, tops),)


def test_images_that_are_answered_differently_are_counted_even_where_the_scores_agree():
    pair = (answered(1, 2, 3), answered(2, 1, 3))
    one = only(reproduction(a_run(a_cell()), a_run(a_cell()), pair))
    assert (one.verdict, one.images) == ("differs", 2)
    fewer = (answered(1, 2, 3), answered(2, 7, rows=(1, 5)))
    assert only(reproduction(a_run(a_cell()), a_run(a_cell()), fewer)).images == 0


def test_answers_that_a_run_does_not_keep_are_not_called_identical():
    for pair in (((), answered(1, 2, 3)), (answered(1, 2, 3), ())):
        made = reproduction(a_run(a_cell()), a_run(a_cell()), pair)
        assert (only(made).verdict, only(made).unseen, made.same) == ("same numbers", True, True)
        near = reproduction(a_run(a_cell()), a_run(a_cell(accuracy=0.50001)), pair)
        assert (only(near).verdict, only(near).unseen) == ("within tolerance", True)
        assert record(near)["cells"][0]["answers_missing"] is True
    detector = a_cell()
    detector["axes"] = {k: v for k, v in detector["axes"].items() if k != "classifier"}
    one = only(reproduction(a_run(detector), a_run(detector), ((), ())))
    assert (one.verdict, one.unseen) == ("identical", False)


def test_conditions_that_changed_are_told_apart():
    after = a_run(
        a_cell(),
        environment={"fxbench": "0.2.0", "cpu": "x", "packages": {"numpy": "2.5", "scipy": "1"}},
        datasets={"mini": {"fingerprint": "e" * 64}},
        weights={"classifier one": {"one.onnx": {"sha256": "b" * 64}}},
        components={"classifier one": "d" * 32},
    )
    made = reproduction(a_run(a_cell()), after)
    assert {one.what: (one.before, one.after) for one in made.conditions} == {
        "fxbench": ("0.1.0", "0.2.0"),
        "version of numpy": ("2.4", "2.5"),
        "version of scipy": (None, "1"),
        "images or labels of mini": ("f" * 12, "e" * 12),
        "code of classifier one": ("c" * 12, "d" * 12),
        "weights one.onnx of classifier one": ("a" * 12, "b" * 12),
    }
    assert made.same, "conditions alone are no difference"
    assert len(condition_table(made).rows) == 6


def test_tables_and_json_name_the_cells_that_differ():
    made = reproduction(
        a_run(a_cell("one"), a_cell("two")), a_run(a_cell("one"), a_cell("two", 0.7))
    )
    (row,) = cell_table(made).rows
    assert (row["classifier"], row["before"], row["after"]) == ("two", "0.5", "0.7")
    told = json.loads(json.dumps(record(made)))
    assert [cell["verdict"] for cell in told["cells"]] == ["identical", "differs"]
    assert told["same"] is False


# Where things lie may differ.


def test_a_recipe_takes_places_from_here_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("FXBENCH_OPT__FERPLUS__LABELS", "fer2013new.csv")
    monkeypatch.setenv("FXBENCH_OPT__FOLDER__PATH", str(tmp_path))
    selection = Selection(datasets=("ferplus",))
    recipe = Recipe(selection, ("ferplus.labels=label.csv", "ferplus.path=/there"))
    registry = discover()
    assert moved(recipe, (), registry, tmp_path) == recipe
    here = moved(recipe, (f"ferplus.path={tmp_path}",), registry, tmp_path)
    assert set(here.settings) == {"ferplus.labels=label.csv", f"ferplus.path={tmp_path}"}
    monkeypatch.setenv("FXBENCH_OPT__FERPLUS__PATH", str(tmp_path / "env"))
    here = moved(recipe, (), registry, tmp_path)
    assert f"ferplus.path={tmp_path / 'env'}" in here.settings
    with pytest.raises(UsageError, match=r"results depend on this option.*such as ferplus\.path"):
        moved(recipe, ("ferplus.labels=fer2013new.csv",), registry, tmp_path)


# The command.


@pytest.fixture
def made(tmp_path):
    selection = Selection(
        datasets=("mini",),
        detectors=("full-frame",),
        landmarkers=(),
        classifiers=("prior", "emopy-onnx"),
        attacks=("none",),
        limit=6,
    )
    how = runner.Settings(tmp_path / "results", tmp_path / "cache", 1, measure_latency=False)
    return runner.run(runner.prepare(selection), how)


def reproduce(results, *given):
    with pytest.raises(SystemExit) as end:
        main(["reproduce", "--results", str(results), *given])
    return end.value.code


@pytest.mark.parametrize("tolerance", ["nan", "inf", "-1", "little"])
def test_a_tolerance_that_is_none_is_refused(tolerance, capsys):
    assert reproduce("nowhere", "--tolerance", tolerance) == 2
    assert f"'{tolerance}' is no tolerance: expected a number from 0" in capsys.readouterr().err


def test_what_is_not_compared_or_not_written_is_said(made, tmp_path, capsys):
    shutil.rmtree(made.folder / "answers")
    assert reproduce(made.folder.parent, "--into", str(tmp_path / "again")) == 0
    printed = " ".join(capsys.readouterr().out.split())
    classifiers = sum("classifier" in cell["axes"] for cell in made.cells)
    assert f"{classifiers} same numbers" in printed
    assert f"Not compared: the answers to single images of {classifiers} cells" in printed
    (tmp_path / "file").touch()
    assert reproduce(made.folder.parent, "--into", str(tmp_path / "file" / "in")) == 4
    assert "which --into names, could not be written" in capsys.readouterr().err


def test_a_damaged_run_is_found_before_anything_is_computed(made, tmp_path, capsys):
    (path,) = (made.folder / "answers").iterdir()
    path.write_bytes(b"PAR1")
    assert reproduce(made.folder.parent, "--into", str(tmp_path / "again")) == 2
    assert "is damaged" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def changed(stored):
    """The run, as if its first cell had come to something else."""
    folder = RunFolder(stored.folder)
    cells = copy.deepcopy([dict(cell) for cell in stored.cells])
    cells[0]["metrics"]["accuracy"]["value"] += 0.1
    folder.compact(cells)


def test_a_run_is_reproduced_without_the_cache(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FXBENCH_CACHE", str(tmp_path / "cache"))
    before = sorted((tmp_path / "cache").rglob("*.parquet"))
    assert reproduce(made.folder.parent) == 0
    printed = capsys.readouterr().out
    assert f"Reproduced: of {len(made.cells)} cells {len(made.cells)} identical." in printed
    place = made.folder.parent / "reproduced" / made.run["id"]
    again = store.load(place / "1" / made.run["id"])
    assert again.finished
    assert not (place / "1" / ".cache").exists()
    assert sorted((tmp_path / "cache").rglob("*.parquet")) == before
    assert answers.read(again.folder)[0].ids == answers.read(made.folder)[0].ids
    assert store.find(made.folder.parent, None) == made.folder, "it is not the latest run"
    # Once more is another one.
    assert reproduce(made.folder.parent) == 0
    assert [path.name for path in sorted(place.iterdir())] == ["1", "2"]


def test_what_does_not_come_out_again_is_named_and_the_answer_is_no(made, tmp_path, capsys):
    changed(made)
    assert reproduce(made.folder.parent, "--into", str(tmp_path / "again")) == 1
    printed = capsys.readouterr().out
    assert "Not reproduced" in printed
    assert "metrics.accuracy.value" in printed
    assert reproduce(made.folder.parent, "--into", str(tmp_path / "again"), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert [cell["verdict"] for cell in told["cells"]].count("differs") == 1
    assert Path(told["folder"]).is_dir()
    assert reproduce(made.folder.parent, "--tolerance", "0.2") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: run.pop("recipe"), "kept no recipe"),
        (lambda run: run.update(recipe=None), "given by hand"),
        (lambda run: run.update(status="running"), "not finished"),
        (lambda run: run.update(merged=[{"id": "one"}, {"id": "two"}]), "one, two"),
        (lambda run: run.update(recipe={"selection": {"moon": 1}, "settings": []}), "no recipe"),
    ],
)
def test_a_run_that_cannot_be_made_again_says_why(made, change, said, capsys):
    run = json.loads((made.folder / "run.json").read_text())
    change(run)
    (made.folder / "run.json").write_text(json.dumps(run))
    assert reproduce(made.folder.parent) == 2
    assert said in capsys.readouterr().err
