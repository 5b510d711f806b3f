"""One video: looked at frame by frame, drawn, spotted in, and written down."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fxbench.analysis import tracks
from fxbench.analysis.columns import batch
from fxbench.analysis.drawn import Drawing
from fxbench.analysis.faces_kept import Portraits, write_events
from fxbench.analysis.people import people_in
from fxbench.analysis.spots import Spots
from fxbench.clips import taken
from fxbench.errors import ImageError
from fxbench.files import TEMPORARY_SUFFIX
from fxbench.frame_batches import frame_batches
from fxbench.prefetch import ahead
from fxbench.video import VideoReader

if TYPE_CHECKING:
    from fxbench.analysis.columns import Layout
    from fxbench.analysis.engine import Engine, Look
    from fxbench.analysis.people import Person
    from fxbench.speech import Said
    from fxbench.types import Frames

ANNOTATED = "annotated"
_ROWS = 1000
"""So many rows are a group of the Parquet file."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are looked at and what is written of them.

    Attributes:
        fps: frames per second of a video that are taken at most; None for all.
        every: detectors look at every so many of those.
        photos: whether photos with the answers drawn in are written.
        videos: whether such videos are.
        pictures: whether pictures of faces are kept.
    """

    fps: float | None = None
    every: int = 1
    photos: bool = True
    videos: bool = True
    pictures: bool = True


@dataclass(frozen=True, slots=True)
class Task:
    """A video to be analysed.

    Attributes:
        path: the file.
        shown: what tables call it.
        name: of what is written of it.
        root: the folder that is written to.
        rows: the Parquet file of its rows.
    """

    path: Path
    shown: str
    name: str
    root: Path
    rows: Path


@dataclass(slots=True)
class _Seen:
    """What has gone by."""

    width: int = 0
    height: int = 0
    rate: float = 0.0
    frames: int = 0
    first: float = 0.0
    last: float = 0.0
    with_face: dict[str, int] = field(default_factory=dict)
    faces: dict[str, int] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    def add(self, looks: tuple[Look, ...], frames: Frames) -> None:
        if not self.frames:
            self.first = float(frames.time_s[0])
        self.last = float(frames.time_s[-1])
        self.frames += len(frames.images)
        for look in looks:
            there = len(np.unique(look.boxes.frame))
            self.with_face[look.detector] = self.with_face.get(look.detector, 0) + there
            self.faces[look.detector] = self.faces.get(look.detector, 0) + len(look.boxes)
            for (_, component), why in look.silent.items():
                self.silent.setdefault(component, why)


class _Rows:
    """The rows of a video on their way into its Parquet file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, rows: pa.RecordBatch) -> None:
        self._waiting.append(rows)
        self._count += rows.num_rows
        if self._count >= _ROWS:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._count = [], 0

    def close(self) -> None:
        self.flush()
        self._writer.close()


def analyse(
    task: Task,
    engine: Engine,
    layout: Layout,
    manner: Manner,
    *,
    listen: Callable[[Path], Said] | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Look at a video and write what was seen.

    It is decoded ahead of the looking, and drawn and encoded behind it; a few frames of it are in
    memory. Of a video that ends too soon everything up to there is written.

    Args:
        task: which, and where to.
        engine: looks.
        layout: of the table.
        manner: how.
        listen: tells what is said; None where nobody asks.
        progress: called with the share of the frames that is done.

    Returns:
        What is known of it, as JSON can hold it.

    Raises:
        ImageError: it is no video, or has not one frame that can be decoded.
        PluginError: a component fails.
        UnavailableError: a video is to be written, and PyAV is not installed.
        StoreError: something can't be written.
    """
    begin = time.perf_counter()
    portraits, seen = Portraits(), _Seen()
    annotated = f"{ANNOTATED}/{task.name}.mp4" if manner.videos else None
    with _whole(task.rows) as unfinished:
        spots = _look(
            task, engine, layout, manner, unfinished, annotated, portraits, seen, progress
        )
    looked = time.perf_counter() - begin
    people = people_in(task.rows, layout)
    events = spots.end()
    faces: dict[tuple[str, int], str] = {}
    moments: dict[int, dict[str, str]] = {}
    if manner.pictures:
        faces = portraits.write(task.root, task.name)
        moments = write_events(task.path, task.root, task.name, events, people)
    said = None if listen is None else listen(task.path)
    frame_s = 1 / seen.rate
    files = [] if annotated is None else [annotated]
    files += tracks.write(task.path, task.name, task.root, people, events, said, frame_s)
    faults = [seen.fault] if seen.fault else []
    faults += [f"{name} gave no answer to some frames: {why}" for name, why in seen.silent.items()]
    faults += spots.faults
    return {
        "file": task.shown,
        "name": task.name,
        "kind": "video",
        "width": seen.width,
        "height": seen.height,
        "fps": round(seen.rate, 4),
        "every": manner.every,
        "frames": seen.frames,
        "seconds": round(seen.last - seen.first + frame_s, 4),
        "analysed_in_s": round(looked, 3),
        "frames_with_face": seen.with_face,
        "faces": seen.faces,
        "people": [_about(person, faces, frame_s) for person in people],
        "events": [
            event.record() | {"pictures": moments.get(index, {})}
            for index, event in enumerate(events)
        ],
        "not_spotted": spots.left_out,
        "said": None if said is None else said.record(),
        "faults": faults,
        "cut_short": bool(seen.fault),
        "files": files,
    }


def _look(
    task: Task,
    engine: Engine,
    layout: Layout,
    manner: Manner,
    rows: Path,
    annotated: str | None,
    portraits: Portraits,
    seen: _Seen,
    progress: Callable[[float], None] | None,
) -> Spots:
    """The one pass over the video."""
    with ExitStack() as stack:
        reader = stack.enter_context(VideoReader(task.path.resolve()))
        info = reader.info
        seen.width, seen.height = info.width, info.height
        seen.rate = info.fps if manner.fps is None else min(info.fps, manner.fps)
        numbers = taken(info.frames, info.fps, manner.fps)
        spots = Spots(engine, seen.rate)
        table = _Rows(rows, layout.schema())
        stack.callback(table.close)
        drawing = None
        if annotated is not None:
            drawing = stack.enter_context(Drawing(task.root / annotated, seen.rate, task.path))
        watcher = engine.watcher(manner.every)
        batches = ahead(frame_batches(reader, numbers), 2)
        stack.callback(batches.close)
        try:
            for some, frames in batches:
                looks = watcher.look(frames)
                for look in looks:
                    table.add(batch(layout, task.shown, "video", look, frames, some))
                if drawing is not None:
                    drawing.add(frames, looks)
                if manner.pictures:
                    portraits.add(looks, frames)
                spots.add(looks, frames, some)
                seen.add(looks, frames)
                if progress is not None:
                    progress(seen.frames / len(numbers))
        except ImageError as error:
            if not seen.frames:
                raise
            seen.fault = str(error)
        except BaseException:
            spots.stop()
            raise
    return spots


def _about(person: Person, faces: dict[tuple[str, int], str], frame_s: float) -> dict[str, Any]:
    segments = {
        name: [
            [round(one.begin_s, 3), round(one.end_s, 3), one.label]
            for one in person.segments(name, frame_s)
        ]
        for name in person.labels
    }
    record = person.record() | {"picture": faces.get((person.detector, person.track))}
    for name, own in segments.items():
        record["classifiers"][name]["segments"] = own
    return record


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file that gets its name when it is whole; nothing is left of it otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
