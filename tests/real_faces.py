"""Faces of FER+ valid, where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from fxbench.registry import discover
from fxbench.selection import evenly_spaced
from fxbench.training.convert import whole_faces


def real_faces(
    shared: Path, size: int, count: int = 200
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Faces uint8 (count, size, size, 3), evenly spaced, and their majority labels."""
    factory = discover().get("dataset", "ferplus").component.factory
    dataset = factory(path=shared / "data" / "ferplus")
    answers = dataset.answers("valid", "majority")
    answers = answers.take(evenly_spaced(len(answers.rows), count))
    parts = [
        whole_faces(batch.frames.images, size) for batch in dataset.batches("valid", answers.rows)
    ]
    return np.concatenate(parts), answers.labels
