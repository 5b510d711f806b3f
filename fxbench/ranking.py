"""Ranks, paired tests and robustness anew, from what the cells of a finished run answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.answers import NOT_ASKED, Answered
from fxbench.cells import Cell
from fxbench.scoring import rank
from fxbench.scoring_robustness import Family, Tried
from fxbench.sides import place
from fxbench.tables import is_own

if TYPE_CHECKING:
    from fxbench.pairs import Pairs

Record = dict[str, Any]
Condition = tuple[Any, ...]

_ATTACK = ("attack", "norm", "epsilon", "surrogate", "target_label", "subset")


def families(cells: Iterable[Record]) -> dict[Condition, list[Record]]:
    """The cells that are ranked together, by dataset, split, protocol and condition.

    Those of a classifier that have a result of every image, on pictures that were not corrupted.
    """
    found: dict[Condition, list[Record]] = {}
    for cell in cells:
        axes = cell["axes"]
        if (
            cell["status"] == "ok"
            and axes.get("classifier")
            and not axes.get("spotter")
            and not axes.get("corruption")
            and not cell.get("unanswered")
        ):
            attack = {axis: axes.get(axis) for axis in _ATTACK}
            # A network under its own attack is one condition, under another's surrogate another.
            if is_own(cell):
                attack["surrogate"] = None
            ways = (axes.get("every"), axes.get("smoothing"))
            found.setdefault((*place(cell), *attack.values(), *ways), []).append(cell)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What ranking a family came to.

    Attributes:
        ranks: the `rank` of each cell's record, by id.
        pairs: the tests behind them.
    """

    ranks: Mapping[str, dict[str, Any]]
    pairs: Pairs


def ranked(family: Sequence[Record], answered: Answered | None) -> Ranking | None:
    """Rank a family by what its cells answered.

    None where that can't be told: an earlier version kept no answers, the cells were asked about
    different images, or they are about videos, which are ranked by probabilities that are not kept.
    """
    if answered is None or any(cell.get("video") for cell in family):
        return None
    ids = [cell["id"] for cell in family]
    if not set(ids) <= set(answered.cells):
        return None
    tops = [answered.top(cell) for cell in ids]
    asked = tops[0] != NOT_ASKED
    if any(((top != NOT_ASKED) != asked).any() for top in tops):
        return None
    counted = np.flatnonzero(asked & (answered.labels >= 0))
    right = [(top == answered.labels)[counted] for top in tops]
    ranks, pairs = rank(list(zip(ids, right, strict=True)), answered.clusters[counted])
    return Ranking(ranks, pairs)


def robust(
    clean: Record, attacked: Iterable[Record], answered: Answered
) -> list[dict[str, Any]] | None:
    """The `robust` record of a clean cell, from all that was tried on it.

    Args:
        clean: its record.
        attacked: those of the same combination under attack.
        answered: what all of them answered.

    Returns:
        As :meth:`fxbench.scoring_robustness.Family.robust`; None where answers are missing.
    """
    used = [
        cell
        for cell in attacked
        if cell["status"] == "ok" and cell["axes"].get("target_label") is None
    ]
    if not {clean["id"], *(cell["id"] for cell in used)} <= set(answered.cells):
        return None
    labels = answered.labels
    family = Family(Cell(**clean["axes"]), answered.top(clean["id"]) == labels, labels >= 0)
    nothing = np.zeros(len(labels), np.bool_)
    for cell in used:
        top = answered.top(cell["id"])
        # Which faces were handed to the attack is not kept, and does not enter here.
        family.tried.append(
            Tried(
                Cell(**cell["axes"]), top == labels, top != NOT_ASKED, nothing, None, is_own(cell)
            )
        )
    return family.robust()
