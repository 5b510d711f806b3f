"""Clips made worse: noise, compression and frames that are left out, in folders for `clips`.

Nothing here needs the model that faces are drawn with: the clips that are shipped can be degraded.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.errors import UsageError
from fxbench.files import write_atomic, write_json
from fxbench.labels import EMOTIONS
from fxbench_mini import clip_files
from fxbench_mini.clip_plan import Interval

if TYPE_CHECKING:
    from fxbench.types import UInt8

    Report = Callable[[str, float], None]

MANIFEST = "clips.csv"
"""The table of a folder, as the dataset `clips` reads it."""

SETTINGS = "made.json"
"""How a folder was made. It is written last: without it, the folder is not complete."""

COLUMNS = ("file", "emotion", "onset", "apex", "offset", "kind", "subject")
"""Of :data:`MANIFEST`. A clip without an expression is neutral and has no onset."""

SPLITS: dict[str, tuple[str, ...]] = {
    "test": ("s04", "s05", "s06"),
    "tuning": ("s01", "s02", "s03"),
    "all": ("s01", "s02", "s03", "s04", "s05", "s06"),
}
"""The people of the shipped clips: spotters are tuned on some and reported on the others."""

_GREY = 128
"""What a contrast is reduced towards."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """What is done to the frames of a clip before they are written, in this order.

    Attributes:
        every: one frame of so many is kept, the first one of them first.
        noise: standard deviation of white Gaussian noise that is added, grey levels.
        jpeg: quality that each frame is compressed with on its own, 1 to 100; None: it is not.
        coarser: by how much the quantiser of MPEG-4 Part 2 is coarser than the finest one that
            OpenCV's encoder uses; 1: frames are not compressed besides. See :func:`coarse`.
    """

    every: int = 1
    noise: float = 0.0
    jpeg: int | None = None
    coarser: float = 1.0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"One frame of {self.every} can't be kept: give 1 or more.")
        if not 0 <= self.noise < np.inf:
            raise UsageError(f"Noise must be a number of grey levels from 0, not {self.noise}.")
        if self.jpeg is not None and not 1 <= self.jpeg <= 100:
            raise UsageError(f"JPEG's quality must be from 1 to 100, not {self.jpeg}.")
        if not 1 <= self.coarser <= 32:
            raise UsageError(f"A quantiser may be 1 to 32 times coarser, not {self.coarser} times.")

    def of_frames(self, frames: UInt8, rng: np.random.Generator) -> UInt8:
        """Degrade the frames of a clip.

        Args:
            frames: uint8 (N, H, W), grey.
            rng: of the noise: the same one gives the same pattern, whatever its deviation.

        Returns:
            uint8 (ceil(N / every), H, W).
        """
        found = frames[:: self.every]
        if self.noise:
            grain = rng.standard_normal(found.shape, np.float32) * np.float32(self.noise)
            found = _to_grey(found + grain)
        if self.jpeg is not None:
            found = np.stack([_jpeg(frame, self.jpeg) for frame in found])
        if self.coarser > 1:
            found = coarse(found, self.coarser)
        return found

    def of_interval(self, interval: Interval, frames: int) -> Interval:
        """Where an expression is among the frames that are kept.

        One that none of them shows stays an expression, at the nearest frame: who leaves out that
        many has missed it.

        Args:
            interval: in frames of the clip as it was.
            frames: of the clip as it was.
        """
        last = (frames - 1) // self.every
        onset = min(-(-interval.onset // self.every), last)
        offset = max(interval.offset // self.every, onset)
        apex = min(max(round(interval.apex / self.every), onset), offset)
        return replace(interval, onset=onset, apex=apex, offset=offset)


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A clip before it is degraded.

    Attributes:
        name: of its file.
        subject: who it shows.
        emotion: index into EMOTIONS.
        fps: frames per second.
        interval: where the expression is; None where there is none.
        frames: uint8 (N, H, W), grey.
    """

    name: str
    subject: str
    emotion: int
    fps: float
    interval: Interval | None
    frames: UInt8


def coarse(frames: UInt8, factor: float) -> UInt8:
    """Frames after MPEG-4 Part 2 with a quantiser that is coarser by a factor.

    OpenCV's encoder takes the finest quantiser that it allows itself, and no other can be asked
    for. A codec that transforms and quantises is linear up to its rounding: a contrast that is
    reduced before coding and restored afterwards is a step that is as much larger. The rounding to
    whole grey levels in between adds an error of at most half the factor.

    Args:
        frames: uint8 (N, H, W).
        factor: 1 for the finest quantiser.

    Raises:
        StoreError: a video can't be encoded.
    """
    scale = np.float32(factor)
    flat = _to_grey((frames.astype(np.float32) - _GREY) / scale + _GREY)
    with tempfile.TemporaryDirectory(prefix="fxbench-") as folder:
        path = Path(folder, "coarse.mp4")
        path.write_bytes(clip_files.encode(flat, 25, path.name))
        decoded = clip_files.read_frames(path)
    return _to_grey((decoded.astype(np.float32) - _GREY) * scale + _GREY)


def shipped(folder: Path, split: str) -> Iterable[Footage]:
    """The clips of `mini`, decoded one after the other.

    Args:
        folder: with the videos and their tables.
        split: of :data:`SPLITS`.

    Raises:
        DataError: a file is missing or damaged.
    """
    for clip in clip_files.read(folder):
        if clip.subject in SPLITS[split]:
            frames = clip_files.read_frames(folder / clip.file)
            yield Footage(clip.file, clip.subject, clip.emotion, clip.fps, clip.interval, frames)


def write(
    clips: Iterable[Footage],
    folders: Mapping[Path, tuple[Degradation, Mapping[str, Any]]],
    *,
    seed: int,
    count: int,
    report: Report,
) -> None:
    """Write clips into folders that the dataset `clips` reads, degraded differently in each.

    A clip is looked at once for all folders, and only one is held at a time. A folder that was made
    in the same way before is left alone.

    Args:
        clips: what to write.
        folders: how each folder is degraded, and what else decides what is in it.
        seed: of the noise.
        count: how many clips there are, for `report`.
        report: called with a step in words and the share of the work that is done.

    Raises:
        StoreError: a video can't be encoded or a folder can't be written.
        UsageError: a folder holds something else.
    """
    made: dict[Path, dict[str, Any]] = {
        folder: {**settings, "seed": seed, "degradation": asdict(how)}
        for folder, (how, settings) in folders.items()
    }
    missing = [folder for folder in folders if not _is_there(folder, made[folder])]
    if not missing:
        return
    rows: dict[Path, list[dict[str, Any]]] = {folder: [] for folder in missing}
    for number, clip in enumerate(clips):
        report(f"writing the clip {clip.name}", number / count)
        for folder in missing:
            how = folders[folder][0]
            rng = np.random.default_rng([seed, 4, number])
            degraded = how.of_frames(clip.frames, rng)
            data = clip_files.encode(degraded, clip.fps / how.every, clip.name)
            write_atomic(folder / clip.name, data)
            rows[folder].append(_row(clip, how))
    for folder in missing:
        write_atomic(folder / MANIFEST, _table(rows[folder]))
        write_json(folder / SETTINGS, made[folder])


def _is_there(folder: Path, made: dict[str, Any]) -> bool:
    path = folder / SETTINGS
    if not folder.exists():
        return False
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if found == json.loads(json.dumps(made)):
            return True
        raise UsageError(f"{folder} holds other clips: name another folder, or delete it.")
    strange = [p.name for p in folder.iterdir() if p.suffix not in (".mp4", ".csv")]
    if strange:
        raise UsageError(
            f"{folder} is there already and holds {strange[0]}: name another folder for the clips."
        )
    return False  # begun and not finished


def _row(clip: Footage, how: Degradation) -> dict[str, Any]:
    found = clip.interval and how.of_interval(clip.interval, len(clip.frames))
    return {
        "file": clip.name,
        "emotion": EMOTIONS[clip.emotion],
        "onset": found.onset if found else "",
        "apex": found.apex if found else "",
        "offset": found.offset if found else "",
        "kind": found.kind if found else "",
        "subject": clip.subject,
    }


def _table(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _jpeg(frame: UInt8, quality: int) -> UInt8:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def _to_grey(values: Any) -> UInt8:
    return np.asarray(np.clip(np.round(values), 0, 255), np.uint8)
