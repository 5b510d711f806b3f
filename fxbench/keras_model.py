"""Any classifier in a Keras file, .keras or .h5, on TensorFlow; see :mod:`fxbench.model_file`.

Whole models are read, layers and weights. A file is never unpickled, and one that holds code (a
Lambda layer) is refused before Keras sees it.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.component import Weights
from fxbench.errors import DataError, FxbenchError, UnavailableError
from fxbench.loader import one_line
from fxbench.model_file import Loaded, Shape
from fxbench.without_plugin import read, weights_of

REQUIRES: tuple[str, ...] = ("tensorflow",)
EXTRA: str | None = "tensorflow"
RUNTIME = "Keras"

_HDF5 = b"\x89HDF\r\n\x1a\n"
_DTYPES = ("float16", "float32", "float64", "uint8")


def load(path: Path) -> Loaded:
    """Load a Keras file.

    Raises:
        UnavailableError: TensorFlow is not installed, or Keras runs on another backend.
        DataError: the file can't be read, is cut short, holds weights only or code, or is no model
            with one image as input and one row of numbers as output.
    """
    for module in ("tensorflow", "keras"):
        if find_spec(module) is None:
            raise UnavailableError(
                f"{path.name} is a Keras file, and reading it needs {module}: pip install "
                "'fxbench[tensorflow]'"
            )
    refuse_code(path)
    from fxbench.keras_network import tensorflow

    tensorflow(path.name)
    import keras

    try:
        # What a file of an older Keras is warned about (input_shape, optimisers) changes no answer.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Whatever layers, h5py and zipfile raise.
        raise DataError(
            f"{path} is no whole model that Keras {keras.__version__} can load: {one_line(error)} "
            "Layers of one's own can't be loaded: convert such a model to ONNX."
        ) from error
    inputs, answers = _nodes(model, "inputs"), _nodes(model, "outputs")
    for what, found in (("inputs", inputs), ("outputs", answers)):
        if len(found) != 1:
            raise DataError(
                f"{path} has {len(found)} {what}: a model with one image as input and one row of "
                "outputs is expected."
            )
    (node,), (row,) = inputs, answers
    dtype = str(node.dtype)
    if dtype not in _DTYPES:
        raise DataError(f"{path} takes {dtype}: expected is one of {', '.join(_DTYPES)}.")
    shape: Shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
    declared = [d for d in row.shape[1:] if d is not None]
    known = len(declared) == len(row.shape) - 1
    return Loaded(
        path=path,
        shape=shape,
        dtype=np.dtype(dtype),
        outputs=int(np.prod(declared)) if known else None,
        answer=lambda faces: _numbers(model.predict_on_batch(faces)),
        handle=model,
    )


def weights(path: Path, data: bytes) -> tuple[Weights, ...]:
    """The model file: it holds everything.

    Args:
        path: the file.
        data: its bytes.
    """
    return (weights_of(path, data),)


def refuse_code(path: Path) -> None:
    """Raise DataError unless the file describes a model that is made of layers and nothing else.

    Keras' own safe mode came to .h5 files late, so the description is read here.

    Raises:
        DataError: the file can't be read, has no description of a model, or holds a Lambda layer.
    """
    try:
        config = json.loads(_config(path))
    except ValueError as error:
        raise DataError(f"{path} describes its layers in no valid JSON: {error}.") from error
    if "Lambda" in _classes(config):
        raise DataError(
            f"{path} holds a Lambda layer, which is code of whoever wrote the file and is not run: "
            "replace it by a layer of Keras, or convert the model to ONNX."
        )


def _config(path: Path) -> str:
    """The description of the model in JSON."""
    head = read(path)[: len(_HDF5)]
    try:
        if head == _HDF5:
            import h5py

            with h5py.File(path, mode="r") as file:
                config: Any = file.attrs.get("model_config")
            if config is None:
                raise DataError(
                    f"{path} holds weights without the layers that they belong to: save the whole "
                    "model with model.save(...)."
                )
            return config.decode() if isinstance(config, bytes) else str(config)
        if path.suffix.lower() == ".keras" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return archive.read("config.json").decode()
    except FxbenchError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} is damaged or cut short ({one_line(error)}): copy or download it again."
        ) from error
    raise DataError(
        f"{path} is no Keras file, or is cut short: expected is what model.save(...) writes, a "
        ".keras or .h5 file."
    )


def _classes(config: Any) -> set[str]:
    """The names of all classes in a description, however deep."""
    if isinstance(config, dict):
        own = {config["class_name"]} if isinstance(config.get("class_name"), str) else set()
        return own.union(*map(_classes, config.values()))
    return set().union(*map(_classes, config)) if isinstance(config, list) else set()


def _nodes(model: Any, what: str) -> list[Any]:
    found = getattr(model, what, None)
    return [] if found is None else list(found)


def _numbers(answer: Any) -> npt.NDArray[Any]:
    import keras

    numbers: npt.NDArray[Any] = keras.ops.convert_to_numpy(answer)
    return numbers
