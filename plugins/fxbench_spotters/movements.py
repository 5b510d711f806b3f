"""From where points are to how far a face is from its rest: what both motion spotters share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fxbench.clips import Interval
from fxbench.types import Bool, Float32, Float64, Int64
from fxbench_spotters.eyes import blinks
from fxbench_spotters.frontal import frontal, turns
from fxbench_spotters.peaks import Peak, intervals, peaks
from fxbench_spotters.series import rest, smooth, stretches
from fxbench_spotters.turns import Turns

_NOISE, _QUIET = 2.0, 0.35
"""An apex must be this many times as high as most of the curve is in this share of the clip, the
quietest: there it shows noise."""

_CALMER = 0.85
"""And as high as points move by in a moment, in this share of the moments: a landmarker that can't
make up its mind is believed less."""

_MOMENT_S, _TREMBLE_S = 0.04, 0.015
"""Seconds: a moment, and the deviation of the Gaussian that takes out what is faster."""

_FOOT = 0.8
"""Of that: lower than this, an expression can't be told from a landmarker's trembling."""

_TURNED = 0.8
"""So much of a peak must be left when what the head's turns do is taken away."""

_JITTER, _FASTEST = 0.07, 0.9
"""Points that move from one frame to the next by more than jitter, in distances between the eyes'
outer corners, and what the fastest expressions move by, in such distances per second, have
jumped."""

GROUPS = {
    "right_inner_brow": (20, 21),
    "left_inner_brow": (22, 23),
    "right_outer_brow": (17, 18, 19),
    "left_outer_brow": (24, 25, 26),
    "nose_base": (31, 32, 33, 34, 35),
    "right_corner": (48, 60),
    "left_corner": (54, 64),
    "upper_lip": (50, 51, 52, 61, 62, 63),
    "lower_lip": (56, 57, 58, 65, 66, 67),
}
"""Points of 300-W that move together: their mean is less noisy than each."""

_BOTH = ("right", "left")

_SLIDE = np.array([0, 0, 0, 0, 0, 0, 0.25, 0.58, 0, 0.42, 0, 0.42])
_SLIDE /= np.linalg.norm(_SLIDE)
"""Along the columns of the movements: the mouth as a whole up or down, and the nose a little."""


@dataclass(frozen=True, slots=True)
class Coupling:
    """Movements of the mouth that are no expression.

    Attributes:
        corners: how far its corners go down as the lower lip goes down by 1, in talk.
        outwards: how far these go away from each other then.
        upper: how far the upper lip goes down then.
        nose: how far the base of the nose goes down then.
        slides: whether the mouth as a whole may slip up and down the face. So it does where
            `dlib-68` takes a box that is not square for a longer face.
    """

    corners: float
    outwards: float
    upper: float = 0.0
    nose: float = 0.0
    slides: bool = False


@dataclass(slots=True)
class Seen:
    """What is kept of the frames of a clip: some numbers for each.

    Attributes:
        coupling: what of them is no expression.
        frame: of each part, int64 (N,).
        time_s: likewise, float64 (N,).
        values: likewise, float64 (N, C), the movements, the two turns of the head and the contrast
            of the eyes.
    """

    coupling: Coupling
    frame: list[Int64] = field(default_factory=list)
    time_s: list[Float64] = field(default_factory=list)
    values: list[Float64] = field(default_factory=list)

    def add(self, frame: Int64, time_s: Float64, xy: Float32 | Float64, contrast: Float64) -> None:
        """Keep the movements of the next frames.

        Args:
            frame: int64 (N,).
            time_s: float64 (N,).
            xy: (N, 68, 2), points as :func:`fxbench_spotters.frontal.in_300w` gives them.
            contrast: float64 (N,), by :func:`fxbench_spotters.eyes.eye_contrast`.
        """
        self.frame.append(frame)
        self.time_s.append(time_s)
        moves = _movements(frontal(xy), self.coupling)
        self.values.append(np.column_stack([moves, turns(xy), contrast]))

    def expressions(
        self, fps: float, *, threshold: float, smoothing_s: float
    ) -> tuple[Interval, ...]:
        """The intervals in which the face is farther from its rest than a threshold.

        Args:
            fps: frames per second, as the clip says.
            threshold: in distances between the eyes' outer corners.
            smoothing_s: the deviation of the Gaussian that takes jitter out.
        """
        if not self.frame:
            return ()
        found: list[Interval] = []
        for series in stretches(
            np.concatenate(self.frame),
            np.concatenate(self.time_s),
            np.concatenate(self.values),
            fps,
        ):
            seen = _undisturbed(series.values[:, :-1], series.values[:, -1], series.step_s)
            head = Turns(seen[:, :-2], seen[:, -2:], series.step_s)
            found += intervals(series, _found(head, threshold, smoothing_s), threshold)
        return tuple(found)


def _movements(front: Float64, coupling: Coupling) -> Float64:
    """Where the groups are, float64 (N, 12), without what is no expression."""
    mean = {name: front[:, points].mean(1) for name, points in GROUPS.items()}
    lower = mean["lower_lip"][:, 1]
    columns = [mean[f"{side}_inner_brow"][:, axis] for side in _BOTH for axis in (0, 1)]
    columns += [mean[f"{side}_outer_brow"][:, 1] for side in _BOTH]
    columns.append(mean["nose_base"][:, 1] - coupling.nose * lower)
    columns.append(mean["upper_lip"][:, 1] - coupling.upper * lower)
    for side, outwards in zip(_BOTH, (-1, 1), strict=True):
        corner = mean[f"{side}_corner"]
        columns.append(corner[:, 0] - outwards * coupling.outwards * lower)
        columns.append(corner[:, 1] - coupling.corners * lower)
    found = np.stack(columns, axis=1)
    if coupling.slides:
        found -= (found @ _SLIDE)[:, None] * _SLIDE
    return found


def _undisturbed(moves: Float64, contrast: Float64, step_s: float) -> Float64:
    """The movements, which go straight from before to behind while the lids are shut."""
    shut = blinks(contrast, step_s)
    if shut.all():
        return moves
    steps = np.arange(len(moves))
    return np.stack([np.interp(steps, steps[~shut], column[~shut]) for column in moves.T], axis=1)


def _found(head: Turns, threshold: float, smoothing_s: float) -> list[Peak]:
    """The peaks of a stretch that are neither noise nor a jump nor a turn of the head."""
    clean, noise = _strength(head.moves, head.step_s, smoothing_s)
    unrest, jump = _jumps(head.moves, head.step_s)
    limit = max(threshold, _NOISE * noise, unrest)
    found = []
    for peak in peaks(clean, limit, head.step_s, floor=_FOOT * unrest):
        if _jumped(peak, jump):
            continue
        part, moves = head.around(peak.onset, peak.offset)
        left, _ = _strength(moves, head.step_s, smoothing_s)
        height = left[peak.onset - part.start : peak.offset + 1 - part.start].max()
        if height >= max(limit, _TURNED * peak.height):
            found.append(peak)
    return found


def _strength(moves: Float64, step_s: float, smoothing_s: float) -> tuple[Float64, float]:
    """How far the face is from rest in each step, float64 (N,), without noise; and the noise."""
    moves = smooth(moves, smoothing_s / step_s)
    strength = np.linalg.norm(moves - rest(moves, step_s), axis=1)
    noise = float(np.quantile(strength, _QUIET))
    # What noise adds to a length is added in squares.
    return np.sqrt(np.maximum(strength**2 - 1.2 * noise**2, 0)), noise


def _jumps(moves: Float64, step_s: float) -> tuple[float, Bool]:
    """How restless points are, and after which steps they jump, bool (N - 1,).

    A landmarker may take a face now for one shape, now for another, and change its mind from one
    frame to the next. No muscle is that fast.
    """
    lag = max(1, round(_MOMENT_S / step_s))
    calm = smooth(moves, _TREMBLE_S / step_s)
    unrest = np.quantile(np.linalg.norm(calm[lag:] - calm[:-lag], axis=1), _CALMER)
    far = np.linalg.norm(np.diff(moves, axis=0), axis=1)
    return float(unrest), far > _JITTER + _FASTEST * step_s


def _jumped(peak: Peak, jump: Bool) -> bool:
    """Whether a peak begins or ends with a jump."""
    return bool(jump[max(0, peak.onset - 1) : peak.offset + 1].any())
