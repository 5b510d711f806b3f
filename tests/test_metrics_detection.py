"""Found boxes against true ones: by hand, and against a slow and plain way to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxbench.faces import iou
from fxbench.metrics import detection
from fxbench.metrics.detection import (
    average_precision,
    clustered_proportion,
    overlaps,
    pair,
    precision_recall,
)
from fxbench.metrics.intervals import proportion


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def rows(*numbers) -> np.ndarray:
    return np.array(numbers, np.int64)


def paired(image, xyxy, score, true_image, true_xyxy, threshold=0.5) -> list[int]:
    pairs = overlaps(image, xyxy, true_image, true_xyxy, 0.3)
    return pair(pairs, np.array(score, np.float32), xyxy, true_xyxy, threshold).tolist()


# By hand


def test_an_overlap_of_exactly_the_threshold_is_enough():
    face, half = boxes((0, 0, 8, 8)), boxes((0, 0, 8, 4))
    assert iou(face, half).tolist() == [0.5]
    assert paired(rows(0), half, [1], rows(0), face) == [0]
    assert paired(rows(0), half, [1], rows(0), face, 0.5 + 1e-9) == [-1]


def test_the_surer_box_has_the_face_and_the_better_one_is_a_false_positive():
    face = boxes((0, 0, 10, 10))
    found = boxes((0, 0, 10, 10), (0, 0, 10, 8))
    assert paired(rows(0, 0), found, [0.1, 0.9], rows(0), face) == [-1, 0]
    # Of two that are equally sure, the one that overlaps more.
    assert paired(rows(0, 0), found, [0.5, 0.5], rows(0), face) == [0, -1]


def test_a_box_whose_best_face_is_taken_gets_the_next_best():
    faces = boxes((0, 0, 10, 10), (2, 0, 12, 10))
    found = boxes((0, 0, 10, 10), (0.5, 0, 10.5, 10))
    assert paired(rows(0, 0), found, [0.9, 0.8], rows(0, 0), faces) == [0, 1]
    assert paired(rows(0, 0), found, [0.8, 0.9], rows(0, 0), faces) == [1, 0]


def test_boxes_of_another_image_are_never_paired():
    face = boxes((0, 0, 10, 10))
    assert paired(rows(1), face, [1], rows(0), face) == [-1]
    assert paired(rows(3, 7), boxes(*face, *face), [1, 2], rows(7), face) == [-1, 0]


def test_boxes_without_area_are_wrong_and_stop_nothing():
    flat = boxes((3, 3, 3, 3))
    assert paired(rows(0), flat, [1], rows(0), flat) == [-1]


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
def test_blocks_change_nothing(monkeypatch, block):
    rng = np.random.default_rng(3)
    corner = rng.integers(0, 20, (60, 2))
    xyxy = np.hstack([corner, corner + 12]).astype(np.float32)
    image, true_image = rng.integers(0, 5, 40), rng.integers(2, 8, 20)
    expected = {
        (box, face, float(iou(xyxy[box], xyxy[40 + face])))
        for box in range(40)
        for face in range(20)
        if image[box] == true_image[face] and iou(xyxy[box], xyxy[40 + face]) >= 0.3
    }
    monkeypatch.setattr(detection, "_BLOCK", block)
    got = overlaps(image, xyxy[:40], true_image, xyxy[40:], 0.3)
    listed = list(zip(got.box.tolist(), got.face.tolist(), got.iou.tolist(), strict=True))
    assert len(listed) == len(expected) > 10
    assert set(listed) == expected


def test_average_precision_of_an_example_reckoned_by_hand():
    # Falling scores: hit, miss, hit, miss, miss, hit; four faces, of which one is never found.
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.float32)
    right = np.array([1, 0, 1, 0, 0, 1], bool)
    curve = precision_recall(score, right, 4)
    assert curve.recall.tolist() == [0.25, 0.25, 0.5, 0.5, 0.5, 0.75]
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2, 2 / 5, 1 / 2])
    # From recall 0 to 1/4 the precision is 1, then 2/3, then 1/2, then nothing.
    expected = (1 + 2 / 3 + 1 / 2 + 0) / 4
    assert average_precision(score, right, 4) == {
        "value": pytest.approx(expected),
        "low": None,
        "high": None,
        "n": 4,
    }


def test_precision_is_interpolated_from_higher_recalls():
    score, right = np.array([3, 2, 1], np.float32), np.array([0, 1, 1], bool)
    assert precision_recall(score, right, 2).precision == pytest.approx([0, 1 / 2, 2 / 3])
    assert average_precision(score, right, 2)["value"] == pytest.approx(2 / 3)


def test_boxes_of_one_score_are_one_point_of_the_curve():
    right = np.array([1, 0, 0, 1], bool)
    curve = precision_recall(np.ones(4, np.float32), right, 4)
    assert (curve.recall.tolist(), curve.precision.tolist()) == ([0.5], [0.5])
    assert average_precision(np.ones(4, np.float32), right, 4)["value"] == 0.25


def test_average_precision_without_boxes_or_faces():
    nothing, none = np.empty(0, np.float32), np.empty(0, bool)
    assert average_precision(nothing, none, 7)["value"] == 0
    assert average_precision(nothing, none, 0) == {"value": None, "low": None, "high": None, "n": 0}
    assert average_precision(np.ones(3, np.float32), np.zeros(3, bool), 0)["value"] is None


# Against a plain implementation


def plain_pairs(image, xyxy, score, true_image, true_xyxy, threshold) -> list[int]:
    """Box by box, for scores that all differ."""
    matched = [-1] * len(score)
    for box in np.argsort(-score):
        best = threshold
        for face in range(len(true_image)):
            shared = float(iou(xyxy[box], true_xyxy[face]))
            if true_image[face] == image[box] and face not in matched and shared >= best:
                if matched[box] < 0 or shared > best:
                    matched[box] = face
                best = shared
    return matched


def plain_average_precision(score, right, faces) -> float:
    """The mean over the faces of the best precision at that many hits or more."""
    points = []
    for least in set(score.tolist()):
        taken = score >= least
        points.append((int(right[taken].sum()), right[taken].mean()))
    return (
        sum(
            max((precision for hits, precision in points if hits >= wanted), default=0.0)
            for wanted in range(1, faces + 1)
        )
        / faces
    )


@st.composite
def scenes(draw, *, ties: bool):
    """Boxes on a coarse grid, so that equal overlaps and exact thresholds do occur."""
    side = st.integers(1, 5)
    box = st.tuples(st.integers(0, 4), st.integers(0, 4), side, side)
    several = st.lists(st.tuples(st.integers(0, 2), box), max_size=8)
    found, faces = draw(several), draw(several)
    if ties:
        score = draw(st.lists(st.integers(0, 2), min_size=len(found), max_size=len(found)))
    else:
        score = draw(st.permutations(range(len(found))))

    def split(listed):
        corners = [(x, y, x + w, y + h) for _, (x, y, w, h) in listed]
        return rows(*(image for image, _ in listed)), boxes(*corners)

    return (*split(found), np.array(score, np.float32), *split(faces))


@settings(max_examples=50)
@given(scenes(ties=False), st.sampled_from([0.3, 0.5]))
def test_pairs_are_those_of_going_through_the_boxes_one_by_one(scene, threshold):
    image, xyxy, score, true_image, true_xyxy = scene
    # Of faces that a box overlaps equally, the one further left and up is taken: here the first.
    order = np.lexsort(true_xyxy.T[::-1])
    scene = image, xyxy, score, true_image[order], true_xyxy[order]
    assert paired(*scene, threshold) == plain_pairs(*scene, threshold)


@settings(max_examples=50)
@given(scenes(ties=True), st.sampled_from([0.3, 0.5]), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(scene, threshold, random):
    image, xyxy, score, true_image, true_xyxy = scene
    boxes_order = random.sample(range(len(image)), len(image))
    faces_order = random.sample(range(len(true_image)), len(true_image))

    def outcome(b, f):
        got = paired(image[b], xyxy[b], score[b], true_image[f], true_xyxy[f], threshold)
        face = np.array(got, np.int64)
        found = zip(image[b], xyxy[b].tolist(), score[b], face >= 0, strict=True)
        ap = average_precision(score[b], face >= 0, len(f))["value"]
        covered = [[float(v) for v in true_xyxy[f][k]] for k in face[face >= 0]]
        return sorted(map(repr, found)), sorted(covered), ap

    before = outcome(list(range(len(image))), list(range(len(true_image))))
    assert outcome(boxes_order, faces_order) == before


@settings(max_examples=50)
@given(scenes(ties=True), st.sampled_from([0.3, 0.5]))
def test_pairs_are_one_to_one_within_an_image_and_none_is_left_that_could_be_made(scene, threshold):
    image, xyxy, score, true_image, true_xyxy = scene
    face = paired(image, xyxy, score, true_image, true_xyxy, threshold)
    taken = [f for f in face if f >= 0]
    assert len(taken) == len(set(taken))
    for box, f in enumerate(face):
        free = [k for k in range(len(true_image)) if k not in taken] if f < 0 else [f]
        for k in free:
            enough = iou(xyxy[box], true_xyxy[k]) >= threshold and image[box] == true_image[k]
            assert enough == (f >= 0)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30),
    st.integers(0, 10),
)
def test_average_precision_is_that_of_the_plain_implementation(found, missed):
    score = np.array([s for s, _ in found], np.float32)
    right = np.array([r for _, r in found], bool)
    faces = int(right.sum()) + missed
    value = average_precision(score, right, faces)["value"]
    if not faces:
        assert value is None
        return
    assert value == pytest.approx(plain_average_precision(score, right, faces))
    # Only the order of scores counts, and another false positive is never a gain.
    assert average_precision(score * 2 - 7, right, faces)["value"] == value
    worse = np.append(score, np.float32(3)), np.append(right, False)
    assert average_precision(*worse, faces)["value"] <= value + 1e-12


# Intervals


def test_boxes_that_come_one_an_image_have_wilsons_interval():
    hits = np.array([1] * 40 + [0] * 10)
    assert clustered_proportion(hits, np.ones(50, np.int64)) == proportion(40, 50)
    empty = np.zeros(3, np.int64)
    padded = clustered_proportion(np.append(hits, empty), np.append(np.ones(50, np.int64), empty))
    assert padded == proportion(40, 50), "images without a box are no evidence"


def test_boxes_that_are_all_right_have_wilsons_interval():
    n = np.array([3, 4, 5])
    assert clustered_proportion(n, n) == proportion(12, 12)
    assert clustered_proportion(0 * n, n) == proportion(0, 12)


def test_copies_of_a_box_count_as_one_box():
    # Ten boxes an image that are all right or all wrong tell as much as one box an image.
    hits = np.array([10] * 800 + [0] * 200)
    got, one = clustered_proportion(hits, np.full(1000, 10)), proportion(800, 1000)
    assert (got["value"], got["n"]) == (0.8, 10_000)
    assert [got["low"], got["high"]] == pytest.approx([one["low"], one["high"]], abs=1e-3)


def test_no_box_has_no_proportion():
    none = np.zeros(4, np.int64)
    assert clustered_proportion(none, none) == {"value": None, "low": None, "high": None, "n": 0}


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_the_interval_holds_the_value_and_is_never_narrower_than_wilsons(images):
    hits = rows(*(h for h, _ in images))
    n = hits + rows(*(m for _, m in images))
    got, plain = clustered_proportion(hits, n), proportion(int(hits.sum()), int(n.sum()))
    assert got["value"] == plain["value"]
    if got["value"] is not None:
        assert 0 <= got["low"] <= plain["low"] + 1e-12
        assert plain["high"] - 1e-12 <= got["high"] <= 1


def test_the_interval_covers_where_boxes_of_an_image_are_alike():
    rng = np.random.default_rng(5)
    draws, images, true = 400, 30, 0.8
    covered = {"clustered": 0, "wilson": 0}
    for _ in range(draws):
        n = rng.integers(1, 12, images)
        # How likely a hit is differs between images: an intra-image correlation of 1 / 3.
        hits = rng.binomial(n, rng.beta(2 * true, 2 * (1 - true), images))
        own, plain = clustered_proportion(hits, n), proportion(int(hits.sum()), int(n.sum()))
        covered["clustered"] += own["low"] <= true <= own["high"]
        covered["wilson"] += plain["low"] <= true <= plain["high"]
    assert covered["clustered"] / draws > 0.92
    assert covered["wilson"] / draws < 0.85, "the example must need what is tested"
