"""The paired tests behind the ranks of a run, in a file of their own.

A family of K cells has K (K - 1) / 2 tests: of 2,000 cells two million. They are computed once, at
the end of a run, and read by who asks for them; tables and leaderboards read the ranks alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from fxbench.cell_lines import parse
from fxbench.files import damaged, read_tagged, write_atomic

SCHEMA = 1
"""Of the file."""

FILE = "paired.parquet"

Int32 = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]


class Comparison(TypedDict):
    """One test, from the side of one of its cells.

    Attributes:
        cell: the other cell's id.
        better: the images that this cell alone got right.
        worse: the images that the other alone got right.
        p: the two-sided mid-p value of McNemar's test.
        p_holm: the same, adjusted for the number of tests in the family by Holm's procedure.
    """

    cell: str
    better: int
    worse: int
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Paired tests, each pair of cells once; row-aligned arrays of M tests.

    Attributes:
        cells: the ids of the cells.
        first: int32 (M,), an index into `cells`.
        second: int32 (M,), the same; never that of `first`.
        better: int32 (M,), the images that `first` alone got right.
        worse: int32 (M,), the images that `second` alone got right.
        p: float64 (M,), as :func:`fxbench.metrics.paired.compare` gives them.
        p_holm: float64 (M,), the same, adjusted.
    """

    cells: tuple[str, ...]
    first: Int32
    second: Int32
    better: Int32
    worse: Int32
    p: Float64
    p_holm: Float64

    def __len__(self) -> int:
        """How many tests there are."""
        return len(self.first)

    def among(self, cells: Iterable[str]) -> Pairs:
        """The tests of which both cells are among some."""
        named = np.isin(self.cells, list(cells)) if self.cells else np.zeros(0, np.bool_)
        rows = np.flatnonzero(named[self.first] & named[self.second])
        columns = (self.first, self.second, self.better, self.worse, self.p, self.p_holm)
        return _made(self.cells, (column[rows] for column in columns))

    def of(self, cell: str) -> list[Comparison]:
        """The tests of one cell, in the order of the others; none where it has none."""
        if cell not in self.cells:
            return []
        index = self.cells.index(cell)
        found = []
        for own, other, better, worse in (
            (self.first, self.second, self.better, self.worse),
            (self.second, self.first, self.worse, self.better),
        ):
            rows = np.flatnonzero(own == index)
            columns = (other, better, worse, self.p, self.p_holm)
            found += list(zip(*(column[rows].tolist() for column in columns), strict=True))
        return [
            Comparison(cell=self.cells[place], better=better, worse=worse, p=p, p_holm=p_holm)
            for place, better, worse, p, p_holm in sorted(found)
        ]


def of_family(
    cells: tuple[str, ...],
    counts: npt.NDArray[np.int64],
    p: Float64,
    p_holm: Float64,
) -> Pairs:
    """The tests of one family.

    Args:
        cells: the ids of its K cells.
        counts: int64 (K, K), at [i, j] the images that i alone got right of the two.
        p: float64 (K, K), symmetric.
        p_holm: float64 (K, K), symmetric.
    """
    first, second = np.triu_indices(len(cells), 1)
    return Pairs(
        cells,
        first.astype(np.int32),
        second.astype(np.int32),
        counts[first, second].astype(np.int32),
        counts[second, first].astype(np.int32),
        p[first, second],
        p_holm[first, second],
    )


def joined(parts: Iterable[Pairs]) -> Pairs:
    """The tests of several families."""
    given = [_NONE, *parts]
    cells = tuple(dict.fromkeys(cell for part in given for cell in part.cells))
    place = {cell: index for index, cell in enumerate(cells)}
    places = [np.array([place[cell] for cell in part.cells], np.int32) for part in given]

    def together(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in given])

    first, second = (
        np.concatenate([to[getattr(part, name)] for to, part in zip(places, given, strict=True)])
        for name in ("first", "second")
    )
    numbers = (together(name) for name in ("better", "worse", "p", "p_holm"))
    return _made(cells, (first, second, *numbers))


def _made(cells: tuple[str, ...], columns: Iterable[npt.NDArray[Any]]) -> Pairs:
    first, second, better, worse, p, p_holm = columns
    return Pairs(cells, first, second, better, worse, p, p_holm)


_NONE = _made((), [np.zeros(0, kind) for kind in (*[np.int32] * 4, *[np.float64] * 2)])


def write(folder: Path, pairs: Pairs) -> None:
    """Write the tests of a run into its folder.

    Raises:
        StoreError: they can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = pa.array(pairs.cells, pa.string())
    columns: dict[str, Any] = {
        name: pa.DictionaryArray.from_arrays(pa.array(getattr(pairs, name)), ids)
        for name in ("first", "second")
    }
    for name in ("better", "worse", "p", "p_holm"):
        columns[name] = getattr(pairs, name)
    table = pa.table(columns).replace_schema_metadata(
        {b"fxbench": json.dumps({"schema": SCHEMA, "cells": pairs.cells}).encode()}
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    write_atomic(folder / FILE, buffer.getvalue())


def read(folder: Path) -> Pairs:
    """The tests of a run; of one with the schema 1 they come out of its cells' records.

    Args:
        folder: the run's.

    Raises:
        SchemaError: the file is damaged, or of a newer version.
    """
    path = folder / FILE
    return read_tagged(path, SCHEMA, _stored) if path.is_file() else joined(_within(folder))


def _stored(about: dict[str, Any], table: Any) -> Pairs:
    cells = tuple(about["cells"])
    place = {cell: index for index, cell in enumerate(cells)}

    def index(name: str) -> Int32:
        column = table[name].combine_chunks()
        if not len(column):
            return np.zeros(0, np.int32)
        places = np.array([place[cell] for cell in column.dictionary.to_pylist()], np.int32)
        found: Int32 = places[column.indices.to_numpy()]
        return found

    numbers = (table[name].to_numpy() for name in ("better", "worse", "p", "p_holm"))
    return _made(cells, (index("first"), index("second"), *numbers))


def _within(folder: Path) -> Iterator[Pairs]:
    """The tests in the records of cells of schema 1, which held each of them twice."""
    path = folder / "cells.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    records = [record for line in lines if (record := parse(line, str(path))).get("paired")]
    if not records:
        return
    try:
        yield _of_records(records)
    except (LookupError, TypeError, ValueError) as error:
        raise damaged(path) from error


def _of_records(records: list[dict[str, Any]]) -> Pairs:
    ids = tuple(record["id"] for record in records)
    place = {cell: index for index, cell in enumerate(ids)}
    rows = [
        (first, place[test["cell"]], *(test[n] for n in ("better", "worse", "p", "p_holm")))
        for first, record in enumerate(records)
        for test in record["paired"]
        if place[test["cell"]] > first
    ]
    columns = list(zip(*rows, strict=True))
    kinds = (*[np.int32] * 4, *[np.float64] * 2)
    return _made(ids, [np.array(c, kind) for c, kind in zip(columns, kinds, strict=True)])
