"""What AutoAttack's gradient attacks go up: functions of log-probabilities, with their slopes.

Differences of log-probabilities are those of the logits before a softmax, so that a classifier
need not give its logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from fxbench.attacked import WhiteBox
    from fxbench.types import Float32, Float64, Int64

_LEAST = 1e-12


class Loss(Protocol):
    """A loss of M variants, float64 (M,), and what it depends on."""

    def values(self, logs: Float64) -> Float64:
        """The loss float64 (M,) of log-probabilities float64 (M, K)."""
        ...

    def slopes(self, logs: Float64) -> Float64:
        """Its derivatives float64 (M, K) with respect to log-probabilities float64 (M, K)."""
        ...


class CrossEntropy:
    """Cross-entropy with one label; negative where that is to be reached."""

    def __init__(self, column: int, *, targeted: bool) -> None:
        self._column = column
        self._sign = 1.0 if targeted else -1.0

    def values(self, logs: Float64) -> Float64:
        """See :class:`Loss`."""
        values: Float64 = self._sign * logs[:, self._column]
        return values

    def slopes(self, logs: Float64) -> Float64:
        """See :class:`Loss`."""
        slopes = np.zeros_like(logs)
        slopes[:, self._column] = self._sign
        return slopes


class LogitsRatio:
    """The targeted difference of logits ratio (DLR; Croce and Hein, ICML 2020, equation 7).

    `-(z_left - z_goal) / (z_1 - (z_3 + z_4) / 2)`, with z_1, z_3 and z_4 the largest, the third and
    the fourth largest logit: a shift or a scale of the logits doesn't change it, so that it has
    a slope where cross-entropy is saturated.
    """

    def __init__(self, goals: Int64, left: int | None) -> None:
        """Take the labels.

        Args:
            goals: int64 (M,), the output that each variant is to reach.
            left: the output that is to be left; None: whichever other than the goal is largest.
        """
        self._goals = goals
        self._left = left

    def values(self, logs: Float64) -> Float64:
        """See :class:`Loss`."""
        left, order, rows = self._columns(logs)
        gap = logs[rows, left] - logs[rows, self._goals]
        values: Float64 = -gap / self._spread(logs, order, rows)
        return values

    def slopes(self, logs: Float64) -> Float64:
        """See :class:`Loss`."""
        left, order, rows = self._columns(logs)
        gap = logs[rows, left] - logs[rows, self._goals]
        spread = self._spread(logs, order, rows)
        slopes = np.zeros_like(logs)
        slopes[rows, left] -= 1 / spread
        slopes[rows, self._goals] += 1 / spread
        if logs.shape[1] > 2:
            change = gap / spread**2
            slopes[rows, order[:, 0]] += change
            slopes[rows, order[:, 2]] -= change / 2
            slopes[rows, order[:, min(3, logs.shape[1] - 1)]] -= change / 2
        return slopes

    def _columns(self, logs: Float64) -> tuple[Int64, Int64, Int64]:
        rows = np.arange(len(logs))
        if self._left is not None:
            left = np.full(len(logs), self._left)
        else:
            others = logs.copy()
            others[rows, self._goals] = -np.inf
            left = others.argmax(axis=1)
        return left, np.argsort(-logs, axis=1, kind="stable"), rows

    @staticmethod
    def _spread(logs: Float64, order: Int64, rows: Int64) -> Float64:
        """`z_1 - z_3` with three outputs; with two there is none, and the gap itself counts."""
        if logs.shape[1] == 2:
            return np.ones(len(logs))
        lower = logs[rows, order[:, 2]] + logs[rows, order[:, min(3, logs.shape[1] - 1)]]
        spread: Float64 = logs[rows, order[:, 0]] - lower / 2 + _LEAST
        return spread


def gradient(model: WhiteBox, faces: Float32, slopes: Float64) -> Float32:
    """The gradient of a loss with respect to pixels, float32 (M, size, size, 3).

    A classifier gives the gradient of its cross-entropy with a distribution, which is minus a
    weighted mean of the log-probabilities'. So the positive and the negative slopes, each divided
    by their sum, are asked for apart: two gradients a face at most.

    Args:
        model: the classifier.
        faces: float32 (M, size, size, 3) in [0, 1].
        slopes: float64 (M, K), of the loss with respect to the log-probabilities.
    """
    parts = np.stack([slopes.clip(max=0), slopes.clip(min=0)])
    weights = parts.sum(axis=2)
    which, rows = np.nonzero(weights)
    share = weights[which, rows]
    # WhiteBox gives the negative of the cross-entropy's gradient where it is targeted.
    sign = np.where(model.targeted, 1.0, -1.0) * share
    targets = (parts[which, rows] / share[:, None]).astype(np.float32)
    asked = model.gradient(faces[rows], targets) * sign[:, None, None, None].astype(np.float32)
    found = np.zeros(faces.shape, np.float32)
    np.add.at(found, rows, asked)
    return found
