"""Any classifier in an ONNX file, through ONNX Runtime; see :mod:`fxbench.model_file`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fxbench.component import Weights
from fxbench.errors import DataError
from fxbench.model_file import Loaded, Shape
from fxbench.onnx_network import session
from fxbench.without_plugin import weights_of

REQUIRES: tuple[str, ...] = ("onnxruntime",)
EXTRA: str | None = None
RUNTIME = "ONNX"

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
# A file of weights beside the model: a StringStringEntryProto whose key is `location`.
_EXTERNAL = re.compile(rb"\n\x08location\x12(?:([\x01-\x7f])|([\x80-\xff])([\x01-\x7f]))")


def load(path: Path) -> Loaded:
    """Load an ONNX file.

    Raises:
        DataError: it is no ONNX model with one image as input and one row of numbers as output.
    """
    opened = session(path)
    inputs, answers = opened.get_inputs(), opened.get_outputs()
    for what, found in (("inputs", inputs), ("outputs", answers)):
        if len(found) != 1:
            names = ", ".join(node.name for node in found)
            raise DataError(
                f"{path} has {len(found)} {what} ({names}): a model with one image as input "
                "and one row of outputs is expected."
            )
    (node,), (row,) = inputs, answers
    if node.type not in _DTYPES:
        raise DataError(f"{path} takes {node.type}: expected is one of {', '.join(_DTYPES)}.")
    if row.type not in _DTYPES:
        raise DataError(f"{path} answers {row.type}: expected is one row of numbers for each face.")
    shape: Shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
    declared = [d for d in row.shape[1:] if isinstance(d, int) and d > 0]
    known = len(declared) == len(row.shape) - 1
    return Loaded(
        path=path,
        shape=shape,
        dtype=_DTYPES[node.type],
        outputs=int(np.prod(declared)) if known else None,
        answer=lambda faces: opened.run(None, {node.name: faces})[0],
        handle=opened,
    )


def weights(path: Path, data: bytes) -> tuple[Weights, ...]:
    """The model file, and the files beside it that it keeps weights in.

    Args:
        path: the file.
        data: its bytes.
    """
    names = set()
    for match in _EXTERNAL.finditer(data):
        # A length is a varint: of more than 127 it takes a second byte for the higher bits.
        length = match[1][0] if match[1] else (match[2][0] & 0x7F) | match[3][0] << 7
        names.add(data[match.end() : match.end() + length].decode("utf-8", "replace"))
    beside = [path.parent / name for name in sorted(names)]
    return (weights_of(path, data), *(weights_of(file) for file in beside if file.is_file()))
