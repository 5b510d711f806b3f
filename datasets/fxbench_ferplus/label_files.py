"""FER+'s two official label files: `label.csv` in each split's folder, and `fer2013new.csv`."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fxbench.types import Float32, Int64

USAGES = {"test": "PrivateTest", "valid": "PublicTest", "train": "Training"}
"""The splits, the one to evaluate by default first, and FER2013's word for each."""

VOTE_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)

_BOX = re.compile(r"\((\d{1,6}), *(\d{1,6}), *(\d{1,6}), *(\d{1,6})\)", re.ASCII)
_VOTE = re.compile(r"\d{1,4}", re.ASCII)
_UNSAFE = re.compile(r"[/\\:\x00-\x1f]")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The rows of a label file that name an image of one split.

    Attributes:
        ids: N names, unique.
        files: N names of image files.
        votes: int64 (N, 10).
        boxes: float32 (N, 4), the face in pixels; None where the label file has no boxes.
        numbers: the number of each row in `fer2013new.csv`, from 0; None for `label.csv`.
    """

    ids: tuple[str, ...]
    files: tuple[str, ...]
    votes: Int64
    boxes: Float32 | None = None
    numbers: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NewLabels:
    """The whole of `fer2013new.csv`, row by row as in Kaggle's `fer2013.csv`.

    Attributes:
        where: the file's name, for messages.
        usages: N words, the values of :data:`USAGES`.
        files: N names of image files; empty for a row without an image.
        votes: int64 (N, 10).
    """

    where: str
    usages: tuple[str, ...]
    files: tuple[str, ...]
    votes: Int64

    def split(self, split: str) -> Labels:
        """The rows of `split` that have an image.

        The official file names four images twice. Both rows count, as they do for its authors;
        the second's id ends in `#2`.

        Raises:
            DataError: there are none.
        """
        usage = USAGES[split]
        numbers = tuple(
            number
            for number, (word, file) in enumerate(zip(self.usages, self.files, strict=True))
            if word == usage and file
        )
        if not numbers:
            raise DataError(
                f"{self.where} has no row of the split {split} ({usage}) with an image: use the "
                "file as the FER+ repository has it."
            )
        files = tuple(self.files[number] for number in numbers)
        seen: Counter[str] = Counter()
        ids = []
        for file in files:
            seen[file] += 1
            ids.append(file if seen[file] == 1 else f"{file}#{seen[file]}")
        return Labels(tuple(ids), files, self.votes[list(numbers)], None, numbers)


def read_label_csv(data: bytes, where: str) -> Labels:
    """The labels in a split's `label.csv`: image name, box, ten votes; no header.

    Args:
        data: the file.
        where: its name, for messages.

    Raises:
        DataError: a line that is not so, an image named twice, or no line at all.
    """
    files: list[str] = []
    votes: list[list[int]] = []
    boxes: list[tuple[int, ...]] = []
    seen: set[str] = set()
    for line, row in _rows(data, where):
        at = f"{where}, line {line}"
        if len(row) != 12:
            raise DataError(
                f"{at}, has {len(row)} columns instead of 12 (image name, box, ten votes): use "
                "the file as the FER+ repository has it."
            )
        file = _file_name(row[0], at)
        if file in seen:
            raise DataError(f"{at}, names {file!r} a second time: keep one of the two lines.")
        seen.add(file)
        files.append(file)
        boxes.append(_box(row[1], at))
        votes.append(_votes(row[2:], at))
    if not files:
        raise DataError(f"{where} is empty: use the file as the FER+ repository has it.")
    return Labels(
        tuple(files), tuple(files), np.array(votes, np.int64), np.array(boxes, np.float32)
    )


def read_new_labels(data: bytes, where: str) -> NewLabels:
    """The labels in `fer2013new.csv`: a header, then usage, image name and ten votes.

    Args:
        data: the file.
        where: its name, for messages.

    Raises:
        DataError: a column is missing or a line is not as the header says.
    """
    rows = _rows(data, where)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    expected = ("Usage", "Image name", *VOTE_COLUMNS)
    missing = [name for name in expected if name not in header]
    if missing:
        raise DataError(
            f"{where} lacks the column {', '.join(map(repr, missing))}: expected are "
            f"{', '.join(expected)}. Use the file as the FER+ repository has it."
        )
    usage_at, file_at, *vote_at = (header.index(name) for name in expected)
    known = frozenset(USAGES.values())
    usages: list[str] = []
    files: list[str] = []
    votes: list[list[int]] = []
    for line, row in rows:
        at = f"{where}, line {line}"
        if len(row) != len(header):
            raise DataError(f"{at}, has {len(row)} columns where the header has {len(header)}.")
        if row[usage_at] not in known:
            raise DataError(
                f"{at}, has the usage {row[usage_at]!r} instead of {', '.join(sorted(known))}."
            )
        usages.append(row[usage_at])
        files.append(_file_name(row[file_at], at) if row[file_at] else "")
        votes.append(_votes([row[column] for column in vote_at], at))
    if not files:
        raise DataError(f"{where} has no rows: use the file as the FER+ repository has it.")
    return NewLabels(where, tuple(usages), tuple(files), np.array(votes, np.int64))


def _rows(data: bytes, where: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file that are not blank, with their numbers from 1."""
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not a text file in UTF-8: byte {error.start}.") from error
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}, is not valid CSV: {error}.") from error


def _file_name(text: str, at: str) -> str:
    if _UNSAFE.search(text) or text in ("", ".", ".."):
        raise DataError(
            f"{at}, names the image {text!r}: expected is the plain name of a file in the split's "
            "folder."
        )
    return text


def _box(text: str, at: str) -> tuple[int, ...]:
    found = _BOX.fullmatch(text.strip())
    box = tuple(map(int, found.groups())) if found else ()
    if not box or box[0] >= box[2] or box[1] >= box[3]:
        raise DataError(f"{at}, has the box {text!r} instead of one such as '(0, 0, 48, 48)'.")
    return box


def _votes(texts: list[str], at: str) -> list[int]:
    for column, text in zip(VOTE_COLUMNS, texts, strict=True):
        if not _VOTE.fullmatch(text):
            raise DataError(
                f"{at}, has {text!r} as the votes for {column}: expected is a whole number from 0 "
                "to 9999."
            )
    return [int(text) for text in texts]
