"""The ways in which faces could be handed to a classifier: as declared, and the usual mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fxbench.errors import DataError, UsageError
from fxbench.model_file import FileClassifier, InputSpec, Loaded, Network, check_count, reads_as
from fxbench.types import FaceSpec, UInt8

RANGES: tuple[tuple[float, float], ...] = (
    (0, 1),
    (-1, 1),
    (0, 255),
    (-0.5, 0.5),
    (-128, 127),
    # ImageNet's mean 0.449 and deviation 0.226, both averaged over the colours.
    (-1.99, 2.44),
    (1, 0),
    (1, -1),
    (255, 0),
)
"""What 0 and 255 become, in the ranges that networks are trained with; three of them inverted."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A way to hand over faces.

    Attributes:
        name: for people; for a model file what `--input` takes.
        classifier: answers to the ordinary faces as if they were handed over in this way.
        advice: what to do where it is the right one.
        colour: whether it differs from the declared one by the order of the colours alone, so that
            grey images can't tell.
    """

    name: str
    classifier: Any
    advice: str
    colour: bool = False


class Altered:
    """A classifier whose faces are altered before it gets them."""

    def __init__(self, classifier: Any, alter: Callable[[UInt8], UInt8]) -> None:
        self.labels: tuple[str | None, ...] = classifier.labels
        self.face: FaceSpec = classifier.face
        self._classifier = classifier
        self._alter = alter

    def predict(self, faces: UInt8) -> Any:
        """What the classifier predicts for the altered faces uint8 (M, size, size, 3)."""
        return self._classifier.predict(self._alter(faces))


def of_component(classifier: Any) -> tuple[Reader, ...]:
    """A closed classifier gets 8-bit faces, so that only what these can express is tried.

    Returns:
        The faces as they are, and with exchanged colours, inverted, and with their range halved
        around the middle and upwards. The last two are what undoes a range of -1..1 that was given
        to a network of -0.5..0.5 or of 0..1.
    """
    return (
        Reader("as they are", classifier, ""),
        Reader(
            "with red and blue exchanged",
            Altered(classifier, lambda faces: np.ascontiguousarray(faces[..., ::-1])),
            "Exchange red and blue before the network: it was trained on BGR, or got it.",
            colour=True,
        ),
        Reader(
            "inverted",
            Altered(classifier, lambda faces: 255 - faces),
            "Invert the faces before the network: it was trained on dark as light.",
        ),
        Reader(
            "with half the contrast",
            Altered(classifier, lambda faces: faces // 2 + np.uint8(64)),
            "Halve the range around its middle before the network, such as -0.5..0.5 for -1..1.",
        ),
        Reader(
            "in the upper half of the range",
            Altered(classifier, lambda faces: faces // 2 + np.uint8(128)),
            "Use the upper half of the range before the network, such as 0..1 for -1..1.",
        ),
    )


def of_file(
    loaded: Loaded, labels: tuple[str | None, ...] | None, spec: InputSpec | None
) -> tuple[Reader, ...]:
    """All inputs that a model file can take.

    Args:
        loaded: the model.
        labels: what its outputs are declared to mean, None where nobody knows.
        spec: the declared input, None where nobody knows.

    Returns:
        The declared one first, if there is one.

    Raises:
        UsageError: the model takes faces of any size and none was declared.
        DataError: what was declared doesn't fit the model, or nothing does.
    """
    if labels is not None and loaded.outputs is not None:
        check_count(loaded.path, loaded.outputs, len(labels))
    declared = [] if spec is None else [_reader(loaded, labels, spec)]
    size = spec.size if spec is not None else _size(loaded)
    colours: tuple[str, ...] = ("grey", "rgb", "bgr")
    if spec is not None:
        colours = ("grey",) if spec.colour == "grey" else (spec.colour, *_other(spec.colour))
    readers = list(declared)
    errors: list[DataError] = []
    for colour in colours:
        for low, high in RANGES:
            other = InputSpec(colour, size, float(low), float(high))
            if other == spec:
                continue
            try:
                reader = _reader(loaded, labels, other)
            except DataError as error:
                errors.append(error)
                continue
            only_colour = other.colour == "bgr" if spec is None else other.colour != spec.colour
            readers.append(replace(reader, colour=only_colour))
    if not readers:
        raise errors[0]
    return tuple(readers)


def _other(colour: str) -> tuple[str]:
    return ("bgr",) if colour == "rgb" else ("rgb",)


def _reader(loaded: Loaded, labels: tuple[str | None, ...] | None, spec: InputSpec) -> Reader:
    outputs = len(labels) if labels is not None else outputs_of(loaded, spec)
    network = Network(loaded, spec, outputs)
    softmax = reads_as(network) == "logits"
    classifier = FileClassifier(network, labels or (None,) * outputs, softmax=softmax)
    return Reader(spec.text, classifier, f"Give it --input {spec.text}")


def outputs_of(loaded: Loaded, spec: InputSpec) -> int:
    """How many values a model answers for a face: what it declares, else what it does.

    Raises:
        DataError: it can't be run.
    """
    if loaded.outputs is not None:
        return loaded.outputs
    for outputs in range(1, 65):
        try:
            Network(loaded, spec, outputs).run(np.zeros((1, spec.size, spec.size, 3), np.uint8))
        except DataError:
            continue
        return outputs
    raise DataError(
        f"{loaded.path} does not answer between 1 and 64 values for a face: expected is one for "
        "each emotion."
    )


def _size(loaded: Loaded) -> int:
    """The side of the faces that a model takes, as it declares it."""
    sides: list[int] = [n for n in loaded.shape[1:] if n is not None and n not in (1, 3)]
    if not sides or len(set(sides)) > 1:
        shape = ", ".join("N" if known is None else str(known) for known in loaded.shape)
        raise UsageError(
            f"{loaded.path.name} doesn't say which size of face it takes (its input is ({shape})"
            "): give it with --input, such as --input grey,48,0..1; its range is tried all the "
            "same."
        )
    return sides[0]
