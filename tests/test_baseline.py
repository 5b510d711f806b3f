"""A baseline is written so that its diff reads well, and read back as it was."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fxbench import baseline
from fxbench.answers import NOT_ASKED
from fxbench.cli import cli
from fxbench.compare import compare
from fxbench.errors import SchemaError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import NOT_FOUND, OTHER
from fxbench.sides import Side, estimates, unanswered
from fxbench.testing.gate_study import PLACE, drawn_side

LABELS = np.arange(24) % 8
TOPS = [LABELS, np.roll(LABELS, 1), np.where(LABELS == 3, OTHER, NOT_FOUND)]


def side(*tops: np.ndarray) -> Side:
    return drawn_side("made", LABELS, tops or TOPS)


def test_a_baseline_holds_what_it_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "b.json"
    silent = LABELS.copy()
    silent[5] = NOT_ASKED
    given = side(*TOPS, silent)
    baseline.write(path, given)
    read = baseline.read(path)
    assert read.name == "the baseline b.json"
    assert list(read.cells) == list(given.cells)
    assert read.datasets["drawn"]["fingerprint"] == "drawn"
    assert read.answered[PLACE].labels.tolist() == LABELS.tolist()
    for cell in given.cells:
        there, here = given.answered[PLACE].top(cell), read.answered[PLACE].top(cell)
        assert here.tolist() == there.tolist()
        for name, estimate in estimates(given.cells[cell]):
            value = dict(estimates(read.cells[cell]))[name]["value"]
            expected = estimate["value"]
            assert value == (None if expected is None else pytest.approx(expected, abs=1e-6))
    assert {cell.flipped.total for cell in compare(given, read).cells if cell.flipped} == {0}


def test_every_answer_has_a_letter() -> None:
    assert {baseline.LETTERS[letter] for letter in "nhusadfc"} == set(EMOTIONS)
    assert len(set(baseline.LETTERS)) == 11


def test_one_image_that_flips_changes_its_line_and_the_scores() -> None:
    flipped = LABELS.copy()
    flipped[2] = 0
    lines = [baseline.baseline_text(side(top)).splitlines() for top in (LABELS, flipped)]
    diff = list(difflib.unified_diff(*lines, n=0, lineterm=""))
    added = [line[1:].strip() for line in diff if line.startswith("+") and line[1] != "+"]
    assert '"2": "u n",' in added
    assert any(line.startswith('"accuracy_end_to_end": {"value": 0.958333') for line in added)
    assert len(added) <= 6


def test_an_image_without_label_and_odd_names_survive(tmp_path: Path) -> None:
    given = side(LABELS)
    answered = given.answered[PLACE]
    odd = (
        '"quoted".png',
        "<script>.png",
        "line\nbreak.png",
        "日本.png",
        "x\udc80",
        *answered.ids[5:],
    )
    labels = np.where(np.arange(24) == 0, -1, LABELS)
    baseline.write(
        tmp_path / "b.json",
        replace(given, answered={PLACE: replace(answered, ids=odd, labels=labels)}),
    )
    read = baseline.read(tmp_path / "b.json").answered[PLACE]
    assert read.ids == odd
    assert read.labels.tolist() == labels.tolist()
    assert "日本.png" in (tmp_path / "b.json").read_text(encoding="utf-8")


def test_cells_without_a_result_are_left_out_and_some_must_have_one() -> None:
    cells = dict(side().cells)
    first = next(iter(cells))
    cells[first] = cells[first] | {"status": "failed"}
    record = json.loads(baseline.baseline_text(replace(side(), cells=cells)))
    assert first not in record["cells"]
    assert first not in record["answers"][0]["columns"]
    assert len(record["answers"][0]["images"]["0"]) == len("n ") + 2
    with pytest.raises(UsageError, match="nothing to gate by"):
        baseline.baseline_text(replace(side(), cells={}))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda text: text[:-40], "no baseline, or is damaged"),
        (lambda text: "[" * 100_000, "it is no JSON"),
        (lambda text: "[]", "expected a file that"),
        (lambda text: text.replace('"schema": 1', '"schema": 0'), "expected a file that"),
        (lambda text: text.replace('"schema": 1', '"schema": true'), "expected a file that"),
        (lambda text: text.replace('"schema": 1', '"schema": 99'), "upgrade"),
        (lambda text: text.replace('"0": "n nu?"', '"0": "n nu"'), "image '0' has not one letter"),
        (lambda text: text.replace('"0": "n', '"0": "Z'), "image '0' has a letter that means"),
        (lambda text: text.replace('"axes"', '"axis"'), "it lacks 'axes'"),
        (lambda text: text.replace('{"value": 1.0', '{"value": "one"'), "is no number"),
        (lambda text: text.replace('{"value": 1.0', '{"value": NaN'), "is no number"),
        (lambda text: text.replace("classifier-1", "classifier-0"), "two of its cells are called"),
        (lambda text: text.replace('"latency": null', '"latency": 3'), "an entry is not as"),
        (
            lambda text: text.replace('{"dataset"', '{"attack": "a", "epsilon": "x", "dataset"'),
            "an entry is not as",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, change: object, what: str) -> None:
    path = tmp_path / "b.json"
    tops = [LABELS, np.full(24, 2), np.full(24, OTHER)]
    text = baseline.baseline_text(side(*tops))
    assert '"0": "n nu?"' in text
    path.write_text(change(text), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(SchemaError, match=what) as error:
        baseline.read(path)
    # Words for people, and none of Python's.
    assert not re.search(r"\w+Error|char \d|codec|object is", str(error.value))


def test_bytes_that_are_no_text_are_no_baseline(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    with pytest.raises(SchemaError, match="it is no text in UTF-8"):
        baseline.read(tmp_path / "b.json")


def test_a_baseline_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fxbench baseline RUN -o FILE"):
        baseline.read(tmp_path / "b.json")


def test_the_command_writes_the_cells_that_are_wanted(tmp_path: Path) -> None:
    from made_up import run

    stored = run(tmp_path)
    path = tmp_path / "b.json"
    done = CliRunner().invoke(cli, ["baseline", str(stored.folder), "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "20 images" in done.output
    every = baseline.read(path).cells
    arguments = ["baseline", str(stored.folder), "-o", str(path), "--cell", "uniform"]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    some = baseline.read(path).cells
    assert 0 < len(some) <= len(every)
    assert all("uniform" in cell["axes"].values() for cell in some.values())


def test_a_run_without_answers_says_what_its_baseline_can_not_gate(tmp_path: Path) -> None:
    from made_up import run

    stored = run(tmp_path)
    arguments = ["baseline", str(stored.folder), "-o", str(tmp_path / "b.json")]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    shutil.rmtree(stored.folder / "answers")
    done = CliRunner().invoke(cli, arguments)
    assert "can't gate the accuracy of 1 cell, nor" in done.stderr
    assert "the run keeps none" in done.stderr
    assert ": 1 cell, 0 images" in done.stdout


def test_a_cell_without_a_classifier_lacks_no_answers() -> None:
    given = side(LABELS)
    (cell,) = given.cells.values()
    silent = replace(given, answered={})
    assert unanswered(given) == []
    assert unanswered(silent) == [cell]
    axes = {name: value for name, value in cell["axes"].items() if name != "classifier"}
    assert unanswered(replace(silent, cells={cell["id"]: dict(cell) | {"axes": axes}})) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
def test_a_pipe_is_no_place_for_a_baseline(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe or a device"):
        baseline.write(tmp_path / "pipe", Side("one", {}, {}, {}, {}, {}))


def test_a_place_that_can_not_be_written_is_named_with_its_option(tmp_path: Path) -> None:
    from made_up import run

    stored = run(tmp_path)
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "b.json"
    done = CliRunner().invoke(cli, ["baseline", str(stored.folder), "-o", str(place)])
    assert f"{place}, which -o names, could not be written" in str(done.exception)
    assert "--results" not in str(done.exception)
