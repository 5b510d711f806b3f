"""Atomic writes: a file is there whole or not at all, whatever moment the process is killed at."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fxbench.errors import SchemaError, StoreError

T = TypeVar("T")

TEMPORARY_SUFFIX = ".fxbench-tmp"


_ELSEWHERE: dict[Path, str] = {}


def stands_for(folder: Path, address: str) -> None:
    """Keep in mind that a folder is a copy of what lies at an address, for :func:`known_as`."""
    _ELSEWHERE[folder] = address


def known_as(path: Path) -> str:
    """A path as people know it: of what is in a copy, the address that it is a copy of."""
    for folder, address in _ELSEWHERE.items():
        if path == folder or folder in path.parents:
            return "/".join((address, *path.relative_to(folder).parts))
    return str(path)


def write_atomic(path: Path, data: bytes, *, asked: str | None = None) -> None:
    """Write `data` to a temporary file beside `path`, sync it to disk, and rename it.

    Args:
        path: the file.
        data: all of it.
        asked: the option that `path` was given to, such as `--junit`, for messages; None for a file
            of a run or of the cache. A device, a pipe or a link that a person names, such as
            `/dev/null`, is written into and not replaced.

    Raises:
        StoreError: the disk is full, or the folder can't be written; nothing is left behind.
    """
    if asked is not None and _is_written_through(path, asked):
        _write_through(path, data, asked)
        return
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without O_BINARY, where it is there, line ends would be changed.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unwritable(path, error, asked) from error


def _is_written_through(path: Path, asked: str) -> bool:
    """Whether a rename would take away what somebody named: a device, a pipe or a link."""
    try:
        return path.exists() and (path.is_symlink() or not path.is_file())
    except OSError as error:
        raise unwritable(path, error, asked) from error


def _write_through(path: Path, data: bytes, asked: str) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise unwritable(path, error, asked) from error


def write_json(path: Path, record: Any) -> None:
    """Write a record as indented JSON, atomically. NaN and infinity are refused (ValueError)."""
    write_atomic(path, json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")


def read_parquet(path: Path) -> Any:
    """A pyarrow.Table, its pages' checksums verified.

    Read whole and in this thread alone: a memory map would keep the file from being replaced on
    some systems, and Arrow's own threads, alive when the process ends, at times abort it
    (apache/arrow issue 39862).

    Raises:
        OSError: the file can't be read.
        pyarrow.ArrowException: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferReader(path.read_bytes())
    file = pq.ParquetFile(buffer, page_checksum_verification=True, pre_buffer=False)
    return file.read(use_threads=False)


def read_tagged(path: Path, schema: int, made: Callable[[dict[str, Any], Any], T]) -> T:
    """What a Parquet file of a run holds, whose metadata say the number of its format.

    Args:
        path: of the file.
        schema: the latest number that is known.
        made: makes it of the metadata and the pyarrow.Table.

    Raises:
        SchemaError: the file is damaged, or of a newer version.
    """
    import pyarrow as pa

    try:
        table = read_parquet(path)
        about = json.loads(table.schema.metadata[b"fxbench"])
        if int(about["schema"]) <= schema:
            return made(about, table)
    # Arrow's own errors, and whatever comes of what is not as it should be.
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
        pa.ArrowException,
    ) as error:
        raise damaged(path) from error
    raise SchemaError(
        f"{path} has the schema {about['schema']}, but this version of fxbench reads up to "
        f"{schema}: upgrade it with pip install --upgrade fxbench."
    )


def damaged(path: Path) -> SchemaError:
    """The error for a file of a run that can't be read any more."""
    return SchemaError(
        f"{path} is damaged: delete its folder and give the run's command again; what is in the "
        "cache is not computed again."
    )


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system allows to sync a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unwritable(path: Path, error: OSError, asked: str | None = None) -> StoreError:
    """The error for what can't be written; arguments as of :func:`write_atomic`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if asked is not None and full:
        return StoreError(
            f"The disk is full: {path}, which {asked} names, could not be written. Free some space "
            "and give the same command again."
        )
    if asked is not None:
        return StoreError(
            f"{path}, which {asked} names, could not be written: {error.strerror or error}. Name "
            "another, in a folder that can be written."
        )
    if full:
        return StoreError(
            f"The disk is full: {path} could not be written. Free some space (`fxbench clean` "
            "shows what fxbench takes) and give the same command again: it goes on where it "
            "stopped."
        )
    return StoreError(
        f"{path} could not be written: {error.strerror or error}. Make the folder writable, or "
        "choose another (--results for runs, FXBENCH_CACHE for the cache), and give the same "
        "command again: it goes on where it stopped."
    )
