"""From the chunks of a finished plan to the records of its cells. Loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.chunks import Chunks
from fxbench.chunkwork import columns_of
from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.plan import Cell, Plan, PlannedCell, belongs, components
from fxbench.scoring import Predictions, correct_end_to_end, rank, score, score_attack
from fxbench.scoring_landmarks import Located, score_landmarks
from fxbench.selection import Reason, Source
from fxbench.stages import boxes_key, outputs_key, points_key, result_key
from fxbench.types import Answers, Bool


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """The images of a source that could be read, and those that could not."""

    answers: Answers
    unreadable: tuple[dict[str, Any], ...]


class Collector:
    """Reads the chunks of a plan."""

    def __init__(self, plan: Plan, chunks: Chunks) -> None:
        self._plan = plan
        self._chunks = chunks

    def readable(self, source: Source, errors: Mapping[Cell, str]) -> Readable:
        """Which images count: all that could be decoded.

        Args:
            source: the images.
            errors: cells that failed; their detectors may have no boxes.
        """
        cells = [cell for cell in self._plan.runnable(source) if cell not in errors]
        unreadable: dict[int, dict[str, Any]] = {}
        if cells:
            for answers in source.chunks():
                key = boxes_key(self._plan, source, answers.rows, cells[0].detector)
                for row, name, reason in self._chunks.get(key).meta["unreadable"]:
                    unreadable[row] = {"row": row, "id": name, "reason": reason}
        keep = ~np.isin(source.answers.rows, list(unreadable))
        return Readable(
            source.answers.take(np.flatnonzero(keep)),
            tuple(unreadable[row] for row in sorted(unreadable)),
        )

    def predictions(self, source: Source, readable: Readable, cell: Cell) -> Predictions:
        """What a cell answered for the readable images, in their order."""
        rows = readable.answers.rows
        parts = [
            self._chunks.get(outputs_key(self._plan, source, answers, cell))
            for answers in source.chunks()
        ]
        labels: tuple[str | None, ...] = next(
            (tuple(p.meta["labels"]) for p in parts if p.meta["labels"]), (None,)
        )
        found = np.zeros(len(rows), np.bool_)
        outputs = np.zeros((len(rows), len(labels)), np.float16)
        for part in parts:
            if "outputs" in part.columns and len(part.columns["row"]):
                row = part.columns["row"].astype(np.int64)
                # Recorded predictions may hold an image that can't be read here.
                known = np.isin(row, rows)
                index = np.searchsorted(rows, row[known])
                found[index] = True
                outputs[index] = part.columns["outputs"][known]
        return Predictions(found, outputs, labels)

    def located(self, source: Source, cell: Cell) -> Located:
        """What a landmarker answered for the true faces of all readable images."""
        parts = [
            self._chunks.get(points_key(self._plan, source, answers, cell))
            for answers in source.chunks()
        ]
        filled = [part for part in parts if "points" in part.columns]
        if not filled:
            raise DataError(f"No image of {source.name} with true landmarks could be read.")
        columns = {
            name: np.concatenate([part.columns[name] for part in filled])
            for name in ("found", "points", "truth")
        }
        faces, meta = len(columns["found"]), filled[0].meta
        points, truth = (
            columns[name].reshape(faces, columns[name].shape[1] // 2, 2)
            for name in ("points", "truth")
        )
        return Located(columns["found"], points, truth, meta["truth_scheme"], meta["shared"])

    def keys(self, source: Source, cell: Cell) -> list[str]:
        """The keys of all chunks that a cell was made from: boxes, then outputs or points."""
        chunks = list(source.chunks())
        boxes = [boxes_key(self._plan, source, part.rows, cell.detector) for part in chunks]
        return boxes + [result_key(self._plan, source, part, cell) for part in chunks]


def shared_labels(predictions: Mapping[Cell, Predictions]) -> tuple[str, ...]:
    """The emotions that all classifiers of a run have, in FER+ order."""
    labels = [set(p.labels) for p in predictions.values()]
    if not labels:
        return ()
    return tuple(e for e in EMOTIONS if all(e in offered for offered in labels))


def records(
    plan: Plan,
    source: Source,
    collector: Collector,
    readable: Readable,
    errors: Mapping[Cell, str],
) -> list[dict[str, Any]]:
    """The record of every cell of a source, with ranks, without latency."""
    planned = [p for p in plan.cells if belongs(p.cell, source)]
    scored = [p.cell for p in planned if p.status == "planned" and p.cell not in errors]
    answered = {
        cell: collector.predictions(source, readable, cell)
        for cell in scored
        if cell.classifier is not None
    }
    shared = shared_labels(answered)
    results = {
        cell: _scored(readable.answers, cell, predictions, answered, shared)
        for cell, predictions in answered.items()
    }
    for cell in scored:
        if cell.landmarker is not None:
            located = collector.located(source, cell)
            results[cell] = score_landmarks(located, len(readable.answers.rows))
    for cell, result in results.items():
        result["chunks"] = collector.keys(source, cell)
        result["images"]["unreadable"] = len(readable.unreadable)
    for family in _families(plan, answered).values():
        ranked = rank(
            [(cell.id, correct_end_to_end(readable.answers, answered[cell])) for cell in family]
        )
        for cell in family:
            results[cell] |= ranked[cell.id]
    return [
        _record(plan, entry, errors) | {"shared_labels": list(shared)} | results.get(entry.cell, {})
        for entry in planned
    ]


def _scored(
    answers: Answers,
    cell: Cell,
    predictions: Predictions,
    answered: Mapping[Cell, Predictions],
    shared: tuple[str, ...],
) -> dict[str, Any]:
    if cell.attack is None:
        return score(answers, predictions, shared)
    clean = answered[Cell(cell.dataset, cell.split, cell.protocol, cell.detector, cell.classifier)]
    return score_attack(answers, clean, predictions, attacked(answers, clean), shared)


def attacked(answers: Answers, clean: Predictions) -> Bool:
    """Which faces an attack was asked for: found, and of a label that the classifier has."""
    has = columns_of(clean.labels) >= 0
    chosen: Bool = clean.found & (answers.labels >= 0) & has[answers.labels]
    return chosen


def _families(plan: Plan, cells: Mapping[Cell, Predictions]) -> dict[tuple[Any, ...], list[Cell]]:
    """Cells that are ranked together: one dataset, split, protocol and condition."""
    families: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        # A network under its own attack is one condition, one under a given surrogate's another.
        own = cell.surrogate in (cell.classifier, _variant_of(plan, cell))
        surrogate = None if own else cell.surrogate
        condition = (cell.attack, cell.norm, cell.epsilon, surrogate)
        families.setdefault(condition, []).append(cell)
    return families


def _variant_of(plan: Plan, cell: Cell) -> str | None:
    """The classifier that a cell's is the same network as, in another runtime."""
    if cell.classifier is None:
        return None
    return plan.registry.get("classifier", cell.classifier).component.variant_of


def _at_home(plan: Plan, dataset: str) -> frozenset[str]:
    """The landmarkers that a dataset's true points were made with."""
    for source in plan.sources:
        if source.entry.name == dataset:
            return frozenset(getattr(source.dataset, "home_advantage", ()))
    return frozenset()


def _record(plan: Plan, planned: PlannedCell, errors: Mapping[Cell, str]) -> dict[str, Any]:
    cell, status, reason = planned.cell, planned.status, planned.reason
    if cell in errors:
        status, reason = "failed", Reason("error", errors[cell])
    elif status == "planned":
        status = "ok"
    used = components(cell)
    states = {file["state"] for key in used for file in plan.weights.get(key, {}).values()}
    weights = "unverified" if "unverified" in states else "verified" if states else None
    floor = all(
        "floor" in plan.registry.get(kind, name).component.traits
        for kind, name in used
        if kind != "attack"
    )
    return {
        "id": cell.id,
        "axes": cell.axes,
        "status": status,
        "asked": planned.asked,
        "reason": None
        if reason is None
        else {"kind": reason.kind, "message": reason.message, "mend": reason.mend},
        "weights": weights,
        "floor": floor,
        "variant_of": _variant_of(plan, cell),
        "home_advantage": cell.landmarker in _at_home(plan, cell.dataset),
        "rank": None,
        "paired": [],
        "latency": None,
        "chunks": [],
    }
