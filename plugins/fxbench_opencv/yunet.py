"""OpenCV's YuNet: faces with five points each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fxbench.enlarge import Box, Enlarged, enlarge
from fxbench.errors import UnavailableError, UsageError, WeightsError
from fxbench.types import Analysis, Float32, UInt8

SMALL = 128
"""Images whose shorter side is below this are enlarged."""

ENLARGED = 256
"""The shorter side of an image that was enlarged.

Chosen on 149 images of FER+ valid, at the default threshold: unenlarged YuNet finds a face in 8 %
of them, at 128 pixels in 73 %, at 192 in 82 %, at 256 in 88 %. Black around them loses some."""


class YuNet:
    """`cv2.FaceDetectorYN`, an analyzer: one call gives boxes, scores and five points.

    Wu, Peng & Yu (2023), YuNet: a tiny millisecond-level face detector, Machine Intelligence
    Research 20. It searches an image at its own size, and was trained for faces of about 10 to 300
    pixels. Small images are enlarged (:func:`fxbench.enlarge.enlarge`), with nothing around them.

    Args:
        path: the network.
        threshold: 0 to 1, the lowest score.
        nms: 0 to 1, the overlap above which the box of lower score is dropped.
        top_k: at least 1, how many boxes are kept before overlapping ones are dropped.
        max_side: pixels; an image whose longer side is above it is shrunk to it. 0: never.

    Raises:
        UsageError: an option out of its range.
        UnavailableError: this OpenCV has no YuNet.
        WeightsError: OpenCV can't read the file.
    """

    scheme = "yunet-5"
    labels = None
    face_size = ENLARGED

    def __init__(
        self, path: Path, *, threshold: float, nms: float, top_k: int, max_side: int
    ) -> None:
        if not (0 <= threshold <= 1 and 0 <= nms <= 1 and top_k >= 1 and max_side >= 0):
            raise UsageError(
                f"yunet got threshold {threshold}, nms {nms}, top_k {top_k} and max_side "
                f"{max_side}; expected are two numbers from 0 to 1, at least 1, and at least 0."
            )
        if not hasattr(cv2, "FaceDetectorYN"):
            raise UnavailableError(
                f"OpenCV {cv2.__version__} has no FaceDetectorYN, which runs YuNet; from 4.8 on it "
                "has: pip install 'opencv-contrib-python-headless>=4.12,<5'."
            )
        try:
            self._detector: Any = cv2.FaceDetectorYN.create(
                str(path), "", (320, 320), threshold, nms, top_k
            )
        except cv2.error as error:
            raise WeightsError(
                f"OpenCV {cv2.__version__} can't read {path}: {error.err}"
            ) from error
        self._max_side = max_side

    def analyze(self, images: tuple[UInt8, ...]) -> Analysis:
        """Boxes and points of the faces; see :class:`fxbench.protocols.Analyzer`."""
        return Analysis.of_each([self._analyze(image) for image in images], self.scheme, 5)

    def _analyze(self, image: UInt8) -> tuple[list[Box], Float32]:
        search = self._rendered(image)
        height, width = search.image.shape[:2]
        self._detector.setInputSize((width, height))
        found = self._detector.detect(cv2.cvtColor(search.image, cv2.COLOR_RGB2BGR))[1]
        rows = np.asarray([] if found is None else found, np.float64).reshape(-1, 15)
        # A strip that is narrower than the network's steps makes it answer infinite boxes.
        rows = rows[np.isfinite(rows).all(axis=1)]
        xyxy = np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
        boxes = np.column_stack([xyxy, rows[:, 14]])
        return search.restore_with_points(boxes, rows[:, 4:14].reshape(-1, 5, 2))

    def _rendered(self, image: UInt8) -> Enlarged:
        height, width = image.shape[:2]
        if min(height, width) < SMALL:
            return enlarge(image, min_side=ENLARGED, padding=0.0)
        scale = self._max_side / max(height, width)
        if not 0 < scale < 1:
            return Enlarged(image, 1.0, 0, width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return Enlarged(np.asarray(small, np.uint8), scale, 0, width, height)
