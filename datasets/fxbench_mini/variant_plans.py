"""Clips of other people with other settings than the shipped ones, drawn from the fitted model.

What happens in a clip is decided in time, not in frames: the same seed gives the same people,
expressions and movements at every frame rate, so that settings are compared on the same clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench_mini import clips
from fxbench_mini.clip_plan import AMPLITUDE, Interval, Plan, blinks, expression
from fxbench_mini.degrading import Footage

if TYPE_CHECKING:
    from fxbench_mini.aam import AppearanceModel

FRAME_RATES = (15, 20, 25, 30, 50, 60, 75, 100, 150, 200)
"""Frames per second that clips can have: :data:`_TICKS` is a multiple of each."""

PEOPLE = 9
"""Odd, so that each shows both kinds of expressions."""

_TICKS = 600
"""Moments per second in which clips are planned."""

_STEP_S = 0.2
"""Clips last a multiple of this, which is a whole number of frames at every rate."""

_SECONDS = (3.0, 4.0)
"""The shortest and the longest clip with an expression."""

_QUIET_SECONDS = 12.0
"""How long a clip without one lasts."""

_MACRO_SECONDS = (0.6, 1.8)
_MOTION = (0.3, 1.2)
"""As in the shipped clips with an expression."""

_QUIET_MOTION = {True: 2.2, False: 0.6}
"""Likewise, in those without: for one that moves, and for one that does not."""

_BLINKS_S = 3.0
"""Seconds from one blink to the next, on average, in a clip without an expression: 20 a minute
(Bentivoglio et al. 1997, Analysis of blink rate patterns in normal subjects, Movement Disorders
12(6): 17 at rest, 26 in conversation)."""

_TALK = 1.5


@dataclass(frozen=True, slots=True)
class Script:
    """What is drawn.

    Attributes:
        events: clips with an expression, half of them with a micro-expression, one in each.
        quiet: clips with none, but with blinks and head motion.
        fps: frames per second, of :data:`FRAME_RATES`.
        motion: how far heads move, as a multiple of what they do in the shipped clips.
        talk: whether mouths of quiet clips talk besides.
        seed: of people, expressions and movements. That of the shipped clips is 1.
    """

    events: int = 24
    quiet: int = 8
    fps: int = 30
    motion: float = 1.0
    talk: bool = False
    seed: int = 2

    def __post_init__(self) -> None:
        if self.fps not in FRAME_RATES:
            rates = ", ".join(str(rate) for rate in FRAME_RATES)
            raise UsageError(f"Clips can't be drawn at {self.fps} frames a second: give {rates}.")
        if self.events < 0 or self.quiet < 0 or self.events + self.quiet == 0:
            raise UsageError(
                f"{self.events} clips with an expression and {self.quiet} without were asked for: "
                "give numbers from 0, not both of them 0."
            )
        if not 0 <= self.motion < np.inf:
            raise UsageError(f"Head motion must be a number from 0, not {self.motion}.")

    def plans(self) -> tuple[Plan, ...]:
        """What happens in each clip, those with an expression first."""
        found = [_event(i, np.random.default_rng([self.seed, 0, i])) for i in range(self.events)]
        found += [
            _quiet(i, np.random.default_rng([self.seed, 1, i]), self.talk)
            for i in range(self.quiet)
        ]
        return tuple(
            replace(at_rate(plan, self.fps), motion=plan.motion * self.motion) for plan in found
        )

    def footage(self, model: AppearanceModel) -> Iterator[Footage]:
        """Draw the clips one after the other, without noise.

        Args:
            model: the fitted model.
        """
        people = [clips.person(model, [self.seed, 2, i]) for i in range(PEOPLE)]
        for plan in self.plans():
            # Named by what it shows, so that fewer clips are the first ones of more.
            number = int(plan.name[1:4]) + (_MANY if plan.interval is None else 0)
            rng = np.random.default_rng([self.seed, 3, number])
            drawn = clips.draw(model, people[plan.subject], plan, rng, noise=(0.0, 0.0))
            yield Footage(
                plan.name,
                f"p{plan.subject + 1:02}",
                plan.emotion,
                plan.fps,
                plan.interval,
                drawn.frames,
            )


_MANY = 1000


def at_rate(plan: Plan, fps: int) -> Plan:
    """A plan at a lower frame rate, in the same time.

    Args:
        plan: at a rate that `fps` divides, as long as a whole number of frames then.
        fps: frames per second.
    """
    every = plan.fps // fps
    interval = plan.interval
    if interval is not None:
        onset, offset = -(-interval.onset // every), interval.offset // every
        apex = min(max(round(interval.apex / every), onset), offset)
        interval = Interval(onset, apex, offset, interval.kind)
    return replace(
        plan,
        fps=fps,
        frames=plan.frames // every,
        interval=interval,
        blinks=tuple(round(start / every) for start in plan.blinks),
    )


def _event(number: int, rng: np.random.Generator) -> Plan:
    shown = [emotion for emotion in range(len(EMOTIONS)) if EMOTIONS[emotion] != "neutral"]
    kind = ("micro", "macro")[number % 2]
    low, high = (round(limit / _STEP_S) for limit in _SECONDS)
    frames = _ticks(int(rng.integers(low, high + 1)) * _STEP_S)
    interval = expression(rng, kind, _TICKS, frames, _MACRO_SECONDS)
    return Plan(
        f"e{number:03}.mp4",
        number % PEOPLE,
        shown[number // 2 % len(shown)],
        _TICKS,
        frames,
        interval,
        float(rng.uniform(*AMPLITUDE[kind])),
        blinks(rng, _TICKS, frames, int(rng.integers(0, 3)), interval),
        0.0,
        float(rng.uniform(*_MOTION)),
    )


def _quiet(number: int, rng: np.random.Generator, talk: bool) -> Plan:
    """Every third has head motion, every third blinks, every third both."""
    frames = _ticks(_QUIET_SECONDS)
    count = 0 if number % 3 == 0 else round(_QUIET_SECONDS / _BLINKS_S)
    return Plan(
        f"q{number:03}.mp4",
        number % PEOPLE,
        EMOTIONS.index("neutral"),
        _TICKS,
        frames,
        None,
        0.0,
        blinks(rng, _TICKS, frames, count, None),
        _TALK if talk else 0.0,
        _QUIET_MOTION[number % 3 != 1],
    )


def _ticks(seconds: float) -> int:
    return round(seconds / _STEP_S) * round(_STEP_S * _TICKS)
