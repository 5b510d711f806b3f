"""How the rows of a chunk are cut into batches, and stretches of batches that can stand alone.

A batch is the same whenever and wherever it is computed: a model may round otherwise in a batch of
another size, and the numbers of a run may not depend on who computes what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fxbench.errors import FxbenchError, PluginError
from fxbench.sources import Source
from fxbench.types import Batch, Int64

BATCH = 64
"""How many images are decoded, detected and predicted at once, where they are small."""
FIRST_BATCH = 8
"""How many of a chunk are decoded before their size is known."""
BATCH_BYTES = 256_000_000
"""How much a batch of large images may take, decoded. A few batches are alive at once."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The batches of a chunk that begin in a range of its rows.

    Attributes:
        begin: the position of the first row among those of the chunk.
        end: that of the first row behind it.
        even: all batches of the chunk but the first are taken to be full, so that the stretch can
            be read by itself. Else the chunk is read from its begin, to find where batches begin.
    """

    begin: int
    end: int
    even: bool = True


class UnevenError(FxbenchError):
    """Images are so large that batches aren't full: a stretch can't be read by itself."""


def batches(source: Source, rows: Int64, stretch: Stretch | None = None) -> Iterator[Batch]:
    """The batches of a chunk, or those of a stretch of it.

    Raises:
        PluginError: the dataset gives other rows than it was asked for.
        UnevenError: the stretch is not an even one.
    """
    if stretch is None:
        for _, batch, _ in _cut(source, rows, FIRST_BATCH):
            yield batch
    elif stretch.even:
        yield from _even(source, rows, stretch)
    else:
        for begin, batch, _ in _cut(source, rows, FIRST_BATCH):
            if begin >= stretch.end:
                return
            if begin >= stretch.begin:
                yield batch


def _even(source: Source, rows: Int64, stretch: Stretch) -> Iterator[Batch]:
    part = rows[stretch.begin : stretch.end]
    if stretch.begin:
        # Only so many as are safe to hold before anything is known of their size.
        for batch in source.dataset.batches(source.split, part[:FIRST_BATCH]):
            if _room(batch) < BATCH:
                raise UnevenError("The images are large.")
    for _, batch, room in _cut(source, part, BATCH if stretch.begin else FIRST_BATCH):
        if room < BATCH:
            raise UnevenError("Some images are large.")
        yield batch


def cuts(source: Source, rows: Int64, parts: int) -> list[Stretch]:
    """About so many stretches of about equal length that a chunk can be divided into.

    Of videos whole ones, since what follows a face has a memory; else whole batches.
    """
    if source.clips:
        places = np.flatnonzero(np.diff(source.clip_of(rows))) + 1
    else:
        places = np.arange(FIRST_BATCH, len(rows), BATCH)
    wanted = np.arange(1, parts) * len(rows) / max(parts, 1)
    ends: list[int] = []
    if len(places):
        ends = np.unique(places[np.abs(places[:, None] - wanted).argmin(axis=0)]).tolist()
    return [Stretch(begin, end) for begin, end in zip([0, *ends], [*ends, len(rows)], strict=True)]


def _room(batch: Batch) -> int:
    """How many such images a batch may hold."""
    largest = max((image.nbytes for image in batch.frames.images), default=1)
    return max(1, min(BATCH, BATCH_BYTES // max(largest, 1)))


def _cut(source: Source, rows: Int64, count: int) -> Iterator[tuple[int, Batch, int]]:
    """Position of the first row, batch, and room for such images in a batch.

    Raises:
        PluginError: the dataset gives other rows than it was asked for.
    """
    before = 0
    for part in source.by_clip(rows):
        begin = 0
        while begin < len(part):
            wanted = part[begin : begin + count]
            got: list[int] = []
            room = BATCH
            for batch in source.dataset.batches(source.split, wanted):
                got += [*batch.rows.tolist(), *(failure.row for failure in batch.failures)]
                room = min(room, _room(batch))
                if len(batch.rows) > 1 and (np.diff(batch.rows) <= 0).any():
                    raise PluginError(f"The dataset {source.entry.name} gives rows out of order.")
                yield before + begin, batch, room
            if sorted(got) != wanted.tolist():
                raise PluginError(
                    f"The dataset {source.entry.name} was asked for {len(wanted)} rows of "
                    f"{source.split} from {wanted[0]} on and gave others ({len(got)} rows)."
                )
            begin += count
            count = room
        before += len(part)
