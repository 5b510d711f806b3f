"""`fxbench report`: which sections a run has, what they say, and what they must not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from made_up_conditions import a_run, cell
from made_up_run import MadeUpRun

from fxbench import answers
from fxbench.answers import NOT_ASKED, Answered
from fxbench.cli import cli
from fxbench.errors import StoreError
from fxbench.report.assemble import report
from fxbench.report.record import command_of
from fxbench.report.samples import sheets
from fxbench.report.scores import _trade
from fxbench.store import StoredRun, load

pytest.importorskip("jinja2", reason="needs the extra report")
pytest.importorskip("plotly", reason="needs the extra report")

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
RECORD: dict[str, Any] = {
    "id": "made-up-1a2b3c4d",
    "status": "finished",
    "created": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-02T00:00:00+00:00",
    "plan": {"key": "12" * 16, "factors": {}, "cells": 1, "exclusions": []},
    "recipe": {"selection": {}, "settings": []},
    "datasets": {
        "ferplus": {
            "split": "valid",
            "protocol": "majority",
            "fingerprint": "ab" * 20,
            "terms": {"licence": "for research", "may_show": False},
        }
    },
    "images": {"ferplus valid (majority)": {"selected": 1000, "unreadable": []}},
    "environment": {
        "fxbench": "0.1.0",
        "cpu": "a processor",
        "packages": {"numpy": "2.0"},
        "memory_bytes": 16_000_000_000,
    },
}


def stored(tmp_path, cells, **more):
    return StoredRun(tmp_path / "made-up-1a2b3c4d", RECORD | more, cells)


def headings(html):
    return re.findall(r'<h2 id="([^"]*)">', html)


def text_of(html):
    """What a person reads."""
    body = html[html.index("<main") : html.index("</main>")]
    return unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", body, flags=re.DOTALL))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made-up run on disk: 3 detectors, 4 classifiers, two attacks."""
    folder = tmp_path_factory.mktemp("results") / "made-up"
    MadeUpRun(images=120).write(folder)
    return folder


# What it shows.


def test_a_run_has_the_sections_that_it_has(tmp_path):
    assert headings(report(stored(tmp_path, a_run()))) == [
        *("leaderboard", "accuracy", "robustness", "transfer", "corruptions"),
        *("provenance", "environment", "reproduce", "cite"),
    ]


def test_a_run_of_landmarkers_has_no_leaderboard(tmp_path):
    axes = {"dataset": "d", "split": "s", "protocol": "p", "detector": "a", "landmarker": "five"}
    one = cell("none", 0.5) | {"axes": axes, "points": 5}
    one["images"] = {"n": 4, "faces": 4, "found": 3}
    one["curve"] = {"error": [0, 0.08], "share": [0, 0.75]}
    html = report(stored(tmp_path, [one]))
    assert headings(html)[:2] == ["landmarks", "provenance"]
    assert "Within 0.08 are: five behind a 75.0 %." in unescape(html)


def test_everything_of_a_made_up_run_is_there(made):
    run = load(made)
    html = report(run, answers.read(made))
    assert headings(html)[:6] == [
        *("leaderboard", "accuracy", "latency", "emotions", "calibration", "robustness")
    ]
    text = text_of(html)
    best = max(
        (c for c in run.cells if "attack" not in c["axes"]),
        key=lambda c: c["metrics"]["accuracy_end_to_end"]["value"],
    )
    value = 100 * best["metrics"]["accuracy_end_to_end"]["value"]
    assert f"the highest end-to-end accuracy is {value:.1f} %" in text
    assert "On the Pareto front" in unescape(html)
    assert text.count("Confusion") == 1
    assert html.count("<option") > 12, "each cell can be chosen"


def test_what_is_not_finished_or_failed_is_said_first(tmp_path):
    failed = cell("emopy", 0.5) | {
        "status": "failed",
        "metrics": None,
        "reason": {"kind": "error", "message": "It broke <here>.", "mend": None},
    }
    html = report(stored(tmp_path, [cell("prior", 0.3), failed], status="running"))
    warnings = re.findall(r'<p class="warning" role="note">(.*?)</p>', html)
    assert warnings[0].startswith("This run is not finished")
    assert "1 of 2 cells failed (classifier), such as: It broke &lt;here&gt;." in warnings[1]


def test_a_run_without_cells_is_a_page_too(tmp_path):
    html = report(stored(tmp_path, []))
    assert headings(html) == ["provenance", "environment", "reproduce", "cite"]


def test_an_interval_that_begins_at_nothing_is_drawn():
    row = {"detector": "d", "classifier": "c", "latency_p50_ms": 1.0}
    row |= {f"accuracy_end_to_end{end}": v for end, v in (("", 0.2), ("_low", 0.0), ("_high", 0.5))}
    figure, _ = _trade([row])
    (drawn,) = [one for one in figure["data"] if one["mode"] == "markers"]
    assert drawn["error_y"]["arrayminus"].tolist() == [20]


def test_times_of_two_machines_share_no_figure(tmp_path):
    def timed(name, machine, ms):
        latency = {"p50_ms": ms, "machine": machine}
        return cell(name, 0.5, latency=latency)

    cells = [
        timed(n, m, ms) for n, m, ms in (("a", "x", 1), ("b", "x", 2), ("c", "y", 3), ("d", "y", 4))
    ]
    html = unescape(report(stored(tmp_path, cells)))
    assert "timed on x</option>" in html
    assert "timed on y</option>" in html


# Faces.


def answered(tops, labels, **more):
    count = len(labels)
    given = {
        "dataset": "ferplus",
        "split": "valid",
        "protocol": "majority",
        "rows": np.arange(count) * 10,
        "ids": tuple(f"face-{place}.png" for place in range(count)),
        "labels": np.array(labels),
        "clusters": np.arange(count),
        "groups": {},
        "tops": {name: np.array(top) for name, top in tops.items()},
    }
    return Answered(**(given | more))


def cells_of(*names, **more):
    return [cell(name, 0.5, **more) | {"id": name} for name in names]


def test_faces_are_right_wrong_or_disputed_by_what_most_answered():
    tops = {"a": [0, 1, 2, -1, 4, -2], "b": [0, 1, 3, -1, 5, 1], "c": [0, 7, 4, -1, 4, 2]}
    found = sheets(cells_of("a", "b", "c"), answered(tops, [0, 1, 1, 3, 5, -1]))
    assert [(s.sort, [p.row for p in s.picks]) for s in found] == [
        ("Right", [0, 10]),
        ("Wrong", [20, 40]),
        ("Disputed", [20, 40, 10]),
    ], "nobody found face 30, and face 50 has no label"
    right, wrong, _ = found
    assert (right.picks[1].right, right.picks[1].asked) == (2, 3)
    assert right.picks[1].told == "happiness (2), contempt (1)"
    assert wrong.picks[0].told == "surprise (1), sadness (1), anger (1)"


def test_one_cell_has_nothing_in_dispute_and_a_floor_counts_for_none():
    tops = {"a": [0, 1, NOT_ASKED], "prior": [0, 0, 0]}
    cells = [*cells_of("a"), *cells_of("prior")]
    found = sheets(cells, answered(tops, [0, 0, 0]))
    assert [(s.sort, [p.id for p in s.picks]) for s in found] == [
        ("Right", ["face-0.png"]),
        ("Wrong", ["face-1.png"]),
    ]
    assert found[0].picks[0].told == "neutral"


def test_copies_stand_once_and_emotions_by_turns():
    tops = {"a": [0] * 8 + [1] * 2}
    source = answered(tops, [0] * 8 + [1] * 2, clusters=np.array([5, 5, 5, 6, 7, 8, 8, 9, 1, 1]))
    (right,) = sheets(cells_of("a"), source)
    assert [pick.row for pick in right.picks] == [0, 80, 30, 40, 50, 70]


def pictures(dataset, split, rows):
    return {row: np.full((8, 8, 3), 90, np.uint8) for row in rows}, ""


def test_pictures_are_there_only_where_they_are_given(tmp_path):
    source = answered({"a": [0, 1]}, [0, 0])
    run = stored(tmp_path, cells_of("a"))
    assert "<img" not in report(run, [source])
    assert "--with-images" in report(run, [source])
    shown = report(run, [source], thumbnails=pictures)
    assert shown.count('<img src="data:image/webp;base64,') == 2
    assert 'alt="face-0.png, labelled as neutral"' in shown
    refused = report(run, [source], thumbnails=lambda *_: ({}, "The licence says <no>."))
    assert "<img" not in refused
    assert "No pictures: The licence says &lt;no&gt;." in refused


# What it must not show.


def test_names_are_text_wherever_they_come_from(tmp_path):
    one = cell(EVIL, 0.7, axes={"detector": EVIL})
    one["confusion"] = {"labels": [EVIL], "columns": [EVIL, "b"], "counts": [[1, 2]]}
    source = answered({one["id"]: [0, 1]}, [0, 0], dataset=EVIL, ids=(EVIL, EVIL))
    more = {
        "id": EVIL,
        "datasets": {EVIL: {"split": EVIL, "protocol": EVIL, "fingerprint": EVIL, "note": EVIL}},
        "environment": {"cpu": EVIL, "packages": {EVIL: EVIL}},
        "options": {EVIL: {"given": {EVIL: EVIL}, "defaulted": {}}},
        "recipe": {"selection": {"datasets": [EVIL]}, "settings": [f"a.b={EVIL}"]},
        "citations": [{"key": "a", "bibtex": EVIL, "for": [EVIL]}],
    }
    html = report(
        stored(tmp_path, [one, cell("b", 0.5)], **more), [source], suite=EVIL, thumbnails=pictures
    )
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert len(re.findall(r"<script", html)) == html.count("</script>")


def test_places_of_the_machine_are_left_out(tmp_path):
    secret = "/home/zaphod/private"
    more = {
        "options": {
            "dataset ferplus": {
                "given": {"path": secret, "labels": "label.csv"},
                "defaulted": {"cache": "s3://key@bucket/x"},
            }
        },
        "recipe": {
            "selection": {"datasets": ["ferplus"]},
            "settings": [f"ferplus.path={secret}", "ferplus.labels=label.csv"],
            "model": {"path": f"{secret}/m.onnx", "labels": "neutral", "input": "grey,48,0..1"},
        },
        "workers": {"machines": [{"host": "zaphod-laptop", "cpu": "c", "workers": 2}]},
    }
    html = report(stored(tmp_path, a_run(), **more))
    for word in ("zaphod", "key@bucket"):
        assert word not in html
    assert "--set ferplus.path=PATH" in html
    assert "label.csv" in html


def test_readers_of_a_report_need_no_runner_and_no_plugin():
    code = (
        "import sys, fxbench.report.assemble\n"
        "print(*(n for n in sys.modules if n.startswith('fxbench') or '.' not in n))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "fxbench.report.scores" in loaded
    assert not {"fxbench.runner", "fxbench.registry", "fxbench.plan", "fxbench.sources"} & loaded
    assert not {"tensorflow", "matplotlib", "cv2"} & loaded
    assert not [name for name in loaded if name.startswith("fxbench_")]


# How to make it again.


def test_the_command_of_a_recipe_is_the_one_that_was_given():
    recipe = {
        "selection": {
            "datasets": ["mini"],
            "attacks": ["none", "fgsm"],
            "epsilons": [0.0, 2 / 255],
            "target_labels": ["anger"],
            "aligns": ["none", "eyes"],
            "every": [1, 5],
            "fps": 12.5,
            "limit": 48,
        },
        "settings": ["prior.classes=a b"],
    }
    assert command_of(recipe).replace(" \\\n ", "") == (
        "fxbench run --datasets mini --attacks none,fgsm --epsilons 0,2/255 --target-labels anger "
        "--align none,eyes --detect-every 1,5 --fps 12.5 --limit 48 --set 'prior.classes=a b'"
    )


def test_a_command_has_every_digit_of_its_numbers():
    selection = {"epsilons": [8 / 255, 0.0123456789], "fps": 29.97003, "smoothing": [0.0, 1 / 3]}
    told = command_of({"selection": selection})
    assert "--epsilons 8/255,0.0123456789 " in told
    assert "--fps 29.97003 " in told
    assert told.endswith("--smoothing 0,0.3333333333333333")


def test_the_command_of_a_suite_says_that_a_place_is_needed(tmp_path):
    recipe = {"selection": {}, "settings": ["ferplus.path=/home/me/fer", "prior.classes=a"]}
    html = report(stored(tmp_path, [], recipe=recipe), suite="ferplus-1")
    assert "fxbench run --suite ferplus-1 \\\n  --set ferplus.path=PATH</code>" in html
    assert "PATH stands for where things lie" in html


def test_every_field_of_a_selection_has_its_option():
    from dataclasses import fields

    from fxbench.cli.run import command
    from fxbench.report.record import _OPTIONS
    from fxbench.selection import Selection

    assert set(_OPTIONS) == {field.name for field in fields(Selection)}
    assert {f"--{name}" for name in _OPTIONS.values()} <= {
        o for p in command.params for o in p.opts
    }


def test_a_run_that_was_merged_or_given_by_hand_says_so(tmp_path):
    merged = report(stored(tmp_path, [], merged=[{"id": "one"}, {"id": "two"}], recipe=None))
    assert "merged of the runs one, two" in text_of(merged)
    assert "no recipe is kept" in text_of(report(stored(tmp_path, [], recipe=None)))
    assert "fxbench run --suite mini-1" in report(stored(tmp_path, []), suite="mini-1")


# The command.


def call(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def test_the_command_writes_one_file(made, tmp_path):
    path = tmp_path / "new" / "r.html"
    done = call("made-up", "-o", path, "--results", made.parent)
    assert done.exit_code == 0, done.output
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    again = call("-o", path, "--results", made.parent)
    assert again.exit_code != 0
    assert "r.html is there already: give --force" in str(again.exception)
    forced = call("-o", path, "--force", "--json", "--results", made.parent)
    record = json.loads(forced.stdout)
    assert record == {"run": "made-up", "file": str(path), "bytes": path.stat().st_size}


def test_the_command_refuses_what_it_can_not_do(made, tmp_path):
    for arguments, told in (
        (("nothing", "--results", made.parent), "There is no run 'nothing'"),
        (("--results", tmp_path), "There is no run in"),
        (
            ("--set", "mini.path=x", "--results", made.parent),
            "no image is read without --with-images",
        ),
        (("-o", tmp_path, "--results", made.parent), "is a directory"),
    ):
        done = call(*arguments)
        assert done.exit_code != 0
        assert told in f"{done.output}{done.exception}"


def test_a_name_that_no_file_can_have_is_refused(made, tmp_path):
    done = call("-o", tmp_path / ("a" * 300), "--results", made.parent)
    assert isinstance(done.exception, StoreError)
    assert "which -o names, could not be written" in str(done.exception)


def test_pictures_come_only_where_record_and_dataset_allow_them(tmp_path):
    results = tmp_path / "results"
    given = "run --datasets mini --limit 16 --detectors full-frame --classifiers emopy-onnx"
    run = [*given.split(), "--attacks", "none", "--no-latency", "--results", str(results)]
    assert CliRunner().invoke(cli, run).exit_code == 0
    (folder,) = results.iterdir()
    path = tmp_path / "r.html"

    def shown():
        assert call("-o", path, "--force", "--with-images", "--results", results).exit_code == 0
        return path.read_text(encoding="utf-8")

    assert shown().count("<img") > 8
    kept = json.loads((folder / "run.json").read_text())
    for change, told in (
        ({"terms": kept["datasets"]["mini"]["terms"] | {"may_show": False}}, "The licence of mini"),
        ({"fingerprint": "00" * 20}, "others than the run's"),
    ):
        changed = kept | {"datasets": {"mini": kept["datasets"]["mini"] | change}}
        (folder / "run.json").write_text(json.dumps(changed))
        html = shown()
        assert "<img" not in html
        assert told in unescape(html)
        # The page is made all the same: who asked for pictures hears of it at once.
        assert told in call("-o", path, "--force", "--with-images", "--results", results).stderr
