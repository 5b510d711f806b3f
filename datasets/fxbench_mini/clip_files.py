"""The files of the clips: a video each, a table of what is in them, and the truth of their frames.

The videos are MPEG-4 Part 2, which OpenCV's bundled FFmpeg writes and reads on every system.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fxbench.errors import DataError, StoreError
from fxbench.labels import EMOTIONS
from fxbench_mini.clip_plan import Interval, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fxbench.types import Float32, UInt8

MANIFEST = "clips.csv"
TRUTH = "truth.npz"

COLUMNS = (
    "file",
    "emotion",
    "subject",
    "fps",
    "frames",
    "width",
    "height",
    "onset",
    "apex",
    "offset",
    "kind",
    "sha256",
)
"""Of :data:`MANIFEST`. The emotion of a clip without an expression is neutral, and its onset, apex
and offset are empty."""

PER_FRAME = ("points", "intensity", "blink", "talk", "pose")
"""The arrays of :data:`TRUTH`: one row a frame, one clip after the other in the table's order."""

_CODEC = "mp4v"
_MEND = "install fxbench again, or build the dataset with `fxbench data build-mini`."


@dataclass(frozen=True, slots=True, eq=False)
class TrueClip:
    """What is true of a clip.

    Attributes:
        file: the name of its video.
        emotion: index into EMOTIONS.
        subject: who it shows.
        fps: frames per second.
        size: width and height, pixels.
        interval: where the expression is; None where there is none.
        sha256: of the video, hexadecimal.
        points: float32 (N, 68, 2), pixels, where whole numbers are pixel centres.
        intensity: float32 (N,), of the expression, 0..1.
        blink: float32 (N,), 0 for open lids, 1 for shut ones.
        talk: float32 (N,), how far the mouth is moved besides, standard deviations.
        pose: float32 (N, 4): scale, rotation in degrees, shift to the right and down in pixels.
    """

    file: str
    emotion: int
    subject: str
    fps: int
    size: tuple[int, int]
    interval: Interval | None
    sha256: str
    points: Float32
    intensity: Float32
    blink: Float32
    talk: Float32
    pose: Float32


def encode(frames: UInt8, fps: float, name: str) -> bytes:
    """A video of grey frames.

    Args:
        frames: uint8 (N, H, W).
        fps: frames per second.
        name: of the file, for messages.

    Raises:
        StoreError: it can't be encoded. OpenCV gives no reason, and keeps quiet about a full disk:
            so the video is read again and its frames are counted.
    """
    count, height, width = frames.shape
    with tempfile.TemporaryDirectory(prefix="fxbench-") as folder:
        path = Path(folder, "clip.mp4")
        writer = cv2.VideoWriter(
            str(path),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*_CODEC),
            float(fps),
            (width, height),
            [cv2.VIDEOWRITER_PROP_IS_COLOR, 0],
        )
        try:
            opened = writer.isOpened()
            if opened:
                for frame in frames:
                    writer.write(frame)
        finally:
            writer.release()
        written = _count(path) if opened else 0
        if written != count:
            raise StoreError(
                f"OpenCV wrote {written} of {count} frames of {name}: its FFmpeg must be able to "
                f"encode {_CODEC}, and {folder} needs some megabytes of free space."
            )
        return path.read_bytes()


def read_frames(path: Path) -> UInt8:
    """The frames of a video, uint8 (N, H, W).

    Raises:
        DataError: the file can't be read as a video.
    """
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found = []
    try:
        while True:
            there, frame = reader.read()
            if not there:
                break
            found.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    finally:
        reader.release()
    if not found:
        raise DataError(f"{path} can't be read as a video: {_MEND}")
    return np.stack(found).astype(np.uint8, copy=False)


def row(plan: Plan, size: int, data: bytes) -> dict[str, str | int]:
    """The line of :data:`MANIFEST` for a clip.

    Args:
        plan: of the clip.
        size: width and height, pixels.
        data: of its video.
    """
    interval = plan.interval
    return {
        "file": plan.name,
        "emotion": EMOTIONS[plan.emotion],
        "subject": f"s{plan.subject + 1:02}",
        "fps": plan.fps,
        "frames": plan.frames,
        "width": size,
        "height": size,
        "onset": interval.onset if interval else "",
        "apex": interval.apex if interval else "",
        "offset": interval.offset if interval else "",
        "kind": plan.kind,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def table(rows: Sequence[dict[str, str | int]]) -> bytes:
    """The lines as :data:`MANIFEST` has them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(folder: Path) -> tuple[TrueClip, ...]:
    """What is true of the clips of a folder, in the order of its table.

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
    """
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        with (folder / TRUTH).open("rb") as data, np.load(data, allow_pickle=False) as archive:
            truth = {name: archive[name] for name in PER_FRAME}
        stops = np.cumsum([int(row["frames"]) for row in rows])
        if any(len(array) != stops[-1] for array in truth.values()):
            raise ValueError(f"{TRUTH} has another number of frames than {MANIFEST}")
        parts = {name: np.split(array, stops[:-1]) for name, array in truth.items()}
        return tuple(
            _clip(row, {name: part[i] for name, part in parts.items()})
            for i, row in enumerate(rows)
        )
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        EOFError,
        csv.Error,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"The clips in {folder} can't be read ({error}): {_MEND}") from error


def _clip(row: dict[str, str], truth: dict[str, Float32]) -> TrueClip:
    interval = None
    if row["kind"] != "none":
        onset, apex, offset = (int(row[name]) for name in ("onset", "apex", "offset"))
        interval = Interval(onset, apex, offset, row["kind"])
    return TrueClip(
        row["file"],
        EMOTIONS.index(row["emotion"]),
        row["subject"],
        int(row["fps"]),
        (int(row["width"]), int(row["height"])),
        interval,
        row["sha256"],
        **truth,
    )


def _count(path: Path) -> int:
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        count = 0
        while reader.grab():
            count += 1
        return count
    finally:
        reader.release()
