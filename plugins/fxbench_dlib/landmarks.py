"""dlib's landmark models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dlib
import numpy as np

from fxbench.errors import WeightsError
from fxbench.schemes import point_count
from fxbench.types import Boxes, Points, UInt8

if TYPE_CHECKING:
    from pathlib import Path

_FAR = 2.0**30
"""Boxes are clipped to this, so that a coordinate always fits dlib's integers."""


class ShapePredictor:
    """`dlib.shape_predictor`: an ensemble of regression trees.

    Kazemi & Sullivan (2014), One millisecond face alignment with an ensemble of regression trees,
    CVPR. It expects boxes as `dlib-hog` draws them, and does worse in others. It reads the pixels
    as they are: nothing is enlarged, what lies outside the image counts as black, and points may
    lie there. It always answers: a box without a face gets points too.

    Args:
        path: the model.
        scheme: of its points.

    Raises:
        WeightsError: the file is no shape predictor of that many points.
    """

    def __init__(self, path: Path, scheme: str) -> None:
        self.scheme = scheme
        try:
            self._predictor = dlib.shape_predictor(str(path))
            probe = np.zeros((8, 8, 3), np.uint8)
            found = self._predictor(probe, dlib.rectangle(0, 0, 7, 7)).num_parts
        except RuntimeError as error:
            raise WeightsError(f"{path} is not a model of dlib's shape predictor.") from error
        count = point_count(scheme)
        if found != count:
            raise WeightsError(
                f"{path} locates {found} points, but {scheme} has {count}: it is another model."
            )
        self._count = found

    def locate(self, images: tuple[UInt8, ...], boxes: Boxes) -> Points:
        """Points of each box; see :class:`fxbench.protocols.Landmarker`."""
        xy = np.empty((len(boxes), self._count, 2), np.float32)
        # dlib's right and bottom are the last pixels inside, ours the first outside.
        edges = np.floor(np.clip(boxes.xyxy.astype(np.float64), -_FAR, _FAR) + 0.5).astype(np.int64)
        edges[:, 2:] = np.maximum(edges[:, 2:] - 1, edges[:, :2])
        for row, (frame, edge) in enumerate(zip(boxes.frame, edges.tolist(), strict=True)):
            shape = self._predictor(np.ascontiguousarray(images[frame]), dlib.rectangle(*edge))
            xy[row] = [(point.x, point.y) for point in shape.parts()]
        return Points(xy, self.scheme)
