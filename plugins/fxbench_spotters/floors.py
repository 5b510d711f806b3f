"""The least that a spotter can do."""

from __future__ import annotations

import numpy as np

from fxbench.clips import Interval, Track, kind_of
from fxbench_spotters.series import frame_seconds


class Nothing:
    """Finds no expression: no false alarm, and no hit."""

    def spot(self, track: Track) -> tuple[Interval, ...]:
        """No interval; see :class:`fxbench.protocols.Spotter`."""
        for _ in track:
            pass
        return ()


class Everything:
    """Takes each clip for one expression, which is right where a clip is cut to its expression.

    Its kind is that of its length, and its apex the middle.
    """

    def spot(self, track: Track) -> tuple[Interval, ...]:
        """One interval from the first frame to the last; see :class:`fxbench.protocols.Spotter`."""
        frames: list[np.ndarray] = []
        times: list[np.ndarray] = []
        for part in track:
            frames.append(part.frame)
            times.append(part.time_s)
        frame = np.concatenate([np.zeros(0, np.int64), *frames])
        if not len(frame):
            return ()
        time_s = np.concatenate(times)
        seconds = float(time_s[-1] - time_s[0]) + frame_seconds(time_s, track.fps)
        first, last = int(frame[0]), int(frame[-1])
        return (Interval(first, (first + last) // 2, last, kind_of(seconds)),)
