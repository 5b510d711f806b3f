"""The kinds of component, each a record, so that the harness needs no change for a new one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of component.

    Attributes:
        name: in the singular, also the name of its axis of a cell.
        plural: the name of its command line option, without the dashes.
        hook: the hook that returns its components.
        protocol: the class in :mod:`fxbench.protocols` that its factories return.
        compared: whether it is an axis of a cell; the others make what is compared.
    """

    name: str
    plural: str
    hook: str
    protocol: str
    compared: bool = True


KINDS: tuple[Kind, ...] = (
    Kind("dataset", "datasets", "fxbench_datasets", "Dataset"),
    Kind("detector", "detectors", "fxbench_detectors", "Detector"),
    Kind("landmarker", "landmarkers", "fxbench_landmarkers", "Landmarker"),
    Kind("classifier", "classifiers", "fxbench_classifiers", "Classifier"),
    Kind("attack", "attacks", "fxbench_attacks", "Attack"),
    Kind("corruption", "corruptions", "fxbench_corruptions", "Corruption"),
    Kind("spotter", "spotters", "fxbench_spotters", "Spotter"),
    Kind("trainer", "trainers", "fxbench_trainers", "Trainer", compared=False),
    Kind("builder", "builders", "fxbench_builders", "Builder", compared=False),
    Kind("transcriber", "transcribers", "fxbench_transcribers", "Transcriber", compared=False),
    Kind("text-emotion", "text-emotions", "fxbench_text_emotions", "TextEmotion", compared=False),
)

COMPARED = tuple(kind for kind in KINDS if kind.compared)
"""The kinds whose components stand in tables."""
