"""Small components that conform, to be spoilt one rule at a time by tests of the kit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from kit_speech import Hears, Reads

from fxbench.attacked import to_pixels
from fxbench.clips import Clip, Interval, kind_of
from fxbench.component import Component, Terms
from fxbench.labels import EMOTIONS
from fxbench.types import Answers, Batch, Boxes, FaceSpec, Failure, Frames, Points, Truth

SIDE = 6
PIXELS = SIDE * SIDE * 3
TERMS = Terms("public domain: drawn by code", True, True, True)

_TRAITS = {"classifier": {"gradient"}, "attack": {"fixed"}, "spotter": {"points"}}


def component(kind, factory, **fields):
    """A record around a class or a factory of that kind."""
    defaults = {"traits": frozenset(_TRAITS.get(kind, ()))}
    if kind == "dataset":
        defaults["terms"] = TERMS
    return Component(
        **({"name": "acme", "summary": "For tests."} | defaults | fields), factory=factory
    )


class Linear:
    """Softmax of a random linear map."""

    labels = EMOTIONS
    face = FaceSpec(SIDE)

    def __init__(self):
        self.weights = np.random.default_rng(0).normal(size=(PIXELS, 8)) / 5

    def forward(self, faces):
        """Probabilities float64 for faces in [0, 1]."""
        logits = (faces.reshape(len(faces), PIXELS).astype(np.float64) - 0.5) @ self.weights
        odds = np.exp(logits)
        return odds / odds.sum(axis=1, keepdims=True)

    def predict(self, faces):
        return self.forward(faces / 255).astype(np.float32)

    def gradient(self, faces, targets):
        slope = (self.forward(faces) - targets) @ self.weights.T
        return slope.reshape(faces.shape).astype(np.float32)


class Centre:
    """The middle of each image."""

    def detect(self, images):
        return Boxes.from_lists([self.boxes(image) for image in images])

    def boxes(self, image):
        height, width = image.shape[:2]
        return [(width / 8, height / 8, width * 7 / 8, height * 7 / 8, 1.0)]


class Five:
    """Five points at fixed places of each box."""

    scheme = "acme-5"
    shape = np.array([(0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)

    def locate(self, images, boxes):
        return Points(self.xy(boxes), self.scheme)

    def xy(self, boxes):
        low, high = boxes.xyxy[:, :2], boxes.xyxy[:, 2:]
        return low[:, None] + (high - low)[:, None] * self.shape


class Step:
    """One step along the sign of the gradient, of a random length for each face."""

    norm = "linf"

    def perturb(self, model, faces, targets, *, epsilon, seeds):
        return faces + self.change(model, faces, targets, epsilon, seeds).astype(np.float32)

    def change(self, model, faces, targets, epsilon, seeds):
        return epsilon * self.lengths(seeds) * np.sign(model.gradient(faces, targets))

    def lengths(self, seeds):
        each = [np.random.default_rng(seed).uniform(0.5, 1) for seed in seeds]
        return np.array(each, np.float32).reshape(-1, 1, 1, 1)


BLACK_BOX = frozenset({"fixed", "black-box"})


class Guess(Step):
    """Random signs, as often as it may ask; the ones that mislead the classifier most."""

    queries = 20

    def change(self, model, faces, targets, epsilon, seeds):
        random = np.random.default_rng(seeds[0])
        losses, changes = [], []
        for _ in range(min(self.queries, model.left)):
            change = epsilon * random.choice([-1, 1], faces.shape)
            answer = model.predict(to_pixels((faces + change).astype(np.float32)))
            right = float((answer * targets).sum())
            losses.append(right if model.targeted else -right)
            changes.append(change)
        return changes[int(np.argmax(losses))]


class Shrink:
    """Random pictures, mixed into a face until the classifier just errs."""

    norm = "l2"

    def perturb(self, model, faces, targets, *, epsilon, seeds):
        one = self.one
        rows = zip(faces, targets, seeds, strict=True)
        made = [one(model, *row) for row in rows]
        return np.stack(made) if made else faces.copy()

    def one(self, model, face, target, seed):
        other = np.random.default_rng(seed).random(face.shape, np.float32)
        for share in np.linspace(0, 1, 20, dtype=np.float32):
            mixed = face + share * (other - face)
            (answer,) = model.predict(to_pixels(mixed[None]))
            if (answer.argmax() == target.argmax()) == model.targeted:
                return mixed
        return face


class Darker:
    """Takes light away, by a little more or less at random."""

    def corrupt(self, image, severity, *, random, side, points):
        return np.rint(image * self.light(severity, random)).astype(np.uint8)

    def light(self, severity, random):
        return 1 - severity * random.uniform(0.1, 0.15)


class Gape:
    """Tells when the mouth is wider open than in half of the frames."""

    margin = 0.03

    def spot(self, track):
        frames, gaps = [], []
        for part in track:
            frames += part.frame.tolist()
            gaps += self.gap(part).tolist()
        return self.runs(np.array(frames, int), np.array(gaps), track.fps)

    def gap(self, part):
        xy = part.points.xy
        return (xy[:, 66, 1] - xy[:, 62, 1]) / (xy[:, 45, 0] - xy[:, 36, 0])

    def runs(self, frames, gaps, fps):
        known = gaps[~np.isnan(gaps)]
        rest = np.median(known) if len(known) else 0
        wide = np.concatenate([[False], gaps > rest + self.margin, [False]])
        ends = np.flatnonzero(np.diff(wide)).reshape(-1, 2).tolist()
        return tuple(self.run(frames[a:b], gaps[a:b], fps) for a, b in ends)

    def run(self, frames, gaps, fps):
        apex = int(frames[gaps.argmax()])
        kind = kind_of(len(frames) / fps)
        return Interval(int(frames[0]), apex, int(frames[-1]), kind, float(gaps.max()))


class Cheer(Gape):
    """Tells when somebody is happier than in half of the frames."""

    margin = 0.3

    def gap(self, part):
        return part.probabilities[:, EMOTIONS.index("happiness")]


class Everything:
    """Takes the whole clip for one expression, and looks at nothing else."""

    def spot(self, track):
        frames = np.concatenate([[-1], *(part.frame for part in track)])
        return () if len(frames) < 2 else (self.all_of(frames[1:], track.fps),)

    def all_of(self, frames, fps):
        return Interval(int(frames[0]), None, int(frames[-1]), kind_of(len(frames) / fps))


class Drawn:
    """Twelve small pictures in each of two splits; row 5 can't be read."""

    splits = ("test", "train")
    protocols = ("majority", "plurality")
    terms = TERMS
    scheme = None
    count = 12
    unreadable = 5

    def fingerprint(self, split):
        return f"drawn {split}"

    def ids(self, split):
        return tuple(f"{split}/{row}" for row in range(self.count))

    def label(self, row):
        return row % 8

    def answers(self, split, protocol):
        rows = np.arange(self.count, dtype=np.int64)
        return Answers(rows, np.array([self.label(row) for row in rows], np.int64))

    def image(self, split, row):
        seed = row + 100 * self.splits.index(split)
        return np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)

    def votes(self, rows):
        return np.eye(10, dtype=np.float32)[[self.label(row) for row in rows]].reshape(-1, 10)

    def batches(self, split, rows):
        for start in range(0, len(rows), 5):
            yield self.batch(split, rows[start : start + 5].tolist())

    def batch(self, split, wanted):
        rows = [row for row in wanted if row != self.unreadable]
        ids = self.ids(split)
        return Batch(
            np.array(rows, np.int64),
            Frames.stills(
                tuple(ids[row] for row in rows), tuple(self.image(split, row) for row in rows)
            ),
            Truth(np.arange(len(rows), dtype=np.int64), votes=self.votes(rows)),
            tuple(Failure(row, ids[row], "torn") for row in wanted if row not in rows),
        )


class Filmed(Drawn):
    """Three short videos in each split: one with an expression, one neutral, one of joy alone."""

    count = 30
    intervals = (Interval(3, 5, 8, "micro"),)

    def clips(self, split):
        return (
            Clip(f"{split}/nods", 0, 12, 25.0, 2, "s1", self.intervals),
            Clip(f"{split}/rests", 12, 10, 25.0, 0, "s2", ()),
            Clip(f"{split}/laughs", 22, 8, 50.0, 1, "s2", None),
        )

    def label(self, row):
        (clip,) = (clip for clip in Filmed.clips(self, "") if row in clip.rows)
        within = [i.onset <= row - clip.first <= i.offset for i in clip.intervals or ()]
        return 0 if within and not any(within) else clip.emotion

    def times(self, rows):
        clips = [clip for row in rows for clip in Filmed.clips(self, "") if row in clip.rows]
        pairs = zip(rows, clips, strict=True)
        return np.array([(row - clip.first) / clip.fps for row, clip in pairs], np.float64)

    def batch(self, split, wanted):
        batch = super().batch(split, wanted)
        shown = batch.frames
        times = self.times(batch.rows.tolist())
        return replace(batch, frames=Frames(shown.ids, shown.images, times))


RIGHT = {
    "classifier": Linear,
    "detector": Centre,
    "landmarker": Five,
    "attack": Step,
    "corruption": Darker,
    "spotter": Gape,
    "dataset": Drawn,
    "transcriber": Hears,
    "text-emotion": Reads,
}
"""A class that conforms, by kind."""
