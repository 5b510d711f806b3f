"""A tree of folders as a :class:`fxbench.protocols.Dataset`."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxbench import images
from fxbench.errors import DataError, ImageError, UsageError
from fxbench.types import Answers, Batch, Failure, Frames, Int64, Truth
from fxbench_folder import metadata as known
from fxbench_folder import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fxbench.component import Terms

_BATCH = 64
_VOTE_COLUMNS = 10


class Folder:
    """Images with one label each: the folder that they lie in.

    Every image counts. A face has one vote, for its label, and no box.

    Args:
        path: see :func:`fxbench_folder.tree.find`.
        labels: a label map, see :func:`fxbench_folder.tree.parse_labels`; may be empty.
        terms: what the licence allows.
        metadata: a csv, see :func:`fxbench_folder.metadata.read`; empty for none.

    Raises:
        DataError: the folder or the csv can't be used.
        UsageError: the label map is wrong.
    """

    protocols: tuple[str, ...] = ("single",)
    scheme: str | None = None

    def __init__(
        self, path: str | Path, labels: str, terms: Terms, metadata: str | Path = ""
    ) -> None:
        self._root = Path(path).expanduser()
        self._items = tree.find(self._root, tree.parse_labels(labels))
        self._known: dict[str, dict[str, str]] = {}
        if str(metadata):
            file = Path(metadata).expanduser()
            self._known = known.read(file)
            ids = {item.id for items in self._items.values() for item in items}
            known.check(file, self._known, ids)
        self.splits = tuple(self._items)
        self.terms = terms
        self._fingerprints: dict[str, str] = {}
        self._lock = threading.Lock()

    def ids(self, split: str) -> tuple[str, ...]:
        """The path of each image of the split from the folder, with `/`.

        Raises:
            UsageError: an unknown split.
        """
        return tuple(item.id for item in self._split(split))

    def answers(self, split: str, protocol: str) -> Answers:
        """Every image of the split with its label, and with the columns of the csv as `groups`.

        Raises:
            UsageError: an unknown split or protocol.
        """
        if protocol not in self.protocols:
            raise UsageError(
                f"The dataset folder has no protocol {protocol!r}: it has "
                f"{', '.join(self.protocols)}."
            )
        items = self._split(split)
        columns = known.groups(self._known, [item.id for item in items])
        return Answers(
            np.arange(len(items), dtype=np.int64),
            np.array([item.label for item in items], np.int64),
            clusters=known.clusters(columns),
            groups=columns,
        )

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        """The images of `rows`, 64 at a time.

        Raises:
            DataError: a row that the split doesn't have.
        """
        items = self._split(split)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(items)):
            raise DataError(
                f"Rows {rows.min()} to {rows.max()} of {self._root}, split {split}, were asked "
                f"for: it has {len(items)}."
            )
        for start in range(0, len(rows), _BATCH):
            yield self._batch(items, rows[start : start + _BATCH])

    def fingerprint(self, split: str) -> str:
        """A hash of the images' names, labels, bytes and rows of the csv.

        Returns:
            SHA-256 in hexadecimal.
        """
        items = self._split(split)
        with self._lock:
            if split not in self._fingerprints:
                digest = hashlib.sha256(f"folder 1 {split}\n".encode())
                for item in items:
                    try:
                        content = hashlib.sha256(self._read(item)).hexdigest()
                    except ImageError:
                        content = "unreadable"
                    told = self._known.get(item.id)
                    more = f" {sorted(told.items())}" if told else ""
                    digest.update(f"{item.id!r} {item.label} {content}{more}\n".encode())
                self._fingerprints[split] = digest.hexdigest()
            return self._fingerprints[split]

    def _batch(self, items: tuple[tree.Item, ...], rows: Int64) -> Batch:
        pictures, read, failures = [], [], []
        for row in rows.tolist():
            item = items[row]
            try:
                pictures.append(images.decode(self._read(item), item.id))
                read.append(row)
            except ImageError as error:
                failures.append(Failure(row, item.id, str(error)))
        faces = np.arange(len(read), dtype=np.int64)
        votes = np.zeros((len(read), _VOTE_COLUMNS), np.float32)
        votes[faces, np.array([items[row].label for row in read], np.int64)] = 1
        return Batch(
            np.array(read, np.int64),
            Frames.stills(tuple(items[row].id for row in read), tuple(pictures)),
            Truth(faces, votes=votes),
            tuple(failures),
        )

    def _read(self, item: tree.Item) -> bytes:
        return images.read(item.path, self._root, item.id)

    def _split(self, split: str) -> tuple[tree.Item, ...]:
        if split not in self._items:
            raise UsageError(
                f"{self._root} has no split {split!r}: there is {', '.join(self.splits)}."
            )
        return self._items[split]
