"""Hands a spotter the frames of a video as they come, in a thread of its own.

A spotter asks for one part after another, while the frames are decoded and analysed batch by batch
for all components at once. So each spotter waits in its own thread for the next batch.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.clips import MACRO, MICRO, Interval, Part, Track
from fxbench.errors import PluginError


class Spotting:
    """One spotter at work on one video.

    Attributes:
        seconds: how long the spotter itself has worked.
        frames: how many it was given.
    """

    def __init__(self, name: str, spotter: Any, fps: float) -> None:
        """Begin.

        Args:
            name: of the component, for messages.
            spotter: a :class:`fxbench.protocols.Spotter`.
            fps: frames per second of those that will be given.
        """
        self.seconds = 0.0
        self.frames = 0
        self._name = name
        self._waiting: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self._done = False
        self._answer: Any = None
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(spotter, fps), name=f"fxbench-{name}", daemon=True
        )
        self._thread.start()

    def give(self, part: Part) -> None:
        """Hand over the next frames, and wait until the spotter is done with them.

        So one works at a time, and what it takes is its own time. One that is done with the video
        needs no more frames.

        Raises:
            BaseException: what the spotter raised.
        """
        self.frames += len(part.frame)
        self._put(part)
        if self._error is not None:
            raise self._error

    def end(self, last: int) -> tuple[Interval, ...]:
        """What was found, when all frames have been given.

        Args:
            last: the number of the clip's last frame.

        Raises:
            PluginError: the answer is no tuple of intervals of the clip in order.
            BaseException: what the spotter raised.
        """
        self._put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        found = self._answer
        if not isinstance(found, tuple) or not all(isinstance(one, Interval) for one in found):
            raise PluginError(f"What {self._name} returns must be a tuple of Interval.")
        onsets = [one.onset for one in found]
        if onsets != sorted(onsets):
            raise PluginError(f"{self._name} returned intervals out of order: {onsets}.")
        if any(one.offset > last for one in found):
            raise PluginError(
                f"{self._name} returned an interval to frame {max(one.offset for one in found)} "
                f"of a clip that ends with frame {last}."
            )
        return found

    def stop(self) -> None:
        """Give up."""
        self._over.set()
        self._idle.wait()
        self._waiting.put(None)
        self._thread.join()

    def _put(self, part: Part | None) -> None:
        self._idle.wait()
        if self._thread.is_alive() and not self._done:
            self._idle.clear()
            self._waiting.put(part)
            self._idle.wait()

    def _parts(self) -> Iterator[Part]:
        while True:
            begin = time.perf_counter()
            part = self._next()
            self.seconds -= time.perf_counter() - begin
            if part is None:
                return
            yield part

    def _next(self) -> Part | None:
        if not self._over.is_set():
            self._idle.set()
            part = self._waiting.get()
        if self._over.is_set():
            raise _StoppedError
        return part

    def _work(self, spotter: Any, fps: float) -> None:
        begin = time.perf_counter()
        try:
            self._answer = spotter.spot(Track(fps, self._parts()))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the run
            self._error = error
        self.seconds += time.perf_counter() - begin
        self._done = True
        self._idle.set()


class _StoppedError(Exception):
    """Nobody wants the answer any more."""


def kept(found: tuple[Interval, ...], clip: int) -> dict[str, npt.NDArray[Any]]:
    """Intervals as columns of a chunk.

    Args:
        found: in a video.
        clip: the row of its first frame.
    """
    return {
        "row": np.full(len(found), clip, np.int32),
        "onset": np.array([one.onset for one in found], np.int32),
        "apex": np.array([-1 if one.apex is None else one.apex for one in found], np.int32),
        "offset": np.array([one.offset for one in found], np.int32),
        "micro": np.array([one.kind == MICRO for one in found], np.bool_),
        "score": np.array([one.score for one in found], np.float32),
    }


def recalled(columns: Mapping[str, npt.NDArray[Any]], clip: int) -> tuple[Interval, ...]:
    """The intervals of a video that :func:`kept` made columns of."""
    there = np.flatnonzero(columns["row"] == clip)
    names = ("onset", "apex", "offset", "micro", "score")
    return tuple(
        Interval(onset, None if apex < 0 else apex, offset, MICRO if micro else MACRO, score)
        for onset, apex, offset, micro, score in zip(
            *(columns[name][there].tolist() for name in names), strict=True
        )
    )
