"""What differs between a run and the same plan run again: conditions first, then cell by cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from fxbench.tables import AXES, flat, kind_of
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from fxbench.answers import Answered
    from fxbench.store import StoredRun

Verdict = Literal[
    "identical", "same numbers", "within tolerance", "differs", "not there", "no result"
]

TOLERANCE = 1e-4
"""How far a number may be from what it was: less than one image of 10,000 in a fraction, and more
than what another processor rounds differently."""

_NUMBERS = (
    "images",
    "metrics",
    "recall",
    "recall_end_to_end",
    "confusion",
    "attack",
    "robust",
    "video",
    "spotting",
    "recognition",
    "intervals",
    "points",
    "curve",
)
"""What a cell came to. Timings and what follows from other numbers (ranks, tests) are not here."""
_MACHINE = ("fxbench", "python", "platform", "cpu", "threads")


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that was otherwise.

    Attributes:
        what: such as `version of numpy` or `images of ferplus`.
        before: what it was, None where it was not there.
        after: what it is now.
    """

    what: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Redone:
    """A cell, and what became of it.

    Attributes:
        cell: its record in the first run.
        verdict: `same numbers`: whether the answers are the same as well can't be told;
            `not there`: it has no result any more; `no result`: it never had one.
        largest: the difference that is the largest, of numbers or None where there is none to tell.
        number: whose it is, such as `metrics.accuracy.value`.
        before: that number as it was.
        after: and as it is now.
        images: how many images were answered differently; None where that is not known.
        unseen: whether it should have answers to single images, and a run keeps none.
        why: what is said in the place of a result.
    """

    cell: Mapping[str, Any]
    verdict: Verdict
    largest: float | None = None
    number: str | None = None
    before: Any = None
    after: Any = None
    images: int | None = None
    why: str | None = None
    unseen: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing that counts is otherwise."""
        return self.verdict in ("identical", "same numbers", "within tolerance", "no result")


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A run beside the same plan run again.

    Attributes:
        before: the name of the first run.
        after: of the second.
        conditions: what was otherwise.
        cells: those of the first run.
        further: how many cells the second has besides, since more is installed now.
        tolerance: see :data:`TOLERANCE`.
    """

    before: str
    after: str
    conditions: tuple[Condition, ...]
    cells: tuple[Redone, ...]
    further: int = 0
    tolerance: float = field(default=TOLERANCE)

    @property
    def same(self) -> bool:
        """Whether every cell came to what it was."""
        return all(cell.same for cell in self.cells)


def reproduction(
    before: StoredRun,
    after: StoredRun,
    answered: tuple[tuple[Answered, ...], tuple[Answered, ...]] | None = None,
    tolerance: float = TOLERANCE,
) -> Reproduction:
    """Compare a run with the same plan run again.

    Args:
        before: the run.
        after: the second.
        answered: what the cells of both answered, see :func:`fxbench.answers.read`; None where
            nobody asks about single images.
        tolerance: how far a number may be from what it was.
    """
    now = {cell["id"]: cell for cell in after.cells}
    images = _changed_images(*(answered or ((), ())))
    cells = tuple(
        _seen(
            _redone(cell, now.get(cell["id"]), images.get(cell["id"]), tolerance),
            answered is not None,
        )
        for cell in before.cells
    )
    further = len(set(now) - {cell["id"] for cell in before.cells})
    return Reproduction(
        str(before.run["id"]),
        str(after.run["id"]),
        tuple(conditions(before.run, after.run)),
        cells,
        further,
        tolerance,
    )


def conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Condition]:
    """What was otherwise when a plan was run again, from the records of the two runs."""
    first, second = before.get("environment") or {}, after.get("environment") or {}
    for name in _MACHINE:
        if first.get(name) != second.get(name):
            yield Condition(name, first.get(name), second.get(name))
    yield from _changed(first.get("packages"), second.get("packages"), "version of {}")
    for part, what in (("datasets", "images or labels of {}"), ("components", "code of {}")):
        yield from _changed(_shortened(before.get(part)), _shortened(after.get(part)), what)
    yield from _changed(_hashes(before), _hashes(after), "weights {}")


def _changed(before: Any, after: Any, what: str) -> Iterator[Condition]:
    first, second = before or {}, after or {}
    for name in dict.fromkeys((*first, *second)):
        if first.get(name) != second.get(name):
            yield Condition(what.format(name), first.get(name), second.get(name))


def _shortened(records: Any) -> dict[str, str]:
    """A hash of each dataset or component, as tables show them."""
    return {
        name: str(record["fingerprint"] if isinstance(record, Mapping) else record)[:12]
        for name, record in (records or {}).items()
    }


def _hashes(run: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{file} of {name}": str(record["sha256"])[:12]
        for name, files in (run.get("weights") or {}).items()
        for file, record in files.items()
    }


def _redone(
    before: Mapping[str, Any], after: Mapping[str, Any] | None, images: int | None, tolerance: float
) -> Redone:
    if before["status"] != "ok":
        return Redone(before, "no result", why=_reason(before))
    if after is None:
        return Redone(before, "not there", why="The plan has no such cell any more.")
    if after["status"] != "ok":
        return Redone(before, "not there", why=_reason(after))
    now = dict(_leaves(after))
    worst: tuple[float, str, Any, Any] | None = None
    for name, value in _leaves(before):
        distance = _distance(value, now.get(name))
        if distance and (worst is None or distance > worst[0]):
            worst = (distance, name, value, now.get(name))
    if worst is None:
        # The same numbers of other answers are another result.
        return Redone(before, "differs" if images else "identical", images=images)
    near = worst[0] <= tolerance and not images
    largest = None if math.isinf(worst[0]) else worst[0]
    return Redone(before, "within tolerance" if near else "differs", largest, *worst[1:], images)


def _seen(made: Redone, asked: bool) -> Redone:
    """What a cell came to, and whether its answers to single images could be looked at."""
    compared = made.verdict not in ("not there", "no result")
    if not (asked and compared and made.images is None and kind_of(made.cell) == "classifier"):
        return made
    verdict: Verdict = "same numbers" if made.verdict == "identical" else made.verdict
    return replace(made, verdict=verdict, unseen=True)


def _reason(cell: Mapping[str, Any]) -> str | None:
    reason: Mapping[str, Any] = cell.get("reason") or {}
    return reason.get("message")


def _leaves(cell: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Everything that a cell came to, each by its way through the record."""
    waiting = [(name, cell[name]) for name in reversed(_NUMBERS) if name in cell]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [(f"{name}.{key}", below) for key, below in reversed([*value.items()])]
        elif isinstance(value, list):
            waiting += [(f"{name}.{i}", below) for i, below in reversed([*enumerate(value)])]
        else:
            yield name, value


def _distance(before: Any, after: Any) -> float:
    numbers = [isinstance(value, (int, float)) for value in (before, after)]
    if before == after:
        return 0.0
    return abs(float(before) - float(after)) if all(numbers) else math.inf


def _changed_images(before: tuple[Answered, ...], after: tuple[Answered, ...]) -> dict[str, int]:
    """How many of the images that both runs have were answered differently, by cell."""
    changed: dict[str, int] = {}
    for first in before:
        place = (first.dataset, first.split, first.protocol)
        for second in after:
            if (second.dataset, second.split, second.protocol) != place:
                continue
            there = {row: index for index, row in enumerate(second.rows.tolist())}
            common = [(i, there[row]) for i, row in enumerate(first.rows.tolist()) if row in there]
            mine, theirs = [i for i, _ in common], [j for _, j in common]
            for cell in set(first.cells) & set(second.cells):
                differ = first.top(cell)[mine] != second.top(cell)[theirs]
                changed[cell] = int(differ.sum())
    return changed


def record(made: Reproduction) -> dict[str, Any]:
    """As JSON can hold it."""
    return {
        "before": made.before,
        "after": made.after,
        "same": made.same,
        "tolerance": made.tolerance,
        "conditions": [
            {"what": one.what, "before": one.before, "after": one.after} for one in made.conditions
        ],
        "further": made.further,
        "cells": [
            {
                "id": one.cell["id"],
                "axes": one.cell["axes"],
                "verdict": one.verdict,
                "number": one.number,
                "before": one.before,
                "after": one.after,
                "largest": one.largest,
                "images": one.images,
                "answers_missing": one.unseen,
                "why": one.why,
            }
            for one in made.cells
        ],
    }


def condition_table(made: Reproduction) -> Table:
    """What was otherwise."""
    rows = tuple(
        {"what": one.what, "before": _shown(one.before), "after": _shown(one.after)}
        for one in made.conditions
    )
    columns = (Column("what", "what"), Column("before", "then"), Column("after", "now"))
    return Table("What was otherwise", columns, rows)


def cell_table(made: Reproduction) -> Table:
    """The cells that did not come to what they were."""
    rows = []
    for one in made.cells:
        if one.same:
            continue
        row = flat(one.cell) | {"verdict": one.verdict, "number": one.number, "images": one.images}
        row |= {"before": _shown(one.before), "after": _shown(one.after), "why": one.why}
        rows.append(row)
    axes = dict.fromkeys(axis for one in made.cells for axis in one.cell["axes"])
    columns = (
        *(Column(axis, axis, _FORMATS.get(axis, "text"), show="varies") for axis in _ordered(axes)),
        Column("verdict", "verdict"),
        Column("number", "largest difference", show="any"),
        Column("before", "then", show="any"),
        Column("after", "now", show="any"),
        Column("images", "images changed", "count", show="any"),
        Column("why", "why", show="any"),
    )
    return Table("Cells that differ", columns, tuple(rows))


_FORMATS = {"epsilon": "epsilon"}


def _ordered(axes: Mapping[str, Any]) -> list[str]:
    return [*(axis for axis in AXES if axis in axes), *(a for a in axes if a not in AXES)]


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:.6g}" if isinstance(value, float) else str(value)
