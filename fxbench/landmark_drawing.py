"""The video with boxes and landmarks drawn into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fxbench.errors import StoreError
from fxbench.landmark_video import Located
from fxbench.types import Float64, UInt8

_WIDE = 480
"""Smaller pictures are enlarged, by a whole factor, to about so many pixels."""

_COLOURS = ((255, 200, 80), (120, 230, 120), (80, 170, 255), (255, 130, 200), (100, 240, 255))
"""Of people, BGR."""

_CONTOURS = {
    "300w-68": (
        (range(17), False),
        (range(17, 22), False),
        (range(22, 27), False),
        (range(27, 31), False),
        (range(31, 36), False),
        (range(36, 42), True),
        (range(42, 48), True),
        (range(48, 60), True),
        (range(60, 68), True),
    )
}
"""Which points of a scheme are joined, and whether the line is closed."""

_SHIFT = 4
"""OpenCV takes coordinates as whole numbers: of sixteenths of a pixel."""


class Drawing:
    """A video that is written while it is drawn: MPEG-4 Part 2, without sound.

    Use it in a `with` statement. OpenCV gives no reason where it can't write, and keeps quiet about
    a full disk: so the frames are counted at the end.

    Args:
        path: the file, `.mp4`.
        fps: frames per second. The times of a video whose rate varies are not kept.
        scheme: of the points. One whose contours are not known is drawn as dots.

    Raises:
        StoreError: it can't be written.
    """

    def __init__(self, path: Path, fps: float, scheme: str) -> None:
        self._path = path
        self._fps = fps
        self._contours = _CONTOURS.get(scheme, ())
        self._writer: cv2.VideoWriter | None = None
        self._zoom, self._width, self._height, self._written = 1, 0, 0, 0

    def __enter__(self) -> Drawing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._check()

    def add(self, some: Located) -> None:
        """Draw the next frames.

        Raises:
            StoreError: the file can't be written.
        """
        for index, image in enumerate(some.frames.images):
            writer = self._writer or self._open(image)
            canvas = self._enlarged(image)
            for row in np.flatnonzero(some.boxes.frame == index).tolist():
                self._draw(
                    canvas,
                    some.boxes.xyxy[row].astype(np.float64),
                    some.points.xy[row].astype(np.float64),
                    int(some.boxes.track[row]),
                    found=bool(some.detected[row]),
                )
            writer.write(canvas)
            self._written += 1

    def _open(self, image: UInt8) -> cv2.VideoWriter:
        height, width = image.shape[:2]
        self._zoom = max(1, round(_WIDE / max(height, width)))
        # The encoder wants even sides.
        self._width, self._height = (
            side * self._zoom + side * self._zoom % 2 for side in (width, height)
        )
        self._writer = cv2.VideoWriter(
            str(self._path),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*"mp4v"),
            self._fps,
            (self._width, self._height),
        )
        if not self._writer.isOpened():
            raise self._failed("nothing")
        return self._writer

    def _enlarged(self, image: UInt8) -> Any:
        """A BGR copy of the size of the first frame, whatever size this one has."""
        zoom = self._zoom
        canvas = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if zoom > 1:
            canvas = cv2.resize(canvas, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
        below, right = self._height - canvas.shape[0], self._width - canvas.shape[1]
        canvas = cv2.copyMakeBorder(
            canvas, 0, max(0, below), 0, max(0, right), cv2.BORDER_REPLICATE
        )
        return np.ascontiguousarray(canvas[: self._height, : self._width])

    def _draw(
        self, canvas: Any, xyxy: Float64, points: Float64, track: int, *, found: bool
    ) -> None:
        colour = _COLOURS[track % len(_COLOURS)]
        box = _fine(xyxy.reshape(2, 2) * self._zoom - 0.5)
        # A box that the detector didn't find, but that was moved here, is thin and grey.
        edge = colour if found else (170, 170, 170)
        cv2.rectangle(canvas, box[0].tolist(), box[1].tolist(), edge, 1, cv2.LINE_AA, _SHIFT)
        x, y = np.round(xyxy[:2] * self._zoom).astype(int).tolist()
        place = (x + 2, max(y - 6, 14))
        for width, ink in ((3, (0, 0, 0)), (1, colour)):
            cv2.putText(
                canvas,
                f"person {track}",
                place,
                cv2.FONT_HERSHEY_SIMPLEX,
                0.45,
                ink,
                width,
                cv2.LINE_AA,
            )
        placed = (points + 0.5) * self._zoom - 0.5
        known = np.asarray((np.abs(placed) < 2**20).all(axis=1), np.bool_)
        for numbers, closed in self._contours:
            some = [number for number in numbers if known[number]]
            if len(some) > 1:
                line = _fine(placed[some]).reshape(-1, 1, 2)
                cv2.polylines(canvas, [line], closed, colour, 1, cv2.LINE_AA, _SHIFT)
        side = float(xyxy[2] - xyxy[0]) * self._zoom
        radius = max(1.0, side / (160 if len(points) <= 68 else 400))
        for spot in _fine(placed[known]):
            cv2.circle(
                canvas,
                spot.tolist(),
                round(radius * 2**_SHIFT),
                (255, 255, 255),
                -1,
                cv2.LINE_AA,
                _SHIFT,
            )

    def _check(self) -> None:
        reader = cv2.VideoCapture(str(self._path.absolute()), cv2.CAP_FFMPEG)
        there = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if there != self._written:
            raise self._failed(f"{there} of {self._written} frames")

    def _failed(self, what: str) -> StoreError:
        return StoreError(
            f"OpenCV wrote {what} of the video with the landmarks: its FFmpeg must be able to "
            f"encode mp4v, and {self._path.parent.parent} needs free space. --no-video leaves it "
            "out."
        )


def _fine(points: Float64) -> Any:
    return np.round(points * 2**_SHIFT).astype(np.int32)
