"""What was answered of faces, drawn into a picture: boxes, landmarks, emotions and probabilities.

Text is never outside of the picture, and no smaller than can be read: small pictures are enlarged.
Next to each face stands as much as there is room for without covering a face: a table with a bar
for each probability, else a line for each classifier, else one line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fxbench import contours
from fxbench.labels import EMOTIONS
from fxbench.lettering import Colour, Pen
from fxbench.metrics.classification import OTHER
from fxbench.overlay_places import corner, places
from fxbench.overlay_plates import Plate, Short, Table, lines, long_lines, short_line
from fxbench.types import Float32, Float64, UInt8

if TYPE_CHECKING:
    from fxbench.analysis.engine import Look

COLOURS: tuple[Colour, ...] = (
    (80, 200, 255),
    (120, 230, 120),
    (255, 170, 80),
    (255, 140, 210),
    (250, 240, 100),
)
"""Of people, RGB, by the number of their track."""

NOT_ANSWERED = "no answer"
NO_COUNTERPART = "none of the eight"
"""What stands in place of an emotion."""

_WIDE, _NARROW, _LARGE = 480, 160, 16_000_000
_FOLLOWED: Colour = (170, 170, 170)
_BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What is shown of a face.

    Attributes:
        xyxy: float (4,), its box in pixels.
        track: which person of the clip it is, by position and motion alone; -1 for none.
        labels: for each classifier its name, the emotion that it labels the face as, and the
            probability of that, from 0 to 1 or NaN.
        bars: float32 (8,), the probabilities of the first classifier in the order of
            :data:`fxbench.labels.EMOTIONS`, or (C, 8), those of all; NaN where it has no such
            label. None for no bars.
        points: float32 (P, 2), landmarks in pixels, or None.
        scheme: of the landmarks.
        found: whether the detector found the face here. It was followed here otherwise, and its
            box is grey.
    """

    xyxy: Float32 | Float64
    track: int = -1
    labels: tuple[tuple[str, str, float], ...] = ()
    bars: Float32 | None = None
    points: Float32 | None = None
    scheme: str = ""
    found: bool = True


def shown(look: Look, frame: int, *, bars: bool = True) -> tuple[Shown, ...]:
    """What is shown of the faces that one detector found in a frame.

    Args:
        look: its answer, and that of those behind it.
        frame: which of the look's pictures.
        bars: whether probabilities are shown.
    """
    faces = []
    for row in np.flatnonzero(look.boxes.frame == frame).tolist():
        labels, rows = [], []
        for name, answer in look.answers.items():
            own, top = answer.probabilities[row], int(answer.top()[row])
            if top >= 0:
                labels.append((name, EMOTIONS[top], float(own[top])))
            elif top == OTHER:
                labels.append((name, NO_COUNTERPART, float(answer.other[row])))
            else:
                labels.append((name, NOT_ANSWERED, math.nan))
            rows.append(own)
        points, scheme = None, ""
        for some in look.points.values():
            points, scheme = some.xy[row], some.scheme
            break
        faces.append(
            Shown(
                look.boxes.xyxy[row],
                int(look.boxes.track[row]),
                tuple(labels),
                np.stack(rows) if bars and rows else None,
                points,
                scheme,
                bool(look.detected[row]),
            )
        )
    return tuple(faces)


def zoom(height: int, width: int) -> int:
    """By which whole factor a picture is enlarged, so that text in it can be read."""
    wanted = max(round(_WIDE / max(height, width)), math.ceil(_NARROW / min(height, width)))
    return max(1, min(wanted, math.isqrt(_LARGE // max(1, height * width))))


def annotate(image: UInt8, faces: Sequence[Shown], *, head: Sequence[str] = ()) -> UInt8:
    """Draw what was answered.

    Args:
        image: RGB uint8 (H, W, 3).
        faces: what is drawn, the first on top of the others. A box may reach out of the picture.
        head: lines for a corner, such as a rate. Letters that are not ASCII can't be drawn.

    Returns:
        A new picture, RGB uint8: of the same size, or :func:`zoom` times as large, which depends
        on H and W only.
    """
    factor = zoom(*image.shape[:2])
    if factor > 1:
        large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        canvas = np.asarray(large, np.uint8)
    else:
        canvas = np.array(image, np.uint8, order="C")
    pen = Pen.fit(*canvas.shape[:2])
    boxes = np.array([face.xyxy for face in faces], np.float64).reshape(-1, 4) * factor
    colours = [
        COLOURS[(face.track if face.track >= 0 else number) % len(COLOURS)]
        for number, face in enumerate(faces)
    ]
    for face, box, colour in reversed(list(zip(faces, boxes, colours, strict=True))):
        _outline(canvas, face, box, colour, pen, factor)
    taken: list[Float64] = []
    if head:
        plate = lines(canvas.shape[1], pen, [[(text, False)] for text in head])
        _put(canvas, plate, boxes, taken)
    _label(canvas, faces, boxes, colours, taken, pen)
    return canvas


def _outline(
    canvas: UInt8, face: Shown, box: Float64, colour: Colour, pen: Pen, factor: int
) -> None:
    # An edge at the border of the picture is drawn within it.
    height, width = canvas.shape[:2]
    far = pen.edge + 1
    within = np.array([far, far, width - far, height - far])
    box = np.where(np.abs(box - within) <= 2 * far, within, box)
    contours.frame(canvas, box, _BLACK, pen.edge + 2)
    contours.frame(canvas, box, colour if face.found else _FOLLOWED, pen.edge)
    if face.points is not None:
        points = (np.asarray(face.points, np.float64) + 0.5) * factor - 0.5
        side = float(box[2] - box[0])
        contours.draw(canvas, points, face.scheme, colour, side, pen.stroke)


def _label(
    canvas: UInt8,
    faces: Sequence[Shown],
    boxes: Float64,
    colours: Sequence[Colour],
    taken: list[Float64],
    pen: Pen,
) -> None:
    """Write what is known of each face next to it: as much as there is room for, of all alike."""
    height, width = canvas.shape[:2]
    for some, own, share in _forms(faces, pen, width):
        around = list(taken)
        key = None
        if all(plate is None or isinstance(plate, Short) for plate in some):
            key = _key(faces, own, width)
        if key is not None:
            place, _ = corner(key, boxes, around, (height, width), first=2)
            around.append(place)
        found = places(some, boxes, around, (height, width), share=share)
        if found is not None:
            if key is not None:
                key.draw(canvas, *_origin(place), None)
            for plate, spot, colour in zip(some, found, colours, strict=True):
                if plate is not None and spot is not None:
                    plate.draw(canvas, *_origin(spot), colour)
            return


def _forms(
    faces: Sequence[Shown], pen: Pen, width: int
) -> Iterator[tuple[list[Plate | None], Pen, float | None]]:
    """What could stand next to the faces: with which letters, and how much of a face it may cover.

    The most telling comes first; what covers the only face that there is comes after what doesn't.
    """
    labelled = any(face.labels for face in faces)
    barred = labelled and any(face.bars is not None for face in faces)
    pens = list(dict.fromkeys((pen, pen.smaller())))
    for table_share, lines_share in ((0.0, 0.0), (0.15, 0.25)):
        for own in pens if barred else ():
            yield [_table(face, own, width) for face in faces], own, table_share
        for own in pens if labelled else ():
            some = [long_lines(face.track, face.labels, own, width) for face in faces]
            yield some, own, lines_share
    for own in dict.fromkeys((*pens, Pen.smallest())):
        some = [short_line(face.track, face.labels, own, width) for face in faces]
        yield some, own, None if own == Pen.smallest() else 0.25


def _table(face: Shown, pen: Pen, width: int) -> Plate | None:
    if face.bars is None or not face.labels:
        return long_lines(face.track, face.labels, pen, width)
    bars = np.atleast_2d(np.asarray(face.bars, np.float32))
    return Table(pen, face.track, face.labels[: len(bars)], bars)


def _key(faces: Sequence[Shown], pen: Pen, width: int) -> Plate | None:
    """What the short lines mean."""
    names = list(dict.fromkeys(name for face in faces for name, _, _ in face.labels))
    return lines(width, pen, [[(f"labelled as, by {', '.join(names)}", False)]]) if names else None


def _put(canvas: UInt8, plate: Plate, boxes: Float64, taken: list[Float64]) -> None:
    place, _ = corner(plate, boxes, taken, canvas.shape[:2], first=0)
    plate.draw(canvas, *_origin(place), None)
    taken.append(place)


def _origin(place: Float64) -> tuple[int, int]:
    return int(place[0]), int(place[1])
