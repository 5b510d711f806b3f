"""MediaPipe's face mesh."""

from __future__ import annotations

import numpy as np

from fxbench.component import Weights
from fxbench.enlarge import enlarge
from fxbench.faces import iou
from fxbench.schemes import register
from fxbench.types import Boxes, Float32, Points, UInt8
from fxbench.weights import verified
from fxbench_mediapipe.points import MESH, MESH_SIZE, mesh_points
from fxbench_mediapipe.tasks import import_mediapipe, opened, picture

_AROUND = 0.5
"""How much of the picture is searched on each side of a box, as a fraction of its size."""

_FACES = 4
"""How many faces are searched there: a neighbour may be surer than the one that is asked for."""


class Mesh:
    """Attention mesh: 468 points of the face and five of each iris.

    Grishchenko, Ablavatski, Kartynnik, Raveendran & Grundmann (2020), Attention mesh:
    high-fidelity face mesh prediction in real-time, arXiv:2006.10962. MediaPipe looks for the face
    itself, with BlazeFace, so each box is searched with half its size around it, not the whole
    picture, in which BlazeFace would miss small faces. Of what is found the mesh counts whose
    middle lies in the box and whose extent overlaps it most. A box without such a mesh has none.
    Images whose shorter side is below 128 pixels are enlarged and padded
    (:func:`fxbench.enlarge.enlarge`).

    Attributes:
        scheme: of its points.
    """

    scheme = MESH

    def __init__(self, weights: Weights, confidence: float, *, allow_metrics: bool) -> None:
        """Load the models.

        Args:
            weights: the file that they lie in.
            confidence: from 0 to 1; the lowest score of a face and of its mesh.
            allow_metrics: whether a release that sends figures of its use may be loaded.

        Raises:
            UsageError: the confidence is out of its range.
            UnavailableError: a release that sends figures of its use, without leave.
            WeightsError: the file is missing, or is not the one that was declared.
            DataError: MediaPipe can't load the models.
        """
        register(MESH, mesh_points())
        self._mediapipe = import_mediapipe(
            "mediapipe-mesh", confidence, allow_metrics=allow_metrics
        )
        path = verified("mediapipe-mesh", weights)
        tasks = self._mediapipe.tasks
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            num_faces=_FACES,
            min_face_detection_confidence=confidence,
            min_face_presence_confidence=confidence,
        )
        self._task = opened(
            self, path.name, lambda: tasks.vision.FaceLandmarker.create_from_options(options)
        )

    def locate(self, images: tuple[UInt8, ...], boxes: Boxes) -> Points:
        """Points of each box; see :class:`fxbench.protocols.Landmarker`."""
        xy = np.full((len(boxes), MESH_SIZE, 2), np.nan, np.float32)
        for row, (frame, box) in enumerate(zip(boxes.frame, boxes.xyxy, strict=True)):
            points = self._locate(images[frame], box)
            if points is not None:
                xy[row] = points
        return Points(xy, MESH)

    def _locate(self, image: UInt8, box: Float32) -> Float32 | None:
        """The points of the face in a box, float32 (478, 2); None where there is none."""
        height, width = image.shape[:2]
        edges = box.astype(np.float64)
        grow = _AROUND * (edges[2:] - edges[:2])
        limit = np.array([width, height])
        x1, y1 = np.clip(np.floor(edges[:2] - grow), 0, limit).astype(int)
        x2, y2 = np.clip(np.ceil(edges[2:] + grow), 0, limit).astype(int)
        if x2 <= x1 or y2 <= y1:
            return None
        search = enlarge(image[y1:y2, x1:x2])
        size = np.array(search.image.shape[1::-1], np.float64)
        best, points = 0.0, None
        for found in self._task.detect(picture(self._mediapipe, search.image)).face_landmarks:
            xy = np.array([(point.x, point.y) for point in found]) * size
            xy = (xy - search.padding) / search.scale + (x1, y1)
            low, high = xy.min(axis=0), xy.max(axis=0)
            middle = (low + high) / 2
            inside = bool((edges[:2] <= middle).all() and (middle <= edges[2:]).all())
            overlap = float(iou(np.concatenate([low, high]).astype(np.float32), box))
            if inside and overlap > best:
                best, points = overlap, xy.astype(np.float32)
        return points
