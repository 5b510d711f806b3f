"""Who is who in a clip: tracks, the person who is followed, and boxes between detections."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fxbench.between import Between
from fxbench.errors import PluginError
from fxbench.faces import iou
from fxbench.registry import discover
from fxbench.tracking import Followed, Tracker
from fxbench.types import Boxes

Array = Any


def squares(*places: tuple[float, ...]) -> Array:
    """Boxes float32 (m, 4) from `(x, y)` or `(x, y, side)` of their middles; 100 is the side."""
    rows = [(*place, 100.0)[:3] for place in places]
    return np.array(
        [(x - s / 2, y - s / 2, x + s / 2, y + s / 2) for x, y, s in rows], np.float32
    ).reshape(-1, 4)


def numbers(tracker: Tracker, time_s: float, *places: tuple[float, ...]) -> list[int]:
    boxes = squares(*places)
    return tracker.update(time_s, boxes, np.ones(len(boxes), np.float32)).tolist()


def tracked(rows: list[tuple[int, int, float]]) -> Boxes:
    """Boxes from `(frame, track, side)`."""
    return Boxes(
        np.array([frame for frame, _, _ in rows], np.int64),
        squares(*[(300 * track, 0, side) for _, track, side in rows]),
        np.ones(len(rows), np.float32),
        np.array([track for _, track, _ in rows], np.int64),
    )


def test_a_face_that_moves_keeps_its_number() -> None:
    tracker = Tracker()
    assert [numbers(tracker, i / 25, (100 + 40 * i, 50)) for i in range(20)] == [[0]] * 20


def test_numbers_do_not_depend_on_the_order_of_boxes() -> None:
    tracker = Tracker()
    assert numbers(tracker, 0.0, (0, 0), (200, 0)) == [0, 1]
    assert numbers(tracker, 0.1, (205, 0), (5, 0)) == [1, 0]


@pytest.mark.parametrize("fps", [5, 12.5, 25, 100])
@pytest.mark.parametrize("front", [0, 1])
def test_two_who_cross_keep_their_numbers(fps: float, front: int) -> None:
    tracker, random, hidden = Tracker(), np.random.default_rng(3), 0
    for i in range(int(3 * fps)):
        away = 150 * (i / fps - 1.5)
        boxes = squares((500 + away, 300), (500 - away, 310))
        boxes += random.normal(0, 2, boxes.shape).astype(np.float32)
        kept = [0, 1] if iou(boxes[:1], boxes[1:])[0] <= 0.3 else [front]
        hidden += len(kept) == 1
        kept = random.permutation(kept).tolist()
        found = tracker.update(i / fps, boxes[kept], np.ones(len(kept), np.float32)).tolist()
        if i == 0:
            names = dict(zip(kept, found, strict=True))
        assert found == [names[person] for person in kept]
    assert hidden / fps > 0.3


def test_a_face_that_is_missed_for_a_moment_keeps_its_number_and_no_longer() -> None:
    for gap, expected in ((0.9, 0), (1.2, 1)):
        tracker = Tracker()
        for i in range(5):
            numbers(tracker, i / 10, (100, 100))
        for time in np.arange(0.5, 0.4 + gap, 0.1):
            assert numbers(tracker, float(time)) == []
        assert numbers(tracker, 0.4 + gap, (110, 100)) == [expected]


def test_how_long_a_track_waits_is_an_option() -> None:
    tracker = Tracker(lost_s=0)
    assert numbers(tracker, 0.0, (0, 0)) == [0]
    assert numbers(tracker, 0.04) == []
    assert numbers(tracker, 0.08, (0, 0)) == [1]


def test_a_face_in_each_of_two_frames_far_apart_is_the_same() -> None:
    tracker = Tracker()
    assert numbers(tracker, 0.0, (100, 100)) == [0]
    assert numbers(tracker, 20.0, (120, 100)) == [0]


def test_frames_far_apart_need_no_overlap_and_frames_close_together_do() -> None:
    far, close = Tracker(), Tracker()
    assert numbers(far, 0.0, (100, 100)) == numbers(close, 0.0, (100, 100)) == [0]
    assert numbers(far, 0.5, (220, 100)) == [0]
    assert numbers(close, 0.04, (220, 100)) == [1]


def test_a_face_far_away_or_of_another_size_is_somebody_else() -> None:
    tracker = Tracker()
    assert numbers(tracker, 0.0, (100, 100)) == [0]
    assert numbers(tracker, 0.5, (400, 100)) == [1]
    tracker = Tracker()
    assert numbers(tracker, 0.0, (100, 100)) == [0]
    assert numbers(tracker, 0.5, (130, 100, 30)) == [1]


def test_faces_are_told_apart_together_and_not_one_after_the_other() -> None:
    tracker = Tracker()
    assert numbers(tracker, 0.0, (0, 0), (60, 0)) == [0, 1]
    # The box at 36 is nearest to the second, but then the first would have none.
    assert numbers(tracker, 0.04, (36, 0), (96, 0)) == [0, 1]


def test_who_went_on_moving_is_found_and_who_stopped_too() -> None:
    for place in (300, 205):
        tracker = Tracker()
        for i in range(11):
            numbers(tracker, i / 25, (100 + 10 * i, 0))
        for i in range(11, 20):
            numbers(tracker, i / 25)
        assert numbers(tracker, 20 / 25, (place, 0)) == [0]


def test_the_surest_of_new_faces_gets_the_lowest_number() -> None:
    boxes = squares((0, 0), (200, 0), (400, 0))
    found = Tracker().update(0.0, boxes, np.array([0.2, 0.9, 0.2], np.float32))
    assert found.tolist() == [1, 0, 2]
    assert found.dtype == np.int64


def test_parts_of_a_clip_are_numbered_like_the_whole() -> None:
    random = np.random.default_rng(0)
    frame = np.sort(random.integers(0, 40, 90))
    middle = random.uniform(0, 600, (90, 2))
    boxes = Boxes(
        frame, squares(*middle), random.random(90).astype(np.float32), np.full(90, -1, np.int64)
    )
    time_s = np.arange(40) / 10
    whole = Tracker().tracked(boxes, time_s)
    for index in range(40):
        track = whole.track[frame == index]
        assert len(set(track.tolist())) == len(track)
    assert set(whole.track.tolist()) == set(range(whole.track.max() + 1))
    tracker, parts = Tracker(), []
    for start, stop in ((0, 7), (7, 8), (8, 40)):
        rows = (frame >= start) & (frame < stop)
        part = Boxes(
            frame[rows] - start, boxes.xyxy[rows], boxes.score[rows], np.full(rows.sum(), -1)
        )
        parts.append(tracker.tracked(part, time_s[start:stop]).track)
    assert np.concatenate(parts).tolist() == whole.track.tolist()


def test_a_clip_without_faces_has_no_tracks() -> None:
    none = Boxes.from_lists([[], [], []])
    assert len(Tracker().tracked(none, np.arange(3.0))) == 0
    assert Followed().choose(none, np.arange(3.0)).tolist() == [-1, -1, -1]


def test_what_a_tracker_cannot_use_is_refused() -> None:
    box, one = squares((0, 0)), np.ones(1, np.float32)
    with pytest.raises(PluginError, match="lost_s"):
        Tracker(lost_s=-1)
    with pytest.raises(PluginError, match="iou"):
        Tracker(iou=0)
    with pytest.raises(PluginError, match="not finite"):
        Tracker().update(float("nan"), box, one)
    with pytest.raises(PluginError, match="not finite"):
        Tracker().update(0.0, box * np.float32(np.nan), one)
    with pytest.raises(PluginError, match="without area"):
        Tracker().update(0.0, squares((0, 0, 0)), one)
    with pytest.raises(PluginError, match="float32"):
        Tracker().update(0.0, box.astype(np.float64), one)
    with pytest.raises(PluginError, match="score"):
        Tracker().update(0.0, box, np.ones(2, np.float32))
    with pytest.raises(PluginError, match="2 frames"):
        Tracker().tracked(tracked([(2, 0, 100)]), np.arange(2.0))


def test_the_largest_of_the_first_faces_is_followed_though_another_becomes_larger() -> None:
    boxes = tracked([(1, 0, 50), (1, 1, 80), (2, 0, 200), (2, 1, 70)])
    assert Followed().choose(boxes, np.arange(3) / 25).tolist() == [-1, 1, 3]


def test_nobody_is_followed_until_the_person_comes_back() -> None:
    rows = [(0, 1, 80), (0, 0, 50), (1, 0, 90), (2, 0, 90), (2, 1, 80)]
    assert Followed().choose(tracked(rows), np.arange(3) / 25).tolist() == [0, -1, 4]


def test_another_is_followed_when_the_person_is_gone() -> None:
    rows = [(0, 0, 80), (0, 1, 50)] + [(frame, 1, 50) for frame in range(1, 16)]
    rows += [(16, 0, 200), (16, 1, 50)]
    chosen = Followed().choose(tracked(rows), np.arange(17) / 10)
    assert chosen.tolist() == [0] + [-1] * 10 + [12, 13, 14, 15, 16, 18]


def test_who_is_followed_is_the_same_from_batch_to_batch() -> None:
    followed = Followed()
    assert followed.choose(tracked([(0, 1, 80), (0, 0, 50)]), np.array([0.0])).tolist() == [0]
    assert followed.choose(tracked([(0, 0, 90)]), np.array([0.1, 0.2])).tolist() == [-1, -1]
    later = tracked([(0, 0, 90), (0, 1, 80), (1, 0, 90)])
    assert followed.choose(later, np.array([0.3, 0.4])).tolist() == [1, -1]


def test_boxes_without_tracks_are_nobody_to_follow() -> None:
    with pytest.raises(PluginError, match="no track"):
        Followed().choose(Boxes.from_lists([[(0, 0, 9, 9, 1)]]), np.zeros(1))
    with pytest.raises(PluginError, match="2 frames"):
        Followed().choose(tracked([(2, 0, 100)]), np.arange(2.0))


# Between detections

BOX = np.array([[260, 140, 360, 260]], np.float32)


def picture(seed: int = 0) -> Array:
    """A pattern with edges of all sizes, uint8 (400, 600, 3)."""
    return pattern(seed).copy()


@cache
def pattern(seed: int) -> Array:
    random, drawn = np.random.default_rng(seed), np.zeros((400, 600, 3))
    for blur, much in ((2, 1.0), (5, 2.5), (15, 8.0)):
        drawn += much * cv2.GaussianBlur(random.normal(0, 60, drawn.shape), (0, 0), blur)
    return np.clip(drawn + 128, 0, 255).astype(np.uint8)


def seen(
    image: Array, boxes: Array, *, right: float = 0, grown: float = 1, turned: float = 0
) -> tuple[Array, Array]:
    """The picture moved, scaled and turned around the middle of the first box, and its boxes."""
    (x1, y1, x2, y2), *_ = boxes.tolist()
    place = cv2.getRotationMatrix2D(((x1 + x2) / 2 - 0.5, (y1 + y2) / 2 - 0.5), turned, grown)
    place[0, 2] += right
    moved = cv2.warpAffine(image, place, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5
    middle = middle @ place[:, :2].T + place[:, 2] + 0.5
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * grown
    return moved, np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    "step",
    [
        {"right": 0.0},
        {"right": 12.0},
        {"grown": 0.03},
        {"turned": 2.0},
        {"right": -9.3, "grown": -0.02, "turned": 1.0},
    ],
)
def test_a_box_moves_with_the_picture(step: dict[str, float]) -> None:
    between = Between()
    between.start(picture(), BOX)
    for number in range(1, 11):
        now = {name: number * value for name, value in step.items()}
        image, box = seen(picture(), BOX, **(now | {"grown": 1 + now.get("grown", 0)}))
        moved = between.follow(image)
        assert moved.dtype == np.float32
        assert iou(moved, box)[0] > 0.95


@pytest.mark.parametrize("size", [0.15, 0.5, 2.5])
def test_the_size_of_the_picture_does_not_matter(size: float) -> None:
    between = Between()
    for number, right in enumerate((0, 10, 20, 30)):
        image, box = seen(picture(), BOX, right=right)
        image = cv2.resize(image, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
        box = box * np.float32(size)
        if number:
            assert iou(between.follow(image), box)[0] > 0.95
        else:
            between.start(image, box)


def test_each_face_is_followed_by_itself() -> None:
    boxes = np.array([[20, 20, 90, 90], [300, 200, 400, 320], [480, 150, 560, 240]], np.float32)
    between = Between()
    between.start(picture(), boxes)
    image, expected = seen(picture(), boxes, right=8)
    # What is where the second would be has nothing to do with it.
    image[150:370, 250:460] = picture(1)[150:370, 250:460]
    moved = between.follow(image)
    assert np.isnan(moved[1]).all()
    assert (iou(moved[[0, 2]], expected[[0, 2]]) > 0.97).all()
    assert np.isnan(between.follow(seen(picture(), boxes, right=10)[0])[1]).all()


def test_a_cut_loses_all_and_a_new_start_forgets_it() -> None:
    between = Between()
    between.start(picture(), BOX)
    assert np.isnan(between.follow(picture(1))).all()
    assert np.isnan(between.follow(picture())).all()
    between.start(picture(), BOX)
    assert iou(between.follow(picture()), BOX)[0] > 0.99


def test_a_black_frame_loses_the_face() -> None:
    between = Between()
    between.start(picture(), BOX)
    assert np.isnan(between.follow(np.zeros_like(picture()))).all()


def test_who_leaves_the_frame_is_lost() -> None:
    between = Between()
    boxes = np.array([[4, 100, 104, 200]], np.float32)
    between.start(picture(), boxes)
    for number in range(1, 12):
        image, expected = seen(picture(), boxes, right=-8 * number)
        image = cv2.copyMakeBorder(image[:, :590], 0, 0, 0, 10, cv2.BORDER_CONSTANT)
        moved = between.follow(image)
        if np.isfinite(moved).all():
            assert iou(moved, expected)[0] > 0.8
    assert np.isnan(moved).all()


def test_a_box_that_is_the_whole_frame_stays() -> None:
    whole = np.array([[0, 0, 600, 400]], np.float32)
    between = Between()
    between.start(picture(), whole)
    assert np.array_equal(between.follow(seen(picture(), BOX, right=20)[0]), whole)
    assert np.array_equal(between.follow(picture(1)), whole)


def test_no_picture_is_kept() -> None:
    image, between = picture(), Between()
    between.start(image, BOX)
    image[:] = 0
    assert iou(between.follow(picture()), BOX)[0] > 0.99


def test_the_same_pictures_give_the_same_boxes() -> None:
    found = []
    for _ in range(2):
        between = Between()
        between.start(picture(), BOX)
        found.append([between.follow(seen(picture(), BOX, right=n)[0]) for n in range(3)])
    assert np.array_equal(found[0], found[1])


def test_without_a_box_nothing_is_followed() -> None:
    between = Between()
    assert between.follow(picture()).shape == (0, 4)
    between.start(picture(), np.zeros((0, 4), np.float32))
    assert between.follow(picture()).shape == (0, 4)


def test_a_box_outside_or_without_area_is_lost_and_no_error() -> None:
    boxes = np.array([[-90, -90, -10, -10], [50, 50, 50, 50], [700, 10, 800, 90]], np.float32)
    between = Between()
    between.start(picture(), boxes)
    assert np.isnan(between.follow(picture())).all()


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(PluginError, match="frame"):
        Between().start(picture()[..., 0], BOX)
    with pytest.raises(PluginError, match="not finite"):
        Between().start(picture(), BOX * np.float32(np.inf))
    with pytest.raises(PluginError, match="float32"):
        Between().start(picture(), BOX.astype(np.float64))
    with pytest.raises(PluginError, match="frame"):
        Between().follow(picture().astype(np.float32))


@pytest.mark.parametrize("every", [2, 10])
def test_boxes_stay_on_the_faces_of_clips(every: int) -> None:
    dataset = discover().get("dataset", "mini-clips").component.factory()
    clip = dataset.clips("test")[1]
    followed, left = [], []
    between, last = Between(), None
    (batch,) = dataset.batches("test", np.arange(clip.first, clip.first + 61))
    for index, image in enumerate(batch.frames.images):
        true = batch.truth.xyxy[index : index + 1]
        if index % every == 0:
            between.start(image, true)
            last = true
        else:
            followed.append(iou(between.follow(image), true)[0])
            left.append(iou(last, true)[0])
    assert np.mean(followed) > {2: 0.985, 10: 0.97}[every]
    assert np.mean(followed) > np.mean(left)


def test_a_man_is_followed_through_a_clip_and_lost_where_it_is_cut(shared: Path) -> None:
    path = shared / "data" / "video" / "face_noface.mov"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    reader, between, found = cv2.VideoCapture(str(path)), Between(), []
    haar = discover().get("detector", "opencv-haar").component
    detector = haar.factory(**{option.name: option.default for option in haar.options})
    try:
        for number in range(80):
            image = cv2.cvtColor(reader.read()[1], cv2.COLOR_BGR2RGB)
            if number == 0:
                between.start(image, detector.detect((image,)).xyxy[:1])
            else:
                found.append(between.follow(image))
            if number == 71:
                assert iou(found[-1], detector.detect((image,)).xyxy)[:1] > 0.8
    finally:
        reader.release()
    assert np.isfinite(found[:71]).all()
    assert np.isnan(found[71:]).all()
