"""What people read expressions from: how brows, lids, nose and lips moved, frame by frame.

Each measure is a landmark proxy that stands beside the action unit (AU) of the Facial Action Coding
System that it resembles (Ekman, Friesen & Hager 2002, Facial Action Coding System: the manual). It
is no FACS coding: wrinkles and bulges count there, which landmarks don't see, and a turn of the
head moves the proxies too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fxbench import schemes
from fxbench.standard_face import SCHEME, Standard
from fxbench.types import Float32, Float64, Int64, check_array

_INNER, _OUTER, _FROWNING = (21, 22), (17, 18, 25, 26), (19, 20, 21, 22, 23, 24)
_LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
_LIPS = ((61, 67), (62, 66), (63, 65))
_LIP_CORNERS = (48, 54)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A measure.

    Attributes:
        name: of its column.
        unit: the action unit that it resembles, such as `AU12`.
        summary: what it measures, in a few words; greater is more of it.
        points: which of the points of `300w-68` it is made of.
    """

    name: str
    unit: str
    summary: str
    points: tuple[int, ...]


PROXIES = (
    Proxy("brow_inner_raise", "AU1", "height of the inner ends of the brows", _INNER),
    Proxy("brow_outer_raise", "AU2", "height of the outer ends of the brows", _OUTER),
    Proxy("brow_lowering", "AU4", "lowness of the inner two thirds of the brows", _FROWNING),
    Proxy("brow_drawing", "AU4", "nearness of the inner ends of the brows to each other", (21, 22)),
    Proxy(
        "eye_opening",
        "AU5, less AU7, AU43 and AU45",
        "distance of the lids",
        tuple(point for pair in _LIDS for point in pair),
    ),
    Proxy("nose_wrinkling", "AU9", "height of the wings of the nose", (31, 35)),
    Proxy("upper_lip_raise", "AU10", "nearness of the upper lip to the nose", (33, 50, 51, 52)),
    Proxy("lip_corner_pull", "AU12", "corners of the lips outwards and upwards", (48, 54)),
    Proxy("lip_corner_depression", "AU15", "corners of the lips below the upper lip", (48, 51, 54)),
    Proxy("lip_stretch", "AU20", "distance of the corners of the lips", (48, 54)),
    Proxy(
        "lip_parting",
        "AU25, AU26",
        "distance of the lips",
        tuple(point for pair in _LIPS for point in pair),
    ),
    Proxy("jaw_drop", "AU26, AU27", "lowness of the chin", (8,)),
)
"""The measures, in the order of the columns."""

NAMES = tuple(proxy.name for proxy in PROXIES)


def measurable(scheme: str) -> tuple[str, ...]:
    """The names of the measures that can be had from landmarks of a scheme, in order."""
    names = schemes.SCHEMES[SCHEME]
    return tuple(
        proxy.name
        for proxy in PROXIES
        if schemes.groups(scheme, tuple(names[point] for point in proxy.points)) is not None
    )


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """The measures of faces, frame by frame.

    Attributes:
        values: float32 (N, K), inter-ocular units, the columns in the order of :data:`NAMES`; NaN
            where a point is not known.
    """

    values: Float32

    def __post_init__(self) -> None:
        check_array("Measures.values", self.values, np.float32, (None, len(NAMES)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return NAMES

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Float32:
        """A column, float32 (N,).

        Raises:
            KeyError: there is no measure of that name.
        """
        if name not in NAMES:
            raise KeyError(name)
        column: Float32 = self.values[:, NAMES.index(name)]
        return column

    def less(self, neutral: Float32) -> Measures:
        """How far each is from a person's neutral face, see :func:`baseline`."""
        return Measures(self.values - neutral)


def measure(standard: Standard) -> Measures:
    """Measure faces, each by itself.

    Left and right are taken together: it is their mean. What they measure is in :data:`PROXIES`.
    Only differences from a neutral face of the same person mean something (see :func:`baseline`).

    Args:
        standard: from :func:`fxbench.standard_face.standardised`.
    """
    xy = standard.xy.astype(np.float64)
    columns = [_MEASURED[name](xy) for name in NAMES]
    return Measures(np.stack(columns, axis=1).astype(np.float32))


def baseline(measures: Measures) -> Float32:
    """The measures of a person's neutral face, float32 (K,).

    A median over all frames would be it only where more than half of them are neutral, and people
    smile for longer. So, of the faces that are held for a while in the clip - each with a quarter
    as many frames like it, at least, as the one that is held longest - it is the one that comes
    nearest to the mean neutral face; and of the frames like it, the median. Of somebody who is
    never neutral it is the most neutral face that they show. A column without any number is NaN.

    Args:
        measures: of one person, the frames of a clip in order.
    """
    values = measures.values.astype(np.float64)
    there = np.isfinite(values).any(axis=0)
    neutral = np.full(len(NAMES), np.nan, np.float32)
    # In units of how much neutral faces differ.
    units = ((values - _MEAN) / _DEVIATION)[:, there]
    units = units[np.isfinite(units).all(axis=1)]
    if units.size:
        found = _held(units) * _DEVIATION[there] + _MEAN[there]
        neutral[there] = found.astype(np.float32)
    return neutral


_MEAN = np.array(
    [0.198, 0.204, -0.241, -0.267, 0.092, -0.478, -0.155, -0.340, 0.072, 0.564, 0.048, 1.251]
)
_DEVIATION = np.array(
    [0.026, 0.030, 0.026, 0.031, 0.013, 0.017, 0.027, 0.042, 0.045, 0.046, 0.035, 0.111]
)
"""The measures of neutral faces: of the true points of the 600 neutral stills of `mini`."""

_CANDIDATES, _FRAMES = 200, 4000
"""So many frames at most are taken for the neutral one, and compared with these, evenly spaced."""

_ALIKE = 0.4
"""Frames whose measures differ by less than so many deviations are of one face, besides twice what
one frame differs from the next."""

_HELD = 0.25


def _held(units: Float64) -> Float64:
    """The face nearest to 0 among those that are held for a while: float64 (K,) of (N, K)."""
    some = units[_evenly(len(units), _FRAMES)]
    steps = np.diff(units, axis=0)
    tremble = float(np.median(_size(steps))) / np.sqrt(2) if len(steps) else 0.0
    reach = _ALIKE + 2 * tremble
    candidates = units[_evenly(len(units), _CANDIDATES)]
    alike = np.array([(_size(some - one) <= reach).sum() for one in candidates])
    held = candidates[alike >= _HELD * alike.max()]
    face = held[np.argmin(_size(held))]
    for _ in range(3):
        like = units[_size(units - face) <= reach]
        if len(like):
            face = np.median(like, axis=0)
    return np.asarray(face, np.float64)


def _size(differences: Float64) -> Float64:
    size: Float64 = np.sqrt((differences**2).mean(axis=1))
    return size


def _evenly(count: int, most: int) -> Int64:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _height(points: tuple[int, ...]) -> Callable[[Float64], Float64]:
    def measured(xy: Float64) -> Float64:
        height: Float64 = -xy[:, list(points), 1].mean(axis=1)
        return height

    return measured


def _apart(pairs: tuple[tuple[int, int], ...]) -> Callable[[Float64], Float64]:
    a, b = zip(*pairs, strict=True)

    def measured(xy: Float64) -> Float64:
        offset = xy[:, list(b)] - xy[:, list(a)]
        distance: Float64 = np.hypot(offset[..., 0], offset[..., 1]).mean(axis=1)
        return distance

    return measured


def _less(measured: Callable[[Float64], Float64]) -> Callable[[Float64], Float64]:
    return lambda xy: -measured(xy)


def _corner_pull(xy: Float64) -> Float64:
    # The zygomatic major pulls a corner up and out, about as far one way as the other.
    outwards = (xy[:, 54, 0] - xy[:, 48, 0]) / 2
    pull: Float64 = (outwards + _height(_LIP_CORNERS)(xy)) / np.sqrt(2)
    return pull


def _corner_depression(xy: Float64) -> Float64:
    # The upper lip, because the lower one falls with the jaw: then corners would seem to rise.
    drop: Float64 = xy[:, _LIP_CORNERS, 1].mean(axis=1) - xy[:, 51, 1]
    return drop


def _upper_lip_raise(xy: Float64) -> Float64:
    gap: Float64 = xy[:, 33, 1] - xy[:, [50, 51, 52], 1].mean(axis=1)
    return gap


_MEASURED: dict[str, Callable[[Float64], Float64]] = {
    "brow_inner_raise": _height(_INNER),
    "brow_outer_raise": _height(_OUTER),
    "brow_lowering": _less(_height(_FROWNING)),
    "brow_drawing": _less(_apart(((21, 22),))),
    "eye_opening": _apart(_LIDS),
    "nose_wrinkling": _height((31, 35)),
    "upper_lip_raise": _upper_lip_raise,
    "lip_corner_pull": _corner_pull,
    "lip_corner_depression": _corner_depression,
    "lip_stretch": _apart((_LIP_CORNERS,)),
    "lip_parting": _apart(_LIPS),
    "jaw_drop": _less(_height((8,))),
}
