"""Predictions from a file as a classifier: no plugin, no model, the same tables.

The outputs are put into the cache as the chunks that the classifier's stage would have made. Then
nothing of it is left to compute, and scoring knows no difference. A face that has no row counts as
missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fxbench import prediction_csv
from fxbench.chunks import Chunk, Chunks
from fxbench.component import Component, Weights
from fxbench.errors import DataError, PluginError
from fxbench.plan import Plan
from fxbench.prediction_csv import PredictionTable
from fxbench.registry import Entry
from fxbench.sources import Source
from fxbench.stages import outputs_key
from fxbench.types import Answers, FaceSpec, Int64
from fxbench.without_plugin import classifier_entry, component_name, read, weights_of


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A csv of predictions.

    Attributes:
        path: the file.
        name: what it is called as a classifier.
        table: its content.
        weights: the file as a component's record has it.
    """

    path: Path
    name: str
    table: PredictionTable
    weights: Weights

    def entry(self) -> Entry:
        """The classifier, to be added to a registry."""
        component = Component(
            name=self.name,
            summary=f"The predictions recorded in {self.path.name}.",
            factory=lambda: _Answers(self),
            traits=frozenset({"recorded"}),
            weights=(self.weights,),
        )
        # Apart from its content, what the file's text is read as decides about the outputs.
        return classifier_entry(component, prediction_csv.__name__)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a file's rows and a plan's images meet.

    Attributes:
        images: how many images the plan selects.
        found: how many of them have a row.
        beyond: rows of images that the protocol or the limit leaves out.
    """

    images: int
    found: int
    beyond: int

    def notes(self) -> list[str]:
        """What a person should know, a sentence each."""
        notes = []
        if self.found < self.images:
            notes.append(
                f"Images without a row, each counted as a face that was not found: "
                f"{self.images - self.found} of {self.images}."
            )
        if self.beyond:
            notes.append(f"Rows of images that don't count here, passed over: {self.beyond}.")
        return notes


def load(path: str | Path, name: str | None = None) -> Recorded:
    """Read a csv of predictions; :mod:`fxbench.prediction_csv` says what it holds.

    Args:
        path: the file.
        name: of the classifier; the file's name without its ending where None.

    Raises:
        DataError: the file can't be read or is no such csv.
        UsageError: a column is no emotion, or there is no name to be had.
    """
    path = Path(path).expanduser()
    data = read(path)
    table = prediction_csv.parse(data, str(path))
    return Recorded(path, component_name(path, name), table, weights_of(path, data))


def fill(plan: Plan, recorded: Recorded, chunks: Chunks) -> dict[str, Coverage]:
    """Put the predictions into the cache, so that the plan finds them computed.

    Returns:
        The coverage of each source, by its name.

    Raises:
        DataError: the file names images that the split doesn't have.
        StoreError: the cache can't be written.
    """
    coverage = {}
    for source in plan.sources:
        rows = _rows(source, recorded)
        selected = np.isin(rows, source.answers.rows)
        found = int(selected.sum())
        coverage[source.name] = Coverage(len(source.answers.rows), found, len(rows) - found)
        for cell in plan.runnable(source):
            if cell.classifier == recorded.name and cell.attack is None:
                for answers in source.chunks():
                    key = outputs_key(plan, source, answers, cell)
                    if chunks.read(key) is None:
                        chunks.write(key, _chunk(recorded.table, rows, answers))
    return coverage


def _rows(source: Source, recorded: Recorded) -> Int64:
    """The row of the split that each row of the file is about, int64 (M,)."""
    table = recorded.table
    row_of = {name: row for row, name in enumerate(source.dataset.ids(source.split))}
    unknown = [index for index, name in enumerate(table.images) if name not in row_of]
    if unknown:
        first = unknown[0]
        example = next(iter(row_of), "")
        raise DataError(
            f"{recorded.path}, line {table.lines[first]}, names the image {table.images[first]!r}, "
            f"which {source.entry.name} {source.split} doesn't have ({len(unknown)} of "
            f"{len(table.images)} rows are so): expected are names such as {example!r}."
        )
    return np.array([row_of[name] for name in table.images], np.int64)


def _chunk(table: PredictionTable, rows: Int64, answers: Answers) -> Chunk:
    index = np.flatnonzero(np.isin(rows, answers.rows))
    index = index[np.argsort(rows[index])]
    columns: dict[str, npt.NDArray[Any]] = {
        "row": rows[index].astype(np.int32),
        "face": np.zeros(len(index), np.int16),
        "outputs": table.outputs[index],
    }
    meta = {"images": len(answers.rows), "labels": list(table.labels), "unreadable": []}
    return Chunk(columns, meta)


class _Answers:
    """Stands for the model that is not there: what it answered is in the cache, or nowhere."""

    face = FaceSpec(1)

    def __init__(self, recorded: Recorded) -> None:
        self.labels = recorded.table.labels
        self._recorded = recorded

    def predict(self, faces: Any) -> NoReturn:
        """Refuse: faces can't be looked up in a file of predictions."""
        raise PluginError(
            f"{self._recorded.name} holds recorded predictions, which can't answer to {len(faces)} "
            "new faces, and they are no longer in the cache: give the command again."
        )
