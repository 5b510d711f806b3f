"""The tables of a run, from nothing but its cells."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time

import pytest
from made_up_run import MadeUpRun

from fxbench.cli import main
from fxbench.labels import EMOTIONS
from fxbench.matrix import matrix_table
from fxbench.tables import accuracy_table
from fxbench.tables_calibration import calibration_table
from fxbench.tables_emotions import recall_table
from fxbench.tables_latency import latency_table
from fxbench.tables_robustness import robustness_table
from fxbench.tabular import format_epsilon, render, to_csv, to_json, to_markdown, to_rich, to_text


def estimate(value, n=100, spread=0.05):
    if value is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    return {"value": value, "low": value - spread, "high": value + spread, "n": n}


def cell(detector="full-frame", classifier="emopy", accuracy=0.5, **changes):
    attack = changes.pop("attack", None)
    axes = {
        "dataset": "ferplus",
        "split": "valid",
        "protocol": "majority",
        "detector": detector,
        "classifier": classifier,
        **(attack or {}),
        **changes.pop("axes", {}),
    }
    metrics = {
        "accuracy": estimate(accuracy, 90),
        "accuracy_end_to_end": estimate(accuracy * 0.9),
        "accuracy_shared": estimate(accuracy + 0.01, 90),
        "multi_target_accuracy": estimate(accuracy + 0.02, 90),
        "detection_rate": estimate(0.9),
        "macro_f1": {"value": accuracy - 0.1, "low": None, "high": None, "n": 90},
    }
    if attack:
        metrics["attack_success_rate"] = estimate(1 - accuracy, 2001)
    return {
        "schema": 1,
        "id": "-".join(str(value) for value in axes.values()),
        "axes": axes,
        "status": "ok",
        "reason": None,
        "weights": "verified",
        "floor": False,
        "images": {"n": 3191, "found": 3000},
        "metrics": metrics,
        "recall": {emotion: estimate(0.4, 25) for emotion in EMOTIONS[:7]},
        "confusion": None,
        "rank": None,
        "latency": None,
        **changes,
    }


def failed(status="failed", **changes):
    empty = {"metrics": None, "recall": None, "images": None, "weights": None}
    reason = {"kind": "no gradient", "message": "it has no gradient", "mend": None}
    return cell(status=status, **{**empty, "reason": reason, **changes})


def fgsm(epsilon, surrogate="emopy", norm="linf"):
    return {"attack": "fgsm", "norm": norm, "epsilon": epsilon, "surrogate": surrogate}


LATENCY = {
    "p50_ms": 3.456,
    "p90_ms": 4.0,
    "p99_ms": 12.34,
    "samples": 1000,
    "images_per_s": 1234.5,
    "batch": 64,
    "detect_load_s": 0.1,
    "classify_load_s": 5.0,
    "load_s": 5.1,
}


def lines_of(markdown):
    """The header and the rows of a Markdown table, as lists of cells."""
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    rows = [[part.strip() for part in line.strip("|").split(" | ")] for line in table]
    return rows[0], rows[2:]


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (2 / 255, "2/255"),
        (0.00784313, "2/255"),
        (8 / 255, "8/255"),
        (1.0, "1"),
        (0.5, "0.5"),
        (0.001, "0.001"),
        (None, "-"),
    ],
)
def test_epsilon_is_written_as_people_write_it(epsilon, text):
    assert format_epsilon(epsilon) == text


def test_the_accuracy_table_shows_percent_with_intervals():
    markdown = to_markdown(accuracy_table([cell(accuracy=0.5)]))
    header, rows = lines_of(markdown)
    assert markdown.startswith("### Accuracy: ferplus, valid, majority\n")
    row = dict(zip(header, rows[0], strict=True))
    assert row == {
        "detector": "full-frame",
        "classifier": "emopy",
        "accuracy % [95 % CI]": "50.0 [45.0, 55.0]",
        "end-to-end %": "45.0",
        "shared labels %": "51.0",
        "multi-target %": "52.0",
        "macro-F1 % [95 % CI]": "40.0",
        "faces found": "3,000/3,191 (94.0 %)",
    }


def test_an_axis_that_differs_becomes_a_column():
    other = cell(axes={"protocol": "plurality"})
    header, rows = lines_of(to_markdown(accuracy_table([cell(), other])))
    assert header[0] == "protocol"
    assert [row[0] for row in rows] == ["majority", "plurality"]
    later = [cell(axes={"align": "eyes"}), cell(axes={"align": "none"})]
    assert "aligned" in lines_of(to_markdown(accuracy_table(later)))[0]


def test_cells_without_a_result_stand_below_with_their_reason():
    message = {"kind": "missing weights", "message": "a | b\nis missing", "mend": "get it"}
    cells = [failed(classifier="a"), failed("skipped", classifier="b", reason=message), cell()]
    markdown = to_markdown(accuracy_table(cells))
    _, rows = lines_of(markdown)
    assert [row[1] for row in rows] == ["emopy", "a", "b"]
    assert rows[0][-1] == ""
    assert rows[1][2:] == ["-"] * 6 + ["failed: no gradient (1)"]
    assert rows[2][-1] == "skipped: missing weights (2)"
    assert "- (1) failed (1 cell): it has no gradient" in markdown
    assert r"- (2) skipped (1 cell): a \| b is missing → get it" in " ".join(markdown.split())


def test_marks_stand_at_the_classifier_and_below():
    cells = [cell(weights="unverified"), cell(classifier="prior", floor=True, weights=None)]
    markdown = to_markdown(accuracy_table(cells))
    _, rows = lines_of(markdown)
    assert [row[1] for row in rows] == ["emopy†", "prior‡"]
    assert "† weights: unverified" in markdown
    assert "‡ a floor" in markdown
    assert "†" not in to_markdown(accuracy_table([cell()]))


def test_what_the_run_says_stands_in_the_notes():
    run = {
        "id": "r",
        "datasets": {"ferplus": {"fingerprint": "0123456789abcdef", "note": "labels label.csv"}},
    }
    some = cell(shared_labels=["neutral", "fear"], images={"n": 9, "found": 8, "unreadable": 1234})
    table = accuracy_table([some, cell(), failed()], run)
    assert any("neutral, fear" in note for note in table.notes)
    assert "Dataset ferplus: labels label.csv, fingerprint 0123456789ab." in table.notes
    assert "ferplus valid majority that could not be read and count nowhere: 1,234." in " ".join(
        table.notes
    )
    attacked = cell(attack=fgsm(0.1), shared_labels=["neutral"])
    assert not any("Shared" in note for note in robustness_table([attacked], run).notes)


def test_a_score_that_no_cell_has_is_no_column():
    plain = cell()
    for name in ("multi_target_accuracy", "accuracy_shared"):
        del plain["metrics"][name]
    header, _ = lines_of(to_markdown(accuracy_table([plain])))
    assert "multi-target %" not in header
    assert "balanced %" not in header
    plain["metrics"]["balanced_accuracy"] = estimate(0.45, 90)
    header, rows = lines_of(to_markdown(accuracy_table([plain])))
    assert rows[0][header.index("balanced %")] == "45.0"


def test_the_calibration_table_has_the_cells_with_an_error_of_calibration():
    plain = cell()
    assert calibration_table([plain, failed()]).rows == ()
    plain["metrics"] |= {
        "ece": estimate(0.08, 90, 0.01),
        "ece_calibrated": estimate(0.02, 90, 0.01),
    }
    header, rows = lines_of(to_markdown(calibration_table([plain, failed()])))
    assert "cross-entropy [95 % CI]" not in header
    assert rows[0][header.index("ECE % [95 % CI]")] == "8.0 [7.0, 9.0]"
    plain["metrics"]["cross_entropy"] = {"value": 1.23456, "low": 1.2, "high": 1.3, "n": 90}
    header, rows = lines_of(to_markdown(calibration_table([plain])))
    assert rows[0][header.index("cross-entropy [95 % CI]")] == "1.235 [1.200, 1.300]"


def test_nothing_found_is_a_dash_not_an_error():
    blank = cell(images={"n": 0, "found": 0})
    blank["metrics"] = {name: estimate(None) for name in blank["metrics"]}
    _, rows = lines_of(to_markdown(accuracy_table([blank])))
    assert rows[0][2:] == ["-", "-", "-", "0/0"]


def test_the_robustness_table_states_the_denominator():
    cells = [cell(), cell(attack=fgsm(0.0)), cell(attack=fgsm(2 / 255), accuracy=0.2)]
    cells.append(failed(attack=fgsm(2 / 255, "prior"), classifier="prior", floor=True))
    header, rows = lines_of(to_markdown(robustness_table(cells)))
    assert len(rows) == 3
    assert [row[header.index("epsilon")] for row in rows] == ["0", "2/255", "2/255"]
    assert rows[1][header.index("attack success % [95 % CI]")] == "80.0 [75.0, 85.0] of 2,001"
    assert rows[1][header.index("robust accuracy % [95 % CI]")] == "20.0 [15.0, 25.0]"
    assert rows[2][-1] == "failed: no gradient"
    nobody_asked = failed("skipped", attack=fgsm(0.1), classifier="prior") | {"asked": False}
    table = robustness_table([*cells, nobody_asked])
    assert len(table.rows) == 3
    assert any(note.startswith("skipped (1 cell)") for note in table.notes)
    assert "norm" not in header
    mixed = [cell(attack=fgsm(0.1)), cell(attack=fgsm(0.1, norm="l2"))]
    header, rows = lines_of(to_markdown(robustness_table(mixed)))
    assert [row[header.index("norm")] for row in rows] == ["linf", "l2"]


def test_the_latency_table_has_the_cells_that_were_timed():
    table = latency_table([cell(), cell(detector="dlib-hog", latency=LATENCY), failed()])
    header, rows = lines_of(to_markdown(table))
    assert header[2:] == ["p50 ms", "p90 ms", "p99 ms", "images/s", "load s", "samples"]
    assert rows == [["dlib-hog", "emopy", "3.46", "4.00", "12.3", "1,234", "5.10", "1,000"]]
    assert "batches of 64" in table.notes[0]


def test_the_recall_table_has_a_column_for_each_emotion():
    table = recall_table([cell(), failed()])
    header, rows = lines_of(to_markdown(table))
    assert header[2:] == [f"{emotion} %" for emotion in EMOTIONS]
    assert rows == [["full-frame", "emopy", *["40.0 [35.0, 45.0]"] * 7, "-"]]
    assert table.rows[0]["recall_neutral_n"] == 25


def test_csv_and_json_hold_raw_numbers_and_every_key():
    table = accuracy_table([cell(accuracy=1 / 3), failed()])
    records = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert float(records[0]["accuracy"]) == 1 / 3
    assert records[0]["dataset"] == "ferplus"
    assert records[0]["floor"] == "false"
    assert records[1]["accuracy"] == ""
    loaded = json.loads(to_json(table))
    assert loaded["title"] == "Accuracy"
    assert loaded["rows"][0]["accuracy"] == 1 / 3
    assert loaded["rows"][1]["accuracy"] is None
    assert loaded["rows"][1]["reason"] == "it has no gradient"


def test_rich_shows_every_column_and_takes_brackets_for_what_they_are():
    table = accuracy_table([cell(classifier="[red]odd"), failed()])
    text = to_text(table)
    assert "[red]odd" in text
    assert "50.0 [45.0, 55.0]" in text
    assert "failed: no gradient" in text
    assert len(to_rich(table).columns) == 9


@pytest.mark.parametrize("width", [50, 80, 100, 120])
def test_a_narrow_terminal_breaks_lines_and_says_what_it_leaves_out(width):
    table = accuracy_table([cell(), cell("opencv-haar", accuracy=0.61), failed()])
    narrow = to_text(table, width)
    assert max(map(len, narrow.splitlines())) <= width
    told = " ".join(narrow.split()).partition("Left out for want of room, ")[2]
    assert ("faces found" in told) == (width < 100)
    if width >= 100:
        whole = to_text(accuracy_table([cell(), cell("opencv-haar", accuracy=0.61)]), width)
        assert "[56.0, 66.0]" in whole
        assert "opencv-haar" in whole


@pytest.mark.parametrize("kind", ["table", "md", "csv", "json"])
@pytest.mark.parametrize("make", [accuracy_table, recall_table, robustness_table, latency_table])
def test_a_run_without_cells_renders(kind, make):
    assert render(make([]), kind)


def test_cells_without_a_classifier_are_left_out():
    landmarks = cell()
    del landmarks["axes"]["classifier"]
    assert accuracy_table([landmarks]).rows == ()


def test_reading_ten_thousand_cells_is_quick():
    cells = [cell(classifier=f"c{i}", latency=LATENCY) for i in range(10_000)]
    start = time.process_time()
    to_markdown(accuracy_table(cells))
    assert time.process_time() - start < 3


def test_a_reader_needs_no_numpy_no_plugin_and_no_runner():
    code = (
        "import sys, fxbench.tables, fxbench.leaderboard\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'numpy', 'scipy', 'pandas', 'cv2', 'tensorflow', 'rich'}))\n"
        "print(sorted(n for n in sys.modules if n in ('fxbench.runner', 'fxbench.registry')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_the_matrix_has_a_row_for_each_detector_and_a_column_for_each_classifier():
    def scored(detector, classifier, value, **more):
        made = cell(axes={"detector": detector, "classifier": classifier, **more.pop("axes", {})})
        made["metrics"] = {"accuracy_end_to_end": {"value": value}}
        return made | more

    table = matrix_table(
        [
            scored("haar", "weak", 0.2),
            scored("haar", "strong", 0.5, weights="unverified"),
            scored("whole", "strong", 0.9, weights="unverified"),
            scored("whole", "strong", 0.1, axes={"attack": "fgsm", "epsilon": 0.1}),
            failed(classifier="broken"),
        ]
    )
    header, rows = lines_of(to_markdown(table))
    assert header == ["detector", "strong† %", "weak %"]
    assert rows == [["whole", "90.0", "-"], ["haar", "50.0", "20.0"]]
    assert any("unverified" in note for note in table.notes)
    eyes, similar = ({"landmarker": "points", "align": how} for how in ("eyes", "similarity"))
    table = matrix_table(
        [
            scored("haar", "strong", 0.8, axes=similar),
            scored("haar", "strong", 0.3, axes=eyes),
            scored("haar", "strong", 0.5),
            scored("whole", "strong", 0.7, axes=eyes),
            scored("whole", "strong", 0.6),
        ]
    )
    assert [(row["detector"], row["align"]) for row in table.rows] == [
        *(("haar", "none"), ("haar", "eyes"), ("haar", "similarity")),
        *(("whole", "none"), ("whole", "eyes")),
    ]


def test_rows_of_recall_say_how_faces_were_aligned():
    aligned = cell(axes={"landmarker": "points", "align": "eyes"})
    rows = recall_table([cell(), aligned]).rows
    assert [(row["align"], row["landmarker"]) for row in rows] == [
        ("none", None),
        ("eyes", "points"),
    ]


def test_of_several_tables_a_long_one_is_shortened_and_says_how_to_see_it_all(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    MadeUpRun(detectors=13, classifiers=10, conditions=0, images=20, drawn=2).write(tmp_path / "r")
    shown = {}
    for names in ((), ("--table", "accuracy")):
        with pytest.raises(SystemExit):
            main(["tables", str(tmp_path / "r"), *names])
        shown[names] = capsys.readouterr().out
    accuracy = shown[()].partition("Calibration")[0]
    assert accuracy.count("classifier-") == 100
    assert "30 more rows: `fxbench tables --table accuracy` shows all." in accuracy
    assert shown["--table", "accuracy"].count("classifier-") == 130
