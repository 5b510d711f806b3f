"""Where on a picture a face's eyes, mouth and jaw are, in units of the face itself."""

from __future__ import annotations

import cmath
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fxbench.align import eye_groups
from fxbench.errors import PluginError
from fxbench.schemes import SCHEMES, groups
from fxbench.types import Float64, Points

_JAW = (
    *(f"right_jaw_{number}" for number in range(1, 9)),
    "chin",
    *(f"left_jaw_{number}" for number in range(8, 0, -1)),
)


def _drawn_jaw() -> Float64:
    """The jaw where no points tell it, float64 (17, 2).

    By the canon that art schools teach, a face is five eyes wide, with one eye's width between
    them, so that its edge is 1.25 distances of the eyes from its middle. The mouth is a third of
    the way from the base of the nose to the chin, and the eyes are a third of the way from the
    brows to that base, where the brows are as far above it as the chin is below.
    """
    angles = np.linspace(0, np.pi, 17)
    return np.stack([-1.25 * np.cos(angles), 1.78 * np.sin(angles)], axis=1)


_DRAWN_JAW = _drawn_jaw()

_MOUTHS = (
    ("mouth_right_corner", "mouth_left_corner"),
    ("mouth_centre",),
    ("upper_lip_top", "lower_lip_bottom"),
)
_NOSE_TO_MOUTH = 1.3
"""How much farther from the eyes the mouth is than the base of the nose; see `_drawn_jaw`."""

_NARROWEST = 0.6
"""A head that is turned or bent shows the distance of its eyes, or of its mouth from them,
shortened. What is worn is not drawn narrower than this fraction of the other of the two."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A face's own axes.

    `x` counts distances of the eyes from the middle between them, towards the subject's left. `y`
    counts towards the mouth: in distances of the mouth from the eyes with `fitted`, in the same
    unit as `x` and at right angles to it with `level`.

    Attributes:
        origin: float64 (2,), pixels, between the eyes.
        across: float64 (2,), pixels, from the right eye to the left one.
        down: float64 (2,), pixels, from the middle between the eyes to that of the mouth.
        jaw: float64 (17, 2), `fitted`, from the subject's right ear along the chin to the left one.
        nose: `x` of the tip of the nose, `fitted`.
    """

    origin: Float64
    across: Float64
    down: Float64
    jaw: Float64
    nose: float

    @property
    def unit(self) -> float:
        """The distance of the eyes in pixels."""
        return float(np.hypot(*self.across))

    @property
    def mouth(self) -> Float64:
        """The middle of the mouth, float64 (2,), pixels."""
        return self.origin + self.down

    @property
    def upright(self) -> Float64:
        """As long as `across` and at right angles to it, on the side of the mouth."""
        normal: Float64 = np.array([-self.across[1], self.across[0]])
        return normal if normal @ self.down >= 0 else -normal

    def fitted(self, xy: Float64) -> Float64:
        """Pixels of positions on the face, float64 (N, 2)."""
        return self.origin + xy[:, :1] * self.across + xy[:, 1:] * self.down

    def level(self, xy: Float64) -> Float64:
        """Pixels of positions in the plane of the picture, float64 (N, 2)."""
        return self.origin + xy[:, :1] * self.across + xy[:, 1:] * self.upright


@dataclass(frozen=True, slots=True, eq=False)
class _Scheme:
    """What the points of a scheme tell.

    Attributes:
        used: P indices of points.
        shares: float64 (4, P), how much of each of them makes the left eye, the right eye, the
            mouth and the tip of the nose.
        jaw: 17 indices, or none.
        has_nose: whether the tip is known.
    """

    used: list[int]
    shares: Float64
    jaw: list[int]
    has_nose: bool


@lru_cache(maxsize=32)
def _known(scheme: str, points: tuple[str, ...]) -> _Scheme | None:
    """What a scheme of these points tells; None where not both eyes, and the mouth or the nose."""
    eyes = eye_groups(scheme)
    if eyes is None:
        return None
    found = ((names, groups(scheme, names)) for names in (*_MOUTHS, ("nose_base",)))
    names, mouth = next(((n, parts) for n, parts in found if parts is not None), ((), ()))
    if not mouth:
        return None
    tip, jaw = groups(scheme, ("nose_tip",)), groups(scheme, _JAW)
    shares = np.zeros((4, len(points)))
    for row, eye in enumerate(eyes):
        shares[row, list(eye)] = 1 / len(eye)
    for part in mouth:
        shares[2, list(part)] += 1 / (len(part) * len(mouth))
    if names == ("nose_base",):
        shares[2] = _NOSE_TO_MOUTH * shares[2] + (1 - _NOSE_TO_MOUTH) * shares[:2].mean(axis=0)
    if tip is not None:
        shares[3, list(tip[0])] = 1 / len(tip[0])
    used = np.flatnonzero(shares.any(axis=0))
    indices = [] if jaw is None else [index for (index,) in jaw]
    return _Scheme(used.tolist(), shares[:, used], indices, tip is not None)


def layout(points: Points | None, side: float) -> Layout:
    """Find the axes.

    Args:
        points: of the face, one row.
        side: of the face in pixels.

    Raises:
        PluginError: there are no points, or none of the eyes and of the mouth or nose.
    """
    if points is None or not len(points.xy):
        raise PluginError(
            "There are no landmarks to place it by: give the points of the face, such as a "
            "landmarker's."
        )
    scheme = _known(points.scheme, SCHEMES.get(points.scheme, ()))
    if scheme is None:
        raise PluginError(
            f"The landmark scheme {points.scheme!r} doesn't name both eyes and the mouth: take "
            "points of another scheme, such as 300w-68 or yunet-5."
        )
    xy = points.xy[0].astype(np.float64)
    left, right, mouth, tip = (complex(*one) for one in (scheme.shares @ xy[scheme.used]).tolist())
    if not cmath.isfinite(left + right + mouth + tip):
        raise PluginError("The landmarks of the eyes or the mouth are not numbers: not located.")
    between = (left + right) / 2
    across, down = _at_least(left - right, mouth - between, side)
    origin, axes = _pair(between), np.array([_pair(across), _pair(down)])
    turn = np.array([(down.imag, -across.imag), (-down.real, across.real)])
    inverse = turn / (across.real * down.imag - across.imag * down.real)
    nose = float((_pair(tip - between) @ inverse)[0]) if scheme.has_nose else 0.0
    jaw = _DRAWN_JAW
    if scheme.jaw:
        located = (xy[scheme.jaw] - origin) @ inverse
        jaw = located if np.isfinite(located).all() else jaw
    return Layout(origin, axes[0], axes[1], jaw, min(max(nose, -1.0), 1.0))


def _pair(number: complex) -> Float64:
    return np.array([number.real, number.imag])


def _at_least(across: complex, down: complex, side: float) -> tuple[complex, complex]:
    """The axes with a length that something can be drawn in, and not along one line.

    Args:
        across: x and y, pixels.
        down: likewise.
        side: of the face, pixels.
    """
    smallest = 0.1 * side
    if abs(across) < smallest and abs(down) < smallest:
        return complex(0.4 * side, 0), complex(0, 0.4 * side)
    if abs(across) < 1e-3 * side:
        across = -1j * down
    across *= max(1.0, _NARROWEST * abs(down) / abs(across))
    normal = 1j * across / abs(across)
    deep = (down * normal.conjugate()).real
    if abs(deep) < _NARROWEST * abs(across):
        wanted = _NARROWEST * abs(across) * (1 if deep >= 0 else -1)
        down += normal * (wanted - deep)
    return across, down
