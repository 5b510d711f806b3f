"""Photos and videos with the answers drawn in, those behind several detectors side by side."""

from __future__ import annotations

import queue
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fxbench import overlay
from fxbench.errors import StoreError
from fxbench.files import write_atomic
from fxbench.types import UInt8

if TYPE_CHECKING:
    from types import TracebackType

    from fxbench.analysis.engine import Look
    from fxbench.types import Frames

WIDEST = 3840
"""A picture of several side by side is shrunk to so many pixels; a video's too."""

_AHEAD = 2
_JPEG = (".jpg", ".jpeg")


def drawn(image: UInt8, looks: tuple[Look, ...], frame: int) -> UInt8:
    """A picture with what was answered of it.

    Args:
        image: RGB uint8 (H, W, 3).
        looks: what each detector, and those behind it, saw: each gets a picture of its own, side by
            side where there are several.
        frame: which of the looks' pictures it is.
    """
    several = len(looks) > 1
    pictures = [
        overlay.annotate(
            image, overlay.shown(look, frame), head=(look.detector,) if several else ()
        )
        for look in looks
    ]
    whole = np.concatenate(pictures, axis=1) if several else pictures[0]
    if several and whole.shape[1] > WIDEST:
        height = max(1, round(whole.shape[0] * WIDEST / whole.shape[1]))
        whole = np.asarray(
            cv2.resize(whole, (WIDEST, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    return whole


def photo_suffix(path: Path) -> str:
    """What the annotated photo of a file is called at its end: JPEG stays JPEG, others are PNG."""
    return ".jpg" if path.suffix.lower() in _JPEG else ".png"


def write_picture(path: Path, image: UInt8, quality: int = 90) -> None:
    """Write a picture, without any metadata.

    Raises:
        StoreError: it can't be written.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix in _JPEG else []
    try:
        done, coded = cv2.imencode(path.suffix, image[..., ::-1], options)
    except cv2.error:
        done = False
    if not done:
        height, width = image.shape[:2]
        raise StoreError(
            f"{path} can't be written: a picture of {width} x {height} pixels is too large for "
            "its format."
        )
    write_atomic(path, coded.tobytes())


class Drawing:
    """A video that is drawn and written in a thread of its own, while others look at what follows.

    Use it in a `with` statement. After an exception nothing is left.
    """

    def __init__(self, path: Path, fps: float, sound: Path | None) -> None:
        """Begin.

        Args:
            path: the file, `.mp4`.
            fps: frames per second, about.
            sound: the video whose sound is taken along.

        Raises:
            UnavailableError: PyAV is not installed.
            ImageError: the sound can't be read.
            StoreError: the file can't be written.
        """
        from fxbench.recording import Recording

        self._stack = ExitStack()
        self._recording = self._stack.enter_context(Recording(path, fps, sound=sound))
        self._waiting: queue.Queue[tuple[Frames, tuple[Look, ...]] | None] = queue.Queue(_AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="fxbench-drawing", daemon=True)
        self._thread.start()

    def __enter__(self) -> Drawing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        own = self._error if kind is None else None
        if own is not None:
            self._stack.__exit__(type(own), own, own.__traceback__)
            raise own
        self._stack.__exit__(kind, error, traceback)

    def add(self, frames: Frames, looks: tuple[Look, ...]) -> None:
        """The next frames, and what was seen in them.

        Raises:
            StoreError: the file can't be written.
        """
        if self._error is not None:
            raise self._error
        self._waiting.put((frames, looks))

    def _work(self) -> None:
        while (given := self._waiting.get()) is not None:
            if self._error is not None:
                continue  # until whoever gives them hears of it
            try:
                self._draw(*given)
            except BaseException as error:  # noqa: BLE001 - raised again where frames come from
                self._error = error

    def _draw(self, frames: Frames, looks: tuple[Look, ...]) -> None:
        for index, image in enumerate(frames.images):
            self._recording.add(drawn(image, looks, index), float(frames.time_s[index]))
