"""Who is who in a clip: faces get track numbers, and one person is followed.

Detectors look at each frame by itself. :class:`Tracker` joins their boxes into people, and
:class:`Followed` picks the one person that a clip is scored by. :mod:`fxbench.between` has the
boxes of frames where no detector looked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxbench.errors import PluginError
from fxbench.faces import iou
from fxbench.types import Boxes, Float32, Float64, Int64, check_array

LOST_SECONDS = 1.0
"""For how long a face that is not found keeps its track number."""

VELOCITY_SECONDS = 0.2
"""The time constant by which a track's velocity is smoothed: detectors' boxes tremble."""

COAST_SECONDS = 0.5
"""The time constant by which a face that is not found comes to rest where it is looked for."""

REACH = 0.5
"""How far a centre may be from where it is looked for, in sides of the face, besides
:data:`REACH_PER_SECOND` for each second since the face was found."""

REACH_PER_SECOND = 2.0
"""See :data:`REACH`."""

FARTHEST = 1.5
"""See :data:`REACH`: never farther than this."""

SIZE_RATIO = 2.0
"""Boxes that don't overlap enough are one face if their sides differ by this factor at most."""


@dataclass(slots=True)
class _Person:
    """A track.

    Attributes:
        number: of the track.
        xyxy: float64 (4,), its latest box, pixels.
        velocity: float64 (2,), of its centre, pixels per second.
        seen: when it was found last, seconds.
        count: how often it was found.
        missing: whether there was a frame since then.
    """

    number: int
    xyxy: Float64
    velocity: Float64
    seen: float
    count: int = 1
    missing: bool = False

    def expected(self, time_s: float) -> Float64:
        """The box where it is looked for: float64 (4,)."""
        gap = max(time_s - self.seen, 0.0)
        shift = self.velocity * COAST_SECONDS * -np.expm1(-gap / COAST_SECONDS)
        box: Float64 = self.xyxy + np.tile(shift, 2)
        return box

    def found(self, time_s: float, xyxy: Float64) -> None:
        gap = time_s - self.seen
        self.count += 1
        if gap > 0:
            latest = (_centre(xyxy) - _centre(self.xyxy)) / gap
            # The first of all velocities is all that is known: it isn't mixed with standstill.
            weight = max(-np.expm1(-gap / VELOCITY_SECONDS), 1 / (self.count - 1))
            self.velocity = self.velocity + weight * (latest - self.velocity)
        self.xyxy = xyxy
        self.seen = max(time_s, self.seen)
        self.missing = False


class Tracker:
    """Gives the boxes of a clip track numbers, frame by frame, in one pass.

    A box belongs to the track that expects it there: each track moves on with its smoothed
    velocity, pairs are made by the overlap of boxes so that their sum is greatest (the Hungarian
    method, as in SORT: Bewley, Ge, Ott, Ramos & Upcroft 2016, Simple online and realtime tracking,
    ICIP), and where boxes don't overlap enough, by the distance of centres, within a reach that
    grows with the time since the face was found. A box that fits no track begins one. Nothing is
    known of what people look like: two that cross are told apart by how they move.

    An object is for one clip. The same boxes always get the same numbers.

    Args:
        lost_s: seconds; a track that isn't found for longer ends. One that was found in the latest
            frame doesn't end, however long ago that was.
        iou: the least intersection over union with the expected box.

    Raises:
        PluginError: an argument is out of its range.
    """

    def __init__(self, *, lost_s: float = LOST_SECONDS, iou: float = 0.3) -> None:
        if not (lost_s >= 0 and 0 < iou <= 1):
            raise PluginError(
                f"A Tracker got lost_s {lost_s} and iou {iou}; expected are seconds from 0 on, "
                "and a number above 0 and up to 1."
            )
        self._lost_s = lost_s
        self._iou = iou
        self._people: list[_Person] = []
        self._next = 0

    def update(self, time_s: float, xyxy: Float32, score: Float32) -> Int64:
        """Number the boxes of the next frame.

        Args:
            time_s: seconds into the clip, not less than that of the frame before.
            xyxy: float32 (m, 4), pixels.
            score: float32 (m,); of boxes that begin tracks, the surest gets the lowest number.

        Returns:
            int64 (m,), track numbers from 0 on, no two alike.

        Raises:
            PluginError: an array has another dtype or shape, a number is not finite, or a box has
                no area.
        """
        check_array("xyxy", xyxy, np.float32, (None, 4))
        check_array("score", score, np.float32, (len(xyxy),))
        boxes = xyxy.astype(np.float64)
        if not (np.isfinite(time_s) and np.isfinite(boxes).all()):
            raise PluginError(
                f"A frame at {time_s} s has a time or a box that is not finite: seconds and "
                "pixels are expected."
            )
        if not (boxes[:, :2] < boxes[:, 2:]).all():
            raise PluginError(
                f"A frame at {time_s} s has a box without area: it must have x1 < x2 and y1 < y2."
            )
        self._people = [
            person
            for person in self._people
            if not (person.missing and time_s - person.seen > self._lost_s)
        ]
        tracks = np.full(len(boxes), -1, np.int64)
        for person in self._people:
            person.missing = True
        for row, column in self._pairs(time_s, boxes):
            self._people[row].found(time_s, boxes[column])
            tracks[column] = self._people[row].number
        for column in np.argsort(-score, kind="stable").tolist():
            if tracks[column] < 0:
                tracks[column] = self._next
                self._people.append(_Person(self._next, boxes[column], np.zeros(2), time_s))
                self._next += 1
        return tracks

    def tracked(self, boxes: Boxes, time_s: Float64) -> Boxes:
        """The boxes of the next frames, with their tracks.

        Args:
            boxes: what was found in N frames.
            time_s: float64 (N,), seconds into the clip.

        Raises:
            PluginError: as :meth:`update`, or a box belongs to no frame.
        """
        check_array("time_s", time_s, np.float64, (None,))
        _check_frames(boxes, len(time_s))
        starts = np.searchsorted(boxes.frame, np.arange(len(time_s) + 1))
        track = np.full(len(boxes), -1, np.int64)
        for time, start, stop in zip(time_s.tolist(), starts, starts[1:], strict=False):
            rows = slice(start, stop)
            track[rows] = self.update(time, boxes.xyxy[rows], boxes.score[rows])
        return Boxes(boxes.frame, boxes.xyxy, boxes.score, track)

    def _pairs(self, time_s: float, boxes: Float64) -> list[tuple[int, int]]:
        """Which person is which box."""
        from scipy.optimize import linear_sum_assignment

        if not self._people or not len(boxes):
            return []
        worth = self._worth(time_s, boxes)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        good = worth[rows, columns] > 0
        return list(zip(rows[good].tolist(), columns[good].tolist(), strict=True))

    def _worth(self, time_s: float, boxes: Float64) -> Float64:
        """How well people fit boxes: float64 (people, boxes); 0 where they don't.

        An overlap counts 1 and more, what is only near less than a half: no two pairs that are
        only near can outweigh one that overlaps.
        """
        latest = np.stack([person.xyxy for person in self._people])
        expected = np.stack([person.expected(time_s) for person in self._people])
        overlap = iou(expected[:, None].astype(np.float32), boxes[None].astype(np.float32))
        side, others = _side(latest)[:, None], _side(boxes)[None]
        # Who was lost may have gone on, or stopped.
        away = np.minimum(_away(expected, boxes), _away(latest, boxes)) / np.sqrt(side * others)
        gap = np.array([[max(time_s - person.seen, 0.0)] for person in self._people])
        reach = np.minimum(REACH + REACH_PER_SECOND * gap, FARTHEST)
        alike = (others <= SIZE_RATIO * side) & (side <= SIZE_RATIO * others)
        near = np.where(alike & (away < reach), 0.5 * (1 - away / reach), 0.0)
        worth: Float64 = np.where(overlap >= self._iou, 1 + overlap, near)
        return worth


class Followed:
    """The person that a clip is scored by, where no true boxes say who it is.

    It is the largest face of the first frame that has one. Where it is not found nobody is
    followed, until it comes back or is gone for more than `lost_s`: then the largest face begins
    anew. An object is for one clip.

    Args:
        lost_s: seconds, as the tracker has it.
    """

    def __init__(self, *, lost_s: float = LOST_SECONDS) -> None:
        self._lost_s = lost_s
        self._track = -1
        self._seen = -np.inf

    def choose(self, boxes: Boxes, time_s: Float64) -> Int64:
        """The box of the person in each of the next frames.

        Args:
            boxes: what was found in N frames, with tracks.
            time_s: float64 (N,), seconds into the clip.

        Returns:
            int64 (N,), indices into `boxes`; -1 where the person was not found.

        Raises:
            PluginError: a box has no track or belongs to no frame.
        """
        check_array("time_s", time_s, np.float64, (None,))
        _check_frames(boxes, len(time_s))
        if (boxes.track < 0).any():
            raise PluginError("A box has no track: give boxes as Tracker.tracked answers them.")
        chosen = np.full(len(time_s), -1, np.int64)
        starts = np.searchsorted(boxes.frame, np.arange(len(time_s) + 1)).tolist()
        area = np.prod(boxes.xyxy[:, 2:].astype(np.float64) - boxes.xyxy[:, :2], axis=1)
        for index, time in enumerate(time_s.tolist()):
            start, stop = starts[index], starts[index + 1]
            if start == stop:
                continue
            (same,) = np.nonzero(boxes.track[start:stop] == self._track)
            if len(same):
                chosen[index] = start + same[0]
            elif self._track < 0 or time - self._seen > self._lost_s:
                chosen[index] = start + np.argmax(area[start:stop])
                self._track = int(boxes.track[chosen[index]])
            else:
                continue
            self._seen = time
        return chosen


def _check_frames(boxes: Boxes, count: int) -> None:
    if len(boxes) and boxes.frame[-1] >= count:
        raise PluginError(
            f"A box belongs to frame {boxes.frame[-1]}, but there are {count} frames: indices "
            f"from 0 to {count - 1} are expected."
        )


def _centre(xyxy: Float64) -> Float64:
    centre: Float64 = (xyxy[..., :2] + xyxy[..., 2:]) / 2
    return centre


def _away(some: Float64, others: Float64) -> Float64:
    """The distance of each box's centre to each other's, pixels."""
    away: Float64 = np.linalg.norm(_centre(some)[:, None] - _centre(others)[None], axis=-1)
    return away


def _side(xyxy: Float64) -> Float64:
    """The side of a square that is as large, pixels."""
    side: Float64 = np.sqrt((xyxy[..., 2:] - xyxy[..., :2]).prod(axis=-1))
    return side
