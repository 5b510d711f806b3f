"""What has arrived of a file, kept beside it until it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fxbench.files import sync_folder, write_json


class Part:
    """`NAME.part`, and in `NAME.part.json` which version of the file the server said that it is.

    Args:
        target: the file that it becomes.
        url: where it comes from.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._target = target
        self._note = target.with_name(f"{target.name}.part.json")
        # The address itself may hold secrets.
        self._of = hashlib.sha256(url.encode()).hexdigest()

    def size(self) -> int:
        """The bytes that are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def validator(self) -> str | None:
        """What `If-Range` sends, so that nothing of another version is appended; else None."""
        try:
            record = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(record, dict) or record.get("of") != self._of:
            return None
        value = record.get("validator")
        return value if isinstance(value, str) else None

    def begin(self, headers: Mapping[str, str]) -> None:
        """Forget what is there: what comes is the version that these headers of an answer name."""
        self.discard()
        tag = headers.get("ETag", "")
        # A weak tag allows other bytes of the same meaning.
        strong = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
        if strong and "Content-Encoding" not in headers:
            write_json(self._note, {"of": self._of, "validator": strong})

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor to append with; nothing is held back in memory."""
        # Without O_BINARY, where it is there, line ends would be changed.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o644)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        """Delete what is there."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def sha256(self) -> str:
        """Of what is there, hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def finish(self) -> None:
        """Make it last, and give it its name."""
        with self.opened() as descriptor:
            os.fsync(descriptor)
        self.path.replace(self._target)
        self._note.unlink(missing_ok=True)
        sync_folder(self._target.parent)
