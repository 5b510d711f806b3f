"""How a piece of work is timed: warm-up, blocks of samples, the reference between them, batches.

Work is a set of items, such as images. **Warm-up**: items are worked on in groups of five and
nothing counts, until a group's median is not below 0.95 of that of the group before; ten calls at
least, fifty at most. **Samples**: ten blocks, each with the same items in the same order, so that
blocks differ by the machine alone. **Reference**: :class:`fxbench.reference_work.Reference` is
timed at both ends of each block, and within it so often that it takes half as long as the samples.
What it does to the processor's caches is not counted: after it, work of less than 5 ms is done once
more before samples go on. **Batches**: the median of those after a first one, which isn't counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.reference_work import Reference
from fxbench.types import Int64

BLOCKS = 10
ITEMS = 32
"""In a block, at most."""
BATCHES = (8, 64)
"""Images at once, beside one by one."""
BUDGET_S = 10.0
"""Sampling stops after that, whatever is lacking."""
BATCH_BUDGET_S = 2.0
"""A batch is cut to what can be done in that time."""
_GROUP, _MOST_WARM_UP, _FASTER = 5, 50, 0.95
_AT_ENDS = 3
_FAST_NS = 5_000_000
_REPEATS, _MOST_REPEATS, _REPEAT_S = 3, 20, 0.1

Call = Callable[[int], tuple[int, ...]]
"""Works on an item and returns the nanoseconds that each part of the work took."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Raw samples.

    Attributes:
        item: int64 (N,), what was worked on.
        block: int64 (N,), 0 for the first block.
        parts: int64 (N, P), nanoseconds of each part.
        reference: int64 (R, 3): block, passes, and their nanoseconds. What was measured between two
            blocks belongs to both, and is there twice.
        warm_up: how many calls were not counted in the beginning.
    """

    item: Int64
    block: Int64
    parts: Int64
    reference: Int64
    warm_up: int

    def record(self) -> dict[str, Any]:
        """As JSON can hold it."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return arrays | {"warm_up": self.warm_up}

    @staticmethod
    def read(record: Mapping[str, Any]) -> Sampled:
        """What :meth:`record` has made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        item, block, parts, reference = (np.asarray(record[n], np.int64) for n in _ARRAYS)
        if not (
            item.shape == block.shape == parts.shape[:1]
            and parts.ndim == 2
            and reference.reshape(-1, 3).size == reference.size
        ):
            raise ValueError("samples of different lengths")
        return Sampled(item, block, parts, reference.reshape(-1, 3), int(record["warm_up"]))


_ARRAYS = ("item", "block", "parts", "reference")


def warm_up(call: Call, items: Sequence[int]) -> tuple[float, float, int]:
    """Work until it gets no faster.

    Returns:
        Nanoseconds of a typical call, of the fastest, which nothing has disturbed, and how many
        calls there were.
    """
    begin, before, calls, fastest = time.perf_counter(), np.inf, 0, np.inf
    while True:
        times: list[int] = []
        for _ in range(_GROUP):
            times.append(_ns(call, items[calls % len(items)]))
            calls += 1
            if time.perf_counter() - begin > BUDGET_S / 2:
                return float(np.median(times)), float(min(*times, fastest)), calls
        now, fastest = float(np.median(times)), min(*times, fastest)
        if now >= _FASTER * before or calls >= _MOST_WARM_UP:
            return now, float(fastest), calls
        before = now


def sample(call: Call, items: Sequence[int], reference: Reference, target_s: float) -> Sampled:
    """Time items one by one.

    Args:
        call: the work.
        items: on what; where not all can be done in time, evenly spaced ones.
        reference: is fitted to the work, and run between.
        target_s: how many seconds it may take. Four items of slow work may take longer, up to
            `BUDGET_S`.
    """
    typical, fastest, warmed = warm_up(call, items)
    reference.fit(fastest)
    fitting = int(target_s * 1e9 / BLOCKS / typical)
    at_most = max(1, int(BUDGET_S * 1e9 / BLOCKS / typical))
    count = min(len(items), ITEMS, max(fitting, min(4, at_most)))
    chosen = evenly(items, count)
    rows: list[tuple[int, int, tuple[int, ...]]] = []
    measured: list[tuple[int, int, int]] = []
    begin, end = time.perf_counter(), False

    def refer(times: int, *blocks: int) -> None:
        for _ in range(times):
            ns = reference.measure()
            measured.extend((block, reference.passes, ns) for block in blocks)
        if typical < _FAST_NS and not end:
            call(chosen[0])

    refer(_AT_ENDS, 0)
    for block in range(BLOCKS):
        since = 0
        for position, item in enumerate(chosen):
            parts = call(item)
            rows.append((item, block, parts))
            since += sum(parts)
            if time.perf_counter() - begin > BUDGET_S:
                end = True
                break
            if since >= 2 * reference.typical_ns and position < len(chosen) - 1:
                refer(1, block)
                since = 0
        end = end or block == BLOCKS - 1
        refer(_AT_ENDS, *((block,) if end else (block, block + 1)))
        if end:
            break
    return Sampled(
        np.asarray([item for item, _, _ in rows], np.int64),
        np.asarray([block for _, block, _ in rows], np.int64),
        np.asarray([parts for _, _, parts in rows], np.int64),
        np.asarray(measured, np.int64),
        warmed,
    )


def evenly(items: Sequence[int], count: int) -> list[int]:
    """At most so many of some items, evenly spaced."""
    count = min(count, len(items))
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def batch_sizes(count: int, single_ns: float, sizes: Sequence[int] = BATCHES) -> tuple[int, ...]:
    """The batches that are timed: of slow work, or of few images, smaller ones; none of one image.

    Args:
        count: how many images there are.
        single_ns: what one alone takes.
        sizes: that are wanted.
    """
    most = min(count, int(BATCH_BUDGET_S * 1e9 / max(single_ns, 1.0)))
    return tuple(size for size in dict.fromkeys(min(size, most) for size in sizes) if size > 1)


def batches(call: Callable[[int], int], sizes: Sequence[int]) -> dict[int, list[int]]:
    """Time batches: for each size the nanoseconds of every repetition.

    Args:
        call: works on so many images at once, and returns the nanoseconds.
        sizes: how many.
    """
    return {size: _repeated(call, size) for size in sizes}


def _repeated(call: Callable[[int], int], size: int) -> list[int]:
    """A few timings, after one that isn't counted, unless that alone takes half of the budget."""
    begin = time.perf_counter()
    first = call(size)
    if time.perf_counter() - begin > BATCH_BUDGET_S / 2:
        return [first]
    begin = time.perf_counter()
    times: list[int] = []
    while len(times) < _REPEATS or (
        len(times) < _MOST_REPEATS and time.perf_counter() - begin < _REPEAT_S
    ):
        times.append(call(size))
        if time.perf_counter() - begin > BATCH_BUDGET_S:
            break
    return times


def _ns(call: Call, item: int) -> int:
    begin = time.perf_counter_ns()
    call(item)
    return time.perf_counter_ns() - begin
