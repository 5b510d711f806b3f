"""Pictures written as a video without PyAV: MPEG-4 Part 2, by OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fxbench.errors import StoreError
from fxbench.types import UInt8, check_image


class PlainRecording:
    """A video that is written while its pictures are made. Use it in a `with` statement.

    It stands in for :class:`fxbench.recording.Recording` where that can't be had: browsers don't
    play it, it has no sound, and the pictures follow one another at an even rate. OpenCV gives no
    reason where it can't write, and keeps quiet about a full disk: so the frames are counted at the
    end.

    Args:
        path: the file, `.mp4`. It is not whole before the end.
        fps: frames per second.

    Raises:
        StoreError: it can't be written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self.frames = 0

    def __enter__(self) -> PlainRecording:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._check()

    def add(self, image: UInt8, time_s: float) -> None:  # noqa: ARG002 - the rate is even
        """Write the next picture, see :meth:`fxbench.recording.Recording.add`.

        Raises:
            StoreError: it can't be written.
        """
        check_image("A picture of a recording", image)
        writer = self._writer or self._open(image)
        writer.write(cv2.cvtColor(fitted(image, self._size), cv2.COLOR_RGB2BGR))
        self.frames += 1

    def _open(self, image: UInt8) -> cv2.VideoWriter:
        self._size = even(image)
        height, width = self._size
        form = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(
            str(self._path.absolute()), cv2.CAP_FFMPEG, form, self._fps, (width, height)
        )
        if not writer.isOpened():
            raise self._failed("nothing")
        self._writer = writer
        return writer

    def _check(self) -> None:
        reader = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        there = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if there != self.frames:
            raise self._failed(f"{there} of {self.frames} frames")

    def _failed(self, what: str) -> StoreError:
        return StoreError(
            f"OpenCV wrote {what} of the video {self._path}: its FFmpeg must be able to encode "
            "mp4v, and the disk needs free space. PyAV is the better writer: pip install "
            "'fxbench[video]'"
        )


def even(image: UInt8) -> tuple[int, int]:
    """Height and width of a video of that picture: encoders want even sides."""
    height, width = image.shape[:2]
    return height + height % 2, width + width % 2


def fitted(image: UInt8, size: tuple[int, int]) -> UInt8:
    """A picture of that height and width: cut off or continued at its right and lower edges."""
    height, width = size
    below, right = max(0, height - image.shape[0]), max(0, width - image.shape[1])
    if below or right:
        grown = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        image = np.asarray(grown, np.uint8)
    return np.ascontiguousarray(image[:height, :width])
