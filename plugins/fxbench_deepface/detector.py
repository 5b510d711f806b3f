"""DeepFace's detectors."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.enlarge import Box, enlarge
from fxbench.errors import UsageError
from fxbench.types import Boxes, UInt8
from fxbench_deepface.home import deepface_home, environment
from fxbench_deepface.vendor import MEND, speaking_for
from fxbench_deepface.weights import found

if TYPE_CHECKING:
    from fxbench_deepface.backends import Backend

_SMALL = 128
"""Pictures with a shorter side than that are enlarged."""

_LONGEST = 20
"""In a strip more than so many times as long as it is high no face is looked for."""


class Detector:
    """`detect_faces` of one of DeepFace's detector classes (Serengil and Ozpinar, ASYU 2020).

    That is the search itself: what `DeepFace.extract_faces` does beyond it (cutting faces out,
    looking for eyes in those of a detector that has none, rounding confidences) changes no box.
    The class gets the picture as DeepFace gives it, BGR. Images whose shorter side is below 128
    pixels are enlarged first (:func:`fxbench.enlarge.enlarge`), unless the detector brings every
    picture to one size itself.

    Args:
        backend: which.
        align: pad the picture as DeepFace does before it aligns faces.
        threshold: the lowest confidence; None where DeepFace fixes it.

    Raises:
        UsageError: an option out of its range.
        WeightsError: a weight file is missing, or is not the one that was declared.
        UnavailableError: DeepFace can't make the detector.
    """

    def __init__(self, backend: Backend, *, align: bool, threshold: float | None) -> None:
        name = f"deepface-{backend.name}"
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise UsageError(f"{name} got the threshold {threshold}; expected is one from 0 to 1.")
        self._align = align
        self._scored = backend.scored
        self._enlarged = backend.enlarged
        self._variables = dict(backend.fixed)
        if backend.threshold is not None and threshold is not None:
            self._variables[backend.threshold[0]] = repr(threshold)
        files = tuple(found(name, weights) for weights in backend.weights)
        self._files = files if backend.reloads else ()
        with (
            deepface_home(*files),
            environment(self._variables),
            speaking_for(name, backend.install or MEND),
        ):
            from deepface.modules import modeling

            # Not build_model: it keeps the first model of a process, whatever its weights were.
            made = modeling.get_model_class(task="face_detector", model_name=backend.name)
            self._client: Any = made()

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        """Boxes of the faces; see :class:`fxbench.protocols.Detector`."""
        with ExitStack() as stack:
            if self._files:
                stack.enter_context(deepface_home(*self._files))
            if self._variables:
                stack.enter_context(environment(self._variables))
            return Boxes.from_lists([self._detect(image) for image in images])

    def _detect(self, image: UInt8) -> list[Box]:
        if max(image.shape[:2]) > _LONGEST * min(image.shape[:2]):
            # Reduced to 640 pixels, such a strip has no row left, or one that YuNet is infinite in.
            return []
        small = min(image.shape[:2]) < _SMALL
        side, padding = self._enlarged if self._enlarged and small else (0, 0.0)
        search = enlarge(image, min_side=side, padding=padding)
        picture = cv2.cvtColor(search.image, cv2.COLOR_RGB2BGR)
        left = top = 0
        if self._align:
            top, left = picture.shape[0] // 2, picture.shape[1] // 2
            picture = cv2.copyMakeBorder(picture, top, top, left, left, cv2.BORDER_CONSTANT)
        rows = [
            (
                face.x - left,
                face.y - top,
                face.x + face.w - left,
                face.y + face.h - top,
                float(face.confidence) if self._scored else 1.0,
            )
            for face in self._client.detect_faces(picture)
        ]
        return search.restore(np.asarray(rows, np.float64).reshape(-1, 5))
