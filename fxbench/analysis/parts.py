"""What is kept of each file that is done, so that the same command goes on where it stopped.

In the folder `.parts` of an analysis lie a JSON file for each video, a Parquet file with its rows,
and one JSON Lines file of all photos with theirs. A video's JSON file is written last: without it
the video is not done. Of the photos' file a line that was not finished is passed over.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fxbench.analysis.media import PHOTO, Media
from fxbench.errors import StoreError
from fxbench.files import TEMPORARY_SUFFIX, write_json
from fxbench.keys import digest

FOLDER = ".parts"
SCHEMA = 1
_PHOTOS = "photos.jsonl"


class Parts:
    """What is done in a folder."""

    def __init__(self, folder: Path, settings: str, *, anew: bool = False) -> None:
        """What is there.

        Args:
            folder: of the analysis.
            settings: a hash of all that what is written depends on, but the file: what was done
                with others is not done.
            anew: whether nothing of what is there counts.
        """
        self.folder = folder / FOLDER
        self._root = folder
        self._settings = settings
        self._anew = anew
        self._photos: dict[str, dict[str, Any]] | None = None
        self._written: set[str] = set()

    def begin(self) -> None:
        """Make the folder, and clear away what a process left in it that was killed.

        Raises:
            StoreError: it can't be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for pattern in (f"*{TEMPORARY_SUFFIX}", f"*/*{TEMPORARY_SUFFIX}"):
                for left in self._root.glob(pattern):
                    left.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self._root} can't be written: {error.strerror or error}. Name another folder "
                "with -o, or make it writable."
            ) from error

    def rows_of(self, name: str) -> Path:
        """The Parquet file with the rows of a video of that name."""
        return self.folder / f"{name}.parquet"

    def done(self, media: Media, name: str) -> dict[str, Any] | None:
        """What is known of a file that is done; None where it is to be done."""
        try:
            key = self._key(media, name)
        except OSError:
            return None
        record = self._photo(name) if media.kind == PHOTO else self._video(name)
        if record is None or record.get("key") != key:
            return None
        if self._anew and name not in self._written:
            return None
        there = all((self._root / file).exists() for file in record["files"])
        return record if there else None

    def keep(self, media: Media, name: str, record: dict[str, Any]) -> dict[str, Any]:
        """Keep what is known of a file: it is done.

        Returns:
            The record, with what :meth:`done` knows it by.

        Raises:
            StoreError: it can't be written.
        """
        record = {"schema": SCHEMA, "key": self._key(media, name)} | record
        if media.kind == PHOTO:
            self._append(record)
            if self._photos is not None:
                self._photos[name] = record
        else:
            write_json(self.folder / f"{name}.json", record)
        self._written.add(name)
        return record

    def _key(self, media: Media, name: str) -> str:
        """A hash that changes with the file and the settings."""
        about = media.path.stat()
        place = os.fsencode(os.path.realpath(media.path)).hex()
        return digest([self._settings, name, place, about.st_size, about.st_mtime_ns])

    def _video(self, name: str) -> dict[str, Any] | None:
        try:
            text = (self.folder / f"{name}.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        record = _record(text)
        return record if record is not None and _readable(self.rows_of(name)) else None

    def _photo(self, name: str) -> dict[str, Any] | None:
        if self._photos is None:
            self._photos = {}
            try:
                with (self.folder / _PHOTOS).open(encoding="utf-8", errors="replace") as lines:
                    for line in lines:
                        record = _record(line)
                        if record is not None:
                            self._photos[str(record.get("name"))] = record
            except OSError:
                pass
        return self._photos.get(name)

    def _append(self, record: dict[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / _PHOTOS).open("a", encoding="utf-8") as file:
                # A line that a killed process left without its end must not swallow this one.
                if file.tell():
                    file.write("\n")
                file.write(json.dumps(record, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(
                f"{self.folder / _PHOTOS} can't be written: {error.strerror or error}. Free some "
                "space or make it writable, and give the same command again: it goes on where it "
                "stopped."
            ) from error


def _readable(path: Path) -> bool:
    """Whether a Parquet file is there whole, by what stands at its end."""
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _record(text: str) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return None
    return record if isinstance(record.get("files"), list) else None
