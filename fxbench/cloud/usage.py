"""How often a service was asked in a run, how long it took and what it cost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fxbench.cloud.service import Reply, ServiceError


class Usage:
    """Counts of one service in this process. Threads may count at once.

    Attributes:
        price: US dollars for one call, None where it isn't known.
        images: pictures that were looked at, whatever became of them.
        from_store: of these, how many had been asked before: nothing was sent.
        sent: requests, with those that were repeated.
        answered: pictures that the service answered.
        retried: requests that repeated one before, in this process.
        uncertain: requests of which nobody knows whether the service answered, and charged.
        interrupted: of the uncertain ones, those that a process sent which ended, killed perhaps,
            before there was an answer; they were found when the picture was asked about again.
        uncertain_before: of the pictures that had been asked before, the uncertain requests of
            those days. They are in no other count.
        unusable: requests that were answered, and may be charged, with what can't be used.
        failed: pictures that got no answer.
        resized: pictures that were made larger, or padded, to fit the service.
        reduced: pictures that were made smaller to fit.
    """

    def __init__(self, price: float | None = None) -> None:
        self.price = price
        self.images = self.from_store = self.sent = self.answered = self.retried = 0
        self.uncertain = self.interrupted = self.uncertain_before = 0
        self.unusable = self.failed = 0
        self.resized = self.reduced = 0
        self._seconds: list[float] = []
        self._lock = threading.Lock()

    def looked_at(self, *, resized: bool, reduced: bool) -> None:
        """A picture was prepared."""
        with self._lock:
            self.images += 1
            self.resized += resized
            self.reduced += reduced

    def kept(self, uncertain: int) -> None:
        """A picture had been asked about before, with so many uncertain requests."""
        with self._lock:
            self.from_store += 1
            self.uncertain_before += uncertain

    def left_over(self, interrupted: int, uncertain: int) -> None:
        """A picture that has no answer yet was sent before, perhaps, by this or another process.

        Args:
            interrupted: requests that nobody has counted, since the process ended first.
            uncertain: requests that were counted when they were sent.
        """
        with self._lock:
            self.uncertain += interrupted
            self.interrupted += interrupted
            self.uncertain_before += uncertain

    def got(self, reply: Reply) -> None:
        """A picture was answered."""
        with self._lock:
            self.answered += 1
            self._requests(reply.attempts, reply.uncertain)
            self._seconds.append(reply.seconds)

    def lacks(self, error: ServiceError) -> None:
        """A picture was not."""
        with self._lock:
            self.failed += 1
            self.unusable += error.answered
            self._requests(error.attempts, error.uncertain)

    def _requests(self, attempts: int, uncertain: int) -> None:
        self.sent += attempts
        self.retried += max(0, attempts - 1)
        self.uncertain += uncertain

    def record(self) -> dict[str, Any]:
        """What a run keeps of it, JSON-like.

        Returns:
            The counts; `p50_ms`, `p90_ms` and `p99_ms` of the requests that were answered, None
            without any; `price`, US dollars a call; `cost`, what the answered calls cost, and
            `cost_at_most`, what they cost if the uncertain and the unusable ones are charged too.
        """
        with self._lock:
            counts = {
                name: getattr(self, name)
                for name in (
                    "images",
                    "from_store",
                    "sent",
                    "answered",
                    "retried",
                    "uncertain",
                    "interrupted",
                    "uncertain_before",
                    "unusable",
                    "failed",
                    "resized",
                    "reduced",
                )
            }
            times: list[float | None] = [None, None, None]
            if self._seconds:
                times = [float(v) * 1e3 for v in np.percentile(self._seconds, (50, 90, 99))]
            at_most = self.answered + self.uncertain + self.unusable
            return {
                **counts,
                **dict(zip(("p50_ms", "p90_ms", "p99_ms"), times, strict=True)),
                "price": self.price,
                "cost": None if self.price is None else self.price * self.answered,
                "cost_at_most": None if self.price is None else self.price * at_most,
            }
