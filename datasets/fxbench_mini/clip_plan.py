"""What happens in each clip of `mini`: who shows what, from which frame to which, and what else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    from fxbench.types import Float64

FRAME_RATES = (25, 100)
"""Frames per second: that of ordinary video, and that of recordings of micro-expressions."""

SUBJECTS = 6

_SECONDS = {25: (4.0, 6.4), 100: (1.4, 2.2)}
"""The shortest and the longest clip at each frame rate."""

_MACRO_SECONDS = {25: (0.8, 3.4), 100: (0.6, 1.1)}
_MICRO_SECONDS = (0.2, 0.5)
_FAST_ONSET = 0.26
"""An expression counts as a micro-expression if it lasts half a second at most or reaches its apex
within 0.26 s (Yan et al. 2013, How fast are the leaked facial expressions, Journal of Nonverbal
Behavior 37): here a micro-expression does both and a macro-expression neither."""

AMPLITUDE = {"micro": (0.4, 0.6), "macro": (0.8, 1.0)}
"""The least and the greatest intensity at the apex."""

_AGAIN = {"micro": ("happiness", "surprise", "disgust"), "macro": ("sadness", "anger", "fear")}
"""Each kind shows seven emotions, and these a second time, so that there are ten clips of each."""

_DISTRACTORS = ("motion", "talk", "blinks", "motion talk", "blinks talk")
"""What happens in the clips without an expression, at both frame rates."""

_BLINK = (0.10, 0.04, 0.16)
"""Seconds in which the lids close, stay closed, and open."""

_SYLLABLES = 3.5
"""Openings of a talking mouth per second."""

_KNOTS = 0.4
"""Seconds between the supports of a random movement."""

_PERSISTENCE = 0.75
"""How much of a random movement is left at its next support."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One expression, in frames that count from 0.

    Attributes:
        onset: the first frame that differs from neutral.
        apex: the first frame of the greatest intensity.
        offset: the last frame that differs from neutral: it belongs to the expression.
        kind: `micro` or `macro`.
    """

    onset: int
    apex: int
    offset: int
    kind: str

    @property
    def frames(self) -> int:
        """How many frames differ from neutral."""
        return self.offset - self.onset + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """One clip, decided but not drawn.

    Attributes:
        name: of the video file.
        subject: number of the person, from 0.
        emotion: index into EMOTIONS; neutral where nothing is shown.
        fps: frames per second.
        frames: how many.
        interval: where the expression is; None for a clip without one.
        amplitude: the intensity at the apex; 1 is the expression of the stills of `mini`.
        blinks: the first frame of each blink.
        talk: how far the mouth moves as if in talk, in standard deviations; 0 for not at all.
        motion: how far the head moves; 1 for a person who sits before a camera.
    """

    name: str
    subject: int
    emotion: int
    fps: int
    frames: int
    interval: Interval | None
    amplitude: float
    blinks: tuple[int, ...]
    talk: float
    motion: float

    @property
    def kind(self) -> str:
        """`micro`, `macro` or `none`."""
        return self.interval.kind if self.interval else "none"

    def intensity(self) -> Float64:
        """How strong the expression is in each frame, float64 (frames,) in 0..1; 0 is neutral."""
        if self.interval is None:
            return np.zeros(self.frames)
        first, apex, last = self.interval.onset, self.interval.apex, self.interval.offset
        held = apex + round(0.2 * (last - apex))
        return self.amplitude * _rise_and_fall(self.frames, (first, apex, held, last))

    def closure(self) -> Float64:
        """How far the lids are closed in each frame, float64 (frames,) in 0..1."""
        closing, closed, opening = (max(1, round(part * self.fps)) for part in _BLINK)
        found = np.zeros(self.frames)
        for first in self.blinks:
            shut = first + closing - 1
            held = shut + closed
            turns = (first, shut, held, held + opening - 1)
            found = np.maximum(found, _rise_and_fall(self.frames, turns))
        return found

    def speech(self, rng: np.random.Generator) -> Float64:
        """How far the mouth is moved in each frame, float64 (frames,), in standard deviations."""
        if not self.talk:
            return np.zeros(self.frames)
        time = np.arange(self.frames) / self.fps
        phase = 2 * np.pi * (_SYLLABLES * time + rng.random()) + wander(rng, self.frames, self.fps)
        loudness = 1 / (1 + np.exp(-2 * wander(rng, self.frames, self.fps) - 1))
        return np.asarray(self.talk * loudness * (0.5 - 0.5 * np.cos(phase)), np.float64)


def plans(seed: int) -> tuple[Plan, ...]:
    """The clips: ten with a micro-expression, ten with a macro-expression, ten with none.

    Args:
        seed: of everything that chance decides.
    """
    rng = np.random.default_rng([seed, 0])
    shown = [emotion for emotion in EMOTIONS if emotion != "neutral"]
    wanted: list[tuple[str, str, int]] = []
    for kind in ("micro", "macro"):
        emotions = [*shown, *_AGAIN[kind]]
        rates = [FRAME_RATES[i % 2] for i in range(len(emotions))]
        wanted += [(kind, emotion, rate) for emotion, rate in zip(emotions, rates, strict=True)]
    wanted += [("none", what, rate) for what in _DISTRACTORS for rate in FRAME_RATES]
    order = [*rng.permutation(10), *(10 + rng.permutation(10)), *(20 + rng.permutation(10))]
    found = []
    for number, index in enumerate(order):
        subject = number % SUBJECTS
        name = f"s{subject + 1:02}-{number // SUBJECTS + 1}.mp4"
        kind, what, fps = wanted[index]
        own = np.random.default_rng([seed, 1, number])
        found.append(_plan(name, subject, kind, what, fps, own))
    return tuple(sorted(found, key=lambda plan: plan.name))


def _plan(
    name: str, subject: int, kind: str, what: str, fps: int, rng: np.random.Generator
) -> Plan:
    frames = round(rng.uniform(*_SECONDS[fps]) * fps)
    if kind == "none":
        return Plan(
            name,
            subject,
            EMOTIONS.index("neutral"),
            fps,
            frames,
            None,
            0.0,
            blinks(rng, fps, frames, 2 if "blinks" in what else 0, None),
            1.5 if "talk" in what else 0.0,
            2.2 if "motion" in what else 0.6,
        )
    interval = expression(rng, kind, fps, frames, _MACRO_SECONDS[fps])
    return Plan(
        name,
        subject,
        EMOTIONS.index(what),
        fps,
        frames,
        interval,
        float(rng.uniform(*AMPLITUDE[kind])),
        blinks(rng, fps, frames, int(rng.integers(0, 3)), interval),
        0.0,
        float(rng.uniform(0.3, 1.2)),
    )


def expression(
    rng: np.random.Generator, kind: str, fps: int, frames: int, macro: tuple[float, float]
) -> Interval:
    """Where an expression is in a clip.

    Args:
        rng: decides.
        kind: `micro` or `macro`.
        fps: frames per second.
        frames: of the clip.
        macro: seconds that a macro-expression lasts, the least and the most.
    """
    limits = _MICRO_SECONDS if kind == "micro" else macro
    length = int(rng.uniform(*limits) * fps + 1e-9)
    rise = round(rng.uniform(0.35, 0.45) * length)
    fast = int(_FAST_ONSET * fps)
    rise = min(rise, fast) if kind == "micro" else max(rise, fast + 1)
    # Some neutral frames stand before and after.
    margin = round(0.25 * fps)
    onset = int(rng.integers(margin, frames - length - margin + 1))
    return Interval(onset, onset + rise, onset + length - 1, kind)


def blinks(
    rng: np.random.Generator, fps: int, frames: int, count: int, interval: Interval | None
) -> tuple[int, ...]:
    """Where blinks start: each is whole, apart from the others and from a micro-expression."""
    taken = np.zeros(frames, np.bool_)
    if interval is not None and interval.kind == "micro":
        taken[interval.onset : interval.offset + 1] = True
    length = sum(max(1, round(part * fps)) for part in _BLINK)
    gap = round(0.15 * fps)
    found: list[int] = []
    for _ in range(count):
        free = [
            start
            for start in range(gap, frames - length - gap)
            if not taken[start - gap : start + length + gap].any()
        ]
        if free:
            start = int(rng.choice(free))
            taken[start : start + length] = True
            found.append(start)
    return tuple(sorted(found))


def _rise_and_fall(frames: int, turns: tuple[int, int, int, int]) -> Float64:
    """0, up to 1 and back along raised cosines, float64 (frames,).

    Args:
        frames: how many.
        turns: the first frame that is not 0, the first and the last that are 1, and the last that
            is not 0.
    """
    first, top, held, last = turns
    frame = np.arange(frames)
    rise = (frame - first + 1) / (top - first + 1)
    fall = (last - frame + 1) / (last - held + 1)
    share = np.clip(np.minimum(rise, fall), 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * share), np.float64)


def wander(rng: np.random.Generator, frames: int, fps: int) -> Float64:
    """A smooth random walk that is drawn back to 0, float64 (frames,), of about unit variance."""
    seconds = frames / fps
    knots = np.arange(0, seconds + 2 * _KNOTS, _KNOTS)
    steps = np.clip(rng.standard_normal(len(knots)), -2, 2)
    values = np.empty(len(knots))
    values[0] = steps[0]
    for i in range(1, len(knots)):
        values[i] = _PERSISTENCE * values[i - 1] + (1 - _PERSISTENCE**2) ** 0.5 * steps[i]
    return np.asarray(CubicSpline(knots, values)(np.arange(frames) / fps), np.float64)
