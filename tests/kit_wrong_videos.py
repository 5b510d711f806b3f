"""Spotters, and datasets of videos, that each break one rule of the conformance kit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from kit_components import Everything, Filmed, Gape
from kit_wrong_models import PLAIN, wrong

from fxbench.clips import Interval


@wrong("spotter", "intervals", says="not list")
class ListOfIntervals(Gape):
    def spot(self, track):
        return list(super().spot(track))


@wrong("spotter", "intervals", says="tuple of Interval, not of tuple")
class BareNumbers(Gape):
    def run(self, frames, gaps, fps):
        return frames[0], frames[-1]


@wrong("spotter", "intervals", says="they must be in order")
class StrongestFirst(Gape):
    def spot(self, track):
        return tuple(sorted(super().spot(track), key=lambda one: -one.onset))


@wrong("spotter", "intervals", says="must begin at 0 or later")
class EndsFirst(Gape):
    def run(self, frames, gaps, fps):
        return Interval(int(frames[-1]), None, int(frames[0]), "micro")


@wrong("spotter", "intervals", says="'NoneType'", traits=PLAIN)
class DoesNotSayThatItWantsPoints(Gape):
    pass


@wrong("spotter", "frame-rates", says="too fast")
class KnowsSlowVideos(Gape):
    def spot(self, track):
        if track.fps > 100:
            raise ValueError("too fast")
        return super().spot(track)


@wrong("spotter", "frame-numbers", says="the frames that it was given go from 100 to")
class CountsItsFrames(Gape):
    def runs(self, frames, gaps, fps):
        return super().runs(np.arange(len(frames)), gaps, fps)


@wrong("spotter", "lost-faces", says="no face")
class NeedsTheFace(Gape):
    def gap(self, part):
        if np.isnan(part.xyxy).any():
            raise ValueError("no face")
        return super().gap(part)


@wrong("spotter", "short-clips", "memory", says="need at least one array")
class NeedsAPart(Gape):
    def spot(self, track):
        parts = list(track)
        frames = np.concatenate([part.frame for part in parts])
        gaps = np.concatenate([self.gap(part) for part in parts])
        return self.runs(frames, gaps, track.fps)


@wrong("spotter", "odd-faces", says="empty crop")
class CropsWholePixels(Gape):
    def gap(self, part):
        for image, (x1, y1, x2, y2) in zip(part.images, part.xyxy, strict=True):
            if x1 < x2 and not image[int(y1) : int(y2), int(x1) : int(x2)].size:
                raise ValueError("empty crop")
        return super().gap(part)


@wrong("spotter", "inputs-kept", says="of a picture")
class DrawsIntoPictures(Gape):
    def gap(self, part):
        for image in part.images:
            image[0] = 0
        return super().gap(part)


@wrong("spotter", "inputs-kept", says="of what comes with the pictures")
class RoundsBoxes(Gape):
    def gap(self, part):
        np.floor(part.xyxy, out=part.xyxy)
        return super().gap(part)


@wrong("spotter", "deterministic", says="A second call: macro")
class RandomMargin(Gape):
    random = np.random.default_rng(5)

    def runs(self, frames, gaps, fps):
        self.margin = self.random.uniform(0.005, 0.08)
        return super().runs(frames, gaps, fps)


@wrong("spotter", "deterministic", says="the scores are")
class RandomScores(Gape):
    random = np.random.default_rng(5)

    def run(self, frames, gaps, fps):
        return replace(super().run(frames, gaps, fps), score=self.random.uniform())


@wrong("spotter", "parts", says="1 frames at a time: nothing")
class RestOfEachPart(Gape):
    def gap(self, part):
        gap = super().gap(part)
        return gap - np.nanmedian(gap) if np.isfinite(gap).any() else gap


@wrong("spotter", "independent", says="After another clip: nothing instead of macro")
class TiredByShortClips(Gape):
    before = 0

    def spot(self, track):
        tired = 0 < self.before <= 25
        found = super().spot(track)
        return () if tired else found

    def runs(self, frames, gaps, fps):
        self.before = len(frames)
        return super().runs(frames, gaps, fps)


@wrong("spotter", "interleaved", says="With another clip in between")
class OneClipAtATime(Gape):
    def spot(self, track):
        self.frames, self.gaps = [], []
        for part in track:
            self.frames += part.frame.tolist()
            self.gaps += self.gap(part).tolist()
        return self.runs(np.array(self.frames, int), np.array(self.gaps), track.fps)


@wrong("spotter", "reproducible", says="A second object")
class UnseededMargin(Gape):
    seeds = itertools.count()

    def __init__(self):
        self.margin = 0.02 + 0.02 * next(self.seeds)


@wrong("spotter", "memory", says="whose picture has 76.8 kB", traits=PLAIN)
class KeepsThePictures(Everything):
    def spot(self, track):
        frames = [number for part in list(track) for number in part.frame]
        return (self.all_of(frames, track.fps),) if frames else ()


@wrong("dataset", "clips", says="not list")
class ListOfClips(Filmed):
    def clips(self, split):
        return list(super().clips(split))


@wrong("dataset", "clips", says="row 12 comes next")
class GapBetweenClips(Filmed):
    def clips(self, split):
        first, second, third = super().clips(split)
        return first, replace(second, first=13, frames=9), third


@wrong("dataset", "clips", says="its clips have 22 frames, but 30 rows")
class ForgetsItsLastClip(Filmed):
    def clips(self, split):
        return super().clips(split)[:2]


@wrong("dataset", "clips", says="two clips have the same name")
class OneName(Filmed):
    def clips(self, split):
        return tuple(replace(clip, name="clip") for clip in super().clips(split))


@wrong("dataset", "clips", says="0 frames per second")
class NoRate(Filmed):
    def clips(self, split):
        return tuple(replace(clip, fps=0) for clip in super().clips(split))


@wrong("dataset", "clips", says="ends with frame 12, but its last one is 11")
class EndsAfterTheEnd(Filmed):
    intervals = (Interval(3, 5, 12, "micro"),)


@wrong("dataset", "clips", says="not in the order")
class IntervalsByStrength(Filmed):
    intervals = (Interval(3, 5, 8, "micro"), Interval(0, 1, 2, "micro"))


@wrong("dataset", "clips-stable", says="others when they are asked for again")
class RenamesItsClips(Filmed):
    calls = itertools.count()

    def clips(self, split):
        number = next(self.calls)
        return tuple(replace(clip, subject=f"{number}") for clip in super().clips(split))


@wrong("dataset", "frame-labels", says="its frame 0 has the label surprise")
class EveryFrameHasTheEmotion(Filmed):
    def label(self, row):
        return 2 if row < 12 else super().label(row)


@wrong("dataset", "frame-labels", says="its frame 4 has the label happiness")
class LabelsOfOneEarlier(Filmed):
    def label(self, row):
        return 1 if row == 4 else super().label(row)


@wrong("dataset", "frame-times", says="the times of")
class StillsOfVideos(Filmed):
    def times(self, rows):
        return np.full(len(rows), np.nan)


@wrong("dataset", "frame-times", says="frames take")
class Milliseconds(Filmed):
    def times(self, rows):
        return super().times(rows) * 1000


@wrong("dataset", "pieces", says="frame 6 of test/nods")
class CountsFromTheBeginningOfACall(Filmed):
    def batches(self, split, rows):
        rows = np.asarray(rows)
        self.shift = 0 if len(rows) != 5 or rows[0] % 12 == 0 else 1
        return super().batches(split, rows)

    def image(self, split, row):
        return super().image(split, row - self.shift)
