"""DeepFace's emotion model in ONNX Runtime, without DeepFace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import DataError, WeightsError
from fxbench.loader import one_line
from fxbench.onnx_network import session
from fxbench.types import Float32, UInt8, check_array
from fxbench_deepface.emotion import FACE, LABELS, SIDE, preprocess

if TYPE_CHECKING:
    from pathlib import Path

_BATCH = 64


class OnnxEmotion:
    """The file of DeepFace's ONNX engine, opened by ONNX Runtime itself, on the CPU.

    DeepFace has one engine in a process, so that asking DeepFace for it would shut out its
    TensorFlow model. Labels, faces and preprocessing are those of `deepface`.

    Args:
        weights: the file `facial_expression_model_weights.onnx`.

    Raises:
        WeightsError: the file is damaged or holds another network.
    """

    labels: tuple[str | None, ...] = LABELS
    face = FACE

    def __init__(self, weights: Path) -> None:
        try:
            self._session = session(weights)
            self._input = self._session.get_inputs()[0].name
            answer = self._run(np.zeros((2, SIDE, SIDE, 1), np.float32))
        except Exception as error:
            # ONNX Runtime's errors have no class in common.
            why = str(error) if isinstance(error, DataError) else one_line(error)
            raise WeightsError(
                f"{weights} can't be loaded as DeepFace's emotion model: {why} A whole file is "
                "expected; delete this one and get it again."
            ) from error
        if answer.shape != (2, len(LABELS)) or np.abs(answer.sum(axis=1) - 1).max() > 1e-3:
            raise WeightsError(
                f"{weights} answers {answer.shape} numbers to two faces, but for each of them "
                f"{len(LABELS)} that sum to 1 are expected: it is another network."
            )

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, 7) for RGB faces uint8 (M, 224, 224, 3)."""
        check_array("faces", faces, np.uint8, (None, FACE.size, FACE.size, 3))
        out = np.empty((len(faces), len(LABELS)), np.float32)
        for start in range(0, len(faces), _BATCH):
            part = slice(start, start + _BATCH)
            out[part] = self._run(preprocess(faces[part]))
        return out

    def _run(self, grey: Float32) -> Float32:
        return np.asarray(self._session.run(None, {self._input: grey})[0], np.float32)
