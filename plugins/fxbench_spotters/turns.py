"""What a turn of the head does to a face's points, as the clip itself shows it.

:func:`fxbench_spotters.frontal.frontal` undoes turns with the depths of an average face. Nobody's
face is that: what is left moves with the head and looks like an expression that comes and goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxbench.types import Bool, Float64
from fxbench_spotters.series import smooth

_SMOOTH = 0.1
"""Seconds, the deviation of the Gaussian before movements and turns are compared."""

_UNSURE = 3e-4
"""Seconds times the square of a turn: heads that have turned by less in all tell nothing."""

_UNUSUAL = 0.03
"""What is so far from what turns explain, in distances between the eyes' outer corners, counts for
a quarter in what they explain: it is an expression, or a landmarker's error."""

_ROUNDS = 5

_NEAR_S = 12.0
"""Seconds before and after a peak in which its clip is looked at."""

_FEWEST_S = 0.5
"""Of less than this nothing is learned."""

_FRINGE = 0.3
"""Of a peak's length: frames so near to it are not learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """How a head turns in a stretch of a clip, beside the movements of its points.

    Attributes:
        moves: float64 (N, C), the movements.
        turn: float64 (N, 2), by :func:`fxbench_spotters.frontal.turns`.
        step_s: seconds from one step to the next.
    """

    moves: Float64
    turn: Float64
    step_s: float

    def around(self, onset: int, offset: int) -> tuple[slice, Float64]:
        """The movements near a peak without what turns of the head do to them, as far as is known.

        What they do is taken to be linear, and is learned from frames beside the peak: an
        expression moves the eyes and the nose a little, too, and would be explained by the turn
        that it seems to be. Weighted least squares (of Cauchy's kind, squared) that are pulled
        towards no effect, so that a still head changes nothing.

        Args:
            onset: the peak's first step.
            offset: its last step.

        Returns:
            Which steps, 12 s before and behind at most, and their movements, float64 (M, C).
        """
        near = round(_NEAR_S / self.step_s)
        part = slice(max(0, onset - near), min(len(self.moves), offset + near + 1))
        fringe = round(_FRINGE * (offset - onset))
        outside = np.ones(part.stop - part.start, np.bool_)
        begin = max(0, onset - fringe - part.start)
        outside[begin : offset + fringe + 1 - part.start] = False
        moves = self.moves[part]
        if outside.sum() * self.step_s < _FEWEST_S:
            return part, moves
        return part, np.asarray(moves - self.turn[part] @ self._effect(part, outside), np.float64)

    def _effect(self, part: slice, outside: Bool) -> Float64:
        """By how much a turn by 1 moves each column, float64 (2, C)."""
        deviation = _SMOOTH / self.step_s
        turn = smooth(self.turn[part], deviation)[outside]
        moves = smooth(self.moves[part], deviation)[outside]
        weight = np.ones(len(turn))
        effect = np.zeros((turn.shape[1], moves.shape[1]))
        for _ in range(_ROUNDS):
            share = weight / weight.sum()
            turned, moved = turn - share @ turn, moves - share @ moves
            weighted = (turned * weight[:, None]).T * self.step_s
            effect = np.linalg.solve(
                weighted @ turned + _UNSURE * np.eye(len(effect)), weighted @ moved
            )
            far = np.linalg.norm(moved - turned @ effect, axis=1) / _UNUSUAL
            weight = 1 / (1 + far**2) ** 2
        return effect
