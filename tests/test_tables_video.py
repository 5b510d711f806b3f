"""The tables of videos, from nothing but cells."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fxbench.clips import Clip, Interval
from fxbench.labels import EMOTIONS
from fxbench.scoring import Predictions
from fxbench.scoring_clips import Seen, score_clips
from fxbench.scoring_spotting import score_spotting
from fxbench.tables_video import motion_table, recognition_table, spotting_table, video_table
from fxbench.tabular import to_csv, to_json, to_markdown, to_text
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


@pytest.mark.parametrize("table", [video_table, spotting_table, recognition_table, motion_table])
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
    assert "megc: as" in text


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


def test_the_table_of_motion():
    made = motion_table([moved("mean-shape", floor=True), moved(home_advantage=True), *ALL])
    assert [row["landmarker"] for row in made.rows] == ["mean-shape", "dlib-68", "dlib-68"]
    text = to_text(made)
    assert "mean-shape‡" in text
    assert "dlib-68§" in text
    assert "0.0123 [0.0100, 0.0150]" in text
