"""How a live view went: how many pictures and answers, and how far the answers lagged."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np

_WINDOW_S = 2.0
_BINS, _BIN_S = 10_000, 0.001


class Rate:
    """How often something happens per second."""

    def __init__(self) -> None:
        """It did not happen yet."""
        self.count = 0
        self._first = self._last = 0.0
        self._recent: deque[float] = deque()

    def happened(self, now: float) -> None:
        """It happened, at a time in seconds."""
        if not self.count:
            self._first = now
        self.count += 1
        self._last = now
        self._recent.append(now)
        self._forget(now)

    def now(self, now: float) -> float:
        """Over the last two seconds."""
        self._forget(now)
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / max(1e-9, self._recent[-1] - self._recent[0])

    def overall(self) -> float | None:
        """From its first time to its last; None where there are not two."""
        return (self.count - 1) / (self._last - self._first) if self._last > self._first else None

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0] < now - _WINDOW_S:
            self._recent.popleft()


class Tally:
    """Counts of a live view; several threads may count.

    The lag is the age, when a picture is displayed, of the picture that the answers drawn into it
    are about. It is counted in milliseconds, so that a long view takes no more memory than a short
    one.

    Attributes:
        read: pictures that the source gave.
        cpu: seconds of processor time, by what they were spent on.
    """

    def __init__(self) -> None:
        """Of a view that has not begun."""
        self.read = 0
        self.cpu: dict[str, float] = {}
        self._shown, self._answers = Rate(), Rate()
        self._lags = np.zeros(_BINS, np.int64)
        self._longest = 0.0
        self._recent: deque[tuple[float, float]] = deque()
        self._lock = threading.Lock()

    def shown(self, lag_s: float | None) -> None:
        """A picture was displayed, with answers of that age."""
        now = time.monotonic()
        with self._lock:
            self._shown.happened(now)
            if lag_s is not None:
                self._lags[min(int(lag_s / _BIN_S), _BINS - 1)] += 1
                self._longest = max(self._longest, lag_s)
                self._recent.append((now, lag_s))
                while self._recent[0][0] < now - _WINDOW_S:
                    self._recent.popleft()

    def answered(self) -> None:
        """The components answered about a picture."""
        with self._lock:
            self._answers.happened(time.monotonic())

    def spent(self, what: str) -> None:
        """Note the processor time of the thread that calls."""
        self.cpu[what] = time.thread_time()

    def current(self) -> dict[str, float | None]:
        """The rates and the median lag of the last two seconds."""
        now = time.monotonic()
        with self._lock:
            lags = [lag for _, lag in self._recent]
            return {
                "shown_per_s": round(self._shown.now(now), 1),
                "answers_per_s": round(self._answers.now(now), 1),
                "lag_s": round(float(np.median(lags)), 3) if lags else None,
            }

    def record(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        with self._lock:
            return {
                "frames_read": self.read,
                "frames_shown": self._shown.count,
                "shown_per_s": _rounded(self._shown.overall(), 2),
                "answers": self._answers.count,
                "answers_per_s": _rounded(self._answers.overall(), 2),
                "lag_s": {
                    "p50": self._quantile(0.5),
                    "p95": self._quantile(0.95),
                    "max": round(self._longest, 3) if self._lags.any() else None,
                },
            }

    def _quantile(self, share: float) -> float | None:
        total = int(self._lags.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self._lags), share * total))
        # The upper edge of a bin: no lag is told shorter than it was.
        return round(min((place + 1) * _BIN_S, self._longest), 3)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
