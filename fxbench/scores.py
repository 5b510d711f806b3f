"""The scores of all cells of a source, and what follows from several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.cells import Cell
from fxbench.chunks import DamagedChunkError
from fxbench.errors import FxbenchError, PluginError, StoreError
from fxbench.labels import EMOTIONS
from fxbench.loader import one_line
from fxbench.metrics.classification import NOT_FOUND
from fxbench.scores_video import VideoScores
from fxbench.scoring import Predictions, correct_end_to_end, score, top_emotions
from fxbench.scoring_detection import score_detections
from fxbench.scoring_landmarks import score_landmarks
from fxbench.scoring_robustness import (
    Family,
    Tried,
    check_no_budget,
    diagnose,
    score_attack,
    told_of_attack,
    transfer_rates,
)
from fxbench.types import Answers, Bool, Int64

if TYPE_CHECKING:
    from fxbench.collect import Collector, Columns, Readable
    from fxbench.plan import Plan
    from fxbench.sources import Source


class Scores:
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
        self._further: dict[Cell, Columns] = {}
        self._adversarial: dict[Cell, list[str]] = {}
        self._right: dict[Cell, Bool] = {}
        self._families: dict[Cell, Family] = {}
        self._videos = VideoScores(source)
        for cell in cells:
            self._try(cell, self._read)
        self.shared = shared_labels(self.answered)
        self._models = self._compared()
        for cell in cells:
            if cell not in self.errors:
                self._try(cell, self._score)
        self._judge()

    def answers(self, cell: Cell) -> Answers:
        """What is right about the images that count for a cell."""
        answers = self._readable.answers
        keep = ~np.isin(answers.rows, [entry["row"] for entry in self.silent[cell]])
        if cell.subset is not None:
            keep &= np.isin(answers.rows, self._source.subset(cell.subset))
        return answers if keep.all() else answers.take(np.flatnonzero(keep))

    def correct(self, cell: Cell) -> Bool:
        """What a cell is ranked by: which answers are right, of videos about whole ones.

        The frames of a video resemble each other: counted one by one, they make sure of nothing.
        """
        answers, predictions = self.answers(cell), self.answered[cell]
        if self._source.clips:
            return self._videos.correct(answers, predictions)
        return correct_end_to_end(answers, predictions)

    def clusters(self, cell: Cell) -> Int64 | None:
        """Which of what :meth:`correct` is about depends on each other; None where nothing does."""
        answers = self.answers(cell)
        if self._source.clips:
            return self._videos.people(answers)
        return None if answers.clusters is None else answers.clusters[answers.labels >= 0]

    def _try(self, cell: Cell, step: Callable[[Cell], None]) -> None:
        clean = cell.clean
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
        # What is done to a picture or a face is measured by the answers without it.
        for needed in {cell.clean, self._reference(cell)} - {cell}:
            silent |= {entry["row"]: entry for entry in self.silent.get(needed, ())}
        self.silent[cell] = [silent[row] for row in sorted(silent)]
        if cell.kind == "classifier":
            rows = self.answers(cell).rows
            self.answered[cell], self._further[cell] = self._collector.predictions(
                self._source, rows, cell
            )
            if cell.smoothing is not None:
                answered = self._videos.smoothed(cell, self.answers(cell), self.answered[cell])
                self.answered[cell] = answered
            self._adversarial[cell] = self._collector.adversarial(self._source, cell)

    def _score(self, cell: Cell) -> None:
        collector, source, answers = self._collector, self._source, self.answers(cell)
        if cell.kind == "landmarker":
            located = collector.located(source, answers.rows, cell)
            result = score_landmarks(located, len(answers.rows))
            if source.clips:
                result["metrics"] |= self._videos.motion(located)
        elif cell.kind == "spotter":
            spotted = collector.spotted(source, cell)
            result = self._videos.spotting(
                cell, spotted, answers, self.answered, lambda other: self.answers(other).rows
            )
        elif cell.kind == "detector":
            traits = self._plan.registry.get("detector", cell.detector).component.traits
            detected = collector.detected(source, answers.rows, cell)
            result = score_detections(detected, scored="unscored" not in traits)
        elif cell.attack is not None:
            result = self._score_attack(cell, answers)
        else:
            result = score(answers, self.answered[cell], self.shared)
            if source.clips:
                told = self._videos.clips(answers, self.answered[cell])
                result["metrics"] |= told.pop("metrics")
                result |= told
            if cell.corruption is None:
                images = self._readable.answers
                labelled: Bool = images.labels >= 0
                right = self._right_of(cell)
                self._families[cell] = Family(cell, right, labelled, images.clusters)
        result["chunks"] = collector.keys(source, cell)
        result["adversarial"] = self._adversarial.get(cell, [])
        result["images"]["unreadable"] = len(self._readable.unreadable)
        result["unanswered"] = self.silent[cell]
        if cell.align is not None:
            aligned = self._further[cell].get("aligned", np.zeros(0, np.bool_))
            result["images"]["aligned"] = int(aligned.sum())
        self.results[cell] = result

    def _score_attack(self, cell: Cell, answers: Answers) -> dict[str, Any]:
        adversarial, columns = self.answered[cell], self._further[cell]
        clean = self._clean(cell, answers)
        if cell.epsilon == 0 and not self._is_view(cell):
            check_no_budget(cell, clean, adversarial)
        none = np.zeros(len(answers.rows), np.bool_)
        attacked: Bool = columns.get("attacked", none)
        result = score_attack(answers, clean, adversarial, attacked, self.shared, cell.target_label)
        means = self._plan.means[str(cell.attack)]
        result["attack"] = told_of_attack(columns, attacked, means.gradients, means.queries)
        marks = columns.get("flat", none)[attacked]
        flat = int((marks == 1).sum()) if means.gradients and not (marks == -1).any() else None
        result["images"]["flat"] = flat
        if cell.target_label is None and not self._is_view(cell):
            self._note(cell, answers, adversarial, attacked, flat)
        models = self._models.get(_pictures(cell), ())
        if cell.surrogate in models and cell.classifier in models:
            both, every = (
                np.stack([self._was_right(cell, name, answers) for name in among])
                for among in ((cell.surrogate, cell.classifier), models)
            )
            result["metrics"] |= transfer_rates(
                answers, adversarial, attacked, cell.target_label, both, every
            )
        return result

    def _clean(self, cell: Cell, answers: Answers) -> Predictions:
        """The answers about the images of an attacked cell that its success is measured by."""
        reference = self._reference(cell)
        if reference not in self.answered:
            raise PluginError(f"{cell.classifier} has no answers about the unchanged crops.")
        clean = self.answered[reference]
        rows = self.answers(reference).rows
        if len(rows) == len(answers.rows):
            return clean
        index = np.searchsorted(rows, answers.rows)
        return Predictions(clean.found[index], clean.outputs[index], clean.labels)

    def _place(self, rows: Int64) -> Int64:
        return np.searchsorted(self._readable.answers.rows, rows).astype(np.int64)

    def _right_of(self, cell: Cell) -> Bool:
        """Which of the source's images a cell's answer is right about; a missed face is wrong."""
        if cell not in self._right:
            answers = self.answers(cell)
            top = np.full(len(self._readable.answers.rows), NOT_FOUND, np.int64)
            top[self._place(answers.rows)] = top_emotions(self.answered[cell])
            labels = self._readable.answers.labels
            self._right[cell] = (top == labels) & (labels >= 0)
        return self._right[cell]

    def _reference(self, cell: Cell) -> Cell:
        """The cell whose answers are those without an attack.

        The clean one. But a view's clean answers are about whole pictures: of it those about the
        same crops, unchanged, which stand under the budget 0.
        """
        if cell.attack is not None and self._is_view(cell):
            return replace(cell, epsilon=0.0)
        return cell.clean

    def _was_right(self, cell: Cell, classifier: str | None, answers: Answers) -> Bool:
        clean = self._reference(replace(cell, classifier=classifier))
        if clean not in self.answered:
            clean = replace(cell.clean, classifier=classifier)
        right: Bool = self._right_of(clean)[self._place(answers.rows)]
        return right

    def _note(
        self,
        cell: Cell,
        answers: Answers,
        adversarial: Predictions,
        attacked: Bool,
        flat: int | None,
    ) -> None:
        """Add a cell to what was tried on its classifier."""
        total = len(self._readable.answers.rows)
        index = self._place(answers.rows)
        right, run, handed = (np.zeros(total, np.bool_) for _ in range(3))
        right[index] = top_emotions(adversarial) == answers.labels
        run[index] = True
        handed[index] = attacked
        own = self._plan.is_own(cell)
        self._families[cell.clean].tried.append(Tried(cell, right, run, handed, flat, own))

    def _is_view(self, cell: Cell) -> bool:
        entry = self._plan.registry.get("classifier", str(cell.classifier))
        return entry.component.source is not None

    def _compared(self) -> dict[Cell, tuple[str, ...]]:
        """The surrogates and targets that stand in one transfer matrix, by their pictures."""
        named = {one.entry.name for one in self._plan.surrogates}
        models: dict[Cell, dict[str, None]] = {}
        for cell in self.answered:
            if cell.attack is not None and cell.surrogate in named:
                for name in (cell.surrogate, cell.classifier):
                    there = replace(cell.clean, classifier=name)
                    if there in self.answered:
                        models.setdefault(_pictures(cell), {})[str(name)] = None
        return {pictures: tuple(names) for pictures, names in models.items()}

    def _judge(self) -> None:
        """Put into each clean cell's record what survives, and what speaks against the attacks."""
        attacked = [family for family in self._families.values() if family.tried]
        diagnostics = diagnose(attacked, self._plan.registry)
        for family in attacked:
            self.results[family.clean] |= {
                "robust": family.robust(),
                "diagnostics": diagnostics[family.clean],
            }


def _pictures(cell: Cell) -> Cell:
    """A cell without what is done to its faces and who classifies them."""
    return replace(cell.clean, classifier=None)


def shared_labels(predictions: Mapping[Cell, Predictions]) -> tuple[str, ...]:
    """The emotions that all classifiers of a run have, in FER+ order."""
    labels = [set(p.labels) for p in predictions.values()]
    if not labels:
        return ()
    return tuple(e for e in EMOTIONS if all(e in offered for offered in labels))
