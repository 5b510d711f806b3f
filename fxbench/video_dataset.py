"""Labelled videos: what datasets of videos have in common.

A dataset plugin reads its own annotation files and gives what they say to :class:`VideoDataset`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fxbench.clips import Clip, Interval
from fxbench.component import Terms
from fxbench.errors import DataError, ImageError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.types import (
    Answers,
    Batch,
    Bool,
    Failure,
    Float32,
    Frames,
    Int64,
    Points,
    Truth,
    UInt8,
)
from fxbench.video import ImageFolder, Reader, VideoInfo, VideoReader, probe

FRAMES, EXPRESSION = "frames", "expression"
"""The protocols: all frames, and those that show an annotated expression."""

_BATCH = 64
_BATCH_BYTES = 64_000_000
_VOTE_COLUMNS = 10
_NEUTRAL = EMOTIONS.index("neutral")
_GUESSED_FPS = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A video and what is annotated of it.

    Attributes:
        name: unique within the split.
        path: its file, or the folder of its images.
        emotion: what it shows, an index into EMOTIONS; -1 where that is not known.
        subject: who it shows; empty where that is not known.
        intervals: the expressions in it, in order; None where nobody has looked for them.
        emotions: of each interval; empty where all show `emotion`.
        fps: frames per second: needed for images, and for a file whose own rate is wrong.
        files: of the images, in order, where it is no file.
        info: what is known without opening it.
        points: float32 (frames, P, 2), its true landmarks in pixels.
        xyxy: float32 (frames, 4), the true box of its face in pixels.
    """

    name: str
    path: Path
    emotion: int = -1
    subject: str = ""
    intervals: tuple[Interval, ...] | None = None
    emotions: tuple[int, ...] = ()
    fps: float | None = None
    files: tuple[Path, ...] | None = None
    info: VideoInfo | None = None
    points: Float32 | None = None
    xyxy: Float32 | None = None

    def open(self, root: Path, info: VideoInfo | None = None) -> Reader:
        """What reads it.

        Args:
            root: the folder that its files must lie in.
            info: what is known of it.

        Raises:
            ImageError: it can't be read.
        """
        info = info or self.info
        if self.files is not None:
            if not self.files:
                raise ImageError(f"{self.name} holds no images.")
            return ImageFolder(self.files, self.fps or _GUESSED_FPS, root=root, info=info)
        return VideoReader(self.path, root=root, fps=self.fps, info=info)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    videos: tuple[Video, ...]
    infos: tuple[VideoInfo, ...]
    unreadable: Mapping[int, str]
    clips: tuple[Clip, ...]
    first: Int64

    @property
    def rows(self) -> int:
        return self.clips[-1].first + self.clips[-1].frames


class _Open(threading.local):
    """The video that a thread has open, by split and number."""

    key: tuple[str, int] | None = None
    reader: Reader | None = None

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.key = self.reader = None


class VideoDataset:
    """A :class:`fxbench.protocols.Videos` of files or folders of images.

    Every frame is a row, clip after clip. Of a clip with annotated intervals, the frames from onset
    to offset show its emotion, and the others are neutral; of one without, all frames show it. A
    video that can't be opened is one row, which is a failure.

    Reading in one thread while another asks for answers is safe; each thread has at most one video
    open.

    Args:
        name: the component's, for messages.
        root: the folder that all files must lie in.
        splits: for each split, in order, what reads its videos when they are first needed.
        terms: what the licence allows.
        scheme: of the true points; None where there are none.
        has_boxes: whether every video has the true boxes of its face.
        protocols: those of :data:`FRAMES` and :data:`EXPRESSION` that it has, the default first.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        splits: Mapping[str, Callable[[], Sequence[Video]]],
        terms: Terms,
        *,
        scheme: str | None = None,
        has_boxes: bool = False,
        protocols: tuple[str, ...] = (FRAMES, EXPRESSION),
    ) -> None:
        self.splits = tuple(splits)
        self.protocols = protocols
        self.terms = terms
        self.scheme = scheme
        self.has_boxes = has_boxes
        self._name = name
        self._root = root
        self._readers = dict(splits)
        self._known: dict[str, _Split] = {}
        self._fingerprints: dict[str, str] = {}
        self._reading = threading.Lock()
        self._hashing = threading.Lock()
        self._open = _Open()

    def clips(self, split: str) -> tuple[Clip, ...]:
        """The videos of a split, in the order of their rows.

        Raises:
            UsageError: an unknown split.
            DataError: an annotation file can't be used.
        """
        return self._split(split).clips

    def ids(self, split: str) -> tuple[str, ...]:
        """The name of every row, such as `s01-1.mp4#00012`.

        Raises:
            UsageError: an unknown split.
            DataError: an annotation file can't be used.
        """
        return tuple(
            _id(clip, frame) for clip in self._split(split).clips for frame in range(clip.frames)
        )

    def answers(self, split: str, protocol: str) -> Answers:
        """The frames that count, and the emotion of each.

        Raises:
            UsageError: an unknown split or protocol.
            DataError: an annotation file can't be used.
        """
        if protocol not in self.protocols:
            raise UsageError(
                f"The dataset {self._name} has no protocol {protocol!r}: it has "
                f"{', '.join(self.protocols)}."
            )
        known = self._split(split)
        labels, counts = [], []
        for video, clip in zip(known.videos, known.clips, strict=True):
            emotions, shown = _labels(video, clip.frames)
            labels.append(emotions)
            counts.append(shown if protocol == EXPRESSION else np.ones(clip.frames, np.bool_))
        rows = np.flatnonzero(np.concatenate(counts)).astype(np.int64)
        return Answers(rows, np.concatenate(labels)[rows])

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        """The frames of `rows`, 64 at a time, fewer of large ones, those of a clip by themselves.

        Raises:
            UsageError: an unknown split.
            DataError: a row that the split doesn't have, or an annotation file that can't be used.
        """
        known = self._split(split)
        if len(rows) and not (rows.min() >= 0 and rows.max() < known.rows):
            raise DataError(
                f"Rows {rows.min()} to {rows.max()} of {self._name}, split {split}, were asked "
                f"for: it has {known.rows}."
            )
        number = np.searchsorted(known.first, rows, side="right") - 1
        for index in np.unique(number).tolist():
            mine = rows[number == index] - known.clips[index].first
            info = known.infos[index]
            count = min(_BATCH, max(1, _BATCH_BYTES // max(1, info.width * info.height * 3)))
            for start in range(0, len(mine), count):
                yield self._batch(split, known, index, mine[start : start + count])

    def fingerprint(self, split: str) -> str:
        """A hash of the videos' names, bytes, labels, boxes and landmarks.

        Returns:
            SHA-256 in hexadecimal.

        Raises:
            UsageError: an unknown split.
            DataError: an annotation file can't be used.
        """
        known = self._split(split)
        with self._hashing:
            if split not in self._fingerprints:
                digest = hashlib.sha256(f"{self._name} 1 {split} {self.scheme!r}\n".encode())
                for video, clip in zip(known.videos, known.clips, strict=True):
                    facts = (clip.name, clip.frames, clip.fps, clip.emotion, clip.subject)
                    digest.update(f"{facts!r} {video.intervals!r} {video.emotions!r}".encode())
                    digest.update(f" {self._content(video)}\n".encode())
                    for array in (video.points, video.xyxy):
                        if array is not None:
                            digest.update(f"{array.shape}".encode() + array.astype("<f4").tobytes())
                self._fingerprints[split] = digest.hexdigest()
            return self._fingerprints[split]

    def _content(self, video: Video) -> str:
        digest = hashlib.sha256()
        for path in video.files if video.files is not None else (video.path,):
            try:
                if not path.resolve().is_relative_to(self._root.resolve()):
                    return "unreadable"
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except (OSError, RuntimeError):  # RuntimeError: links in a circle, Python < 3.13
                digest.update(b"unreadable")
        return digest.hexdigest()

    def _batch(self, split: str, known: _Split, index: int, frames: Int64) -> Batch:
        video, clip = known.videos[index], known.clips[index]
        pictures: list[UInt8] = []
        times: list[float] = []
        read: list[int] = []
        failures = []
        for frame in frames.tolist():
            try:
                time_s, picture = self._frame(split, known, index, frame)
            except ImageError as error:
                failures.append(Failure(clip.first + frame, _id(clip, frame), str(error)))
                continue
            pictures.append(picture)
            times.append(time_s)
            read.append(frame)
        if frames[-1] == clip.frames - 1:
            self._open.close()
        own = np.array(read, np.int64)
        faces = np.arange(len(own), dtype=np.int64)
        labels = _labels(video, clip.frames)[0][own]
        votes = np.zeros((len(own), _VOTE_COLUMNS), np.float32)
        votes[faces[labels >= 0], labels[labels >= 0]] = 1
        points = None
        if self.scheme is not None and video.points is not None:
            points = Points(video.points[own], self.scheme)
        return Batch(
            clip.first + own,
            Frames(tuple(_id(clip, f) for f in read), tuple(pictures), np.array(times, np.float64)),
            Truth(faces, votes, None if video.xyxy is None else video.xyxy[own], points),
            tuple(failures),
        )

    def _frame(self, split: str, known: _Split, index: int, frame: int) -> tuple[float, UInt8]:
        if index in known.unreadable:
            raise ImageError(known.unreadable[index])
        here = self._open
        if here.key != (split, index) or here.reader is None:
            here.close()
            here.reader = known.videos[index].open(self._root, known.infos[index])
            here.key = (split, index)
        return here.reader.frame(frame)

    def _split(self, split: str) -> _Split:
        if split not in self._readers:
            raise UsageError(
                f"The dataset {self._name} in {self._root} has no split {split!r}: there is "
                f"{', '.join(self.splits)}."
            )
        with self._reading:
            if split not in self._known:
                videos = tuple(self._readers[split]())
                if not videos:
                    raise DataError(f"The split {split} of {self._name} holds no video.")
                self._known[split] = self._look(videos)
            return self._known[split]

    def _look(self, videos: tuple[Video, ...]) -> _Split:
        infos, clips = [], []
        unreadable = {}
        first = 0
        for index, video in enumerate(videos):
            try:
                info = video.info or self._probe(video)
            except ImageError as error:
                info = VideoInfo(1, video.fps or _GUESSED_FPS, 0, 0)
                unreadable[index] = str(error)
            self._check(video, info, index in unreadable)
            infos.append(info)
            intervals = None if index in unreadable else video.intervals
            if intervals is not None and video.emotions:
                told = zip(intervals, video.emotions, strict=True)
                intervals = tuple(replace(one, emotion=emotion) for one, emotion in told)
            clip = Clip(
                video.name, first, info.frames, info.fps, _emotion(video), video.subject, intervals
            )
            clips.append(clip)
            first += info.frames
        firsts = np.array([clip.first for clip in clips], np.int64)
        return _Split(videos, tuple(infos), unreadable, tuple(clips), firsts)

    def _probe(self, video: Video) -> VideoInfo:
        if video.files is None:
            return probe(video.path, root=self._root, fps=video.fps)
        return video.open(self._root).info

    def _check(self, video: Video, info: VideoInfo, unreadable: bool) -> None:
        if unreadable:
            return
        last = max((one.offset for one in video.intervals or ()), default=0)
        if last >= info.frames:
            raise DataError(
                f"{video.name} of {self._name} has an expression to frame {last}, but its last "
                f"frame is {info.frames - 1}: frames count from 0."
            )
        for what, array in (("points", video.points), ("boxes", video.xyxy)):
            if array is not None and len(array) != info.frames:
                raise DataError(
                    f"{video.name} of {self._name} has {info.frames} frames, and {what} of "
                    f"{len(array)}."
                )


def _id(clip: Clip, frame: int) -> str:
    return f"{clip.name}#{frame:05}"


def _emotion(video: Video) -> int:
    """Of the whole video; that of its expressions where they all show the same."""
    if video.emotion >= 0 or not video.emotions:
        return video.emotion
    return video.emotions[0] if len(set(video.emotions)) == 1 else -1


def _labels(video: Video, frames: int) -> tuple[Int64, Bool]:
    """The emotion of each frame, int64, and whether it shows an annotated expression, bool."""
    emotion = _emotion(video)
    if video.intervals is None:
        return np.full(frames, emotion, np.int64), np.ones(frames, np.bool_)
    shown = np.zeros(frames, np.bool_)
    if not video.intervals:
        return np.full(frames, emotion if emotion > 0 else _NEUTRAL, np.int64), shown
    labels = np.full(frames, _NEUTRAL, np.int64)
    for index, interval in enumerate(video.intervals):
        rows = slice(interval.onset, interval.offset + 1)
        labels[rows] = video.emotions[index] if video.emotions else emotion
        shown[rows] = True
    return labels, shown
