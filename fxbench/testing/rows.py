"""Asks a dataset for its answers and its rows, and looks at what comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.protocols import Videos
from fxbench.sources import evenly_spaced
from fxbench.testing.rules import Refused, Trial
from fxbench.types import Answers, Batch, Int64

CLIPS = 8
"""How many videos of a split are read at most: a frame can't be had without those before it."""


def ask(trial: Trial, split: str, protocol: str, dataset: Any = None) -> Answers:
    """The answers, their form checked."""
    made = trial.made if dataset is None else dataset
    answers: Any = made.answers(split, protocol)
    where = f"{split} ({protocol})"
    if not isinstance(answers, Answers):
        raise Refused(f"answers must return Answers, not {type(answers).__name__}.")
    rows, labels = answers.rows, answers.labels
    if len(rows) and (rows[0] < 0 or (np.diff(rows) <= 0).any()):
        raise Refused(f"{where}: the rows must ascend from 0 on, each once.")
    if len(labels) and not (labels.min() >= -1 and labels.max() < len(EMOTIONS)):
        raise Refused(
            f"{where}: the labels are {labels.min()} to {labels.max()}, but -1 (no single label) "
            "and 0 to 7 are expected."
        )
    if answers.distribution is not None:
        sums = answers.distribution.sum(axis=1, dtype=np.float64)
        if (np.abs(sums[~np.isnan(sums)] - 1) > 1e-3).any():
            raise Refused(f"{where}: a row of the distribution doesn't sum to 1.")
    return answers


def sample(trial: Trial, split: str, limit: int) -> Int64:
    """At most `limit` rows of those that count under some protocol, see :func:`some_of`."""
    every = [ask(trial, split, protocol).rows for protocol in trial.made.protocols]
    rows: Int64 = np.unique(np.concatenate(every))
    return rows[some_of(trial, split, rows, limit)]


def some_of(trial: Trial, split: str, rows: Int64, limit: int) -> Int64:
    """At most `limit` evenly spaced indices of `rows`; of videos those of a few alone."""
    clip = _clip_of(trial, split, rows)
    clips = np.unique(clip)
    chosen = clips[evenly_spaced(len(clips), CLIPS)]
    index = np.flatnonzero(np.isin(clip, chosen))
    return index[evenly_spaced(len(index), limit)]


def _clip_of(trial: Trial, split: str, rows: Int64) -> Int64:
    """Which video each row is of, int64; 0 for stills."""
    if not isinstance(trial.made, Videos):
        return np.zeros(len(rows), np.int64)
    first = [clip.first for clip in trial.made.clips(split)]
    return np.searchsorted(first, rows, side="right").astype(np.int64)


def read(trial: Trial, split: str, rows: Int64) -> Iterator[Batch]:
    """The batches of some rows, checked to hold exactly these, in order.

    Frames of videos are asked for as a run does: those of one video, then those of the next.
    """
    found: list[int] = []
    for batch in _batches(trial, split, rows):
        if not isinstance(batch, Batch):
            raise Refused(f"batches must yield Batch, not {type(batch).__name__}.")
        part = sorted([*batch.rows.tolist(), *(failure.row for failure in batch.failures)])
        if (np.diff(batch.rows) <= 0).any() or (found and part and part[0] <= found[-1]):
            raise Refused(f"{split}: the rows of the batches don't ascend.")
        found += part
        yield batch
    if found != rows.tolist():
        absent = sorted(set(rows.tolist()) - set(found))[:3]
        extra = sorted(set(found) - set(rows.tolist()))[:3]
        raise Refused(
            f"{split}: {len(rows)} rows were asked for and {len(found)} came"
            + (f"; {absent} are missing" if absent else "")
            + (f"; {extra} were not asked for" if extra else "")
            + ". Each row is in a batch or among its failures, once."
        )


def _batches(trial: Trial, split: str, rows: Int64) -> Iterator[Any]:
    ends = np.flatnonzero(np.diff(_clip_of(trial, split, rows))) + 1
    for part in np.split(rows, ends):
        yield from trial.made.batches(split, part.copy())


def _facts(batch: Batch, index: int) -> tuple[Any, ...]:
    """All that a batch says of an image: id, pixels, time, boxes, landmarks, votes."""
    frames = batch.frames
    facts: tuple[Any, ...] = (
        frames.ids[index],
        frames.images[index],
        frames.time_s[index : index + 1],
    )
    truth = batch.truth
    if truth is None:
        return facts
    mine = np.flatnonzero(truth.frame == index)
    points = None if truth.points is None else truth.points.xy[mine]
    columns = [truth.votes, truth.xyxy]
    return (*facts, points, *(None if column is None else column[mine] for column in columns))


def equal(one: Any, other: Any) -> bool:
    """Whether two facts are the same; a NaN equals a NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and bool(one == other)


def by_row(trial: Trial, split: str, rows: Int64) -> dict[int, tuple[Any, ...]]:
    """All that is said of each of some rows."""
    return {
        row: _facts(batch, index)
        for batch in read(trial, split, rows)
        for index, row in enumerate(batch.rows.tolist())
    }
