"""One chunk while it is being computed: the stages that it lacks, batch by batch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.adversary import check_variant, perturbed, seeds_of, targets_of
from fxbench.chunks import Chunk
from fxbench.errors import PluginError
from fxbench.faces import choose, crops, match
from fxbench.labels import EMOTIONS
from fxbench.plan import Cell
from fxbench.schemes import shared_points
from fxbench.selection import Source
from fxbench.types import (
    Answers,
    Batch,
    Boxes,
    FaceSpec,
    Float32,
    Int64,
    Points,
    Truth,
    UInt8,
    check_array,
)

if TYPE_CHECKING:
    from fxbench.pipeline import Pipeline

Condition = tuple[str | None, str | None, float | None, str | None]
"""Attack, norm, epsilon and surrogate."""

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
class _Columns:
    """The parts of a chunk that grow batch by batch.

    Attributes:
        images: how many images they cover. A chunk is kept only when that is all of them.
        meta: what else is known.
    """

    parts: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    images: int = 0
    meta: dict[str, Any] = field(default_factory=dict)

    def add(self, images: int, seconds: float, **columns: Any) -> None:
        self.images += images
        self.seconds += seconds
        for name, column in columns.items():
            self.parts.setdefault(name, []).append(column)

    def chunk(self, meta: dict[str, Any]) -> Chunk:
        columns = {name: np.concatenate(parts) for name, parts in self.parts.items()}
        return Chunk(columns or _EMPTY, meta | self.meta | {"seconds": self.seconds})


_EMPTY = {"row": np.zeros(0, np.int32)}
"""The columns of a chunk none of whose images could be read."""


class ChunkState:
    """Sends the images of a chunk through every stage that is lacking, and keeps what is whole."""

    def __init__(self, pipeline: Pipeline, source: Source, work: Work) -> None:
        self.pipeline = pipeline
        self.source = source
        self._work = work
        self._boxes = {detector: _Columns() for detector in work.boxes}
        self._results = {key: _Columns() for key in work.results}
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

    def columns(self, key: str) -> _Columns:
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


class BatchFaces:
    """The faces that one detector found in a batch, cropped once for each FaceSpec.

    Attributes:
        rows: int64 (M,), the row of the split that each scored face is in.
        face: int64 (M,), which of the image's boxes it is.
    """

    def __init__(self, state: ChunkState, batch: Batch, boxes: Boxes) -> None:
        index = choose(boxes, len(batch.rows), one_box_each(batch.truth, len(batch.rows)))
        frame = np.flatnonzero(index >= 0)
        chosen = index[frame]
        self.rows = batch.rows[frame]
        self.face = chosen - np.searchsorted(boxes.frame, frame)
        self._state = state
        self._batch = batch
        self._boxes = boxes
        self._where = (frame, boxes.xyxy[chosen])
        self._crops: dict[FaceSpec, UInt8] = {}
        self._adversarial: dict[Condition, UInt8] = {}

    def compute(self, key: str, cell: Cell) -> None:
        """Compute one stage and add it to its columns; an error fails its cells and no others."""
        state = self._state
        kind = "landmarker" if cell.landmarker is not None else "classifier"
        name = str(getattr(cell, kind))
        try:
            component = state.pipeline.load(kind, name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            state.pipeline.fail(state.source, error, **{kind: name})
            return
        axes: dict[str, Any] = {"detector": cell.detector, kind: name}
        if cell.attack is not None:
            # Without its clean answers a classifier under attack means nothing, so a clean cell
            # takes all of its attacked ones with it; an attacked one falls alone.
            axes |= {axis: getattr(cell, axis) for axis in ("attack", "norm", "epsilon")}
        try:
            if cell.landmarker is not None:
                self._locate(key, cell, component)
            else:
                self._predict(key, cell, component)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            state.pipeline.fail(state.source, error, **axes)
            return
        what = f"{cell.attack} on {name}" if cell.attack else name
        state.pipeline.tell(len(self._batch.rows), f"{what} behind {cell.detector}")

    def _predict(self, key: str, cell: Cell, classifier: Any) -> None:
        begin = time.perf_counter()
        faces = self._faces(classifier.face)
        if cell.attack is not None:
            faces = self._attacked(cell, classifier, faces)
        outputs = probabilities(str(cell.classifier), classifier, faces)
        columns = self._state.columns(key)
        columns.meta["labels"] = list(classifier.labels)
        columns.add(
            len(self._batch.rows),
            time.perf_counter() - begin,
            row=self.rows.astype(np.int32),
            face=self.face.astype(np.int16),
            outputs=outputs.astype(np.float16),
        )

    def _faces(self, spec: FaceSpec) -> UInt8:
        if spec not in self._crops:
            faces = crops(self._batch.frames.images, self._where, spec)
            faces.flags.writeable = False
            self._crops[spec] = faces
        return self._crops[spec]

    def _attacked(self, cell: Cell, target: Any, faces: UInt8) -> UInt8:
        """The adversarial faces of a cell, computed once for all targets of its surrogate."""
        condition = (cell.attack, cell.norm, cell.epsilon, cell.surrogate)
        surrogate = self._state.pipeline.load("classifier", str(cell.surrogate))
        check_variant(target, surrogate)
        if condition not in self._adversarial:
            attack = self._state.pipeline.load("attack", str(cell.attack))
            columns = columns_of(surrogate.labels)
            labels = self._state.labels_of(self.rows)
            targets, attacked = targets_of(labels, columns, len(surrogate.labels))
            adversarial = perturbed(
                attack,
                surrogate,
                faces,
                targets,
                attacked,
                epsilon=float(cell.epsilon or 0.0),
                seeds=seeds_of(self.rows),
            )
            adversarial.flags.writeable = False
            self._adversarial[condition] = adversarial
        return self._adversarial[condition]

    def _locate(self, key: str, cell: Cell, landmarker: Any) -> None:
        """Locate the points of each true face, in the box that was found of it."""
        truth = self._batch.truth
        if truth is None or truth.points is None or truth.xyxy is None:
            raise PluginError(f"{self._state.source.entry.name} gave no true landmarks and boxes.")
        begin = time.perf_counter()
        box = match(self._boxes, truth.frame, truth.xyxy)
        index = box[box >= 0]
        # Boxes are given in their own order, as a landmarker may expect it of a detector.
        order = np.argsort(index, kind="stable")
        points = located(
            str(cell.landmarker),
            landmarker,
            self._batch.frames.images,
            Boxes(*(getattr(self._boxes, n)[index[order]] for n in Boxes.__dataclass_fields__)),
        )
        xy = np.full((len(box), *points.xy.shape[1:]), np.nan, np.float32)
        xy[np.flatnonzero(box >= 0)[order]] = points.xy
        columns = self._state.columns(key)
        schemes = {"scheme": points.scheme, "truth_scheme": truth.points.scheme}
        # A plugin may add a scheme when it is loaded, which it isn't when this is read again.
        shared = shared_points(points.scheme, truth.points.scheme, points.xy.shape[1])
        columns.meta |= schemes | {"shared": shared}
        first = np.searchsorted(truth.frame, truth.frame)
        columns.add(
            len(self._batch.rows),
            time.perf_counter() - begin,
            row=self._batch.rows[truth.frame].astype(np.int32),
            face=(np.arange(len(box)) - first).astype(np.int16),
            found=box >= 0,
            points=xy.reshape(len(box), xy.shape[1] * 2),
            truth=truth.points.xy.reshape(len(box), truth.points.xy.shape[1] * 2),
        )


def one_box_each(truth: Truth | None, count: int) -> Float32 | None:
    """The true box of each of `count` images, float32 (count, 4): its first face's, else NaN."""
    if truth is None or truth.xyxy is None:
        return None
    boxes = np.full((count, 4), np.nan, np.float32)
    boxes[truth.frame[::-1]] = truth.xyxy[::-1]
    return boxes


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


def located(name: str, landmarker: Any, images: tuple[UInt8, ...], boxes: Boxes) -> Points:
    """A landmarker's answer, checked.

    Raises:
        PluginError: it is no Points with a row for each box.
    """
    points: Any = landmarker.locate(images, boxes)
    if not isinstance(points, Points):
        raise PluginError(f"{name} must return Points, not {type(points).__name__}.")
    if len(points.xy) != len(boxes):
        raise PluginError(
            f"{name} returned {len(points.xy)} rows of points for {len(boxes)} boxes."
        )
    return points
