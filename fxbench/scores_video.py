"""What follows from a cell's answers about the frames of videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.clips import Clip, Interval
from fxbench.metrics.landmarks import inter_ocular
from fxbench.metrics.motion import score_motion
from fxbench.outputs import by_emotion
from fxbench.scoring import Predictions
from fxbench.scoring_clips import Seen, correct_clips, score_clips, smooth
from fxbench.scoring_landmarks import Located, averaged
from fxbench.scoring_spotting import recognised, score_spotting
from fxbench.types import Answers, Bool, Float32, Float64, Int64

if TYPE_CHECKING:
    from fxbench.cells import Cell
    from fxbench.collect import Collector
    from fxbench.plan import Plan
    from fxbench.sources import Source


class VideoScores:
    """The scores of cells on the videos of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def smoothed(self, cell: Cell, answers: Answers, predictions: Predictions) -> Predictions:
        """A cell's predictions, smoothed over its seconds within each video."""
        return smooth(self._seen(answers, predictions), cell.smoothing or 0.0)

    def clips(self, answers: Answers, predictions: Predictions) -> dict[str, Any]:
        """The metrics of whole videos: see :func:`fxbench.scoring_clips.score_clips`."""
        return score_clips(self._seen(answers, predictions))

    def correct(self, answers: Answers, predictions: Predictions) -> Bool:
        """Which videos are named rightly: see :func:`fxbench.scoring_clips.correct_clips`."""
        return correct_clips(self._seen(answers, predictions))

    def people(self, answers: Answers) -> Int64 | None:
        """Whom each of the videos that :meth:`correct` is about shows; None where not all say."""
        clips = [
            self._source.clips[index] for index in np.unique(self._source.clip_of(answers.rows))
        ]
        named = [clip.subject for clip in clips if clip.emotion >= 0]
        if not all(named):
            return None
        return np.unique(named, return_inverse=True)[1].astype(np.int64)

    def motion(self, located: Located) -> dict[str, Any]:
        """The metrics of how points move: see :func:`fxbench.metrics.motion.score_motion`."""
        ocular = inter_ocular(located.truth, located.truth_scheme)
        if ocular is None:
            return {}
        own, true = located.shared
        points, truth = averaged(located.points, own), averaged(located.truth, true)
        clip, time_s = self._times(located.row)
        return score_motion(points, truth, ocular, clip, time_s)

    def spotting(
        self,
        cell: Cell,
        spotted: Mapping[str, Sequence[Interval]],
        answers: Answers,
        answered: Mapping[Cell, Predictions],
        rows_of: Callable[[Cell], Int64],
    ) -> dict[str, Any]:
        """The metrics of a spotter: see :func:`fxbench.scoring_spotting.score_spotting`.

        What was spotted is named by each classifier behind the same detector.

        Args:
            cell: of the spotter.
            spotted: what it found in each video.
            answers: of the frames that it was given.
            answered: the predictions of the source's cells.
            rows_of: the images that the predictions of a cell are of: a service may not have
                answered about all.
        """
        frames = {
            clip.name: answers.rows[np.isin(answers.rows, clip.rows)] - clip.first
            for clip in self._source.watched
        }
        emotions = {
            str(other.classifier): self._recognised(
                spotted, frames, answers.rows, rows_of(other), predictions
            )
            for other, predictions in answered.items()
            if _is_plain(other) and (other.detector, other.every) == (cell.detector, cell.every)
        }
        scored = score_spotting(self._source.watched, spotted, emotions, frames)
        return scored | {"intervals": [_listed(c, spotted) for c in self._source.watched]}

    def _recognised(
        self,
        spotted: Mapping[str, Sequence[Interval]],
        frames: Mapping[str, Int64],
        rows: Int64,
        answered: Int64,
        predictions: Predictions,
    ) -> dict[str, tuple[int, ...]]:
        told = by_emotion(predictions.outputs.astype(np.float32), predictions.labels)
        known = predictions.found & np.isin(answered, rows)
        probabilities = np.full((len(rows), told.shape[1]), np.nan, np.float32)
        probabilities[np.searchsorted(rows, answered[known])] = told[known]
        named: dict[str, tuple[int, ...]] = {}
        for clip in self._source.watched:
            here: Float32 = probabilities[np.isin(rows, clip.rows)]
            found = spotted.get(clip.name, ())
            named[clip.name] = recognised(here, frames[clip.name], found)
        return named

    def _seen(self, answers: Answers, predictions: Predictions) -> Seen:
        clip, time_s = self._times(answers.rows)
        return Seen(self._source.clips, clip, time_s, answers, predictions)

    def _times(self, rows: Int64) -> tuple[Int64, Float64]:
        """The video of each row, and how many seconds into it it is by its average rate."""
        clip = self._source.clip_of(rows)
        first = np.array([one.first for one in self._source.clips], np.int64)
        fps = np.array([one.fps for one in self._source.clips], np.float64)
        return clip, (rows - first[clip]) / fps[clip]


def _listed(clip: Clip, spotted: Mapping[str, Sequence[Interval]]) -> dict[str, Any]:
    """The intervals of a clip, for a record."""
    both = {"truth": clip.intervals or (), "spotted": spotted.get(clip.name, ())}
    told = {name: [asdict(one) for one in intervals] for name, intervals in both.items()}
    return {"clip": clip.name, "fps": clip.fps, "frames": clip.frames, **told}


def _is_plain(cell: Cell) -> bool:
    """Whether a cell is a classifier's about faces as they are."""
    changed = (cell.attack, cell.corruption, cell.align, cell.smoothing)
    return cell.kind == "classifier" and not any(changed)


def add_speeds(
    plan: Plan, source: Source, collector: Collector, records: Sequence[dict[str, Any]]
) -> None:
    """Put into the records of cells on videos as they are how fast they were gone through.

    `real_time_factor`: seconds of video for each second of detecting, following, and what comes
    after it, as the run measured them. Decoding goes on beside it, and isn't counted.
    """
    if not source.clips:
        return
    frames = np.bincount(source.clip_of(source.answers.rows), minlength=len(source.clips))
    shown = [count / source.fps_of(c) for c, count in zip(source.clips, frames, strict=True)]
    by_id = {planned.cell.id: planned.cell for planned in plan.cells}
    for record in records:
        cell = by_id[record["id"]]
        if record["status"] == "ok" and cell == cell.clean:
            seconds = collector.seconds(source, cell)
            factor = sum(shown) / seconds if seconds else None
            record["latency"] = (record["latency"] or {}) | {"real_time_factor": factor}
