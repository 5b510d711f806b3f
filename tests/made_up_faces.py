"""Faces of eight emotions made up of coloured patterns, and classifiers that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from made_up import PLUGIN, entry

from fxbench.component import Terms
from fxbench.labels import EMOTIONS
from fxbench.options import Options
from fxbench.registry import Registry
from fxbench.selection import Selection
from fxbench.sources import Source, datasets
from fxbench.types import Answers, Batch, FaceSpec, Frames, Truth

SIDE = 8
SHARES = (0.3, 0.22, 0.13, 0.12, 0.1, 0.03, 0.06, 0.04)
Array = Any


def templates(grey: bool = False) -> Array:
    """A pattern for each emotion, float (8, SIDE, SIDE, 3), in [0, 1]."""
    drawn = 0.5 + np.random.default_rng(7).normal(0, 0.12, (8, SIDE, SIDE, 3))
    return np.repeat(drawn[..., :1], 3, axis=-1) if grey else drawn


class Patterns:
    """A dataset of patterns with noise, in the splits that are given."""

    protocols: tuple[str, ...] = ("single",)
    terms = Terms("made up", True, True, True)
    scheme = None

    def __init__(
        self,
        images: dict[str, int] | None = None,
        *,
        grey: bool = False,
        labelled: bool = True,
        noise: float = 0.4,
        boxes: bool = False,
    ) -> None:
        self.images, self.truth = {}, {}
        self.boxes = boxes
        for number, (split, count) in enumerate((images or {"valid": 400}).items()):
            random = np.random.default_rng(number)
            truth = random.choice(8, count, p=SHARES)
            shape = (count, SIDE, SIDE, 1 if grey else 3)
            faces = templates(grey)[truth] + random.normal(0, noise, shape)
            self.images[split] = (255 * np.clip(faces, 0, 1)).astype(np.uint8)
            self.truth[split] = truth if labelled else np.full(count, -1)
        self.splits = tuple(self.images)

    def fingerprint(self, split: str) -> str:
        return "patterns"

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(f"{split}-{row}" for row in range(len(self.truth[split])))

    def answers(self, split: str, protocol: str) -> Answers:
        return Answers(np.arange(len(self.truth[split])), self.truth[split])

    def batches(self, split: str, rows: Array) -> Iterator[Batch]:
        images = tuple(self.images[split][row] for row in rows)
        truth = None
        if self.boxes:
            # The face is the middle of a larger, white picture.
            images = tuple(np.pad(i, ((4, 4), (4, 4), (0, 0)), constant_values=255) for i in images)
            xyxy = np.tile(np.array([4, 4, 4 + SIDE, 4 + SIDE], np.float32), (len(images), 1))
            truth = Truth(np.arange(len(images)), xyxy=xyxy)
        frames = Frames.stills(tuple(f"{split}-{row}" for row in rows), images)
        yield Batch(np.asarray(rows, np.int64), frames, truth)


def scores(pixels: Array, grey: bool = False) -> Array:
    """How near faces float (M, SIDE, SIDE, 3) come to each pattern, clipped to [0, 1] before."""
    middle = templates(grey).mean(0)
    directions = (templates(grey) - middle).reshape(8, -1)
    return (np.clip(pixels, 0, 1) - middle).reshape(len(pixels), -1) @ directions.T


def softmax(logits: Array) -> Array:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


class Reads:
    """Reads patterns, and can be made to do so in any wrong way.

    Attributes:
        means: what each output is declared to mean.
        writes: what each output means.
        sees: what becomes of faces float [0, 255] before they are compared with the patterns.
        sure: how sure it is of its answers.
    """

    face = FaceSpec(SIDE)

    def __init__(
        self,
        means: tuple[str | None, ...] = EMOTIONS,
        writes: tuple[str, ...] = EMOTIONS,
        sees: Callable[[Array], Array] = lambda faces: faces / 255,
        sure: float = 4.0,
        after: Callable[[Array, Array], Array] = lambda logits, faces: logits,
        grey: bool = False,
    ) -> None:
        self.labels = means
        self._columns = [EMOTIONS.index(name) for name in writes]
        self._sees, self._sure, self._after, self._grey = sees, sure, after, grey

    def predict(self, faces: Array) -> Array:
        pixels = self._sees(faces.astype(np.float64))
        logits = self._sure * scores(pixels, self._grey)[:, self._columns]
        return softmax(self._after(logits, pixels))


def source(dataset: Any, *, split: str | None = None, limit: int | None = None) -> Source:
    """A dataset as an audit gets it."""
    offered = entry("dataset", "patterns", lambda: dataset)
    registry = Registry((PLUGIN,), (offered,))
    selection = Selection(datasets=("patterns",), split=split, limit=limit)
    (found,) = datasets(registry, Options({}), selection, lambda _: dataset, [])
    return found
