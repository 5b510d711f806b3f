"""Who is in a video: what each classifier labelled them as, for how long, and how they moved.

A person is a track: somebody that a detector found, followed by position and motion alone. Whoever
leaves and comes back more than a second later is somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fxbench.analysis.columns import OTHER_NAME, Layout
from fxbench.labels import EMOTIONS
from fxbench.measures import NAMES, Measures, baseline
from fxbench.standard_face import POSE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fxbench.types import Bool, Float32, Float64, Int64

WINDOW_S = 0.5
"""Segments are of the mean probabilities of so many seconds around each frame."""

ANSWERS = (*EMOTIONS, OTHER_NAME)
_NOT = -1


@dataclass(frozen=True, slots=True)
class Segment:
    """While a classifier labels a person as one emotion.

    Attributes:
        begin_s: seconds into the video.
        end_s: seconds: when its last frame ends.
        label: one of the eight emotions, or `other`.
    """

    begin_s: float
    end_s: float
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A track of a video behind one detector, a row for each frame in which it is.

    Attributes:
        detector: its name.
        track: the number.
        frame: int64 (N,), of the video.
        time_s: float64 (N,).
        detected: bool (N,).
        xyxy: float32 (N, 4), the boxes, pixels.
        labels: by classifier (N,), the indices into ANSWERS, -1 where there is no answer.
        shares: by classifier float32 (N, 9), the probabilities of ANSWERS, NaN where not known.
        pose: by landmarker float32 (N, 3).
        measures: by landmarker, as they are.
        neutral: by landmarker float32 (K,), the measures of the neutral face.
    """

    detector: str
    track: int
    frame: Int64
    time_s: Float64
    detected: Bool
    xyxy: Float32
    labels: dict[str, Int64]
    shares: dict[str, Float32]
    pose: dict[str, Float32]
    measures: dict[str, Measures]
    neutral: dict[str, Float32]

    def smooth(self, classifier: str) -> Float32:
        """The mean probabilities of :data:`WINDOW_S` around each frame, float32 (N, 9)."""
        return _smoothed(self.shares[classifier], self.time_s)

    def segments(self, classifier: str, frame_s: float) -> tuple[Segment, ...]:
        """What a classifier labelled the person as, for how long, by :meth:`smooth`.

        Args:
            classifier: its name.
            frame_s: how long a frame is, seconds. Where none is for twice as long, and for longer
                than the window, a segment ends.
        """
        smooth = self.smooth(classifier)
        known = np.isfinite(smooth).any(axis=1)
        best = np.where(known, np.nan_to_num(smooth, nan=-1.0).argmax(axis=1), _NOT)
        gap = max(WINDOW_S, 2.0 * frame_s)
        breaks = (np.diff(best) != 0) | (np.diff(self.time_s) > gap)
        starts = np.flatnonzero(np.concatenate([[True], breaks]))
        stops = np.append(starts[1:], len(best))
        segments = []
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if best[start] == _NOT:
                continue
            end = float(self.time_s[stop - 1]) + frame_s
            if stop < len(best) and self.time_s[stop] - self.time_s[stop - 1] <= gap:
                end = float(self.time_s[stop])
            segments.append(Segment(float(self.time_s[start]), end, ANSWERS[best[start]]))
        return tuple(segments)

    def record(self) -> dict[str, Any]:
        """As JSON can hold it: what people and tables are told of the person."""
        return {
            "detector": self.detector,
            "track": self.track,
            "first_s": _rounded(self.time_s[0]),
            "last_s": _rounded(self.time_s[-1]),
            "frames": len(self.frame),
            "detected": int(self.detected.sum()),
            "side": _rounded(
                np.median(np.sqrt(np.prod(self.xyxy[:, 2:] - self.xyxy[:, :2], 1))), 1
            ),
            "classifiers": {name: self._answers(name) for name in self.labels},
            "landmarkers": {name: self._moved(name) for name in self.measures},
        }

    def _answers(self, classifier: str) -> dict[str, Any]:
        labels, shares = self.labels[classifier], self.shares[classifier]
        answered = int((labels >= 0).sum())
        counts = np.bincount(labels[labels >= 0], minlength=len(ANSWERS)).tolist()
        known: list[bool] = np.asarray(np.isfinite(shares).any(axis=0), np.bool_).tolist()
        # Most classifiers have no output without counterpart, and then there is nothing to say.
        known[-1] = known[-1] and bool(np.nanmax(shares[:, -1]) > 0)
        means = [
            _rounded(np.nanmean(shares[:, i])) if known[i] else None for i in range(len(ANSWERS))
        ]
        return {
            "answered": answered,
            "labelled": {
                name: count
                for name, count, there in zip(ANSWERS, counts, known, strict=True)
                if there
            },
            "share": {
                name: _rounded(count / answered) if answered else None
                for name, count, there in zip(ANSWERS, counts, known, strict=True)
                if there
            },
            "mean": {
                name: mean for name, mean in zip(ANSWERS, means, strict=True) if mean is not None
            },
        }

    def _moved(self, landmarker: str) -> dict[str, Any]:
        neutral, turned = self.neutral[landmarker], self.pose[landmarker]
        values = self.measures[landmarker].less(neutral).values
        strongest = {}
        for index, name in enumerate(NAMES):
            column = values[:, index]
            if np.isfinite(column).any():
                row = int(np.nanargmax(np.abs(column)))
                strongest[name] = {
                    "value": _rounded(column[row], 5),
                    "time_s": _rounded(self.time_s[row]),
                    "frame": int(self.frame[row]),
                }
        return {
            "located": int(np.isfinite(values).any(axis=1).sum()),
            "pose": {
                name: _rounded(np.nanmean(turned[:, i]), 2)
                if np.isfinite(turned[:, i]).any()
                else None
                for i, name in enumerate(POSE)
            },
            "neutral": {
                name: None if np.isnan(value) else _rounded(value, 6)
                for name, value in zip(NAMES, neutral.tolist(), strict=True)
            },
            "strongest": strongest,
        }


def people_in(part: Path, layout: Layout) -> tuple[Person, ...]:
    """The people of a video, those that were found in most frames first.

    Args:
        part: the Parquet file with its rows.
        layout: of that.
    """
    columns = ["detector", "track", "frame", "time_s", "detected", "x1", "y1", "x2", "y2"]
    columns += [f"{name}.{each}" for name in layout.classifiers for each in ("label", *ANSWERS)]
    columns += [column for name in layout.measured for column in layout.measures(name)]
    table = pq.read_table(part, columns=columns, use_threads=False, pre_buffer=False)
    people = [_person(own, layout) for own in _apart(table)]
    return tuple(sorted(people, key=lambda one: (one.detector, -len(one.frame), one.track)))


def _apart(table: pa.Table) -> Iterator[pa.Table]:
    detector, track = table["detector"].to_pylist(), table["track"].to_numpy()
    codes = {name: index for index, name in enumerate(dict.fromkeys(detector))}
    keys = np.array([codes[name] for name in detector], np.int64) * (1 << 32) + track
    for key in np.unique(keys).tolist():
        yield table.take(np.flatnonzero(keys == key))


def _person(rows: pa.Table, layout: Layout) -> Person:
    def column(name: str) -> Any:
        return rows[name].to_numpy()

    labels, shares, turned, measures, neutral = {}, {}, {}, {}, {}
    for name in layout.classifiers:
        codes = {label: index for index, label in enumerate(ANSWERS)} | {None: _NOT}
        labels[name] = np.array(
            [codes[label] for label in rows[f"{name}.label"].to_pylist()], np.int64
        )
        shares[name] = np.stack([column(f"{name}.{each}") for each in ANSWERS], axis=1)
    for name in layout.measured:
        values = np.stack([column(each) for each in layout.measures(name)], axis=1)
        turned[name] = values[:, : len(POSE)]
        measures[name] = Measures(np.ascontiguousarray(values[:, len(POSE) :], np.float32))
        neutral[name] = baseline(measures[name])
    return Person(
        rows["detector"][0].as_py(),
        rows["track"][0].as_py(),
        column("frame"),
        column("time_s"),
        rows["detected"].to_numpy(),
        np.stack([column(each) for each in ("x1", "y1", "x2", "y2")], axis=1),
        labels,
        shares,
        turned,
        measures,
        neutral,
    )


def _smoothed(shares: Float32, time_s: Float64) -> Float32:
    """Each row the mean of those within half a window of it, those without an answer apart."""
    known = np.isfinite(shares).any(axis=1)
    sums = np.concatenate(
        [np.zeros((1, shares.shape[1])), np.cumsum(np.nan_to_num(shares.astype(np.float64)), 0)]
    )
    counts = np.concatenate([[0], np.cumsum(known)])
    # Times are rounded: a frame at the edge of the window is always in it.
    reach = WINDOW_S / 2 + 1e-4
    start = np.searchsorted(time_s, time_s - reach, side="left")
    stop = np.searchsorted(time_s, time_s + reach, side="right")
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sums[stop] - sums[start]) / (counts[stop] - counts[start])[:, None]
    means[:, ~np.isfinite(shares).any(axis=0)] = np.nan
    means[~known] = np.nan
    smooth: Float32 = means.astype(np.float32)
    return smooth


def _rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)
