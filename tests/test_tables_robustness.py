"""The tables of attacks, transfer, checks and corruptions, from nothing but cells."""

from __future__ import annotations

import copy
import csv
import io
import json

import pytest
from click.testing import CliRunner
from made_up_conditions import (
    COMMON,
    RUN,
    a_run,
    attacked,
    attacks_of,
    cell,
    corrupted,
    diagnostic,
    robust,
    under,
)

from fxbench.cli import cli
from fxbench.errors import UsageError
from fxbench.exports import find_cell
from fxbench.leaderboard import leaderboard_rows, leaderboard_table
from fxbench.matrix import matrix_table
from fxbench.store import RunFolder
from fxbench.tables import accuracy_table
from fxbench.tables_corruption import corruption_matrix, corruption_table
from fxbench.tables_emotions import recall_table
from fxbench.tables_latency import latency_table
from fxbench.tables_robustness import (
    robust_table,
    robustness_table,
    sanity_table,
    transfer_table,
)
from fxbench.tabular import render, to_csv, to_markdown

ALL = (
    robust_table,
    robustness_table,
    transfer_table,
    sanity_table,
    corruption_table,
    corruption_matrix,
)


def shown(table):
    """The rows as people see them, by header."""
    lines = [
        [part.strip() for part in line.strip("|").split(" | ")]
        for line in to_markdown(table).splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


@pytest.mark.parametrize("kind", ["table", "md", "csv", "json"])
@pytest.mark.parametrize("make", ALL)
def test_each_renders_with_cells_and_without(make, kind):
    assert render(make([]), kind)
    assert render(make(a_run(), RUN), kind)


@pytest.mark.parametrize("make", ALL)
def test_no_table_changes_the_cells_or_fails_on_those_of_older_versions(make):
    cells = a_run()
    before = copy.deepcopy(cells)
    make(cells, RUN)
    assert cells == before
    new = ("robust", "diagnostics", "attack", "common", "baseline", "variant_of")
    old = [{k: v for k, v in c.items() if k not in new} for c in cells]
    assert to_markdown(make(old))
    broken = [c | {"status": "failed", "metrics": None, "images": None} for c in old]
    assert to_markdown(make(broken))


# Robust at epsilon.


def test_the_headline_has_a_column_for_each_norm_and_epsilon():
    rows = shown(robust_table(a_run(), RUN))
    assert [row["classifier"] for row in rows] == ["emopy", "mobilenetv2"]
    assert list(rows[0])[2:] == [
        "clean % [95 % CI]",
        "robust 2/255 % [95 % CI]",
        "robust 8/255 % [95 % CI]",
        "robust l2 2/255 % [95 % CI]",
    ]
    assert rows[0]["clean % [95 % CI]"] == "72.0 [69.1, 74.7]"
    assert rows[0]["robust 8/255 % [95 % CI]"].startswith("6.0 [")
    assert robust_table(a_run()).rows[0]["robust_linf_8/255"] == 0.06
    assert robust_table(a_run()).rows[0]["robust_linf_8/255_n"] == 1000


def test_it_says_which_attacks_were_run_and_on_how_many_images():
    notes = " ".join(robust_table(a_run()).notes)
    assert "linf: fgsm, pgd, noise, square (50); l2: fgsm" in notes
    assert "on some images only" in notes
    assert "Sanity of the attacks: 2 warn, 4 pass" in notes
    weaker = cell("other", 0.5, robust=robust(("linf", 2 / 255, 0.4), attacks=("noise",)))
    table = robust_table([*a_run(), weaker])
    assert [row["attacks"] for row in shown(table)][-1] == "noise"
    assert any("Only rows that were under the same attacks" in note for note in table.notes)


def test_a_figure_that_is_high_because_less_was_tried_is_marked():
    deaf = cell(
        "deaf", 0.5, robust=robust(("linf", 8 / 255, 0.48), attacks=("noise", "pgd from x"))
    )
    for table, header in (
        (robust_table([*a_run(), deaf]), "robust 8/255 % [95 % CI]"),
        (leaderboard_table([*a_run(), deaf]), "robust 8/255 %"),
    ):
        rows = {row["classifier"]: row for row in shown(table)}
        assert rows["deaf"][header].startswith("48.0*")
        assert "*" not in rows["emopy"][header]
        assert any(note.startswith("* Fewer attacks") for note in table.notes)
    assert not any(note.startswith("*") for note in robust_table(a_run()).notes)
    assert robust_table([*a_run(), deaf]).rows[-1]["robust_linf_8/255_fewer_attacks"] is True


# Every attack by itself.


def test_targets_subsets_queries_and_distances_have_columns_where_they_are():
    plain = shown(robustness_table([attacked("emopy", 0.3, under("fgsm", 0.1, "emopy"))]))[0]
    assert not {"target label", "on images", "queries, median", "distance, median"} & set(plain)
    aimed = under("pgd", 0.1, "emopy", target_label="happiness")
    few = under("hopskipjump", 0.1, "emopy", "l2", subset=50)
    effort = {"queries": {"budget": 200, "median": 1500.4}, "distance": {"median": 3.21 / 255}}
    table = robustness_table(
        [attacked("emopy", 0.3, aimed), attacked("emopy", 0.5, few, attack=effort)]
    )
    first, second = shown(table)
    assert (first["target label"], first["on images"]) == ("happiness", "-")
    assert (second["target label"], second["on images"]) == ("-", "50")
    assert second["queries, median"] == "1,500 of 200"
    assert second["distance, median"] == "3.2/255"
    assert "target_label" not in first
    notes = " ".join(table.notes)
    for words in ("With a target label", "On images", "Queries", "Distance"):
        assert words in notes
    row = table.rows[1]
    assert (row["queries_budget"], row["distance_median"]) == (200, 3.21 / 255)


# Transfer.


def test_the_transfer_matrix_has_a_row_for_each_surrogate_and_a_column_for_each_target():
    rows = shown(transfer_table(a_run()))
    assert len(rows) == 8
    assert list(rows[0]) == [
        "epsilon",
        "surrogate",
        "faces",
        "emopy %",
        "mobilenetv2 %",
        "emopy-onnx %",
    ]
    both, every = rows[0], rows[1]
    assert (both["surrogate"], both["faces"]) == ("emopy", "both right")
    # On itself, and on the same network in another runtime, an attack is white-box.
    assert both["emopy %"] == "50.0¶ of 610"
    assert both["emopy-onnx %"] == "50.0¶ of 610"
    assert both["mobilenetv2 %"] == "31.1 of 610"
    assert every["faces"] == "all right"
    assert every["mobilenetv2 %"] == "26.2 of 550"
    assert every["emopy %"] == "45.1¶ of 550"


def test_attacks_that_were_not_transferred_have_no_row():
    assert transfer_table(attacks_of("emopy", 0.7, 0.1)).rows == ()
    assert transfer_table(attacks_of("emopy", 0.7, 0.1, ("pgd", "noise"))).rows == ()
    assert {row["attack"] for row in transfer_table(a_run()).rows} == {"pgd"}
    assert 0.0 not in {row["epsilon"] for row in transfer_table(a_run()).rows}


def test_targeted_transfer_is_marked():
    axes = under("pgd", 0.1, "emopy", target_label="fear")
    table = transfer_table([attacked("other", 0.4, axes, transferred=True)])
    assert {row["target label"] for row in shown(table)} == {"fear"}
    assert any("With a target label" in note for note in table.notes)


# Checks.


def test_warnings_stand_first_and_passes_are_counted():
    checks = [diagnostic("pass"), diagnostic("inconclusive"), diagnostic("warn", p_holm=None)]
    cells = [cell("emopy", 0.7, diagnostics=checks), cell("quiet", 0.7)]
    assert [r["status"] for r in sanity_table(cells).rows] == ["warn", "inconclusive", "pass"]
    compact = sanity_table(cells, compact=True)
    assert [r["status"] for r in compact.rows] == ["warn", "inconclusive"]
    for table in (compact, sanity_table(cells)):
        assert "Checks: 1 warn, 1 inconclusive, 1 pass." in table.notes
    assert shown(compact)[0]["p"] == "-"
    assert shown(compact)[1]["p"] == "0.030"


# Corruptions.


def test_corruption_errors_are_relative_to_the_baseline():
    rows = {row["classifier"]: row for row in corruption_table(a_run(), RUN).rows}
    assert set(rows) == {"emopy", "mobilenetv2", "emopy-onnx"}
    for name in ("emopy", "emopy-onnx"):
        assert rows[name]["mce"] == pytest.approx(100)
        assert rows[name]["relative_mce"] == pytest.approx(100)
    # mobilenetv2 errs 24 % when clean, the baseline 28 %; it loses 1.2 times as much.
    own = rows["mobilenetv2"]
    assert own["error_clean"] == pytest.approx(0.24)
    assert own["relative_mce"] == pytest.approx(120)
    sums = [sum(rows[n][f"error_fog_{s}"] for s in range(1, 6)) for n in ("mobilenetv2", "emopy")]
    assert own["ce_fog"] == pytest.approx(100 * sums[0] / sums[1])
    assert own["mce"] == pytest.approx(sum(own[f"ce_{name}"] for name in COMMON) / 15)
    assert own["accuracy_sunglasses"] == pytest.approx(
        sum(1 - own[f"error_sunglasses_{s}"] for s in range(1, 6)) / 5
    )
    assert "ce_sunglasses" not in own
    notes = " ".join(corruption_table(a_run(), RUN).notes)
    assert f"Baseline: emopy-onnx (weights' sha256: emopy.onnx {'cd' * 32})." in notes
    assert "Not among the 15, and in no mean: low resolution, sunglasses, face mask." in notes


def test_people_see_every_corruption_in_a_row():
    rows = shown(corruption_matrix(a_run(), RUN))
    measures = {row["measure"]: row for row in rows}
    assert len(rows) == 4 + 15 + 3
    assert measures["clean error %"]["mobilenetv2"] == "24.0"
    assert measures["relative mCE"]["mobilenetv2"] == "120.0"
    assert measures["CE gaussian noise"]["emopy"] == "100.0"
    assert measures["accuracy % face mask"]["emopy"] == "60.0"


def without(cells, **axes):
    return [c for c in cells if not all(c["axes"].get(axis) == v for axis, v in axes.items())]


def test_what_is_missing_makes_no_wrong_mean():
    cells = without(a_run(), corruption="fog", severity=3, classifier="emopy")
    rows = {row["classifier"]: row for row in corruption_table(cells, RUN).rows}
    assert rows["emopy"]["mce"] is None
    assert rows["emopy"]["error_common"] is None
    assert rows["mobilenetv2"]["mce"] is not None
    fourteen = corruption_table(without(a_run(), corruption="fog"), RUN)
    assert {row["mce"] for row in fourteen.rows} == {None}
    assert any("No mCE: it is over 15 corruptions, 14 were run." in n for n in fourteen.notes)
    assert fourteen.rows[0]["ce_snow"] is not None


def test_a_corruption_that_the_baseline_does_not_mind_makes_no_relative_mean():
    cells = [*without(a_run(), corruption="fog", classifier="emopy-onnx")]
    cells += [corrupted("emopy-onnx", 0.73, "fog", severity) for severity in range(1, 6)]
    table = corruption_table(cells, RUN)
    assert {row["relative_mce"] for row in table.rows} == {None}
    assert table.rows[0]["mce"] is not None
    assert any(n.startswith("No relative mCE") and n.endswith(": fog.") for n in table.notes)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([c for c in a_run() if c["axes"].get("severity", 1) != 2], "not all were run"),
        ([c | {"baseline": False} for c in a_run()], "has no result here"),
    ],
)
def test_without_a_baseline_or_a_severity_errors_are_shown_as_they_are(cells, why):
    table = corruption_matrix(cells, RUN)
    measures = [row["measure"] for row in shown(table)]
    assert "error % fog" in measures
    assert not [name for name in measures if "CE" in name]
    assert any(why in note for note in table.notes)


def test_detectors_are_told_apart_and_have_their_own_baseline():
    other = [c | {"axes": c["axes"] | {"detector": "dlib-hog"}} for c in a_run()]
    worse = [c for c in other if c["axes"]["classifier"] != "emopy-onnx"]
    table = corruption_table([*a_run(), *worse], RUN)
    found = {(r["detector"], r["classifier"]): r["mce"] for r in table.rows}
    assert found["full-frame", "emopy"] == pytest.approx(100)
    assert found["dlib-hog", "emopy"] is None


# Nothing that was done to images may pass for a clean result.


def test_corrupted_cells_are_no_clean_rows():
    cells = a_run()
    clean = [c for c in cells if not {"attack", "corruption"} & set(c["axes"])]
    timed = [c | {"latency": {"p50_ms": 1.0, "batch": 1}, "recall": {}} for c in cells]
    assert len(accuracy_table(cells).rows) == len(clean) == 4
    assert len(latency_table(timed).rows) == 4
    assert recall_table(timed).rows == ()
    assert len(leaderboard_table(cells).rows) == 4
    assert matrix_table(cells).rows[0]["emopy"] == 0.72
    assert "corruption" not in to_markdown(accuracy_table(cells))
    assert "severity" not in to_markdown(robustness_table(cells))


def test_the_flat_form_has_every_cell_and_says_what_was_done():
    cells = a_run()
    rows = leaderboard_rows(cells)
    assert len(rows) == len(cells)
    as_they_are = [r for r in rows if (r["attack"], r["corruption"]) == ("none", "none")]
    assert len(as_they_are) == 4
    assert {r["severity"] for r in rows if r["corruption"] == "fog"} == {1, 2, 3, 4, 5}


def test_predictions_are_exported_of_the_clean_cell_unless_others_are_named():
    cells = a_run()
    assert "corruption" not in find_cell(cells, classifier="prior")["axes"]
    fog = find_cell(cells, classifier="emopy", corruption="fog", severity=2)
    assert (fog["axes"]["corruption"], fog["axes"]["severity"]) == ("fog", 2)
    aimed = attacked("emopy", 0.1, under("fgsm", 0.5, "emopy", target_label="fear"))
    found = {"classifier": "emopy", "attack": "fgsm", "epsilon": 0.5}
    assert find_cell([*cells, aimed], **found, target_label="fear") is aimed


def test_predictions_of_videos_are_those_of_every_frame_as_they_are_if_there_are_any():
    axes = {"dataset": "clips", "detector": "dlib-hog", "classifier": "emopy"}
    made = [
        {"status": "ok", "axes": axes | more}
        for more in (
            {},
            {"smoothing": 0.2},
            {"every": 5},
            {"every": 5, "smoothing": 0.2},
            {"spotter": "emotion-change"},
        )
    ]
    assert find_cell(made, classifier="emopy") is made[0]
    assert find_cell(made[2:], classifier="emopy") is made[2]
    assert find_cell(made[3:], classifier="emopy") is made[3]
    with pytest.raises(UsageError, match="It has 0"):
        find_cell(made[4:], classifier="emopy")
    made = [{"status": "ok", "axes": axes | {"every": k}} for k in (2, 5)]
    with pytest.raises(UsageError, match=r"Give the step of the detector \(--detect-every\) of"):
        find_cell(made, classifier="emopy")


# The command.


@pytest.fixture
def stored(tmp_path):
    folder = RunFolder(tmp_path / "results" / "r")
    folder.folder.mkdir(parents=True)
    run = {"id": "r", "status": "finished", "created": "2026", "plan": {}, "images": {}, **RUN}
    folder.write_run(run)
    folder.compact(a_run())
    return ["--results", str(tmp_path / "results")]


def told(*arguments):
    done = CliRunner().invoke(cli, ["tables", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_usual_output_has_what_the_run_has(stored):
    text = told(*stored, "--format", "md")
    headings = [line.split(":")[0] for line in text.splitlines() if line.startswith("###")]
    assert headings == [
        f"### {name}"
        for name in (
            "Accuracy",
            "Robust at epsilon",
            "Robustness",
            "Transfer",
            "Corruptions",
            "Sanity",
        )
    ]
    assert "gaussian noise" not in text
    assert "| warn |" in text
    assert "| pass |" not in text
    assert "2 warn, 4 pass" in text
    assert "sunglasses" in told(*stored)


@pytest.mark.parametrize("name", ["robust", "transfer", "corruptions", "sanity"])
def test_a_table_by_name_is_whole(stored, name):
    shown_ = told(*stored, "--table", name, "--format", "md")
    assert shown_.startswith("###")
    assert ("gaussian noise" in shown_) == (name == "corruptions")
    assert ("| pass |" in shown_) == (name == "sanity")
    rows = json.loads(told(*stored, "--table", name, "--format", "json"))
    records = list(csv.DictReader(io.StringIO(told(*stored, "--table", name, "--format", "csv"))))
    assert len(rows) == len(records) >= 2


def test_a_run_without_attacks_shows_none_of_these(stored, tmp_path):
    RunFolder(tmp_path / "results" / "r").compact([cell("emopy", 0.7)])
    text = told(*stored, "--format", "md")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "### Accuracy: ferplus, valid, majority"
    ]


def test_csv_holds_every_severity():
    text = to_csv(corruption_table([cell("emopy", 0.7), corrupted("emopy", 0.5, "fog", 2)]))
    assert next(csv.DictReader(io.StringIO(text)))["error_fog_2"] == "0.5"
