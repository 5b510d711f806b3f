"""Components and a dataset made up in memory, and runs with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fxbench import runner
from fxbench.component import Component, Terms
from fxbench.kinds import COMPARED, KINDS
from fxbench.labels import EMOTIONS
from fxbench.registry import Entry, Plugin, Registry
from fxbench.selection import Selection
from fxbench.store import StoredRun
from fxbench.types import Answers, Batch, Boxes, FaceSpec, Frames, Truth

KIND = {kind.name: kind for kind in KINDS}
PLUGIN = Plugin("odd", "made_up", "odd", "1.0")
IMAGES = 20


class Squares:
    """Grey squares of two emotions. What it gives can be bent by a test."""

    splits: tuple[str, ...] = ("test",)
    protocols: tuple[str, ...] = ("single",)
    terms = Terms("made up", True, True, True)
    scheme = None

    def __init__(self, bend: Callable[[list[int]], list[int]] = list) -> None:
        self.bend = bend
        self.labels = np.arange(IMAGES) % 2
        self.truth: Callable[[int], Truth | None] = lambda count: None

    def fingerprint(self, split: str) -> str:
        return "squares"

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(str(row) for row in range(IMAGES))

    def answers(self, split: str, protocol: str) -> Answers:
        return Answers(np.arange(IMAGES), self.labels)

    def batches(self, split: str, rows: np.ndarray) -> Iterator[Batch]:
        given = self.bend(rows.tolist())
        images = tuple(np.full((16, 16, 3), 10 * row, np.uint8) for row in given)
        frames = Frames.stills(tuple(map(str, given)), images)
        yield Batch(np.array(given, np.int64), frames, self.truth(len(given)))


class Uniform:
    """Every emotion is as likely."""

    labels = EMOTIONS
    face = FaceSpec(4)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        return np.full((len(faces), 8), 1 / 8, np.float32)

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.ones_like(faces)


class Whole:
    """The whole image."""

    def detect(self, images: tuple[np.ndarray, ...]) -> Boxes:
        return Boxes.from_lists([[(0, 0, i.shape[1], i.shape[0], 1)] for i in images])


class Sign:
    """One step."""

    norm = "linf"

    def perturb(self, model: Any, faces: Any, targets: Any, *, epsilon: float, seeds: Any) -> Any:
        return (faces + epsilon).astype(np.float32)


def entry(kind: str, name: str, factory: Callable[..., Any], **more: Any) -> Entry:
    return Entry(KIND[kind], Component(name, "Odd.", factory, **more), PLUGIN)


def run(tmp_path: Path, *entries: Entry, results: str = "results", **selection: Any) -> StoredRun:
    """Run with these components and, unless one of its kind is there, ordinary ones."""
    given = list(entries)
    gradient = frozenset({"gradient", "default"})
    for kind, name, factory, traits in (
        ("dataset", "squares", Squares, frozenset()),
        ("detector", "whole", Whole, frozenset({"default"})),
        ("classifier", "uniform", Uniform, gradient),
    ):
        if not any(one.kind.name == kind for one in given):
            given.append(entry(kind, name, factory, traits=traits))
    registry = Registry((PLUGIN,), tuple(given))
    chosen = {kind.plural: ("all",) for kind in COMPARED}
    chosen |= {"landmarkers": (), "spotters": None} | selection
    prepared = runner.prepare(Selection(**chosen), (), registry, tmp_path)
    settings = runner.Settings(
        tmp_path / results, tmp_path / "cache", threads=1, measure_latency=False
    )
    return runner.run(prepared, settings)


def statuses(stored: StoredRun) -> dict[str, str]:
    return {
        " ".join(str(cell["axes"].get(a)) for a in ("classifier", "attack", "epsilon")): cell[
            "status"
        ]
        for cell in stored.cells
    }


def reason(stored: StoredRun) -> str:
    return " ".join(str(cell["reason"]["message"]) for cell in stored.cells if cell["reason"])
