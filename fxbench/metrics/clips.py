"""What a classifier says of a whole clip, and how steadily.

UF1 and UAR are those of the second micro-expression grand challenge: See, Yap, Li, Hong & Wang
(2019), MEGC 2019: the second facial micro-expressions grand challenge, FG. Its three composite
classes make datasets with other sets of emotions comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.metrics.detection import clustered_proportion
from fxbench.metrics.intervals import Estimate, wilson, without_interval

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64

COMPOSITE: tuple[str, ...] = ("negative", "positive", "surprise")
"""The classes of MEGC 2019."""

NONE = -1
"""In a vector of composite classes: none of the three."""

_CLASS_OF = {
    "happiness": "positive",
    "surprise": "surprise",
    "sadness": "negative",
    "anger": "negative",
    "disgust": "negative",
    "fear": "negative",
    "contempt": "negative",
}


def composite(emotions: Int64) -> Int64:
    """The composite class of each emotion.

    Args:
        emotions: int64 (N,), indices into EMOTIONS; negative ones are none.

    Returns:
        int64 (N,), indices into COMPOSITE; NONE for neutral and for what is none of EMOTIONS.
    """
    table = [COMPOSITE.index(_CLASS_OF[e]) if e in _CLASS_OF else NONE for e in EMOTIONS]
    classes: Int64 = np.array([*table, NONE], np.int64)[np.where(emotions < 0, -1, emotions)]
    return classes


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """True positives, false positives and false negatives of each composite class.

    Attributes:
        tp: int64 (3,).
        fp: int64 (3,).
        fn: int64 (3,).
    """

    tp: Int64
    fp: Int64
    fn: Int64

    @property
    def n(self) -> int:
        """How many clips, or intervals, have one of the classes."""
        return int((self.tp + self.fn).sum())


def class_counts(truth: Int64, answers: Int64) -> ClassCounts:
    """The counts of each composite class.

    Over folds that hold out one subject each (leave one subject out) these counts are summed. So
    for something that is not trained here, the folds make no difference: only which clips there
    are does.

    Args:
        truth: int64 (N,), indices into COMPOSITE; one of NONE counts nowhere.
        answers: int64 (N,), likewise; NONE is wrong, and no false positive of any class.
    """
    truth, answers = truth[truth != NONE], answers[truth != NONE]
    classes = np.arange(len(COMPOSITE))[:, None]
    right, answered = truth[None] == classes, answers[None] == classes
    return ClassCounts(
        (right & answered).sum(axis=1),
        (~right & answered).sum(axis=1),
        (right & ~answered).sum(axis=1),
    )


def uf1(counts: ClassCounts) -> Estimate:
    """Unweighted F1: the mean of 2 TP / (2 TP + FP + FN) over the classes that are there.

    See et al. (2019). Without an interval; `n` is how many have a class.
    """
    there = counts.tp + counts.fn > 0
    if not there.any():
        return without_interval(None, 0)
    f1 = 2 * counts.tp[there] / (2 * counts.tp + counts.fp + counts.fn)[there]
    return without_interval(float(f1.mean()), counts.n)


def uar(counts: ClassCounts) -> Estimate:
    """Unweighted average recall: the mean of TP / (TP + FN) over the classes that are there.

    See et al. (2019); also called balanced accuracy. Without an interval; `n` is how
    many have a class.
    """
    there = counts.tp + counts.fn > 0
    if not there.any():
        return without_interval(None, 0)
    recall = counts.tp[there] / (counts.tp + counts.fn)[there]
    return without_interval(float(recall.mean()), counts.n)


def share_of_frames(hits: Int64, n: Int64) -> Estimate:
    """A proportion of frames with a 95 % interval that knows that frames come by clips or people.

    As :func:`fxbench.metrics.detection.clustered_proportion`. But where nothing shows how alike the
    frames of one are, because there is one only, or all frames are hits or none is, it is taken as
    a single trial: there are many frames in each, and neighbours hardly differ.

    Args:
        hits: int64 (C,), by clip or person.
        n: int64 (C,), frames by clip or person.

    Returns:
        `n` is the number of frames.
    """
    estimate = clustered_proportion(hits, n)
    share, trials = estimate["value"], int((n > 0).sum())
    if share is not None and (trials == 1 or share in (0.0, 1.0)):
        low, high = wilson(np.array(share * trials), np.array(trials))
        estimate |= Estimate(value=share, low=float(low), high=float(high), n=estimate["n"])
    return estimate


def votes(top: Int64, strength: Float64) -> int:
    """What most frames say.

    Args:
        top: int64 (N,), the answer of each frame, at least one.
        strength: float64 (K,), by which of two answers with equally many frames the one with more
            is taken; `top` are indices into it.
    """
    count = np.bincount(top, minlength=len(strength))
    most = np.flatnonzero(count == count.max())
    return int(most[strength[most].argmax()])


def flips(clip: Int64, time_s: Float64, top: Int64, found: Bool) -> tuple[int, float]:
    """How often the answer changes from one frame with a face to the next with one.

    Args:
        clip: int64 (N,), the clip of each frame, ascending.
        time_s: float64 (N,), seconds into it.
        top: int64 (N,), the answers.
        found: bool (N,), whether there was a face.

    Returns:
        The changes, and the seconds between the frames that were compared.
    """
    clip, time_s, top = clip[found], time_s[found], top[found]
    same = clip[1:] == clip[:-1]
    changes = int((same & (top[1:] != top[:-1])).sum())
    return changes, float(np.diff(time_s)[same].sum())


def smoothed(
    clip: Int64, time_s: Float64, outputs: Float64, found: Bool, seconds: float
) -> Float64:
    """The exponential moving average of each clip's outputs, by a time constant.

    Each frame with a face moves the average towards its outputs by 1 - exp(-dt / seconds), dt being
    the time since the last frame with a face: the same at every frame rate, and with frames that
    are not evenly spaced. After a step, 63 % of it are reached in `seconds`. The first frame with a
    face is the first average; a frame without one leaves it as it is. Eckner (2019), Algorithms for
    unevenly spaced time series: moving averages and other rolling operators, working paper.

    Args:
        clip: int64 (N,), the clip of each frame, ascending.
        time_s: float64 (N,), seconds into it, ascending.
        outputs: float64 (N, K).
        found: bool (N,); outputs of the others mean nothing.
        seconds: above 0.

    Returns:
        float64 (N, K); rows without a face as they were.
    """
    result = outputs.copy()
    rows = np.flatnonzero(found)
    if not len(rows):
        return result
    gap = np.diff(time_s[rows], prepend=time_s[rows[0]])
    weight = 1 - np.exp(-np.maximum(gap, 0) / seconds)
    weight[np.diff(clip[rows], prepend=-1) != 0] = 1.0
    state = result[rows[0]]
    for row, alpha in zip(rows.tolist(), weight.tolist(), strict=True):
        # Of a clip's first frame, exactly its outputs.
        state = outputs[row] if alpha == 1.0 else state + alpha * (outputs[row] - state)
        result[row] = state
    return result
