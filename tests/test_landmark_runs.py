"""Runs that score landmarkers against true points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import IMAGES, Squares, Uniform, Whole, entry, reason, run

from fxbench import runner
from fxbench.faces import match
from fxbench.schemes import SCHEMES
from fxbench.scoring_landmarks import averaged
from fxbench.store import StoredRun
from fxbench.tables_faces import landmark_table
from fxbench.types import Boxes, Points, Truth

EYES = (36, 45)


def shape() -> np.ndarray:
    """68 points in a 16 x 16 image, the outer corners of the eyes 10 pixels apart."""
    points = np.random.default_rng(0).uniform(2, 14, (68, 2)).astype(np.float32)
    points[list(EYES)] = [(3, 6), (13, 6)]
    return points


def faces(count: int) -> Truth:
    boxes = np.tile(np.array([0, 0, 16, 16], np.float32), (count, 1))
    points = Points(np.tile(shape(), (count, 1, 1)), "300w-68")
    return Truth(np.arange(count), xyxy=boxes, points=points)


class Photos(Squares):
    """Squares with landmarks and without emotions."""

    scheme = "300w-68"

    def __init__(self) -> None:
        super().__init__()
        self.labels = np.full(IMAGES, -1)
        self.truth = faces


class Off:
    """The right points, each half a pixel too far to the right."""

    def __init__(self, scheme: str = "300w-68", indices: list[int] | None = None) -> None:
        self.scheme = scheme
        self.points = shape()[indices if indices is not None else range(68)] + (0.5, 0)

    def locate(self, images: Any, boxes: Boxes) -> Points:
        xy = np.tile(self.points.astype(np.float32), (len(boxes), 1, 1))
        return Points(xy, self.scheme)


def landmarks(tmp_path: Path, *entries: Any, **selection: Any) -> Any:
    return run(
        tmp_path,
        entry("dataset", "photos", Photos),
        *entries,
        **{"landmarkers": ("all",), "classifiers": None} | selection,
    )


def located(stored: StoredRun) -> list[Any]:
    return [cell for cell in stored.cells if cell["axes"].get("landmarker")]


def test_the_error_is_a_mean_in_units_of_the_eyes_distance(tmp_path: Path) -> None:
    five = [45, 42, 36, 39, 33]
    stored = landmarks(
        tmp_path,
        entry("landmarker", "off", Off),
        entry("landmarker", "five", lambda: Off("dlib-5", five)),
    )
    for cell in located(stored):
        assert cell["status"] == "ok", cell["reason"]
        assert cell["metrics"]["nme_inter_ocular"]["value"] == pytest.approx(0.05)
        assert cell["metrics"]["failure_rate"]["value"] == 0
        assert cell["metrics"]["auc"]["value"] == pytest.approx(1 - 0.05 / 0.08)
        assert cell["images"]["faces"] == IMAGES
        assert cell["curve"]["share"][-1] == 1
    assert {cell["points"] for cell in located(stored)} == {68, 5}
    assert len(landmark_table(stored.cells, stored.run).rows) == 2
    again = landmarks(
        tmp_path,
        entry("landmarker", "off", Off),
        entry("landmarker", "five", lambda: Off("dlib-5", five)),
    )
    assert again.cells == stored.cells


def test_a_point_that_the_truth_lacks_is_compared_with_a_mean(tmp_path: Path) -> None:
    class Five(Off):
        """The right five points, the centre of the right eye two pixels too low."""

        def __init__(self) -> None:
            super().__init__("yunet-5", [30, 30, 30, 48, 54])
            right, left = (shape()[start : start + 6].mean(axis=0) for start in (36, 42))
            self.points[:2] = [right, left]
            self.points[0, 1] += 2
            self.points[2:] -= (0.5, 0)

    stored = landmarks(tmp_path, entry("landmarker", "five", Five))
    (cell,) = [cell for cell in stored.cells if cell["axes"].get("landmarker")]
    assert cell["status"] == "ok", cell["reason"]
    assert cell["points"] == 5
    assert cell["metrics"]["nme_inter_ocular"]["value"] == pytest.approx(2 / 5 / 10, rel=1e-5)


def test_the_mean_of_a_group_of_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 5000, (3, 6, 2)).astype(np.float32)
    points[2, 5] = np.nan
    means = averaged(points, [[4], [1, 2, 5], [0]])
    assert means.shape == (3, 3, 2)
    assert means.dtype == np.float32
    assert np.array_equal(means[:, 0], points[:, 4])
    assert np.array_equal(means[:, 2], points[:, 0])
    assert means[:2, 1] == pytest.approx((points[:2, 1] + points[:2, 2] + points[:2, 5]) / 3)
    assert np.isnan(means[2, 1]).all()
    assert averaged(points[:0], [[0]]).shape == (0, 1, 2)


def test_a_missed_face_is_a_failure(tmp_path: Path) -> None:
    class Half(Whole):
        def detect(self, images: Any) -> Boxes:
            found = [[(0, 0, 16, 16, 1)] if image.mean() >= 100 else [] for image in images]
            return Boxes.from_lists(found)

    stored = landmarks(tmp_path, entry("landmarker", "off", Off), entry("detector", "half", Half))
    (cell,) = located(stored)
    assert cell["metrics"]["failure_rate"]["value"] == 0.5
    assert cell["metrics"]["nme_inter_ocular"]["n"] == IMAGES // 2
    assert cell["metrics"]["detection_rate"]["value"] == 0.5


def test_schemes_without_a_common_point_are_a_failed_row(tmp_path: Path) -> None:
    stored = landmarks(tmp_path, entry("landmarker", "own", lambda: Off("of-my-own", [1, 2])))
    assert [cell["status"] for cell in located(stored)] == ["failed"]
    assert "can't be compared" in reason(stored)
    assert "of-my-own" not in SCHEMES


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "must return Points"),
        (Points(np.zeros((1, 68, 2), np.float32), "300w-68"), "1 rows of points for"),
    ],
)
def test_a_wrong_answer_is_a_failed_row(tmp_path: Path, answer: Any, message: str) -> None:
    class Wrong(Off):
        def locate(self, images: Any, boxes: Boxes) -> Any:
            return answer

    stored = landmarks(tmp_path, entry("landmarker", "wrong", Wrong))
    assert [cell["status"] for cell in located(stored)] == ["failed"]
    assert message in reason(stored)


def test_what_can_t_be_compared_is_left_out_without_blame(tmp_path: Path) -> None:
    stored = landmarks(
        tmp_path,
        entry("landmarker", "off", Off),
        entry("dataset", "squares", Squares),
        entry("classifier", "uniform", Uniform),
        classifiers=("uniform",),
        attacks=("none",),
    )
    seen = {(c["axes"]["dataset"], c["axes"].get("classifier"), c["status"]) for c in stored.cells}
    assert seen == {
        ("photos", None, "ok"),
        ("photos", "uniform", "skipped"),
        ("squares", None, "skipped"),
        ("squares", "uniform", "ok"),
    }
    assert runner.exit_code(stored) == 0


def test_each_box_is_matched_with_one_face_at_most() -> None:
    boxes = Boxes.from_lists([[(0, 0, 10, 10, 1), (20, 0, 30, 10, 1)], [(0, 0, 10, 10, 1)]])
    frame = np.array([0, 0, 0, 1])
    truth = np.array([[1, 0, 11, 10], [0, 0, 10, 10], [21, 0, 31, 10], [8, 8, 18, 18]], np.float32)
    assert match(boxes, frame, truth).tolist() == [-1, 0, 1, -1]


def test_photos_without_a_face_cost_the_others_nothing(tmp_path: Path) -> None:
    class Some(Photos):
        """The first eight images, which are read in a batch of their own, hold no face."""

        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def batches(self, split: str, rows: np.ndarray) -> Any:
            empty = rows[0] < 8
            self.truth = lambda count: faces(0 if empty else count)
            yield from super().batches(split, rows)

    for limit, found in ((None, IMAGES - 8), (1, 0)):
        stored = run(
            tmp_path,
            entry("dataset", "photos", Some),
            entry("landmarker", "off", Off),
            landmarkers=("all",),
            classifiers=None,
            limit=limit,
        )
        (cell,) = located(stored)
        assert cell["status"] == "ok", cell["reason"]
        assert cell["images"]["faces"] == found


def test_a_landmarker_that_made_the_truth_is_marked_and_stands_last(tmp_path: Path) -> None:
    class Made(Photos):
        home_advantage = frozenset({"a-home"})

    stored = run(
        tmp_path,
        entry("dataset", "photos", Made),
        entry("landmarker", "a-home", Off),
        entry("landmarker", "guest", Off),
        landmarkers=("all",),
        classifiers=None,
    )
    cells = located(stored)
    marked = {cell["axes"]["landmarker"]: cell["home_advantage"] for cell in cells}
    assert marked == {"a-home": True, "guest": False}
    table = landmark_table(stored.cells)
    assert [row["landmarker"] for row in table.rows] == ["guest", "a-home"]
    assert any("not to be ranked" in note for note in table.notes)
