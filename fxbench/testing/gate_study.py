"""How often does the gate find a drop, and how often does it raise a false alarm?

`python -m fxbench.testing.gate_study` draws baselines and runs at random and judges each with the
gate's own code. Nothing is trained and no picture is read: what a gate sees of a run are its
answers, so these are drawn. A network that is trained again answers some images otherwise, some of
them better and some worse; how many is the **discordance**, the share of the images on which one of
the two is right and the other wrong. A drop of 3 points at a discordance of 9 % is 6 % of the
images lost and 3 % won.

Each run has cells of several detectors and classifiers. In a run with a planted drop one of them
drops and the others have noise alone; in a run of nothing but noise all have that. Noise wins and
loses images with equal probability, at the same discordance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

import numpy as np

from fxbench.answers import NOT_ASKED, Answered
from fxbench.budgets import Budget, Budgets
from fxbench.gate import judge
from fxbench.metrics.classification import accuracy, confusion_matrix, macro_f1, recall
from fxbench.sides import Side

if TYPE_CHECKING:
    from typing import Any

    from fxbench.types import Float64, Int64

PLACE = ("drawn", "valid", "majority")
IMAGES = 3191
"""As FER+ valid has under `majority`; of each emotion as many as there."""
_SHARES = np.array([1180, 862, 411, 348, 289, 25, 60, 16]) / IMAGES
DETECTORS, CLASSIFIERS = 3, 4
ACCURACY = 0.75


@dataclass(frozen=True, slots=True)
class Study:
    """What is drawn.

    Attributes:
        images: of the dataset.
        discordance: the share of images on which the run and its baseline are not both right or
            both wrong.
        drop: of one cell, as a share.
        budgets: of the gate.
    """

    images: int = IMAGES
    discordance: float = 0.09
    drop: float = 0.03
    budgets: Budgets = Budgets((Budget("accuracy_end_to_end", "drop", 1.0),))  # noqa: RUF009


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of it.

    Attributes:
        runs: how many were judged.
        found: in how many the cell with the drop was called a regression.
        alarms: in how many a cell without a drop was.
    """

    runs: int
    found: int
    alarms: int


def drawn_labels(images: int, rng: np.random.Generator) -> Int64:
    """Right emotions, int64 (images,), of each as large a share as in FER+ valid."""
    labels = rng.choice(len(_SHARES), size=images, p=_SHARES)
    return labels.astype(np.int64)


def drawn_answers(labels: Int64, accuracy: float, rng: np.random.Generator) -> Int64:
    """Answers that are right with that probability, else any other emotion."""
    wrong = (labels + rng.integers(1, 8, len(labels))) % 8
    return np.where(rng.random(len(labels)) < accuracy, labels, wrong).astype(np.int64)


def changed(
    labels: Int64, answers: Int64, discordance: float, drop: float, rng: np.random.Generator
) -> Int64:
    """The answers after a change.

    Args:
        labels: int64 (N,).
        answers: int64 (N,), before.
        discordance: the expected share of images that are won or lost.
        drop: the expected share lost less that won.
        rng: of what is drawn.

    Raises:
        ValueError: there are not so many right or wrong answers.
    """
    right = answers == labels
    lost, won = (discordance + drop) / 2, (discordance - drop) / 2
    rates: Float64 = np.where(
        right, lost / max(right.mean(), 1e-9), won / max((~right).mean(), 1e-9)
    )
    if discordance < abs(drop) or rates.max() > 1:
        raise ValueError(f"A discordance of {discordance} and a drop of {drop} can't both be.")
    turned = rng.random(len(labels)) < rates
    other = np.where(right, (labels + rng.integers(1, 8, len(labels))) % 8, labels)
    return np.where(turned, other, answers).astype(np.int64)


def drawn_side(name: str, labels: Int64, tops: Sequence[Int64]) -> Side:
    """A run, or a baseline, with these answers of each of its cells."""
    rows = np.arange(len(labels))
    cells: dict[str, dict[str, Any]] = {}
    dataset, split, protocol = PLACE
    for number, top in enumerate(tops):
        detector, classifier = divmod(number, CLASSIFIERS)
        axes = {"dataset": dataset, "split": split, "protocol": protocol}
        axes |= {"detector": f"detector-{detector}", "classifier": f"classifier-{classifier}"}
        asked = top != NOT_ASKED
        counts = confusion_matrix(labels[asked], top[asked])
        cells[f"{number:012x}"] = {
            "id": f"{number:012x}",
            "axes": axes,
            "status": "ok",
            "images": {"n": int(asked.sum())},
            "metrics": {
                "accuracy_end_to_end": dict(accuracy(counts, end_to_end=True)),
                "macro_f1_end_to_end": dict(macro_f1(counts, end_to_end=True)),
            },
            "recall_end_to_end": recall(counts, end_to_end=True),
        }
    answered = Answered(
        *PLACE,
        rows,
        tuple(map(str, rows.tolist())),
        labels,
        rows,
        {},
        dict(zip(cells, tops, strict=True)),
    )
    about = {dataset: {"split": split, "protocol": protocol, "fingerprint": "drawn"}}
    return Side(name, cells, {PLACE: answered}, about, {}, {})


def trial(study: Study, seed: int, *, planted: bool) -> tuple[bool, bool]:
    """Draw a baseline and a run, and judge.

    Returns:
        Whether the planted drop was found, and whether anything else was called a regression.
    """
    rng = np.random.default_rng((seed, int(planted)))
    labels = drawn_labels(study.images, rng)
    before = [drawn_answers(labels, ACCURACY, rng) for _ in range(DETECTORS * CLASSIFIERS)]
    victim = int(rng.integers(len(before))) if planted else -1
    after = [
        changed(labels, top, study.discordance, study.drop if cell == victim else 0.0, rng)
        for cell, top in enumerate(before)
    ]
    run, baseline = drawn_side("run", labels, after), drawn_side("baseline", labels, before)
    worse = {check.cell for check in judge(run, baseline, study.budgets).of("regression")}
    return f"{victim:012x}" in worse, bool(worse - {f"{victim:012x}"})


def count(study: Study, runs: int, *, planted: bool, seed: int = 0) -> Counts:
    """Judge many runs."""
    trials = [trial(study, seed + number, planted=planted) for number in range(runs)]
    return Counts(runs, sum(found for found, _ in trials), sum(alarm for _, alarm in trials))


def lines(planted: int, noise: int, seed: int) -> Iterator[str]:
    """The study's figures, as Markdown."""
    cells = DETECTORS * CLASSIFIERS
    yield f"{cells} cells, {IMAGES:,} images, one drop of 3 points, seed {seed}."
    yield ""
    yield "| discordance | drops found | false alarms beside them | false alarms of noise alone |"
    yield "| ---: | ---: | ---: | ---: |"
    for discordance in (0.04, 0.09, 0.15):
        study = Study(discordance=discordance)
        found = count(study, planted, planted=True, seed=seed)
        quiet = count(study, noise, planted=False, seed=seed)
        yield (
            f"| {100 * discordance:g} % | {found.found} of {found.runs} | "
            f"{found.alarms} of {found.runs} | {quiet.alarms} of {quiet.runs} |"
        )
    yield ""
    yield "Drops found of 3 points at a discordance of 9 %, by the number of images:"
    yield ""
    yield "| images | drops found | false alarms of noise alone |"
    yield "| ---: | ---: | ---: |"
    for images in (288, 500, 1000, 2000):
        study = replace(Study(), images=images)
        found = count(study, planted, planted=True, seed=seed)
        quiet = count(study, noise, planted=False, seed=seed)
        yield (f"| {images:,} | {found.found} of {found.runs} | {quiet.alarms} of {quiet.runs} |")


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> None:
    """Print the figures of docs/gate.md."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--planted", type=int, default=200, help="runs with a drop")
    parser.add_argument("--noise", type=int, default=300, help="runs with noise alone")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    for line in lines(given.planted, given.noise, given.seed):
        (out or sys.stdout).write(f"{line}\n")


if __name__ == "__main__":
    main()
