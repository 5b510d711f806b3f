"""A dataset with votes, true boxes and two protocols."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from fxbench.component import Terms
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.types import Answers, Batch, Frames, Int64, Truth, UInt8


class Stripes:
    """Stripes whose width is the emotion's number."""

    splits = ("test", "train")
    protocols = ("all", "even")
    scheme = None

    def __init__(self, count: int, terms: Terms) -> None:
        if count < 1:
            raise UsageError(f"third-stripes.count is {count}; expected is at least 1.")
        self._count = count
        self.terms = terms

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(f"{split}-{row}" for row in range(self._count))

    def answers(self, split: str, protocol: str) -> Answers:
        step = {"all": 1, "even": 2}[protocol]
        rows = np.arange(0, self._count, step, dtype=np.int64)
        return Answers(rows, rows % len(EMOTIONS))

    def fingerprint(self, split: str) -> str:
        return hashlib.sha256(f"third-stripes 1 {split} {self._count}".encode()).hexdigest()

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        for start in range(0, len(rows), 5):
            part = rows[start : start + 5]
            images = tuple(self._image(split, row) for row in part.tolist())
            names = tuple(f"{split}-{row}" for row in part)
            votes = np.zeros((len(part), 10), np.float32)
            votes[np.arange(len(part)), part % len(EMOTIONS)] = 10
            boxes = [(0, 0, image.shape[1], image.shape[0]) for image in images]
            truth = Truth(np.arange(len(part), dtype=np.int64), votes, np.array(boxes, np.float32))
            yield Batch(part, Frames.stills(names, images), truth)

    def _image(self, split: str, row: int) -> UInt8:
        width = row % len(EMOTIONS) + 1
        image = np.full((32 + row, 40, 3), 90 if split == "test" else 60, np.uint8)
        image[:, np.arange(40) // width % 2 == 0] = 200 - row % 50
        return image
