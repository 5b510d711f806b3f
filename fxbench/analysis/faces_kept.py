"""A few faces of a video as small pictures: of each person one, and those of what was spotted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxbench.analysis.drawn import write_picture
from fxbench.errors import ImageError
from fxbench.faces import crop
from fxbench.types import FaceSpec, Float32, UInt8
from fxbench.video import VideoReader

if TYPE_CHECKING:
    from fxbench.analysis.engine import Look
    from fxbench.analysis.people import Person
    from fxbench.analysis.spots import Spotted
    from fxbench.types import Frames

SIDE = 160
"""Of such a picture, pixels."""

MOST_EVENTS = 12
"""Of so many expressions of a person at most, the surest ones, frames are kept."""

FOLDER = "faces"
_SPEC = FaceSpec(SIDE, interpolation="area")
_AROUND = 1.6
"""The side of what is cut out, in longer sides of the box."""

_PEOPLE = 200


@dataclass(slots=True)
class Portraits:
    """The face of each person, where the detector was surest of it, while a video goes by."""

    _best: dict[tuple[str, int], tuple[float, UInt8]] = field(default_factory=dict)

    def add(self, looks: tuple[Look, ...], frames: Frames) -> None:
        """The next frames."""
        for look in looks:
            boxes = look.boxes
            for row in np.flatnonzero(look.detected).tolist():
                key, score = (look.detector, int(boxes.track[row])), float(boxes.score[row])
                known = self._best.get(key)
                # A little surer is not worth the cutting.
                if known is not None and score <= known[0] + 0.02 * abs(known[0]):
                    continue
                if known is None and len(self._best) >= _PEOPLE:
                    continue
                image = frames.images[int(boxes.frame[row])]
                self._best[key] = score, _cut(image, boxes.xyxy[row])

    def write(self, root: Path, name: str) -> dict[tuple[str, int], str]:
        """Write them, and tell where: the path of each within `root`.

        Raises:
            StoreError: one can't be written.
        """
        places = {}
        for (detector, track), (_, image) in self._best.items():
            place = f"{FOLDER}/{name}-{detector}-{track}.jpg"
            write_picture(root / place, image)
            places[detector, track] = place
        return places


def write_events(
    video: Path,
    root: Path,
    name: str,
    events: tuple[Spotted, ...],
    people: tuple[Person, ...],
) -> dict[int, dict[str, str]]:
    """Write the face at onset, apex and offset of expressions; the video is decoded up to there.

    Args:
        video: the file.
        root: where paths begin.
        name: of the video in files.
        events: all of it.
        people: whose they are.

    Returns:
        By index of the event, the path within `root` of each of `onset`, `apex` and `offset`. A
        frame that can't be decoded is left out.

    Raises:
        StoreError: one can't be written.
    """
    wanted: dict[int, list[tuple[int, str]]] = {}
    for index in _surest(events):
        one = events[index].interval
        for moment, number in (("onset", one.onset), ("apex", one.apex), ("offset", one.offset)):
            if number is not None:
                wanted.setdefault(number, []).append((index, moment))
    places: dict[int, dict[str, str]] = {}
    if not wanted:
        return places
    found = {(person.detector, person.track): person for person in people}
    try:
        with VideoReader(video) as reader:
            for number, _, image in reader.read(sorted(wanted)):
                for index, moment in wanted[number]:
                    event = events[index]
                    person = found[event.detector, event.track]
                    near = int(np.argmin(np.abs(person.frame - number)))
                    place = f"{FOLDER}/{name}-{event.detector}-{event.track}-f{number}.jpg"
                    if not (root / place).exists():
                        write_picture(root / place, _cut(image, person.xyxy[near]))
                    places.setdefault(index, {})[moment] = place
    except ImageError:
        pass  # it ends too soon, which the record says already
    return places


def _cut(image: UInt8, xyxy: Float32) -> UInt8:
    """A square around a face, as far as the picture has one."""
    side = float(min(_AROUND * (xyxy[2:] - xyxy[:2]).max(), *image.shape[:2]))
    corner = (xyxy[:2] + xyxy[2:] - side) / 2
    corner = np.clip(corner, 0, np.array(image.shape[1::-1]) - side)
    return crop(image, np.concatenate([corner, corner + side]).astype(np.float32), _SPEC)


def _surest(events: tuple[Spotted, ...]) -> list[int]:
    """Those of each person with the highest scores."""
    ranked: dict[tuple[str, int, str], list[int]] = {}
    for index, event in enumerate(events):
        ranked.setdefault((event.detector, event.track, event.spotter), []).append(index)
    chosen = []
    for indices in ranked.values():
        indices.sort(key=lambda i: -events[i].interval.score)
        chosen += indices[:MOST_EVENTS]
    return sorted(chosen)
