"""A photo or a video through an engine: what was answered, and the same drawn into the pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.analysis.columns import Layout, batch
from fxbench.analysis.engine import Engine
from fxbench.dashboard.uploads import VIDEO_SIDE, renamed, smaller
from fxbench.dashboard.workshop import Workshop
from fxbench.errors import ImageError
from fxbench.overlay import annotate, shown
from fxbench.prefetch import ahead
from fxbench.recording import Recording
from fxbench.types import Frames, UInt8
from fxbench.video import VideoReader

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 8
_MOST_FPS = 60.0
"""Frames beyond so many for each second of the limit are not looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Photographed:
    """What was answered of a photo.

    Attributes:
        annotated: RGB uint8, by detector.
        rows: a row for each face behind each detector, with the columns of `fxbench analyze`.
    """

    annotated: dict[str, UInt8]
    rows: pd.DataFrame


def photographed(workshop: Workshop, engine: Engine, image: UInt8, name: str) -> Photographed:
    """Look at a photo.

    Args:
        workshop: whose turns are taken.
        engine: that looks.
        image: RGB uint8 (H, W, 3).
        name: of the file, for the table.

    Raises:
        FxbenchError: a component fails.
    """
    with workshop.turn():
        looks = engine.look((image,))
    frames = Frames.stills((name,), (image,))
    layout = _layout(engine)
    numbers = np.zeros(1, np.int64)
    tables = [batch(layout, name, "photo", look, frames, numbers) for look in looks]
    drawn = {look.detector: annotate(image, shown(look, 0)) for look in looks}
    return Photographed(drawn, _joined(tables))


@dataclass(frozen=True, slots=True, eq=False)
class Filmed:
    """What was answered of a video.

    Attributes:
        rows: a row for each face in each frame, with the columns of `fxbench analyze`.
        film: the annotated video, H.264 in MP4; empty where it can't be written.
        frames: how many were looked at.
        seconds: how long that is.
        cut: whether the video goes on after that.
        fault: why it ended early, one sentence; empty where it didn't.
    """

    rows: pd.DataFrame
    film: bytes
    frames: int
    seconds: float
    cut: bool
    fault: str = ""


def filmed(
    workshop: Workshop,
    engine: Engine,
    reader: VideoReader,
    folder: Path,
    name: str,
    *,
    every: int,
    seconds: float,
    progress: Callable[[float, int], None],
) -> Filmed:
    """Look at a video, up to a limit.

    Args:
        workshop: whose turns are taken.
        engine: that looks, with one detector.
        reader: of the video.
        folder: for the annotated video, which is then read from there.
        name: of the file, for the table.
        every: faces are looked for in every so many frames, and followed in between.
        seconds: the limit.
        progress: told of the share that is done, from 0 to 1, and of the frames.

    Raises:
        FxbenchError: a component fails, or no frame can be decoded.
        StoreError: the annotated video can't be written.
    """
    layout = _layout(engine)
    watcher = engine.watcher(every)
    source = _Frames(reader, name, seconds)
    total = max(1.0, min(seconds * reader.info.fps, float(reader.info.frames)))
    tables = []
    done = 0
    last = 0.0
    target = folder / "annotated.mp4"
    waiting = ahead(source.batches(), 2)
    try:
        with Recording(target, reader.info.fps) as recording:
            for frames in waiting:
                with workshop.turn():
                    (look, *_) = watcher.look(frames)
                numbers = np.arange(done, done + len(frames.images))
                tables.append(batch(layout, name, "video", look, frames, numbers))
                for index, image in enumerate(frames.images):
                    drawn = annotate(image, shown(look, index))
                    recording.add(drawn, float(frames.time_s[index]))
                done += len(frames.images)
                last = float(frames.time_s[-1])
                progress(min(1.0, done / total), done)
    finally:
        waiting.close()
    if not done:
        raise ImageError(source.fault or "No frame of the video can be decoded: it is damaged.")
    return Filmed(_joined(tables), target.read_bytes(), done, last, source.cut, source.fault)


class _Frames:
    """The frames of a video in batches, until its end or a limit.

    Attributes:
        cut: whether the limit was reached.
        fault: why it ended early.
    """

    def __init__(self, reader: VideoReader, name: str, seconds: float) -> None:
        self._reader = reader
        self._name = name
        self._seconds = seconds
        self.cut = False
        self.fault = ""

    def batches(self) -> Iterator[Frames]:
        """The next ones."""
        times: list[float] = []
        pictures: list[UInt8] = []
        for time_s, picture in self._single():
            times.append(time_s)
            pictures.append(smaller(picture, VIDEO_SIDE))
            if len(pictures) == _AT_ONCE:
                yield self._made(times, pictures)
                times, pictures = [], []
        if pictures:
            yield self._made(times, pictures)

    def _single(self) -> Iterator[tuple[float, UInt8]]:
        most = math.ceil(self._seconds * _MOST_FPS)
        try:
            for number, time_s, picture in self._reader.read(range(self._reader.info.frames)):
                if time_s >= self._seconds or number >= most:
                    self.cut = True
                    return
                yield time_s, picture
        except ImageError as error:
            # What came before the damage can be looked at all the same.
            self.fault = renamed(str(error), self._name)

    @staticmethod
    def _made(times: list[float], pictures: list[UInt8]) -> Frames:
        names = tuple(map(str, range(len(times))))
        return Frames(names, tuple(pictures), np.array(times, np.float64))


def _layout(engine: Engine) -> Layout:
    # Measures say something only less a person's neutral face, which a page doesn't know yet.
    return Layout(engine.cast.classifiers, engine.cast.landmarkers, ())


def _joined(tables: list[Any]) -> pd.DataFrame:
    import pyarrow as pa

    rows: pd.DataFrame = pa.Table.from_batches(tables).to_pandas()
    return rows[[column for column in rows.columns if not column.endswith(".points")]]
