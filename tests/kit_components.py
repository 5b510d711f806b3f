"""Small components that conform, to be spoilt one rule at a time by tests of the kit."""

from __future__ import annotations

import numpy as np

from fxbench.attacked import to_pixels
from fxbench.component import Component, Terms
from fxbench.labels import EMOTIONS
from fxbench.types import Answers, Batch, Boxes, FaceSpec, Failure, Frames, Points, Truth

SIDE = 6
PIXELS = SIDE * SIDE * 3
TERMS = Terms("public domain: drawn by code", True, True, True)

_TRAITS = {"classifier": {"gradient"}, "attack": {"fixed"}}


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


RIGHT = {
    "classifier": Linear,
    "detector": Centre,
    "landmarker": Five,
    "attack": Step,
    "corruption": Darker,
    "dataset": Drawn,
}
"""A class that conforms, by kind."""
