"""Spotters at work on the people of a video, while its frames go by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.clips import Interval, Part
from fxbench.loader import one_line
from fxbench.spotting import Spotting
from fxbench.tracking import LOST_SECONDS
from fxbench.types import Points

if TYPE_CHECKING:
    from fxbench.analysis.engine import Engine, Look
    from fxbench.types import Float32, Frames, Int64

MOST = 8
"""So many people are looked at at once, at most, behind one detector: those that came first. Who is
gone makes room for others."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """An expression of a person of a video.

    Attributes:
        detector: behind which.
        spotter: that found it.
        track: whose it is.
        interval: when it was, in frames of the video.
        times: seconds of its onset, apex (None where that is not known) and offset.
    """

    detector: str
    spotter: str
    track: int
    interval: Interval
    times: tuple[float, float | None, float]

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        onset, apex, offset = self.times
        return {
            "detector": self.detector,
            "spotter": self.spotter,
            "track": self.track,
            "kind": self.interval.kind,
            "onset": self.interval.onset,
            "apex": self.interval.apex,
            "offset": self.interval.offset,
            "onset_s": round(onset, 4),
            "apex_s": None if apex is None else round(apex, 4),
            "offset_s": round(offset, 4),
            "score": float(f"{self.interval.score:.6g}"),
        }


@dataclass(slots=True)
class _Person:
    seen_s: float
    work: dict[str, Spotting] = field(default_factory=dict)


class Spots:
    """Hands each person's frames to each spotter, in one pass.

    Attributes:
        faults: a sentence for each spotter that failed at a person: it is not asked on.
        left_out: how many people no spotter looked at, as there were too many at once.
    """

    def __init__(self, engine: Engine, fps: float) -> None:
        """Before the first frame.

        Args:
            engine: whose spotters are asked.
            fps: frames per second of those that will be given.
        """
        self.faults: list[str] = []
        self.left_out = 0
        self._fps = fps
        self._spotters = {name: engine.component("spotter", name) for name in engine.cast.spotters}
        traits = {entry.name: entry.component.traits for entry in engine.entries["spotter"]}
        self._points = {name for name in self._spotters if "points" in traits[name]}
        self._probabilities = {name for name in self._spotters if "probabilities" in traits[name]}
        self._landmarker = contours_of(engine)
        self._classifier = engine.cast.classifiers[0]
        self._people: dict[str, dict[int, _Person]] = {}
        self._unseen: set[tuple[str, int]] = set()
        self._found: list[Spotted] = []
        # Of all frames so far: what an interval's times are looked up in.
        self._numbers: list[int] = []
        self._times: list[float] = []

    def add(self, looks: tuple[Look, ...], frames: Frames, numbers: Int64) -> None:
        """The next frames.

        Args:
            looks: what each detector, and those behind it, saw in them.
            frames: they themselves.
            numbers: int64 (N,), of each in the video.
        """
        if not self._spotters:
            return
        self._numbers += numbers.tolist()
        self._times += frames.time_s.tolist()
        for look in looks:
            people = self._people.setdefault(look.detector, {})
            begin = float(frames.time_s[0])
            for track in [t for t, p in people.items() if begin - p.seen_s > LOST_SECONDS]:
                self._end(look.detector, track, people.pop(track))
            for track in np.unique(look.boxes.track).tolist():
                self._admit(look.detector, track, people, begin)
            for track, person in people.items():
                rows = np.flatnonzero(look.boxes.track == track)
                if len(rows):
                    person.seen_s = float(frames.time_s[look.boxes.frame[rows[-1]]])
                self._give(look, track, person, rows, frames, numbers)

    def end(self) -> tuple[Spotted, ...]:
        """What was found, when all frames have been given: by detector, person and time."""
        for detector, people in self._people.items():
            for track, person in people.items():
                self._end(detector, track, person)
        self._people = {}
        return tuple(
            sorted(
                self._found,
                key=lambda s: (s.detector, s.track, s.interval.onset, s.spotter),
            )
        )

    def stop(self) -> None:
        """Give up."""
        for people in self._people.values():
            for person in people.values():
                for work in person.work.values():
                    work.stop()
        self._people = {}

    def _admit(self, detector: str, track: int, people: dict[int, _Person], now: float) -> None:
        if track in people or (detector, track) in self._unseen:
            return
        if len(people) >= MOST:
            self._unseen.add((detector, track))
            self.left_out += 1
            return
        people[track] = _Person(
            now,
            {name: Spotting(name, one, self._fps) for name, one in self._spotters.items()},
        )

    def _give(
        self,
        look: Look,
        track: int,
        person: _Person,
        rows: Int64,
        frames: Frames,
        numbers: Int64,
    ) -> None:
        places, count = look.boxes.frame[rows], len(frames.images)
        points = probabilities = None
        if self._points and self._landmarker is not None:
            there = look.points[self._landmarker]
            points = Points(_placed(there.xy[rows], places, count), there.scheme)
        if self._probabilities:
            shares = look.answers[self._classifier].probabilities[rows]
            # What the classifier has no label for is not known to be, as spotters have it.
            known = np.asarray(np.isfinite(shares).any(axis=1), np.bool_)
            shares = np.where(known[:, None], np.nan_to_num(shares), np.nan)
            probabilities = _placed(shares.astype(np.float32), places, count)
        xyxy = _placed(look.boxes.xyxy[rows], places, count)
        for name in tuple(person.work):
            part = Part(
                numbers,
                frames.time_s,
                frames.images,
                xyxy,
                points if name in self._points else None,
                probabilities if name in self._probabilities else None,
            )
            try:
                person.work[name].give(part)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                del person.work[name]
                self._failed(name, track, error)

    def _end(self, detector: str, track: int, person: _Person) -> None:
        for name, work in person.work.items():
            try:
                found = work.end(self._numbers[-1])
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                self._failed(name, track, error)
                continue
            for one in found:
                times = (self._time(one.onset), self._time(one.apex), self._time(one.offset))
                self._found.append(Spotted(detector, name, track, one, times))

    def _time(self, number: int | None) -> Any:
        """When a frame is, seconds; of one that was not taken, when the one before it is."""
        if number is None:
            return None
        place = int(np.searchsorted(self._numbers, number, side="right")) - 1
        return self._times[max(place, 0)]

    def _failed(self, name: str, track: int, error: Exception) -> None:
        self.faults.append(f"{name} failed at person {track}: {one_line(error)}")


def contours_of(engine: Engine) -> str | None:
    """The first landmarker of an engine whose points draw brows, eyes, nose and lips."""
    for entry in engine.entries["landmarker"]:
        if "contours" in entry.component.traits:
            return entry.name
    return None


def _placed(values: Float32, places: Int64, count: int) -> Float32:
    """Values of some of `count` frames in as many rows; NaN in the others."""
    rows = np.full((count, *values.shape[1:]), np.nan, np.float32)
    rows[places] = values
    return rows
