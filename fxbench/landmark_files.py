"""What `fxbench landmarks` writes of a video: a table twice, a diagram, and a video."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.clips import taken
from fxbench.errors import ImageError, StoreError
from fxbench.landmark_drawing import Drawing
from fxbench.landmark_table import Person, Timelines
from fxbench.landmark_video import Located, locate
from fxbench.types import Boxes
from fxbench.video import VideoReader

if TYPE_CHECKING:
    from fxbench.protocols import Detector, Landmarker

PARQUET, CSV, PLOT, VIDEO = "parquet", "csv", "png", "mp4"
FORMS = (PARQUET, CSV, PLOT, VIDEO)
"""What can be written, by the endings of the files."""


@dataclass(frozen=True, slots=True)
class Finders:
    """Who looks for faces and landmarks.

    Attributes:
        detector: finds the faces.
        landmarker: locates their landmarks.
        detector_name: for messages and metadata.
        landmarker_name: likewise.
        points: how many landmarks there are.
    """

    detector: Detector
    landmarker: Landmarker
    detector_name: str
    landmarker_name: str
    points: int


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A video, and what was written of it.

    Attributes:
        video: the file.
        width: of a frame, pixels.
        height: of a frame, pixels.
        fps: of the frames that were taken.
        frames: how many those were.
        seconds: from the first of them to the last.
        with_face: in how many a face was found.
        people: their timelines, those that were found in most frames first.
        files: what was written.
        fault: why the video ended too soon, in one sentence; empty where it did not.
    """

    video: Path
    width: int
    height: int
    fps: float
    frames: int
    seconds: float
    with_face: int
    people: tuple[Person, ...]
    files: tuple[Path, ...]
    fault: str = ""


def points_of(landmarker: Landmarker) -> int:
    """How many points a landmarker locates, found out where its scheme is known by name only."""
    from fxbench import schemes

    count = schemes.point_count(landmarker.scheme)
    if count is not None:
        return count
    picture = np.zeros((64, 64, 3), np.uint8)
    boxes = Boxes.from_lists([[(0.0, 0.0, 64.0, 64.0, 1.0)]])
    return int(landmarker.locate((picture,), boxes).xy.shape[1])


def target(video: Path, folder: Path, form: str) -> Path:
    """The file of that form that is written of a video."""
    return folder / f"{video.stem}-landmarks.{form}"


def write(
    video: Path,
    folder: Path,
    finders: Finders,
    *,
    fps: float | None = None,
    every: int = 1,
    forms: tuple[str, ...] = FORMS,
    progress: Callable[[float], None] | None = None,
) -> Written:
    """Find the landmarks of a video, and write what :data:`FORMS` names.

    The video is read once, and no more than some frames of it are in memory. Each file appears
    when it is whole; files of those names are replaced. Of a video that ends too soon everything
    up to there is written.

    Args:
        video: the file.
        folder: where the files go, see :func:`target`; it is made where it is missing.
        finders: who finds.
        fps: frames per second that are taken at most; None for all.
        every: the detector looks at every so many of them.
        forms: which files.
        progress: called with the share of the frames that is done.

    Raises:
        ImageError: it is no video, or has not one frame that can be decoded.
        PluginError: what a component answers is not as it must be.
        UsageError: the scheme of the landmarker is none that can be standardised.
        StoreError: a file can't be written.
        UnavailableError: a diagram is wanted, and matplotlib is not installed.
    """
    with VideoReader(video) as reader, _beside(folder) as room:
        info = reader.info
        numbers = taken(info.frames, info.fps, fps)
        rate = info.fps if fps is None else min(info.fps, fps)
        names = {form: room / f"new.{form}" for form in forms}
        timelines = Timelines(room, finders.landmarker.scheme, finders.points)
        seen = _Seen()
        with ExitStack() as stack:
            drawing = None
            if VIDEO in forms:
                scheme = finders.landmarker.scheme
                drawing = stack.enter_context(Drawing(names[VIDEO], rate, scheme))
            batches = locate(
                reader,
                numbers,
                finders.detector,
                finders.landmarker,
                finders.landmarker_name,
                every=every,
            )
            try:
                for some in batches:
                    timelines.add(some)
                    if drawing is not None:
                        drawing.add(some)
                    seen.add(some)
                    if progress is not None:
                        progress(seen.frames / len(numbers))
            except ImageError as error:
                if not seen.frames:
                    raise
                seen.fault = str(error)
        about = {
            "video": video.name,
            "width": info.width,
            "height": info.height,
            "fps": rate,
            "every": every,
            "detector": finders.detector_name,
            "landmarker": finders.landmarker_name,
            "scheme": finders.landmarker.scheme,
        }
        people = timelines.finish(room / f"new.{PARQUET}", room / f"new.{CSV}", about)
        if PLOT in forms and people:
            from fxbench.plots_landmarks import timelines as draw

            made_by = f"{finders.detector_name}, {finders.landmarker_name}"
            draw(people, names[PLOT], f"{video.name} ({made_by})")
        files = []
        for form in forms:
            made = names[form]
            if made.exists():
                files.append(made.replace(target(video, folder, form)))
        return Written(
            video,
            info.width,
            info.height,
            rate,
            seen.frames,
            seen.last - seen.first if seen.frames else 0.0,
            seen.with_face,
            people,
            tuple(files),
            seen.fault,
        )


@dataclass(slots=True)
class _Seen:
    """What has gone by."""

    frames: int = 0
    with_face: int = 0
    first: float = 0.0
    last: float = 0.0
    fault: str = ""

    def add(self, some: Located) -> None:
        times = some.frames.time_s
        if not self.frames:
            self.first = float(times[0])
        self.last = float(times[-1])
        self.frames += len(times)
        self.with_face += len(np.unique(some.boxes.frame))


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder for files that are not whole yet, on the disk of those that they are to become.

    Raises:
        StoreError: there, or in here, nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fxbench-", dir=folder) as room:
            yield Path(room)
    except OSError as error:
        raise StoreError(
            f"{folder} can't be written: {error.strerror or error}. Name another folder with -o, "
            "or free some space."
        ) from error


def record(written: Written) -> dict[str, Any]:
    """What was found and written, ready for JSON."""
    return {
        "video": str(written.video),
        "width": written.width,
        "height": written.height,
        "fps": round(written.fps, 4),
        "frames": written.frames,
        "seconds": round(written.seconds, 4),
        "frames_with_face": written.with_face,
        "people": [_about(person) for person in written.people],
        "files": [str(path) for path in written.files],
        "fault": written.fault or None,
    }


def _about(person: Person) -> dict[str, Any]:
    pose = [_mean(person.pose[:, i]) for i in range(3)]
    strongest = person.strongest()
    return {
        "track": person.track,
        "first_s": round(float(person.time_s[0]), 4),
        "last_s": round(float(person.time_s[-1]), 4),
        "frames": len(person.frame),
        "detected": int(person.detected.sum()),
        "located": int(person.located.sum()),
        "pose": dict(zip(("yaw", "pitch", "roll"), pose, strict=True)),
        "neutral": {
            name: None if np.isnan(value) else round(value, 5)
            for name, value in zip(person.measures.names, person.neutral.tolist(), strict=True)
        },
        "strongest": None
        if strongest is None
        else {
            "measure": strongest[0],
            "value": round(strongest[1], 5),
            "time_s": round(strongest[2], 4),
        },
    }


def _mean(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 2) if len(known) else None
