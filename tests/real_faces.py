"""Faces of FER+ valid, where they are."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fxbench.registry import discover
from fxbench.sources import evenly_spaced
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


def ferplus_faces(shared: Path, step: int) -> tuple[npt.NDArray[np.uint8], ...]:
    """Every `step`-th image of FER+ valid as RGB."""
    path = shared / "data" / "ferplus" / "FER2013Valid.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with zipfile.ZipFile(path) as file:
        table = io.TextIOWrapper(file.open("FER2013Valid/label.csv"), "utf-8", newline="")
        names = [row[0] for row in csv.reader(table)][::step]
        grey = [
            cv2.imdecode(np.frombuffer(file.read(f"FER2013Valid/{name}"), np.uint8), 0)
            for name in names
        ]
    return tuple(np.repeat(pixels[..., None], 3, axis=2) for pixels in grey)
