"""A fixed piece of work that says how fast the machine is at the moment.

A convolution and a pass through memory, the same in every run. Milliseconds of a component divided
by those of one pass are its time in **reference units**; :mod:`fxbench.reference_units` says where
they hold.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from fxbench.environment import cpu_model
from fxbench.types import Float32

VERSION = 1
"""Of the work. Units of two versions can't be compared."""
PRECISION = "float32"
_SIDE, _KERNEL = 160, 5
_MEMORY_BYTES = 4 << 20
_LONGEST_NS = 15_000_000
"""A timing need not last longer: this is several turns of the system's scheduler."""
_SHORTEST_NS = 250_000


def unit(threads: int) -> str:
    """What reference units belong to: two of them are comparable where this text is the same."""
    return f"work {VERSION}, {PRECISION}, {threads} threads, {cpu_model()}"


class _Share:
    """What one thread does in a pass."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._picture: Float32 = random.random((_SIDE, _SIDE, 3), np.float32)
        self._kernel: Float32 = random.random((_KERNEL, _KERNEL), np.float32)
        self._convolved = np.empty_like(self._picture)
        self._memory: Float32 = random.random(_MEMORY_BYTES // 4, np.float32)
        self._copy = np.empty_like(self._memory)

    def work(self, passes: int) -> None:
        for _ in range(passes):
            cv2.filter2D(self._picture, -1, self._kernel, dst=self._convolved)
            np.copyto(self._copy, self._memory)


class Reference:
    """The work, on as many threads as components have.

    With several threads each does a pass of its own, and a pass is over when all are done: as in a
    library that divides its work, the slowest decides.

    Attributes:
        passes: how many are timed at once; see :meth:`fit`.
        typical_ns: what that takes.
    """

    def __init__(self, threads: int) -> None:
        self._shares = [_Share(seed) for seed in range(threads)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._ns(1)  # Pages are touched, and threads started.
        # The fastest, so that another process in the way doesn't change how many are timed.
        self._pass_ns = float(max(1, min(self._ns(1) for _ in range(9))))
        self.passes, self.typical_ns = 1, self._pass_ns

    def fit(self, sample_ns: float) -> None:
        """Let a timing last about as long as a sample does.

        What other processes take from a process depends on how long it works at a stretch: of a
        work of 0.1 ms most turns are undisturbed, of one of 20 ms hardly any.

        Args:
            sample_ns: a sample that nothing disturbs, nanoseconds.
        """
        wanted = min(max(sample_ns, _SHORTEST_NS), _LONGEST_NS)
        # Handing a pass to other threads takes time too, which must not count much.
        least = 1 if self._pool is None else 4
        self.passes = max(least, round(wanted / self._pass_ns))
        self.typical_ns = self.passes * self._pass_ns

    def measure(self) -> int:
        """Nanoseconds for `passes` at once."""
        return self._ns(self.passes)

    def _ns(self, passes: int) -> int:
        begin = time.perf_counter_ns()
        if self._pool is None:
            self._shares[0].work(passes)
        else:
            done = [self._pool.submit(share.work, passes) for share in self._shares]
            for one in done:
                one.result()
        return time.perf_counter_ns() - begin
