"""Executes the stages of a plan chunk by chunk: decode, detect, crop, attack, predict.

Each image is decoded once for all detectors and classifiers, each detector runs once for all
classifiers, and an attack once for each surrogate and epsilon. What lies in the cache is not
computed again, and a model is loaded only when one of its stages has to be computed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fxbench.adversary import perturbed, seeds_of, targets_of
from fxbench.chunks import Chunk, Chunks, DamagedChunkError
from fxbench.errors import FxbenchError, PluginError, StoreError
from fxbench.faces import choose, crops
from fxbench.keys import core_digest, digest, rows_digest
from fxbench.labels import EMOTIONS
from fxbench.loader import Loader, one_line
from fxbench.plan import Cell, Plan, Source
from fxbench.prefetch import ahead
from fxbench.progress import Observer
from fxbench.types import Answers, Batch, Boxes, FaceSpec, Float32, Int64, UInt8, check_array

BATCH = 64
"""How many images are decoded, detected and predicted at once."""

_log = logging.getLogger("fxbench")


def boxes_key(plan: Plan, source: Source, rows: Int64, detector: str) -> str:
    """The key of the boxes that a detector finds in these rows."""
    return digest(
        {
            "stage": "boxes",
            "core": core_digest(),
            "source": source.key,
            "rows": rows_digest(rows),
            "detector": plan.digests["detector", detector],
        }
    )


def outputs_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a classifier's outputs for the faces of these rows, attacked or not."""
    if cell.classifier is None:
        raise ValueError(f"{cell} has no classifier")
    record: dict[str, Any] = {
        "stage": "outputs",
        "boxes": boxes_key(plan, source, answers.rows, cell.detector),
        "classifier": plan.digests["classifier", cell.classifier],
    }
    if cell.attack is not None and cell.surrogate is not None:
        record |= {
            "attack": plan.digests["attack", cell.attack],
            "norm": cell.norm,
            "epsilon": cell.epsilon,
            "surrogate": plan.digests["classifier", cell.surrogate],
            "labels": rows_digest(answers.labels),
        }
    return digest(record)


@dataclass(slots=True)
class _Columns:
    """The parts of a chunk that grow batch by batch."""

    parts: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    labels: tuple[str | None, ...] = ()

    def add(self, **columns: Any) -> None:
        for name, column in columns.items():
            self.parts.setdefault(name, []).append(column)

    def chunk(self, meta: dict[str, Any]) -> Chunk:
        columns = {name: np.concatenate(parts) for name, parts in self.parts.items()}
        return Chunk(columns, meta | {"seconds": self.seconds})


@dataclass(slots=True)
class Work:
    """What of one chunk is to be computed: stages by key, with the cell that stands for each."""

    answers: Answers
    boxes: dict[str, str]
    outputs: dict[str, Cell]


class Pipeline:
    """Computes what the cells of a plan need and the cache lacks.

    Attributes:
        errors: what went wrong, for each cell that has no result because of it.
        broken_detectors: by key of the source and name; they are not asked again.
    """

    def __init__(self, plan: Plan, chunks: Chunks, loader: Loader, observer: Observer) -> None:
        self.errors: dict[Cell, str] = {}
        self.broken_detectors: set[tuple[str, str]] = set()
        self._plan = plan
        self._chunks = chunks
        self._loader = loader
        self._observer = observer

    def pending(self, source: Source, *, thorough: bool = False) -> list[Work]:
        """The chunks of a source that lack a stage, with the stages that each lacks.

        Args:
            source: the images.
            thorough: read what is in the cache to its end, as against its footer.
        """
        there = (lambda key: self._chunks.read(key) is not None) if thorough else self._chunks.has
        cells = [cell for cell in self._plan.runnable(source) if cell.classifier is not None]
        return [
            work
            for answers in source.chunks()
            if (work := self._lacking(source, answers, cells, there)).outputs or work.boxes
        ]

    def units(self, pending: list[Work]) -> int:
        """How many images go through how many stages."""
        return sum(
            len(work.answers.rows) * (len(work.boxes) + len(work.outputs)) for work in pending
        )

    def run(self, source: Source, pending: list[Work]) -> None:
        """Compute the chunks and keep each when it is finished.

        Raises:
            StoreError: a chunk can't be written.
            FxbenchError: the dataset can't be read any more.
        """

        def batches() -> Iterator[tuple[Work, Batch | None]]:
            for work in pending:
                rows = work.answers.rows
                for begin in range(0, len(rows), BATCH):
                    for batch in source.dataset.batches(source.split, rows[begin : begin + BATCH]):
                        yield work, batch
                yield work, None

        state: _ChunkState | None = None
        for work, batch in ahead(batches()):
            if state is None:
                state = _ChunkState(self, source, work)
            if batch is None:
                state.keep()
                state = None
            else:
                state.process(batch)

    def _lacking(
        self, source: Source, answers: Answers, cells: list[Cell], there: Callable[[str], bool]
    ) -> Work:
        work = Work(answers, {}, {})
        for cell in cells:
            key = outputs_key(self._plan, source, answers, cell)
            if key not in work.outputs and not there(key):
                work.outputs[key] = cell
            key = boxes_key(self._plan, source, answers.rows, cell.detector)
            if cell.detector not in work.boxes and not there(key):
                work.boxes[cell.detector] = key
        return work

    def fail(self, source: Source, error: Exception, **axes: str | None) -> None:
        """Record an error for all cells of a source that agree with `axes`."""
        if isinstance(error, (StoreError, DamagedChunkError)):
            raise error
        _log.debug("A stage failed: %s", axes, exc_info=error)
        text = str(error) if isinstance(error, FxbenchError) else one_line(error)
        for cell in self._plan.runnable(source):
            if all(getattr(cell, axis) == value for axis, value in axes.items()):
                self.errors.setdefault(cell, text)

    def load(self, kind: str, name: str) -> Any:
        """A component of the plan."""
        return self._loader.get(self._plan.registry.get(kind, name))

    def tell(self, units: int, what: str) -> None:
        """Report progress."""
        self._observer.advance(units, what)

    def read(self, key: str) -> Chunk:
        """A chunk from the cache."""
        return self._chunks.get(key)

    def write(self, key: str, chunk: Chunk) -> None:
        """Keep a chunk."""
        self._chunks.write(key, chunk)

    def key_of_boxes(self, source: Source, rows: Int64, detector: str) -> str:
        """The key of a detector's boxes in this plan."""
        return boxes_key(self._plan, source, rows, detector)


class _ChunkState:
    """One chunk while it is being computed."""

    def __init__(self, pipeline: Pipeline, source: Source, work: Work) -> None:
        self._pipeline = pipeline
        self._source = source
        self._work = work
        self._boxes = {detector: _Columns() for detector in work.boxes}
        self._outputs = {key: _Columns() for key in work.outputs}
        self._known: dict[str, Chunk] = {}
        self._unreadable: list[list[Any]] = []
        self._images = 0

    def process(self, batch: Batch) -> None:
        """Send the images of one batch through every stage that is lacking."""
        self._images += len(batch.rows)
        self._unreadable += [[f.row, f.id, f.reason] for f in batch.failures]
        if not len(batch.rows):
            return
        detectors = dict.fromkeys([*self._work.boxes, *(c.detector for c in self._live())])
        for detector in detectors:
            if (self._source.key, detector) in self._pipeline.broken_detectors:
                continue
            cells = [cell for cell in self._live() if cell.detector == detector]
            try:
                boxes = self._detect(detector, batch)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                self._pipeline.broken_detectors.add((self._source.key, detector))
                self._pipeline.fail(self._source, error, detector=detector)
                continue
            if cells:
                _BatchFaces(self, batch, boxes).predict(detector)

    def keep(self) -> None:
        """Write what is finished; a stage that failed leaves nothing."""
        meta = {"images": self._images, "unreadable": self._unreadable}
        failed = self._pipeline.errors
        for detector, columns in self._boxes.items():
            if (self._source.key, detector) not in self._pipeline.broken_detectors:
                if not columns.parts:
                    self._add_boxes(columns, Boxes.from_lists([]), np.zeros(0, np.int64))
                self._pipeline.write(self._work.boxes[detector], columns.chunk(meta))
        for key, cell in self._work.outputs.items():
            columns = self._outputs[key]
            if cell not in failed:
                if not columns.parts:
                    columns.add(row=np.zeros(0, np.int32), face=np.zeros(0, np.int16))
                meta = {"images": self._images, "labels": list(columns.labels)}
                self._pipeline.write(key, columns.chunk(meta))

    def _live(self) -> list[Cell]:
        """The cells that stand for a lacking stage and have not failed."""
        failed = self._pipeline.errors
        return [cell for cell in self._work.outputs.values() if cell not in failed]

    def _detect(self, detector: str, batch: Batch) -> Boxes:
        if detector not in self._work.boxes:
            return self._recall(detector, batch)
        component = self._pipeline.load("detector", detector)
        begin = time.perf_counter()
        boxes: Any = component.detect(batch.frames.images)
        seconds = time.perf_counter() - begin
        if not isinstance(boxes, Boxes):
            raise PluginError(f"{detector} must return Boxes, not {type(boxes).__name__}.")
        if len(boxes) and boxes.frame[-1] >= len(batch.rows):
            raise PluginError(
                f"{detector} returned a box in image {boxes.frame[-1]} of {len(batch.rows)}."
            )
        columns = self._boxes[detector]
        columns.seconds += seconds
        self._add_boxes(columns, boxes, batch.rows)
        self._pipeline.tell(len(batch.rows), f"detect {detector}")
        return boxes

    @staticmethod
    def _add_boxes(columns: _Columns, boxes: Boxes, rows: Int64) -> None:
        columns.add(
            row=rows[boxes.frame].astype(np.int32),
            xyxy=boxes.xyxy,
            score=boxes.score,
            track=boxes.track,
        )

    def _recall(self, detector: str, batch: Batch) -> Boxes:
        """The boxes of a batch from a chunk that an earlier run kept."""
        if detector not in self._known:
            key = self._pipeline.key_of_boxes(self._source, self._work.answers.rows, detector)
            self._known[detector] = self._pipeline.read(key)
        columns = self._known[detector].columns
        row = columns["row"].astype(np.int64)
        inside = np.flatnonzero(np.isin(row, batch.rows))
        return Boxes(
            np.searchsorted(batch.rows, row[inside]).astype(np.int64),
            np.ascontiguousarray(columns["xyxy"][inside]),
            columns["score"][inside],
            columns["track"][inside],
        )

    @property
    def source(self) -> Source:
        """Where the images come from."""
        return self._source

    @property
    def pipeline(self) -> Pipeline:
        """Whose chunk this is."""
        return self._pipeline

    def lacking(self, detector: str) -> list[tuple[str, Cell]]:
        """The stages behind a detector that are still to be computed, clean ones first."""
        failed = self._pipeline.errors
        stages = [
            (key, cell)
            for key, cell in self._work.outputs.items()
            if cell.detector == detector and cell not in failed
        ]
        return sorted(stages, key=lambda stage: stage[1].attack is not None)

    def add_outputs(
        self,
        key: str,
        faces: _BatchFaces,
        labels: tuple[str | None, ...],
        outputs: Float32,
        seconds: float,
    ) -> None:
        """Keep the outputs for the faces of a batch."""
        columns = self._outputs[key]
        columns.seconds += seconds
        columns.labels = labels
        columns.add(
            row=faces.rows.astype(np.int32),
            face=faces.face.astype(np.int16),
            outputs=outputs.astype(np.float16),
        )

    def labels_of(self, rows: Int64) -> Int64:
        """The right emotion of each row."""
        answers = self._work.answers
        return answers.labels[np.searchsorted(answers.rows, rows)]


class _BatchFaces:
    """The faces that one detector found in a batch, cropped once for each FaceSpec.

    Attributes:
        rows: int64 (M,), the row of the split that each is in.
        face: int64 (M,), which of the image's boxes it is.
    """

    def __init__(self, state: _ChunkState, batch: Batch, boxes: Boxes) -> None:
        truth = batch.truth.xyxy if batch.truth is not None else None
        index = choose(boxes, len(batch.rows), truth)
        self._state = state
        self._images = batch.frames.images
        self._frame = np.flatnonzero(index >= 0)
        chosen = index[self._frame]
        self._xyxy = boxes.xyxy[chosen]
        self.rows = batch.rows[self._frame]
        self.face = chosen - np.searchsorted(boxes.frame, self._frame)
        self._batch = len(batch.rows)
        self._crops: dict[FaceSpec, UInt8] = {}

    def predict(self, detector: str) -> None:
        """Compute every lacking stage behind the detector; one that fails stops no other."""
        state, pipeline = self._state, self._state.pipeline
        for key, cell in state.lacking(detector):
            if cell in pipeline.errors:
                continue
            try:
                classifier = pipeline.load("classifier", str(cell.classifier))
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                pipeline.fail(state.source, error, classifier=cell.classifier)
                continue
            try:
                begin = time.perf_counter()
                faces = self._faces(classifier.face)
                if cell.attack is not None:
                    faces = self._attack(cell, classifier, faces)
                outputs = probabilities(str(cell.classifier), classifier, faces)
                seconds = time.perf_counter() - begin
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                axes = {"classifier": cell.classifier, "attack": cell.attack}
                if cell.attack is None:
                    # Without the clean answers the cells under attack mean nothing.
                    axes = {"classifier": cell.classifier}
                pipeline.fail(state.source, error, detector=detector, **axes)
                continue
            state.add_outputs(key, self, classifier.labels, outputs, seconds)
            what = f"{cell.attack} on {cell.classifier}" if cell.attack else cell.classifier
            pipeline.tell(self._batch, f"{what} behind {detector}")

    def _faces(self, spec: FaceSpec) -> UInt8:
        if spec not in self._crops:
            faces = crops(self._images, (self._frame, self._xyxy), spec)
            faces.flags.writeable = False
            self._crops[spec] = faces
        return self._crops[spec]

    def _attack(self, cell: Cell, surrogate: Any, faces: UInt8) -> UInt8:
        attack = self._state.pipeline.load("attack", str(cell.attack))
        labels = self._state.labels_of(self.rows)
        columns = columns_of(surrogate.labels)
        targets, attacked = targets_of(labels, columns, len(surrogate.labels))
        return perturbed(
            attack,
            surrogate,
            faces,
            targets,
            attacked,
            epsilon=float(cell.epsilon or 0.0),
            seeds=seeds_of(self.rows),
        )


def columns_of(labels: tuple[str | None, ...]) -> Int64:
    """For each of the eight emotions the first output that means it, or -1; int64 (8,)."""
    return np.array([labels.index(e) if e in labels else -1 for e in EMOTIONS], np.int64)


def probabilities(name: str, classifier: Any, faces: UInt8) -> Float32:
    """A classifier's answer, checked.

    Raises:
        PluginError: it is no float32 (M, K) of finite numbers whose rows sum to 1.
    """
    if not len(faces):
        return np.zeros((0, len(classifier.labels)), np.float32)
    outputs: Any = classifier.predict(faces)
    check_array(f"What {name} predicts", outputs, np.float32, (len(faces), len(classifier.labels)))
    if not (
        np.isfinite(outputs).all()
        and outputs.min() >= 0
        and np.abs(outputs.sum(axis=1, dtype=np.float64) - 1).max() < 1e-3
    ):
        raise PluginError(f"What {name} predicts must be probabilities: each row sums to 1.")
    checked: Float32 = outputs
    return checked
