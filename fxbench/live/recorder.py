"""Records a live view in a thread of its own, so that encoding delays no picture."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

from fxbench.recording import Recording
from fxbench.types import UInt8

_WAITING = 8


class Recorder:
    """A file that pictures are put into. What can't be encoded in time is left out.

    Args:
        path: the file.
        fps: frames per second, about.

    Attributes:
        lost: how many pictures were left out.
        cpu_s: processor time that was spent.
        error: why it stopped.

    Raises:
        UnavailableError: PyAV is not installed.
        StoreError: the file can't be written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.lost = 0
        self.cpu_s = 0.0
        self.error: Exception | None = None
        self._recording = Recording(path, fps)
        self._waiting: queue.Queue[tuple[UInt8, float] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="fxbench-record", daemon=True)
        self._thread.start()

    @property
    def frames(self) -> int:
        """How many pictures were recorded."""
        return self._recording.frames

    def add(self, image: UInt8, time_s: float) -> None:
        """Record a picture, shown at a time in seconds from the beginning.

        Raises:
            StoreError: the file can't be written any more.
        """
        if self.error is not None:
            raise self.error
        try:
            self._waiting.put_nowait((image, time_s))
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what is waiting, and the end of the file.

        Raises:
            StoreError: it can't be written.
        """
        while self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with self._recording as recording:
                while (item := self._waiting.get()) is not None:
                    recording.add(*item)
                    self.cpu_s = time.thread_time()
        except Exception as error:  # noqa: BLE001 - raised again where pictures come from
            self.error = error
