"""The frames of a video, a few at a time."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import ImageError
from fxbench.types import Frames, Int64, UInt8

if TYPE_CHECKING:
    from fxbench.video import Reader

_FRAMES = 8
_PIXELS = 4_000_000
"""So many frames are a batch at most, and so many pixels if they are more than one."""


def frame_batches(reader: Reader, numbers: Int64) -> Generator[tuple[Int64, Frames], None, None]:
    """Some frames of a video in batches that need little memory.

    Args:
        reader: of the video.
        numbers: int64 (N,), the frames that are taken, ascending.

    Yields:
        The numbers of a batch, and its frames, named by them.

    Raises:
        ImageError: the video ends sooner, or a frame can't be decoded: after what comes before it.
    """
    size = int(np.clip(_PIXELS // (reader.info.width * reader.info.height), 1, _FRAMES))
    kept: list[tuple[int, float, UInt8]] = []
    try:
        for number in numbers.tolist():
            kept.append((number, *reader.frame(number)))
            if len(kept) == size:
                yield _batch(kept)
                kept = []
    except ImageError:
        if kept:
            yield _batch(kept)
        raise
    if kept:
        yield _batch(kept)


def _batch(kept: list[tuple[int, float, UInt8]]) -> tuple[Int64, Frames]:
    numbers = np.array([number for number, _, _ in kept], np.int64)
    times = np.array([time_s for _, time_s, _ in kept])
    return numbers, Frames(tuple(map(str, numbers.tolist())), tuple(k[2] for k in kept), times)
