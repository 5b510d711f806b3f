"""One chunk while it is being computed: the stages that it lacks, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.cells import Cell
from fxbench.chunks import Chunk
from fxbench.errors import PluginError
from fxbench.facework import BatchFaces
from fxbench.selection import Source
from fxbench.types import Answers, Batch, Boxes, Int64
from fxbench.views import failures_of

if TYPE_CHECKING:
    from fxbench.pipeline import Pipeline

_MOST_FACES = np.iinfo(np.int16).max


@dataclass(slots=True)
class Work:
    """What of one chunk is to be computed: stages by key, with the cell that stands for each."""

    answers: Answers
    boxes: dict[str, str]
    results: dict[str, Cell]

    @property
    def stages(self) -> int:
        """How many stages each image goes through."""
        return len(self.boxes) + len(self.results)


@dataclass(slots=True)
class Columns:
    """The parts of a chunk that grow batch by batch.

    Attributes:
        images: how many images they cover. A chunk is kept only when that is all of them.
        meta: what else is known.
        unanswered: row, name and reason of each image that got no answer from a service.
    """

    parts: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    images: int = 0
    meta: dict[str, Any] = field(default_factory=dict)
    unanswered: dict[int, list[Any]] = field(default_factory=dict)

    def add(self, images: int, seconds: float, **columns: Any) -> None:
        """Add what was computed of so many images."""
        self.images += images
        self.seconds += seconds
        for name, column in columns.items():
            self.parts.setdefault(name, []).append(column)

    def chunk(self, meta: dict[str, Any]) -> Chunk:
        """What there is, to be kept."""
        columns = {name: np.concatenate(parts) for name, parts in self.parts.items()}
        silent = [self.unanswered[row] for row in sorted(self.unanswered)]
        known = {"seconds": self.seconds} | ({"unanswered": silent} if silent else {})
        return Chunk(columns or _EMPTY, meta | self.meta | known)

    def note_failures(self, batch: Batch, failures: Iterable[tuple[int, str]]) -> None:
        """Note the images of a batch, by their index, that got no answer."""
        for index, reason in failures:
            row = int(batch.rows[index])
            self.unanswered[row] = [row, batch.frames.ids[index], reason]


_EMPTY = {"row": np.zeros(0, np.int32)}
"""The columns of a chunk none of whose images could be read."""


class ChunkState:
    """Sends the images of a chunk through every stage that is lacking, and keeps what is whole."""

    def __init__(self, pipeline: Pipeline, source: Source, work: Work) -> None:
        self.pipeline = pipeline
        self.source = source
        self._work = work
        self._boxes = {detector: Columns() for detector in work.boxes}
        self._results = {key: Columns() for key in work.results}
        self._known: dict[str, Chunk] = {}
        self._unreadable: list[list[Any]] = []
        self._rows: list[int] = []
        self._ids: list[str] = []

    def process(self, batch: Batch) -> None:
        """Compute every lacking stage for the images of one batch."""
        told = 0
        self._rows += batch.rows.tolist()
        self._ids += batch.frames.ids
        self._unreadable += [[f.row, f.id, f.reason] for f in batch.failures]
        if len(batch.rows):
            live = [cell.detector for _, cell in self.lacking()]
            with self.pipeline.sharing():
                for detector in dict.fromkeys([*self._work.boxes, *live]):
                    told += self._behind(detector, batch)
        images = len(batch.rows) + len(batch.failures)
        # What failed is done with as well.
        self.pipeline.tell(images * self._work.stages - told, "")

    def _behind(self, detector: str, batch: Batch) -> int:
        """Detect, then compute what is behind it; how many units of work that was."""
        if (self.source.key, detector) in self.pipeline.broken_detectors:
            return 0
        try:
            boxes = self._detect(detector, batch)
            faces = BatchFaces(self, batch, boxes)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            self.pipeline.fail(self.source, error, detector=detector)
            self.pipeline.broken_detectors.add((self.source.key, detector))
            return 0
        told = len(batch.rows) if detector in self._work.boxes else 0
        for key, cell in self.lacking(detector):
            if cell not in self.pipeline.errors:
                faces.compute(key, cell)
                told += len(batch.rows)
        return told

    def keep(self) -> None:
        """Write what is finished; a stage that failed leaves nothing.

        Raises:
            StoreError: a chunk can't be written.
            DataError: an image can be read at one time and not at another.
        """
        self._check_readable()
        images = len(self._rows)
        # With the names, predictions can be exported on a machine without the dataset.
        meta = {"images": images, "unreadable": self._unreadable}
        names = {"rows": self._rows, "ids": self._ids}
        for detector, columns in self._boxes.items():
            broken = (self.source.key, detector) in self.pipeline.broken_detectors
            if not broken and columns.images == images:
                self.pipeline.write(self._work.boxes[detector], columns.chunk(meta | names))
        for key, cell in self._work.results.items():
            columns = self._results[key]
            if cell not in self.pipeline.errors and columns.images == images:
                # What is behind a service is as incomplete as its own answers.
                if cell.detector in self._boxes:
                    columns.unanswered |= self._boxes[cell.detector].unanswered
                elif cell.detector in self._known:
                    known = self._known[cell.detector].meta.get("unanswered", ())
                    columns.unanswered |= {entry[0]: entry for entry in known}
                self.pipeline.write(key, columns.chunk({"labels": []} | meta))

    def _check_readable(self) -> None:
        from fxbench.pipeline import changed

        if self._unreadable:
            self.pipeline.check_unchanged(self.source)
        rows = {row for row, _, _ in self._unreadable}
        for chunk in self._known.values():
            if {row for row, _, _ in chunk.meta["unreadable"]} != rows:
                raise changed(self.source)

    def lacking(self, detector: str | None = None) -> list[tuple[str, Cell]]:
        """The stages (behind a detector) that are still to be computed, clean ones first."""
        failed = self.pipeline.errors
        stages = [
            (key, cell)
            for key, cell in self._work.results.items()
            if detector in (None, cell.detector) and cell not in failed
        ]
        return sorted(stages, key=lambda stage: stage[1].attack is not None)

    def columns(self, key: str) -> Columns:
        """What has been computed of a stage."""
        return self._results[key]

    def labels_of(self, rows: Int64) -> Int64:
        """The right emotion of each row."""
        answers = self._work.answers
        return answers.labels[np.searchsorted(answers.rows, rows)]

    def _detect(self, detector: str, batch: Batch) -> Boxes:
        if detector not in self._work.boxes:
            return self._recall(detector, batch)
        component = self.pipeline.load("detector", detector)
        begin = time.perf_counter()
        boxes: Any = component.detect(batch.frames.images)
        seconds = time.perf_counter() - begin
        if not isinstance(boxes, Boxes):
            raise PluginError(f"{detector} must return Boxes, not {type(boxes).__name__}.")
        if len(boxes) and boxes.frame[-1] >= len(batch.rows):
            raise PluginError(
                f"{detector} returned a box in image {boxes.frame[-1]} of {len(batch.rows)}."
            )
        if len(boxes) > _MOST_FACES and np.bincount(boxes.frame).max() > _MOST_FACES:
            raise PluginError(f"{detector} returned more than {_MOST_FACES} boxes in one image.")
        self._boxes[detector].add(
            len(batch.rows),
            seconds,
            row=batch.rows[boxes.frame].astype(np.int32),
            xyxy=boxes.xyxy,
            score=boxes.score,
            track=boxes.track,
        )
        self._boxes[detector].note_failures(batch, failures_of(component))
        self.pipeline.tell(len(batch.rows), f"detect {detector}")
        return boxes

    def _recall(self, detector: str, batch: Batch) -> Boxes:
        """The boxes of a batch from a chunk that an earlier run kept."""
        if detector not in self._known:
            key = self.pipeline.key_of_boxes(self.source, self._work.answers.rows, detector)
            self._known[detector] = self.pipeline.read(key)
        columns = self._known[detector].columns
        row = columns["row"].astype(np.int64)
        inside = np.flatnonzero(np.isin(row, batch.rows))
        if not len(inside):
            return Boxes.from_lists([[] for _ in batch.rows])
        return Boxes(
            np.searchsorted(batch.rows, row[inside]).astype(np.int64),
            np.ascontiguousarray(columns["xyxy"][inside]),
            columns["score"][inside],
            columns["track"][inside],
        )
