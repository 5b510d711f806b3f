"""From the chunks of a finished plan to the records of its cells. Loads no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fxbench.cells import Cell, PlannedCell, belongs, components
from fxbench.chunks import Chunk, Chunks, DamagedChunkError
from fxbench.errors import DataError, FxbenchError, PluginError, StoreError
from fxbench.facework import columns_of
from fxbench.labels import EMOTIONS
from fxbench.loader import one_line
from fxbench.plan import Plan
from fxbench.scoring import Predictions, correct_end_to_end, rank, score, score_attack
from fxbench.scoring_detection import Detected, score_detections
from fxbench.scoring_landmarks import Located, score_landmarks
from fxbench.selection import Reason, Source
from fxbench.stages import boxes_key, result_key
from fxbench.types import Answers, Bool, Int64


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

    def unanswered(self, source: Source, cell: Cell) -> list[dict[str, Any]]:
        """The images of a cell that got no answer from a service."""
        silent = {
            row: {"row": row, "id": name, "reason": reason}
            for part in self._results(source, cell)
            for row, name, reason in part.meta.get("unanswered", ())
        }
        return [silent[row] for row in sorted(silent)]

    def predictions(self, source: Source, rows: Int64, cell: Cell) -> tuple[Predictions, int]:
        """What a cell answered for the images `rows`, in their order, and how many are aligned."""
        parts = self._results(source, cell)
        labels: tuple[str | None, ...] = next(
            (tuple(p.meta["labels"]) for p in parts if p.meta["labels"]), (None,)
        )
        found = np.zeros(len(rows), np.bool_)
        outputs = np.zeros((len(rows), len(labels)), np.float16)
        aligned = 0
        for part in parts:
            if "outputs" in part.columns and len(part.columns["row"]):
                row = part.columns["row"].astype(np.int64)
                # Recorded predictions may hold an image that can't be read here.
                known = np.isin(row, rows)
                index = np.searchsorted(rows, row[known])
                found[index] = True
                outputs[index] = part.columns["outputs"][known]
                if "aligned" in part.columns:
                    aligned += int(part.columns["aligned"][known].sum())
        return Predictions(found, outputs, labels), aligned

    def located(self, source: Source, rows: Int64, cell: Cell) -> Located:
        """What a landmarker answered for the true faces of the images `rows`."""
        filled = [p for p in self._results(source, cell) if "points" in p.columns]
        if not filled:
            raise DataError(f"No image of {source.name} with true landmarks could be read.")
        counts = np.isin(np.concatenate([part.columns["row"] for part in filled]), rows)
        columns = {
            name: np.concatenate([part.columns[name] for part in filled])[counts]
            for name in ("found", "points", "truth")
        }
        faces, meta = len(columns["found"]), filled[0].meta
        points, truth = (
            columns[name].reshape(faces, columns[name].shape[1] // 2, 2)
            for name in ("points", "truth")
        )
        return Located(columns["found"], points, truth, meta["truth_scheme"], meta["shared"])

    def detected(self, source: Source, rows: Int64, cell: Cell) -> Detected:
        """What a detector found in the images `rows`, and what is there."""
        filled = [p for p in self._results(source, cell) if "true" in p.columns]
        if not filled:
            raise DataError(f"No image of {source.name} with true boxes could be read.")
        row, true, xyxy, score = (
            np.concatenate([part.columns[name] for part in filled])
            for name in ("row", "true", "xyxy", "score")
        )
        row = row.astype(np.int64)
        there, found = (np.flatnonzero(np.isin(row, rows) & is_) for is_ in (true, ~true))
        return Detected(
            rows,
            row[there],
            np.ascontiguousarray(xyxy[there]),
            row[found],
            np.ascontiguousarray(xyxy[found]),
            score[found],
        )

    def _results(self, source: Source, cell: Cell) -> list[Chunk]:
        return [
            self._chunks.get(result_key(self._plan, source, answers, cell))
            for answers in source.chunks()
        ]

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
    scores = _Scores(plan, source, collector, readable, scored)
    results, answered, silent = scores.results, scores.answered, scores.silent
    errors = {**errors, **scores.errors}
    # What a service didn't answer is no mistake of any model: such a cell has scores of the other
    # images, which can't be compared with those of all.
    whole = {cell: predictions for cell, predictions in answered.items() if not silent[cell]}
    for family in _families(plan, whole).values():
        ranked = rank(
            [(cell.id, correct_end_to_end(readable.answers, answered[cell])) for cell in family]
        )
        for cell in family:
            results[cell] |= ranked[cell.id]
    shared = {"shared_labels": list(scores.shared)}
    return [
        _record(plan, entry, errors) | shared | results.get(entry.cell, {}) for entry in planned
    ]


class _Scores:
    """The scores of a source's cells, each by itself: what is wrong with one costs no other.

    Attributes:
        results: what goes into each cell's record.
        answered: the predictions of each cell with a classifier.
        silent: of each cell, the images that got no answer from a service.
        errors: why a cell can't be scored.
        shared: the emotions that all classifiers have.
    """

    def __init__(
        self,
        plan: Plan,
        source: Source,
        collector: Collector,
        readable: Readable,
        cells: list[Cell],
    ) -> None:
        self.results: dict[Cell, dict[str, Any]] = {}
        self.answered: dict[Cell, Predictions] = {}
        self.silent: dict[Cell, list[dict[str, Any]]] = {}
        self.errors: dict[Cell, str] = {}
        self._plan = plan
        self._source = source
        self._collector = collector
        self._readable = readable
        self._aligned: dict[Cell, int] = {}
        for cell in cells:
            self._try(cell, self._read)
        self.shared = shared_labels(self.answered)
        for cell in cells:
            if cell not in self.errors:
                self._try(cell, self._score)

    def _try(self, cell: Cell, step: Callable[[Cell], None]) -> None:
        clean = _clean(cell)
        try:
            if clean in self.errors:
                raise PluginError(self.errors[clean])
            step(cell)
        except (StoreError, DamagedChunkError):
            raise
        except Exception as error:  # noqa: BLE001 - numbers of a plugin may be anything
            text = str(error) if isinstance(error, FxbenchError) else one_line(error)
            self.errors[cell] = text
            self.answered.pop(cell, None)

    def _read(self, cell: Cell) -> None:
        silent = {entry["row"]: entry for entry in self._collector.unanswered(self._source, cell)}
        if cell.attack is not None:
            # An attack is measured against the clean answers, so both must be there.
            silent |= {entry["row"]: entry for entry in self.silent[_clean(cell)]}
        self.silent[cell] = [silent[row] for row in sorted(silent)]
        if cell.kind == "classifier":
            rows = self._answers(cell).rows
            self.answered[cell], self._aligned[cell] = self._collector.predictions(
                self._source, rows, cell
            )

    def _answers(self, cell: Cell) -> Answers:
        """What is right about the images that count for a cell."""
        answers = self._readable.answers
        rows = [entry["row"] for entry in self.silent[cell]]
        return answers.take(np.flatnonzero(~np.isin(answers.rows, rows))) if rows else answers

    def _score(self, cell: Cell) -> None:
        collector, source, answers = self._collector, self._source, self._answers(cell)
        if cell.kind == "landmarker":
            located = collector.located(source, answers.rows, cell)
            result = score_landmarks(located, len(answers.rows))
        elif cell.kind == "detector":
            traits = self._plan.registry.get("detector", cell.detector).component.traits
            detected = collector.detected(source, answers.rows, cell)
            result = score_detections(detected, scored="unscored" not in traits)
        elif cell.attack is None:
            result = score(answers, self.answered[cell], self.shared)
        else:
            clean = self.answered[_clean(cell)]
            if self.silent[cell] != self.silent[_clean(cell)]:
                clean, _ = collector.predictions(source, answers.rows, _clean(cell))
            asked_for = attacked(answers, clean)
            result = score_attack(answers, clean, self.answered[cell], asked_for, self.shared)
        result["chunks"] = collector.keys(source, cell)
        result["images"]["unreadable"] = len(self._readable.unreadable)
        result["unanswered"] = self.silent[cell]
        if cell.align is not None:
            result["images"]["aligned"] = self._aligned[cell]
        self.results[cell] = result


def _clean(cell: Cell) -> Cell:
    """The cell without its attack."""
    return replace(cell, attack=None, norm=None, epsilon=None, surrogate=None)


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
    weights = next((s for s in ("unverified", "accepted", "verified") if s in states), None)
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
        "home_advantage": cell.kind == "landmarker"
        and cell.landmarker in _at_home(plan, cell.dataset),
        "rank": None,
        "paired": [],
        "latency": None,
        "chunks": [],
        "unanswered": [],
    }
