"""Rules for datasets of videos. One of stills passes the first and is tried by no other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from fxbench.clips import Clip, Interval
from fxbench.labels import EMOTIONS
from fxbench.protocols import Videos
from fxbench.sources import evenly_spaced
from fxbench.testing.rows import ask, by_row, equal, read
from fxbench.testing.rules import NotTried, Refused, Rule, Trial
from fxbench.types import Int64

FEW = 3
"""How many videos of a split are read in pieces."""

HEAD = 24
"""How many frames of each, from its beginning on."""

PIECE = 5
"""How many frames are asked for at once."""

PACE = 4.0
"""By which factor the times of a video's first frames may differ from its mean frame rate, which
those of a variable rate do."""


def _need_videos(trial: Trial) -> None:
    if not isinstance(trial.made, Videos):
        raise NotTried("It has no videos.")


def _clips(trial: Trial) -> str:
    if not isinstance(trial.made, Videos):
        return "no videos, but stills"
    total = 0
    for split in trial.made.splits:
        clips: Any = trial.made.clips(split)
        if not isinstance(clips, tuple) or not all(isinstance(clip, Clip) for clip in clips):
            raise Refused(
                f"{split}: clips must return a tuple of Clip, not {type(clips).__name__}."
            )
        names = [clip.name for clip in clips]
        if len(set(names)) < len(names):
            raise Refused(f"{split}: two clips have the same name.")
        row = 0
        for clip in clips:
            if clip.first != row or clip.frames < 1:
                raise Refused(
                    f"{split}: {clip.name} has {clip.frames} rows from {clip.first} on, but row "
                    f"{row} comes next: clips follow one another without a gap, one row at least."
                )
            row += clip.frames
            _check_clip(split, clip)
        rows = len(trial.made.ids(split))
        if row != rows:
            raise Refused(f"{split}: its clips have {row} frames, but {rows} rows have names.")
        total += len(clips)
    return f"{total} videos"


def _check_clip(split: str, clip: Clip) -> None:
    if not (np.isfinite(clip.fps) and clip.fps > 0):
        raise Refused(f"{split}: {clip.name} has {clip.fps} frames per second.")
    if not -1 <= clip.emotion < len(EMOTIONS):
        raise Refused(f"{split}: {clip.name} has the emotion {clip.emotion}, not -1 to 7.")
    intervals: Any = clip.intervals
    if intervals is None:
        return
    if not isinstance(intervals, tuple) or not all(isinstance(i, Interval) for i in intervals):
        raise Refused(
            f"{split}: the intervals of {clip.name} must be a tuple of Interval, or None."
        )
    if any(one.onset > other.onset for one, other in itertools.pairwise(intervals)):
        raise Refused(
            f"{split}: the intervals of {clip.name} are not in the order of their onsets."
        )
    # One row may be a video that can't be opened, whose expressions are missed.
    if clip.frames > 1 and any(one.offset >= clip.frames for one in intervals):
        raise Refused(
            f"{split}: an interval of {clip.name} ends with frame "
            f"{max(one.offset for one in intervals)}, but its last one is {clip.frames - 1}."
        )


def _clips_stable(trial: Trial) -> str:
    _need_videos(trial)
    other = trial.make()
    for split in trial.made.splits:
        first = trial.made.clips(split)
        for again in (trial.made.clips(split), other.clips(split)):
            if first != again:
                raise Refused(f"{split}: the clips are others when they are asked for again.")
    return f"{len(trial.made.splits)} splits"


def _heads(trial: Trial, split: str) -> list[tuple[Clip, Int64]]:
    """A few videos, and the rows of the first frames of each."""
    clips = trial.made.clips(split)
    some = [clips[index] for index in evenly_spaced(len(clips), FEW).tolist()]
    return [(clip, np.arange(clip.first, clip.first + min(clip.frames, HEAD))) for clip in some]


def _times(trial: Trial) -> str:
    _need_videos(trial)
    compared = 0
    for split in trial.made.splits:
        for clip, rows in _heads(trial, split):
            batches = list(read(trial, split, rows))
            times = np.concatenate([batch.frames.time_s for batch in batches])
            shown = np.concatenate([batch.rows for batch in batches])
            if not np.isfinite(times).all() or (times < 0).any() or (np.diff(times) <= 0).any():
                raise Refused(
                    f"{split}: the times of {clip.name} begin with {times[:4].round(3).tolist()}: "
                    "each frame has its own, in seconds, later than the frame's before."
                )
            if len(times) > 2:
                pace = (times[-1] - times[0]) / (shown[-1] - shown[0]) * clip.fps
                if not 1 / PACE <= pace <= PACE:
                    raise Refused(
                        f"{split}: {clip.name} has {clip.fps:g} frames per second, but "
                        f"{shown[-1] - shown[0]} frames take {times[-1] - times[0]:.4g} s."
                    )
            compared += len(times)
    return f"{compared} frames"


def _frame_labels(trial: Trial) -> str:
    _need_videos(trial)
    compared = 0
    for split, protocol in itertools.product(trial.made.splits, trial.made.protocols):
        answers = ask(trial, split, protocol)
        for clip in trial.made.clips(split):
            low, high = np.searchsorted(answers.rows, (clip.first, clip.first + clip.frames))
            labels = answers.labels[low:high]
            wrong = np.flatnonzero(
                (labels != _wanted(clip, answers.rows[low:high])) & (labels >= 0)
            )
            if clip.emotion >= 0 and len(wrong):
                frame = int(answers.rows[low:high][wrong[0]]) - clip.first
                raise Refused(
                    f"{split} ({protocol}): {clip.name} shows {EMOTIONS[clip.emotion]}, but its "
                    f"frame {frame} has the label {EMOTIONS[labels[wrong[0]]]}: frames within "
                    "intervals have the clip's emotion, those between are neutral."
                )
            compared += len(labels) if clip.emotion >= 0 else 0
    return f"{compared} labels"


def _wanted(clip: Clip, rows: Int64) -> Int64:
    """The label of each row of a clip by its emotion and its intervals."""
    labels: Int64 = np.full(len(rows), clip.emotion, np.int64)
    if clip.intervals:
        frame = rows - clip.first
        within = [(frame >= one.onset) & (frame <= one.offset) for one in clip.intervals]
        labels[~np.any(within, axis=0)] = EMOTIONS.index("neutral")
    return labels


def _pieces(trial: Trial) -> str:
    _need_videos(trial)
    compared = 0
    for split in trial.made.splits:
        for clip, rows in _heads(trial, split):
            whole = by_row(trial, split, rows)
            for start in range(0, len(rows), PIECE):
                some = by_row(trial, split, rows[start : start + PIECE])
                for row, facts in some.items():
                    if row not in whole or not all(map(equal, facts, whole[row])):
                        raise Refused(
                            f"{split}: frame {row - clip.first} of {clip.name}, asked for after "
                            f"those before it, isn't what it is among {len(rows)}."
                        )
                    compared += 1
    return f"{compared} frames"


_SEE = "print([i for s in c.splits for i in c.clips(s)])"
_SEE_TIMES = (
    "import numpy as np; s = c.splits[0]; k = c.clips(s)[0]; "
    "print(k, [b.frames.time_s for b in c.batches(s, np.arange(min(k.frames, 9)))])"
)

CLIPS = Rule(
    "clips",
    "Ask for its videos, if it has any: names, rows without a gap, frames per second, an emotion, "
    "intervals in order.",
    _clips,
    _SEE,
    ("splits",),
)
"""Tried before any row is read."""

RULES = (
    Rule(
        "clips-stable",
        "Ask for the videos again, and ask a second object: the same.",
        _clips_stable,
        "print(c.clips(c.splits[0]), c.clips(c.splits[0]))",
        ("clips",),
    ),
    Rule(
        "frame-labels",
        "Compare the labels of frames with the emotion and the intervals of their video.",
        _frame_labels,
        "print(c.clips(c.splits[0])[0], c.answers(c.splits[0], c.protocols[0]).labels)",
        ("answers", "clips"),
    ),
    Rule(
        "frame-times",
        f"Read the first {HEAD} frames of up to {FEW} videos of a split: ascending times, in "
        "seconds as the frame rate says.",
        _times,
        _SEE_TIMES,
        ("rows",),
    ),
    Rule(
        "pieces",
        f"Read these frames {PIECE} at a time, one call after the other: the same images, times "
        "and truth.",
        _pieces,
        _SEE_TIMES,
        ("rows",),
    ),
)
