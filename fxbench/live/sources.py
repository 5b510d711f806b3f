"""Where the pictures come from: a camera, or a video file that is played as if it were one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from fxbench.errors import ImageError, UnavailableError
from fxbench.types import UInt8
from fxbench.video import VideoReader

import cv2  # isort: skip # after fxbench.video, which keeps its FFmpeg quiet

_PATIENCE = 100
"""So many times in a row a camera may give nothing before it is given up."""

_PATIENCE_S = 10.0
"""Or for so long: a driver that hangs waits itself, each time."""


class Source(Protocol):
    """Something that pictures come from.

    Attributes:
        name: for people.
        fps: frames per second, about.
        skipped: frames that were due and not taken, since the machine was too slow.
    """

    name: str
    fps: float
    skipped: int

    def first(self) -> UInt8:
        """A picture to begin with, before :meth:`run`: RGB uint8 (H, W, 3)."""
        ...

    def run(self, put: Callable[[UInt8, float], None], stop: threading.Event) -> None:
        """Hand over pictures until there is none any more, or `stop` is set.

        Args:
            put: is given a picture and when it was taken, on the clock of `time.monotonic`.
            stop: ends it.

        Raises:
            ImageError: no more pictures come, though some should.
        """
        ...

    def close(self) -> None:
        """Let go of the camera or the file."""
        ...


class File:
    """A video file, played at its own rate: what is late is skipped, as a camera would.

    Args:
        path: the file.
        loop: whether it begins again at its end.

    Raises:
        ImageError: it can't be read.
    """

    def __init__(self, path: Path, *, loop: bool = False) -> None:
        self._reader = VideoReader(path)
        self._loop = loop
        self.name = path.name
        self.fps = self._reader.info.fps
        self.skipped = 0
        self._next = 0

    def first(self) -> UInt8:
        """See :class:`Source`."""
        return self._reader.frame(0)[1]

    def run(self, put: Callable[[UInt8, float], None], stop: threading.Event) -> None:
        """See :class:`Source`."""
        begin = time.monotonic() - self._reader.frame(0)[0]
        while True:
            last_s = 0.0
            for number, time_s, image in self._reader.read(self._numbers(stop)):
                last_s, due = time_s, begin + time_s
                late = time.monotonic() - due
                if late < 0:
                    stop.wait(-late)
                if stop.is_set():
                    return
                put(image, due)
                behind = int(max(0.0, time.monotonic() - due) * self.fps)
                behind = min(behind, max(0, self._reader.info.frames - 2 - number))
                self._next = number + 1 + behind
                self.skipped += behind
            if not self._loop or stop.is_set():
                return
            begin += last_s + 1 / self.fps

    def close(self) -> None:
        """See :class:`Source`."""
        self._reader.close()

    def _numbers(self, stop: threading.Event) -> Iterator[int]:
        """Which frame is read next, decided when it is asked for."""
        self._next = 0
        while self._next < self._reader.info.frames and not stop.is_set():
            number = self._next
            self._next += 1
            yield number


class Webcam:
    """A camera of this machine.

    The time of a picture is when it arrived: what the camera itself takes is not known.

    Args:
        index: which, from 0 on.

    Raises:
        UnavailableError: it can't be opened, or gives no picture.
    """

    def __init__(self, index: int) -> None:
        self.name = f"camera {index}"
        self.skipped = 0
        self._camera = cv2.VideoCapture(index)
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        image = self._picture()
        if image is None:
            self.close()
            raise UnavailableError(
                f"There is no camera {index} that gives pictures: plug one in, close the programs "
                "that use it, or name another number or a video file with --source."
            )
        self._first = image
        fps = self._camera.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 1 <= fps <= 240 else 25.0

    def first(self) -> UInt8:
        """See :class:`Source`."""
        return self._first

    def run(self, put: Callable[[UInt8, float], None], stop: threading.Event) -> None:
        """See :class:`Source`."""
        while not stop.is_set():
            image = self._picture(stop)
            if stop.is_set():
                return
            if image is None:
                raise ImageError(
                    f"{self.name.capitalize()} gives no pictures any more: plug it in again and "
                    "give the same command."
                )
            put(image, time.monotonic())

    def close(self) -> None:
        """See :class:`Source`."""
        self._camera.release()

    def _picture(self, stop: threading.Event | None = None) -> UInt8 | None:
        if not self._camera.isOpened():
            return None
        given_up_s = time.monotonic() + _PATIENCE_S
        for _ in range(_PATIENCE):
            if time.monotonic() > given_up_s or (stop is not None and stop.is_set()):
                break
            there, picture = self._camera.read()
            if there and picture is not None:
                return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype("uint8", copy=False)
            time.sleep(0.02)
        return None


def opened(text: str, *, loop: bool = False) -> Source:
    """The source that a text means: the number of a camera, or a file.

    Args:
        text: such as `0` or `talk.mp4`. A file whose name is a number is `./0`.
        loop: whether a file begins again at its end.

    Raises:
        UnavailableError: there is no such camera.
        ImageError: the file can't be read.
    """
    if text.isascii() and text.isdigit():
        return Webcam(int(text))
    return File(Path(text).expanduser(), loop=loop)
