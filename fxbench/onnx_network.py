"""ONNX Runtime, and a network that fxbench wrote as an ONNX file as a classifier on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fxbench.component import Weights
from fxbench.environment import default_threads
from fxbench.errors import DataError
from fxbench.loader import one_line
from fxbench.trained import TrainedNetwork
from fxbench.types import FaceSpec, UInt8
from fxbench.weights import verified


class OnnxNetwork(TrainedNetwork):
    """A file of :func:`fxbench.training.convert.to_onnx` or `to_int8`, with its weights."""

    _at_once = 64

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

    def _answer(self, faces: UInt8) -> Any:
        (answers,) = self._session.run(None, {self._name: faces})
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
