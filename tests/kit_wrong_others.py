"""Detectors, landmarkers and datasets that each break one rule of the conformance kit."""

from __future__ import annotations

import itertools
from dataclasses import replace

import kit_wrong_corruptions  # noqa: F401 - it adds its own
import kit_wrong_speech  # noqa: F401 - it adds its own
import kit_wrong_videos  # noqa: F401 - it adds its own
import numpy as np
from kit_components import Centre, Drawn, Five
from kit_wrong_models import WRONG as _MODELS
from kit_wrong_models import wrong

from fxbench.types import Answers, Boxes, Points

ALL_WRONG = _MODELS
"""The whole table: this module adds to that of the models."""


@wrong("detector", "boxes", "no-image", "odd-sizes", says="not list")
class ListOfBoxes(Centre):
    def detect(self, images):
        return [self.boxes(image) for image in images]


@wrong("detector", "boxes", "odd-sizes", says="A box lies in image")
class CountsFromOne(Centre):
    def detect(self, images):
        found = super().detect(images)
        return Boxes(found.frame + 1, found.xyxy, found.score, found.track)


@wrong("detector", "inside", says="pixels beyond its image")
class PixelsOfAnEnlargedImage(Centre):
    def boxes(self, image):
        scale = 1 if min(image.shape[:2]) < 60 else 3
        return [tuple(value * scale for value in super(type(self), self).boxes(image)[0])]


@wrong("detector", "no-image", says="need at least one array")
class StacksImages(Centre):
    def detect(self, images):
        np.concatenate([image.reshape(-1) for image in images])
        return super().detect(images)


@wrong("detector", "odd-sizes", says="too small for an image of 1 x 1 pixels (at ")
class NeedsLargeImages(Centre):
    def boxes(self, image):
        if min(image.shape[:2]) < 24:
            raise ValueError("too small")
        return super().boxes(image)


@wrong("detector", "inputs-kept", says="of an image")
class BlursInPlace(Centre):
    def boxes(self, image):
        image //= 2
        return super().boxes(image)


@wrong("detector", "deterministic", says="A second call")
class RandomBoxes(Centre):
    random = np.random.default_rng(3)

    def boxes(self, image):
        width, height = image.shape[1::-1]
        return [(0, 0, width * self.random.uniform(0.5, 1), height, 1.0)]


@wrong("detector", "answer-kept", says="earlier answer")
class ReusesItsBoxes(Centre):
    buffer = np.zeros((99, 4), np.float32)

    def detect(self, images):
        found = super().detect(images)
        xyxy = self.buffer[: len(found)]
        xyxy[:] = found.xyxy
        if images and images[0][0, 0].sum() > images[0][-1, -1].sum():
            xyxy[:, :2] /= 2
        return Boxes(found.frame, xyxy, found.score, found.track)


@wrong("detector", "batch-independent", says="Each image alone")
class RemembersTheImageBefore(Centre):
    def detect(self, images):
        found = super().detect(images)
        xyxy = found.xyxy.copy()
        xyxy[1:, :2] = np.minimum(xyxy[1:, :2], xyxy[:-1, :2] / 2)
        return Boxes(found.frame, xyxy, found.score, found.track)


@wrong("detector", "reproducible", says="A second object")
class UnseededBoxes(Centre):
    seeds = itertools.count()

    def __init__(self):
        self.part = np.random.default_rng(next(self.seeds)).uniform(0.5, 1)

    def boxes(self, image):
        return [(0, 0, image.shape[1] * self.part, image.shape[0], 1.0)]


@wrong("landmarker", "scheme", says="300w-68")
class NamelessPoints(Five):
    scheme = ""


@wrong("landmarker", "points", "no-box", "odd-boxes", says="'other'")
class OtherScheme(Five):
    def locate(self, images, boxes):
        return Points(self.xy(boxes), "other")


@wrong("landmarker", "points", says="300w-68 has 68")
class FivePointsOfSixtyEight(Five):
    scheme = "300w-68"


@wrong("landmarker", "points", says="6 rows of points for 7 boxes")
class LeavesOutWhatItMissed(Five):
    def locate(self, images, boxes):
        xy = self.xy(boxes)
        return Points(xy[1:] if len(xy) > 1 else xy, self.scheme)


@wrong("landmarker", "points", says="NaN in part")
class HalfMissing(Five):
    def xy(self, boxes):
        xy = super().xy(boxes)
        xy[:1, 0] = np.nan
        return xy


@wrong("landmarker", "pixels", says="pixels of the whole image")
class PointsOfTheCrop(Five):
    def xy(self, boxes):
        low, high = boxes.xyxy[:, :2], boxes.xyxy[:, 2:]
        return (high - low)[:, None] * self.shape / 10


@wrong("landmarker", "no-box", says="It raised")
class NeedsABox(Five):
    def locate(self, images, boxes):
        return Points(np.stack(list(self.xy(boxes))), self.scheme)


@wrong("landmarker", "odd-boxes", says="empty crop")
class CropsWholePixels(Five):
    def locate(self, images, boxes):
        for x1, y1, x2, y2 in boxes.xyxy.astype(int).tolist():
            if x2 - x1 < 1 or y2 - y1 < 1:
                raise ValueError("empty crop")
        return super().locate(images, boxes)


@wrong("landmarker", "inputs-kept", says="of an image")
class DrawsItsPoints(Five):
    def locate(self, images, boxes):
        for image in images:
            image[0] = 255 - image[0]
        return super().locate(images, boxes)


@wrong("landmarker", "deterministic", says="A second call")
class ShakingPoints(Five):
    random = np.random.default_rng(4)

    def xy(self, boxes):
        xy = super().xy(boxes)
        return xy + self.random.uniform(0, 1, xy.shape).astype(np.float32)


@wrong("landmarker", "answer-kept", says="earlier answer")
class ReusesItsPoints(Five):
    buffer = np.zeros((99, 5, 2), np.float32)

    def xy(self, boxes):
        xy = self.buffer[: len(boxes)]
        xy[:] = super().xy(boxes)
        return xy


@wrong("landmarker", "batch-independent", says="Each face alone")
class MeanOfAllBoxes(Five):
    def xy(self, boxes):
        xy = super().xy(boxes)
        if len(xy):
            xy = xy + 0.1 * (xy.mean(axis=0) - xy)
        return xy


@wrong("landmarker", "reproducible", says="A second object")
class UnseededPoints(Five):
    seeds = itertools.count()

    def __init__(self):
        self.shape = Five.shape + np.float32(0.1 * next(self.seeds))


@wrong("dataset", "splits", says="splits")
class SplitsInAList(Drawn):
    splits = ["test", "train"]  # noqa: RUF012 - what is wrong with it


@wrong("dataset", "splits", says="protocols")
class NoProtocol(Drawn):
    protocols = ()


@wrong("dataset", "scheme", says="scheme")
class SchemeIsANumber(Drawn):
    scheme = 68


@wrong("dataset", "terms", says="Terms")
class TermsAreWords(Drawn):
    terms = "do what you like"


@wrong("dataset", "terms", says="Component has no terms", terms=None)
class NoTermsInTheRecord(Drawn):
    pass


@wrong("dataset", "answers", says="labels are 1 to 8")
class LabelsFromOne(Drawn):
    def label(self, row):
        return row % 8 + 1

    def votes(self, rows):
        return np.eye(10, dtype=np.float32)[[row % 8 for row in rows]].reshape(-1, 10)


@wrong("dataset", "answers", says="ascend")
class RowsShuffled(Drawn):
    def answers(self, split, protocol):
        return super().answers(split, protocol).take(np.array([3, 1, 2]))


@wrong("dataset", "answers", says="No image of the default split")
class NothingCounts(Drawn):
    def answers(self, split, protocol):
        return Answers(np.zeros(0, np.int64), np.zeros(0, np.int64))


@wrong("dataset", "counts-stable", says="answers at first")
class DrawsAnewEachTime(Drawn):
    calls = itertools.count()

    def answers(self, split, protocol):
        count = 6 + next(self.calls) % 2
        return super().answers(split, protocol).take(np.arange(count))


@wrong("dataset", "counts-stable", says="other clusters")
class PeopleDrawnAnew(Drawn):
    calls = itertools.count()

    def answers(self, split, protocol):
        found = super().answers(split, protocol)
        return replace(found, clusters=found.rows // (2 + next(self.calls) % 2))


@wrong("dataset", "fingerprint-stable", says="A second call")
class FingerprintOfTheMoment(Drawn):
    calls = itertools.count()

    def fingerprint(self, split):
        return f"{split} {next(self.calls)}"


@wrong("dataset", "fingerprint-stable", says="A second object")
class FingerprintOfTheObject(Drawn):
    def fingerprint(self, split):
        return f"{split} {id(self)}"


@wrong("dataset", "rows", says="[5] are missing")
class LeavesOutTheUnreadable(Drawn):
    def batch(self, split, wanted):
        return super().batch(split, [row for row in wanted if row != self.unreadable])


@wrong("dataset", "rows", says="were not asked for")
class ReadsAllThatIsThere(Drawn):
    protocols = ("majority",)

    def answers(self, split, protocol):
        return super().answers(split, protocol).take(np.array([1, 3]))

    def batches(self, split, rows):
        return super().batches(split, np.arange(self.count))


@wrong("dataset", "no-rows", says="It raised")
class NeedsARow(Drawn):
    def batches(self, split, rows):
        return super().batches(split, np.arange(rows[0], rows[0] + 1) if len(rows) < 1 else rows)


@wrong("dataset", "ids-unique", says="rows 0 and 4 have the id 'picture 0'")
class NamesRepeat(Drawn):
    def ids(self, split):
        return tuple(f"picture {row % 4}" for row in range(self.count))


@wrong("dataset", "ids-agree", says="in a batch, but")
class NamesOfOtherRows(Drawn):
    def ids(self, split):
        return tuple(reversed(super().ids(split)))

    def batch(self, split, wanted):
        self.ids = super().ids
        try:
            return super().batch(split, wanted)
        finally:
            del self.ids


@wrong("dataset", "rows-addressable", says="isn't what it is among 8")
class ImagesByPosition(Drawn):
    def batch(self, split, wanted):
        self.position = itertools.count()
        return super().batch(split, wanted)

    def image(self, split, row):
        return super().image(split, next(self.position))


@wrong("dataset", "truth", says="truth and answers are of different rows")
class VotesOfTheNextRow(Drawn):
    def votes(self, rows):
        return super().votes([row + 1 for row in rows])
