"""OpenCV's SSD face detector."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fxbench.enlarge import Box, Enlarged
from fxbench.errors import UnavailableError, UsageError, WeightsError
from fxbench.types import Boxes, UInt8

SIDE = 300
MEAN = (104.0, 177.0, 123.0)
"""What is subtracted from blue, green and red."""

_PADDED = re.compile(
    rb'(name: "conv[89]_2_h"[^"]*?"Convolution"(?:(?!layer \{).)*?pad: )1', re.DOTALL
)


class Ssd:
    """The network of OpenCV's `samples/dnn/face_detector`, as its sample runs it.

    A single-shot detector (Liu et al., 2016, SSD: single shot multibox detector, ECCV) on a small
    ResNet. Every image is stretched to 300 x 300 pixels, so that small ones need no enlarging, and
    small faces in large ones are not found. Images are run one by one: in batches of 8 and 16 the
    answers are the same and take as long.

    Two layers lose the padding that OpenCV gave them after the network was trained; see
    :func:`unpadded`.

    Args:
        layers: the network's layers, `deploy.prototxt`.
        weights: their weights.
        threshold: 0 to below 1; a face has a score above it.

    Raises:
        UsageError: an option out of its range.
        UnavailableError: this OpenCV reads no Caffe networks.
        WeightsError: OpenCV can't read the files.
    """

    def __init__(self, layers: Path, weights: Path, threshold: float) -> None:
        if not 0 <= threshold < 1:
            raise UsageError(
                f"opencv-ssd got threshold {threshold}; expected is a number from 0 to below 1."
            )
        if not hasattr(cv2, "dnn") or not hasattr(cv2.dnn, "readNetFromCaffe"):
            raise UnavailableError(
                f"OpenCV {cv2.__version__} reads no Caffe networks; version 4 does: "
                "pip install 'opencv-contrib-python-headless>=4.12,<5'."
            )
        try:
            self._network: Any = cv2.dnn.readNetFromCaffe(
                np.frombuffer(unpadded(layers.read_bytes()), np.uint8),
                np.fromfile(weights, np.uint8),
            )
        except cv2.error as error:
            raise WeightsError(
                f"OpenCV {cv2.__version__} can't read {layers} with {weights}: {error.err}"
            ) from error
        self._threshold = threshold

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces; see :class:`fxbench.protocols.Detector`."""
        return Boxes.from_lists([self._detect(image) for image in images])

    def _detect(self, image: UInt8) -> list[Box]:
        height, width = image.shape[:2]
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        self._network.setInput(cv2.dnn.blobFromImage(bgr, 1.0, (SIDE, SIDE), MEAN))
        # Rows of image, class, score and the box in units of the image.
        rows = np.asarray(self._network.forward(), np.float64).reshape(-1, 7)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2] > self._threshold)]
        boxes = np.column_stack([rows[:, 3:7] * (width, height, width, height), rows[:, 2]])
        return Enlarged(image, 1.0, 0, width, height).restore(boxes)


def unpadded(layers: bytes) -> bytes:
    """The layers as the network was trained: `conv8_2_h` and `conv9_2_h` without padding.

    OpenCV padded both in its `deploy.prototxt` to let the network run on smaller pictures
    (opencv/opencv#10216). They then give maps of 5 x 5 where 3 x 3 and 1 x 1 belong, so that a
    large face is found a second time, shifted to the lower right by a third of the picture or by
    twice its size (opencv/opencv#15106, mended in a later file, #15118).
    """
    return _PADDED.sub(rb"\g<1>0", layers)
