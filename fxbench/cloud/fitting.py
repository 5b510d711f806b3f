"""Making a picture fit a service: large enough, not too large, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fxbench.enlarge import enlarge

if TYPE_CHECKING:
    from fxbench.cloud.service import Service
    from fxbench.types import Float64, UInt8

_MIN_SIDE = 128
"""What local detectors enlarge to, so that none has an easier picture than another."""

_COMPRESSION = 6
"""zlib's own default: an upload takes longer than compressing."""

_LEAST_SHRINK = 0.98
_LARGEST_SHRINK = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A picture to send.

    Attributes:
        image: RGB uint8 (H, W, 3), read-only use.
        png: the file that is sent.
        scale: pixels of `image` for each of the original, horizontally and vertically.
        offset: where the original's upper left corner lies in `image`, x and y.
        width: of the original.
        height: of the original.
    """

    image: UInt8
    png: bytes
    scale: tuple[float, float]
    offset: tuple[int, int]
    width: int
    height: int

    @property
    def resized(self) -> bool:
        """Whether it was enlarged or padded."""
        height, width = self.image.shape[:2]
        filled = self.width * self.scale[0], self.height * self.scale[1]
        return max(self.scale) > 1 or width > filled[0] + 0.5 or height > filled[1] + 0.5

    @property
    def reduced(self) -> bool:
        """Whether it was made smaller."""
        return min(self.scale) < 1

    def restore(self, xy: Float64) -> Float64:
        """Coordinates (..., 2) in pixels of the original, from pixels of `image`."""
        return (xy - np.asarray(self.offset, np.float64)) / np.asarray(self.scale, np.float64)


def fit(image: UInt8, service: Service) -> Fitted:
    """Make a picture fit what a service takes, changing it as little as possible.

    One whose shorter side is below 128 pixels is enlarged and padded as for local detectors
    (:func:`fxbench.enlarge.enlarge`); a larger one is sent as it is. One beyond the service's
    largest side or file is made smaller, by averaging; a side that is still below its smallest is
    padded with black.

    Args:
        image: RGB uint8 (H, W, 3).
        service: whose limits count.
    """
    height, width = image.shape[:2]
    larger = enlarge(image, min_side=max(_MIN_SIDE, service.smallest))
    inner = (
        larger.image.shape[1] - 2 * larger.padding,
        larger.image.shape[0] - 2 * larger.padding,
    )
    picture, padding = larger.image, larger.padding
    factor = min(1.0, service.largest / max(picture.shape[:2]))
    while True:
        sent, scale = picture, (inner[0] / width, inner[1] / height)
        offset = (padding, padding)
        if factor < 1:
            size = [max(1, math.floor(side * factor)) for side in (sent.shape[1], sent.shape[0])]
            shrink = (size[0] / sent.shape[1], size[1] / sent.shape[0])
            sent = np.asarray(cv2.resize(sent, size, interpolation=cv2.INTER_AREA), np.uint8)
            scale = (scale[0] * shrink[0], scale[1] * shrink[1])
            offset = (round(padding * shrink[0]), round(padding * shrink[1]))
        sent, added = _padded(sent, service.smallest)
        offset = (offset[0] + added[0], offset[1] + added[1])
        png = _png(sent)
        if len(png) <= service.most_bytes:
            return Fitted(sent, png, scale, offset, width, height)
        # A PNG is about as large as it has pixels.
        shrink_to = math.sqrt(service.most_bytes / len(png)) * _LEAST_SHRINK
        factor *= max(_LARGEST_SHRINK, min(_LEAST_SHRINK, shrink_to))


def _padded(image: UInt8, smallest: int) -> tuple[UInt8, tuple[int, int]]:
    """The image in the middle of one that has that side, and where its corner is."""
    height, width = image.shape[:2]
    x, y = max(0, smallest - width), max(0, smallest - height)
    if not x and not y:
        return image, (0, 0)
    left, top = x // 2, y // 2
    black = cv2.copyMakeBorder(
        image, top, y - top, left, x - left, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    return np.asarray(black, np.uint8), (left, top)


def _png(image: UInt8) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
    return data.tobytes()
