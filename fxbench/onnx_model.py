"""Any classifier in an ONNX file as a classifier of one run, through ONNX Runtime.

What the file can't tell is given as two texts. `labels` names the emotion of each output:
`neutral,happiness,none`. `input` is `COLOUR,SIZE,LOW..HIGH`, such as `grey,64,0..1`: what a face
becomes before it enters the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fxbench.component import Component, Option, Weights
from fxbench.environment import default_threads
from fxbench.errors import DataError, PluginError, UsageError
from fxbench.labels import parse_labels
from fxbench.loader import one_line
from fxbench.options import Options
from fxbench.registry import Entry
from fxbench.types import FaceSpec, Float32, Float64, UInt8, check_array
from fxbench.without_plugin import classifier_entry, component_name, read, weights_of

_INPUT = re.compile(
    r"(?P<colour>gr[ea]y|rgb|bgr),(?P<size>[1-9]\d{0,3}),(?P<low>-?\d+(\.\d+)?)\.\.(?P<high>-?\d+(\.\d+)?)"
)
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_BATCH = 64
_PROBES = 8
_SUM_TOLERANCE = 1e-3
# A file of weights beside the model: a StringStringEntryProto whose key is `location`.
_EXTERNAL = re.compile(rb"\n\x08location\x12(?:([\x01-\x7f])|([\x80-\xff])([\x01-\x7f]))")

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model takes.

    Attributes:
        colour: `grey` (ITU-R BT.601, rounded to 8 bits, as OpenCV does), `rgb` or `bgr`.
        size: the side of the square, pixels.
        low: what 0 becomes.
        high: what 255 becomes.
    """

    colour: str
    size: int
    low: float
    high: float

    @property
    def channels(self) -> int:
        """How many values a pixel has."""
        return 1 if self.colour == "grey" else 3


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A model file, looked at and ready to be added to a registry.

    Attributes:
        entry: its classifier.
        notes: what was found out about the file, a sentence each.
    """

    entry: Entry
    notes: tuple[str, ...]


def parse_input(text: str) -> InputSpec:
    """Read `COLOUR,SIZE,LOW..HIGH`.

    Raises:
        UsageError: the text is no such specification.
    """
    match = _INPUT.fullmatch(re.sub(r"\s", "", text.lower()))
    spec = match and InputSpec(
        match["colour"].replace("gray", "grey"),
        int(match["size"]),
        float(match["low"]),
        float(match["high"]),
    )
    if not spec or spec.low >= spec.high:
        raise UsageError(
            f"The input {text!r} is not COLOUR,SIZE,LOW..HIGH: expected are grey, rgb or bgr, the "
            "side of the face in pixels, and what 0 and 255 become, such as grey,64,0..1 or "
            "rgb,224,-1..1."
        )
    return spec


def open_model(path: str | Path, labels: str, input_: str, name: str | None = None) -> OnnxModel:
    """Look at a model file: what it takes and answers, and whether that fits what was said of it.

    Args:
        path: the ONNX file.
        labels: the emotion of each output, separated by commas; `none` or `-` for an output
            without counterpart.
        input_: see :func:`parse_input`.
        name: of the classifier; the file's name without its ending where None.

    Raises:
        UsageError: `labels` or `input_` is wrong in itself, or there is no name to be had.
        DataError: the file is no ONNX model that can be run, or is not as was said.
    """
    spec, meanings = parse_input(input_), _meanings(labels)
    path = Path(path).expanduser()
    data = read(path)
    session = _session(path)
    network = _Network(path, session, spec, len(meanings))
    outputs = _read_as(path, network, spec)
    component = Component(
        name=component_name(path, name),
        summary=f"The ONNX model {path.name}.",
        factory=partial(_classifier, path.absolute()),
        requires=("onnxruntime",),
        traits=frozenset({"default"}),
        weights=_weights(path, data),
        options=(
            Option("labels", "str", labels, "The emotion of each output, separated by commas."),
            Option("input", "str", input_, "COLOUR,SIZE,LOW..HIGH: what a face becomes."),
            Option(
                "outputs",
                "str",
                outputs,
                "What the model answers: a softmax is applied to logits.",
                choices=("probabilities", "logits"),
            ),
        ),
    )
    notes = [f"{path.name} {network.takes}."]
    if outputs == "logits":
        notes.append(
            f"The outputs of {path.name} don't sum to 1, so they are read as logits and a softmax "
            f"is applied (--set {component.name}.outputs=probabilities takes them as they are)."
        )
    return OnnxModel(classifier_entry(component, __name__), tuple(notes))


def conforming(component: Component, options: Options) -> str:
    """Check a model with the conformance kit, before anything is measured with it.

    Returns:
        The kit's verdict in one line.

    Raises:
        PluginError: it doesn't conform.
    """
    from fxbench.testing import check

    report = check(component, "classifier", options=options.of(component))
    if not report.ok:
        failed = " ".join(f"{result.rule}: {result.why}" for result in report.failed)
        raise PluginError(f"The model {component.name} is no classifier to be measured. {failed}")
    return report.headline


class OnnxClassifier:
    """A model with its preprocessing; see :class:`fxbench.protocols.Classifier`."""

    def __init__(self, network: _Network, labels: tuple[str | None, ...], *, softmax: bool) -> None:
        self.labels = labels
        self.face = FaceSpec(network.spec.size)
        self._network = network
        self._softmax = softmax

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, K) for RGB faces uint8 (M, size, size, 3).

        Raises:
            PluginError: the model can't be run on them, or answers something of another shape.
        """
        size = self.face.size
        check_array("faces", faces, np.uint8, (None, size, size, 3))
        answers = self._network.run(faces)
        if self._softmax:
            odds = np.exp(answers - answers.max(axis=1, keepdims=True, initial=-np.inf))
            answers = odds / odds.sum(axis=1, keepdims=True)
        return answers.astype(np.float32)


def _classifier(path: Path, labels: str, input: str, outputs: str) -> OnnxClassifier:  # noqa: A002 - the option's name
    meanings = _meanings(labels)
    network = _Network(path, _session(path), parse_input(input), len(meanings))
    return OnnxClassifier(network, meanings, softmax=outputs == "logits")


def _meanings(labels: str) -> tuple[str | None, ...]:
    return parse_labels([name.strip() for name in labels.split(",")], "The list of labels")


class _Network:
    """A session with what has to be known to feed it."""

    def __init__(self, path: Path, session: Any, spec: InputSpec, outputs: int) -> None:
        inputs, answers = session.get_inputs(), session.get_outputs()
        for what, found in (("inputs", inputs), ("outputs", answers)):
            if len(found) != 1:
                names = ", ".join(node.name for node in found)
                raise DataError(
                    f"{path} has {len(found)} {what} ({names}): a model with one image as input "
                    "and one row of outputs is expected."
                )
        (node,) = inputs
        shape: Shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
        if node.type not in _DTYPES:
            raise DataError(f"{path} takes {node.type}: expected is one of {', '.join(_DTYPES)}.")
        if node.type == "tensor(uint8)" and (spec.low, spec.high) != (0, 255):
            raise DataError(
                f"{path} takes 8-bit pixels, but the range {spec.low:g}..{spec.high:g} is given: "
                "0..255 is expected."
            )
        if answers[0].type not in _DTYPES:
            raise DataError(
                f"{path} answers {answers[0].type}: expected is one row of numbers for each face."
            )
        self.spec = spec
        self._path = path
        self._session = session
        self._name = node.name
        self._outputs = outputs
        self._layout = _layout(path, shape, spec)
        self._batch = shape[0]
        levels = spec.low + np.arange(256) * ((spec.high - spec.low) / 255)
        self._levels = levels.astype(_DTYPES[node.type])
        declared = [d for d in answers[0].shape[1:] if isinstance(d, int) and d > 0]
        if len(declared) == len(answers[0].shape) - 1 and np.prod(declared) != outputs:
            raise self._miscounted(int(np.prod(declared)))

    @property
    def takes(self) -> str:
        """How faces are handed over, in words."""
        at_once = f"{self._batch} at once" if self._batch else f"up to {_BATCH} at once"
        return f"takes {self.spec.colour} faces as {self._layout.upper()}, {at_once}"

    def run(self, faces: UInt8) -> Float64:
        """What the model answers, float64 (M, K).

        Raises:
            PluginError: it can't be run, or answers something of another shape.
        """
        tensor = self._tensor(faces)
        step = self._batch or _BATCH
        answers = np.empty((len(faces), self._outputs))
        for start in range(0, len(faces), step):
            part = tensor[start : start + step]
            count = len(part)
            if self._batch and count < self._batch:
                rest = [(0, self._batch - count)] + [(0, 0)] * (part.ndim - 1)
                part = np.pad(part, rest)
            try:
                (answer,) = self._session.run(None, {self._name: part})
            except Exception as error:
                # ONNX Runtime's errors have no class in common.
                raise PluginError(
                    f"{self._path} can't be run on {part.dtype} {part.shape}: {one_line(error)}"
                ) from error
            if answer.size != len(part) * self._outputs:
                raise self._miscounted(answer.size / len(part))
            answers[start : start + count] = answer.reshape(len(part), self._outputs)[:count]
        return answers

    def _tensor(self, faces: UInt8) -> npt.NDArray[Any]:
        pixels: npt.NDArray[Any] = faces
        if self.spec.colour == "grey":
            count, size = faces.shape[:2]
            # One tall picture of all faces.
            tall = np.ascontiguousarray(faces).reshape(count * size, size, 3)
            grey = cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY) if count else tall[..., 0]
            pixels = np.asarray(grey).reshape(count, size, size, 1)
        elif self.spec.colour == "bgr":
            pixels = faces[..., ::-1]
        tensor = self._levels[pixels]
        if self._layout == "nchw":
            tensor = tensor.transpose(0, 3, 1, 2)
        elif self._layout == "nhw":
            tensor = tensor[..., 0]
        return np.ascontiguousarray(tensor)

    def _miscounted(self, found: float) -> DataError:
        return DataError(
            f"{self._path} answers {found:g} values for a face, but {self._outputs} labels are "
            "given: expected is one label for each output, none for one without counterpart."
        )


def _session(path: Path) -> Any:
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


def _layout(path: Path, shape: Shape, spec: InputSpec) -> str:
    """`nchw`, `nhwc` or, for a grey model without channels, `nhw`."""
    size, channels = spec.size, spec.channels
    layouts: dict[str, tuple[int, ...]] = {
        "nchw": (channels, size, size),
        "nhwc": (size, size, channels),
    }
    if spec.colour == "grey":
        layouts["nhw"] = (size, size)
    fits = {
        name: sum(known is not None for known in shape[1:])
        for name, wanted in layouts.items()
        if len(wanted) == len(shape) - 1
        and all(known in (None, want) for known, want in zip(shape[1:], wanted, strict=True))
    }
    if not fits:
        taken = ", ".join("N" if known is None else str(known) for known in shape)
        made = " or ".join(f"(N, {', '.join(map(str, wanted))})" for wanted in layouts.values())
        raise DataError(
            f"{path} takes an input of the shape ({taken}), but {spec.colour},{size} makes {made}: "
            "give the colour and size that the model was trained with."
        )
    return next(iter(fits))


def _read_as(path: Path, network: _Network, spec: InputSpec) -> str:
    """`probabilities` where each row of a few answers sums to 1, else `logits`."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (_PROBES - 2, spec.size, spec.size, 3), np.uint8)
    plain = np.stack([np.full(noise.shape[1:], level, np.uint8) for level in (0, 255)])
    answers = network.run(np.concatenate([noise, plain]))
    if not np.isfinite(answers).all():
        raise DataError(
            f"{path} answers numbers that are not finite: see whether the range "
            f"{spec.low:g}..{spec.high:g} is the one that it was trained with."
        )
    sums = answers.sum(axis=1)
    is_distribution = answers.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE
    return "probabilities" if is_distribution else "logits"


def _weights(path: Path, data: bytes) -> tuple[Weights, ...]:
    """The model file, and the files beside it that it keeps weights in."""
    names = set()
    for match in _EXTERNAL.finditer(data):
        # A length is a varint: of more than 127 it takes a second byte for the higher bits.
        length = match[1][0] if match[1] else (match[2][0] & 0x7F) | match[3][0] << 7
        names.add(data[match.end() : match.end() + length].decode("utf-8", "replace"))
    beside = [path.parent / name for name in sorted(names)]
    return (weights_of(path, data), *(weights_of(file) for file in beside if file.is_file()))
