"""The tables of videos, from nothing but cells."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fxbench.cli import cli
from fxbench.clips import Clip, Interval
from fxbench.interval_table import interval_table
from fxbench.labels import EMOTIONS
from fxbench.leaderboard import leaderboard_table
from fxbench.scoring import Predictions
from fxbench.scoring_clips import Seen, score_clips
from fxbench.scoring_spotting import score_spotting
from fxbench.store import RunFolder
from fxbench.tables_latency import latency_table
from fxbench.tables_video import (
    megc_table,
    motion_table,
    recognition_table,
    spotting_table,
    video_table,
)
from fxbench.tabular import Column, Table, to_csv, to_json, to_markdown, to_text
from fxbench.types import Answers

HAPPY = EMOTIONS.index("happiness")
SAD = EMOTIONS.index("sadness")


def cell(axes: dict, **more) -> dict:
    axes = {"dataset": "mini-clips", "split": "test", "protocol": "frames", **axes}
    return {
        "schema": 1,
        "id": "-".join(map(str, axes.values())),
        "axes": axes,
        "status": "ok",
        "reason": None,
        "floor": False,
        "images": {"n": 100, "found": 90},
        "metrics": {},
        **more,
    }


def classified(classifier: str = "emopy", **more) -> dict:
    clips = (Clip("a", 0, 2, 25.0, HAPPY), Clip("b", 2, 2, 25.0, SAD))
    seen = Seen(
        clips,
        np.array([0, 0, 1, 1]),
        np.array([0, 0.04, 0, 0.04]),
        Answers(np.arange(4), np.array([HAPPY, HAPPY, SAD, SAD])),
        Predictions(
            np.ones(4, bool),
            np.eye(8, dtype=np.float16)[[HAPPY, HAPPY, HAPPY, SAD]],
            EMOTIONS,
        ),
    )
    score = score_clips(seen)
    frames = {"value": 0.75, "low": 0.3, "high": 0.95, "n": 4}
    metrics = score["metrics"] | {"accuracy": frames, "accuracy_end_to_end": frames}
    video = score["video"]
    axes = {"detector": "opencv-yunet", "classifier": classifier, **more.pop("axes", {})}
    more.setdefault("latency", {"real_time_factor": 12.34})
    return cell(axes, metrics=metrics, video=video, **more)


def spotted(spotter: str = "landmark-motion", hit: bool = True, **more) -> dict:
    clips = [
        Clip("a", 0, 750, 25.0, HAPPY, "s1", (Interval(10, 14, 19, "micro"),)),
        Clip("b", 750, 3000, 100.0, SAD, "s2", (Interval(100, 150, 199, "macro"),)),
        Clip("c", 3750, 750, 25.0, 0, "s2", ()),
    ]
    answered = {"a": clips[0].intervals, "c": [Interval(5, None, 9, "micro")]} if hit else {}
    told = {"emopy-onnx": {"a": [HAPPY], "c": [SAD]}}
    frames = {one.name: np.arange(one.frames) for one in clips}
    axes = {"detector": "opencv-yunet", "spotter": spotter, **more.pop("axes", {})}
    return cell(axes, **score_spotting(clips, answered, told, frames), **more)


def moved(landmarker: str = "dlib-68", **more) -> dict:
    metrics = {
        "motion_error": {"value": 0.012345, "low": 0.01, "high": 0.015, "n": 100},
        "jitter": {"value": 0.004, "low": None, "high": None, "n": 99},
        "nme_inter_ocular": {"value": 0.05, "low": None, "high": None, "n": 100},
    }
    axes = {"detector": "opencv-yunet", "landmarker": landmarker, **more.pop("axes", {})}
    return cell(axes, metrics=metrics, **more)


def in_one_line(table: Table) -> str:
    return " ".join(to_text(table).split())


FAILED = {
    "status": "failed",
    "reason": {"kind": "error", "message": "It broke.", "mend": "Mend it."},
    "metrics": None,
    "images": None,
}
STILL = cell({"detector": "opencv-yunet", "classifier": "emopy"}, metrics={})
ALL = [
    classified(),
    spotted(),
    spotted("spot-none", hit=False, floor=True),
    moved(),
    STILL | {"status": "ok"},
]


@pytest.mark.parametrize(
    "table", [video_table, spotting_table, recognition_table, megc_table, motion_table]
)
def test_each_table_takes_its_own_cells_and_renders_in_every_format(table):
    made = table(ALL)
    assert made.rows
    for text in (to_text(made), to_text(made, 80), to_markdown(made), to_csv(made), to_json(made)):
        assert text
    assert json.loads(to_json(made))["rows"] == [dict(row) for row in made.rows]
    assert not table([]).rows
    assert not table([STILL]).rows


def test_the_table_of_clips():
    made = video_table(ALL)
    (row,) = made.rows
    # Of the second clip's two frames each says something else: the first emotion has the tie.
    assert (row["clip_accuracy"], row["accuracy_end_to_end"]) == (0.5, 0.75)
    assert row["uf1"] == pytest.approx((2 / 3 + 0) / 2)
    assert row["flips_per_s"] == pytest.approx(1 / 0.08)
    assert (row["clips"], row["real_time_factor"]) == (2, 12.34)
    text = to_text(made)
    assert "12.3" in text
    assert "MEGC 2019" in text
    # Of what has no such figures there are no columns, and no notes.
    plain = classified(latency=None)
    for name in ("uf1", "uar"):
        del plain["metrics"][name]
    plain["video"]["classes"] = dict.fromkeys(plain["video"]["classes"], 0)
    text = to_text(video_table([plain]))
    assert "UF1" not in text
    assert "video s/s" not in text.lower()


def test_a_classifier_that_failed_on_clips_is_a_row_below():
    broken = classified("broken") | FAILED | {"video": None}
    made = video_table([broken, classified()])
    assert [row["classifier"] for row in made.rows] == ["emopy", "broken"]
    assert "It broke. → Mend it." in to_text(made)


def test_the_table_of_spotters():
    made = spotting_table([FAILED_SPOTTER, *ALL])
    assert [row["spotter"] for row in made.rows] == ["landmark-motion", "spot-none", "broken"]
    own, floor, _ = made.rows
    assert (own["tp"], own["fp"], own["fn"]) == (1, 1, 1)
    assert own["spot_f1"] == 0.5
    assert own["spot_f1_micro"] == pytest.approx(2 / 3)
    assert (own["spot_f1_macro"], own["megc_f1"]) == (0.0, pytest.approx(2 / 3))
    assert (own["spot_f1_25fps"], own["spot_f1_100fps"]) == (pytest.approx(2 / 3), 0.0)
    # One in a minute and a half; in the half minute of the quiet clip.
    assert own["false_alarms_per_minute"] == pytest.approx(1 / 1.5)
    assert own["false_alarms_per_minute_quiet"] == pytest.approx(2.0)
    assert floor["spot_f1"] == floor["megc_f1"] == 0.0
    text = to_text(made)
    assert "spot-none‡" in text
    assert "F1 at 25 fps" in text
    assert "0.500 [" in text
    assert "1/1/1" in text
    assert "Clips: 3, expressions in them: 2." in text
    assert "failed: error" in text
    assert "megc" not in text


FAILED_SPOTTER = cell({"detector": "opencv-yunet", "spotter": "broken"}) | FAILED


def test_one_frame_rate_needs_no_column():
    one = spotted()
    del one["spotting"]["fxbench"]["by_fps"]["100"]
    assert "fps" not in to_text(spotting_table([one]))


def test_axes_that_vary_are_columns():
    cells = [spotted(axes={"every": k}) for k in (2, 5)]
    assert "detected every" in to_text(spotting_table(cells)).splitlines()[2]
    cells = [classified(axes={"smoothing": s}) for s in (0.2, 0.5)]
    assert "smoothed" in to_text(video_table(cells)).splitlines()[2]


def test_what_is_the_same_everywhere_is_said_in_words_in_the_title():
    more = {"every": 5, "smoothing": 0.2, "align": "eyes", "landmarker": "dlib-68", "light": "dim"}
    assert in_one_line(video_table([classified(axes=more)])).startswith(
        "Clips: mini-clips, test, frames, faces aligned: eyes, landmarks by dlib-68, faces looked "
        "for in every 5 frames, answers smoothed over 0.2 s, light dim detector"
    )
    title = in_one_line(spotting_table([spotted(axes={"every": 5})]))
    assert ", frames, opencv-yunet, faces looked for in every 5 frames spotter" in title
    found = spotted(axes={"every": 5})
    found["intervals"] = [{"clip": "a", "fps": 25.0, "frames": 9, "truth": [], "spotted": [SOME]}]
    assert "faces looked for in every 5 frames" in in_one_line(interval_table([found]))
    # What nobody did to the faces is no news.
    plain = classified(axes={"align": "none"})
    assert "none" not in to_text(video_table([plain])).splitlines()[0]


SOME = {"onset": 1, "apex": None, "offset": 3, "kind": "micro", "score": 1.0}


def chains() -> list[dict]:
    """Spotters with long names, as a run with three detectors has them."""
    behind = [{"landmarker": "dlib-68"}, {"classifier": "mobilenetv2-onnx"}]
    cells = [
        spotted("landmark-motion", axes={"detector": detector, **one})
        for detector in ("opencv-yunet", "dlib-mmod")
        for one in behind
    ]
    floor = spotted("spot-everything", axes={"detector": "full-frame"}, hit=False, floor=True)
    for one in (cells := [*cells, floor]):
        one["recognition"]["mobilenetv2-onnx"] = one["recognition"]["emopy-onnx"]
        one["latency"] = {"real_time_factor": 3.2}
    return cells


@pytest.mark.parametrize("table", [spotting_table, recognition_table, megc_table])
def test_no_name_is_broken_at_120_columns_but_at_its_hyphens(table):
    made = table(chains())
    for width in (160, 120):
        text = to_text(made, width)
        assert max(map(len, text.splitlines())) <= width
        words = text.replace("\n", " ").split()
        for name in ("opencv-yunet", "landmark-motion", "mobilenetv2-onnx", "spot-everything‡"):
            parts = [part for part in name.replace("-", "-\0").split("\0") if part]
            whole = name in words or (made.title.startswith("Spotting, by") and width == 120)
            assert whole, (name, width)
            assert all(part in words or name in words for part in parts), (name, width)
    assert "Left out" not in to_text(made, 160)


def test_columns_that_can_be_spared_go_where_there_is_no_room():
    text = to_text(spotting_table(chains()), 80)
    assert "fps" not in text.split("Left out")[0]
    assert "there with --format md: F1 at 25 fps, F1 at 100 fps" in " ".join(text.split())
    table = Table("T", (Column("a", "a"), Column("b", "longest-header", spare=True)), ({"a": 1},))
    assert "longest-header" in to_text(table, 40)
    narrow = to_text(table, 12)
    assert narrow.split()[:4] == ["T", "a", "─", "1"]
    assert "Leftoutforwantofroom" in "".join(narrow.split())
    assert "longest-header" in to_markdown(table)


def test_the_table_of_recognition_has_a_row_for_each_classifier():
    made = recognition_table(ALL)
    own, floor = made.rows
    assert own["recognised_by"] == "emopy-onnx"
    assert own["spot_f1"] == 0.5
    assert own["uf1"] == 1.0
    assert own["strs"] == 0.5
    assert own["megc_spot_f1"] == pytest.approx(2 / 3)
    # One class, of all hits: the script has nothing to say.
    assert own["megc_f1"] is None
    assert floor["strs"] == floor["megc_strs"] == 0.0


def test_the_table_of_the_grand_challenges_script():
    made = megc_table([FAILED_SPOTTER, *ALL])
    own, floor = made.rows
    assert (own["spotter"], own["recognised_by"]) == ("landmark-motion", "emopy-onnx")
    assert own["spot_f1"] == pytest.approx(2 / 3)
    assert (own["spot_f1_micro"], own["spot_f1_macro"]) == (1.0, 0.0)
    assert (own["f1"], floor["strs"]) == (None, 0.0)
    text = to_text(made)
    assert text.startswith("Spotting and recognition, by megc: mini-clips")
    assert "public script" in text
    # A spotter whose intervals nobody recognises is a row all the same.
    alone = spotted()
    alone["recognition"] = {}
    (row,) = megc_table([alone]).rows
    assert row["recognised_by"] is None
    assert "recognised by" not in to_text(megc_table([alone])).split("As the")[0]


def test_clips_that_nobody_has_annotated_have_no_figures_by_megc():
    clips = (Clip("a", 0, 750, 25.0, HAPPY, "s1"),)
    record = score_spotting(clips, {"a": [Interval(1, 2, 3, "micro")]}, {"emopy": {"a": [1]}}, {})
    bare = cell({"detector": "opencv-yunet", "spotter": "landmark-motion"}, **record)
    (row,) = megc_table([bare]).rows
    assert [row[key] for key in ("spot_f1", "spot_f1_micro", "spot_f1_macro", "strs")] == [None] * 4
    text = in_one_line(spotting_table([bare]))
    assert "Nobody has annotated these clips" in text
    assert "`fxbench tables --table intervals` lists what was found" in text
    assert "0.000" not in to_text(megc_table([bare])) + text


def test_which_classes_the_clips_show_is_said_where_it_is_not_all_of_them():
    made = in_one_line(video_table([classified()]))
    assert "The clips of mini-clips test show negative (1) and positive (1) only" in made
    assert "MEGC's over all three" in made
    one = classified()
    one["video"]["classes"] = {"negative": 0, "positive": 4, "surprise": 0}
    assert "show positive (4) only: without another class" in in_one_line(video_table([one]))
    one["video"]["classes"] = {"negative": 1, "positive": 4, "surprise": 2}
    assert "only:" not in in_one_line(video_table([one]))


@pytest.mark.parametrize("table", [latency_table, leaderboard_table])
def test_ways_to_watch_that_no_single_image_has_a_time_for_have_one_for_videos(table):
    timed = classified(latency={"p50_ms": 1.0, "batch": 8, "real_time_factor": 12.34})
    every = classified(axes={"every": 5}, latency={"real_time_factor": 30.0})
    made = table([timed, every])
    assert [row.get("every") for row in made.rows] == [None, 5]
    assert [row["real_time_factor"] for row in made.rows] == [12.34, 30.0]
    text = to_text(made)
    assert "video s/s" in text
    assert "an image by itself has no time" in " ".join(text.split())
    # Without times of images there is nothing to explain, and no table of them.
    text = to_text(table([every]))
    assert "by itself" not in text
    assert table is leaderboard_table or not table([every]).rows
    # Nor is anything said of videos where there are none.
    assert "ideo s/s" not in to_text(table([classified(latency={"p50_ms": 1.0, "batch": 8})]))


def test_the_table_of_motion():
    made = motion_table([moved("mean-shape", floor=True), moved(home_advantage=True), *ALL])
    assert [row["landmarker"] for row in made.rows] == ["mean-shape", "dlib-68", "dlib-68"]
    text = to_text(made)
    assert "mean-shape‡" in text
    assert "dlib-68§" in text
    assert "0.0123 [0.0100, 0.0150]" in text


# The command.


@pytest.fixture
def told(tmp_path):
    """Store cells as a run, and call `fxbench tables` or `leaderboard` on it."""

    def call(cells, command, *arguments):
        folder = RunFolder(tmp_path / "results" / "r")
        folder.folder.mkdir(parents=True, exist_ok=True)
        run = {"id": "r", "status": "finished", "created": "2026", "images": {}, "plan": {}}
        folder.write_run(run)
        folder.compact([{"asked": True, **one} for one in cells])
        words = [command, "--results", str(tmp_path / "results"), *arguments]
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    return call


def test_where_spotters_found_nothing_it_is_said_so(told):
    quiet = spotted(hit=False) | {"intervals": [{"clip": "a", "truth": [], "spotted": []}]}
    words = ("tables", "--table", "intervals")
    assert told([quiet], *words) == (
        "The spotters found nothing in the videos of this run, and nothing is annotated.\n"
    )
    assert "has no spotter's result" in told([classified()], *words)
    assert "has no spotter's result" in told([FAILED_SPOTTER], *words)


def test_files_end_with_one_line_end(told):
    for words in (("tables",), ("tables", "--table", "spotting"), ("leaderboard",)):
        for form in ("csv", "md"):
            text = told(ALL[:3], *words, "--format", form)
            assert text.endswith("\n")
            assert not text.endswith("\n\n"), (words, form)
            assert not text.startswith("\n")
    # Several tables have an empty line between them.
    assert "\n\n# spotting\n" in told(ALL[:3], "tables", "--format", "csv")


def test_what_goes_into_a_pipe_is_as_wide_as_columns_says(told, monkeypatch):
    def widest():
        text = told([*chains(), classified()], "tables", "--table", "spotting")
        return max(map(len, text.splitlines()))

    for columns, width in (("90", 90), ("", 160), ("wide", 160)):
        monkeypatch.setenv("COLUMNS", columns)
        assert width - 45 < widest() <= width, columns
    monkeypatch.delenv("COLUMNS")
    assert 115 < widest() <= 160
