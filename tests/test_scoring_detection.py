"""From found boxes to the metrics of a detector's cell and their table."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from docs_text import section

from fxbench.errors import PluginError
from fxbench.scoring_detection import CURVE_POINTS, Detected, score_detections
from fxbench.tables import accuracy_table
from fxbench.tables_faces import detection_table, landmark_table
from fxbench.tabular import to_csv, to_json, to_text

FACE = (10, 10, 30, 30)
NEAR = (10, 10, 30, 18)  # overlaps FACE by 0.4
ELSEWHERE = (60, 60, 90, 90)


def detected(images, truth, found) -> Detected:
    """From the rows of the images, `(row, box)` for faces, `(row, box, score)` for found boxes."""

    def columns(listed, width):
        return (
            np.array([entry[0] for entry in listed], np.int64),
            np.array([entry[1] for entry in listed], np.float32).reshape(-1, width),
        )

    scores = np.array([entry[2] for entry in found], np.float32)
    return Detected(np.array(images, np.int64), *columns(truth, 4), *columns(found, 4), scores)


EXAMPLE = detected(
    [40, 7, 9],  # in any order; no face in 9
    [(7, FACE), (7, ELSEWHERE), (40, FACE)],
    [(40, NEAR, 0.6), (7, ELSEWHERE, 0.9), (9, FACE, 0.8), (7, FACE, 0.7), (9, FACE, 0.1)],
)


def value(result, name):
    return result["metrics"][name]["value"]


def test_an_example_reckoned_by_hand():
    result = score_detections(EXAMPLE, scored=True)
    assert result["images"] == {"n": 3, "faces": 3, "found": 2}
    assert value(result, "precision") == 2 / 5
    assert value(result, "recall") == 2 / 3
    assert value(result, "precision_30") == 3 / 5
    assert value(result, "recall_30") == 1
    # Three false positives in three images, of which the two in the image without a face count.
    assert value(result, "false_positives_per_image") == 1
    # Falling scores: hit, miss, hit, miss (at 0.3: hit), miss. A third of recall for each face.
    assert value(result, "average_precision_50") == pytest.approx((1 + 2 / 3) / 3)
    assert value(result, "average_precision_30") == pytest.approx((1 + 3 / 4 + 3 / 4) / 3)
    assert result["curve"] == {
        "recall": pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3]),
        "precision": pytest.approx([1, 1 / 2, 2 / 3, 1 / 2, 2 / 5]),
        "score": pytest.approx([0.9, 0.8, 0.7, 0.6, 0.1]),
    }
    assert [result["metrics"][name]["n"] for name in ("precision", "recall")] == [5, 3]
    assert result["metrics"]["false_positives_per_image"]["n"] == 3
    json.dumps(result, allow_nan=False)


def test_what_needs_a_score_is_left_out_without_one():
    with_scores = score_detections(EXAMPLE, scored=True)
    without = score_detections(EXAMPLE, scored=False)
    assert without["curve"] is None
    assert set(with_scores["metrics"]) - set(without["metrics"]) == {
        "average_precision_50",
        "average_precision_30",
    }
    for name, estimate in without["metrics"].items():
        assert estimate == with_scores["metrics"][name]


def test_images_without_faces_count_for_false_positives_alone():
    faces = [(1, FACE), (2, FACE)]
    found = [(1, FACE, 1), (2, FACE, 1)]
    few = score_detections(detected([1, 2], faces, found), scored=True)
    more = score_detections(detected([1, 2, 3, 4], faces, [*found, (3, FACE, 0)]), scored=True)
    assert value(few, "false_positives_per_image") == 0
    assert value(more, "false_positives_per_image") == 1 / 4
    assert value(more, "average_precision_50") == value(few, "average_precision_50") == 1
    assert more["metrics"]["recall"] == few["metrics"]["recall"]
    assert value(more, "precision") == 2 / 3


def test_no_boxes_no_faces_and_no_images():
    blind = score_detections(detected([1], [(1, FACE)], []), scored=True)
    assert blind["images"] == {"n": 1, "faces": 1, "found": 0}
    assert value(blind, "average_precision_50") == value(blind, "recall") == 0
    assert value(blind, "false_positives_per_image") == 0
    assert blind["metrics"]["precision"]["value"] is None
    assert blind["curve"] is None

    empty = score_detections(detected([1], [], [(1, FACE, 1)]), scored=True)
    assert value(empty, "false_positives_per_image") == 1
    assert value(empty, "precision") == 0
    for name in ("average_precision_50", "recall"):
        assert empty["metrics"][name] == {"value": None, "low": None, "high": None, "n": 0}
    assert empty["curve"] is None

    nothing = score_detections(detected([], [], []), scored=True)
    assert {estimate["value"] for estimate in nothing["metrics"].values()} == {None}
    json.dumps([blind, empty, nothing], allow_nan=False)


def many(images: int, seed: int = 0) -> Detected:
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(images), rng.integers(0, 6, images))
    corner = rng.uniform(0, 600, (len(row), 2))
    truth = np.hstack([corner, corner + rng.uniform(30, 90, (len(row), 1))]).astype(np.float32)
    kept = rng.random(len(row)) < 0.8
    near = truth[kept] + rng.normal(0, 5, (kept.sum(), 4)).astype(np.float32)
    wrong = rng.integers(0, images, images)
    corner = rng.uniform(0, 600, (images, 2))
    found = np.concatenate([near, np.hstack([corner, corner + 50]).astype(np.float32)])
    score = np.concatenate([rng.normal(1, 1, len(near)), rng.normal(0, 1, images)])
    return Detected(
        np.arange(images),
        row,
        truth,
        np.concatenate([row[kept], wrong]),
        found.astype(np.float32),
        score.astype(np.float32),
    )


def test_the_curve_is_thinned_without_losing_its_ends_or_its_course():
    boxes = many(400)
    curve = score_detections(boxes, scored=True)["curve"]
    recall, precision, score = (np.array(curve[name]) for name in ("recall", "precision", "score"))
    assert len(boxes.score) > 1000
    assert 60 <= len(recall) == len(precision) == len(score) <= CURVE_POINTS
    assert score[0] == boxes.score.max()
    assert score[-1] == boxes.score.min()
    assert (np.diff(score) < 0).all()
    assert (np.diff(recall) >= 0).all()
    assert np.diff(recall).max() < 0.05
    assert np.abs(np.diff(precision[5:])).max() < 0.1


def test_the_order_of_rows_decides_nothing():
    rng = np.random.default_rng(1)
    one = many(300)
    score = np.round(one.score, 1)
    t, m = rng.permutation(len(one.truth_row)), rng.permutation(len(one.row))
    one = Detected(one.rows, one.truth_row, one.truth_xyxy, one.row, one.xyxy, score)
    other = Detected(
        rng.permutation(one.rows),
        one.truth_row[t],
        one.truth_xyxy[t],
        one.row[m],
        one.xyxy[m],
        score[m],
    )
    assert score_detections(one, scored=True) == score_detections(other, scored=True)


def test_a_hundred_thousand_boxes_take_seconds_at_most():
    boxes = many(34_000)
    assert len(boxes.row) > 100_000
    start = time.process_time()
    score_detections(boxes, scored=True)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("images", "truth", "found", "message"),
    [
        ([1, 1], [], [], "names an image twice"),
        ([1], [(2, FACE)], [], "truth_row holds the image 2, which is not in Detected.rows"),
        ([1], [], [(3, FACE, 1)], "Detected.row holds the image 3"),
        ([1], [(1, (0, 0, np.nan, 9))], [], "truth_xyxy holds a coordinate that is not finite"),
        ([1], [], [(1, FACE, np.inf)], "score that is not finite"),
    ],
)
def test_what_can_not_be_scored_is_refused(images, truth, found, message):
    with pytest.raises(PluginError, match=message):
        detected(images, truth, found)


def test_columns_of_another_length_or_type_are_refused():
    good = EXAMPLE
    with pytest.raises(PluginError, match=r"score must be float32 \(5\)"):
        Detected(good.rows, good.truth_row, good.truth_xyxy, good.row, good.xyxy, good.score[:2])
    with pytest.raises(PluginError, match="xyxy must be float32"):
        Detected(
            good.rows, good.truth_row, good.truth_xyxy, good.row, good.xyxy.astype(int), good.score
        )


def test_every_metric_is_defined():
    result = score_detections(EXAMPLE, scored=True)
    text = section("metrics.md", "## Detection")
    names = [*result["metrics"], *result["curve"], "curve", "found"]
    assert [name for name in names if f"`{name}`" not in text] == []


# The table


def cell(detector, result=None, **changes):
    return {
        "id": detector,
        "axes": {"dataset": "faces", "split": "test", "protocol": "faces", "detector": detector},
        "status": "ok",
        "asked": True,
        "reason": None,
        "weights": None,
        "floor": False,
        "latency": {"p50_ms": 1.25, "images_per_s": 900.0},
        **(result or {}),
        **changes,
    }


def cells():
    scored = score_detections(EXAMPLE, scored=True)
    reason = {"kind": "error", "message": "it broke", "mend": None}
    return [
        cell("broken", status="failed", reason=reason, latency=None),
        cell("yunet", scored, weights="unverified"),
        cell("service", score_detections(EXAMPLE, scored=False), latency=None),
        cell("full-frame", scored, floor=True),
        cell("yunet", scored) | {"axes": cell("yunet")["axes"] | {"landmarker": "dlib-68"}},
        cell("yunet", scored) | {"axes": cell("yunet")["axes"] | {"classifier": "emopy"}},
    ]


def test_the_table_holds_the_cells_about_boxes_alone():
    table = detection_table(cells())
    assert [row["id"] for row in table.rows] == ["yunet", "service", "full-frame", "broken"]
    first = table.rows[0]
    assert first["average_precision_50"] == pytest.approx(5 / 9)
    assert first["recall"] == 2 / 3
    assert first["recall_low"] < 2 / 3 < first["recall_high"]
    assert (first["recall_30"], first["n"], first["found"]) == (1, 3, 2)
    assert first["latency_p50_ms"] == 1.25
    assert [row["landmarker"] for row in landmark_table(cells()).rows] == ["dlib-68"]


def test_a_cell_that_is_aligned_by_a_landmarker_is_no_landmarkers_cell():
    axes = cell("yunet")["axes"] | {"classifier": "a", "landmarker": "dlib-68", "align": "eyes"}
    assert landmark_table([cell("yunet", axes=axes)]).rows == ()


def test_the_table_for_people():
    text = to_text(detection_table(cells()))
    lines = text.splitlines()
    assert "Detection: faces, test, faces" in text
    yunet = next(line for line in lines if line.lstrip().startswith("yunet"))
    assert "yunet†" in yunet
    assert "55.6" in yunet
    assert "83.3" in yunet
    assert "40.0 [" in yunet
    assert "of 5" in yunet
    assert "1.000" in yunet
    assert "full-frame‡" in text
    service = next(line for line in lines if line.lstrip().startswith("service"))
    assert service.split()[1:3] == ["-", "-"]
    assert "the detector gives its boxes no score" in text
    assert "failed: error" in text
    assert "it broke" in text
    assert "no score" not in to_text(detection_table(cells()[1:2]))


def test_the_table_for_programs():
    table = detection_table(cells())
    rows = json.loads(to_json(table))["rows"]
    assert rows[0]["precision_30"] == 3 / 5
    assert "average_precision_30" in to_csv(table).partition("\n")[0].split(",")


def test_silence_of_a_service_is_noted():
    silent = cell("service", score_detections(EXAMPLE, scored=False), unanswered=[{"row": 3}])
    notes = detection_table([silent]).notes
    assert "Images that service got no answer for, and that count nowhere in its row: 1." in notes


def test_the_accuracy_table_tells_aligned_faces_apart():
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
    plain = cell("yunet", {"images": {"n": 10, "found": 10}, "metrics": {"accuracy": estimate}})
    plain["axes"] = plain["axes"] | {"classifier": "emopy"}
    turned = plain | {"images": {"n": 10, "found": 10, "aligned": 9}}
    turned["axes"] = plain["axes"] | {"landmarker": "dlib-68", "align": "eyes"}
    table = accuracy_table([plain, turned])
    assert [(row["align"], row["aligned"]) for row in table.rows] == [("none", None), ("eyes", 9)]
    text = to_text(table)
    assert "faces aligned" in text
    assert "eyes were not located" in text
    alone = to_text(accuracy_table([plain]))
    assert "align" not in alone
