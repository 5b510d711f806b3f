"""How well located landmarks move as the true ones do.

A landmarker that draws every brow a little too high still shows well when it rises, and one whose
points lie right on average but tremble hides it. So what is measured here is how the error changes
within a clip. All is in units of the true face's inter-ocular distance, as the normalised mean
error is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.metrics.intervals import CONFIDENCE, Estimate

if TYPE_CHECKING:
    import numpy.typing as npt

    from fxbench.types import Bool, Float32, Float64, Int64

    Complex = npt.NDArray[np.complex128]

FEWEST_CLIPS = 5
"""With fewer clips there is no interval."""

MOVED = 0.01
"""A face has moved, away from how it mostly is in its clip, if its points have by so many
inter-ocular distances on average. At rest nothing but trembling is left to be seen, and a shape
that never changes would be the best."""

FEWEST_POINTS = 3
"""With fewer points a similarity explains every motion, and there is no motion error."""

RESAMPLES = 1000

_GAP = 1.5
"""Frames that are further apart than so many of the clip's median step are no neighbours."""


def score_motion(
    points: Float32, truth: Float32, ocular: Float64, clip: Int64, time_s: Float64
) -> dict[str, Any]:
    """The motion of located landmarks against that of the true ones.

    Args:
        points: float32 (T, P, 2), pixels; a frame that holds NaN was not located, and counts in
            neither number (the failure rate tells how many those are).
        truth: float32 (T, P, 2), the same points.
        ocular: float64 (T,), the true face's inter-ocular distance in each frame, pixels.
        clip: int64 (T,), which clip each frame is of.
        time_s: float64 (T,), seconds into the clip, ascending within it.

    Returns:
        `motion_error` and `jitter`, see :func:`motion_errors` and :func:`jitters`, each with
        `value`, `low`, `high` and `n`: the mean over the frames in which the true face has moved,
        and over all the root of the mean square; the central 95 % of 1,000 bootstrap resamples of
        clips (Efron 1979, Bootstrap methods: another look at the jackknife, Annals of Statistics
        7(1)), None for fewer than five clips; and how many frames it was made from. `value` is None
        where there is no such frame.

    Raises:
        ValueError: the shapes don't fit.
    """
    count = len(truth)
    if points.shape != truth.shape or truth.ndim != 3 or truth.shape[2] != 2:
        raise ValueError(
            f"Located {points.shape} and true points {truth.shape} must both be (T, P, 2)."
        )
    if not ocular.shape == clip.shape == time_s.shape == (count,):
        raise ValueError(
            f"{count} frames need as many inter-ocular distances, clips and times; there are "
            f"{ocular.shape}, {clip.shape} and {time_s.shape}."
        )
    moved, trembled = [], []
    for number in np.unique(clip).tolist():
        rows = np.flatnonzero(clip == number)
        of = points[rows].astype(np.float64), truth[rows].astype(np.float64), ocular[rows]
        errors, distance = motion_errors(*of)
        moved.append(_Sum.of(errors[distance >= MOVED]))
        trembled.append(_Sum.of(jitters(*of, time_s[rows]) ** 2))
    squared = _estimate(trembled)
    jitter = Estimate(
        value=_root(squared["value"]),
        low=_root(squared["low"]),
        high=_root(squared["high"]),
        n=squared["n"],
    )
    return {"motion_error": _estimate(moved), "jitter": jitter}


def motion_errors(points: Float64, truth: Float64, ocular: Float64) -> tuple[Float64, Float64]:
    """How far, in each frame of a clip, the points have moved otherwise than the true ones.

    The true points of each frame are laid onto those of a frame in the clip's middle by the
    similarity of least squares, and the located ones onto them (Umeyama 1991, Least-squares
    estimation of transformation parameters between two point patterns, IEEE TPAMI 13(4)), so that
    neither a head that moves nor a box that does counts. A point's displacement is taken from its
    median over the clip. The error of a frame is the mean distance, over the points, of located and
    true displacement. A shape that never changes has the true displacement for an error: less than
    that means that motion is seen.

    Args:
        points: float64 (T, P, 2), pixels; a frame that holds NaN was not located.
        truth: float64 (T, P, 2).
        ocular: float64 (T,), pixels.

    Returns:
        The errors, and how far the true points have moved, on average: float64 (T,), inter-ocular
        units; NaN where a point is not known, and everywhere for fewer than three points.
    """
    errors, distance = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    rows = np.flatnonzero(_counted(points, truth, ocular))
    if not len(rows) or truth.shape[1] < FEWEST_POINTS:
        return errors, distance
    true, located = _complex(truth[rows]), _complex(points[rows])
    middle = len(rows) // 2
    reference = true[middle] / ocular[rows[middle]]
    true = _onto(true, np.broadcast_to(reference, true.shape))
    located = _onto(located, true)
    motion = _from_median(true)
    errors[rows] = np.abs(_from_median(located) - motion).mean(axis=1)
    distance[rows] = np.abs(motion).mean(axis=1)
    return errors, distance


def jitters(points: Float64, truth: Float64, ocular: Float64, time_s: Float64) -> Float64:
    """How much, in each frame of a clip, the points tremble against the true ones.

    Of the error of each point, what it is off the line between its neighbours in time is taken, and
    its root mean square over the points. For frames at even steps this is half the second
    difference. It is divided by the factor (1.5 there, of the variance) by which errors that are
    drawn anew in every frame grow in that difference: so the number is the standard deviation of
    such errors, in distance, the same at any frame rate. An error that stays, or drifts, counts
    nothing.

    Nothing is taken out for a head or a box that moves: what trembles in the picture, counts.

    Args:
        points: float64 (T, P, 2), pixels; a frame that holds NaN was not located.
        truth: float64 (T, P, 2).
        ocular: float64 (T,), pixels.
        time_s: float64 (T,), ascending seconds.

    Returns:
        float64 (T,), inter-ocular units; NaN for a frame without a neighbour on either side that
        was located, at most 1.5 median steps away.
    """
    errors = np.full(len(truth), np.nan)
    if len(truth) < 3:
        return errors
    known = _counted(points, truth, ocular)
    off = np.zeros(truth.shape[:2], np.complex128)
    off[known] = (_complex(points[known]) - _complex(truth[known])) / ocular[known, None]
    steps = np.diff(time_s)
    near = (steps > 0) & (steps <= _GAP * np.median(steps))
    rows = 1 + np.flatnonzero(near[:-1] & near[1:] & known[:-2] & known[1:-1] & known[2:])
    before, after = steps[rows - 1, None], steps[rows, None]
    weight = after / (before + after)
    bend = off[rows] - weight * off[rows - 1] - (1 - weight) * off[rows + 1]
    grown = 1 + weight[:, 0] ** 2 + (1 - weight[:, 0]) ** 2
    errors[rows] = np.sqrt((np.abs(bend) ** 2).mean(axis=1) / grown)
    return errors


@dataclass(frozen=True, slots=True)
class _Sum:
    """Of the frames of a clip that count."""

    total: float
    n: int

    @classmethod
    def of(cls, values: Float64) -> _Sum:
        counted = values[np.isfinite(values)]
        return cls(float(counted.sum()), len(counted))


def _estimate(clips: list[_Sum]) -> Estimate:
    """The mean over all frames, with an interval over clips."""
    there = [clip for clip in clips if clip.n]
    total = np.array([clip.total for clip in there])
    n = np.array([clip.n for clip in there])
    if not there:
        return Estimate(value=None, low=None, high=None, n=0)
    value = float(total.sum() / n.sum())
    if len(there) < FEWEST_CLIPS:
        return Estimate(value=value, low=None, high=None, n=int(n.sum()))
    drawn = np.random.default_rng(0).integers(0, len(there), (RESAMPLES, len(there)))
    means = total[drawn].sum(axis=1) / n[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value=value, low=float(low), high=float(high), n=int(n.sum()))


def _root(square: float | None) -> float | None:
    return None if square is None else float(np.sqrt(square))


def _counted(points: Float64, truth: Float64, ocular: Float64) -> Bool:
    known = np.isfinite(points).all(axis=(1, 2)) & np.isfinite(truth).all(axis=(1, 2))
    counted: Bool = known & np.isfinite(ocular) & (ocular > 0)
    return counted


def _complex(xy: Float64) -> Complex:
    return np.asarray(xy[..., 0] + 1j * xy[..., 1], np.complex128)


def _onto(
    source: Complex,
    target: Complex,
) -> Complex:
    """Each row of `source` (T, P) by the similarity that brings it nearest to that of `target`."""
    middle = target.mean(axis=1, keepdims=True)
    centred = source - source.mean(axis=1, keepdims=True)
    spread = (np.abs(centred) ** 2).sum(axis=1, keepdims=True)
    step = (centred.conj() * (target - middle)).sum(axis=1, keepdims=True)
    # Points that all lie in one place stay in one place.
    placed: Complex = centred * step / np.maximum(spread, np.finfo(np.float64).tiny) + middle
    return placed


def _from_median(
    z: Complex,
) -> Complex:
    offset: Complex = z - np.median(z.real, axis=0) - 1j * np.median(z.imag, axis=0)
    return offset
