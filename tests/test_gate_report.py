"""What the gate writes: table, JSON, JUnit XML, Markdown, annotations, exit codes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_up import entry, run
from test_compare import Fixed

from fxbench import baseline
from fxbench.answers import NOT_ASKED
from fxbench.budgets import DEFAULT, Budget, Budgets, Floor
from fxbench.cli import cli
from fxbench.compare import compare
from fxbench.compare_report import compare_json, compare_table, image_tables
from fxbench.gate import judge
from fxbench.gate_report import (
    ANNOTATIONS,
    gate_json,
    gate_junit,
    gate_markdown,
    gate_table,
    github_annotations,
)
from fxbench.judgement import Judgement
from fxbench.paired_timing import Paired
from fxbench.sides import Side
from fxbench.tabular import Column, Table, render
from fxbench.testing.gate_study import PLACE, changed, drawn_answers, drawn_labels, drawn_side

LABELS = drawn_labels(1000, np.random.default_rng(0))
BEFORE = drawn_answers(LABELS, 0.7, np.random.default_rng(1))
WORSE = changed(LABELS, BEFORE, 0.15, 0.1, np.random.default_rng(2))
ACCURACY, LATENCY = DEFAULT
SCRIPT = "<script>alert('&')</script>\x00"


def side(*tops: np.ndarray) -> Side:
    return drawn_side("run", LABELS, tops)


def named(given: Side, name: str) -> Side:
    """A side whose classifiers are called so, and whose images have odd names."""
    cells = {
        key: dict(cell) | {"axes": cell["axes"] | {"classifier": name}}
        for key, cell in given.cells.items()
    }
    answered = given.answered[PLACE]
    ids = tuple(f"a|b::%0A\n<img>{number}" for number in answered.ids)
    return replace(given, cells=cells, answered={PLACE: replace(answered, ids=ids)})


@pytest.fixture
def mixed() -> Judgement:
    """One check of each verdict but `failed` and `not comparable`."""
    before, now = side(BEFORE, BEFORE, BEFORE), side(WORSE, BEFORE)
    cells = {key: dict(cell) for key, cell in before.cells.items()}
    cells["000000000001"]["latency"] = {"p50_ms": 5.0, "reference_p50": None}
    before = replace(before, cells=cells)
    budgets = Budgets(floors=(Floor("accuracy_end_to_end", 0.65, None),))
    return judge(now, before, budgets)


def test_the_table_has_what_is_wrong_first(mixed: Judgement) -> None:
    text = render(gate_table(mixed), "md")
    rows = [line for line in text.splitlines() if line.startswith("| detector")]
    assert [row.split("|")[-3].strip() for row in rows] == [
        "regression",
        "missing",
        "below the floor",
        "passed",
    ]
    assert "1 pt" in rows[0]
    assert "| accuracy_end_to_end |" in rows[2]
    assert "| >= 0.65 |" in rows[2]
    assert "Failed: run against run" in text
    assert "Latency not compared (1): run has no latency of it" in text
    assert "In 1 of 6 checks nothing moved." in text


def test_json_has_everything(mixed: Judgement) -> None:
    record = json.loads(gate_json(mixed))
    assert (record["ok"], record["exit_code"], record["tests"]) == (False, 1, 1)
    verdicts = [check["verdict"] for check in record["checks"]]
    assert sorted(verdicts) == sorted(
        ["regression", "passed", "not compared", "missing", "below the floor", "passed"]
    )
    worse = record["checks"][0]
    assert len(record["flips"][worse["cell"]]) == sum(worse["flipped"].values())


def test_junit_counts_and_escapes() -> None:
    judgement = judge(named(side(WORSE), SCRIPT), named(side(BEFORE), SCRIPT))
    text = gate_junit(judgement)
    assert "<script>" not in text
    assert "\x00" not in text
    suites = ET.fromstring(text)
    assert suites.attrib == {"tests": "1", "failures": "1", "errors": "0", "skipped": "0"}
    (case,) = suites.iter("testcase")
    assert "<script>alert('&')</script>\ufffd" in case.attrib["name"]
    (failure,) = case
    assert failure.attrib["type"] == "regression"
    assert "happiness" in str(failure.text)


def test_junit_tells_failures_errors_and_skips_apart(mixed: Judgement) -> None:
    suites = ET.fromstring(gate_junit(mixed))
    assert suites.attrib == {"tests": "6", "failures": "3", "errors": "0", "skipped": "1"}
    other = judge(replace(side(BEFORE), datasets={}), side(BEFORE))
    suites = ET.fromstring(gate_junit(other))
    assert (suites.attrib["errors"], suites.attrib["failures"]) == ("1", "0")
    assert [element.tag for element in suites.iter("error")] == ["error"]


def test_markdown_lists_the_images_that_flipped_and_escapes() -> None:
    judgement = judge(named(side(WORSE), SCRIPT), named(side(BEFORE), SCRIPT))
    text = gate_markdown(judgement)
    assert text.startswith("## fxbench gate: failed")
    assert "<script" not in text
    assert "<img" not in text
    lost = [line for line in text.splitlines() if line.startswith("| lost | a\\|b")]
    assert 0 < len(lost) <= 50
    assert "more" in text
    assert gate_markdown(judge(side(BEFORE), side(BEFORE))).startswith("## fxbench gate: passed")


ODD = "a|b ![i](http://e/x.png) [l](m) @team `c`\r\x1b[31mred\x85\udc80\n::error::y"
"""A file name with a picture, a link, a mention, a terminal's command and half a character."""


def with_odd_ids(given: Side) -> Side:
    answered = given.answered[PLACE]
    ids = tuple(f"{ODD}{number}" for number in answered.ids)
    return replace(given, answered={PLACE: replace(answered, ids=ids)})


def test_a_file_name_is_no_markdown_and_no_command_of_a_terminal() -> None:
    before, now = with_odd_ids(side(BEFORE)), with_odd_ids(side(WORSE))
    judgement = judge(now, before)
    comparison = compare(before, now, images=True)
    (table,) = image_tables(comparison)
    text = gate_markdown(judgement)
    name = r"a\|b \!\[i\]\(http://e/x.png) \[l\]\(m) @&#8203;team \`c\` "
    assert name + "\ufffd\\[31mred\ufffd\ufffd ::error::y" in text
    # Intervals and what a note cites as code stay as they are.
    assert " pt [" in text
    plain = render(table)
    for made in (text, plain, render(table, "md"), render(table, "latex")):
        assert made.encode()
        assert not set("\x1b\r\x85") & set(made)
    assert "![i](http://e/x.png) [l](m) @team `c`" in plain
    assert not any(line.lstrip().startswith("::") for line in plain.splitlines())
    for made in (gate_json(judgement), compare_json(comparison), render(table, "json")):
        assert json.loads(made.encode().decode("utf-8"))
        assert any(ODD in one for one in _texts(json.loads(made)))
    assert render(table, "csv").encode()
    assert all("\x1b" not in line for line in github_annotations(judgement))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def test_titles_and_notes_of_a_table_are_clean_and_their_code_is_code() -> None:
    note = "see `images` in [gate] and [x](http://e), a@b, @c\x1b[0m"
    table = Table("t\x1b\ud800", (Column("a", "accuracy % [95 % CI]", "interval"),), (), (note,))
    text = render(table, "md")
    assert "### t\ufffd\ufffd" in text
    assert "| accuracy % [95 % CI] |" in text
    assert "- see `images` in [gate] and [x]\\(http://e), a@b, @&#8203;c\ufffd[0m" in text
    assert "\x1b" not in render(table)


def test_a_summary_stays_within_what_github_takes() -> None:
    long = drawn_side("run", LABELS, [WORSE] * 12)
    base = drawn_side("run", LABELS, [BEFORE] * 12)
    answered = base.answered[PLACE]
    ids = tuple("x" * 4000 + number for number in answered.ids)
    sides = [
        replace(one, answered={PLACE: replace(one.answered[PLACE], ids=ids)})
        for one in (long, base)
    ]
    text = gate_markdown(judge(*sides))
    assert len(text.encode()) < 1 << 20
    assert text.endswith("too long for a summary: see the JSON.\n")


def test_annotations_are_single_lines_that_begin_no_command_of_their_own() -> None:
    name = "x\n::error::y ##[warning]z, 100 %"
    lines = list(github_annotations(judge(named(side(WORSE), name), named(side(BEFORE), name))))
    (line,) = lines
    assert line.startswith("::error title=fxbench gate%3A regression::")
    assert "\n" not in line
    assert "x%0A::error::y ## [warning]z, 100 %25" in line
    many = drawn_side("run", LABELS, [WORSE] * 12)
    lines = list(github_annotations(judge(many, drawn_side("run", LABELS, [BEFORE] * 12))))
    assert len(lines) == ANNOTATIONS
    assert lines[-1].endswith("::3 more checks are not passed")
    assert list(github_annotations(judge(side(BEFORE), side(BEFORE)))) == []


def gate(folder: Path, emotion: int, *arguments: str) -> Result:
    """Gate a run of a classifier that always answers that emotion."""
    one = entry("classifier", "fixed", lambda: Fixed(emotion), licence=str(emotion))
    stored = run(folder / str(emotion), one, results=f"../results-{emotion}")
    return CliRunner().invoke(cli, ["gate", str(stored.folder), *arguments])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """The baseline of a classifier that is right about half of the images."""
    one = entry("classifier", "fixed", lambda: Fixed(1), licence="1")
    stored = run(tmp_path / "1", one, results="../results-1")
    path = tmp_path / "good.json"
    done = CliRunner().invoke(cli, ["baseline", str(stored.folder), "-o", str(path)])
    assert done.exit_code == 0, done.output
    return path


def test_exit_codes(tmp_path: Path, good: Path) -> None:
    assert gate(tmp_path, 1, "--baseline", str(good)).exit_code == 0
    worse = gate(tmp_path, 5, "--baseline", str(good), "--json")
    assert worse.exit_code == 1
    record = json.loads(worse.output)
    named = [c["axes"]["classifier"] for c in record["checks"] if c["verdict"] == "regression"]
    assert named == ["fixed"]
    text = good.read_text(encoding="utf-8")
    good.write_text(text.replace('"fingerprint": "squares"', '"fingerprint": "rounds"'))
    assert gate(tmp_path, 1, "--baseline", str(good)).exit_code == 2
    missing = gate(tmp_path, 1, "--baseline", str(tmp_path / "none.json"))
    assert "fxbench baseline RUN -o FILE" in str(missing.exception)


def test_the_files_and_what_github_is_told(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ("--junit", str(tmp_path / "g.xml"), "--markdown", str(tmp_path / "g.md"), "--json")
    done = gate(tmp_path, 5, "--baseline", str(good), *files)
    assert done.exit_code == 1
    assert "::error title=fxbench gate%3A regression::" in done.stderr
    assert json.loads(done.stdout)["ok"] is False
    assert ET.parse(tmp_path / "g.xml").getroot().attrib["failures"] == "1"
    markdown = (tmp_path / "g.md").read_text(encoding="utf-8")
    assert "happiness" in markdown
    assert summary.read_text(encoding="utf-8") == f"before\n{markdown}"


def test_budgets_come_from_the_folder_or_the_file_that_is_named(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fxbench.toml").write_text('[gate]\nfloors = ["accuracy >= 0.9"]\n')
    done = gate(tmp_path, 1, "--baseline", str(good))
    assert done.exit_code == 1
    assert "below the floor" in done.output
    (tmp_path / "loose.toml").write_text("[gate]\n")
    loose = ("--budgets", "loose.toml")
    assert gate(tmp_path, 1, "--baseline", str(good), *loose).exit_code == 0
    none = gate(tmp_path, 1, "--baseline", str(good), "--budgets", "none.toml")
    assert "There is no file none.toml" in str(none.exception)


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path, good: Path) -> None:
    gate(tmp_path, 1, "--baseline", str(good))
    (path,) = (tmp_path / "results-1").glob("*/run.json")
    path.write_text(path.read_text().replace('"finished",', '"running",', 1))
    done = CliRunner().invoke(cli, ["gate", str(path.parent), "--baseline", str(good)])
    assert "is not finished" in str(done.exception)


def test_two_environments_are_timed_in_turns(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate(tmp_path, 1, "--baseline", str(good))
    (path,) = (tmp_path / "results-1").glob("*/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"recipe": {"selection": {}, "settings": []}}))
    asked: dict[str, Any] = {}

    def timed(recipe: Any, other: Path, cells: Any, **more: Any) -> dict[str, Paired]:
        asked.update(more, other=other, recipe=recipe)
        return {cell["id"]: Paired(1.5, 1.4, 1.6, 96, None, 1e-9) for cell in cells}

    monkeypatch.setattr("fxbench.paired_timing.compare_environments", timed)
    arguments = ["gate", str(path.parent), "--baseline", str(good), "--paired", "old", "--json"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1, done.output
    checks = [c for c in json.loads(done.stdout)["checks"] if c["metric"] == "latency"]
    assert {(c["verdict"], c["worse"], c["test"]) for c in checks} == {
        ("regression", 1.5, "sign test")
    }
    assert (asked["other"], asked["threads"]) == (Path("old"), 1)


def test_a_run_that_nobody_can_make_again_is_not_timed(tmp_path: Path, good: Path) -> None:
    done = gate(tmp_path, 1, "--baseline", str(good), "--paired", str(tmp_path))
    assert "nothing can be timed with --paired" in str(done.exception)
    assert baseline.read(good).cells


def test_the_table_says_what_was_not_looked_at_and_each_reason_once() -> None:
    run = side(BEFORE, BEFORE, BEFORE)
    few = np.full_like(BEFORE, NOT_ASKED)
    few[50:] = BEFORE[50:]
    later = side(few, few, BEFORE)
    budgets = Budgets((replace(ACCURACY, cells={"classifier": ("*-0", "*-1")}), LATENCY))
    text = render(gate_table(judge(later, run, budgets)), "md")
    assert "Latency not gated: neither side has measured that of 3 cells (detector-0," in text
    assert (
        "and no floor means a number that can be compared: 1 cell (detector-0, classifier-2)."
        in text
    )
    assert text.count("on the 950 of 1,000 images that both have") == 1
    assert text.count("| (1) |") == 2
    record = json.loads(gate_json(judge(later, run, budgets)))
    assert [axes["classifier"] for axes in record["unwatched"]] == ["classifier-2"]
    assert len(record["untimed"]) == 3
    (said,) = ET.fromstring(gate_junit(judge(later, run, budgets))).iter("system-out")
    assert "Latency not gated" in str(said.text)


def test_nothing_has_no_sign() -> None:
    run = side(BEFORE)
    budgets = Budgets((Budget("macro_f1_end_to_end", "drop", 1.0),))
    (check,) = judge(run, run, budgets).checks
    assert check.high == 0
    assert "0.0 pt [0.0, 0.0]" in render(gate_table(judge(run, run, budgets)))
    shown = render(compare_table(compare(run, run, metric="macro_f1_end_to_end")))
    assert "+0.0 [+0.0, +0.0]" in shown
    assert "-0.0" not in shown


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_table_breaks_no_word(width: int) -> None:
    named_ = named(side(WORSE), "mobilenetv2-onnx")
    base = named(side(BEFORE), "mobilenetv2-onnx")
    budgets = Budgets((ACCURACY, Budget("balanced_accuracy_end_to_end", "drop", 1.0)))
    tables = [gate_table(judge(named_, base, budgets)), compare_table(compare(base, named_))]
    for table in tables:
        text = render(table, "table", width)
        assert max(map(len, text.splitlines())) <= width
        words = {word for line in text.splitlines() for word in line.split()}
        assert not {"regressio", "accurac", "mobilenet", "differenc"} & words
        assert {"regression", "worse"} & words


def test_nothing_is_written_over_what_is_read(tmp_path: Path, good: Path) -> None:
    text = good.read_text(encoding="utf-8")
    done = gate(tmp_path, 1, "--baseline", str(good), "--junit", str(good))
    assert "is the file of --baseline, and --junit would write over it" in str(done.exception)
    assert good.read_text(encoding="utf-8") == text
    place = str(tmp_path / "out")
    done = gate(tmp_path, 1, "--baseline", str(good), "--junit", place, "--markdown", place)
    assert "is the file of --junit, and --markdown would write over it" in str(done.exception)


def test_places_that_can_not_be_written_are_named_by_their_option(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "out")
    for option in ("--junit", "--markdown"):
        done = gate(tmp_path, 1, "--baseline", str(good), option, place)
        assert f"{place}, which {option} names, could not be written" in str(done.exception)
        assert "--results" not in str(done.exception)
        assert "Passed:" in done.output, "the answer is known all the same"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", place)
    done = gate(tmp_path, 1, "--baseline", str(good))
    assert "which GITHUB_STEP_SUMMARY names, could not be written" in str(done.exception)
