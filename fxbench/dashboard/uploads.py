"""Files that a browser sends: bounded before they are decoded, and never written by their name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from fxbench import images, video
from fxbench.errors import ImageError, StoreError
from fxbench.tabular import clean
from fxbench.types import UInt8
from fxbench.video import VideoReader

LONGEST_SIDE = 2560
"""A photo whose longer side has more pixels is made smaller before it is looked at."""

VIDEO_PIXELS = 4096 * 2304
"""The largest picture of a video."""

VIDEO_SIDE = 1280
"""A video whose longer side has more pixels is made smaller before it is looked at."""

_UPLOADED = "uploaded-video"
"""What a video is called on disk, whatever its own name."""

PHOTOS = tuple(suffix.removeprefix(".") for suffix in images.SUFFIXES)
VIDEOS = tuple(suffix.removeprefix(".") for suffix in video.SUFFIXES)


def is_video(name: str) -> bool:
    """Whether a file is called as videos are."""
    return Path(name).suffix.lower().removeprefix(".") in VIDEOS


def named(name: str) -> str:
    """A file's name for people: short, on one line."""
    name = clean(name)
    return name if len(name) <= 80 else f"{name[:60]}…{name[-16:]}"


def renamed(message: str, name: str) -> str:
    """A message about a video with the name that a person knows it by."""
    return message.replace(_UPLOADED, named(name), 1)


def photo(data: bytes, name: str) -> UInt8:
    """The picture in a file, RGB uint8 (H, W, 3), at most :data:`LONGEST_SIDE` long.

    Raises:
        ImageError: see :func:`fxbench.images.decode`.
    """
    return smaller(images.decode(data, named(name)), LONGEST_SIDE)


def smaller(image: UInt8, side: int) -> UInt8:
    """A picture whose longer side has at most so many pixels."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = [max(1, round(scale * length)) for length in image.shape[1::-1]]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


@contextmanager
def film(data: bytes, name: str) -> Iterator[tuple[VideoReader, Path]]:
    """A video in a temporary folder that is gone in the end.

    Args:
        data: of the file.
        name: of the file, for messages.

    Yields:
        What reads it, and the folder, which other files may be written into.

    Raises:
        ImageError: it is no video, damaged, or its pictures are too large.
        StoreError: the temporary folder can't be written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="fxbench-dashboard-")
    except OSError as error:
        raise StoreError(f"No temporary folder can be made: {error.strerror or error}.") from error
    with folder as place:
        path = Path(place) / _UPLOADED
        try:
            path.write_bytes(data)
        except OSError as error:
            raise StoreError(
                f"{named(name)} can't be written to the temporary folder: "
                f"{error.strerror or error}. Free some space there."
            ) from error
        try:
            reader = VideoReader(path, root=Path(place))
        except ImageError as error:
            raise ImageError(renamed(str(error), name)) from error
        with reader:
            info = reader.info
            if info.width * info.height > VIDEO_PIXELS:
                raise ImageError(
                    f"{named(name)} is {info.width} x {info.height} pixels, and videos of up to "
                    "4096 x 2304 are looked at: make it smaller."
                )
            yield reader, Path(place)
