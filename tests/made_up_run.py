"""A run that nobody made: any number of cells, with records and answers like those of a real one.

Every number in it is drawn at random. It shows what reading, ranking and merging cost, and nothing
about any model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fxbench import answers, pairs
from fxbench.answers import Answered
from fxbench.cells import Cell
from fxbench.labels import EMOTIONS
from fxbench.scoring import Predictions, rank, score, top_emotions
from fxbench.store import RunFolder
from fxbench.types import Answers

ATTACKS = ("fgsm", "pgd", "cw", "square")
EPSILONS = (2 / 255, 4 / 255, 8 / 255, 16 / 255)


@dataclass(frozen=True)
class MadeUpRun:
    """Every detector with every classifier, clean and under so many attack conditions.

    Attributes:
        detectors: how many.
        classifiers: how many.
        conditions: how many cells stand beside each clean one.
        images: of the dataset.
        drawn: how many scores are really computed; the cells share them.
        seed: of everything.
        only: which cells there are, by their axes; all where it is None.
    """

    detectors: int = 3
    classifiers: int = 4
    conditions: int = 2
    images: int = 200
    drawn: int = 8
    seed: int = 0
    only: Callable[[dict[str, Any]], bool] | None = None

    @cached_property
    def answers(self) -> Answers:
        """What is right."""
        rng = np.random.default_rng(self.seed)
        votes = rng.dirichlet(np.full(8, 0.3), self.images).astype(np.float32)
        votes /= votes.sum(axis=1, keepdims=True)
        accepted = votes >= 0.3
        return Answers(np.arange(self.images), votes.argmax(axis=1), accepted, votes)

    def cells(self) -> Iterator[Cell]:
        """Clean cells first, then those under each condition."""
        for number in range(self.conditions + 1):
            for detector in range(self.detectors):
                for classifier in range(self.classifiers):
                    name = f"classifier-{classifier}"
                    attack: dict[str, Any] = {}
                    if number:
                        turn, place = divmod(number - 1, len(ATTACKS))
                        attack = {
                            "attack": ATTACKS[place],
                            "norm": "linf",
                            "epsilon": EPSILONS[turn % len(EPSILONS)],
                            "surrogate": name,
                        }
                        if turn >= len(EPSILONS):
                            attack["subset"] = 100 * turn
                    yield Cell("made-up", "test", "majority", f"det-{detector}", name, **attack)

    @cached_property
    def predictions(self) -> tuple[Predictions, ...]:
        """Some answers, from nearly as good as chance to rather good."""
        rng = np.random.default_rng(self.seed + 1)
        made = []
        for skill in np.linspace(0.5, 4, self.drawn):
            scores = rng.normal(size=(self.images, 8))
            scores[np.arange(self.images), self.answers.labels] += skill
            outputs = np.exp(scores)
            outputs /= outputs.sum(axis=1, keepdims=True)
            found = rng.random(self.images) < 0.95
            made.append(Predictions(found, outputs.astype(np.float16), EMOTIONS))
        return tuple(made)

    def top(self, number: int) -> np.ndarray:
        """What the cell of that number answered: one of the predictions, a tenth of it altered."""
        rng = np.random.default_rng((self.seed, number))
        top = top_emotions(self.predictions[number % self.drawn]).astype(np.int8)
        altered = rng.random(self.images) < 0.1
        top[altered] = rng.integers(0, 8, int(altered.sum()))
        return top

    def write(self, folder: Path) -> None:
        """Write it as the runner writes a run that is finished."""
        cells = {
            number: cell
            for number, cell in enumerate(self.cells())
            if self.only is None or self.only(cell.axes)
        }
        tops = {cell.id: self.top(number) for number, cell in cells.items()}
        ranks: dict[str, dict[str, Any]] = {}
        tests = []
        families: dict[tuple[Any, ...], list[str]] = {}
        for cell in cells.values():
            families.setdefault((cell.attack, cell.epsilon, cell.subset), []).append(cell.id)
        for family in families.values():
            right = [(id_, tops[id_] == self.answers.labels) for id_ in family]
            ranked, pairs_of_it = rank(right, self.answers.rows)
            ranks |= ranked
            tests.append(pairs_of_it)
        told = [score(self.answers, p, EMOTIONS) for p in self.predictions]
        run = RunFolder(folder)
        run.compact(
            [
                self._record(cell, number)
                | told[number % self.drawn]
                | {"rank": ranks.get(cell.id)}
                for number, cell in cells.items()
            ]
        )
        pairs.write(folder, pairs.joined(tests))
        ids = tuple(f"{row:05d}.png" for row in range(self.images))
        rows = self.answers.rows
        answers.write(
            folder,
            Answered("made-up", "test", "majority", rows, ids, self.answers.labels, rows, {}, tops),
        )
        run.write_run(self._run(folder.name, len(cells)))

    def _robust(self) -> list[dict[str, Any]]:
        """What a clean cell has of its attacks."""
        budgets = [e for turn, e in enumerate(EPSILONS) if turn * len(ATTACKS) < self.conditions]
        rng = np.random.default_rng(self.seed)
        return [
            {
                "norm": "linf",
                "epsilon": epsilon,
                "attacks": list(ATTACKS),
                "images": dict.fromkeys(ATTACKS, self.images),
                "estimate": {
                    "value": float(rng.random()),
                    "low": float(rng.random()),
                    "high": float(rng.random()),
                    "n": self.images,
                },
            }
            for epsilon in budgets
        ]

    def _record(self, cell: Cell, number: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, number, 1))
        attacked = cell.attack is not None
        p50 = float(rng.uniform(2, 40))
        return {
            "id": cell.id,
            "axes": cell.axes,
            "status": "ok",
            "asked": True,
            "reason": None,
            "weights": "verified",
            "floor": False,
            "variant_of": None,
            "home_advantage": False,
            "rank": None,
            "latency": None
            if attacked
            else {
                "p50_ms": p50,
                "p90_ms": 1.2 * p50,
                "p99_ms": 2 * p50,
                "samples": 300,
                "images_per_s": 1000 / p50,
                "batch": 64,
                "detect_load_s": float(rng.random()),
                "classify_load_s": float(rng.random()),
                "load_s": float(rng.random()),
                "threads": 2,
            },
            **({} if attacked else {"robust": self._robust(), "diagnostics": []}),
            "chunks": [rng.bytes(16).hex() for _ in range(2 * -(-self.images // 1024))],
            "adversarial": [rng.bytes(16).hex()] if attacked else [],
            "unanswered": [],
            "shared_labels": list(EMOTIONS),
        }

    def _run(self, name: str, cells: int) -> dict[str, Any]:
        return {
            "id": name,
            "status": "finished",
            "created": "2026-01-01T00:00:00+00:00",
            "finished": "2026-01-01T01:00:00+00:00",
            "plan": {"key": f"{self.seed:032x}", "factors": {}, "cells": cells, "exclusions": []},
            "options": {},
            "environment": {"cpu": "made up", "threads": 2},
            "datasets": {
                "made-up": {
                    "split": "test",
                    "protocol": "majority",
                    "fingerprint": f"{self.seed:064x}",
                    "note": "",
                }
            },
            "weights": {},
            "components": {},
            "images": {"made-up test": {"selected": self.images, "unreadable": []}},
            "services": {},
        }
