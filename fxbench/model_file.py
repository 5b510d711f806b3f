"""A person's own model file, ONNX or Keras, as a classifier of one run.

What the file can't tell is given as two texts. `labels` names the emotion of each output:
`neutral,happiness,none`. `input` is `COLOUR,SIZE,LOW..HIGH`, such as `grey,64,0..1`: what a face
becomes before it enters the model. :mod:`fxbench.onnx_model` and :mod:`fxbench.keras_model` load
the files; everything else is the same for both and stands here.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fxbench.component import Component, Option, Weights
from fxbench.errors import DataError, PluginError, UsageError
from fxbench.labels import parse_labels
from fxbench.loader import one_line
from fxbench.options import Options
from fxbench.registry import Entry
from fxbench.types import FaceSpec, Float32, Float64, UInt8, check_array
from fxbench.without_plugin import classifier_entry, component_name, read

_INPUT = re.compile(
    r"(?P<colour>gr[ea]y|rgb|bgr),(?P<size>[1-9]\d{0,3}),(?P<low>-?\d+(\.\d+)?)\.\.(?P<high>-?\d+(\.\d+)?)"
)
KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
"""How the files end that Keras reads; all others are taken for ONNX."""

_BATCH = 64
_PROBES = 8
_SUM_TOLERANCE = 1e-3

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model takes.

    Attributes:
        colour: `grey` (ITU-R BT.601, rounded to 8 bits, as OpenCV does), `rgb` or `bgr`.
        size: the side of the square, pixels.
        low: what 0 becomes.
        high: what 255 becomes; below `low` where the model was trained on inverted faces.
    """

    colour: str
    size: int
    low: float
    high: float

    @property
    def channels(self) -> int:
        """How many values a pixel has."""
        return 1 if self.colour == "grey" else 3

    @property
    def text(self) -> str:
        """As :func:`parse_input` reads it."""
        return f"{self.colour},{self.size},{self.low:g}..{self.high:g}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that its library has loaded.

    Attributes:
        path: its file.
        shape: of its input, None where a dimension is free; the faces' own dimension comes first.
        dtype: of its input.
        outputs: how many values it declares to answer for a face; None where it doesn't say.
        answer: called with faces of that shape and type, gives a row of numbers for each.
        handle: the library's own object.
    """

    path: Path
    shape: Shape
    dtype: npt.DTypeLike
    outputs: int | None
    answer: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = field(repr=False)
    handle: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModelFile:
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
    if not spec or spec.low == spec.high:
        raise UsageError(
            f"The input {text!r} is not COLOUR,SIZE,LOW..HIGH: expected are grey, rgb or bgr, the "
            "side of the face in pixels, and what 0 and 255 become, such as grey,64,0..1 or "
            "rgb,224,-1..1."
        )
    return spec


def meanings_of(labels: str) -> tuple[str | None, ...]:
    """The emotion of each output, from a text such as `neutral,happiness,none`.

    Raises:
        UsageError: a name is no emotion, or none of them is.
    """
    return parse_labels([name.strip() for name in labels.split(",")], "The list of labels")


def load(path: Path) -> Loaded:
    """Load a model file with the library that its name's ending says.

    Raises:
        DataError: it can't be read, or is no model that can be run.
        UnavailableError: the library is not installed.
    """
    loaded: Loaded = _library(path).load(path)
    return loaded


def _library(path: Path) -> Any:
    """:mod:`fxbench.keras_model` or :mod:`fxbench.onnx_model`: what reads such a file."""
    name = "keras_model" if path.suffix.lower() in KERAS_SUFFIXES else "onnx_model"
    return importlib.import_module(f"fxbench.{name}")


def open_model(path: str | Path, labels: str, input_: str, name: str | None = None) -> ModelFile:
    """Look at a model file: what it takes and answers, and whether that fits what was said of it.

    Args:
        path: an ONNX file, or a Keras file (.h5, .hdf5 or .keras).
        labels: the emotion of each output, separated by commas; `none` or `-` for an output
            without counterpart.
        input_: see :func:`parse_input`.
        name: of the classifier; the file's name without its ending where None.

    Raises:
        UsageError: `labels` or `input_` is wrong in itself, or there is no name to be had.
        DataError: the file is no model that can be run, or is not as was said.
        UnavailableError: the library that reads such a file is not installed.
    """
    spec, meanings = parse_input(input_), meanings_of(labels)
    path = Path(path).expanduser()
    data = read(path)
    network = Network(load(path), spec, len(meanings))
    outputs = reads_as(network)
    library = _library(path)
    weights: tuple[Weights, ...] = library.weights(path, data)
    component = Component(
        name=component_name(path, name),
        summary=f"The {library.RUNTIME} model {path.name}.",
        factory=partial(_classifier, path.absolute()),
        extra=library.EXTRA,
        requires=library.REQUIRES,
        traits=frozenset({"default"}),
        weights=weights,
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
    return ModelFile(classifier_entry(component, library.__name__), tuple(notes))


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


class FileClassifier:
    """A model with its preprocessing; see :class:`fxbench.protocols.Classifier`.

    Attributes:
        network: the model, and how it is fed.
    """

    def __init__(self, network: Network, labels: tuple[str | None, ...], *, softmax: bool) -> None:
        self.labels = labels
        self.face = FaceSpec(network.spec.size)
        self.network = network
        self._softmax = softmax

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, K) for RGB faces uint8 (M, size, size, 3).

        Raises:
            PluginError: the model can't be run on them, or answers something of another shape.
        """
        size = self.face.size
        check_array("faces", faces, np.uint8, (None, size, size, 3))
        answers = self.network.run(faces)
        if self._softmax:
            odds = np.exp(answers - answers.max(axis=1, keepdims=True, initial=-np.inf))
            answers = odds / odds.sum(axis=1, keepdims=True)
        return answers.astype(np.float32)


def _classifier(path: Path, labels: str, input: str, outputs: str) -> FileClassifier:  # noqa: A002 - the option's name
    meanings = meanings_of(labels)
    network = Network(load(path), parse_input(input), len(meanings))
    return FileClassifier(network, meanings, softmax=outputs == "logits")


class Network:
    """A loaded model with what has to be known to feed it.

    Attributes:
        loaded: the model.
        spec: what a face becomes.
    """

    def __init__(self, loaded: Loaded, spec: InputSpec, outputs: int) -> None:
        eight_bit = np.dtype(loaded.dtype) == np.uint8
        if eight_bit and {spec.low, spec.high} != {0, 255}:
            raise DataError(
                f"{loaded.path} takes 8-bit pixels, but the range {spec.low:g}..{spec.high:g} is "
                "given: 0..255 is expected."
            )
        self.loaded = loaded
        self.spec = spec
        self._outputs = outputs
        self._layout = _layout(loaded, spec)
        self._batch = loaded.shape[0]
        levels = spec.low + np.arange(256) * ((spec.high - spec.low) / 255)
        self._levels = levels.astype(loaded.dtype)
        if loaded.outputs is not None:
            check_count(loaded.path, loaded.outputs, outputs)

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
                answer = self.loaded.answer(part)
            except Exception as error:
                # The errors of these libraries have no class in common.
                raise PluginError(
                    f"{self.loaded.path} can't be run on {part.dtype} {part.shape}: "
                    f"{one_line(error)}"
                ) from error
            check_count(self.loaded.path, answer.size / len(part), self._outputs)
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


def check_count(path: Path, found: float, labels: int) -> None:
    """Raise DataError unless a model answers as many values for a face as there are labels."""
    if found != labels:
        raise DataError(
            f"{path} answers {found:g} values for a face, but {labels} labels are given: expected "
            "is one label for each output, none for one without counterpart."
        )


def _layout(loaded: Loaded, spec: InputSpec) -> str:
    """`nchw`, `nhwc` or, for a grey model without channels, `nhw`."""
    size, channels = spec.size, spec.channels
    layouts: dict[str, tuple[int, ...]] = {
        "nchw": (channels, size, size),
        "nhwc": (size, size, channels),
    }
    if spec.colour == "grey":
        layouts["nhw"] = (size, size)
    shape = loaded.shape
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
            f"{loaded.path} takes an input of the shape ({taken}), but {spec.colour},{size} makes "
            f"{made}: give the colour and size that the model was trained with."
        )
    return next(iter(fits))


def reads_as(network: Network) -> str:
    """`probabilities` where each row of a few answers sums to 1, else `logits`.

    Raises:
        DataError: an answer is not finite.
    """
    spec = network.spec
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (_PROBES - 2, spec.size, spec.size, 3), np.uint8)
    plain = np.stack([np.full(noise.shape[1:], level, np.uint8) for level in (0, 255)])
    answers = network.run(np.concatenate([noise, plain]))
    if not np.isfinite(answers).all():
        raise DataError(
            f"{network.loaded.path} answers numbers that are not finite: see whether the range "
            f"{spec.low:g}..{spec.high:g} is the one that it was trained with."
        )
    sums = answers.sum(axis=1)
    is_distribution = answers.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE
    return "probabilities" if is_distribution else "logits"
