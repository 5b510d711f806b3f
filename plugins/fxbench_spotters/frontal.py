"""Landmarks as they would lie if the head neither moved nor turned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fxbench.errors import PluginError
from fxbench.schemes import SCHEMES, indices
from fxbench.standard_face import MEAN_STABLE, SCHEME, STABLE
from fxbench.types import Float32, Float64, Points

_Complex = npt.NDArray[np.complex128]


def _depth() -> Float64:
    depth = np.zeros(68)
    depth[17:27] = (0.02, 0.12, 0.18, 0.22, 0.24, 0.24, 0.22, 0.18, 0.12, 0.02)
    depth[27:36] = (0.20, 0.27, 0.36, 0.45, 0.25, 0.31, 0.35, 0.31, 0.25)
    depth[36:48] = (0.00, 0.10, 0.10, 0.09, 0.10, 0.10, 0.09, 0.10, 0.10, 0.00, 0.10, 0.10)
    depth[48:60] = (0.17, 0.25, 0.33, 0.33, 0.33, 0.25, 0.17, 0.25, 0.33, 0.33, 0.33, 0.25)
    depth[60:68] = (0.17, 0.31, 0.31, 0.31, 0.17, 0.31, 0.31, 0.31)
    return depth


DEPTH = _depth()
"""How far each point of 300-W stands before the eyes' outer corners, in distances between them,
roughly, on an average adult's face. The jaw's are not known, and 0."""

_WANTED = SCHEMES[SCHEME][17:]

_FRONT = MEAN_STABLE[:, 0] + 1j * MEAN_STABLE[:, 1]
_STABLE_DEPTH = DEPTH[list(STABLE)].astype(np.complex128)
_SOLVE = np.linalg.pinv(np.stack([_FRONT, _STABLE_DEPTH, np.ones_like(_FRONT)], axis=1)).T
"""From the stable points to the three unknowns of :func:`frontal`."""


def in_300w(points: Points) -> Float32:
    """Points in the order of `300w-68`, float32 (N, 68, 2), pixels; the jaw is NaN.

    Raises:
        PluginError: the scheme lacks brows, eyes, nose or lips.
    """
    order = indices(points.scheme, _WANTED)
    if order is None:
        raise PluginError(
            f"The landmarks are of the scheme {points.scheme}, but brows, eyes, nose and lips of "
            f"{SCHEME} are needed: take a landmarker with the trait 'contours'."
        )
    xy = np.full((len(points.xy), 68, 2), np.nan, np.float32)
    xy[:, 17:] = points.xy[:, order]
    return xy


def frontal(xy: Float32 | Float64) -> Float64:
    """Points without the head's place, size, tilt and, to first order, its turns.

    A small turn moves each point in proportion to its depth: to the side (yaw) or up and down
    (pitch). With points as complex numbers, `seen = a * (front + g * depth) + t`, where `a` is
    scale and tilt, `t` the place and `g` the turns. That is linear in three unknowns, which the
    stable points (:data:`fxbench.standard_face.STABLE`) give by least squares.

    Args:
        xy: (N, 68, 2), as :func:`in_300w` gives them, in any unit.

    Returns:
        float64 (N, 68, 2), standard coordinates (see :mod:`fxbench.standard_face`). A row of NaN
        where the points are.
    """
    seen, size, turn, place = _solved(xy)
    with np.errstate(invalid="ignore"):
        upright = (seen - place[:, None]) / size[:, None] - turn[:, None] * DEPTH
    return np.stack([upright.real, upright.imag], axis=-1)


def turns(xy: Float32 | Float64) -> Float64:
    """How the head is turned, the `g` of :func:`frontal`: to the side and up and down.

    Args:
        xy: likewise.

    Returns:
        float64 (N, 2), radians where they are small. A row of NaN where the points are.
    """
    turn = _solved(xy)[2]
    return np.stack([turn.real, turn.imag], axis=-1)


def _solved(xy: Float32 | Float64) -> tuple[_Complex, ...]:
    """Points as complex numbers, and scale and tilt, turn and place of each face."""
    seen = np.asarray(xy, np.float64) @ np.array([1, 1j])
    size, turn, place = (seen[:, list(STABLE)] @ _SOLVE).T
    size = np.where(np.abs(size) > 0, size, np.nan)
    with np.errstate(invalid="ignore"):
        return seen, size, turn / size, place
