"""The dataset `clips`: videos in a folder, and a table that says what they show, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from fxbench.clips import LEAST_FPS, MACRO, MICRO, MOST_FPS
from fxbench.errors import DataError, ImageError
from fxbench.labels import EMOTIONS, canonical
from fxbench.video import image_files, probe
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout
from fxbench_clips.sheets import Line, Table, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fxbench.clips import Interval
    from fxbench.component import Terms

MANIFEST = "clips.csv"

_NO_EMOTION = ("", "none", "-")
_NO_KIND = ("", "none", "-")
_FIRST = "test"
_ALL = "all"


@dataclass(frozen=True, slots=True)
class _Expression:
    """What a line says of when an expression is."""

    where: str
    emotion: int
    onset: int
    apex: int | None
    offset: int
    kind: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the lines of a file say together.

    Attributes:
        expressions: None where the table has no column onset.
    """

    where: str
    file: str
    emotion: int
    subject: str
    fps: float | None
    split: str
    expressions: tuple[_Expression, ...] | None


def load(root: Path, terms: Terms) -> VideoDataset:
    """The dataset of a folder.

    Raises:
        DataError: it has no table, or the table is wrong.
    """
    path = layout.folder(root, f"the videos and {MANIFEST}") / MANIFEST
    table = Table(path, read(path, root)[0], ("file", "emotion"), even=True)
    timed = any(table.has(name) for name in ("onset", "offset"))
    by_file: dict[str, list[Line]] = {}
    for line in table:
        by_file.setdefault(line.text("file"), []).append(line)
    if not by_file:
        raise DataError(f"{path} names no video.")
    by_split: dict[str, list[_Entry]] = {}
    for file, lines in by_file.items():
        entry = _entry(file, lines, timed)
        by_split.setdefault(entry.split, []).append(entry)
    names = sorted(by_split, key=lambda name: name != _FIRST)
    return VideoDataset(
        "clips", root, {name: partial(_videos, root, by_split[name]) for name in names}, terms
    )


def _videos(root: Path, entries: Sequence[_Entry]) -> tuple[Video, ...]:
    return tuple(_video(root, entry) for entry in entries)


def _entry(file: str, lines: Sequence[Line], timed: bool) -> _Entry:
    first = lines[0]
    if not file:
        raise DataError(f"{first.where} names no file.")
    for line in lines[1:]:
        for name in ("subject", "fps", "split"):
            if line.text(name) != first.text(name):
                raise DataError(
                    f"{line.where} says {name} {line.text(name)!r} of {file}, but another line "
                    f"says {first.text(name)!r}: say the same in each."
                )
    # A line without an onset says that somebody has looked and found no expression.
    lines_with = [line for line in lines if line.text("onset")]
    for line in lines:
        others = [name for name in ("apex", "offset") if line.text(name)]
        if others and not line.text("onset"):
            raise DataError(
                f"{line.where} has an {others[0]} and no onset: an expression has both."
            )
    if len(lines) > 1 and len(lines_with) < len(lines):
        raise DataError(
            f"{first.where}: {file} has several lines, and one of them has no onset: give each "
            "expression a line with onset and offset, and nothing else."
        )
    emotions = [_emotion(line) for line in lines]
    return _Entry(
        first.where,
        file,
        emotions[0] if len(set(emotions)) == 1 else layout.UNKNOWN,
        first.text("subject"),
        _rate(first),
        first.text("split") or _ALL,
        tuple(_expression(line) for line in lines_with) if timed else None,
    )


def _emotion(line: Line) -> int:
    text = line.text("emotion")
    if text.lower() in _NO_EMOTION:
        return layout.UNKNOWN
    emotion = canonical(text)
    if emotion is None:
        raise DataError(
            f"{line.where} has the emotion {text!r}: expected is one of {', '.join(EMOTIONS)}, or "
            "none where it is not known."
        )
    return EMOTIONS.index(emotion)


def _rate(line: Line) -> float | None:
    text = line.text("fps")
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not LEAST_FPS <= rate <= MOST_FPS:
        raise DataError(
            f"{line.where} has fps {text!r}: expected are frames per second, {LEAST_FPS:g} to "
            f"{MOST_FPS:g}."
        )
    return rate


def _expression(line: Line) -> _Expression:
    frames = []
    for name in ("onset", "apex", "offset"):
        number = line.number(name)
        if number is None and (name != "apex" or line.text(name)):
            raise DataError(
                f"{line.where} has {name} {line.text(name)!r}: expected is the number of a frame, "
                "from 0 on."
            )
        frames.append(number)
    onset, apex, offset = frames
    if onset is None or offset is None or not 0 <= onset <= offset:
        raise DataError(
            f"{line.where} has an expression from frame {onset} to {offset}: it must begin at 0 or "
            "later and end no sooner than it begins."
        )
    if apex is not None and not onset <= apex <= offset:
        raise DataError(f"{line.where} has the apex {apex} outside of {onset} to {offset}.")
    kind = line.text("kind").lower()
    if kind not in (*_NO_KIND, MICRO, MACRO):
        raise DataError(f"{line.where} has the kind {kind!r}: expected is {MICRO} or {MACRO}.")
    return _Expression(
        line.where, _emotion(line), onset, apex, offset, None if kind in _NO_KIND else kind
    )


def _video(root: Path, entry: _Entry) -> Video:
    path = root / entry.file
    video = Video(entry.file, path, entry.emotion, entry.subject, None, fps=entry.fps)
    try:
        inside = path.resolve().is_relative_to(root.resolve())
        folder = path.is_dir()
    except (OSError, RuntimeError, ValueError):  # links in a circle, odd names
        inside = folder = False
    if not inside:
        raise DataError(f"{entry.where} names {entry.file!r}, which is not in {root}.")
    if folder:
        if entry.fps is None:
            raise DataError(
                f"{entry.where}: {entry.file} is a folder of images: say its frames per second in "
                "a column fps."
            )
        try:
            video = replace(video, files=image_files(path))
        except ImageError as error:
            raise DataError(str(error)) from error
    if entry.expressions is None:
        return video
    if any(one.kind is None for one in entry.expressions):
        try:
            info = probe(path, root=root, fps=entry.fps) if video.files is None else None
        except ImageError:
            return video  # whoever reads it says so
        video = replace(video, info=info)
    rate = video.info.fps if video.info else video.fps or 0.0
    found: list[Interval] = [
        layout.interval(one.onset, one.apex, one.offset, rate or 1.0, one.kind)
        for one in entry.expressions
    ]
    intervals, emotions = layout.in_order(found, [one.emotion for one in entry.expressions])
    return replace(video, intervals=intervals, emotions=emotions)
