"""Chunks come back as they were written, and a damaged one is as good as none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fxbench.cache import contents, free
from fxbench.chunks import Chunk, Chunks

KEY = "ab" * 16


@pytest.fixture
def chunks(tmp_path: Path) -> Chunks:
    return Chunks(tmp_path)


def a_chunk(rows: int = 100) -> Chunk:
    generator = np.random.default_rng(0)
    return Chunk(
        {
            "row": np.arange(rows, dtype=np.int32),
            "outputs": generator.random((rows, 8)).astype(np.float16),
        },
        {"labels": ["neutral", None], "unreadable": [[3, "a.png", "broken"]]},
    )


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_a_chunk_comes_back_exactly(chunks: Chunks, rows: int) -> None:
    chunk = a_chunk(rows)
    chunks.write(KEY, chunk)
    back = chunks.read(KEY)
    assert chunks.has(KEY)
    assert back is not None
    for name, column in chunk.columns.items():
        assert back.columns[name].dtype == column.dtype
        assert back.columns[name].shape == column.shape
        assert (back.columns[name] == column).all()
    assert back.meta == chunk.meta


def test_what_is_missing_is_none(chunks: Chunks) -> None:
    assert not chunks.has(KEY)
    assert chunks.read(KEY) is None


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_truncated_chunk_counts_as_missing(chunks: Chunks, keep: float) -> None:
    chunks.write(KEY, a_chunk())
    data = chunks.path(KEY).read_bytes()
    end = int(len(data) * keep) if isinstance(keep, float) else keep
    chunks.path(KEY).write_bytes(data[:end])
    assert not chunks.has(KEY)
    assert chunks.read(KEY) is None


def test_a_flipped_bit_is_found(chunks: Chunks) -> None:
    chunks.write(KEY, a_chunk(1000))
    data = bytearray(chunks.path(KEY).read_bytes())
    flipped = 0
    for position in range(100, len(data) - 4000, 500):
        data[position] ^= 4
        chunks.path(KEY).write_bytes(bytes(data))
        back = chunks.read(KEY)
        data[position] ^= 4
        flipped += 1
        assert back is None or all(
            (back.columns[name] == column).all() for name, column in a_chunk(1000).columns.items()
        ), position
    assert flipped > 10


def test_a_chunk_under_another_key_is_not_believed(chunks: Chunks) -> None:
    chunks.write(KEY, a_chunk())
    other = "cd" * 16
    chunks.path(other).parent.mkdir(parents=True)
    chunks.path(KEY).rename(chunks.path(other))
    assert not chunks.has(other)
    assert chunks.read(other) is None


def test_the_cache_is_measured_and_freed(chunks: Chunks) -> None:
    keys = [f"{i:032x}" for i in range(3)]
    for key in keys:
        chunks.write(key, a_chunk())
    left = chunks.path(keys[0]).with_name(".x.fxbench-tmp")
    left.write_bytes(b"half")
    assert not chunks.leftovers(), "somebody may be writing it"
    os.utime(left, (0, 0))
    measured = contents(chunks, keys[:1])
    assert (measured.total.chunks, measured.used.chunks) == (3, 1)
    assert measured.leftovers.bytes == 4
    freed = free(chunks, keep=keys[1:])
    assert freed.chunks == 2
    assert [key for key, _ in chunks.sizes()] == keys[1:]
    assert not left.exists()
