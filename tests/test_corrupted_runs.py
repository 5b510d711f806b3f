"""Runs on corrupted pictures: what is corrupted, who looks at it, and what an error costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import IMAGES, PLUGIN, Squares, Uniform, Whole, entry, run

from fxbench import runner
from fxbench.registry import Registry
from fxbench.selection import Selection
from fxbench.types import Batch, Boxes, Frames, Points, Truth

DEFAULT = frozenset({"default"})


class Fade:
    """Pictures get darker, and noisy; it notes what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, float, Any]] = []

    def corrupt(
        self, image: Any, severity: int, *, random: Any, side: float, points: Any
    ) -> np.ndarray:
        self.seen.append((severity, float(random.random()), side, points))
        return (image // (severity + 1)).astype(np.uint8)


class Bright(Uniform):
    """Rows from 100 levels on are happy, as they are labelled."""

    def predict(self, faces: np.ndarray) -> np.ndarray:
        answers = np.zeros((len(faces), 8), np.float32)
        happy = faces.mean(axis=(1, 2, 3)) >= 100
        answers[np.arange(len(faces)), happy.astype(int)] = 1
        return answers


class Halves(Squares):
    def __init__(self) -> None:
        super().__init__()
        self.labels = (np.arange(IMAGES) >= IMAGES // 2).astype(np.int64)


class Counting(Whole):
    """Finds no face in pictures that are darker than 5 levels."""

    def __init__(self) -> None:
        self.images = 0

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        self.images += len(images)
        return Boxes.from_lists(
            [[(2, 2, 14, 14, 1)] if image.mean() >= 5 else [] for image in images]
        )


def corrupted(tmp_path: Path, *entries: Any, **selection: Any) -> Any:
    return run(
        tmp_path,
        entry("dataset", "halves", Halves),
        entry("classifier", "bright", Bright, traits=DEFAULT),
        *entries,
        **({"corruptions": ("all",), "severities": (1, 3)} | selection),
    )


def cell(stored: Any, **axes: Any) -> dict[str, Any]:
    (found,) = [
        c for c in stored.cells if all(c["axes"].get(axis) == v for axis, v in axes.items())
    ]
    return found


def test_pictures_are_corrupted_before_anybody_looks_for_faces(tmp_path: Path) -> None:
    fade, detector = Fade(), Counting()
    stored = corrupted(
        tmp_path,
        entry("corruption", "fade", lambda: fade, traits=frozenset({"common"})),
        entry("detector", "counting", lambda: detector, traits=DEFAULT),
        entry("classifier", "second", Bright, traits=DEFAULT),
    )
    assert detector.images == 3 * IMAGES, "as they are and at two severities, for both classifiers"
    assert len(fade.seen) == 2 * IMAGES
    clean = cell(stored, classifier="bright", corruption=None)
    assert clean["metrics"]["accuracy"]["value"] == 1
    assert clean["images"]["found"] == IMAGES - 1
    mild, hard = (cell(stored, classifier="bright", severity=s) for s in (1, 3))
    assert mild["images"]["found"] == IMAGES - 1, "10 levels of a half are 5"
    assert hard["images"]["found"] == IMAGES - 2
    assert mild["metrics"]["accuracy"]["value"] == pytest.approx(9 / 19), "190 / 2 is below 100"
    assert (mild["common"], mild["baseline"], mild["rank"]) == (True, False, None)
    assert mild["axes"]["corruption"] == "fade"
    assert "robust" not in clean


def test_random_numbers_depend_on_the_row_and_the_corruption_alone(tmp_path: Path) -> None:
    fade, other = Fade(), Fade()
    corrupted(
        tmp_path,
        entry("corruption", "fade", lambda: fade),
        entry("corruption", "other", lambda: other),
    )
    by_severity = [[r for s, r, *_ in fade.seen if s == severity] for severity in (1, 3)]
    assert by_severity[0] == by_severity[1]
    assert len(set(by_severity[0])) == IMAGES
    assert by_severity[0] != [r for s, r, *_ in other.seen if s == 1]
    assert {side for *_, side, _ in fade.seen} == {16.0}


def test_a_second_run_corrupts_nothing_again(tmp_path: Path) -> None:
    fade = Fade()
    given = entry("corruption", "fade", lambda: fade)
    first = corrupted(tmp_path, given)
    seen = len(fade.seen)
    again = corrupted(tmp_path, given, results="again")
    assert len(fade.seen) == seen
    assert [c["metrics"] for c in again.cells] == [c["metrics"] for c in first.cells]


class Wrong:
    def corrupt(self, image: Any, severity: int, **_: Any) -> Any:
        if severity == 3:
            raise RuntimeError("too severe")
        return image[1:]


def test_a_corruption_that_fails_costs_its_own_cells_only(tmp_path: Path) -> None:
    stored = corrupted(
        tmp_path, entry("corruption", "fade", Fade), entry("corruption", "wrong", Wrong)
    )
    status = {
        (c["axes"].get("corruption"), c["axes"].get("severity")): c["status"] for c in stored.cells
    }
    assert status == {
        (None, None): "ok",
        ("fade", 1): "ok",
        ("fade", 3): "ok",
        ("wrong", 1): "failed",
        ("wrong", 3): "failed",
    }
    mild, hard = (cell(stored, corruption="wrong", severity=s) for s in (1, 3))
    assert "must be uint8 (16, 16, 3), but is uint8 (15, 16, 3)" in mild["reason"]["message"]
    assert "too severe" in hard["reason"]["message"]
    assert runner.exit_code(stored) == 3


class Corners:
    """Locates the corners of a box, but of no dark face."""

    scheme = "corners"

    def __init__(self) -> None:
        self.calls = 0

    def locate(self, images: Any, boxes: Boxes) -> Points:
        self.calls += len(boxes)
        xy = boxes.xyxy.reshape(-1, 2, 2).copy()
        for face, frame in enumerate(boxes.frame.tolist()):
            if images[frame].mean() < 50:
                xy[face] = np.nan
        return Points(xy, self.scheme)


PLACED = frozenset({"placed"})


def test_what_is_placed_lies_on_the_points_of_the_face_as_it_was_found(tmp_path: Path) -> None:
    fade, corners = Fade(), Corners()
    stored = corrupted(
        tmp_path,
        entry("corruption", "fade", lambda: fade, traits=PLACED),
        entry("landmarker", "corners", lambda: corners, traits=DEFAULT),
        entry("detector", "counting", Counting, traits=DEFAULT),
        landmarkers=None,
    )
    assert cell(stored, severity=1)["axes"]["landmarker"] == "corners"
    points = [p for *_, p in fade.seen]
    assert len(points) == 2 * (IMAGES - 5), "five are too dark for the landmarker, and stay"
    assert all(p.xy.tolist() == [[[2, 2], [14, 14]]] for p in points)
    hard = cell(stored, severity=3)
    assert hard["images"]["found"] == IMAGES - 1, "dark ones were not made any darker"


def test_without_a_landmarker_what_is_placed_is_skipped(tmp_path: Path) -> None:
    stored = corrupted(
        tmp_path,
        entry("corruption", "glasses", Fade, traits=PLACED),
        corruptions=("glasses",),
        landmarkers=None,
    )
    skipped = [c for c in stored.cells if c["status"] == "skipped"]
    assert {c["reason"]["kind"] for c in skipped} == {"no landmarks"}
    assert skipped[0]["reason"]["mend"] == "pip install 'fxbench[dlib]'"
    assert runner.exit_code(stored) == 3, "it was asked for by name"


class Landmarked(Halves):
    """With true boxes and points."""

    scheme = "truth"

    def batches(self, split: str, rows: np.ndarray) -> Any:
        count = len(rows)
        images = tuple(np.full((16, 16, 3), 10 * row, np.uint8) for row in rows.tolist())
        box = np.tile(np.array([[1, 1, 10, 5]], np.float32), (count, 1))
        points = Points(np.tile(np.array([[[3, 4]]], np.float32), (count, 1, 1)), "truth")
        truth = Truth(np.arange(count), xyxy=box, points=points)
        yield Batch(rows, Frames.stills(tuple(map(str, rows.tolist())), images), truth)


def test_true_points_and_boxes_go_before_those_of_a_landmarker(tmp_path: Path) -> None:
    fade = Fade()
    stored = run(
        tmp_path,
        entry("dataset", "landmarked", Landmarked),
        entry("classifier", "bright", Bright, traits=DEFAULT),
        entry("corruption", "fade", lambda: fade, traits=PLACED),
        corruptions=("fade",),
        severities=(2,),
    )
    assert "landmarker" not in cell(stored, severity=2)["axes"]
    assert {side for *_, side, _ in fade.seen} == {6.0}, "the root of 9 by 4"
    assert all(p.xy.tolist() == [[[3, 4]]] for *_, p in fade.seen)


def test_the_baseline_is_there_though_nobody_named_it(tmp_path: Path) -> None:
    stored = corrupted(
        tmp_path,
        entry("corruption", "fade", Fade),
        entry("classifier", "standard", Bright, traits=frozenset({"baseline"})),
        classifiers=("bright",),
    )
    assert cell(stored, classifier="standard", severity=1)["baseline"]
    assert cell(stored, classifier="standard", corruption=None)["status"] == "ok"


def test_nothing_is_corrupted_unless_asked_for(tmp_path: Path) -> None:
    registry = Registry(
        (PLUGIN,),
        (
            entry("dataset", "halves", Halves),
            entry("detector", "whole", Whole, traits=DEFAULT),
            entry("classifier", "bright", Bright, traits=DEFAULT),
            entry("corruption", "fade", Fade),
        ),
    )
    prepared = runner.prepare(Selection(), (), registry, tmp_path)
    assert {p.cell.corruption for p in prepared.plan.cells} == {None}
    asked = runner.prepare(Selection(corruptions=("fade",)), (), registry, tmp_path)
    assert [p.cell.severity for p in asked.plan.cells] == [None, 1, 2, 3, 4, 5]
    stages = {(s["stage"], s["of"]): s["cells"] for s in asked.plan.stages()}
    assert stages["corrupt", "fade"] == 5
