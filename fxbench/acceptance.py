"""Weight files that a person has accepted, where nobody declares the right sha256."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fxbench import environment
from fxbench.errors import StoreError, WeightsError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The contents of a file that a person takes for the right ones.

    Attributes:
        sha256: of the contents.
        bytes: their size.
        when: in UTC, as ISO 8601 writes it.
    """

    sha256: str
    bytes: int
    when: str


def record_path() -> Path:
    """The file that what was accepted is kept in."""
    return environment.config_folder() / "accepted-weights.json"


def accepted(name: str) -> tuple[Acceptance, ...]:
    """What a person has accepted under a file name, the oldest first.

    Raises:
        WeightsError: the record can't be read.
    """
    return tuple(Acceptance(**entry) for entry in _read(record_path()).get(name, ()))


def accept(name: str, sha256: str, size: int) -> Acceptance:
    """Keep that a person takes these contents for the right ones. What was accepted before stays.

    Args:
        name: the file's name.
        sha256: of the contents, hexadecimal.
        size: their bytes.

    Raises:
        WeightsError: the record can't be read.
        StoreError: it can't be written.
    """
    # Reading, which every command does, needs neither.
    from filelock import FileLock

    from fxbench.files import write_json

    path = record_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise StoreError(
            f"{path} can't be written: {error.strerror or error}. Make its folder writable, or "
            "name another in FXBENCH_CONFIG."
        ) from error
    try:
        record = _read(path)
        new = Acceptance(sha256, size, datetime.now(UTC).isoformat(timespec="seconds"))
        others = [entry for entry in record.get(name, []) if entry["sha256"] != sha256]
        record[name] = [*others, asdict(new)]
        write_json(path, {"schema": SCHEMA, "accepted": record})
    finally:
        lock.release()
    return new


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path}, which keeps what weights were accepted, can't be read: {error}. Delete it, "
            "and accept the files again."
        ) from error
    if not _right(record):
        raise WeightsError(
            f"{path} must be an object with the schema {SCHEMA} and what weights were accepted. "
            "It is of a newer fxbench, or was damaged: delete it, and accept the files again."
        )
    entries: dict[str, list[dict[str, Any]]] = record["accepted"]
    return entries


def _right(record: Any) -> bool:
    """Whether a record has the shape that :func:`accept` writes."""
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return False
    files = record.get("accepted")
    if not isinstance(files, dict) or not all(isinstance(f, list) for f in files.values()):
        return False
    fields = {"sha256": str, "bytes": int, "when": str}
    return all(
        isinstance(entry, dict)
        and set(entry) == set(fields)
        and all(isinstance(entry[name], kind) for name, kind in fields.items())
        for entries in files.values()
        for entry in entries
    )
