"""`mini` as a :class:`fxbench.protocols.Dataset`."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench import images
from fxbench.errors import DataError, ImageError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.types import Answers, Batch, Failure, Frames, Int64, Points, Truth, UInt8
from fxbench_mini.files import FACES, MANIFEST, STILLS, read_faces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fxbench.component import Terms

FOLDER = Path(__file__).parent / "data"
"""What the package ships."""

SPLIT = "test"
QUICK, ALL = "quick", "single"
"""The protocols: some of the pictures, and all of them."""

_EVERY = 8  # so that `fxbench run` alone takes less than two minutes on two cores

_BATCH = 64
_VOTE_COLUMNS = 10
_MEND = "install fxbench again, or build the dataset with `fxbench data build-mini`."
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


class Mini:
    """Synthetic faces, one in each picture, with its emotion, box and landmarks.

    Args:
        folder: what :class:`fxbench_mini.build.MiniBuilder` wrote.
        terms: what the licence allows.

    Raises:
        DataError: the folder lacks a file of the dataset, or one is damaged.
    """

    splits: tuple[str, ...] = (SPLIT,)
    protocols: tuple[str, ...] = (QUICK, ALL)
    scheme: str | None = "300w-68"
    home_advantage: frozenset[str] = frozenset({"dlib-68"})
    """The landmarker whose points the model was fitted to."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.terms = terms
        self._folder = folder
        self._manifest = _read_manifest(folder / MANIFEST)
        try:
            self._faces = read_faces(folder / FACES)
        except _UNREADABLE as error:
            raise DataError(f"{folder / FACES} can't be read ({error}): {_MEND}") from error
        self._lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        self._fingerprint: str | None = None

    def ids(self, split: str) -> tuple[str, ...]:
        """Names such as `anger/0007.png`, emotion by emotion in FER+'s order."""
        self._check(split)
        return self._faces.ids

    def answers(self, split: str, protocol: str) -> Answers:
        """Every picture, or every eighth, with the emotion that it was drawn for.

        Raises:
            UsageError: an unknown split or protocol.
        """
        self._check(split)
        if protocol not in self.protocols:
            raise UsageError(
                f"The dataset mini has no protocol {protocol!r}: there are {QUICK}, every eighth "
                f"picture, and {ALL}, all of them."
            )
        labels = self._faces.labels
        rows = np.arange(0, len(labels), _EVERY if protocol == QUICK else 1, dtype=np.int64)
        return Answers(rows, labels[rows])

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        """The pictures of `rows` with votes, boxes and landmarks, 64 at a time.

        Raises:
            DataError: a row that the split doesn't have.
        """
        self._check(split)
        count = len(self._faces.ids)
        if len(rows) and not (rows.min() >= 0 and rows.max() < count):
            raise DataError(
                f"Rows {rows.min()} to {rows.max()} of mini were asked for: it has {count}."
            )
        for start in range(0, len(rows), _BATCH):
            yield self._batch(rows[start : start + _BATCH])

    def fingerprint(self, split: str) -> str:
        """A hash of the files that hold the pictures and the truth.

        Returns:
            SHA-256 in hexadecimal.

        Raises:
            DataError: a file is not the one that was built.
        """
        self._check(split)
        with self._lock:
            if self._fingerprint is None:
                digest = hashlib.sha256(b"mini 1\n")
                for name in (STILLS, FACES):
                    own = _sha256(self._folder / name)
                    if own != self._manifest.get("files", {}).get(name):
                        raise DataError(
                            f"{self._folder / name} is not the file that was built: {_MEND}"
                        )
                    digest.update(f"{name} {own}\n".encode())
                self._fingerprint = digest.hexdigest()
            return self._fingerprint

    def _batch(self, rows: Int64) -> Batch:
        faces = self._faces
        pictures, read, failures = [], [], []
        for row in rows.tolist():
            try:
                pictures.append(self._picture(faces.ids[row]))
                read.append(row)
            except ImageError as error:
                failures.append(Failure(row, faces.ids[row], str(error)))
        frame = np.arange(len(read), dtype=np.int64)
        votes = np.zeros((len(read), _VOTE_COLUMNS), np.float32)
        votes[frame, faces.labels[read]] = 1
        return Batch(
            np.array(read, np.int64),
            Frames.stills(tuple(faces.ids[row] for row in read), tuple(pictures)),
            Truth(
                frame,
                votes=votes,
                xyxy=faces.boxes[read],
                points=Points(faces.points[read], "300w-68"),
            ),
            tuple(failures),
        )

    def _picture(self, name: str) -> UInt8:
        with self._lock:  # a zip file has one position for all threads
            try:
                if self._archive is None:
                    self._archive = zipfile.ZipFile(self._folder / STILLS)
                data = self._archive.read(name)
            except (*_UNREADABLE, KeyError) as error:
                raise ImageError(f"{STILLS}/{name} can't be read ({error}): {_MEND}") from error
        return images.decode(data, f"{STILLS}/{name}")

    def _check(self, split: str) -> None:
        if split != SPLIT:
            raise UsageError(f"The dataset mini has no split {split!r}: there is {SPLIT}.")


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read ({error}): {_MEND}") from error
    if not isinstance(record, dict) or record.get("emotions") != list(EMOTIONS):
        raise DataError(f"{path} is not the manifest of the dataset mini: {_MEND}")
    return record


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): {_MEND}") from error
