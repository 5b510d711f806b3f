"""Reading videos: files that OpenCV's FFmpeg decodes, and folders of images in the place of one.

A video is read from its first frame to its last, with one picture in memory. Nothing jumps in it:
where a jump lands differs between containers, and a frame must be the same however it was reached.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# FFmpeg writes its complaints about damaged files to standard error, past any handler. They are
# told by whoever asked for the file, in one sentence. OpenCV reads this when it is first used.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

from fxbench import images
from fxbench.containers import container, flv_frames, shown
from fxbench.errors import ImageError
from fxbench.types import Int64, UInt8

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"),
    *(".flv", ".wmv", ".mpg", ".mpeg", ".ts"),
)
"""What video files are called, in lower case."""

_GUESSED_FPS = 25.0
_ATTEMPTS = 50
_DIGITS = re.compile(r"(\d+)")
# One thread, and no hardware: the same damaged file gives the same frames on every machine.
_SETTINGS = (
    *(cv2.CAP_PROP_N_THREADS, 1),
    *(cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE),
)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before it is read.

    Attributes:
        frames: how many it has, by its container.
        fps: frames per second, on average.
        width: of a frame as it is shown, pixels.
        height: likewise.
    """

    frames: int
    fps: float
    width: int
    height: int


class Reader(Protocol):
    """What reads a video."""

    info: VideoInfo

    def frame(self, number: int) -> tuple[float, UInt8]:
        """A frame: seconds into the video, and the picture, RGB uint8 (H, W, 3)."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class VideoReader:
    """A video file, frame by frame. Close it, or use it in a `with` statement.

    Asking for ascending frames decodes each once; those between them are decoded, and not
    converted. Asking for an earlier frame begins again at the first. Rotation that the file asks
    for is done. Not for several threads at once.

    Args:
        path: the file.
        root: a folder that it must lie in: a path or a link that leads out of it is not read.
        fps: frames per second where the file's own are wrong. Where they agree (within 1 %), or
            this is None, times come from the file, so that they are right at a variable rate.
        info: what :func:`probe` told of the file, which then needs not be found out again.

    Raises:
        ImageError: it is missing, no plain file, no video, damaged, or its pictures have more than
            :data:`fxbench.images.MAX_PIXELS` pixels.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        root: Path | None = None,
        fps: float | None = None,
        info: VideoInfo | None = None,
    ) -> None:
        self._path = path = Path(path)
        form = container(path, root)
        self._capture = _open(path)
        self._next = 0
        self._time = 0.0
        self._length: int | None = None
        self._damaged = False
        self._steady = True
        self._lost: set[int] = set()
        own = self._capture.get(cv2.CAP_PROP_FPS)
        self._rate = own if math.isfinite(own) and own > 0 else fps or _GUESSED_FPS
        told = fps is not None and not math.isclose(fps, own, rel_tol=0.01)
        self._fixed = fps if told else None
        try:
            self.info = info or self._probe(form, fps or self._rate)
        except BaseException:
            self.close()
            raise

    def frame(self, number: int) -> tuple[float, UInt8]:
        """A frame.

        Args:
            number: from 0 on.

        Returns:
            Seconds into the video, and the picture, RGB uint8 (H, W, 3).

        Raises:
            ImageError: the video ends before it, or it can't be decoded.
        """
        if self._length is not None and number >= self._length:
            raise self._short()
        if number < self._next - 1 and number not in self._lost:
            self._restart()
        while self._next <= number:
            if not self._grab():
                self._length = self._next
                raise self._short()
        if number in self._lost:
            raise ImageError(f"Frame {number} of {self._path.name} is damaged.")
        there, picture = self._capture.retrieve()
        if not there or picture is None:
            raise ImageError(f"Frame {number} of {self._path.name} can't be decoded.")
        if picture.shape[0] * picture.shape[1] > images.MAX_PIXELS:
            raise ImageError(_too_large(self._path, picture.shape[1], picture.shape[0]))
        code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
        return self._time, cv2.cvtColor(picture, code).astype("uint8", copy=False)

    def read(self, frames: Int64 | Iterable[int]) -> Iterator[tuple[int, float, UInt8]]:
        """Frames, one after another. Damaged ones with good ones after them are left out.

        Args:
            frames: their numbers, ascending.

        Yields:
            The number, seconds into the video, and the picture, RGB uint8 (H, W, 3).

        Raises:
            ImageError: the video ends before one of them.
        """
        for number in map(int, frames):
            try:
                time_s, picture = self.frame(number)
            except ImageError:
                if number in self._lost:
                    continue
                raise
            yield number, time_s, picture

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _grab(self) -> bool:
        attempts = _ATTEMPTS
        while not self._capture.grab():
            # The end, or damage with good frames after it.
            attempts -= 1
            if not attempts:
                return False
            self._damaged = True
        own = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        place = round(own * self._rate)
        if not self._damaged:
            self._steady &= place == self._next
        elif not self._steady:
            return False  # nobody knows which frame it is
        elif place > self._next:
            self._lost.update(range(self._next, place))
            self._next = place
        if self._fixed is not None:
            self._time = self._next / self._fixed
        elif self._next == 0:
            self._time = own if own > 0 else 0.0
        else:
            # Some containers have no times, or such as go back: time goes on all the same.
            self._time = own if own > self._time else self._time + 1 / self._rate
        self._next += 1
        return True

    def _restart(self) -> None:
        self.close()
        self._capture = _open(self._path)
        self._next, self._time = 0, 0.0
        self._damaged, self._steady = False, True

    def _short(self) -> ImageError:
        return ImageError(
            f"{self._path.name} ends after frame {self._length} of {self.info.frames}: it is cut "
            "short or damaged."
        )

    def _probe(self, form: str, rate: float) -> VideoInfo:
        capture = self._capture
        width, height = (
            int(capture.get(name)) for name in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width < 1 or height < 1:
            raise ImageError(f"{self._path.name} has no pictures: they are {width} x {height}.")
        if width * height > images.MAX_PIXELS:
            raise ImageError(_too_large(self._path, width, height))
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        # A frame takes a byte at least: a damaged header may promise millions.
        if form in ("avi", "iso") and 1 <= count <= self._path.stat().st_size:
            return VideoInfo(int(count), rate, width, height)
        if form == "flv" and (frames := flv_frames(self._path)):
            return VideoInfo(frames, rate, width, height)
        # Other containers don't say, and what OpenCV answers is reckoned from the duration.
        while self._grab():
            pass
        frames = self._next
        while any(capture.grab() for _ in range(_ATTEMPTS)):
            frames += 1  # after damage, so that they are missed, and listed
        if not frames:
            raise ImageError(f"No frame of {self._path.name} can be decoded: it is damaged.")
        self._restart()
        return VideoInfo(frames, rate, width, height)


class ImageFolder:
    """Images in the place of a video: each is a frame.

    Args:
        files: of the frames, in order: see :func:`image_files`.
        fps: frames per second.
        root: a folder that they must lie in: a path or a link that leads out of it is not read.
        info: what is known already.

    Raises:
        ImageError: there is no file, or the first can't be read.
    """

    def __init__(
        self, files: Sequence[Path], fps: float, *, root: Path, info: VideoInfo | None = None
    ) -> None:
        for folder in {path.parent for path in files}:
            if not folder.resolve().is_relative_to(root.resolve()):
                raise ImageError(f"{folder} leads out of {root}: it is not read.")
        self._files = tuple(files)
        self._fps = fps
        self._root = root
        if info is None:
            if not self._files:
                raise ImageError(f"{root} holds no images.")
            height, width = self._picture(0).shape[:2]
            info = VideoInfo(len(self._files), fps, width, height)
        self.info = info

    def frame(self, number: int) -> tuple[float, UInt8]:
        """A frame: seconds into the video, and the picture, RGB uint8 (H, W, 3).

        Raises:
            ImageError: its file can't be read.
        """
        return number / self._fps, self._picture(number)

    def read(self, frames: Int64 | Iterable[int]) -> Iterator[tuple[int, float, UInt8]]:
        """Frames, one after another, as :meth:`VideoReader.read` gives them."""
        for number in frames:
            yield int(number), *self.frame(int(number))

    def close(self) -> None:
        """Nothing is open."""

    def _picture(self, number: int) -> UInt8:
        path = self._files[number]
        return images.decode(images.read(path, self._root, path.name), path.name)


def probe(path: Path | str, *, root: Path | None = None, fps: float | None = None) -> VideoInfo:
    """How long and how large a video is.

    MP4, MOV, AVI and FLV files say how many frames they have. Others are decoded to count them.

    Args:
        path: the file.
        root: as for :class:`VideoReader`.
        fps: likewise.

    Raises:
        ImageError: likewise.
    """
    with VideoReader(path, root=root, fps=fps) as reader:
        return reader.info


def image_files(folder: Path) -> tuple[Path, ...]:
    """The images of a folder in natural order: `img2.jpg` before `img10.jpg`.

    Raises:
        ImageError: the folder can't be read.
    """
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in images.SUFFIXES and not path.name.startswith(".")
        ]
    except OSError as error:
        raise ImageError(f"{folder} can't be read: {error.strerror or error}.") from error
    return tuple(sorted(found, key=lambda path: natural(path.name)))


def natural(name: str) -> tuple[Any, ...]:
    """What names are sorted by so that their numbers count as numbers."""
    parts = _DIGITS.split(name.lower())
    return [(int(part), part) if i % 2 else part for i, part in enumerate(parts)], name


def frame_number(path: Path) -> int | None:
    """The last number in a file's name, such as 46 for `reg_img46.jpg`; None where it has none."""
    found = _DIGITS.findall(path.stem)
    return int(found[-1]) if found else None


def _open(path: Path) -> Any:
    name = str(path.absolute())  # which is never taken for the name of a protocol
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        # OpenCV would end the whole process.
        raise ImageError(
            f"{shown(path)} can't be opened: its path is not valid UTF-8. Rename it."
        ) from error
    capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, _SETTINGS)
    if not capture.isOpened():
        capture.release()
        raise ImageError(
            f"{shown(path)} can't be opened as a video: it is cut short, damaged, or of a kind "
            "that OpenCV's FFmpeg doesn't know."
        )
    return capture


def _too_large(path: Path, width: int, height: int) -> str:
    return (
        f"{shown(path)} is {width} x {height} pixels, more than the "
        f"{images.MAX_PIXELS // 1_000_000} megapixels that are read: make it smaller."
    )
