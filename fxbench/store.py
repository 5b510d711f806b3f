"""A run on disk: `run.json`, one file per cell while it goes on, `cells.jsonl` when it is done.

Reading needs neither the runner nor any plugin, so results can be read again years later.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fxbench import cell_lines
from fxbench.errors import SchemaError, StoreError, UsageError
from fxbench.files import TEMPORARY_SUFFIX, known_as, read_parquet, write_atomic, write_json

SCHEMA = 2
"""Of run.json, of each line of cells.jsonl and of the latency files."""

Migration = Callable[[dict[str, Any]], dict[str, Any]]


def pairs_apart(record: dict[str, Any]) -> dict[str, Any]:
    """From 1 to 2: paired tests stand in a file of their own, see :mod:`fxbench.pairs`.

    That module reads those of a run of schema 1 out of its cells.
    """
    return {key: value for key, value in record.items() if key != "paired"}


def run_as_it_was(record: dict[str, Any]) -> dict[str, Any]:
    """From 1 to 2: nothing in `run.json` changed."""
    return record


RUN_MIGRATIONS: Mapping[int, Migration] = {1: run_as_it_was}
"""The function that lifts `run.json` from each older schema to the next."""
CELL_MIGRATIONS: Mapping[int, Migration] = {1: pairs_apart}
"""The same for a cell."""
RUN_KEYS = ("id", "status", "plan", "images")
"""What every `run.json` has."""
CELL_KEYS = ("id", "axes", "status", "asked")
"""What every cell has."""


_PARTS = (".lock", "answers", "cells", "cells.jsonl", "latency", "paired.parquet")
"""What stands beside `run.json`, and is written before it."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it lies on disk.

    Attributes:
        folder: where it lies.
        run: the content of `run.json`.
        cells: its cells, in the order of the plan.
    """

    folder: Path
    run: dict[str, Any]
    cells: list[dict[str, Any]]

    @property
    def finished(self) -> bool:
        """Whether the run came to its end, failed cells or not."""
        return bool(self.run["status"] == "finished")


class RunFolder:
    """Writes a run."""

    def __init__(self, folder: Path, asked: str = "--results") -> None:
        """Of that folder; `asked` is the option that names it, or where it lies, for messages."""
        self.folder = folder
        self._asked = asked
        self._cells = folder / "cells"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; the lock ends with the process, however it ends.

        Raises:
            StoreError: another process writes to it, or the folder can't be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreError(
                f"Another fxbench process is writing {known_as(self.folder)}: wait until it is "
                f"done, or choose another folder with {self._asked}."
            ) from error
        except OSError as error:
            raise StoreError(
                f"The results folder {known_as(self.folder)} can't be written: "
                f"{error.strerror or error}. Choose another with {self._asked}."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def write_run(self, record: dict[str, Any]) -> None:
        """Write `run.json`."""
        write_json(self.folder / "run.json", {"schema": SCHEMA} | record)

    def write_cell(self, record: dict[str, Any]) -> None:
        """Write one cell to a file of its own."""
        write_json(self._cells / f"{record['id']}.json", {"schema": SCHEMA} | record)

    def compact(self, records: list[dict[str, Any]]) -> None:
        """Write all cells into `cells.jsonl`; appending to it would fail on object storage."""
        lines = [cell_lines.written({"schema": SCHEMA} | record) for record in records]
        write_atomic(self.folder / "cells.jsonl", b"\n".join([*lines, b""]))

    def tidy(self) -> None:
        """Remove the files of single cells, once `cells.jsonl` holds them, and what was cut off."""
        shutil.rmtree(self._cells, ignore_errors=True)
        for path in self.folder.rglob(f"*{TEMPORARY_SUFFIX}"):
            path.unlink(missing_ok=True)

    def latency_path(self, name: str) -> Path:
        """Where the raw samples of that name lie."""
        return self.folder / "latency" / f"{name}.parquet"

    def write_latency(self, name: str, columns: dict[str, Any], meta: dict[str, Any]) -> None:
        """Write raw samples, int64 nanoseconds each."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(columns)
        text = json.dumps({"schema": SCHEMA} | meta, allow_nan=False)
        table = table.replace_schema_metadata({b"fxbench": text.encode()})
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        write_atomic(self.latency_path(name), buffer.getvalue())

    def read_latency(self, name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Columns and metadata of raw samples; None where they are missing or damaged."""
        import pyarrow as pa

        try:
            table = read_parquet(self.latency_path(name))
            meta = json.loads((table.schema.metadata or {})[b"fxbench"])
        except (OSError, pa.ArrowException, KeyError, ValueError):
            return None
        return {n: table[n].to_numpy() for n in table.column_names}, meta


def check_new(folder: Path, asked: str) -> None:
    """See to it that a run may be written into a folder of its own.

    Args:
        folder: which need not be there yet; what was left of a write that was stopped may be in it.
        asked: the option that names it, for messages.

    Raises:
        UsageError: it holds a run already, or something else.
    """
    if (folder / "run.json").exists():
        raise UsageError(f"{known_as(folder)} holds a run already: give another folder to {asked}.")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    other = [name for name in there if name not in _PARTS and not name.endswith(TEMPORARY_SUFFIX)]
    if other:
        raise UsageError(
            f"{known_as(folder)} holds other files, such as {other[0]}: give {asked} a folder that "
            f"is empty or not there yet, such as {known_as(folder)}/merged."
        )


def load(folder: Path) -> StoredRun:
    """Read a run.

    Raises:
        UsageError: there is no run.
        SchemaError: it was written by a newer version, or is damaged.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise UsageError(f"{known_as(folder)} holds no run: expected a folder with run.json in it.")
    run = _migrated(cell_lines.parse(path.read_bytes(), str(path)), RUN_MIGRATIONS, path)
    compacted = folder / "cells.jsonl"
    if compacted.is_file():
        lines = compacted.read_bytes().splitlines()
        where = str(compacted)
        cells = [_migrated(cell_lines.read(n, where), CELL_MIGRATIONS, compacted) for n in lines]
    else:
        files = sorted((folder / "cells").glob("*.json"))
        cells = [
            _migrated(cell_lines.parse(f.read_bytes(), str(f)), CELL_MIGRATIONS, f) for f in files
        ]
    _require(path, run, RUN_KEYS)
    for cell in cells:
        _require(compacted, cell, CELL_KEYS)
    if run["status"] == "finished" and not cells and run["plan"].get("cells"):
        raise SchemaError(
            f"{compacted} is missing or empty, though the run is finished: delete its folder and "
            "give the run's command again; what is in the cache is not computed again."
        )
    return StoredRun(folder, run, cells)


def runs(results: Path) -> list[Path]:
    """The folders of all runs below `results`, the latest last."""
    found = []
    for path in results.glob("*/run.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            moment = str(record.get("finished") or record.get("created") or "")
        except (OSError, ValueError, AttributeError):
            moment = ""
        with contextlib.suppress(OSError):
            found.append((moment, path.stat().st_mtime_ns, path.parent))
    return [folder for *_, folder in sorted(found)]


def find(results: Path, name: str | None) -> Path:
    """The folder of the run called `name` (or of that path), or of the latest run.

    Raises:
        UsageError: there is none.
    """
    if name is not None:
        for folder in (results / name, Path(name)):
            if (folder / "run.json").is_file():
                return folder
    known = runs(results)
    if name is not None:
        names = ", ".join(folder.name for folder in known[-5:]) or "none"
        raise UsageError(f"There is no run {name!r}; in {known_as(results)} there are: {names}.")
    if not known:
        raise UsageError(
            f"There is no run in {known_as(results)}: make one with `fxbench run`, or say where "
            "they are with --results."
        )
    return known[-1]


def _require(path: Path, record: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    absent = [key for key in keys if key not in record]
    if absent:
        raise SchemaError(
            f"{path} is damaged: it lacks {', '.join(absent)}. Delete its folder and give the "
            "run's command again; what is in the cache is not computed again."
        )


def _migrated(
    record: dict[str, Any], migrations: Mapping[int, Migration], path: Path
) -> dict[str, Any]:
    schema = record.get("schema")
    if not isinstance(schema, int):
        raise SchemaError(f"{path} has no schema number, so it is not one of fxbench's files.")
    if schema > SCHEMA:
        raise SchemaError(
            f"{path} has the schema {schema}, but this version of fxbench reads up to {SCHEMA}: "
            "upgrade it with pip install --upgrade fxbench."
        )
    while schema < SCHEMA:
        record = migrations[schema](record)
        schema += 1
    return record
