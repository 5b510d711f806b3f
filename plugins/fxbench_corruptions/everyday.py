"""What all the corruptions share: the contract's arguments checked, and grey kept grey."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.errors import UsageError
from fxbench.types import Float32, Points, UInt8, check_image

SEVERITIES = 5

PUBLISHED_SIDE = 32
"""The side in pixels of the pictures that the published constants of the common corruptions are
for: CIFAR-10."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """What is known of the face in a picture.

    Attributes:
        side: the square root of its box's area, pixels.
        points: its landmarks, one row, or None.
    """

    side: float
    points: Points | None

    @property
    def scale(self) -> float:
        """What a length in pixels of a picture of 32 x 32 is multiplied by."""
        return self.side / PUBLISHED_SIDE

    @property
    def grain(self) -> float:
        """The side in pixels of what is one pixel of a picture of 32 x 32; at least one."""
        return max(1.0, self.scale)

    def middle(self, picture: UInt8) -> tuple[float, float]:
        """The middle of the points in pixels; that of the picture where they are not known."""
        if self.points is not None:
            located = self.points.xy[0][np.isfinite(self.points.xy[0]).all(axis=1)]
            if len(located):
                x, y = ((located.min(axis=0) + located.max(axis=0)) / 2).tolist()
                return x, y
        height, width = picture.shape[:2]
        return (width - 1) / 2, (height - 1) / 2


Change = Callable[[UInt8, int, np.random.Generator, Face], UInt8]
"""Takes a picture, uint8 (H, W) where it is grey and (H, W, 3) in RGB, which it must not change,
the severity from 1 to 5, what is random, and the face; returns uint8 of the same shape."""


class Everyday:
    """A corruption of the contract around one that knows grey and coloured pictures apart."""

    def __init__(self, change: Change) -> None:
        """Wrap it.

        Args:
            change: see :data:`Change`.
        """
        self._change = change

    def corrupt(
        self,
        image: UInt8,
        severity: int,
        *,
        random: np.random.Generator,
        side: float,
        points: Points | None,
    ) -> UInt8:
        """The picture, corrupted; see :class:`fxbench.protocols.Corruption`.

        A picture whose three channels are equal stays grey: what is random is drawn once for all
        of them, and what has a colour is as bright as that colour.

        Raises:
            UsageError: a severity other than 1 to 5, or a side that is no positive number.
            PluginError: an image of another form, or points that a placed corruption can't use.
        """
        if isinstance(severity, bool) or severity not in range(1, SEVERITIES + 1):
            raise UsageError(f"The severity is {severity!r}: give a whole number from 1 to 5.")
        if not (math.isfinite(side) and side > 0):
            raise UsageError(f"The face's side is {side!r}: give a positive number of pixels.")
        check_image("The picture", image)
        face = Face(float(side), points)
        first = image[..., 0]
        if np.array_equal(first, image[..., 1]) and np.array_equal(first, image[..., 2]):
            grey = self._change(np.ascontiguousarray(first), int(severity), random, face)
            return np.repeat(grey[..., None], 3, axis=2)
        return self._change(np.ascontiguousarray(image), int(severity), random, face)


def rounded(values: npt.NDArray[Any]) -> UInt8:
    """Numbers as 8 bits: clipped to 0 ... 255 and rounded to the nearest."""
    pixels: UInt8 = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return pixels


def over_channels(layer: Float32, picture: UInt8) -> Float32:
    """A layer (H, W) in the form that it can be combined with a picture in."""
    return layer if picture.ndim == 2 else layer[..., None]


def shade(colour: tuple[float, float, float], picture: UInt8) -> Float32:
    """A colour in RGB from 0 to 255 for a picture: its brightness where the picture is grey."""
    if picture.ndim == 3:
        return np.array(colour, np.float32)
    red, green, blue = colour
    return np.array(0.299 * red + 0.587 * green + 0.114 * blue, np.float32)
