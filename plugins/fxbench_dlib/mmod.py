"""dlib's MMOD detector."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import dlib
import numpy as np

from fxbench.enlarge import Box, Enlarged, enlarge
from fxbench.errors import UsageError, WeightsError
from fxbench.types import Boxes, UInt8

_LEAST_SIDE = 40
"""dlib writes beyond its memory in images of a few pixels a side; no face fits into this either."""


class Mmod:
    """`dlib.cnn_face_detection_model_v1`: a convolutional network with max-margin training.

    King, Max-Margin Object Detection, 2015 (arXiv:1502.00046). Its smallest face is about 80
    pixels wide. Images whose shorter side is below 128 pixels are enlarged and padded
    (:func:`fxbench.enlarge.enlarge`) and not upsampled further. The score is dlib's confidence.
    Images are run one by one: batches of 8 give the same and take as long.

    Args:
        path: the model.
        upsample: 0 to 4; how often a larger image is doubled, as far as `max_pixels` allows.
        max_pixels: at least 16,384; an image of more is shrunk to so many, because memory and time
            grow with them: 2 million take about 2 GB.
        threshold: the lowest confidence; the model has none below 0.

    Raises:
        UsageError: an option out of its range.
        WeightsError: the file is no such model.
    """

    def __init__(self, path: Path, *, upsample: int, max_pixels: int, threshold: float) -> None:
        if not (0 <= upsample <= 4 and max_pixels >= 128 * 128 and math.isfinite(threshold)):
            raise UsageError(
                f"dlib-mmod got upsample {upsample}, max_pixels {max_pixels} and threshold "
                f"{threshold}; expected are a number from 0 to 4 (each step takes four times the "
                "time and memory), at least 16384, and a finite number."
            )
        try:
            self._network = dlib.cnn_face_detection_model_v1(str(path))
        except RuntimeError as error:
            raise WeightsError(f"{path} is no face detection model of dlib's.") from error
        self._upsample = upsample
        self._max_pixels = max_pixels
        self._threshold = threshold

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces; see :class:`fxbench.protocols.Detector`."""
        return Boxes.from_lists([self._detect(image) for image in images])

    def _detect(self, image: UInt8) -> list[Box]:
        search = self._shrunk(enlarge(image))
        height, width = search.image.shape[:2]
        if min(height, width) < _LEAST_SIDE:
            return []
        upsample = self._upsample if search.scale == 1.0 else 0
        while upsample and height * width * 4**upsample > self._max_pixels:
            upsample -= 1
        # dlib's right and bottom are the last pixels inside, ours the first outside.
        rows = [
            (
                found.rect.left(),
                found.rect.top(),
                found.rect.right() + 1,
                found.rect.bottom() + 1,
                found.confidence,
            )
            for found in self._network(np.ascontiguousarray(search.image), upsample)
            if found.confidence >= self._threshold
        ]
        return search.restore(np.asarray(rows, np.float64).reshape(-1, 5))

    def _shrunk(self, search: Enlarged) -> Enlarged:
        scale = math.sqrt(self._max_pixels / (search.image.shape[0] * search.image.shape[1]))
        if scale >= 1 or search.scale != 1.0:
            return search
        size = tuple(max(1, math.floor(n * scale)) for n in (search.width, search.height))
        small = cv2.resize(search.image, size, interpolation=cv2.INTER_AREA)
        return Enlarged(np.asarray(small, np.uint8), scale, 0, search.width, search.height)
