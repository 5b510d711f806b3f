"""Short videos of a drawn face, with what a run would hand to a spotter of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.clips import Part, Track
from fxbench.labels import EMOTIONS
from fxbench.testing.pictures import BROWS, Mouth, head, photograph
from fxbench.types import Float32, Float64, Int64, Points, UInt8

FPS = 25.0
SECONDS = 4.0
SIDE = 160
"""Of a drawn video: frames per second, how long it is, and a frame's width and height, pixels."""

PART = 16
"""So many frames are handed over at once."""

_HALF = 0.36 * SIDE
"""Half the height of the drawn head, pixels."""

_EXPRESSIONS = ((0.8, 1.9), (2.7, 3.1))
"""Onset and offset, seconds: a macro- and a micro-expression in each four seconds."""

_ANGLES = np.deg2rad([180, 240, 300, 0, 60, 120])


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A video of one person.

    Attributes:
        rate: frames per second of the video.
        frame: int64 (N,), ascending: those that are given.
        images: N pictures, RGB uint8 (H, W, 3).
        xyxy: float32 (N, 4), the face, a row of NaN where it was not found.
        xy: float32 (N, 68, 2), its landmarks, likewise.
        probabilities: float32 (N, 8), of the emotions, likewise.
    """

    rate: float
    frame: Int64
    images: tuple[UInt8, ...]
    xyxy: Float32
    xy: Float32
    probabilities: Float32

    def take(self, index: Int64) -> Film:
        """Some frames of it, under the numbers that they have."""
        return replace(
            self,
            frame=self.frame[index],
            images=tuple(self.images[i] for i in index),
            xyxy=self.xyxy[index],
            xy=self.xy[index],
            probabilities=self.probabilities[index],
        )

    def later(self, frames: int) -> Film:
        """The same, so many frames later in its clip."""
        return replace(self, frame=self.frame + frames)

    def copy(self, *, writeable: bool) -> Film:
        """The same in arrays of its own."""
        copied = replace(
            self,
            frame=self.frame.copy(),
            images=tuple(image.copy() for image in self.images),
            xyxy=self.xyxy.copy(),
            xy=self.xy.copy(),
            probabilities=self.probabilities.copy(),
        )
        for array in (*copied.images, *copied.columns):
            array.flags.writeable = writeable
        return copied

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """What comes with the pictures."""
        return self.frame, self.xyxy, self.xy, self.probabilities

    def lost(self, index: slice | Int64) -> Film:
        """The same with nobody found in some frames."""
        columns = [self.xyxy.copy(), self.xy.copy(), self.probabilities.copy()]
        for column in columns:
            column[index] = np.nan
        return replace(self, xyxy=columns[0], xy=columns[1], probabilities=columns[2])

    def parts(self, wants: Collection[str], size: int = PART) -> Iterator[Part]:
        """What a spotter with these traits is handed, so many frames at a time."""
        for start in range(0, len(self.frame), size):
            some = slice(start, start + size)
            yield Part(
                self.frame[some],
                self.frame[some] / self.rate,
                self.images[some],
                self.xyxy[some],
                Points(self.xy[some], "300w-68") if "points" in wants else None,
                self.probabilities[some] if "probabilities" in wants else None,
            )

    def again(self, wants: Collection[str], number: int) -> Iterator[Part]:
        """The parts of the film when it is shown once more, with pictures of their own."""
        shift = number * len(self.frame)
        for part in self.parts(wants):
            yield replace(
                part,
                frame=part.frame + shift,
                time_s=part.time_s + shift / self.rate,
                images=tuple(image.copy() for image in part.images),
            )

    def track(self, wants: Collection[str], size: int = PART) -> Track:
        """The person in it, part by part."""
        return Track(self.fps, self.parts(wants, size))

    @property
    def fps(self) -> float:
        """Frames per second of those that are given."""
        if len(self.frame) < 2:
            return self.rate
        return self.rate * (len(self.frame) - 1) / float(self.frame[-1] - self.frame[0])


def track(
    *,
    points: bool = False,
    probabilities: bool = False,
    seconds: float = SECONDS,
    fps: float = FPS,
    first: int = 0,
    lost: range = range(0),
    size: int = PART,
    seed: int = 0,
) -> Track:
    """A drawn person who raises the brows and opens the mouth, in each four seconds twice.

    Args:
        points: whether landmarks come along, for a spotter with that trait.
        probabilities: whether those of a classifier do.
        seconds: how long it is.
        fps: frames per second.
        first: the number of the first frame, where those before it are left out.
        lost: in which frames, counted from 0, the person is not found.
        size: how many frames are handed over at once.
        seed: another person for each.
    """
    given = {"points": points, "probabilities": probabilities}
    wants = [trait for trait, wanted in given.items() if wanted]
    whole = film(seconds, fps, seed)
    return whole.lost(np.array(lost, np.int64)).later(first).track(wants, size)


@lru_cache(maxsize=8)
def film(seconds: float = SECONDS, fps: float = FPS, seed: int = 0) -> Film:
    """The video of :func:`track`."""
    count = max(1, round(seconds * fps))
    frame = np.arange(count, dtype=np.int64)
    strength = intensity(frame / fps)
    noise = np.random.default_rng((seed, 1))
    images, boxes, shapes = [], [], []
    for time, expression in zip((frame / fps).tolist(), strength.tolist(), strict=True):
        image = np.full((SIDE, SIDE, 3), (80, 90, 100), np.float32)
        sway = np.array([np.sin(0.9 * time), 0.5 * np.cos(0.7 * time)]) * 0.01 * SIDE
        centre = sway + SIDE / 2
        where = (float(centre[0]), float(centre[1]))
        mouth = head(image, where, _HALF, np.random.default_rng(seed), expression)
        images.append(photograph(image, noise))
        boxes.append([*(centre - (0.72 * _HALF, 0.9 * _HALF)), *(centre + _HALF * 0.9)])
        shapes.append(centre + _HALF * _points(mouth, expression))
    odds = np.full((count, len(EMOTIONS)), 0.02, np.float32)
    odds[:, EMOTIONS.index("happiness")] += 0.8 * strength
    odds[:, EMOTIONS.index("neutral")] += 0.84 - 0.8 * strength
    xyxy, xy = np.array(boxes, np.float32), np.array(shapes, np.float32)
    return Film(fps, frame, tuple(images), xyxy, xy, odds).copy(writeable=False)


def intensity(time_s: Float64) -> Float32:
    """How strong the expression is, from 0 to 1, float32."""
    strength = np.zeros(len(time_s))
    for onset, offset in _EXPRESSIONS:
        phase = np.clip((np.mod(time_s, SECONDS) - onset) / (offset - onset), 0, 1)
        strength += (1 - np.cos(2 * np.pi * phase)) / 2
    return strength.astype(np.float32)


def _points(mouth: Mouth, expression: float) -> Float64:
    """The landmarks `300w-68` of a drawn head, in halves of its height from its middle, (68, 2)."""
    jaw = np.deg2rad(np.linspace(180, 0, 17))
    eye = np.stack([np.cos(_ANGLES) * 0.14, np.sin(_ANGLES) * 0.07 - 0.12], axis=1)
    aside = np.array([0.3, 0.0])
    brow = np.array([(x, -0.3 - BROWS * expression + 0.9 * x * x) for x in _spread(0.18, 5)])
    lips = [
        (mouth.width * np.cos(a), 0.58 + mouth.height * np.sin(a))
        for a in np.deg2rad([180, 210, 240, 270, 300, 330, 0, 30, 60, 90, 120, 150])
    ]
    inner = [
        (0.9 * mouth.width * np.cos(a), 0.57 + mouth.gap * np.sin(a))
        for a in np.deg2rad([180, 225, 270, 315, 0, 45, 90, 135])
    ]
    rows: list[Sequence[tuple[float, float]] | Float64] = [
        np.stack([0.72 * np.cos(jaw), 0.05 + 0.9 * np.sin(jaw)], axis=1),
        brow - aside,
        brow + aside,
        [(0, y) for y in np.linspace(-0.12, 0.28, 4)],
        [(x, 0.36) for x in _spread(0.13, 5)],
        eye - aside,
        eye + aside,
        lips,
        inner,
    ]
    return np.concatenate([np.asarray(row, np.float64) for row in rows])


def _spread(reach: float, count: int) -> list[float]:
    spread: list[float] = np.linspace(-reach, reach, count).tolist()
    return spread
