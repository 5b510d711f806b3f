"""What is measured of each frame as an even series: gaps, smoothing, and the face at rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fxbench.types import Float64, Int64

GAP_SECONDS = 0.2
"""A face that is lost for so long at most is filled in between its neighbours."""

SHORTEST_SECONDS = 0.5
"""Of less than this nothing can be said: there is no rest to compare with."""

_SHORTEST_STEP = 1e-3
"""Seconds: times that lie closer together are wrong."""

_REST_SECONDS = 12.0
"""Rest is looked for in as much of the clip as this: three times the longest expression."""

_REST_SHARE = 0.25
"""And so many of its frames are taken for rest: those that are most alike."""

_MOST_COMPARED = 400
"""Frames of such a stretch that are compared with one another."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A stretch without a gap, at even steps.

    Attributes:
        values: float64 (N, C).
        frame: int64 (N,), the frame nearest to each step.
        time_s: float64 (N,), of each step.
        step_s: seconds from one step to the next.
    """

    values: Float64
    frame: Int64
    time_s: Float64
    step_s: float


def frame_seconds(time_s: Float64, fps: float) -> float:
    """How long a frame lasts: the median of what is seen, else what is said."""
    steps = np.diff(time_s)
    steps = steps[steps > 0]
    return max(float(np.median(steps)) if len(steps) else 1.0 / max(fps, 1e-6), _SHORTEST_STEP)


def stretches(frame: Int64, time_s: Float64, values: Float64, fps: float) -> list[Series]:
    """The stretches of a clip in which a face was found, short gaps filled in.

    Args:
        frame: int64 (N,), ascending.
        time_s: float64 (N,), ascending.
        values: float64 (N, C), a row of NaN where there was no face.
        fps: frames per second, as the clip says.
    """
    seen = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
    # A clip whose times don't ascend has broken ones: the first of equals is kept.
    seen[1:] &= np.diff(np.maximum.accumulate(time_s)) > 0
    frame, time_s, values = frame[seen], time_s[seen], values[seen]
    step = frame_seconds(time_s, fps)
    cuts = np.flatnonzero(np.diff(time_s) > max(GAP_SECONDS, 1.5 * step)) + 1
    found = []
    for rows in np.split(np.arange(len(frame)), cuts):
        if len(rows) < 4 or time_s[rows[-1]] - time_s[rows[0]] < SHORTEST_SECONDS:
            continue
        own = time_s[rows]
        even = own[0] + step * np.arange(int((own[-1] - own[0]) / step + 1.5))
        filled = [np.interp(even, own, column) for column in values[rows].T]
        after = np.clip(np.searchsorted(own, even), 1, len(own) - 1)
        nearest = np.where(even - own[after - 1] <= own[after] - even, after - 1, after)
        found.append(Series(np.stack(filled, 1), frame[rows][nearest], even, step))
    return found


def smooth(values: Float64, deviation: float) -> Float64:
    """Convolved with a Gaussian along the first axis, the ends repeated.

    Args:
        values: float64 (N, C).
        deviation: of the Gaussian, in steps; below a third nothing is done.
    """
    if deviation < 1 / 3:
        return values
    reach = int(np.ceil(3 * deviation))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, weights, "valid") for column in padded.T], 1)


def rest(values: Float64, step_s: float) -> Float64:
    """What the values are while nothing happens, float64 (N, C): it may change slowly.

    In a stretch of some seconds it is the mean of the frames that lie closest together. A median
    would be of the expression itself where that takes half of a clip.

    Args:
        values: float64 (N, C), smooth.
        step_s: seconds from one step to the next.
    """
    count = len(values)
    length = max(4, round(_REST_SECONDS / step_s))
    if count <= length:
        return np.broadcast_to(_densest(values), values.shape)
    starts = np.unique(np.linspace(0, count - length, 1 + -(-3 * (count - length) // length)))
    middles = starts + length / 2
    found = np.stack([_densest(values[round(start) :][:length]) for start in starts])
    at = np.arange(count)
    return np.stack([np.interp(at, middles, column) for column in found.T], 1)


def _densest(values: Float64) -> Float64:
    """The mean of those rows that lie closest together, float64 (C,)."""
    some = values[:: -(-len(values) // _MOST_COMPARED)]
    squares = (some**2).sum(1)
    apart = squares[:, None] + squares[None] - 2 * some @ some.T
    near = max(1, int(_REST_SHARE * len(some)))
    radius = np.partition(apart, near - 1, axis=1)[:, near - 1]
    order: Sequence[int] = np.argsort(apart[int(np.argmin(radius))], kind="stable")[:near].tolist()
    return np.asarray(some[order].mean(0), np.float64)
