"""From the answers under attack to robustness: success, transfer, survival, diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.cells import Cell
from fxbench.component import Component
from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.metrics.intervals import Estimate
from fxbench.metrics.robustness import (
    Condition,
    attack_success_rate,
    robust_at,
    targeted_success_rate,
    transfer_success,
)
from fxbench.metrics.sanity import (
    NO_WEAKER,
    NOISE,
    STRONGER_WITH_EPSILON,
    WHITE_BOX,
    Comparison,
    gradient_check,
    judge,
)
from fxbench.registry import Registry
from fxbench.scoring import Predictions, score, top_emotions
from fxbench.tabular import format_epsilon
from fxbench.types import Answers, Bool, Int64

Columns = Mapping[str, npt.NDArray[Any]]


def score_attack(
    answers: Answers,
    clean: Predictions,
    adversarial: Predictions,
    attacked: Bool,
    shared: tuple[str, ...],
    target_label: str | None = None,
) -> dict[str, Any]:
    """The metrics of an attacked cell, ready for JSON.

    Args:
        answers: what is right, N images.
        clean: what was answered without the attack.
        adversarial: what was answered to the adversarial faces. A face that was not attacked,
            because it was not found or the surrogate lacks its label, has its clean answer.
        attacked: bool (N,), which faces were handed to the attack.
        shared: the emotions that all compared classifiers have.
        target_label: the emotion that the attack is to reach; None for any other than the right.

    Returns:
        What `score` returns for `adversarial` (its accuracy is the robust accuracy), with
        `metrics.attack_success_rate` and `images.attacked` added.

    Raises:
        ValueError: when the parts are not equally long.
    """
    if not len(answers.labels) == len(clean.found) == len(attacked):
        raise ValueError(
            f"{len(clean.found)} clean answers and {len(attacked)} marks are not for the same "
            f"{len(answers.labels)} images."
        )
    result = score(answers, adversarial, shared)
    chosen = attacked & (answers.labels >= 0)
    right = top_emotions(clean) == answers.labels
    result["metrics"]["attack_success_rate"] = _rate(
        answers, adversarial, chosen, right, target_label
    )
    result["images"]["attacked"] = int(attacked.sum())
    return result


def _rate(
    answers: Answers, adversarial: Predictions, chosen: Bool, right: Bool, label: str | None
) -> Estimate:
    done = succeeded(answers, adversarial, label)
    if label is None:
        return attack_success_rate(chosen, right, ~done, answers.clusters)
    away: Bool = answers.labels != EMOTIONS.index(label)
    return targeted_success_rate(chosen, right, away, done, answers.clusters)


def succeeded(answers: Answers, adversarial: Predictions, target_label: str | None) -> Bool:
    """Whether each answer is as the attacker wants it, bool (N,): wrong, or the label aimed at."""
    top = top_emotions(adversarial)
    done: Bool = top != answers.labels
    if target_label is not None:
        done = top == EMOTIONS.index(target_label)
    return done


def check_no_budget(cell: Cell, clean: Predictions, adversarial: Predictions) -> None:
    """See to it that an attack with epsilon 0 changes nothing.

    Raises:
        PluginError: an answer differs in a bit: then no result of that path can be believed.
    """
    both = clean.found & adversarial.found
    bits = (clean.outputs[both].view(np.uint16), adversarial.outputs[both].view(np.uint16))
    if bits[0].shape != bits[1].shape or (bits[0] != bits[1]).any():
        wrong = int((bits[0] != bits[1]).any(axis=1).sum()) if len(bits[0]) else 0
        raise PluginError(
            f"With epsilon 0, {cell.attack} must leave every answer of {cell.classifier} as it is, "
            f"but {wrong} of {int(both.sum())} differ: no result of it can be believed."
        )


def told_of_attack(
    columns: Columns, attacked: Bool, gradients: int | None, queries: int | None
) -> dict[str, Any]:
    """What an attacked cell's record says of the attack itself: queries, distances, gradients.

    Args:
        columns: of the cell's images: `queries` and `distance` where there are any.
        attacked: bool (N,), which of them were attacked.
        gradients: that the attack takes for each face; None where it takes none.
        queries: that it may make for each face; None where it makes none.
    """
    record: dict[str, Any] = {}
    if gradients:
        record["gradients"] = gradients
    if queries:
        asked = columns.get("queries", np.zeros(len(attacked), np.int32))[attacked]
        record["queries"] = {
            "budget": queries,
            "median": float(np.median(asked)) if len(asked) else None,
            "max": int(asked.max(initial=0)),
            "total": int(asked.sum()),
        }
    if "distance" in columns:
        far = columns["distance"][attacked]
        # A face that was never fooled lies farther than any that was.
        median = np.median(np.where(np.isnan(far), np.inf, far)) if len(far) else np.inf
        record["distance"] = {"median": float(median) if np.isfinite(median) else None}
    return record


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A cell under attack, over all N images of its source.

    Attributes:
        cell: with its axes.
        right: bool (N,), whether the answer was right; where it was not run, this says nothing.
        run: bool (N,), the images that it was run on.
        attacked: bool (N,), the faces that were handed to the attack.
        flat: how many of these had a gradient of 0 everywhere; None where none were taken.
        own: whether the gradients are the network's own.
    """

    cell: Cell
    right: Bool
    run: Bool
    attacked: Bool
    flat: int | None
    own: bool

    @property
    def name(self) -> str:
        """Attack, norm and budget, and the surrogate where it is another one."""
        return f"{self.attack} {self.cell.norm} {format_epsilon(self.cell.epsilon)}"

    @property
    def attack(self) -> str:
        """The attack, and its surrogate where that is another one."""
        return f"{self.cell.attack}{'' if self.own else f' from {self.cell.surrogate}'}"


@dataclass(slots=True)
class Family:
    """A clean cell and all that was tried on it.

    Attributes:
        clean: the cell.
        right: bool (N,), whether its answer was right; a missed face is wrong.
        labelled: bool (N,), the images that have a right answer.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.
        tried: its untargeted cells under attack.
    """

    clean: Cell
    right: Bool
    labelled: Bool
    clusters: Int64 | None = None
    tried: list[Tried] = field(default_factory=list)

    def robust(self) -> list[dict[str, Any]]:
        """The `robust` records of its clean cell; see :func:`fxbench.metrics.robustness.robust_at`.

        All images with a right answer count, so that a missed face is an error.
        """
        keep = self.labelled
        conditions = [
            Condition(
                one.attack,
                str(one.cell.norm),
                float(one.cell.epsilon or 0.0),
                one.right[keep],
                one.run[keep],
            )
            for one in self.tried
        ]
        clusters = None if self.clusters is None else self.clusters[keep]
        return robust_at(self.right[keep], conditions, clusters)


def diagnose(families: Sequence[Family], registry: Registry) -> dict[Cell, list[dict[str, Any]]]:
    """The `diagnostics` records of each clean cell, tested together over all of them.

    Args:
        families: of one source.
        registry: knows the attacks' traits.
    """
    made: list[tuple[Cell, Comparison]] = []
    found: dict[Cell, list[dict[str, Any]]] = {family.clean: [] for family in families}
    for family in families:
        made += [(family.clean, comparison) for comparison in _comparisons(family, registry)]
        found[family.clean] += _gradients(family)
    for (clean, _), record in zip(made, judge([c for _, c in made]), strict=True):
        found[clean].append(record)
    return found


def _gradients(family: Family) -> list[dict[str, Any]]:
    """One check for each attack with the network's own gradients, at its largest budget."""
    last: dict[str, Tried] = {}
    for one in sorted(family.tried, key=lambda tried: tried.cell.epsilon or 0.0):
        if one.own and one.cell.epsilon:
            last[str(one.cell.attack)] = one
    return [
        gradient_check(one.flat, int(one.attacked.sum()), one.name)
        for one in last.values()
        if one.flat is not None
    ]


def _comparisons(family: Family, registry: Registry) -> Iterable[Comparison]:
    """What must be stronger than what."""
    tried = [one for one in family.tried if one.cell.epsilon]
    by_place = {(one.attack, one.cell.norm, one.cell.epsilon): one for one in tried}

    def component(one: Tried) -> Component:
        return registry.get("attack", str(one.cell.attack)).component

    def compare(check: str, stronger: Tried, weaker: Tried) -> Comparison:
        both = stronger.attacked & weaker.attacked & family.right
        clusters = None if family.clusters is None else family.clusters[both]
        return Comparison(
            check, stronger.name, weaker.name, stronger.right[both], weaker.right[both], clusters
        )

    for attack in dict.fromkeys(one.attack for one in tried):
        same = sorted(
            (one for one in tried if one.attack == attack), key=lambda one: one.cell.epsilon or 0.0
        )
        # What is carried over from another classifier need not get stronger.
        if same[0].own and "iterative" in component(same[0]).traits:
            for small, large in pairwise(same):
                yield compare(STRONGER_WITH_EPSILON, large, small)
    for one in tried:
        cell = one.cell
        for other in component(one).no_weaker_than if one.own else ():
            weaker = by_place.get((other, cell.norm, cell.epsilon))
            if weaker is not None:
                noise = "control" in component(weaker).traits
                yield compare(NOISE if noise else NO_WEAKER, one, weaker)
        if not one.own:
            stronger = by_place.get((cell.attack or "", cell.norm, cell.epsilon))
            if stronger is not None:
                yield compare(WHITE_BOX, stronger, one)


def transfer_rates(
    answers: Answers,
    adversarial: Predictions,
    attacked: Bool,
    target_label: str | None,
    both: Bool,
    every: Bool,
) -> dict[str, Estimate]:
    """How far an attack made with one classifier carries to another.

    Args:
        answers: what is right, N images.
        adversarial: what the target answered.
        attacked: bool (N,), which faces were handed to the attack.
        target_label: see :func:`score_attack`.
        both: bool (2, N), whether surrogate and target were right when clean.
        every: bool (K, N), whether each surrogate and target of the run was.
    """
    chosen = attacked & (answers.labels >= 0)
    if target_label is not None:
        chosen &= answers.labels != EMOTIONS.index(target_label)
    done = succeeded(answers, adversarial, target_label)
    return {
        "transfer_success_both": transfer_success(chosen, both, done, answers.clusters),
        "transfer_success_all": transfer_success(chosen, every, done, answers.clusters),
    }
