"""A download from begin to end: it goes on where it stopped, and ends with the right contents."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import requests
from filelock import FileLock, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from fxbench import __version__
from fxbench.download.addresses import allow, shown
from fxbench.download.part import Part
from fxbench.download.web import PASSING, Answer, PassingError, answer, blocks
from fxbench.errors import StoreError, WeightsError

MOST = 8_000_000_000
"""Bytes of a file whose size nobody knows: where a server sends more, something is wrong."""

_PROGRESS = 1_000_000
"""Bytes after which a broken connection is a new trouble, and no longer the old one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear with a network.

    Attributes:
        connect_s: seconds until a server must have taken the connection.
        silence_s: seconds without a byte after which the connection counts as lost.
        retries: how many attempts after the first, unless one brought a good deal more.
        backoff_s: half the pause before the second of them; each later pause is twice as long.
        longest_s: the longest pause. A server that asks for a longer one is not waited for.
    """

    connect_s: float = 10.0
    silence_s: float = 30.0
    retries: int = 5
    backoff_s: float = 0.5
    longest_s: float = 60.0

    @property
    def timeout(self) -> tuple[float, float]:
        """As :mod:`requests` takes it."""
        return self.connect_s, self.silence_s

    def policy(self) -> Retry:
        """As :mod:`urllib3` takes it."""
        return Retry(total=self.retries, backoff_factor=self.backoff_s, backoff_max=self.longest_s)


class Watcher(Protocol):
    """Is told how far a download is."""

    def at(self, done: int, total: int | None) -> None:
        """So many bytes are there, of so many where that is known."""
        ...

    def note(self, text: str) -> None:
        """Something that a person should know, one sentence."""
        ...


PATIENCE = Patience()


def download(
    url: str,
    target: Path,
    watcher: Watcher,
    *,
    sha256: str | None = None,
    size: int | None = None,
    patience: Patience = PATIENCE,
) -> None:
    """Download a file to `target`, replacing what is there, unless that is the right one already.

    What has arrived is kept in `NAME.part` beside the target when the download stops, and a later
    one goes on behind it. Only one process at a time works on a target; others wait. Proxies are
    those of the environment.

    Args:
        url: with https; http is for a server on this machine only.
        target: which gets its contents at once, when all of them are right.
        watcher: is told how far it is.
        sha256: that the contents must have; None where that is not known.
        size: the bytes that the contents must have; None where that is not known.
        patience: with the network.

    Raises:
        WeightsError: the address is not used, the server can't be reached or doesn't have the
            file, or what it sends is not the right one.
        StoreError: the disk is full or the folder can't be written.
    """
    allow(url, url)
    job = _Job(url, Part(target, url), sha256.lower() if sha256 else None, size, watcher, patience)
    try:
        with _alone(target, watcher) as waited:
            there = target.is_file()
            if job.sha256:
                there = there and _digest(target) == job.sha256
            elif not waited:
                there = False
            if not there:
                job.do(target.name)
    except OSError as error:
        raise _explained(target, error) from error


@dataclass(frozen=True, slots=True)
class _Job:
    url: str
    part: Part
    sha256: str | None
    size: int | None
    watcher: Watcher
    patience: Patience

    def do(self, name: str) -> None:
        part = self.part
        resumed = self._fill()
        if not part.size():
            raise WeightsError(f"{shown(self.url)} is empty: nothing was fetched for {name}.")
        digest = part.sha256()
        if self.sha256 and digest != self.sha256 and resumed:
            # What was there was of another file, or has suffered on disk.
            part.discard()
            self._fill()
            digest = part.sha256()
        if self.sha256 and digest != self.sha256:
            part.discard()
            raise WeightsError(
                f"What {shown(self.url)} sends for {name} has the sha256 {digest}, but "
                f"{self.sha256} is expected: it is damaged or another file, and {part.path.name} "
                "was deleted. Give the command again; if that doesn't help, the file at that "
                "address has changed."
            )
        part.finish()

    def _fill(self) -> bool:
        """Let the part become whole; whether the beginning was there already."""
        part = self.part
        if self.size is not None and part.size() > self.size:
            part.discard()
        resumed = part.size() > 0
        if resumed and part.size() == self.size:
            return True
        retries = self.patience.policy()
        with requests.Session() as session:
            while True:
                before = part.size()
                try:
                    return self._attempt(session) and resumed
                except PassingError as trouble:
                    if part.size() - before >= _PROGRESS:
                        retries = self.patience.policy()
                    retries = self._wait(retries, trouble)

    def _attempt(self, session: requests.Session) -> bool:
        """Ask for what is missing; whether it was put behind what was there."""
        part, size = self.part, self.size
        validator = part.validator()
        if self.sha256 is None and validator is None:
            # Nothing would tell whether the rest is of the same file.
            part.discard()
        begin = part.size()
        headers = {"User-Agent": f"fxbench/{__version__}", "Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
            if validator is not None:
                headers["If-Range"] = validator
        with answer(session, self.url, headers, self.patience.timeout) as given:
            code = given.response.status_code
            if code in PASSING:
                raise PassingError(f"answered {given.status}", given.response)
            if code not in (200, 206, 416) or (code == 416 and not begin):
                raise WeightsError(
                    f"{shown(self.url)} answered {given.status}: nothing was fetched."
                )
            if size is not None and given.total is not None and given.total != size:
                part.discard()
                raise WeightsError(
                    f"{shown(self.url)} has {given.total:,} bytes, but {size:,} are expected: it "
                    "is another file, and was not fetched."
                )
            if code == 416 and given.total == begin:
                return True
            if code != 200 and given.start != begin:
                part.discard()
                raise PassingError("sent another part than was asked for")
            if not given.start:
                part.begin(given.response.headers)
            self._append(given)
        return given.start > 0

    def _append(self, given: Answer) -> None:
        part = self.part
        done, total = part.size(), given.total or self.size
        limit = MOST if total is None else total
        if (total or 0) - done > shutil.disk_usage(part.path.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.watcher.at(done, total)
        with part.opened() as descriptor:
            for block in blocks(given, self.url, self.patience.timeout):
                done += len(block)
                if done > limit:
                    break
                view = memoryview(block)
                while view:
                    view = view[os.write(descriptor, view) :]
                self.watcher.at(done, total)
        if done > limit:
            part.discard()
            raise WeightsError(
                f"{shown(self.url)} sends more than the {limit:,} bytes that are expected: it is "
                f"another file, and {part.path.name} was deleted."
            )
        if total is not None and done < total:
            raise PassingError("broke the connection off")

    def _wait(self, retries: Retry, trouble: PassingError) -> Retry:
        """Wait for the next attempt; WeightsError where there have been enough."""
        kept = self.part.size()
        again = (
            f"{kept:,} bytes are kept: give the same command again to go on behind them."
            if kept
            else "Look at the connection, and give the same command again."
        )
        failure = WeightsError(f"{shown(self.url)} {trouble}. {again}")
        raw = None if trouble.response is None else trouble.response.raw
        try:
            retries = retries.increment("GET", response=raw, error=None if raw else trouble)
            asked = (raw and retries.get_retry_after(raw)) or 0.0
        except HTTPError:
            raise failure from None
        if asked > self.patience.longest_s:
            raise failure
        pause = asked or retries.get_backoff_time()
        then = f" in {pause:.0f} s" if pause >= 1 else ""
        self.watcher.note(f"{shown(self.url)} {trouble}: trying again{then}.")
        retries.sleep(raw)
        return retries


@contextlib.contextmanager
def _alone(target: Path, watcher: Watcher) -> Iterator[bool]:
    """Hold a target for this process; whether it waited for another.

    The lock ends with the process, however it ends.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        watcher.note(f"Another process is fetching {target.name}: waiting until it is done.")
        lock.acquire()
    try:
        yield waited
    finally:
        lock.release()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _explained(target: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"The disk is full: {target.name} could not be written to {target.parent}. Free some "
            "space, or point FXBENCH_CACHE to another disk, and give the same command again: it "
            "goes on where it stopped."
        )
    return StoreError(
        f"{target} could not be written: {error.strerror or error}. Make its folder writable, or "
        "point FXBENCH_CACHE to another one."
    )
