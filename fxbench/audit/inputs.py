"""Input: are faces handed over in the range and the order of colours that it was trained with?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.audit.assignment import (
    ALPHA,
    STRICT,
    Answers,
    best,
    evidence,
    find,
    gain,
    halves,
    percentiles,
    probability,
    slots_of,
)
from fxbench.audit.findings import Finding
from fxbench.audit.readers import Reader
from fxbench.metrics.intervals import proportion
from fxbench.metrics.paired import holm
from fxbench.types import Bool, Int64

SMALL = 0.02
"""A gain in accuracy below this is worth a word, but no mistake of the input."""


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What a classifier answered when it was given faces in one way.

    Attributes:
        reader: the way.
        answers: to the same images as the others.
        right: bool (N,), which are right in the order that is best for it on other images.
    """

    reader: Reader
    answers: Answers
    right: Bool

    @property
    def balanced(self) -> float:
        """The mean share of right answers over the emotions."""
        return balanced(self.right, self.answers.truth)


def balanced(right: Bool, truth: Int64) -> float:
    """The mean over the emotions of the share of right answers."""
    images = np.bincount(truth)
    there = images > 0
    return float((np.bincount(truth, right)[there] / images[there]).mean())


def tried(
    reader: Reader, answers: Answers, labels: tuple[str | None, ...] | None, seed: int = 0
) -> Tried:
    """Read the answers in the order that is best for them, found on the other half of the images.

    Each way gets its own order, because with a wrong input the order may be wrong too.
    """
    return Tried(reader, answers, find(answers, labels, seed=seed, sure=False).right)


def check(
    ways: Sequence[Tried], labels: tuple[str | None, ...] | None, *, known: bool, seed: int = 0
) -> tuple[Finding, Tried]:
    """Compare the ways in which faces could be handed over.

    Args:
        ways: of the same images; the declared one first if `known`.
        labels: what the outputs are declared to mean, None where nobody knows.
        known: whether the input was declared.
        seed: of the halves.

    Returns:
        The finding, and the way to go on with.
    """
    table = {
        way.reader.name: dict(proportion(int(way.right.sum()), len(way.right)))
        | {"balanced": way.balanced}
        for way in ways
    }
    numbers: dict[str, Any] = {"tried": table, "images": len(ways[0].right)}
    if not known:
        return _found(ways, labels, numbers)
    declared = ways[0]
    winner = max(ways, key=lambda way: way.balanced)
    chosen, picked = _held_out(ways, labels, seed)
    better, worse, p = gain(chosen, declared.right)
    numbers |= {"declared": declared.reader.name, "best": winner.reader.name}
    numbers |= {"picked": picked, "better": better, "worse": worse, "p": p}
    growth = float(chosen.mean() - declared.right.mean())
    if better > worse and p <= STRICT and winner is not declared:
        figures = (
            f"{_percent(winner.right)} of the answers are right with faces "
            f"{_given(winner.reader)}, {_percent(declared.right)} with faces "
            f"{_given(declared.reader)}, each in the order of labels that is best for it "
            f"({probability(p)})"
        )
        if growth >= SMALL:
            return (
                Finding(
                    "input",
                    "fail",
                    f"The input is wrong: {figures}.",
                    numbers,
                    winner.reader.advice,
                ),
                winner,
            )
        return (
            Finding(
                "input",
                "warn",
                f"Another input is a little better: {figures}.",
                numbers,
                winner.reader.advice,
            ),
            declared,
        )
    if find(declared.answers, labels, seed=seed).chance > ALPHA:
        return (
            Finding(
                "input",
                "undetermined",
                "With none of the inputs that were tried the answers "
                "have anything to do with the emotions.",
                numbers,
                "Audit it on more labelled images, or on faces such as it was trained on.",
            ),
            declared,
        )
    others = len(ways) - 1
    return (
        Finding(
            "input",
            "pass",
            f"None of {others} other inputs is significantly better than "
            f"faces {_given(declared.reader)}.",
            numbers,
        ),
        declared,
    )


def _found(
    ways: Sequence[Tried], labels: tuple[str | None, ...] | None, numbers: dict[str, Any]
) -> tuple[Finding, Tried]:
    """The input was not declared: choose the best, and name those that are as good."""
    winner = max(ways, key=lambda way: way.balanced)
    others = [way for way in ways if way is not winner]
    tests = [gain(winner.right, way.right) for way in others]
    adjusted = holm([p for _, _, p in tests])
    alike = [
        way.reader.name
        for way, (better, worse, _), p in zip(others, tests, adjusted.tolist(), strict=True)
        if p > ALPHA or better < worse
    ]
    numbers |= {"declared": None, "best": winner.reader.name, "alike": alike}
    if find(winner.answers, labels).chance > ALPHA:
        return (
            Finding(
                "input",
                "undetermined",
                "The input was not given, and with none that was "
                "tried the answers have anything to do with the emotions.",
                numbers,
                "Give it with --input, or audit it on more labelled images.",
            ),
            winner,
        )
    rest = f" Not told apart from it: {'; '.join(alike)}." if alike else ""
    return (
        Finding(
            "input",
            "pass",
            f"The input was not given and was found: {winner.reader.name} "
            f"({_percent(winner.right)} of the answers are right with it).{rest}",
            numbers,
            winner.reader.advice,
        ),
        winner,
    )


def _held_out(
    ways: Sequence[Tried], labels: tuple[str | None, ...] | None, seed: int
) -> tuple[Bool, list[str]]:
    """Which answers are right with the way that is best on the other half of the images.

    Returns:
        bool (N,), and the ways that were picked on either half.
    """
    truth = ways[0].answers.truth
    chosen = np.zeros(len(truth), np.bool_)
    picked = []
    first = halves(truth, seed)
    for half in (first, ~first):
        seen = np.flatnonzero(~half)
        # Of equally good ones the first, which is the declared one.
        way = max(ways, key=lambda way: _own(way.answers.take(seen), labels))
        picked.append(way.reader.name)
        chosen[half] = way.right[half]
    return chosen, picked


def _own(answers: Answers, labels: tuple[str | None, ...] | None) -> float:
    """The balanced accuracy of answers in the order that is best for themselves."""
    slots = slots_of(labels, answers.truth, answers.outputs.shape[1])
    places = percentiles(answers.outputs)
    codes, _ = best(evidence(answers.top, places, answers.truth).table, slots)
    return balanced(codes[answers.top] == answers.truth, answers.truth)


def _given(reader: Reader) -> str:
    return f"given as {reader.name}" if "," in reader.name else f"given {reader.name}"


def _percent(right: Bool) -> str:
    return f"{100 * float(right.mean()):.1f} %"
