"""The spotter `emotion-change`."""

from __future__ import annotations

import math

import numpy as np

from fxbench.clips import Interval, Track
from fxbench.errors import PluginError, UsageError
from fxbench_spotters.peaks import intervals, peaks
from fxbench_spotters.series import rest, smooth, stretches

_SMOOTH = 0.06
"""Seconds, the deviation of the Gaussian that takes the flicker out."""


class EmotionChange:
    """Peaks in how far a classifier's answer is from what it says of the face at rest.

    The distance is Hellinger's, between 0 and 1: with probabilities, a change from 1 % to 10 %
    counts for more than one from 41 % to 50 %.

    Args:
        threshold: the distance that must be reached.

    Raises:
        UsageError: the threshold is not between 0 and 1.
    """

    def __init__(self, threshold: float) -> None:
        if not (math.isfinite(threshold) and 0 < threshold < 1):
            raise UsageError(
                f"emotion-change got the threshold {threshold}; expected is a number between 0 "
                "and 1, such as 0.2."
            )
        self._threshold = threshold

    def spot(self, track: Track) -> tuple[Interval, ...]:
        """The expressions; see :class:`fxbench.protocols.Spotter`."""
        frames, times, values = [], [], []
        for part in track:
            if part.probabilities is None:
                raise PluginError("emotion-change needs probabilities, and was given none.")
            frames.append(part.frame)
            times.append(part.time_s)
            values.append(np.sqrt(np.maximum(part.probabilities, 0).astype(np.float64)))
        if not frames:
            return ()
        found: list[Interval] = []
        for series in stretches(
            np.concatenate(frames), np.concatenate(times), np.concatenate(values), track.fps
        ):
            roots = smooth(series.values, _SMOOTH / series.step_s)
            away = np.linalg.norm(roots - rest(roots, series.step_s), axis=1) / math.sqrt(2)
            strength = np.asarray(away, np.float64)
            found += intervals(
                series, peaks(strength, self._threshold, series.step_s), self._threshold
            )
        return tuple(found)
