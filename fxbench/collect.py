"""From the chunks of a finished plan to the records of its cells. Loads no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.answers import NOT_ASKED, Answered
from fxbench.cells import Cell, PlannedCell, belongs, components
from fxbench.chunks import Chunk, Chunks
from fxbench.clips import Interval
from fxbench.errors import DataError
from fxbench.pairs import Pairs, joined
from fxbench.plan import Plan
from fxbench.scores import Scores
from fxbench.scoring import Predictions, rank, top_emotions
from fxbench.scoring_detection import Detected
from fxbench.scoring_landmarks import Located
from fxbench.selection import Reason
from fxbench.sources import Source
from fxbench.spotting import recalled
from fxbench.stages import boxes_key, result_key
from fxbench.types import Answers, Int64

_REASONS = 5
"""So many are told why images could not be read; run.json has all."""


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """The images of a source that could be read, and those that could not."""

    answers: Answers
    unreadable: tuple[dict[str, Any], ...]

    def why(self) -> str:
        """What could not be read and why, the first few reasons of several.

        The frames that a video lacks have one reason, and are said together.
        """
        by_reason: dict[str, list[str]] = {}
        for one in self.unreadable:
            by_reason.setdefault(str(one["reason"]).rstrip("."), []).append(str(one["id"]))
        told = [
            f"{ids[0]}{f' and {len(ids) - 1} more' if len(ids) > 1 else ''}: {reason}"
            for reason, ids in by_reason.items()
        ]
        left = len(told) - _REASONS
        more = f"; {left} more such as these, which run.json lists" if left > 0 else ""
        return f"{'; '.join(told[:_REASONS])}{more}."


class Collector:
    """Reads the chunks of a plan."""

    def __init__(self, plan: Plan, chunks: Chunks) -> None:
        self._plan = plan
        self._chunks = chunks
        self._latest: tuple[str, Cell, list[Chunk]] | None = None

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
                scene = cells[0].scene.unchanged
                key = boxes_key(self._plan, source, answers.rows, scene)
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

    def predictions(self, source: Source, rows: Int64, cell: Cell) -> tuple[Predictions, Columns]:
        """What a cell answered for the images `rows`, in their order.

        With it what else is kept of each image, 0 where there is nothing, each (N,): `aligned`,
        `attacked`, `flat`, `queries`, `distance`.
        """
        parts = self._results(source, cell)
        labels: tuple[str | None, ...] = next(
            (tuple(p.meta["labels"]) for p in parts if p.meta["labels"]), (None,)
        )
        found = np.zeros(len(rows), np.bool_)
        outputs = np.zeros((len(rows), len(labels)), np.float16)
        further: dict[str, npt.NDArray[Any]] = {}
        for part in parts:
            if "outputs" in part.columns and len(part.columns["row"]):
                row = part.columns["row"].astype(np.int64)
                # Recorded predictions may hold an image that can't be read here.
                known = np.isin(row, rows)
                index = np.searchsorted(rows, row[known])
                found[index] = True
                outputs[index] = part.columns["outputs"][known]
                for name in _FURTHER & set(part.columns):
                    column = part.columns[name]
                    further.setdefault(name, np.zeros(len(rows), column.dtype))
                    further[name][index] = column[known]
        return Predictions(found, outputs, labels), further

    def located(self, source: Source, rows: Int64, cell: Cell) -> Located:
        """What a landmarker answered for the true faces of the images `rows`."""
        filled = [p for p in self._results(source, cell) if "points" in p.columns]
        if not filled:
            raise DataError(f"No image of {source.name} with true landmarks could be read.")
        row = np.concatenate([part.columns["row"] for part in filled]).astype(np.int64)
        counts = np.isin(row, rows)
        columns = {
            name: np.concatenate([part.columns[name] for part in filled])[counts]
            for name in ("found", "points", "truth")
        }
        faces, meta = len(columns["found"]), filled[0].meta
        points, truth = (
            columns[name].reshape(faces, columns[name].shape[1] // 2, 2)
            for name in ("points", "truth")
        )
        return Located(
            row[counts], columns["found"], points, truth, meta["truth_scheme"], meta["shared"]
        )

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

    def spotted(self, source: Source, cell: Cell) -> dict[str, tuple[Interval, ...]]:
        """What a spotter found in each video, by its name."""
        parts = [part.columns for part in self._results(source, cell) if "onset" in part.columns]
        joined = (
            {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            if parts
            else {}
        )
        return {
            clip.name: recalled(joined, clip.first) if joined else () for clip in source.watched
        }

    def seconds(self, source: Source, cell: Cell) -> float:
        """How long detecting, following and what comes after it took in all of a cell's images."""
        chunks = [self._chunks.get(key) for key in self._stages(source, cell)]
        return float(sum(chunk.meta["seconds"] for chunk in chunks))

    def _results(self, source: Source, cell: Cell) -> list[Chunk]:
        # What is read of a cell is read at once: answers, silence, adversarial faces.
        if self._latest is None or self._latest[:2] != (source.key, cell):
            parts = [
                self._chunks.get(result_key(self._plan, source, answers, cell))
                for answers in source.chunks()
            ]
            self._latest = source.key, cell, parts
        return self._latest[2]

    def adversarial(self, source: Source, cell: Cell) -> list[str]:
        """The keys of the chunks of adversarial faces that a cell's outputs are of."""
        parts = self._results(source, cell) if cell.attack is not None else []
        return [key for part in parts for key in part.meta.get("adversarial", ())]

    def keys(self, source: Source, cell: Cell) -> list[str]:
        """The keys of all chunks that a cell was made from.

        Boxes, then outputs, points or intervals, then what was located for spotters.
        """
        parts = self._results(source, cell) if cell.kind == "spotter" else []
        followed = [key for part in parts for key in part.meta.get("followed", ())]
        return self._stages(source, cell) + followed

    def _stages(self, source: Source, cell: Cell) -> list[str]:
        chunks = list(source.chunks())
        boxes = [boxes_key(self._plan, source, part.rows, cell.scene) for part in chunks]
        return boxes + [result_key(self._plan, source, part, cell) for part in chunks]


Columns = dict[str, npt.NDArray[Any]]
"""What is kept of each image beside the outputs, by name."""

_FURTHER = {"aligned", "attacked", "flat", "queries", "distance"}


def records(
    plan: Plan,
    source: Source,
    collector: Collector,
    readable: Readable,
    errors: Mapping[Cell, str],
) -> tuple[list[dict[str, Any]], Answered, Pairs]:
    """The record of every cell of a source, with ranks, without latency.

    With it what was answered, image by image, and the tests behind the ranks.
    """
    planned = [p for p in plan.cells if belongs(p.cell, source)]
    scored = [p.cell for p in planned if p.status == "planned" and p.cell not in errors]
    scores = Scores(plan, source, collector, readable, scored)
    results, answered, silent = scores.results, scores.answered, scores.silent
    errors = {**errors, **scores.errors}
    # What a service didn't answer is no mistake of any model: such a cell has scores of the other
    # images, which can't be compared with those of all.
    whole = {cell: predictions for cell, predictions in answered.items() if not silent[cell]}
    tests = []
    for family in _families(plan, whole).values():
        correct = [(cell.id, scores.correct(cell)) for cell in family]
        ranks, pairs = rank(correct, scores.clusters(family[0]))
        for cell in family:
            results[cell]["rank"] = ranks[cell.id]
        tests.append(pairs)
    shared = {"shared_labels": list(scores.shared)}
    made = [
        _record(plan, entry, errors) | shared | results.get(entry.cell, {}) for entry in planned
    ]
    return made, _answered(source, readable.answers, scores), joined(tests)


def _answered(source: Source, images: Answers, scores: Scores) -> Answered:
    """What the cells of a source answered, image by image."""
    tops = {}
    for cell, predictions in scores.answered.items():
        top = np.full(len(images.rows), NOT_ASKED, np.int8)
        top[np.searchsorted(images.rows, scores.answers(cell).rows)] = top_emotions(predictions)
        tops[cell.id] = top
    clusters = images.rows if images.clusters is None else images.clusters
    ids = source.dataset.ids(source.split)
    return Answered(
        source.entry.name,
        source.split,
        source.protocol,
        images.rows,
        tuple(ids[row] for row in images.rows.tolist()),
        images.labels,
        clusters.astype(np.int64),
        {name: tuple(texts.tolist()) for name, texts in images.groups.items()},
        tops,
    )


def _families(plan: Plan, cells: Mapping[Cell, Predictions]) -> dict[tuple[Any, ...], list[Cell]]:
    """Cells that are ranked together: one dataset, split, protocol and condition."""
    families: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        if cell.corruption is None:
            # A network under its own attack is one condition, under another's surrogate another.
            surrogate = None if plan.is_own(cell) else cell.surrogate
            condition = (
                *(cell.attack_axes | {"surrogate": surrogate}).values(),
                cell.every,
                cell.smoothing,
            )
            families.setdefault(condition, []).append(cell)
    return families


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
    # A floor of its kind stays one, whichever detector finds the faces that it doesn't look at.
    floor = "floor" in plan.registry.get(cell.kind, cell.scored).component.traits
    further: dict[str, Any] = {}
    if cell.corruption is not None and cell.classifier is not None:
        baseline = plan.registry.get("classifier", cell.classifier).component
        corruption = plan.registry.get("corruption", cell.corruption).component
        further = {
            "baseline": "baseline" in baseline.traits,
            "common": "common" in corruption.traits,
        }
    return further | {
        "id": cell.id,
        "axes": cell.axes,
        "status": status,
        "asked": planned.asked,
        "reason": None
        if reason is None
        else {"kind": reason.kind, "message": reason.message, "mend": reason.mend},
        "weights": weights,
        "floor": floor,
        "variant_of": plan.variant_of(cell),
        "home_advantage": cell.kind == "landmarker"
        and cell.landmarker in _at_home(plan, cell.dataset),
        "rank": None,
        "latency": None,
        "chunks": [],
        "adversarial": [],
        "unanswered": [],
    }
