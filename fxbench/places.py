"""A results folder on object storage, by way of a copy on this machine.

Whoever writes or reads runs works on the copy. What is new elsewhere is fetched before, what is new
here is put there afterwards, file by file: an object is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from fxbench.environment import cache_folder
from fxbench.errors import StoreError, UnavailableError, UsageError
from fxbench.files import TEMPORARY_SUFFIX, write_json

_KNOWN = ".places.json"
_LOCK = ".places.lock"
_TELLING = ("size", "ETag", "etag", "md5Hash", "mtime", "LastModified", "created")
"""What storage says of an object that changes when its content does, as far as it has it."""


def is_remote(place: str) -> bool:
    """Whether a place is an address such as `s3://bucket/results`, and no path of this machine."""
    return "://" in place and not place.startswith("file://")


@contextlib.contextmanager
def opened(place: str) -> Iterator[Path]:
    """A folder of results on this machine: of an address a copy, put there again afterwards.

    Args:
        place: a path, or an address.

    Raises:
        FxbenchError: see :class:`Place`.
    """
    if not is_remote(place):
        yield Path(place.removeprefix("file://"))
        return
    remote = Place(place)
    remote.fetch()
    try:
        yield remote.folder
    finally:
        remote.put()


class Place:
    """A folder of results that is kept elsewhere.

    Attributes:
        address: where, as fsspec understands it.
        folder: the copy.
    """

    def __init__(self, address: str) -> None:
        """Open it.

        Raises:
            UnavailableError: fsspec, or what it needs for that sort of address, is not installed.
            UsageError: nobody knows that sort of address.
        """
        self.address = address.rstrip("/")
        try:
            import fsspec
        except ImportError as error:
            raise UnavailableError(
                f"{address} is on object storage, which needs fsspec: "
                "pip install 'fxbench[remote]'."
            ) from error
        try:
            self._system, root = fsspec.core.url_to_fs(self.address)
        except ImportError as error:
            raise UnavailableError(
                f"{address} can't be opened: {error}. Install that package with pip."
            ) from error
        except ValueError as error:
            raise UsageError(
                f"{address} can't be opened: {error}. Give an address that fsspec knows, such as "
                "s3://bucket/folder, or a path."
            ) from error
        self._root = str(root).rstrip("/")
        name = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self.folder = cache_folder() / "places" / name

    def fetch(self) -> None:
        """Fetch what is new there. What is new here, and not there yet, stays as it is.

        Raises:
            StoreError: it can't be read.
        """
        with self._locked() as known:
            there = self._there()
            here = self._here()
            for name, mark in there.items():
                path = self.folder / name
                if known.get(name, [None])[0] == mark and name in here:
                    continue
                if name in here and known.get(name, [None, None])[1] != here[name]:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{path.name}{TEMPORARY_SUFFIX}")
                with self._explained("read"):
                    self._system.get_file(f"{self._root}/{name}", str(part))
                part.replace(path)
                known[name] = [mark, _mark(path)]
            for name in set(known) - set(there):
                # Removed there by another machine: gone here too, unless it has been changed.
                if here.get(name) == known.pop(name)[1]:
                    (self.folder / name).unlink(missing_ok=True)

    def put(self) -> int:
        """Put there what is new here, the record of a run last, and remove what is gone.

        Returns:
            How many files were put or removed.

        Raises:
            StoreError: it can't be written; the copy on this machine has everything.
        """
        done = 0
        with self._locked() as known:
            here = self._here()
            new = [name for name, mark in here.items() if known.get(name, [0, 0])[1] != mark]
            # Who finds a finished run finds all of it.
            for name in sorted(new, key=lambda name: (name.endswith("run.json"), name)):
                with self._explained("written"):
                    self._system.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
                    self._system.put_file(str(self.folder / name), f"{self._root}/{name}")
                known[name] = [None, here[name]]
                done += 1
            for name in set(known) - set(here):
                with self._explained("written"), contextlib.suppress(FileNotFoundError):
                    self._system.rm_file(f"{self._root}/{name}")
                del known[name]
                done += 1
            if done:
                there = self._there()
                for name in new:
                    known[name][0] = there.get(name)
        return done

    @contextlib.contextmanager
    def _locked(self) -> Iterator[dict[str, list[Any]]]:
        """What is known of both sides, for this process alone; kept whatever happens meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / _LOCK):
            path = self.folder / _KNOWN
            known = json.loads(path.read_bytes()) if path.is_file() else {}
            try:
                yield known
            finally:
                write_json(path, known)

    def _there(self) -> dict[str, str]:
        with self._explained("read"):
            self._system.invalidate_cache()
            try:
                found = self._system.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        prefix = f"{self._root}/"
        return {
            path.removeprefix(prefix): _told(info)
            for path, info in found.items()
            if path.startswith(prefix) and not _is_own(path)
        }

    def _here(self) -> dict[str, str]:
        return {
            path.relative_to(self.folder).as_posix(): _mark(path)
            for path in self.folder.rglob("*")
            if path.is_file() and not _is_own(path.name)
        }

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:  # each storage has its own sort of errors
            raise StoreError(
                f"{self.address} can't be {done}: {type(error).__name__}: {error}. What was "
                f"computed is in {self.folder}; see to the connection and the rights, and give "
                "the same command again."
            ) from error


def _is_own(path: str) -> bool:
    """Files that are of one machine alone."""
    name = path.rpartition("/")[2]
    return name in (_KNOWN, _LOCK, ".lock") or name.endswith(TEMPORARY_SUFFIX)


def _mark(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _told(info: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={info[name]}" for name in _TELLING if name in info)
