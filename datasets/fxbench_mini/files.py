"""The files of the dataset: pictures in one zip file, the truth in one array file, a manifest."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fxbench.types import Float32, Int64, UInt8

STILLS = "stills.zip"
FACES = "faces.npz"
MANIFEST = "manifest.json"

_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every entry, so that the same contents are the same bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class TrueFaces:
    """What is true of the pictures, one row each.

    Attributes:
        ids: the pictures' names.
        labels: int64 (N,), indices into EMOTIONS.
        points: float32 (N, 68, 2), pixels.
        boxes: float32 (N, 4), pixels.
    """

    ids: tuple[str, ...]
    labels: Int64
    points: Float32
    boxes: Float32


def picture_id(label: int, number: int) -> str:
    """The name of a picture."""
    return f"{EMOTIONS[label]}/{number:04d}.png"


def arrays(named: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """An .npz file without pickle; the same arrays give the same bytes."""
    parts = []
    for name, array in named.items():
        part = io.BytesIO()
        np.lib.format.write_array(part, array, allow_pickle=False)
        parts.append((f"{name}.npy", part.getvalue()))
    return archive(parts, zipfile.ZIP_DEFLATED)


def archive(parts: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of named contents; the same contents give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in parts:
            file.writestr(zipfile.ZipInfo(name, _TIME), data, compression)
    return buffer.getvalue()


def png(picture: UInt8) -> bytes:
    """A picture as PNG, as small as it gets."""
    smallest = [
        *(cv2.IMWRITE_PNG_COMPRESSION, 9),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED),
    ]
    _, data = cv2.imencode(".png", picture, smallest)
    return bytes(data)


def read_faces(path: Path) -> TrueFaces:
    """Read what the builder wrote to :data:`FACES`.

    Raises:
        OSError: the file can't be read.
        ValueError: it is not such a file.
    """
    with np.load(path, allow_pickle=False) as file:
        missing = {"labels", "points", "boxes"} - set(file.files)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        labels, points, boxes = (file[name] for name in ("labels", "points", "boxes"))
    if points.shape != (len(labels), len(points[0]), 2) or boxes.shape != (len(labels), 4):
        raise ValueError("its arrays don't fit together")
    numbers = np.zeros(len(EMOTIONS), np.int64)
    ids = []
    for label in labels.tolist():
        ids.append(picture_id(label, int(numbers[label])))
        numbers[label] += 1
    return TrueFaces(
        tuple(ids),
        labels.astype(np.int64),
        points.astype(np.float32),
        boxes.astype(np.float32),
    )
