"""Predictions as a csv: `image` and a column for each output of a classifier.

A column is named by an emotion, or `none` where an output has no counterpart among the eight. A
row holds the probabilities for one face. An image without a row is one in which no face was found.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS, NO_COUNTERPART, parse_labels

IMAGE = "image"
TOLERANCE = 2e-3
"""How far the sum of a row may be from 1: a run takes outputs that are off by 1e-3, and float16, as
which they are kept and exported, adds a quarter of that."""

Float16 = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class PredictionTable:
    """A classifier's outputs by image.

    Attributes:
        images: M names, unique.
        labels: the K emotions that the outputs mean, None for one without counterpart.
        outputs: float16 (M, K), probabilities.
        lines: where each row stands in the file that it was read from.
    """

    images: tuple[str, ...]
    labels: tuple[str | None, ...]
    outputs: Float16
    lines: tuple[int, ...] = field(default=())


def parse(data: bytes, where: str) -> PredictionTable:
    """Read a csv of predictions.

    Args:
        data: the file's bytes, in UTF-8, with or without a byte order mark.
        where: its name, for messages.

    Raises:
        DataError: the file is no such csv; the message names the line.
        UsageError: a column is no emotion.
    """
    rows = _rows(data, where)
    names = [name.strip() for name in next(rows, (0, []))[1]]
    if not names:
        raise DataError(
            f"{where} is empty: expected is a header '{IMAGE},{EMOTIONS[0]},…' and a row for each "
            "image."
        )
    columns = [column for column, name in enumerate(names) if name.lower() == IMAGE]
    if len(columns) != 1:
        raise DataError(
            f"{where} has {len(columns) or 'no'} columns {IMAGE!r}: its header is "
            f"{_shortened(','.join(names))!r}, expected is '{IMAGE},{EMOTIONS[0]},…'."
        )
    del names[columns[0]]
    labels = parse_labels(names, f"The header of {where}")
    first: dict[str, int] = {}
    outputs = []
    for line, row in rows:
        at = f"{where}, line {line}"
        if len(row) != len(names) + 1:
            raise DataError(f"{at}, has {len(row)} columns where the header has {len(names) + 1}.")
        image = row.pop(columns[0])
        if image in first:
            raise DataError(
                f"{at}, names the image {image!r} a second time, after line {first[image]}: "
                "expected is one row for each image."
            )
        first[image] = line
        outputs.append(_probabilities(row, names, at))
    if not outputs:
        raise DataError(f"{where} has a header and no row: expected is a row for each image.")
    return PredictionTable(
        tuple(first), labels, np.array(outputs).astype(np.float16), tuple(first.values())
    )


def header(table: PredictionTable) -> list[str]:
    """The names of the columns."""
    return [IMAGE, *(label or NO_COUNTERPART for label in table.labels)]


def text(table: PredictionTable) -> str:
    """The csv of a table, with the fewest digits that give each float16 back exactly."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header(table))
    for image, row in zip(table.images, table.outputs, strict=True):
        writer.writerow([image, *(np.format_float_positional(p, trim="-") for p in row)])
    return buffer.getvalue()


def _probabilities(row: list[str], names: list[str], at: str) -> list[float]:
    values = []
    for name, word in zip(names, row, strict=True):
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise DataError(
                f"{at}, has {_shortened(word)!r} for {name}: expected is a probability, a number "
                "from 0 to 1."
            )
        values.append(value)
    total = math.fsum(values)
    if abs(total - 1) > TOLERANCE:
        percent = ": divide percentages by 100" if abs(total - 100) < 1 else ""
        raise DataError(
            f"{at}, has probabilities that sum to {total:g}: expected is 1, within "
            f"{TOLERANCE:g}{percent}."
        )
    return values


def _rows(data: bytes, where: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, each with its number from 1."""
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is no text in UTF-8 (byte {error.start}): save it as a csv in UTF-8."
        ) from error
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{where}, line {reader.line_num}, is no valid csv: {error}.") from error


def _shortened(words: str) -> str:
    return words if len(words) <= 80 else f"{words[:77]}…"
