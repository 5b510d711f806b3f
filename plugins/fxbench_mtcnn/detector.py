"""The package mtcnn: faces with five points each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fxbench.enlarge import Box, Enlarged
from fxbench.errors import UnavailableError, UsageError
from fxbench.keras_network import tensorflow
from fxbench.loader import one_line
from fxbench.types import Analysis, Float32, UInt8

_X = slice(6, 11)
_Y = slice(11, 16)


class Mtcnn:
    """`mtcnn.MTCNN().detect_faces`, an analyzer: one call gives boxes, scores and five points.

    Zhang, Zhang, Li & Qiao (2016), Joint face detection and alignment using multitask cascaded
    convolutional networks, IEEE Signal Processing Letters 23. It is given the images as they are,
    one by one, and answers fractions of pixels, where the package rounds unless asked otherwise.

    Args:
        files: the weights of its three networks.
        min_face_size: pixels, at least 12.
        scale_factor: between 0 and 1, the size of each image searched over the one before.
        thresholds: of the three networks, 0 to 1.

    Raises:
        UsageError: an option out of its range.
        UnavailableError: the package can't be loaded, or Keras runs on another backend.
    """

    scheme = "mtcnn-5"
    labels = None
    face_size = 160

    def __init__(
        self,
        files: tuple[Path, Path, Path],
        *,
        min_face_size: int,
        scale_factor: float,
        thresholds: tuple[float, float, float],
    ) -> None:
        if not (
            min_face_size >= 12
            and 0 < scale_factor < 0.95
            and all(0 <= threshold <= 1 for threshold in thresholds)
        ):
            raise UsageError(
                f"mtcnn got min_face_size {min_face_size}, scale_factor {scale_factor} and the "
                f"thresholds {thresholds}; expected are at least 12, above 0 and below 0.95, and "
                "numbers from 0 to 1."
            )
        tensorflow("mtcnn")
        try:
            from mtcnn import MTCNN
            from mtcnn.stages import StageONet, StagePNet, StageRNet

            # Given names alone, the package looks into the folder that it is run in first.
            stages = zip((StagePNet, StageRNet, StageONet), files, strict=True)
            self._network: Any = MTCNN([stage(weights=str(path)) for stage, path in stages])
        except Exception as error:
            # A vendor may raise anything.
            raise UnavailableError(
                f"The package mtcnn can't be loaded; it says: {one_line(error)}. What may mend it: "
                "pip install 'fxbench[mtcnn]' 'mtcnn==1.0.0'"
            ) from error
        first, second, third = thresholds
        self._options = {
            "min_face_size": min_face_size,
            "scale_factor": scale_factor,
            "threshold_pnet": first,
            "threshold_rnet": second,
            "threshold_onet": third,
        }

    def analyze(self, images: tuple[UInt8, ...]) -> Analysis:
        """Boxes and points of the faces; see :class:`fxbench.protocols.Analyzer`."""
        return Analysis.of_each([self._analyze(image) for image in images], self.scheme, 5)

    def _analyze(self, image: UInt8) -> tuple[list[Box], Float32]:
        # Rows of image, box, score, five x and five y.
        rows = np.asarray(
            self._network.detect_faces(
                image, output_type="numpy", box_format="xyxy", **self._options
            ),
            np.float64,
        ).reshape(-1, 16)
        rows = rows[np.isfinite(rows).all(axis=1)]
        height, width = image.shape[:2]
        points = np.stack([rows[:, _X], rows[:, _Y]], axis=2)
        return Enlarged(image, 1.0, 0, width, height).restore_with_points(rows[:, 1:6], points)
