"""From a classifier's answers about frames to the metrics of clips: see docs/metrics.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.clips import Clip
from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import NOT_FOUND, OTHER
from fxbench.metrics.clips import (
    COMPOSITE,
    class_counts,
    composite,
    flips,
    share_of_frames,
    smoothed,
    uar,
    uf1,
    votes,
)
from fxbench.metrics.detection import clustered_proportion
from fxbench.metrics.intervals import Estimate, proportion, without_interval
from fxbench.scoring import Predictions, top_emotions
from fxbench.types import Answers, Bool, Float64, Int64, check_array

NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a classifier answered about the frames of clips.

    Attributes:
        clips: the clips; one without any row counts nowhere.
        clip: int64 (N,), the place in `clips` of each row, ascending.
        time_s: float64 (N,), seconds into the clip, ascending within each.
        answers: what is right, N frames.
        predictions: what was answered, of the same N frames.
    """

    clips: tuple[Clip, ...]
    clip: Int64
    time_s: Float64
    answers: Answers
    predictions: Predictions

    def __post_init__(self) -> None:
        count = len(self.answers.labels)
        check_array("Seen.clip", self.clip, np.int64, (count,))
        check_array("Seen.time_s", self.time_s, np.float64, (count,))
        check_array("Seen.predictions.found", self.predictions.found, np.bool_, (count,))
        if count and (self.clip[0] < 0 or self.clip[-1] >= len(self.clips)):
            raise PluginError(f"Seen.clip must be from 0 to {len(self.clips) - 1}.")
        if (np.diff(self.clip) < 0).any():
            raise PluginError("Seen.clip must be ascending: the rows of a clip follow one another.")


def smooth(seen: Seen, seconds: float) -> Predictions:
    """The predictions, smoothed within each clip: see :func:`fxbench.metrics.clips.smoothed`.

    Args:
        seen: what was answered.
        seconds: the time constant; 0 leaves everything as it is.
    """
    p = seen.predictions
    if seconds <= 0:
        return p
    outputs = smoothed(seen.clip, seen.time_s, p.outputs.astype(np.float64), p.found, seconds)
    return Predictions(p.found, outputs.astype(np.float16), p.labels)


def seconds_of(frame: Int64, fps: float) -> float:
    """How long those frames of a clip last that were taken, seconds.

    Args:
        frame: int64 (N,), ascending.
        fps: of the whole clip.
    """
    return len(frame) * step_of(frame) / fps


def step_of(frame: Int64) -> float:
    """How many frames it is from one that was taken to the next, on average.

    They need not be evenly spaced: of 25 a second every second and third in turn make 10. A gap,
    such as between two expressions, is none of these steps and counts as two at most.
    """
    if len(frame) < 2:
        return 1.0
    steps = np.diff(frame)
    return float(np.minimum(steps, 2 * np.median(steps)).mean())


def score_clips(seen: Seen) -> dict[str, Any]:
    """The metrics of clips, ready for JSON.

    Frames of a clip are alike, so that intervals for as many independent images would be far too
    narrow: `accuracy`, `accuracy_end_to_end`, `detection_rate` and the recalls are those of
    :func:`fxbench.scoring.score`, with intervals that know of clips, or of subjects where all are
    named.

    Args:
        seen: the answers, smoothed or not.

    Returns:
        `metrics` by name, to stand beside those of frames or in their place, `recall` and
        `recall_end_to_end`, and `video`: how many `clips` and `frames` there were, how many
        `seconds` they last, how many show each of the composite `classes`, and the same by frame
        rate (`by_fps`, of those that were taken, rounded to a whole number) with its
        `clip_accuracy`. UF1 and UAR have no value where the clips show one class only: whoever
        always answers that one would have 1.
    """
    told = _every(seen)
    counted = [one for one in told if one.emotion >= 0]
    truth, forced = _column(counted, "emotion"), _column(counted, "forced")
    classes = class_counts(composite(truth), composite(forced))
    p = seen.predictions
    changes, seconds = flips(seen.clip, seen.time_s, top_emotions(p), p.found)
    metrics, recalls = _frames(seen)
    metrics |= {
        "clip_accuracy": _accuracy(counted, "mean"),
        "clip_accuracy_vote": _accuracy(counted, "vote"),
        "flips_per_s": without_interval(changes / seconds if seconds else None, int(p.found.sum())),
    }
    there = (classes.tp + classes.fn).tolist()
    if classes.n:
        several = sum(map(bool, there)) > 1
        metrics |= {
            name: measure(classes) if several else without_interval(None, classes.n)
            for name, measure in (("uf1", uf1), ("uar", uar))
        }
    by_fps = {
        str(fps): _length([one for one in told if one.fps == fps])
        | {"clip_accuracy": _accuracy([one for one in counted if one.fps == fps], "mean")}
        for fps in sorted({one.fps for one in told})
    }
    video = _length(told) | {"classes": dict(zip(COMPOSITE, there, strict=True)), "by_fps": by_fps}
    return {"metrics": metrics, **recalls, "video": video}


def correct_clips(seen: Seen) -> Bool:
    """Which clips are right by mean probability, one without a face counted as wrong.

    What cells on videos are to be ranked by: neighbouring frames are no independent trials.

    Returns:
        bool (L,), one for each of the L clips with an emotion of which frames were taken: the same
        ones for every cell on the same frames.
    """
    right = [one.mean == one.emotion for one in _every(seen) if one.emotion >= 0]
    return np.array(right, np.bool_)


def _frames(seen: Seen) -> tuple[dict[str, Any], dict[str, dict[str, Estimate]]]:
    """The scores of single frames whose intervals are other than for independent images."""
    labels, found = seen.answers.labels, seen.predictions.found
    right, labelled = top_emotions(seen.predictions) == labels, labels >= 0
    cluster = _clusters(seen)

    def share(hits: Bool, among: Bool) -> Estimate:
        hit, n = (np.bincount(cluster[rows]) for rows in (hits & among, among))
        return share_of_frames(_padded(hit, len(n)), n.astype(np.int64))

    metrics = {
        "accuracy": share(right, labelled & found),
        "accuracy_end_to_end": share(right, labelled),
        "detection_rate": share(found, np.ones(len(found), np.bool_)),
    }
    of_each = [(emotion, labels == index) for index, emotion in enumerate(EMOTIONS)]
    return metrics, {
        "recall": {emotion: share(right, rows & found) for emotion, rows in of_each},
        "recall_end_to_end": {emotion: share(right, rows) for emotion, rows in of_each},
    }


def _clusters(seen: Seen) -> Int64:
    """What each row is alike with: its subject where all clips have one, else its clip."""
    subjects = [one.subject for one in seen.clips]
    if not all(subjects[index] for index in np.unique(seen.clip).tolist()):
        return seen.clip
    numbers: Int64 = np.unique(subjects, return_inverse=True)[1][seen.clip].astype(np.int64)
    return numbers


def _padded(count: Int64, length: int) -> Int64:
    return np.concatenate([count, np.zeros(length - len(count), np.int64)])


def _every(seen: Seen) -> list[_Told]:
    return [_told(seen, index) for index in np.unique(seen.clip).tolist()]


@dataclass(frozen=True, slots=True)
class _Told:
    """What was said of a clip.

    Attributes:
        emotion: what is right; -1 where that is not known.
        mean: the answer by mean probability, NOT_FOUND without a face.
        vote: the answer that most frames have.
        forced: the answer by mean probability among the emotions other than neutral.
        subject: whom it shows.
        frames: how many rows it has.
        seconds: how long they last.
        fps: how many a second.
    """

    emotion: int
    mean: int
    vote: int
    forced: int
    subject: str
    frames: int
    seconds: float
    fps: int


def _told(seen: Seen, index: int) -> _Told:
    clip = seen.clips[index]
    rows = slice(*np.searchsorted(seen.clip, [index, index + 1]).tolist())
    labels, found = seen.answers.labels[rows], seen.predictions.found[rows]
    frame = seen.answers.rows[rows] - clip.first
    shown: Bool = labels == clip.emotion
    # Frames that are left out of a run may hold the whole of a short expression.
    used = found & (shown if shown.any() else True)
    outputs = seen.predictions.outputs[rows][used].astype(np.float64)
    mean, vote, forced = _answers(outputs, seen.predictions.labels)
    length = seconds_of(frame, clip.fps)
    fps = round(clip.fps / step_of(frame))
    return _Told(clip.emotion, mean, vote, forced, clip.subject, len(frame), length, fps)


def _answers(outputs: Float64, labels: tuple[str | None, ...]) -> tuple[int, int, int]:
    """The answer by mean probability, by vote, and by mean probability without neutral."""
    if not len(outputs):
        return NOT_FOUND, NOT_FOUND, NOT_FOUND
    codes = [OTHER if label is None else EMOTIONS.index(label) for label in labels]
    mean = outputs.mean(axis=0)
    # Outputs that mean the same are one answer.
    distinct = list(dict.fromkeys(codes))
    top = np.array([distinct.index(codes[k]) for k in outputs.argmax(axis=1)], np.int64)
    strength = np.array([max(mean[k] for k, c in enumerate(codes) if c == d) for d in distinct])
    emotional = [k for k, code in enumerate(codes) if code not in (OTHER, NEUTRAL)]
    forced = codes[max(emotional, key=lambda k: mean[k])] if emotional else NOT_FOUND
    return codes[int(mean.argmax())], distinct[votes(top, strength)], forced


def _column(told: list[_Told], name: str) -> Int64:
    return np.array([getattr(one, name) for one in told], np.int64)


def _accuracy(told: list[_Told], name: str) -> Estimate:
    """The share of clips whose answer is right; a clip without a face is wrong."""
    right = _column(told, name) == _column(told, "emotion")
    if not told or not all(one.subject for one in told):
        return proportion(int(right.sum()), len(told))
    # Clips of one person are alike.
    _, subject = np.unique([one.subject for one in told], return_inverse=True)
    hits = np.bincount(subject, weights=right).astype(np.int64)
    return clustered_proportion(hits, np.bincount(subject).astype(np.int64))


def _length(told: list[_Told]) -> dict[str, Any]:
    return {
        "clips": len(told),
        "frames": sum(one.frames for one in told),
        "seconds": sum(one.seconds for one in told),
    }
