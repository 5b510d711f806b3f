"""MediaPipe's face detector."""

from __future__ import annotations

import zipfile

import numpy as np

from fxbench.component import Weights
from fxbench.enlarge import Box, enlarge
from fxbench.errors import WeightsError
from fxbench.schemes import register
from fxbench.types import Analysis, Float32, UInt8
from fxbench.weights import verified
from fxbench_mediapipe.points import SIX, SIX_POINTS
from fxbench_mediapipe.tasks import import_mediapipe, opened, picture

_MEMBER = "face_detector.tflite"
"""Byte for byte what Google also gives out as `blaze_face_short_range.tflite`."""


class BlazeFace:
    """BlazeFace, short range: boxes with a score and six points.

    Bazarevsky et al. (2019), BlazeFace: sub-millisecond neural face detection on mobile GPUs,
    arXiv:1907.05047. The network sees the whole image at 128 x 128, so it misses faces that are
    small in it. Images whose shorter side is below 128 pixels are enlarged and padded
    (:func:`fxbench.enlarge.enlarge`).

    Attributes:
        scheme: of the six points.
        labels: None, as it tells no emotions.
        face_size: the side of a single face, pixels.
    """

    scheme: str | None = SIX
    labels: tuple[str | None, ...] | None = None
    face_size = 128

    def __init__(self, weights: Weights, confidence: float, *, allow_metrics: bool) -> None:
        """Load the model.

        Args:
            weights: the file that it lies in.
            confidence: from 0 to 1; the lowest score of a face.
            allow_metrics: whether a release that sends figures of its use may be loaded.

        Raises:
            UsageError: the confidence is out of its range.
            UnavailableError: a release that sends figures of its use, without leave.
            WeightsError: the file is missing, or is not the one that was declared.
            DataError: MediaPipe can't load the model.
        """
        register(SIX, SIX_POINTS)
        self._mediapipe = import_mediapipe("mediapipe", confidence, allow_metrics=allow_metrics)
        path = verified("mediapipe", weights)
        try:
            with zipfile.ZipFile(path) as bundle:
                model = bundle.read(_MEMBER)
        except (zipfile.BadZipFile, KeyError) as error:
            raise WeightsError(f"{path} holds no {_MEMBER}. {weights.mend}") from error
        tasks = self._mediapipe.tasks
        options = tasks.vision.FaceDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=model),
            min_detection_confidence=confidence,
        )
        self._task = opened(
            self, path.name, lambda: tasks.vision.FaceDetector.create_from_options(options)
        )

    def analyze(self, images: tuple[UInt8, ...]) -> Analysis:
        """Boxes and points of the faces; see :class:`fxbench.protocols.Analyzer`."""
        return Analysis.of_each([self._analyze(image) for image in images], SIX, len(SIX_POINTS))

    def _analyze(self, image: UInt8) -> tuple[list[Box], Float32]:
        search = enlarge(image)
        size = np.array(search.image.shape[1::-1], np.float64)
        boxes, points = [], []
        for found in self._task.detect(picture(self._mediapipe, search.image)).detections:
            box = found.bounding_box
            right, bottom = box.origin_x + box.width, box.origin_y + box.height
            boxes.append((box.origin_x, box.origin_y, right, bottom, found.categories[0].score))
            points.append([(point.x, point.y) for point in found.keypoints])
        return search.restore_with_points(
            np.array(boxes, np.float64).reshape(-1, 5),
            np.array(points, np.float64).reshape(-1, len(SIX_POINTS), 2) * size,
        )
