"""What the classifiers of a run answered, image by image, in the run's folder.

Scores say how good a cell is. Whether two cells differ, and which images changed, takes their
answers to the same images: these are small (one byte for each image and cell) and stay with the
run, while outputs lie in the cache, which may be freed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.files import read_tagged, write_atomic

if TYPE_CHECKING:
    from fxbench.types import Int64

NOT_ASKED = -3
"""In a vector of answers: the image is not among those of the cell, or a service was silent."""

SCHEMA = 1
_CELL, _GROUP = "cell:", "group:"


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What the cells with a classifier answered about one dataset, split and protocol.

    Attributes:
        dataset: its name, with `split` and `protocol`.
        rows: int64 (N,), the images that could be read, as rows of the split, ascending.
        ids: their names.
        labels: int64 (N,), the right emotion as an index into EMOTIONS; -1 where there is none.
        clusters: int64 (N,); images with the same number are not independent of each other.
        groups: what the dataset says of each image besides, by name of the column, N texts each.
        cells: the ids of the cells.
    """

    dataset: str
    split: str
    protocol: str
    rows: Int64
    ids: tuple[str, ...]
    labels: Int64
    clusters: Int64
    groups: Mapping[str, tuple[str, ...]]
    tops: Mapping[str, Any] = field(repr=False)

    @property
    def cells(self) -> tuple[str, ...]:
        """The ids of the cells, in the order of the plan."""
        return tuple(self.tops)

    def top(self, cell: str) -> Int64:
        """What a cell answered.

        Returns:
            int64 (N,), an index into EMOTIONS; NOT_FOUND (-1), OTHER (-2) (see
            :mod:`fxbench.metrics.classification`) or NOT_ASKED (-3).

        Raises:
            KeyError: there is no such cell.
        """
        return np.asarray(self.tops[cell], np.int64)


def write(folder: Path, answered: Answered) -> None:
    """Write into a run's folder what was answered about one source.

    Raises:
        StoreError: it can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "row": answered.rows,
        "id": pa.array(answered.ids, pa.string()),
        "label": answered.labels.astype(np.int8),
        "cluster": answered.clusters,
    }
    for name, texts in answered.groups.items():
        columns[f"{_GROUP}{name}"] = pa.array(texts, pa.string()).dictionary_encode()
    for cell in answered.cells:
        columns[f"{_CELL}{cell}"] = np.asarray(answered.tops[cell], np.int8)
    about = _about(answered)
    table = pa.table(columns).replace_schema_metadata(
        {b"fxbench": json.dumps({"schema": SCHEMA} | about).encode()}
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    values = list(about.values())
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(values))
    # The names alone are not enough: hyphens in them could stand anywhere, and some systems take
    # large and small letters for the same.
    told = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
    name = f"{readable[:100]}-{told}.parquet"
    write_atomic(folder / "answers" / name, buffer.getvalue())


def _about(answered: Answered) -> dict[str, str]:
    return {name: getattr(answered, name) for name in ("dataset", "split", "protocol")}


def read(folder: Path) -> tuple[Answered, ...]:
    """What was answered in a run; nothing where an earlier version made it.

    Args:
        folder: the run's.

    Raises:
        SchemaError: a file is damaged, or of a newer version.
    """
    files = sorted((folder / "answers").glob("*.parquet"))
    return tuple(read_tagged(path, SCHEMA, _made) for path in files)


def _made(about: Mapping[str, Any], table: Any) -> Answered:
    def named(prefix: str) -> list[str]:
        return [name for name in table.column_names if name.startswith(prefix)]

    return Answered(
        about["dataset"],
        about["split"],
        about["protocol"],
        table["row"].to_numpy().astype(np.int64),
        tuple(table["id"].to_pylist()),
        table["label"].to_numpy().astype(np.int64),
        table["cluster"].to_numpy().astype(np.int64),
        {n.removeprefix(_GROUP): tuple(table[n].to_pylist()) for n in named(_GROUP)},
        {n.removeprefix(_CELL): table[n] for n in named(_CELL)},
    )
