"""What the cache holds, which runs use it, and freeing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fxbench.chunks import Chunks
from fxbench.errors import StoreError
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


def contents(chunks: Chunks, results: Path) -> Contents:
    """Measure a cache."""
    named = used_keys(results)
    sizes = dict(chunks.sizes())
    left = [path.stat().st_size for path in chunks.leftovers()]
    used = [size for key, size in sizes.items() if key in named]
    return Contents(
        Usage(len(sizes), sum(sizes.values())),
        Usage(len(used), sum(used)),
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


def used_keys(results: Path) -> set[str]:
    """The keys of the chunks that the runs in a results folder were made from."""
    return {
        key for folder in runs(results) for cell in load(folder).cells for key in cell["chunks"]
    }
