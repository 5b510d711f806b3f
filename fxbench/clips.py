"""Videos: what is in a clip, what a spotter is given of it, and what it answers.

Frames count from 0 within their clip, and the first and the last frame of an interval belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from fxbench.errors import PluginError
from fxbench.types import Float32, Float64, Int64, Points, UInt8, check_array, check_image

MICRO, MACRO = "micro", "macro"
"""The kinds of expressions: see :func:`kind_of`."""

LEAST_FPS, MOST_FPS = 1e-3, 1e6
"""Between these a frame rate can be computed with."""

_MOST = 1e30

MICRO_SECONDS = 0.5
"""A micro-expression lasts this long at most, or :data:`MICRO_ONSET_SECONDS` from its onset to its
apex (Yan, Wu, Liang, Chen & Fu 2013, How fast are the leaked facial expressions: the duration of
micro-expressions, Journal of Nonverbal Behavior 37)."""

MICRO_ONSET_SECONDS = 0.26
"""See :data:`MICRO_SECONDS`."""


def kind_of(seconds: float, onset_seconds: float | None = None) -> str:
    """`micro` or `macro`, by how long an expression lasts.

    Args:
        seconds: from its onset to its offset.
        onset_seconds: from its onset to its apex, where that is known.
    """
    fast = onset_seconds is not None and onset_seconds <= MICRO_ONSET_SECONDS
    return MICRO if fast or seconds <= MICRO_SECONDS else MACRO


def taken(frames: int, own: float, wanted: float | None) -> Int64:
    """Which frames of a video are taken so that they are `wanted` per second at most.

    Args:
        frames: how many it has.
        own: its frames per second.
        wanted: None for all.

    Returns:
        int64 (N,), ascending: the first, then each that is the first at or after a tick.
    """
    # By the average rate: the frames' own times are known only when they are decoded.
    if wanted is None or wanted >= own * (1 - 1e-3):
        return np.arange(frames)
    ticks = np.arange(int(np.ceil(frames * wanted / own)) + 1)
    numbers: Int64 = np.ceil(ticks * own / wanted - 1e-9).astype(np.int64)
    return numbers[: np.searchsorted(numbers, frames)]


@dataclass(frozen=True, slots=True)
class Interval:
    """An expression in a clip.

    Attributes:
        onset: its first frame.
        apex: the frame where it is strongest; None where that is not known.
        offset: its last frame.
        kind: `micro` or `macro`.
        score: how sure a spotter is, on a scale of its own; 1 in a truth.
        emotion: in a truth what it shows, an index into EMOTIONS; -1 for what the clip shows.
    """

    onset: int
    apex: int | None
    offset: int
    kind: str
    score: float = 1.0
    emotion: int = field(default=-1, compare=False)

    def __post_init__(self) -> None:
        # A plugin may hand over anything, NumPy's numbers among it, which are no JSON.
        number: Any
        for name in ("onset", "apex", "offset", "emotion"):
            number = getattr(self, name)
            if number is None and name == "apex":
                continue
            if not isinstance(number, Integral):
                raise PluginError(f"The {name} of an interval must be an int, not {number!r}.")
            object.__setattr__(self, name, int(number))
        number = self.score
        if not isinstance(number, Real) or not abs(float(number)) < _MOST:
            raise PluginError(f"An interval's score must be a finite number, not {number!r}.")
        object.__setattr__(self, "score", float(number))
        if not 0 <= self.onset <= self.offset:
            raise PluginError(
                f"An interval from frame {self.onset} to {self.offset} must begin at 0 or later "
                "and end no sooner than it begins."
            )
        if self.apex is not None and not self.onset <= self.apex <= self.offset:
            raise PluginError(
                f"The apex {self.apex} of an interval must lie in it, from {self.onset} to "
                f"{self.offset}."
            )
        if self.kind not in (MICRO, MACRO):
            raise PluginError(f"An interval's kind must be 'micro' or 'macro', not {self.kind!r}.")

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.offset - self.onset + 1


@dataclass(frozen=True, slots=True)
class Clip:
    """A video of a dataset.

    Attributes:
        name: unique within the split.
        first: the row of its first frame; the others follow.
        frames: how many rows it has. A video that can't be opened has one, which is a failure.
        fps: frames per second, on average.
        emotion: what it shows, an index into EMOTIONS; -1 where that is not known.
        subject: who it shows; empty where that is not known.
        intervals: the expressions in it, in order; None where nobody has looked for them.
    """

    name: str
    first: int
    frames: int
    fps: float
    emotion: int = -1
    subject: str = ""
    intervals: tuple[Interval, ...] | None = None

    def __post_init__(self) -> None:
        for name, sort in (("first", int), ("frames", int), ("fps", float), ("emotion", int)):
            object.__setattr__(self, name, sort(getattr(self, name)))
        if not LEAST_FPS <= self.fps <= MOST_FPS:
            raise PluginError(
                f"The clip {self.name} has {self.fps:g} frames per second: expected are "
                f"{LEAST_FPS:g} to {MOST_FPS:g}."
            )

    @property
    def rows(self) -> range:
        """The rows of its frames."""
        return range(self.first, self.first + self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some frames of a clip, one after another, with what is known of one person in them.

    Attributes:
        frame: int64 (N,), ascending; some are left out where a run takes fewer frames per second.
        time_s: float64 (N,), seconds into the clip.
        images: N whole pictures, RGB uint8 (H, W, 3).
        xyxy: float32 (N, 4), the person's face in pixels; a row of NaN where it was not found.
        points: its landmarks, a row for each frame, of NaN where they were not located; None for a
            spotter that doesn't want any.
        probabilities: float32 (N, 8) in the order of EMOTIONS, 0 for emotions that the classifier
            doesn't have; a row of NaN where there was no face. None like `points`.
    """

    frame: Int64
    time_s: Float64
    images: tuple[UInt8, ...]
    xyxy: Float32
    points: Points | None = None
    probabilities: Float32 | None = None

    def __post_init__(self) -> None:
        count = len(self.images)
        check_array("Part.frame", self.frame, np.int64, (count,))
        check_array("Part.time_s", self.time_s, np.float64, (count,))
        check_array("Part.xyxy", self.xyxy, np.float32, (count, 4))
        for image in self.images:
            check_image("An image of Part", image)
        if self.points is not None and len(self.points.xy) != count:
            raise PluginError(f"Part has {len(self.points.xy)} rows of points, {count} images.")
        if self.probabilities is not None:
            check_array("Part.probabilities", self.probabilities, np.float32, (count, 8))


class Track:
    """A person through a clip, part by part, once: nothing keeps the pictures.

    Attributes:
        fps: frames per second of those that are given.
    """

    def __init__(self, fps: float, parts: Iterable[Part]) -> None:
        self.fps = fps
        self._parts = iter(parts)

    def __iter__(self) -> Iterator[Part]:
        return self._parts
