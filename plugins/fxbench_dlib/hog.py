"""dlib's HOG detector."""

from __future__ import annotations

import math

import cv2
import dlib
import numpy as np

from fxbench.enlarge import Box, enlarge
from fxbench.errors import UsageError
from fxbench.types import Boxes, UInt8


class Hog:
    """`dlib.get_frontal_face_detector()`: HOG features and a linear classifier in a sliding window.

    King, Max-Margin Object Detection, 2015 (arXiv:1502.00046). It works on grey, which finds as
    many faces as colour in two thirds of the time. Its window is 80 pixels wide. Images whose
    shorter side is below 128 pixels are enlarged and padded (:func:`fxbench.enlarge.enlarge`) and
    not upsampled further. The score is dlib's, the distance from the classifier's threshold.

    Args:
        upsample: 0 to 4; how often a larger image is doubled.
        threshold: the lowest score.

    Raises:
        UsageError: an option out of its range.
    """

    def __init__(self, upsample: int, threshold: float) -> None:
        if not (0 <= upsample <= 4 and math.isfinite(threshold)):
            raise UsageError(
                f"dlib-hog got upsample {upsample} and threshold {threshold}; expected are a "
                "number from 0 to 4 (each step takes four times the time) and a finite number."
            )
        self._detector = dlib.get_frontal_face_detector()
        self._upsample = upsample
        self._threshold = threshold

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces; see :class:`fxbench.protocols.Detector`."""
        return Boxes.from_lists([self._detect(image) for image in images])

    def _detect(self, image: UInt8) -> list[Box]:
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        search = enlarge(grey)
        upsample = self._upsample if search.scale == 1.0 else 0
        found, scores, _ = self._detector.run(search.image, upsample, self._threshold)
        # dlib's right and bottom are the last pixels inside, ours the first outside.
        rows = [
            (box.left(), box.top(), box.right() + 1, box.bottom() + 1, score)
            for box, score in zip(found, scores, strict=True)
        ]
        return search.restore(np.asarray(rows, np.float64).reshape(-1, 5))
