"""OpenCV's Haar cascade for frontal faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fxbench.enlarge import Box, enlarge
from fxbench.errors import UnavailableError, UsageError
from fxbench.types import Boxes, UInt8

_CASCADE = "haarcascade_frontalface_default.xml"


class Haar:
    """The cascade `haarcascade_frontalface_default.xml` that OpenCV ships (Lienhart, 2000).

    It works on grey. Images whose shorter side is below 128 pixels are enlarged and padded
    (:func:`fxbench.enlarge.enlarge`). The score is the number of windows that were merged into the
    box: the weights of the cascade's stages are not used, because asking for them lets windows
    pass that the last stages reject.

    Args:
        scale_factor: above 1; between the sizes that are searched.
        min_neighbors: at least 0; windows that make a face.
        min_size: at least 1; the side of the smallest face, pixels of the image as it is given.

    Raises:
        UsageError: an option out of its range.
        UnavailableError: this OpenCV has no cascades.
    """

    def __init__(self, scale_factor: float, min_neighbors: int, min_size: int) -> None:
        if not (1.0 < scale_factor < float("inf") and min_neighbors >= 0 and min_size >= 1):
            raise UsageError(
                f"opencv-haar got scale_factor {scale_factor}, min_neighbors {min_neighbors} and "
                f"min_size {min_size}; expected are above 1, at least 0 and at least 1."
            )
        path = Path(getattr(getattr(cv2, "data", None), "haarcascades", "")) / _CASCADE
        if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
            raise UnavailableError(
                f"OpenCV {cv2.__version__} has no {_CASCADE}; version 4 has: "
                "pip install 'opencv-contrib-python-headless>=4.12,<5'."
            )
        self._cascade = cv2.CascadeClassifier(str(path))
        self._scale_factor = scale_factor
        self._min_neighbors = min_neighbors
        self._min_size = min_size

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces; see :class:`fxbench.protocols.Detector`."""
        return Boxes.from_lists([self._detect(image) for image in images])

    def _detect(self, image: UInt8) -> list[Box]:
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        search = enlarge(grey)
        side = round(self._min_size * search.scale)
        found, windows = self._cascade.detectMultiScale2(
            search.image, self._scale_factor, self._min_neighbors, minSize=(side, side)
        )
        xywh = np.asarray(found, np.float64).reshape(-1, 4)
        score = np.asarray(windows, np.float64).reshape(-1)
        return search.restore(np.column_stack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:], score]))
