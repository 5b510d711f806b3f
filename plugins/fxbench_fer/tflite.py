"""The TensorFlow Lite models of `fer` and `facex`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.component import Weights
from fxbench.environment import default_threads
from fxbench.errors import DataError, UnavailableError
from fxbench.loader import one_line
from fxbench.types import FaceSpec, Float32, UInt8, check_array
from fxbench.weights import verified
from fxbench_fer.faces import (
    FACEX_FACE,
    FACEX_LABELS,
    FER_FACE,
    FER_LABELS,
    centred,
    grey,
    repeated,
)

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Vendor:
    """How a package uses its model.

    Attributes:
        labels: of its outputs.
        face: how it wants a face.
        prepare: from grey uint8 (1, size, size) to what the model takes, float32 of one face.
    """

    labels: tuple[str | None, ...]
    face: FaceSpec
    prepare: Callable[[UInt8], Float32]


def mini_xception() -> Vendor:
    """The way of `fer`."""
    return Vendor(FER_LABELS, FER_FACE, centred)


def facex() -> Vendor:
    """The way of `facex`."""
    return Vendor(FACEX_LABELS, FACEX_FACE, repeated)


class TfliteNetwork:
    """A model with a softmax at its end, run face by face: in batches it is no faster.

    Attributes:
        labels: of its outputs.
        face: how it wants a face.
    """

    def __init__(self, name: str, weights: Weights, vendor: Vendor) -> None:
        """Load the model.

        Args:
            name: of the classifier, for messages.
            weights: the file.
            vendor: how its package uses it.

        Raises:
            UnavailableError: TensorFlow Lite is not there.
            WeightsError: the file is missing, or is not the one that was declared.
            DataError: TensorFlow Lite can't load it.
        """
        path = verified(name, weights)
        self.labels = vendor.labels
        self.face = vendor.face
        self._prepare = vendor.prepare
        self._interpreter = interpreter(path)
        (given,) = self._interpreter.get_input_details()
        (answer,) = self._interpreter.get_output_details()
        self._given, self._answer = given["index"], answer["index"]

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities of the emotions.

        Args:
            faces: RGB uint8 (M, size, size, 3).

        Returns:
            float32 (M, K), rows sum to 1.

        Raises:
            PluginError: `faces` has another shape or type.
        """
        check_array("faces", faces, np.uint8, (None, self.face.size, self.face.size, 3))
        answers = np.empty((len(faces), len(self.labels)), np.float32)
        for row in range(len(faces)):
            self._interpreter.set_tensor(self._given, self._prepare(grey(faces[row : row + 1])))
            self._interpreter.invoke()
            answers[row] = self._interpreter.get_tensor(self._answer)[0]
        return answers


def interpreter(path: Path) -> Any:
    """An interpreter on the CPU, with as many threads as the run has.

    Raises:
        UnavailableError: neither TensorFlow nor LiteRT has one.
        DataError: the file is no model that can be loaded.
    """
    make = _maker(path.name)
    try:
        # TensorFlow announces that the interpreter moves to another package.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = make(model_path=str(path), num_threads=default_threads())
        made.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"{path} is no model that TensorFlow Lite can load: {one_line(error)}"
        ) from error
    return made


def _maker(name: str) -> Callable[..., Any]:
    import tensorflow as tf

    try:
        made: Callable[..., Any] = tf.lite.Interpreter
    except (AttributeError, ImportError):
        # LiteRT is what TensorFlow says that it moves to.
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise UnavailableError(
                f"{name} needs TensorFlow Lite, which TensorFlow {tf.__version__} does not have: "
                "pip install ai-edge-litert"
            ) from error
        made = Interpreter
    return made
