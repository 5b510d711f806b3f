"""The landmarks of faces that are followed through a video: located once for all spotters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fxbench.chunks import Chunk
from fxbench.types import Int64, Points

if TYPE_CHECKING:
    from fxbench.pipeline import Pipeline

Silent = tuple[tuple[int, str], ...]
"""The index of each image that got no answer, and why."""


def kept_points(
    pipeline: Pipeline, key: str, rows: Int64, locate: Callable[[], tuple[Points, Silent]]
) -> tuple[Points, Silent, float]:
    """The points of a batch of faces, from the cache where they are there.

    So a spotter with another option, or another spotter, begins with the landmarks of an earlier
    run. Where a service was silent about an image nothing is kept.

    Args:
        pipeline: with the cache.
        key: of what the points depend on.
        rows: int64 (M,), the row that each face is in.
        locate: what locates them.

    Returns:
        The points of the M faces, the images without an answer, and how many seconds it took to
        locate them, whenever that was.
    """
    chunk = pipeline.peek(key) if len(rows) else None
    found = None if chunk is None else _stored(chunk, rows)
    if chunk is not None and found is not None:
        return found, (), float(chunk.meta["seconds"])
    begin = time.perf_counter()
    points, silent = locate()
    seconds = time.perf_counter() - begin
    if len(rows) and not silent:
        columns = {"row": rows.astype(np.int32), "points": points.xy.reshape(len(rows), -1)}
        pipeline.write(key, Chunk(columns, {"scheme": points.scheme, "seconds": seconds}))
    return points, silent, seconds


def _stored(chunk: Chunk, rows: Int64) -> Points | None:
    """The points that a chunk keeps; None where it keeps something else."""
    row, flat = chunk.columns.get("row"), chunk.columns.get("points")
    if row is None or flat is None or not np.array_equal(row, rows):
        return None
    xy = np.ascontiguousarray(flat, np.float32).reshape(len(rows), -1, 2)
    return Points(xy, str(chunk.meta["scheme"]))
