"""ONNX Runtime, and a network that fxbench wrote as an ONNX file as a classifier on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fxbench.component import Weights
from fxbench.environment import default_threads
from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.loader import one_line
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench.weights import verified

_BATCH = 64


class OnnxNetwork:
    """A file of :func:`fxbench.training.convert.to_onnx` or `to_int8`, with its weights.

    Attributes:
        labels: the eight emotions of FER+.
        face: the network's own size, stretched.
    """

    labels: tuple[str | None, ...] = EMOTIONS

    def __init__(self, name: str, weights: Weights) -> None:
        """Load the file.

        Args:
            name: of the classifier, for messages.
            weights: the file: `faces` uint8 (N, size, size, 3) to probabilities float32 (N, 8).

        Raises:
            WeightsError: the file is missing, or is not the one that was declared.
            DataError: ONNX Runtime can't load it.
        """
        self._session = session(verified(name, weights))
        (faces,) = self._session.get_inputs()
        self._name = faces.name
        self.face = FaceSpec(int(faces.shape[1]))

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities of the eight emotions.

        Args:
            faces: RGB uint8 (M, size, size, 3).

        Returns:
            float32 (M, 8), rows sum to 1.

        Raises:
            PluginError: `faces` has another shape or type.
        """
        size = self.face.size
        check_array("faces", faces, np.uint8, (None, size, size, 3))
        answers = np.empty((len(faces), len(EMOTIONS)), np.float32)
        for start in range(0, len(faces), _BATCH):
            part = slice(start, start + _BATCH)
            (answers[part],) = self._session.run(None, {self._name: faces[part]})
        return answers


def session(path: Path) -> Any:
    """A session on the CPU, with as many threads as the run has.

    Raises:
        DataError: the file is no ONNX model that can be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = default_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's errors have no class in common.
        raise DataError(
            f"{path} is no ONNX model that ONNX Runtime {onnxruntime.__version__} can load: "
            f"{one_line(error)}"
        ) from error
