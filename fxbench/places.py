"""A results folder on object storage, by way of a copy on this machine.

Whoever writes or reads runs works on the copy. What is new elsewhere is fetched before, what is new
here is put there afterwards, file by file: an object is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from fxbench.environment import cache_folder
from fxbench.errors import StoreError, UnavailableError, UsageError
from fxbench.files import TEMPORARY_SUFFIX, stands_for, write_json
from fxbench.options import redacted

_KNOWN = ".places.json"
_LOCK = ".places.lock"
_TELLING = ("size", "ETag", "etag", "md5Hash", "mtime", "LastModified", "created")
"""What storage says of an object that changes when its content does, as far as it has it."""
_UNFIT = re.compile(r"[\\\x00-\x1f]|^[A-Za-z]:")
"""What no name of a file may have: it means another folder on some systems, or nothing at all."""


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
            StoreError: it can't be reached.
        """
        self.address = address.rstrip("/")
        # An address may hold a password or a signature; messages and logs are read by others.
        self._called = redacted(self.address)
        try:
            import fsspec
        except ImportError as error:
            raise UnavailableError(
                f"{self._called} is on object storage, which needs fsspec: "
                "pip install 'fxbench[remote]'."
            ) from error
        try:
            self._system, root = fsspec.core.url_to_fs(self.address)
        except ImportError as error:
            raise UnavailableError(
                f"{self._called} can't be opened: {redacted(str(error))}. "
                "Install that package with pip."
            ) from error
        except ValueError as error:
            raise UsageError(
                f"{self._called} can't be opened: {redacted(str(error))}. Give an address that "
                "fsspec knows, such as s3://bucket/folder, or a path."
            ) from error
        except Exception as error:  # some sorts connect at once, with errors of their own
            raise StoreError(
                f"{self._called} can't be opened: {_why(error)}. See to the address, the "
                "connection and the rights, and give the same command again."
            ) from error
        self._root = str(root).rstrip("/")
        name = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self.folder = cache_folder() / "places" / name
        stands_for(self.folder, self._called)

    def fetch(self) -> None:
        """Fetch what is new there. What is new here, and not there yet, stays as it is.

        Raises:
            StoreError: it can't be read.
        """
        with self._locked() as known:
            there = self._there()
            here = self._here()
            for name, mark in there.items():
                path = self._inside(name)
                if known.get(name, [None])[0] == mark and name in here:
                    continue
                if name in here and known.get(name, [None, None])[1] != here[name]:
                    continue
                part = path.with_name(f"{path.name}{TEMPORARY_SUFFIX}")
                with self._explained("read"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        self._system.get_file(f"{self._root}/{name}", str(part))
                    except FileNotFoundError:  # another machine removed it meanwhile
                        part.unlink(missing_ok=True)
                        continue
                    part.replace(path)
                known[name] = [mark, _mark(path)]
            for name in set(known) - set(there):
                # Removed there by another machine: gone here too, unless it has been changed.
                if here.get(name) == known.pop(name)[1]:
                    self._inside(name).unlink(missing_ok=True)

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
            for name in new:
                self._check(name)
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
            known = _read_known(path) if path.is_file() else {}
            for name in known:
                self._inside(name)
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
        there = {
            path.removeprefix(prefix): _told(info)
            for path, info in found.items()
            if path.startswith(prefix) and not _is_own(path) and not _is_folder(path, info)
        }
        # All of them before anything is written: whoever may write there must not write elsewhere.
        for name in there:
            self._inside(name)
        return there

    def _check(self, name: str) -> None:
        """See to it that a name means the same file below a folder on every system.

        Raises:
            StoreError: it does not.
        """
        if _UNFIT.search(name) or {"", ".", ".."} & set(name.split("/")):
            raise StoreError(
                f"{self._called} has a file of the name {name!r}, which is none below a folder. "
                "fxbench wrote no such file: see to who else writes there, and remove it."
            )

    def _inside(self, name: str) -> Path:
        """The file of a name in the copy, and never one outside of it.

        Raises:
            StoreError: it would be outside.
        """
        self._check(name)
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise StoreError(
                f"{name!r} of {self._called} would lie outside of {self.folder}, by a link: "
                "remove that link, and give the same command again."
            )
        return path

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
        except Exception as error:  # each storage has its own sort of errors
            raise StoreError(
                f"{self._called} can't be {done}: {_why(error)}. What was computed is in "
                f"{self.folder}; see to the connection and the rights, and give the same command "
                "again."
            ) from error


def _is_own(path: str) -> bool:
    """Files that are of one machine alone."""
    name = path.rpartition("/")[2]
    return name in (_KNOWN, _LOCK, ".lock") or name.endswith(TEMPORARY_SUFFIX)


def _is_folder(path: str, info: Mapping[str, Any]) -> bool:
    """Whether an object only stands for a folder, as consoles of storage make them."""
    return path.endswith("/") and not info.get("size")


def _read_known(path: Path) -> dict[str, list[Any]]:
    """What is known of both sides.

    Raises:
        StoreError: the file is damaged.
    """
    try:
        known = json.loads(path.read_bytes())
        fit = isinstance(known, dict) and all(
            isinstance(marks, list) and len(marks) == 2 for marks in known.values()
        )
    except ValueError:
        fit = False
    if not fit:
        raise StoreError(
            f"{path} is damaged: move its folder away, and give the same command again; what is in "
            "storage is fetched anew."
        )
    return dict(known)


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {redacted(str(error))}"


def _mark(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _told(info: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={info[name]}" for name in _TELLING if name in info)
