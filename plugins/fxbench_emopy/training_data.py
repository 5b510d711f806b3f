"""The images and targets that `emopy` is trained on.

They are read from one ``.npz`` file with these arrays:

* ``train_faces`` uint8 (N, 48, 48), grey, and ``train_votes`` (N, 10): how often each of the eight
  emotions, `unknown` and `not a face` was chosen, in the order of FER+;
* ``valid_faces`` and ``valid_votes``, likewise;
* optionally ``test_faces`` uint8 (N, 48, 48), used for nothing but leaving copies out of train;
* optionally ``train_names`` (N,), text: the images' names, which a list of copies refers to.
"""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.types import Bool, Float32, Int64, UInt8

_SIZE = 48
_CLASSES = len(EMOTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What a network is trained on and scored with.

    Attributes:
        faces: uint8 (N, 48, 48), training images that occur in no other split.
        targets: float32 (N, 8), their vote distributions.
        valid_faces: uint8 (V, 48, 48), validation images with a majority label.
        valid_labels: int64 (V,), that label.
        valid_copied: bool (V,), which of them occur in the training split, pixel for pixel. They
            are left out of `faces`, but models trained elsewhere have seen them.
    """

    faces: UInt8
    targets: Float32
    valid_faces: UInt8
    valid_labels: Int64
    valid_copied: Bool


def without_outliers(votes: Float32) -> Float32:
    """Votes (N, 10) with single votes set to 0 (Barsoum et al., ICMI 2016, the authors' code)."""
    return np.where(votes > 1, votes, 0).astype(np.float32)


def distributions(votes: Float32) -> tuple[Int64, Float32]:
    """Training targets.

    Args:
        votes: (N, 10), as in FER+.

    Returns:
        The rows whose top vote is an emotion, int64 (M,), and their vote distributions over the
        eight emotions without outliers, float32 (M, 8).
    """
    votes = without_outliers(votes)
    emotions, others = votes[:, :_CLASSES], votes[:, _CLASSES:]
    kept = np.flatnonzero((emotions.max(1) > 0) & (emotions.max(1) >= others.max(1)))
    return kept, emotions[kept] / emotions[kept].sum(1, keepdims=True)


def majority(votes: Float32) -> tuple[Int64, Int64]:
    """The rows that have a majority label, and that label, both int64 (M,).

    Without outliers the top vote must exceed half of the votes and be an emotion (Barsoum et al.,
    ICMI 2016, section 3).
    """
    votes = without_outliers(votes)
    top = votes.argmax(1)
    kept = np.flatnonzero((votes.max(1) > 0.5 * votes.sum(1)) & (top < _CLASSES))
    return kept, top[kept].astype(np.int64)


def occurs_in(faces: UInt8, others: UInt8) -> Bool:
    """Which of `faces` (N, H, W) equal one of `others` in every pixel: bool (N,)."""
    known = {face.tobytes() for face in others}
    return np.array([face.tobytes() in known for face in faces], bool)


def read(data: Path, copies: Path | None) -> Data:
    """Training images without what occurs in other splits, and validation images.

    Args:
        data: the file that this module's documentation describes.
        copies: a CSV file with the header `split,image,also_in`; the training images that it names
            are left out.

    Raises:
        DataError: the file can't be read, or an array is missing, or has another shape or type.
    """
    try:
        with np.load(data, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{data} is not a readable .npz file of arrays: {error}") from error
    for name in ("train_faces", "valid_faces"):
        faces = arrays.get(name)
        if faces is None or faces.dtype != np.uint8 or faces.shape[1:] != (_SIZE, _SIZE):
            raise DataError(f"{data} must hold {name}, uint8 (N, {_SIZE}, {_SIZE}).")
        votes = arrays.get(name.replace("faces", "votes"))
        if votes is None or votes.shape != (len(faces), 10):
            raise DataError(f"{data} must hold ten votes for each of its {len(faces)} {name}.")
    faces, votes = arrays["train_faces"], arrays["train_votes"].astype(np.float32)
    leaked = occurs_in(faces, arrays["valid_faces"])
    if "test_faces" in arrays:
        leaked |= occurs_in(faces, arrays["test_faces"])
    if copies is not None:
        if "train_names" not in arrays:
            raise DataError(f"{data} must hold train_names, which {copies} refers to.")
        with copies.open(newline="") as lines:
            named = [row["image"] for row in csv.DictReader(lines) if row["split"] == "train"]
        leaked |= np.isin(arrays["train_names"], named)
    used = np.flatnonzero(~leaked)
    kept, targets = distributions(votes[used])
    rows, labels = majority(arrays["valid_votes"].astype(np.float32))
    valid = arrays["valid_faces"][rows]
    return Data(faces[used[kept]], targets, valid, labels, occurs_in(valid, faces))
