"""Faces in frames where no detector looked: their boxes move with the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fxbench.errors import PluginError
from fxbench.types import Bool, Float32, Float64, UInt8, check_array, check_image

FACE, PATCH = 32, 64
"""The sides of a face that is followed, and of what is seen of it and around it, pixels."""

WINDOW = 11
"""The side of what is compared around each point, pixels."""

RETURN = 0.05
"""How far the middle one of the points may come back from where it began, in sides of the face."""

REST = 0.03
"""How far the middle one of the points may be from where turning, growing and moving as one take
it, in sides of the face."""

GROWTH = 1.5
"""A face that grew or shrank by a larger factor is lost."""

_UNIT = np.stack(np.meshgrid(*[np.linspace(-0.4, 0.4, 7)] * 2), axis=-1).reshape(-1, 2)
"""The points that are followed: where they lie in a box of side 1 around 0."""


class Between:
    """Moves boxes from a frame where a detector looked through those where none did.

    A grid of points on each face is followed by pyramidal Lucas-Kanade flow, there and back, and
    the half of the points that come back nearest to where they began count (Kalal, Mikolajczyk &
    Matas 2010, Forward-backward error: automatic detection of tracking failures, ICPR). Otherwise
    than there, how they moved, turned and grew as one is fitted by least squares, so that a head
    may tilt, and each frame is compared with the one that was detected, so that errors don't add
    up; with the latest one only where that fails. A face is lost where half of its points don't
    come back, or don't move as one: behind something, at a cut.

    Faces are followed in patches of one size, so that it costs the same for any size of picture.
    """

    def __init__(self) -> None:
        self._faces: list[_Face] = []

    def start(self, image: UInt8, xyxy: Float32) -> None:
        """Follow other boxes from now on.

        Args:
            image: RGB uint8 (H, W, 3) of any size; it is not kept.
            xyxy: float32 (m, 4), boxes in it, pixels.

        Raises:
            PluginError: an argument has another dtype or shape, or a box is not finite.
        """
        check_image("A frame", image)
        check_array("xyxy", xyxy, np.float32, (None, 4))
        if not np.isfinite(xyxy).all():
            raise PluginError("A box to follow is not finite: pixels are expected.")
        self._faces = [_Face(image, box) for box in xyxy.astype(np.float64)]

    def follow(self, image: UInt8) -> Float32:
        """Where the boxes are in the next frame.

        Args:
            image: RGB uint8 (H, W, 3).

        Returns:
            float32 (m, 4), the boxes of `start` in their order, pixels; a row of NaN for one that
            was lost, in this frame or before. A box that is the whole frame stays.

        Raises:
            PluginError: `image` has another dtype or shape.
        """
        check_image("A frame", image)
        moved = np.full((len(self._faces), 4), np.nan, np.float32)
        for row, face in enumerate(self._faces):
            if face.move(image):
                moved[row] = face.xyxy
        return moved


class _Face:
    """A face that is followed.

    Attributes:
        xyxy: float64 (4,), its latest box, pixels.
    """

    def __init__(self, image: UInt8, xyxy: Float64) -> None:
        self.xyxy = xyxy
        height, width = image.shape[:2]
        # The answer of a detector that doesn't look: no face that could move.
        self._whole = bool((xyxy[:2] <= 0).all() and (xyxy[2:] >= (width, height)).all())
        patch = _patch(image, xyxy)
        self._begin = self._latest = None if patch is None else _View(patch, xyxy)

    def move(self, image: UInt8) -> bool:
        """Find it in the next frame; whether it is there."""
        if self._whole:
            return True
        now = _patch(image, self.xyxy)
        # Who turns too far from how they were detected may still resemble the latest frame.
        for view in (self._begin, self._latest):
            xyxy = None if view is None or now is None else view.found(now)
            if xyxy is not None and now is not None:
                self.xyxy, self._begin, self._latest = xyxy, view, _View(now, xyxy)
                return True
        self._begin = self._latest = None
        return False


class _View:
    """A face as it was in one frame."""

    def __init__(self, patch: _Patch, xyxy: Float64) -> None:
        self._patch = patch
        self._centre = patch.inside((xyxy[:2] + xyxy[2:]) / 2)
        self._size = (xyxy[2:] - xyxy[:2]) / patch.step
        self._points = (self._centre + _UNIT * self._size).astype(np.float32)

    def found(self, now: _Patch) -> Float64 | None:
        """Its box in another frame, float64 (4,), pixels; None where it is not found."""
        there, found = _flow(self._patch.grey, now.grey, self._points)
        back, again = _flow(now.grey, self._patch.grey, there)
        away = np.linalg.norm(back - self._points, axis=1)
        away[~(found & again)] = np.inf
        median = float(np.median(away))
        if not median <= RETURN * FACE:
            return None
        good = away <= median
        turn, centre, rest = _similarity(self._points[good], there[good], self._centre)
        grown = abs(turn) * now.step / self._patch.step
        if rest > REST * FACE or not 1 / GROWTH <= grown <= GROWTH:
            return None
        middle, half = now.outside(centre), 0.5 * abs(turn) * now.step * self._size
        return np.concatenate([middle - half, middle + half])


@dataclass(frozen=True, slots=True, eq=False)
class _Patch:
    """A square of a frame, drawn small.

    Attributes:
        grey: uint8 (PATCH, PATCH).
        corner: float64 (2,), where in the frame it begins, pixels.
        step: how many pixels of the frame one of its pixels is.
    """

    grey: UInt8
    corner: Float64
    step: float

    def inside(self, xy: Float64) -> Float64:
        """Places float64 (..., 2) of the frame in the patch, where pixel centres are whole."""
        return (xy - self.corner) / self.step - 0.5

    def outside(self, xy: Float64) -> Float64:
        """The way back."""
        return self.corner + self.step * (xy + 0.5)


def _patch(image: UInt8, xyxy: Float64) -> _Patch | None:
    """A face and its surroundings; None where its middle lies outside the frame."""
    centre, step = (xyxy[:2] + xyxy[2:]) / 2, float((xyxy[2:] - xyxy[:2]).max()) / FACE
    height, width = image.shape[:2]
    if not (step > 0 and ((centre >= 0) & (centre < (width, height))).all()):
        return None
    corner = centre - step * PATCH / 2
    # Drawn twice as large and then halved: shrinking at once would pick single pixels.
    start = corner + step / 4 - 0.5
    place = np.array([[step / 2, 0, start[0]], [0, step / 2, start[1]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    twice = cv2.warpAffine(
        image, place, (2 * PATCH, 2 * PATCH), flags=how, borderMode=cv2.BORDER_REPLICATE
    )
    grey = cv2.cvtColor(twice, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (PATCH, PATCH), interpolation=cv2.INTER_AREA)
    return _Patch(np.asarray(small, np.uint8), corner, step)


def _flow(before: UInt8, after: UInt8, points: Float32) -> tuple[Float32, Bool]:
    """Where points float32 (N, 2) went, and which of them, bool (N,), were found."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        np.empty_like(points),
        winSize=(WINDOW, WINDOW),
        maxLevel=2,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03),
    )
    return np.asarray(there, np.float32), np.asarray(found, np.bool_).ravel()


def _similarity(start: Float32, end: Float32, centre: Float64) -> tuple[complex, Float64, float]:
    """How points moved as one, without those that went other ways than most.

    Returns:
        by what factor and angle, as a complex number; where `centre` went; and how far the middle
        one of the points is from where it should be, pixels.
    """
    begin = (start - centre) @ (1, 1j)
    after = end @ (1, 1j)
    kept = np.ones(len(begin), np.bool_)
    for _ in range(2):
        mean, mean_after = begin[kept].mean(), after[kept].mean()
        apart = begin[kept] - mean
        turn = np.vdot(apart, after[kept] - mean_after) / np.vdot(apart, apart).real
        shift = mean_after - turn * mean
        rest = np.abs(after - turn * begin - shift)
        kept = rest <= 2 * np.median(rest)
    return complex(turn), np.array([shift.real, shift.imag]), float(np.median(rest))
