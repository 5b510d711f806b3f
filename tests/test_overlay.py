"""What is drawn into pictures: where text stands, and that it says what was answered."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fxbench import overlay
from fxbench.analysis.answer import Answer
from fxbench.analysis.engine import Look
from fxbench.labels import EMOTIONS
from fxbench.lettering import Pen, darken
from fxbench.overlay import Shown, annotate, shown, zoom
from fxbench.overlay_plates import Table
from fxbench.types import Boxes, Points

SIZES = ((1, 1), (48, 48), (20, 900), (900, 20), (128, 128), (480, 640), (1080, 1920), (2600, 3900))
SHARES = np.array([0.5, 0.25, 0, 0.1, np.nan, 0.05, 0.1, 0], np.float32)
ONE = (("emopy-onnx", "neutral", 0.5),)
SEVERAL = (*ONE, ("a-very-long-name-of-a-classifier", "happiness", 0.93), ("third", "fear", 1.0))


class Written:
    """What is written, and where: on this canvas, x, y, the text and the letters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[tuple[int, int], int, int, str, Pen]] = []
        self.plates: list[tuple[int, int, int, int]] = []
        write = Pen.write

        def kept(pen, canvas, text, x, y, *colour):
            self.lines.append((canvas.shape[:2], x, y, text, pen))
            write(pen, canvas, text, x, y, *colour)

        def plate(canvas, x, y, width, height):
            self.plates.append((x, y, x + width, y + height))
            darken(canvas, x, y, width, height)

        monkeypatch.setattr(Pen, "write", kept)
        monkeypatch.setattr("fxbench.overlay_plates.darken", plate)

    @property
    def texts(self) -> list[str]:
        return [line[3] for line in self.lines]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


def face(box: tuple[float, float, float, float], labels=SEVERAL, track: int = -1) -> Shown:
    bars = np.stack([SHARES] * len(labels)) if labels else None
    return Shown(np.array(box, np.float32), track, labels, bars)


def crowd(height: int, width: int, count: int, labels=SEVERAL) -> list[Shown]:
    rng = np.random.default_rng(count)
    at = rng.uniform(-0.2, 1.0, (count, 2)) * [width, height]
    side = rng.uniform(0.05, 0.5, (count, 1)) * [width, height]
    boxes = np.concatenate([at, at + np.maximum(side, 1)], axis=1)
    return [face(tuple(box), labels, track) for track, box in enumerate(boxes.tolist())]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("count", "labels"), [(0, ()), (1, ONE), (3, SEVERAL), (25, SEVERAL)])
def test_text_can_be_read_and_stays_in_the_picture(
    size: tuple[int, int], count: int, labels, written: Written
) -> None:
    image = np.full((*size, 3), 120, np.uint8)
    before = image.copy()
    made = annotate(image, crowd(*size, count, labels), head=("25 pictures/s", "lag 0.1 s"))
    factor = zoom(*size)
    assert made.dtype == np.uint8
    assert made.shape == (size[0] * factor, size[1] * factor, 3)
    np.testing.assert_array_equal(image, before)
    for (height, width), x, y, text, pen in written.lines:
        assert (height, width) == made.shape[:2]
        assert cv2.getTextSize("X", 0, pen.scale, 1)[0][1] >= 9
        if text:
            assert 0 <= x <= width - pen.width(text), text
            assert 0 <= y <= height - pen.line, text


@pytest.mark.parametrize("size", [(64, 64), (480, 640), (1200, 800)])
def test_a_picture_is_large_enough_to_be_read(size: tuple[int, int]) -> None:
    made = annotate(np.zeros((*size, 3), np.uint8), ())
    assert max(made.shape[:2]) >= 400
    assert min(made.shape[:2]) >= 160


def test_one_face_has_a_bar_for_each_probability_of_each_classifier(written: Written) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    annotate(image, [face((40, 100, 200, 300), track=7)])
    assert written.texts[:2] == ["person 7", "labelled as"]
    assert set(EMOTIONS) <= set(written.texts)
    for text in ("emopy-onnx", "neutral 50 %", "happiness 93 %", "third", "fear 100 %"):
        assert text in written.texts
    assert written.texts.count("-") == 3  # anger: no such label


def test_a_bar_is_as_long_as_its_probability() -> None:
    canvas = np.zeros((300, 400, 3), np.uint8)
    pen = Pen.fit(480, 640)
    table = Table(pen, 0, (("one", "neutral", 1.0),), np.stack([SHARES]))
    table.draw(canvas, 0, 0, (200, 0, 0))
    red = (canvas == (200, 0, 0)).all(axis=2)
    red[:, : pen.gap] = False  # the edge
    lengths = [
        red[pen.gap // 4 + row * pen.line :][: pen.line].any(axis=0).sum() for row in range(2, 10)
    ]
    whole = lengths[0] / 0.5
    np.testing.assert_allclose(lengths, np.nan_to_num(SHARES) * whole, atol=1.5)


def test_side_by_side_classifiers_stand_in_lines_where_bars_have_no_room(written: Written) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    annotate(image, [face((40 + 150 * n, 150, 140 + 150 * n, 300), ONE) for n in range(4)])
    assert written.texts.count("labelled as") == 4
    assert "neutral 50 %" in written.texts
    assert "disgust" not in written.texts


def test_a_crowd_gets_short_lines_and_what_they_mean(written: Written) -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    spots = itertools.product(range(0, 400, 80), range(0, 600, 75))
    annotate(image, [face((x, y + 30, x + 40, y + 70), ONE, n) for n, (y, x) in enumerate(spots)])
    assert "labelled as, by emopy-onnx" in written.texts
    assert "3: neutral 50 %" in written.texts


@pytest.mark.parametrize("labels", [ONE, SEVERAL])
def test_what_is_written_covers_no_face(written: Written, labels) -> None:
    image = np.zeros((600, 900, 3), np.uint8)
    faces = [face((60 + 280 * n, 200, 200 + 280 * n, 380), labels, n) for n in range(3)]
    annotate(image, faces, head=("a line",))
    assert len(written.plates) == 4
    for x1, y1, x2, y2 in written.plates:
        for one in faces:
            left, top, right, bottom = one.xyxy.tolist()
            assert x2 <= left or right <= x1 or y2 <= top or bottom <= y1
    for a, b in itertools.combinations(written.plates, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_face_that_fills_the_picture_still_says_what_it_is_labelled_as(written: Written) -> None:
    annotate(np.zeros((240, 320, 3), np.uint8), [face((0, 0, 320, 240))])
    assert any("neutral" in text for text in written.texts)


def test_a_box_without_labels_or_track_has_no_text(written: Written) -> None:
    made = annotate(np.zeros((480, 640, 3), np.uint8), [face((100, 100, 200, 200), ())])
    assert written.texts == []
    assert made.any()
    annotate(np.zeros((480, 640, 3), np.uint8), [face((100, 100, 200, 200), (), 4)])
    assert written.texts == ["person 4"]


def test_a_face_that_was_followed_is_grey_and_persons_differ() -> None:
    image = np.zeros((480, 640, 3), np.uint8)

    def edge(one: Shown) -> tuple[int, ...]:
        made = annotate(image, [one])
        return tuple(made[250, 98:103].max(axis=0).tolist())

    found = face((100, 200, 200, 300), (), 0)
    followed = edge(replace(found, found=False))
    assert max(followed) - min(followed) < 10
    assert edge(found) != followed
    assert edge(replace(found, track=1)) != edge(found)


def test_points_are_drawn_and_unknown_ones_left_out() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    points = np.full((68, 2), np.nan, np.float32)
    box = np.array([100, 100, 300, 300], np.float32)
    bare = annotate(image, [Shown(box)])
    nothing = annotate(image, [Shown(box, points=points, scheme="300w-68")])
    np.testing.assert_array_equal(bare, nothing)
    points[36:42] = [[150, 200], [160, 190], [170, 190], [180, 200], [170, 205], [160, 205]]
    made = annotate(image, [Shown(box, points=points, scheme="300w-68")])
    assert (made[200, 150] == 255).all()
    assert made[195, 152:158].any()  # the line along the lid
    dots = annotate(image, [Shown(box, points=points, scheme="own")])
    assert not dots[195, 153:157].any()


def test_a_look_becomes_what_is_shown() -> None:
    boxes = Boxes(
        np.array([0, 1, 1, 1]),
        np.array([[0, 0, 5, 5], [1, 1, 6, 6], [2, 2, 7, 7], [3, 3, 8, 8]], np.float32),
        np.ones(4, np.float32),
        np.array([0, 0, 3, 1]),
    )
    probabilities = np.zeros((4, 8), np.float32)
    probabilities[1, 1], probabilities[2] = 0.75, np.nan
    other = np.array([0, 0.25, np.nan, 1], np.float32)
    points = Points(np.arange(4 * 2, dtype=np.float32).reshape(4, 1, 2), "own")
    look = Look(
        "d",
        boxes,
        np.array([True, True, False, True]),
        {"l": points},
        {"c": Answer(probabilities, other)},
    )
    one, two, three = shown(look, 1)
    assert one.labels == (("c", "happiness", 0.75),)
    assert [one.track, two.track, three.track] == [0, 3, 1]
    assert two.labels[0][1] == overlay.NOT_ANSWERED
    assert math.isnan(two.labels[0][2])
    assert not two.found
    assert three.labels == (("c", overlay.NO_COUNTERPART, 1.0),)
    assert one.points is not None
    assert one.points.tolist() == [[2, 3]]
    assert one.bars is not None
    assert one.bars.shape == (1, 8)
    assert shown(look, 1, bars=False)[0].bars is None
    assert shown(look, 2) == ()
