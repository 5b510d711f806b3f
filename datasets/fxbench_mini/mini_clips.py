"""The clips of `mini` as a :class:`fxbench.protocols.Videos`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.clips import Interval
from fxbench.video import VideoInfo
from fxbench.video_dataset import Video, VideoDataset
from fxbench_mini import clip_files
from fxbench_mini.sampling import face_box

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.component import Terms

TUNING_SUBJECTS = frozenset({"s01", "s02", "s03"})
"""The persons that what has settings may choose them on; the others are held back."""


class MiniClips(VideoDataset):
    """Synthetic videos of one person each, with expressions, boxes and landmarks.

    The split `test` holds persons that `tuning` doesn't; `all` is both.

    Args:
        folder: what :func:`fxbench_mini.clips.write` wrote.
        terms: what the licence allows.
    """

    home_advantage: frozenset[str] = frozenset({"dlib-68"})
    """The landmarker whose points the model was fitted to."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self._folder = folder
        self._videos: tuple[Video, ...] | None = None
        splits = {
            "test": lambda: tuple(
                video for video in self._read() if video.subject not in TUNING_SUBJECTS
            ),
            "tuning": lambda: tuple(
                video for video in self._read() if video.subject in TUNING_SUBJECTS
            ),
            "all": self._read,
        }
        super().__init__("mini-clips", folder, splits, terms, scheme="300w-68", has_boxes=True)

    def _read(self) -> tuple[Video, ...]:
        # The split's reader is called with a lock held.
        if self._videos is None:
            self._videos = tuple(_video(self._folder, own) for own in clip_files.read(self._folder))
        return self._videos


def _video(folder: Path, own: clip_files.TrueClip) -> Video:
    found = own.interval
    intervals = (
        () if found is None else (Interval(found.onset, found.apex, found.offset, found.kind),)
    )
    width, height = own.size
    return Video(
        own.file,
        folder / own.file,
        own.emotion,
        own.subject,
        intervals,
        info=VideoInfo(len(own.points), own.fps, width, height),
        points=own.points,
        xyxy=np.stack([face_box(points, width) for points in own.points]),
    )
