"""What cloud services answered, kept on disk: a picture is asked about once, and paid for once.

A folder holds, for each picture and service, one file with the answer. Before a picture is sent,
a note of that is written and synced beside it; it goes when the answer is there. A note that a
process left which was killed tells that it may have asked, and paid, without an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from filelock import FileLock

from fxbench import environment
from fxbench.errors import SchemaError, StoreError
from fxbench.files import TEMPORARY_SUFFIX, write_atomic, write_json

if TYPE_CHECKING:
    from fxbench.cloud.service import Reply
    from fxbench.types import UInt8

SCHEMA = 1

_ANSWER = ".json"
_NOTE = ".asked"


def default_folder() -> Path:
    """`answers` in `FXBENCH_CACHE`, else in the user's cache folder."""
    return environment.cache_folder() / "answers"


class Asked(Protocol):
    """A service as a store knows it; see :class:`fxbench.cloud.service.Service`."""

    name: str
    version: str
    where: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was kept.

    Attributes:
        answer: the JSON-like record.
        uncertain: how many requests about the picture ended, up to that answer, so that nobody
            knows whether they were answered, and charged.
    """

    answer: Any
    uncertain: int


@dataclass(frozen=True, slots=True)
class Holding:
    """How much a store holds.

    Attributes:
        answers: how many answers are kept.
        bytes: what they take, with notes and leftovers.
        open: notes of pictures that were sent, perhaps, by a process that ended before the answer.
        by_service: answers of each service, by its name.
    """

    answers: int
    bytes: int
    open: int
    by_service: dict[str, int]


class Claim:
    """The right to ask about one picture, held by nobody else meanwhile.

    Attributes:
        interrupted: 1 where a process that has ended sent the picture, or was about to, and no
            answer is known; else 0.
        uncertain: requests of earlier processes whose outcome is uncertain, without that one.
    """

    def __init__(self, path: Path, key: str, service: Asked) -> None:
        self._path = path
        self._key = key
        self._service = service
        self._note = path.with_suffix(_NOTE)
        self.interrupted, self.uncertain = _read_note(self._note)

    def about_to_send(self) -> None:
        """Note on disk, synced, that the picture will have been sent."""
        self._write_note(self.interrupted + self.uncertain, is_open=True)

    def keep(self, reply: Reply, width: int, height: int) -> None:
        """Keep the answer.

        Args:
            reply: with the answer.
            width: of the picture that was sent, pixels.
            height: of it.

        Raises:
            StoreError: it can't be written.
        """
        record = {
            "schema": SCHEMA,
            "key": self._key,
            "service": self._service.name,
            "version": self._service.version,
            "width": width,
            "height": height,
            "asked": datetime.now(UTC).isoformat(timespec="seconds"),
            "attempts": reply.attempts,
            "uncertain": reply.uncertain + self.interrupted + self.uncertain,
            "seconds": reply.seconds,
            "sha256": _checksum(reply.answer),
            "answer": reply.answer,
        }
        write_json(self._path, record)
        self._note.unlink(missing_ok=True)

    def give_up(self, uncertain: int) -> None:
        """There is no answer, and `uncertain` of the requests may have been charged."""
        total = uncertain + self.interrupted + self.uncertain
        if total:
            self._write_note(total, is_open=False)
        else:
            self._note.unlink(missing_ok=True)

    def _write_note(self, uncertain: int, *, is_open: bool) -> None:
        note = {"schema": SCHEMA, "uncertain": uncertain, "open": is_open}
        write_atomic(self._note, json.dumps(note).encode())


class AnswerStore:
    """Answers below a folder.

    Args:
        folder: made where it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def key(self, service: Asked, image: UInt8) -> str:
        """What an answer is found by: the service, its version, its host and the picture's pixels.

        Args:
            service: that is asked.
            image: uint8 (H, W, 3), the picture that is sent.

        Returns:
            A sha256 in hexadecimal.
        """
        named = [SCHEMA, service.name, service.version, service.where, *image.shape]
        digest = hashlib.sha256(json.dumps(named).encode())
        digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def path(self, service: Asked, key: str) -> Path:
        """Where the answer lies, or would."""
        return self.folder / service.name / key[:2] / f"{key}{_ANSWER}"

    def read(self, service: Asked, key: str) -> Kept | None:
        """The answer of that key; None where there is none or it is damaged: then ask again.

        Raises:
            SchemaError: a newer fxbench kept it.
        """
        path = self.path(service, key)
        try:
            record = json.loads(path.read_bytes())
            schema = record["schema"]
            if isinstance(schema, int) and schema > SCHEMA:
                raise SchemaError(
                    f"The kept answer {path} has schema {schema}, but this fxbench reads up to "
                    f"{SCHEMA}: update fxbench, or point FXBENCH_CACHE to another folder."
                )
            if record["key"] != key or record["sha256"] != _checksum(record["answer"]):
                return None
            return Kept(record["answer"], int(record["uncertain"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def claimed(self, service: Asked, key: str) -> Iterator[Claim]:
        """Nobody else, thread or process, asks about the picture within this.

        Look for the answer again inside: whoever held the claim before may have got it.

        Raises:
            StoreError: the folder can't be written.
        """
        path = self.path(service, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # One lock for some hundredth of all pictures: a file for each would litter the folder.
            lock = FileLock(path.parent / ".lock")
            lock.acquire()
        except OSError as error:
            raise StoreError(
                f"Answers can't be kept in {self.folder}: {error.strerror or error}. Free some "
                "space or make the folder writable (FXBENCH_CACHE moves it), and give the same "
                "command again: nothing was sent that isn't kept."
            ) from error
        try:
            yield Claim(path, key, service)
        finally:
            lock.release()

    def holding(self) -> Holding:
        """Measure the store."""
        size = open_notes = 0
        by_service: dict[str, int] = {}
        for path in self._files():
            with contextlib.suppress(OSError):
                size += path.stat().st_size
                if path.suffix == _ANSWER:
                    name = path.relative_to(self.folder).parts[0]
                    by_service[name] = by_service.get(name, 0) + 1
                elif path.suffix == _NOTE and not path.with_suffix(_ANSWER).exists():
                    # Beside an answer it is what a process left that ended just then.
                    open_notes += _read_note(path)[0]
        return Holding(sum(by_service.values()), size, open_notes, dict(sorted(by_service.items())))

    def free(self) -> tuple[int, int]:
        """Delete every answer, note and leftover.

        Returns:
            How many files, and their bytes.

        Raises:
            OSError: one can't be deleted.
        """
        count = size = 0
        for path in self._files():
            length = path.stat().st_size
            path.unlink(missing_ok=True)
            count, size = count + 1, size + length
        return count, size

    def _files(self) -> list[Path]:
        suffixes = (_ANSWER, _NOTE, TEMPORARY_SUFFIX)
        return [path for path in sorted(self.folder.glob("*/??/*")) if path.suffix in suffixes]


def _checksum(answer: Any) -> str:
    text = json.dumps(answer, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_note(path: Path) -> tuple[int, int]:
    """Whether a process ended before it knew, as 0 or 1, and the uncertain requests before it."""
    try:
        note = json.loads(path.read_bytes())
        return int(bool(note["open"])), int(note["uncertain"])
    except FileNotFoundError:
        return 0, 0
    except (OSError, ValueError, KeyError, TypeError):
        # It is there, so the picture may have been sent.
        return 1, 0
