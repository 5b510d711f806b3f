"""FER+ as a :class:`fxbench.protocols.Dataset`."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import DataError, ImageError, UsageError
from fxbench.types import Answers, Batch, Failure, Frames, Int64, Truth, UInt8
from fxbench_ferplus import agreement, sources, votes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fxbench.component import Terms
    from fxbench.metrics.intervals import Estimate
    from fxbench_ferplus.label_files import Labels

_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Hashes:
    """What follows from the pixels of a split.

    Attributes:
        fingerprint: of the split.
        copies: int64 (N,), for each row the first one with the same picture.
    """

    fingerprint: str
    copies: Int64


class FerPlus:
    """The splits of FER+ in a folder.

    A split's rows are the rows of its label file that name an image, in the file's order. Reading
    batches in one thread while another asks for answers is safe.

    Args:
        path: see :func:`fxbench_ferplus.sources.find`.
        labels: `label.csv` or `fer2013new.csv`.
        terms: what the licence allows.

    Raises:
        DataError: no split is there.
        UsageError: another label file.
    """

    protocols = votes.PROTOCOLS
    scheme: str | None = None

    def __init__(self, path: str | Path, labels: str, terms: Terms) -> None:
        self._path = Path(path).expanduser()
        self._label_file = labels
        self._sources, self._absent = sources.find(self._path, labels)
        self.splits = tuple(self._sources)
        self.terms = terms
        self._labels: dict[str, Labels] = {}
        self._hashed: dict[str, _Hashes] = {}
        self._lock = threading.Lock()
        self._hashing = threading.Lock()

    def ids(self, split: str) -> tuple[str, ...]:
        """The image names of the split's rows, in the label file's order."""
        return self._read_labels(split).ids

    def answers(self, split: str, protocol: str) -> Answers:
        """The images that count under `protocol`, and what is right.

        See :func:`fxbench_ferplus.votes.answers`. Copies of a picture, pixel for pixel, are a
        cluster. `groups` has one column, `agreement`: how many of the votes the emotion with most
        of them has.
        """
        labels = self._read_labels(split)
        found = votes.answers(labels.votes, protocol)
        return replace(
            found,
            clusters=self._hashes(split).copies[found.rows],
            groups={"agreement": agreement.texts(labels.votes[found.rows])},
        )

    def references(self, split: str, protocol: str) -> Mapping[str, Estimate]:
        """What people agree on with each other, on the images that count under `protocol`.

        See :func:`fxbench_ferplus.agreement.references`.
        """
        found = self.answers(split, protocol)
        return agreement.references(self._read_labels(split).votes[found.rows], found)

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        """The images of `rows` with their votes and the box of their face, 64 at a time.

        Raises:
            DataError: a row that the split doesn't have, or a file that can't be used at all.
        """
        labels = self._read_labels(split)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(labels.ids)):
            raise DataError(
                f"Rows {rows.min()} to {rows.max()} of the FER+ split {split} were asked for: it "
                f"has {len(labels.ids)}."
            )
        for start in range(0, len(rows), _BATCH):
            yield self._batch(split, labels, rows[start : start + _BATCH])

    def fingerprint(self, split: str) -> str:
        """A hash of the label file's name and, row by row, of ids, votes, boxes and pixels.

        The layout on disk doesn't enter into it: the same split has the same fingerprint as a
        folder, zipped and as Kaggle's file.

        Returns:
            SHA-256 in hexadecimal.
        """
        return self._hashes(split).fingerprint

    def _hashes(self, split: str) -> _Hashes:
        labels = self._read_labels(split)
        with self._hashing:
            if split not in self._hashed:
                self._hashed[split] = self._hash(split, labels)
            return self._hashed[split]

    def _hash(self, split: str, labels: Labels) -> _Hashes:
        copies = np.arange(len(labels.ids), dtype=np.int64)
        first: dict[bytes, int] = {}
        digest = hashlib.sha256(f"ferplus 1 {self._label_file} {split}\n".encode())
        for row, name in enumerate(labels.ids):
            box = None if labels.boxes is None else labels.boxes[row].tolist()
            digest.update(f"{name!r} {labels.votes[row].tolist()} {box} ".encode())
            try:
                image = self._image(split, labels, row)
            except ImageError:
                digest.update(b"unreadable\n")
            else:
                pixels = f"{image.shape}\n".encode() + image.tobytes()
                digest.update(pixels)
                copies[row] = first.setdefault(hashlib.sha256(pixels).digest(), row)
        return _Hashes(digest.hexdigest(), copies)

    def _batch(self, split: str, labels: Labels, rows: Int64) -> Batch:
        images, read, failures = [], [], []
        for row in rows.tolist():
            try:
                images.append(self._image(split, labels, row))
                read.append(row)
            except ImageError as error:
                failures.append(Failure(row, labels.ids[row], str(error)))
        if labels.boxes is None:
            boxes = np.array(
                [(0, 0, image.shape[1], image.shape[0]) for image in images], np.float32
            ).reshape(-1, 4)
        else:
            boxes = labels.boxes[read]
        return Batch(
            np.array(read, np.int64),
            Frames.stills(tuple(labels.ids[row] for row in read), tuple(images)),
            Truth(
                np.arange(len(read), dtype=np.int64),
                votes=labels.votes[read].astype(np.float32),
                xyxy=boxes,
            ),
            tuple(failures),
        )

    def _image(self, split: str, labels: Labels, row: int) -> UInt8:
        number = None if labels.numbers is None else labels.numbers[row]
        return self._sources[split].images.image(labels.files[row], number)

    def _read_labels(self, split: str) -> Labels:
        if split not in self._sources:
            reason = self._absent.get(split)
            raise UsageError(
                f"FER+ in {self._path} has no split {split!r}: there is "
                f"{', '.join(self.splits)}." + (f" {reason}" if reason else "")
            )
        with self._lock:
            if split not in self._labels:
                self._labels[split] = self._sources[split].read_labels()
            return self._labels[split]
