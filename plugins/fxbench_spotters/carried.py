"""Landmarks carried from one picture of a face to the others by optical flow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from fxbench.standard_face import MEAN_STABLE, STABLE
from fxbench.types import Float32, Float64, UInt8
from fxbench_spotters.eyes import eye_contrast
from fxbench_spotters.frontal import DEPTH
from fxbench_spotters.movements import GROUPS

_SIDE = 80
"""Pixels of the square in which a face is looked at."""

_UNIT = 50.0
"""Pixels of the distance between the eyes' outer corners in it."""

_ORIGIN = (40.0, 25.0)
"""Where the middle between the eyes lies in it."""

_RADIUS = 0.07
"""Of the disc around each point whose flow counts, in distances between the eyes' outer corners."""

_SECTORS = 8
"""Directions that the main one is chosen from."""

_FINEST = 1
"""Flow is found at half of the resolution at best: means over discs lose nothing by that."""

_LONGEST = 8.0
"""Seconds after which another picture becomes the one that flow starts from."""

_TURNED = 0.25
"""So it does after a turn of the head by about so many radians,"""

_NEARER = 1.35
"""and when the face has become larger or smaller by this."""

_REGIONS = (*((point,) for point in STABLE), *GROUPS.values())

_FRONT = MEAN_STABLE[:, 0] + 1j * MEAN_STABLE[:, 1]
_PLACE = np.linalg.pinv(np.stack([_FRONT, np.ones_like(_FRONT)], axis=1))
_TURN = np.linalg.pinv(
    np.stack([_FRONT, np.ones_like(_FRONT), DEPTH[list(STABLE)].astype(complex)], axis=1)
)


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    """The picture that flow starts from.

    Attributes:
        face: uint8 (S, S), grey.
        xy: float64 (68, 2), its points in standard coordinates, and `moved`, how far they had
            moved by then.
        masks: float32 (R, S * S), 1 in each region.
    """

    face: UInt8
    xy: Float64
    moved: Float64
    masks: Float32
    time_s: float
    scale: float
    turn: complex


class Carried:
    """Points of one face through a clip: where those of its first picture went.

    Each picture is brought into standard coordinates by the stable points, roughly, since landmarks
    jitter. Dense flow (DIS; Kroeger, Timofte, Dai & Van Gool 2016, Fast optical flow using dense
    inverse search, ECCV) from a picture of the same face some seconds before tells how far each
    region went: regions as in Liu, Zhang, Yan, Wang, Zhao & Fu (2016), A main directional mean
    optical flow feature for spontaneous micro-expression recognition, IEEE Transactions on
    Affective Computing 7(4).

    Args:
        main_direction: average only the vectors of a region that point where most of them do, as
            that paper does, and not all.
    """

    def __init__(self, *, main_direction: bool) -> None:
        self._main = main_direction
        self._start: _Start | None = None
        # OpenCV's own types lack the None that stands for a new array.
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._flow.setFinestScale(_FINEST)

    def see(self, image: UInt8, xy: Float32, time_s: float) -> tuple[Float64, float]:
        """The points in the next picture.

        Args:
            image: RGB uint8 (H, W, 3).
            xy: float32 (68, 2), its landmarks, finite but for the jaw.
            time_s: seconds into the clip.

        Returns:
            float64 (68, 2), roughly in standard coordinates, and the contrast of the eyes.
        """
        seen = xy[list(STABLE)].astype(np.float64) @ np.array([1, 1j])
        size, place = (_PLACE @ seen).tolist()
        own, _, turn = (_TURN @ seen).tolist()
        if size == 0 or own == 0:
            return np.full((68, 2), np.nan), math.nan
        face = _upright(image, size, place)
        at = ((xy.astype(np.float64) @ np.array([1, 1j])) - place) / size
        points = np.stack([at.real, at.imag], axis=1)
        contrast = eye_contrast(face, points * _UNIT + _ORIGIN)
        start = self._start
        if start is None:
            start = self._start = _Start(
                face, points, np.zeros((68, 2)), _masks(points), time_s, abs(size), turn / own
            )
        moved = start.moved + self._moved(start, face)
        carried = start.xy + moved
        if (
            time_s - start.time_s > _LONGEST
            or abs(turn / own - start.turn) > _TURNED
            or not 1 / _NEARER < abs(size) / start.scale < _NEARER
        ):
            self._start = _Start(
                face, points, carried - points, _masks(points), time_s, abs(size), turn / own
            )
        return carried, contrast

    def forget(self) -> None:
        """Start anew: the face was lost."""
        self._start = None

    def _moved(self, start: _Start, face: UInt8) -> Float64:
        """How far the points are from where the start has them, float64 (68, 2)."""
        flow = self._flow.calc(start.face, face, None).reshape(-1, 2)
        masks = start.masks
        if self._main:
            angle = np.arctan2(flow[:, 1], flow[:, 0]) / (2 * np.pi) * _SECTORS
            sector = np.eye(_SECTORS, dtype=np.float32)[np.round(angle).astype(np.int64) % _SECTORS]
            masks = masks * sector[:, (masks @ sector).argmax(axis=1)].T
        mean = masks @ flow / np.maximum(masks.sum(axis=1, keepdims=True), 1)
        moved = np.zeros((68, 2))
        for region, step in zip(_REGIONS, mean / _UNIT, strict=True):
            moved[list(region)] = step
        return moved


def _upright(image: UInt8, size: complex, place: complex) -> UInt8:
    """The face in standard coordinates, grey uint8 (S, S)."""
    step = size / _UNIT
    shift = place - step * complex(*_ORIGIN)
    corners = shift + step * np.array([0, _SIDE, 1j * _SIDE, _SIDE * (1 + 1j)])
    height, width = image.shape[:2]
    left, right = np.clip([corners.real.min() - 2, corners.real.max() + 3], 0, width).astype(int)
    top, bottom = np.clip([corners.imag.min() - 2, corners.imag.max() + 3], 0, height).astype(int)
    if right - left < 2 or bottom - top < 2:
        return np.zeros((_SIDE, _SIDE), np.uint8)
    part = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    shift -= complex(left, top)
    smaller = max(1, int(abs(step)))
    if smaller > 1:
        # Without this, fine detail of a large face would come and go as it moves.
        full = part.shape
        part = cv2.resize(
            part, (full[1] // smaller, full[0] // smaller), interpolation=cv2.INTER_AREA
        )
        step /= smaller
        shift = (shift - (smaller - 1) / 2 * (1 + 1j)) / smaller
    inverse = np.array([(step.real, -step.imag, shift.real), (step.imag, step.real, shift.imag)])
    return np.asarray(
        cv2.warpAffine(
            part,
            inverse,
            (_SIDE, _SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def _masks(points: Float64) -> Float32:
    """The discs of each region, float32 (R, S * S)."""
    x, y = (points * _UNIT + _ORIGIN).T
    grid = np.arange(_SIDE)
    near = (grid - y[:, None])[:, :, None] ** 2 + (grid - x[:, None])[:, None] ** 2
    discs = near <= (_RADIUS * _UNIT) ** 2
    return np.stack([discs[list(r)].any(axis=0).ravel() for r in _REGIONS]).astype(np.float32)
