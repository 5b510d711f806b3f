"""What the cache holds, which runs use it, and freeing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fxbench.chunks import Chunks
from fxbench.cloud.answers import AnswerStore
from fxbench.errors import FxbenchError, StoreError
from fxbench.store import load, runs


@dataclass(frozen=True, slots=True)
class Usage:
    """Chunks and their bytes."""

    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a cache.

    Attributes:
        total: everything.
        used: what the runs of the results folder were made from.
        leftovers: temporary files of processes that were killed.
    """

    total: Usage
    used: Usage
    leftovers: Usage


def contents(chunks: Chunks, used: Iterable[str]) -> Contents:
    """Measure a cache.

    Args:
        chunks: the cache.
        used: the keys that runs were made from.
    """
    named = set(used)
    sizes = dict(chunks.sizes())
    left = [path.stat().st_size for path in chunks.leftovers()]
    kept = [size for key, size in sizes.items() if key in named]
    return Contents(
        Usage(len(sizes), sum(sizes.values())),
        Usage(len(kept), sum(kept)),
        Usage(len(left), sum(left)),
    )


def free(chunks: Chunks, keep: Iterable[str] = ()) -> Usage:
    """Delete every chunk but those to keep, and what killed processes left.

    Raises:
        StoreError: the cache can't be written.
    """
    kept = set(keep)
    count = size = 0
    try:
        for key, length in list(chunks.sizes()):
            if key not in kept:
                chunks.remove(key)
                count, size = count + 1, size + length
        for path in chunks.leftovers():
            length = path.stat().st_size
            path.unlink(missing_ok=True)
            count, size = count + 1, size + length
    except OSError as error:
        raise StoreError(
            f"The cache {chunks.folder} can't be freed: {error.strerror or error}. Delete it by "
            "hand, or point FXBENCH_CACHE to another folder."
        ) from error
    return Usage(count, size)


def free_answers(store: AnswerStore) -> Usage:
    """Delete what cloud services answered; asking them again costs money.

    Raises:
        StoreError: the folder can't be written.
    """
    try:
        return Usage(*store.free())
    except OSError as error:
        raise StoreError(
            f"The kept answers in {store.folder} can't be freed: {error.strerror or error}. Delete "
            "that folder by hand, or point FXBENCH_CACHE to another."
        ) from error


@dataclass(frozen=True, slots=True)
class Users:
    """The runs of a results folder.

    Attributes:
        keys: of the chunks that the finished ones were made from.
        unfinished: the names of those that a command may go on with: what they have computed is
            not named anywhere yet.
        unreadable: the names of those that can't be read.
    """

    keys: frozenset[str]
    unfinished: tuple[str, ...]
    unreadable: tuple[str, ...]


def users(results: Path) -> Users:
    """Read which chunks the runs in a results folder were made from."""
    keys: set[str] = set()
    unfinished, unreadable = [], []
    for folder in runs(results):
        try:
            stored = load(folder)
        except FxbenchError:
            unreadable.append(folder.name)
            continue
        if not stored.finished:
            unfinished.append(folder.name)
        for cell in stored.cells:
            keys.update((*cell.get("chunks", ()), *cell.get("adversarial", ())))
    return Users(frozenset(keys), tuple(unfinished), tuple(unreadable))
