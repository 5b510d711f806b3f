"""Where an attack may look: the faces within epsilon of a face by one of the norms, and in [0, 1].

Points are moved in place. Every figure is taken for each face by itself, so that a face's result
doesn't depend on its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fxbench.types import Float32, Int64

_TINY = np.finfo(np.float32).tiny
_HUGE = np.float32(2.0**127)

_IN_CACHE = 2**18
"""How many numbers of each array are worked on at once: what one pass reads, the next finds in the
processor's cache."""


class Ball(Protocol):
    """The faces near to those of a batch.

    Attributes:
        norm: by which nearness is measured.
    """

    norm: str

    def __init__(self, faces: Float32, epsilon: float) -> None:
        """The ball of the size `epsilon` around each of faces float32 (M, size, size, 3)."""

    def climb(self, points: Float32, slopes: Float32, length: float) -> None:
        """Move each point along its slope by `length`, then back into [0, 1] and into the ball.

        Args:
            points: float32 (M, size, size, 3), in the ball; changed.
            slopes: of the same shape. A slope that is 0 everywhere moves its point nowhere.
            length: in units of [0, 1] pixels, by the norm.
        """

    def anywhere(self, randoms: Sequence[np.random.Generator]) -> Float32:
        """A random point of each ball, clipped to [0, 1], drawn from each face's own generator."""
        ...


class Linf:
    """No pixel changes by more than epsilon. The steepest way up is the slope's sign."""

    norm = "linf"

    def __init__(self, faces: Float32, epsilon: float) -> None:
        """See :class:`Ball`."""
        self._faces = faces
        self._epsilon = np.float32(epsilon)
        self._part = np.empty((_at_once(faces), *faces.shape[1:]), np.float32)

    def climb(self, points: Float32, slopes: Float32, length: float) -> None:
        """See :class:`Ball`."""
        for start in range(0, len(points), len(self._part)):
            rows = slice(start, start + len(self._part))
            step = self._part[: len(points[rows])]
            # The sign, in half of the time of np.sign: any slope becomes far larger than a step.
            with np.errstate(over="ignore"):
                np.multiply(slopes[rows], _HUGE, out=step)
            np.clip(step, -length, length, out=step)
            points[rows] += step
            self._back(points, rows)

    def _back(self, points: Float32, rows: slice) -> None:
        faces, points = self._faces[rows], points[rows]
        # Not clip: between two arrays it takes four times as long.
        edge = np.subtract(faces, self._epsilon, out=self._part[: len(faces)])
        np.maximum(points, edge, out=points)
        np.add(faces, self._epsilon, out=edge)
        np.minimum(points, edge, out=points)
        np.clip(points, 0, 1, out=points)

    def anywhere(self, randoms: Sequence[np.random.Generator]) -> Float32:
        """See :class:`Ball`; uniform in the cube."""
        points = np.empty(self._faces.shape, np.float32)
        for row, random in enumerate(randoms):
            random.random(dtype=np.float32, out=points[row])
            points[row] -= np.float32(0.5)
            points[row] *= 2 * self._epsilon
            points[row] += self._faces[row]
            self._back(points, slice(row, row + 1))
        return points


class L2:
    """The root mean square over a face's pixels and channels is at most epsilon.

    The steepest way up is the slope itself. Inside, lengths are Euclidean and rounded as
    adversarial-robustness-toolbox rounds them: one that is off by its last bit ends elsewhere after
    ten steps on a network with kinks.
    """

    norm = "l2"

    def __init__(self, faces: Float32, epsilon: float) -> None:
        """See :class:`Ball`."""
        self._faces = faces
        self._root = float(np.sqrt(np.prod(faces.shape[1:])))
        self._radius = epsilon * self._root
        self._step = np.empty(faces.shape, np.float32)
        self._squares = np.empty(faces.shape, np.float32)

    def climb(self, points: Float32, slopes: Float32, length: float) -> None:
        """See :class:`Ball`."""
        # The slopes of a face that the classifier is sure of are so small that their squares would
        # be 0. A power of two changes no digit.
        largest = np.maximum(slopes.max(axis=(1, 2, 3)), -slopes.min(axis=(1, 2, 3)))
        _, exponents = np.frexp(np.maximum(largest, _TINY))
        np.multiply(slopes, _each(np.ldexp(np.float32(1), -exponents)), out=self._step)
        self._step /= _each(np.maximum(self._lengths(self._step), _TINY))
        self._step *= np.float32(length * self._root)
        points += self._step
        self._back(points)

    def anywhere(self, randoms: Sequence[np.random.Generator]) -> Float32:
        """See :class:`Ball`; uniform in the ball."""
        points = np.empty(self._faces.shape, np.float32)
        radii = np.empty(len(points), np.float32)
        for row, random in enumerate(randoms):
            random.standard_normal(dtype=np.float32, out=points[row])
            radii[row] = self._radius * random.random() ** (1 / points[row].size)
        points *= _each(radii / self._lengths(points))
        points += self._faces
        self._back(points)
        return points

    def _back(self, points: Float32) -> None:
        # In this order, as Madry et al. and adversarial-robustness-toolbox do it: a point of [0, 1]
        # that is drawn towards the face stays there.
        np.clip(points, 0, 1, out=points)
        points -= self._faces
        lengths = self._lengths(points).astype(np.float64)
        points *= _each(self._radius / np.maximum(lengths, self._radius))
        points += self._faces

    def _lengths(self, changes: Float32) -> Float32:
        """The Euclidean length of each face's change, float32 (M,)."""
        np.square(changes, out=self._squares)
        rows = self._squares.reshape(len(changes), -1)
        lengths: Float32 = np.sqrt(rows.sum(axis=1))
        return lengths


def _at_once(faces: Float32) -> int:
    """How many faces are worked on at once."""
    return max(1, _IN_CACHE // max(1, faces[:1].size))


def _each(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One value for each face, to be multiplied with faces."""
    return values[:, None, None, None]


def generators(seeds: Int64) -> list[np.random.Generator]:
    """A source of random numbers for each face, which depends on its own seed alone."""
    return [np.random.default_rng(seed) for seed in seeds]
