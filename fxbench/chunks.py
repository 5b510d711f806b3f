"""The cache of finished stages: content-addressed files, written once, shared between runs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fxbench import environment
from fxbench.errors import FxbenchError
from fxbench.files import TEMPORARY_SUFFIX, read_parquet, write_atomic
from fxbench.keys import SCHEMA

_METADATA = b"fxbench"
_OLD_S = 3600.0


def default_folder() -> Path:
    """`FXBENCH_CACHE`, else the user's cache folder."""
    return environment.cache_folder()


class DamagedChunkError(FxbenchError):
    """A chunk can't be read any more. It has been removed, so that it is computed again."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Columns of equal length with what else is known of them.

    Attributes:
        columns: arrays (M,) or, for vectors, (M, K).
        meta: a JSON-like record.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    meta: Mapping[str, Any]


class Chunks:
    """Reads and writes chunks below a folder."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / "chunks"

    def path(self, key: str) -> Path:
        """Where the chunk of that key lies, or would."""
        return self.folder / key[:2] / f"{key}.parquet"

    def has(self, key: str) -> bool:
        """Whether the chunk is there and its footer is whole, and no image lacks an answer."""
        path = self.path(key)
        if not path.is_file():
            return False
        try:
            meta = _meta(pq.read_schema(path))
            return bool(meta["key"] == key and not meta["meta"].get("unanswered"))
        except (pa.ArrowException, OSError, KeyError, ValueError):
            return False

    def read(self, key: str) -> Chunk | None:
        """The chunk, or None where it is missing or damaged: then it has to be made again."""
        path = self.path(key)
        try:
            table = read_parquet(path)
            meta = _meta(table.schema)
            if meta["key"] != key:
                return None
            return Chunk({name: _array(table[name]) for name in table.column_names}, meta["meta"])
        except (pa.ArrowException, OSError, KeyError, ValueError):
            return None

    def get(self, key: str) -> Chunk:
        """The chunk, which must be there.

        Raises:
            DamagedChunkError: it isn't, or it is damaged.
        """
        chunk = self.read(key)
        if chunk is None:
            self.remove(key)
            raise DamagedChunkError(f"A cached result ({key}) is damaged or was removed.")
        return chunk

    def write(self, key: str, chunk: Chunk) -> None:
        """Keep a chunk.

        Raises:
            StoreError: it can't be written.
        """
        meta = {"schema": SCHEMA, "key": key, "meta": dict(chunk.meta)}
        table = pa.table({name: _column(array) for name, array in chunk.columns.items()})
        table = table.replace_schema_metadata({_METADATA: json.dumps(meta).encode()})
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
        write_atomic(self.path(key), buffer.getvalue())

    def sizes(self) -> Iterator[tuple[str, int]]:
        """The key and size in bytes of every chunk."""
        for path in sorted(self.folder.glob("??/*.parquet")):
            yield path.stem, path.stat().st_size

    def remove(self, key: str) -> None:
        """Delete a chunk, if it is there."""
        self.path(key).unlink(missing_ok=True)

    def leftovers(self) -> list[Path]:
        """Temporary files of writers that were killed: none is at work for an hour."""
        old = time.time() - _OLD_S
        files = sorted(self.folder.glob(f"??/*{TEMPORARY_SUFFIX}"))
        return [path for path in files if path.stat().st_mtime < old]


def _meta(schema: pa.Schema) -> Any:
    return json.loads((schema.metadata or {})[_METADATA])


def _column(array: npt.NDArray[Any]) -> pa.Array:
    if array.ndim == 1:
        return pa.array(array)
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _array(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if pa.types.is_fixed_size_list(column.type):
        flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat).reshape(-1, column.type.list_size)
    return np.asarray(column.to_numpy())
