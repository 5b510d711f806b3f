"""From spotted intervals to the metrics of a spotter's cell. docs/metrics.md defines each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from fxbench.clips import MACRO, MICRO, Clip, Interval
from fxbench.metrics.clips import COMPOSITE, NONE, class_counts, composite, uar, uf1
from fxbench.metrics.intervals import Estimate, without_interval
from fxbench.metrics.spotting import (
    Analysis,
    Counts,
    Pairs,
    analysis,
    counted,
    f1,
    match,
    match_script,
    precision,
    rate,
    recall,
)
from fxbench.scoring_clips import NEUTRAL, seconds_of, step_of
from fxbench.types import Float32, Int64

BOTH = "both"
"""Intervals of either kind, together."""

KINDS = (MICRO, MACRO, BOTH)

OTHERS = "others"
"""How MEGC's tables name an emotion that is in none of the composite classes."""


def recognised(
    probabilities: Float32, frame: Int64, intervals: Sequence[Interval]
) -> tuple[int, ...]:
    """The emotion of each interval: that with the highest mean probability in it, neutral apart.

    Args:
        probabilities: float32 (N, 8) in the order of EMOTIONS; a row of NaN where there was no
            face.
        frame: int64 (N,), the frame of each row.
        intervals: what was spotted.

    Returns:
        An index into EMOTIONS for each interval; -1 where no frame in it has a face, or nothing
        but neutral is possible.
    """
    known = np.isfinite(probabilities).all(axis=1)
    emotions = []
    for interval in intervals:
        rows = known & (frame >= interval.onset) & (frame <= interval.offset)
        mean = probabilities[rows].astype(np.float64).sum(axis=0)
        mean[NEUTRAL] = 0.0
        emotions.append(int(mean.argmax()) if mean.max() > 0 else -1)
    return tuple(emotions)


def score_spotting(
    clips: Sequence[Clip],
    spotted: Mapping[str, Sequence[Interval]],
    recognised: Mapping[str, Mapping[str, Sequence[int]]],
    frames: Mapping[str, Int64],
) -> dict[str, Any]:
    """The metrics of a spotter's cell, ready for JSON.

    A clip counts if somebody has looked for expressions in it (`intervals` is not None) and frames
    of it were given; a clip without an expression does. An expression that lies wholly before the
    first or after the last frame that was given is no part of the truth.

    Args:
        clips: of the dataset.
        spotted: what was spotted, by the clip's name, in frames of the clip; a clip that is
            missing has nothing.
        recognised: by classifier and clip, the emotion of each spotted interval, from
            :func:`recognised`.
        frames: int64, ascending, by clip: which of its frames were given.

    Returns:
        `images` (`n`, `clips`, `events`), `metrics` by name, `spotting` (`fxbench` and `megc`: the
        counts of micro, macro and both; of `fxbench` also `by_fps`, the frames a second that were
        given as a whole number) and `recognition` (of each classifier `fxbench` and `megc`, over
        all intervals and over those of `micro`).
    """
    shown = [
        _Shown(clip, _within(clip, frames[clip.name]), tuple(spotted.get(clip.name, ())), given)
        for clip in clips
        if clip.intervals is not None and len(given := frames.get(clip.name, np.empty(0, np.int64)))
    ]
    by_subject = all(one.clip.subject for one in shown)
    metrics: dict[str, Any] = {
        f"spot_f1_{kind}": f1(_clustered(shown, kind, by_subject)) for kind in (MICRO, MACRO)
    }
    clusters = _clustered(shown, BOTH, by_subject)
    metrics |= {
        "spot_f1": f1(clusters),
        "spot_precision": precision(clusters),
        "spot_recall": recall(clusters),
        "false_alarms_per_minute": _false_alarms(shown),
        "false_alarms_per_minute_quiet": _false_alarms([one for one in shown if not one.truth]),
        **_apex_errors(shown),
    }
    own: dict[str, Any] = _of_each_kind(shown)
    own["by_fps"] = {
        str(fps): {"clips": len(same), **_of_each_kind(same)}
        for fps in sorted({one.fps for one in shown})
        if (same := [one for one in shown if one.fps == fps])
    }
    return {
        "images": {
            "n": sum(len(one.frames) for one in shown),
            "clips": len(shown),
            "events": sum(len(one.truth) for one in shown),
        },
        "metrics": metrics,
        "spotting": {
            "fxbench": own,
            "megc": {
                kind: (_script_record if shown else _record)(_script_counts(shown, kind))
                for kind in KINDS
            },
        },
        "recognition": {
            name: {
                way: figures(shown, told, BOTH) | {MICRO: figures(shown, told, MICRO)}
                for way, figures in (("fxbench", _recognition), ("megc", _script_recognition))
            }
            for name, told in recognised.items()
        },
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """A clip that counts.

    Attributes:
        clip: what the dataset says of it.
        truth: the expressions in the frames that were given.
        spotted: what was spotted, in the order in which it was answered.
        frames: those that were given.
    """

    clip: Clip
    truth: tuple[Interval, ...]
    spotted: tuple[Interval, ...]
    frames: Int64

    @property
    def fps(self) -> int:
        """How many frames a second were given, as a whole number."""
        return round(self.clip.fps / step_of(self.frames))

    @property
    def seconds(self) -> float:
        """How long they last."""
        return seconds_of(self.frames, self.clip.fps)

    def of_kind(self, kind: str) -> tuple[tuple[int, ...], tuple[Interval, ...]]:
        """The places of the spotted intervals of a kind, and the true ones of that kind."""
        places = tuple(i for i, one in enumerate(self.spotted) if kind in (BOTH, one.kind))
        return places, tuple(one for one in self.truth if kind in (BOTH, one.kind))


def _within(clip: Clip, frames: Int64) -> tuple[Interval, ...]:
    """The expressions of a clip that the given frames reach."""
    first, end = int(frames[0]), float(frames[-1]) + step_of(frames)
    return tuple(i for i in clip.intervals or () if i.offset >= first and i.onset < end)


def _pairs(one: _Shown, kind: str, matching: Callable[..., Pairs] = match) -> tuple[Pairs, Counts]:
    """The pairs of intervals of a kind, by places among those of that kind, and their counts."""
    places, truth = one.of_kind(kind)
    pairs = matching([one.spotted[i] for i in places], truth)
    return pairs, counted(pairs, len(places), len(truth))


def _pooled(shown: Sequence[_Shown], kind: str) -> Counts:
    return sum((_pairs(one, kind)[1] for one in shown), Counts())


def _clustered(shown: Sequence[_Shown], kind: str, by_subject: bool) -> list[Counts]:
    """The counts of each subject; of each clip where subjects are not known."""
    clusters: dict[str, Counts] = {}
    for one in shown:
        name = one.clip.subject if by_subject else one.clip.name
        clusters[name] = clusters.get(name, Counts()) + _pairs(one, kind)[1]
    return list(clusters.values())


def _of_each_kind(shown: Sequence[_Shown]) -> dict[str, Any]:
    return {kind: _record(_pooled(shown, kind)) for kind in KINDS}


def _record(counts: Counts) -> dict[str, Any]:
    return {
        "tp": counts.tp,
        "fp": counts.fp,
        "fn": counts.fn,
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
    }


def _false_alarms(shown: Sequence[_Shown]) -> Estimate:
    minutes = sum(one.seconds for one in shown) / 60
    return rate(_pooled(shown, BOTH).fp, minutes, sum(len(one.frames) for one in shown))


def _apex_errors(shown: Sequence[_Shown]) -> dict[str, Estimate]:
    """How far the spotted apexes are from the true ones, over right intervals that have both."""
    frames, milliseconds = [], []
    for one in shown:
        for row, column in _pairs(one, BOTH)[0]:
            spotted, true = one.spotted[row].apex, one.truth[column].apex
            if spotted is not None and true is not None:
                frames.append(abs(spotted - true))
                milliseconds.append(1000 * abs(spotted - true) / one.clip.fps)
    return {
        name: without_interval(float(np.mean(errors)) if errors else None, len(errors))
        for name, errors in (("apex_error_frames", frames), ("apex_error_ms", milliseconds))
    }


def _emotions(
    shown: Sequence[_Shown],
    told: Mapping[str, Sequence[int]],
    kind: str,
    matching: Callable[..., Pairs] = match,
) -> tuple[Int64, Int64]:
    """The right and the recognised emotion of each interval of a kind that was spotted."""
    truth, answers = [], []
    for one in shown:
        answered, places = told.get(one.clip.name, ()), one.of_kind(kind)[0]
        there = one.of_kind(kind)[1]
        for row, column in _pairs(one, kind, matching)[0]:
            truth.append(_emotion_of(one, there[column]))
            answers.append(answered[places[row]] if places[row] < len(answered) else -1)
    return np.array(truth, np.int64), np.array(answers, np.int64)


def _emotion_of(one: _Shown, interval: Interval) -> int:
    """What a true interval shows: what is said of itself, else of its clip."""
    return interval.emotion if interval.emotion >= 0 else one.clip.emotion


def _recognition(
    shown: Sequence[_Shown], told: Mapping[str, Sequence[int]], kind: str
) -> dict[str, Any]:
    """Unweighted F1 over the composite classes of the right intervals, and times spotting's F1."""
    truth, answers = _emotions(shown, told, kind)
    counts = class_counts(composite(truth), composite(answers))
    spot, recognition = _pooled(shown, kind).f1, uf1(counts)["value"]
    return {
        "n": counts.n,
        "spot_f1": spot,
        "uf1": recognition,
        "uar": uar(counts)["value"],
        "strs": _product(spot, recognition),
    }


def _product(spot: float | None, recognition: float | None) -> float | None:
    """The spotted-then-recognised score: 0 where nothing was spotted, whatever recognising did."""
    if not spot:
        return spot
    return None if recognition is None else spot * recognition


# What the challenge's script does


def _script_counts(shown: Sequence[_Shown], kind: str) -> Counts:
    return sum((_pairs(one, kind, match_script)[1] for one in _script_clips(shown, kind)), Counts())


def _script_record(counts: Counts) -> dict[str, Any]:
    """The script has 0 where something is divided by nothing."""
    return {key: 0.0 if value is None else value for key, value in _record(counts).items()}


def _script_clips(shown: Sequence[_Shown], kind: str) -> list[_Shown]:
    """The clips that the script looks at: with a truth, of subjects with a spotted interval."""
    subjects = {one.clip.subject for one in shown if one.of_kind(kind)[0]}
    return [one for one in shown if one.clip.subject in subjects and one.of_kind(kind)[1]]


def _script_recognition(
    shown: Sequence[_Shown], told: Mapping[str, Sequence[int]], kind: str
) -> dict[str, Any]:
    truth, answers = _emotions(_script_clips(shown, kind), told, kind, match_script)
    right, answered = _names(truth), _names(answers)
    everywhere = [_emotion_of(one, interval) for one in shown for interval in one.of_kind(kind)[1]]
    classes = sorted(set(_names(np.array(everywhere, np.int64))) - {OTHERS})
    # Where nobody has annotated anything there is nothing to give the script.
    spot = _script_record(_script_counts(shown, kind))["f1"] if shown else None
    if right and classes:
        figures: dict[str, Any] = asdict(analysis(right, answered, classes))
    else:
        figures = dict.fromkeys(field.name for field in fields(Analysis))
    return {
        "n": sum(name in classes for name in right),
        "spot_f1": spot,
        **figures,
        "strs": _product(spot, figures["f1"]),
    }


def _names(emotions: Int64) -> list[str]:
    """As MEGC's tables have them."""
    return [OTHERS if one == NONE else COMPOSITE[one] for one in composite(emotions)]
