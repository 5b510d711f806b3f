"""A trained Keras network as ONNX files for ONNX Runtime: in 32-bit floats, and in 8 bits.

The files take what a classifier gets, RGB faces in 8 bits: making grey and scaling are part of the
graph, so that every runtime does the same, and is timed with it. Each plugin of such a network has
a module `convert`, the command that makes its files: see :mod:`fxbench.training.twins`.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fxbench.errors import DataError, UnavailableError
from fxbench.faces import crops
from fxbench.files import write_atomic, write_json
from fxbench.keras_network import answering, tensorflow
from fxbench.onnx_network import session
from fxbench.protocols import Dataset
from fxbench.sources import evenly_spaced
from fxbench.types import FaceSpec, UInt8, check_array
from fxbench.weights import MANIFEST, manifest, sha256

OPSET = 17
"""Of the files: ONNX Runtime knows it since 1.12."""

CALIBRATION_FACES = 512
"""How many faces tell the range of each activation."""

_INPUT = "faces"
_OUTPUT = "probabilities"
_BATCH = 32
_QUANTISED = ("Conv", "Relu", "Clip", "MaxPool", "Add", "GlobalAveragePool")
_MEND = "pip install 'fxbench[train]'"


def to_onnx(model: Any, path: Path) -> None:
    """Write a network as an ONNX file of 32-bit floats.

    The batch normalisations are folded into the convolutions. The file takes `faces` uint8
    (N, size, size, 3), RGB, and answers `probabilities` float32 (N, K), for any N.

    Args:
        model: a `keras.Model` from grey faces float32 (N, size, size, 1) in [0, 1] to
            probabilities (N, K).
        path: the file to write.

    Raises:
        UnavailableError: the converter is not installed, or Keras runs on another backend than
            TensorFlow.
        StoreError: the file can't be written.
    """
    _require("onnx", "tf2onnx")
    tf = tensorflow("Conversion to ONNX")
    import onnx
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    size = int(model.input_shape[1])
    signature = [tf.TensorSpec((None, size, size, 3), tf.uint8, name=_INPUT)]
    proto, _ = tf2onnx.convert.from_function(
        tf.function(answering(tf, model), input_signature=signature),
        input_signature=signature,
        opset=OPSET,
    )
    _rename(proto.graph)
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        _fold(proto.SerializeToString(), folded)
        final = onnx.load(folded)
    _number(final.graph)
    write_atomic(path, _tidy(final))


def to_int8(source: Path, faces: UInt8, path: Path, *, first: int = 1) -> None:
    """Write the 8-bit twin of a file that :func:`to_onnx` wrote.

    Static quantisation (Jacob et al., CVPR 2018): the range of each activation is the one that it
    has on `faces`, and weights have a scale for each output channel. They have seven bits, because
    processors without VNNI add two products in 16 bits, which eight bits would overflow; depthwise
    convolutions are computed otherwise, need the eighth and have it. The first convolutions and
    the last layer, which lose most by it and take least time, stay in 32 bits.

    Args:
        source: the file of 32-bit floats.
        faces: RGB uint8 (N, size, size, 3), a few hundred that the network was trained on.
        path: the file to write.
        first: how many convolutions stay in 32 bits.

    Raises:
        UnavailableError: the quantiser is not installed.
        DataError: there is no face to calibrate with, or `source` is no such file.
        PluginError: `faces` has another shape or type than the network takes.
        StoreError: the file can't be written.
    """
    _require("onnx")
    import onnx
    from onnxruntime import quantization

    size = int(session(source).get_inputs()[0].shape[1])
    check_array("faces", faces, np.uint8, (None, size, size, 3))
    if not len(faces):
        raise DataError("There is no face to calibrate with: give a few hundred training faces.")
    graph = onnx.load(source).graph
    convolutions = [place for place, node in enumerate(graph.node) if node.op_type == "Conv"]
    begin = convolutions[min(first, len(convolutions) - 1)]
    with tempfile.TemporaryDirectory() as folder, _silent():
        quantised = Path(folder) / "quantised.onnx"
        quantization.quantize_static(
            source,
            quantised,
            _reader(faces),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_exclude=[node.name for node in graph.node[:begin]],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={"TensorQuantOverrides": _eight_bits(graph)},
        )
        write_atomic(path, _tidy(onnx.load(quantised)))


def _eight_bits(graph: Any) -> dict[str, list[dict[str, Any]]]:
    """For the quantiser: all eight bits for each channel of each depthwise convolution."""
    from onnxruntime.quantization import QuantType

    channels = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    whole = {"quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": False, "axis": 0}
    return {
        node.input[1]: [dict(whole) for _ in range(channels[node.input[1]])]
        for node in graph.node
        if any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
    }


def write_twins(
    name: str, model: Any, weights: Path, faces: UInt8 | None, folder: Path, *, first: int = 1
) -> dict[str, Path]:
    """Put all that is shipped of a trained network into its plugin's folder, with the manifest.

    Args:
        name: of the classifier: the files are `NAME.weights.h5`, `NAME.onnx`, `NAME-int8.onnx`.
        model: the network with its trained weights.
        weights: the file that they were read from.
        faces: see :func:`to_int8`; None: there is no twin in 8 bits.
        folder: where the files and :data:`fxbench.weights.MANIFEST` go.
        first: see :func:`to_int8`.

    Returns:
        The files: `keras`, `onnx` and, with faces, `int8`.

    Raises:
        FxbenchError: see :func:`to_onnx` and :func:`to_int8`.
    """
    files = {
        "keras": folder / f"{name}.weights.h5",
        "onnx": folder / f"{name}.onnx",
    }
    if weights.resolve() != files["keras"].resolve():
        write_atomic(files["keras"], weights.read_bytes())
    to_onnx(model, files["onnx"])
    if faces is not None:
        files["int8"] = folder / f"{name}-int8.onnx"
        to_int8(files["onnx"], faces, files["int8"], first=first)
    records = manifest(folder) | {
        path.name: {"sha256": sha256(path), "bytes": path.stat().st_size} for path in files.values()
    }
    write_json(folder / MANIFEST, records)
    return files


def calibration_faces(
    dataset: Dataset, split: str, size: int, count: int = CALIBRATION_FACES
) -> UInt8:
    """Evenly spaced images of a split, whole, as a classifier of that size would get them.

    Returns:
        RGB uint8 (N, size, size, 3); fewer than `count` where the split has fewer.
    """
    rows = dataset.answers(split, dataset.protocols[0]).rows
    rows = rows[evenly_spaced(len(rows), count)]
    parts = [whole_faces(batch.frames.images, size) for batch in dataset.batches(split, rows)]
    return np.concatenate([np.zeros((0, size, size, 3), np.uint8), *parts])


def whole_faces(images: tuple[UInt8, ...], size: int) -> UInt8:
    """Each image as one face, RGB uint8 (N, size, size, 3), as behind the detector `full-frame`."""
    whole = np.array([(0, 0, image.shape[1], image.shape[0]) for image in images], np.float32)
    frame = np.arange(len(images), dtype=np.int64)
    return crops(images, (frame, whole.reshape(-1, 4)), FaceSpec(size))


def _rename(graph: Any) -> None:
    """Call the one output and the number of faces what they are."""
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = [_OUTPUT if name == output.name else name for name in node.output]
    output.name = _OUTPUT
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _number(graph: Any) -> None:
    """Name everything by its place, so that the same command gives the same file.

    The converter's own names count how often it was asked before.
    """
    kept = {value.name for value in (*graph.input, *graph.output)} | {""}
    names = {name: name for name in kept}
    for place, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{place}"
        for field in (node.input, node.output):
            for name in field:
                names.setdefault(name, f"value_{len(names) - len(kept)}")
            field[:] = [names[name] for name in field]
    initialisers = [tensor for tensor in graph.initializer if tensor.name in names]
    for tensor in initialisers:
        tensor.name = names[tensor.name]
    order = {name: place for place, name in enumerate(names.values())}
    initialisers.sort(key=lambda tensor: order[tensor.name])
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(initialisers)


def _fold(model: bytes, path: Path) -> None:
    """Let ONNX Runtime fold what is constant, normalisation first of all, in standard operators."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _tidy(model: Any) -> bytes:
    """A checked model that names only the operator sets that it uses."""
    import onnx

    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.producer_name, model.producer_version, model.doc_string = "fxbench", "", ""
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _reader(faces: UInt8) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Faces(CalibrationDataReader):  # type: ignore[misc]  # its package has no types
        """Hands out faces batch by batch."""

        def __init__(self) -> None:
            self._rest: Iterator[UInt8] = iter(
                [faces[start : start + _BATCH] for start in range(0, len(faces), _BATCH)]
            )

        def get_next(self) -> dict[str, UInt8] | None:
            """The next batch, None at the end."""
            part = next(self._rest, None)
            return None if part is None else {_INPUT: part}

    return Faces()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The quantiser advises on the root logger to do what was done already: see :func:`_fold`."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _require(*modules: str) -> None:
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise UnavailableError(
            f"Writing ONNX files needs {', '.join(absent)}, which is not installed: {_MEND}"
        )
