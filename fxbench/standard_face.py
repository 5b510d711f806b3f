"""Landmarks without the head's motion: every face upright, of one size and in one place.

Points that expressions hardly move - the corners of the eyes and the bridge of the nose - are laid
onto those of a mean face by a similarity. What still moves afterwards is the expression, and how
the head is turned in depth, which no similarity undoes.

Standard coordinates: the unit is the distance of the outer corners of the mean face's eyes (the
inter-ocular distance), x goes to the right and y down as in a picture, and the origin is the middle
of the four corners of the eyes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fxbench import schemes
from fxbench.errors import UsageError
from fxbench.types import Float32, Float64, check_array

Complex = npt.NDArray[np.complex128]

SCHEME = "300w-68"
"""The scheme of standardised points, whatever they were made from."""

STABLE = (36, 39, 42, 45, 27, 28, 29, 30)
"""The stable points in that scheme: corners of the eyes, then the nose from its root to its tip."""

MEAN_STABLE = np.array(
    [
        (-0.50, -0.01),
        (-0.21, 0.01),
        (0.21, 0.01),
        (0.50, -0.01),
        (0.0, -0.04),
        (0.0, 0.10),
        (0.0, 0.235),
        (0.0, 0.375),
    ]
)
"""The stable points of the mean face, float64 (8, 2), symmetrical.

They are the mean of the true points of the 600 neutral stills of `mini`, aligned to their mean
(Gower 1975, Generalized Procrustes analysis, Psychometrika 40) and rounded.
"""

_FEWEST = 4
"""Of the stable points, that a scheme must have."""


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """Faces in standard coordinates, and where in their pictures they were.

    Attributes:
        xy: float32 (N, 68, 2), inter-ocular units, in the order of `300w-68`. A row of NaN could
            not be standardised; a point is NaN in all rows where the scheme lacks it.
        scale: float64 (N,), pixels for one inter-ocular unit.
        angle: float64 (N,), degrees by which the face leans in the picture, clockwise.
        origin: float64 (N, 2), where the origin is in the picture, pixels.
    """

    xy: Float32
    scale: Float64
    angle: Float64
    origin: Float64

    def __len__(self) -> int:
        return len(self.xy)

    def in_picture(self, xy: Float32 | Float64) -> Float64:
        """Where points in standard coordinates are in the pictures.

        Args:
            xy: (P, 2) for points that all faces have in common, or (N, P, 2).

        Returns:
            float64 (N, P, 2), pixels.
        """
        step = self.scale * np.exp(1j * np.radians(self.angle))
        placed = step[:, None] * _complex(np.asarray(xy, np.float64))
        return _plane(placed + _complex(self.origin)[:, None])


def standardised(points: Float32, scheme: str = SCHEME) -> Standard:
    """Lay faces onto the mean face by their stable points.

    The similarity (turn, scale, shift; no reflection) is the one with the least squares, for each
    face by itself: Umeyama (1991), Least-squares estimation of transformation parameters between
    two point patterns, IEEE TPAMI 13(4), which in the plane is one division of complex numbers.

    Args:
        points: float32 (N, P, 2), pixels; a face with a stable point of NaN gives a row of NaN.
        scheme: of the points. One that has only some points of `300w-68`, as `mediapipe-478` does,
            is aligned by those that it has.

    Returns:
        The faces, in the same order.

    Raises:
        PluginError: the points are no float32 (N, P, 2), or not as many as the scheme has.
        UsageError: the scheme has fewer than four of the stable points.
    """
    check_array("points", points, np.float32, (None, schemes.point_count(scheme), 2))
    names = schemes.SCHEMES[SCHEME]
    used = [i for i, point in enumerate(STABLE) if schemes.groups(scheme, (names[point],))]
    if len(used) < _FEWEST:
        raise UsageError(
            f"Landmarks of the scheme {scheme} can't be standardised: it has {len(used)} of the "
            f"corners of the eyes and the bridge of the nose, and at least {_FEWEST} are needed. "
            "Take a landmarker of the scheme 300w-68."
        )
    face = _complex(_named(points.astype(np.float64), scheme))
    source = face[:, [STABLE[i] for i in used]]
    target = _complex(MEAN_STABLE[used])
    source_middle, target_middle = source.mean(axis=1, keepdims=True), target.mean()
    centred = source - source_middle
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (np.abs(centred) ** 2).sum(axis=1)
        step = (centred.conj() * (target - target_middle)).sum(axis=1) / spread
        step = np.where(np.abs(step) > 0, step, np.nan)
        placed = (face - source_middle) * step[:, None] + target_middle
        origin = source_middle[:, 0] - target_middle / step
        scale, angle = 1 / np.abs(step), -np.degrees(np.angle(step))
    return Standard(_plane(placed).astype(np.float32), scale, angle, _plane(origin))


POSE = ("yaw", "pitch", "roll")
"""What :func:`pose` tells, in order."""

_BASE = (31, 32, 33, 34, 35)

_RIGID = (*STABLE, *_BASE)

_MEAN_3D = np.array(
    [
        # corners of the eyes; the outer ones lie deeper
        (-45.0, -1.0, 0.0),
        (-19.0, 1.0, 9.0),
        (19.0, 1.0, 9.0),
        (45.0, -1.0, 0.0),
        # bridge of the nose, from its root to its tip
        (0.0, -3.0, 19.0),
        (0.0, 9.0, 25.0),
        (0.0, 21.0, 32.0),
        (0.0, 34.0, 39.0),
        # base of the nose, from the right wing to the left one
        (-14.0, 43.0, 22.0),
        (-7.0, 46.0, 26.0),
        (0.0, 47.0, 28.0),
        (7.0, 46.0, 26.0),
        (14.0, 43.0, 22.0),
    ]
)
"""The rigid points of a mean face, float64 (13, 3), millimetres: right in the picture, down, and
towards the viewer.

Width and height are those of :data:`MEAN_STABLE` where outer corners are 90 mm apart; the depths
are rounded from the protrusion of the nose (20 mm) and of its root before the corners of the eyes
in Farkas (1994), Anthropometry of the Head and Face, 2nd edition.
"""

_FIELD = 1.2
"""Focal length in sides of the picture: a field of view of 45 degrees, as of no camera known."""


def pose(points: Float32, size: tuple[int, int], scheme: str = SCHEME) -> Float32:
    """How heads are turned, roughly: yaw, pitch and roll.

    A mean face in three dimensions is laid onto the corners of the eyes and the nose by
    `cv2.solvePnP`, with a camera of 45 degrees field of view that looks at the picture's middle. As
    neither the person's own face nor the camera is known, angles may be off by ten degrees and
    more, pitch most of all; how they change within a clip is surer. They are not for
    measuring where somebody looks.

    Args:
        points: float32 (N, P, 2), pixels.
        size: width and height of the pictures, pixels.
        scheme: of the points.

    Returns:
        float32 (N, 3), degrees, all 0 for a face that looks into the camera. Yaw is positive where
        it turns to its own left, to the right in the picture; pitch where it looks up; roll where
        it leans clockwise in the picture, to its own left. Rows of NaN where points are not known.

    Raises:
        PluginError: the points are no float32 (N, P, 2), or not as many as the scheme has.
    """
    check_array("points", points, np.float32, (None, schemes.point_count(scheme), 2))
    width, height = size
    focal = _FIELD * max(width, height)
    camera = np.array([(focal, 0, width / 2 - 0.5), (0, focal, height / 2 - 0.5), (0, 0, 1)])
    found = np.full((len(points), 3), np.nan, np.float32)
    rigid = _named(points.astype(np.float64), scheme)[:, list(_RIGID)]
    # OpenCV's camera looks along z, away from the viewer.
    model = _MEAN_3D * (1, 1, -1)
    eyes = np.hypot(*(rigid[:, 3] - rigid[:, 0]).T)
    for i in np.flatnonzero(eyes > 0).tolist():
        known = np.isfinite(rigid[i]).all(axis=1)
        if known.sum() < len(STABLE) - 2:
            continue
        away = focal * 90 / eyes[i]
        middle = (rigid[i, :4].mean(axis=0) - camera[:2, 2]) * away / focal
        # It begins from a frontal face: a mirrored pose fits nearly as well, and is never right.
        done, turn, _ = cv2.solvePnP(
            model[known],
            rigid[i, known],
            camera,
            None,
            np.zeros(3),
            np.array([middle[0], middle[1], away]),
            useExtrinsicGuess=True,
            flags=cv2.SOLVEPNP_ITERATIVE,
        )
        if done and np.isfinite(turn).all():
            found[i] = _angles(np.asarray(cv2.Rodrigues(turn)[0], np.float64))
    return found


def _angles(turned: Float64) -> tuple[float, float, float]:
    """Yaw, pitch and roll, degrees, of a rotation in OpenCV's axes: right, down, away."""
    ahead, right = -turned[:, 2], turned[:, 0]
    yaw = np.arctan2(ahead[0], -ahead[2])
    pitch = np.arctan2(-ahead[1], np.hypot(ahead[0], ahead[2]))
    # Where its right would be if it did not lean, and below.
    level = np.array([np.cos(yaw), 0.0, np.sin(yaw)])
    below = np.cross(-ahead, level)
    roll = np.arctan2(right @ below, right @ level)
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _named(points: Float64, scheme: str) -> Float64:
    """The points in the order of `300w-68`, float64 (N, 68, 2); NaN for those that aren't there."""
    if scheme == SCHEME:
        return points
    names = schemes.SCHEMES[SCHEME]
    out = np.full((len(points), len(names), 2), np.nan)
    for i, name in enumerate(names):
        own = schemes.groups(scheme, (name,))
        if own is not None:
            out[:, i] = points[:, list(own[0])].mean(axis=1)
    return out


def _complex(xy: Float64) -> Complex:
    return np.asarray(xy[..., 0] + 1j * xy[..., 1], np.complex128)


def _plane(z: Complex) -> Float64:
    return np.stack([z.real, z.imag], axis=-1)
