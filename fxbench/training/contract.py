"""What a trainer gets and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxbench.types import Bool, Float32, Int64, UInt8


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a network is trained on and judged by.

    Attributes:
        images: N training images, grey uint8 (H, W), at most as large as the network's faces.
        targets: float32 (N, 8), what each shows, as a distribution over the emotions.
        valid_faces: uint8 (V, size, size, 3), rendered as a run would.
        valid_labels: int64 (V,), indices into EMOTIONS.
        valid_copied: bool (V,), which of them occur in the training split, pixel for pixel. They
            are left out of `images`, but models trained elsewhere have seen them.
        record: where all that comes from, for the model card and a checkpoint.
    """

    images: tuple[UInt8, ...]
    targets: Float32
    valid_faces: UInt8
    valid_labels: Int64
    valid_copied: Bool
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whom a trainer tells what it does.

    Attributes:
        step: called after each step with the epoch, counted from 1, the step, how many steps an
            epoch has and the mean loss so far.
        epoch: called after each epoch with its record: `epoch`, `loss`, `valid_loss`,
            `valid_accuracy`, `seconds`, and `valid_robust_accuracy` after an epoch of adversarial
            training.
    """

    step: Callable[[int, int, int, float], None]
    epoch: Callable[[dict[str, Any]], None]


def merit(record: dict[str, Any]) -> float:
    """What an epoch is chosen by: its accuracy on the validation faces.

    Where it was measured under attack too, the mean of both, since each alone is best where the
    other is poor (Tsipras et al., ICLR 2019).

    Args:
        record: of an epoch.
    """
    clean: float = record["valid_accuracy"]
    robust: float = record.get("valid_robust_accuracy", clean)
    return (clean + robust) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network that was trained.

    Attributes:
        weights: the file of the best weights.
        history: one record for each epoch.
        answers: float32 (V, 8), the probabilities that these weights give the validation faces.
        parameters: how many numbers the network has.
        software: what it was trained with, such as `keras 3.15 on tensorflow`.
    """

    weights: Path
    history: list[dict[str, Any]]
    answers: Float32
    parameters: int
    software: str
