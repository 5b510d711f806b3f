"""The faces that a detector found in a batch: cropped, aligned, attacked, classified, located."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.adversary import check_variant
from fxbench.align import aligned
from fxbench.attackwork import Made, made, on_target
from fxbench.cells import Cell
from fxbench.clips import Part
from fxbench.errors import PluginError
from fxbench.faces import crops, match
from fxbench.kept_points import Silent, kept_points
from fxbench.outputs import by_emotion, checked, located, probabilities
from fxbench.schemes import shared_points
from fxbench.types import (
    Batch,
    Bool,
    Boxes,
    FaceSpec,
    Float32,
    Int64,
    Points,
    Truth,
    UInt8,
)
from fxbench.views import Told, failures_of

if TYPE_CHECKING:
    from fxbench.chunkwork import ChunkState

Alignment = tuple[str | None, str | None]
"""How faces are aligned, and by whose points."""

Condition = tuple[str | None, str | None, float | None, str | None, str | None, Alignment]
"""Attack, norm, epsilon, surrogate, label to be reached, and alignment."""


class BatchFaces:
    """The faces that one detector found in a batch, cropped once for each FaceSpec.

    Attributes:
        rows: int64 (M,), the row of the split that each scored face is in.
        face: int64 (M,), which of the image's boxes it is.
    """

    def __init__(self, state: ChunkState, batch: Batch, boxes: Boxes, index: Int64) -> None:
        """Of a batch.

        Args:
            state: the chunk that it is of.
            batch: the pictures.
            boxes: what was found in them.
            index: int64 (N,), which box is scored in each; -1 where none was found.
        """
        frame = np.flatnonzero(index >= 0)
        chosen = index[frame]
        self.rows = batch.rows[frame]
        self.face = chosen - np.searchsorted(boxes.frame, frame)
        self._state = state
        self._batch = batch
        self._boxes = boxes
        self._chosen = _taken(boxes, chosen)
        self._crops: dict[tuple[FaceSpec, Alignment], tuple[UInt8, Bool]] = {}
        self._points: dict[str, tuple[Points, Silent]] = {}
        self._kept: dict[str, str] = {}
        self._outputs: dict[str, tuple[Float32, Silent]] = {}
        # How long these took, also for those who find them there.
        self._seconds: dict[str, float] = {}
        # Of the latest condition alone: stages come in their order, and faces take much memory.
        self._adversarial: tuple[Condition, Made] | None = None

    def compute(self, key: str, cell: Cell) -> None:
        """Compute one stage and add it to its columns; an error fails its cells and no others."""
        state, kind, name = self._state, cell.kind, cell.scored
        for of, needed in ((kind, name), ("landmarker", cell.landmarker)):
            try:
                if needed is not None:
                    state.pipeline.load(of, needed)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                state.pipeline.fail(state.source, error, **{of: needed})
                return
        # An error in one sort of cell says nothing about another sort that shares a component.
        axes: dict[str, Any] = {
            "detector": cell.detector,
            "classifier": cell.classifier,
            "landmarker": cell.landmarker,
            "align": cell.align,
            "spotter": cell.spotter,
            "every": cell.every,
        }
        if cell.attack is not None:
            # Without its clean answers a classifier under attack means nothing, so a clean cell
            # takes all of its attacked ones with it; an attacked one falls alone.
            axes |= cell.attack_axes
        if cell.corruption is not None:
            axes |= {"corruption": cell.corruption, "severity": cell.severity}
        try:
            if kind == "classifier":
                self._predict(key, cell, state.pipeline.load(kind, name))
            elif kind == "landmarker":
                self._locate(key, cell, state.pipeline.load(kind, name))
            elif kind == "spotter":
                state.spot(key, cell, *self._part(key, cell))
            else:
                self._compare(key)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            state.pipeline.fail(state.source, error, **axes)
            return
        changed = cell.attack or cell.corruption
        what = f"{changed} on {name}" if changed else name
        state.pipeline.tell(len(self._batch.rows), f"{what} behind {cell.detector}")

    def _predict(self, key: str, cell: Cell, classifier: Any) -> None:
        begin = time.perf_counter()
        images, columns = self._batch.frames.images, self._state.columns(key)
        further: dict[str, Any] = {}
        chosen = np.arange(len(self.rows))
        if cell.attack is None and cell.align is None:
            outputs, failures = self._answered(cell.scored, classifier)
            columns.note_failures(self._batch, failures)
        else:
            whole, done = self._faces(classifier.face, cell)
            faces = whole
            if cell.align is not None:
                further = {"aligned": done}
                columns.note_failures(self._batch, self._located(str(cell.landmarker))[1])
            if cell.attack is not None:
                chosen = np.flatnonzero(self._state.is_attacked(cell, self.rows))
                faces, told = self._attacked(key, cell, classifier, whole[chosen], chosen)
                further = {name: column[chosen] for name, column in further.items()} | told
            told_apart = isinstance(classifier, Told)
            if cell.epsilon == 0 and len(chosen) < len(whole) and not told_apart:
                # Beside the same faces as when it is clean: a batch of another size may round
                # otherwise, and with no budget the answers must be equal to the last bit.
                beside = whole.copy()
                beside[chosen] = faces
                outputs = probabilities(cell.scored, classifier, beside)[chosen]
            else:
                outputs = probabilities(cell.scored, classifier, faces)
            # Without a face it was not asked, and its last failures are of another batch.
            frame = self._chosen.frame[chosen].tolist()
            failures = failures_of(classifier) if frame else ()
            columns.note_failures(self._batch, [(frame[face], why) for face, why in failures])
            if cell.attack is not None:
                self._show(cell, classifier, whole[chosen], faces, outputs, further["attacked"])
        columns.meta["labels"] = list(classifier.labels)
        columns.add(
            len(images),
            time.perf_counter() - begin,
            row=self.rows[chosen].astype(np.int32),
            face=self.face[chosen].astype(np.int16),
            outputs=outputs.astype(np.float16),
            **further,
        )

    def _answered(self, name: str, classifier: Any) -> tuple[Float32, Silent]:
        """A classifier's answers about the faces as they are, and the images without one."""
        if name not in self._outputs:
            begin = time.perf_counter()
            frame = self._chosen.frame
            if isinstance(classifier, Told):
                told = classifier.tell(self._batch.frames.images, self._chosen)
                outputs = checked(name, classifier.labels, told)
                failures = failures_of(classifier)
            else:
                faces = self._cropped(classifier.face)
                outputs = probabilities(name, classifier, faces)
                # Without a face it was not asked, and its last failures are of another batch.
                silent = failures_of(classifier) if len(faces) else ()
                failures = tuple((int(frame[face]), why) for face, why in silent)
            self._outputs[name] = outputs, failures
            self._seconds[f"classifier {name}"] = time.perf_counter() - begin
        return self._outputs[name]

    def _cropped(self, spec: FaceSpec) -> UInt8:
        """The faces as they are, as a classifier wants them."""
        alignment = (None, None)
        if (spec, alignment) not in self._crops:
            faces = crops(self._batch.frames.images, self._chosen, spec)
            faces.flags.writeable = False
            self._crops[spec, alignment] = faces, np.zeros(len(faces), np.bool_)
        return self._crops[spec, alignment][0]

    def _faces(self, spec: FaceSpec, cell: Cell) -> tuple[UInt8, Bool]:
        """The faces of a cell as a classifier wants them, and which of them are aligned."""
        if cell.align is None:
            faces = self._cropped(spec)
            return faces, np.zeros(len(faces), np.bool_)
        alignment = (cell.align, cell.landmarker)
        if (spec, alignment) not in self._crops:
            boxes = self._chosen
            points = self._located(str(cell.landmarker))[0]
            faces, done = aligned(
                self._batch.frames.images,
                boxes.frame,
                boxes.xyxy,
                points.xy,
                points.scheme,
                spec,
                cell.align,
            )
            faces.flags.writeable = False
            self._crops[spec, alignment] = faces, done
        return self._crops[spec, alignment]

    def _located(self, name: str) -> tuple[Points, Silent]:
        """The points by which the scored faces are aligned, and the images without an answer."""
        if name not in self._points:
            landmarker = self._state.pipeline.load("landmarker", name)
            begin = time.perf_counter()
            points = located(name, landmarker, self._batch.frames.images, self._chosen)
            self._points[name] = points, failures_of(landmarker)
            self._seconds[f"landmarker {name}"] = time.perf_counter() - begin
        return self._points[name]

    def _attacked(
        self, key: str, cell: Cell, target: Any, faces: UInt8, chosen: Int64
    ) -> tuple[UInt8, dict[str, Any]]:
        """The adversarial faces of a cell, and what is kept of the attack.

        They are computed once for all targets of a surrogate, and all budgets of an attack that
        looks for the smallest change.
        """
        pipeline, source = self._state.pipeline, self._state.source
        attack = pipeline.component("attack", str(cell.attack))
        surrogate = pipeline.load("classifier", str(cell.surrogate))
        if pipeline.component("classifier", cell.scored).variant_of == cell.surrogate:
            check_variant(target, surrogate)
        epsilon = None if "minimum" in attack.traits else cell.epsilon
        alignment = (cell.align, cell.landmarker)
        about = (cell.attack, cell.norm, epsilon, cell.surrogate, cell.target_label, alignment)
        if self._adversarial is None or self._adversarial[0] != about:
            rows = self.rows[chosen]
            clean = self._faces(surrogate.face, cell)[0][chosen]
            labels = self._state.labels_of(rows)
            self._adversarial = about, made(pipeline, source, cell, rows, labels, clean)
        adversarial = self._adversarial[1]
        if adversarial.key:
            self._state.columns(key).meta.setdefault("adversarial", []).append(adversarial.key)
        images = self._batch.frames.images
        sizes = np.array([images[frame].shape[1::-1] for frame in self._chosen.frame[chosen]])
        boxes = self._chosen.xyxy[chosen], sizes.astype(np.int64).reshape(-1, 2)
        moved = on_target(adversarial, cell, surrogate.face, target.face, faces, boxes)
        return moved, adversarial.columns()

    def _show(
        self,
        cell: Cell,
        classifier: Any,
        clean: UInt8,
        faces: UInt8,
        outputs: Float32,
        attacked: Bool,
    ) -> None:
        """Keep a few adversarial faces to be looked at."""
        examples = self._state.pipeline.examples
        wanted = examples.wanted(cell) if examples is not None else 0
        shown = np.flatnonzero(attacked)[: 4 * wanted]
        if examples is None or not len(shown):
            return
        before = probabilities(cell.scored, classifier, clean[shown])
        rows = self.rows[self._state.is_attacked(cell, self.rows)][shown]
        right = self._state.labels_of(rows).tolist()
        pictures, answers = (clean[shown], faces[shown]), (before, outputs[shown])
        examples.add(cell, classifier.labels, right, pictures, answers)

    def points_by_image(self, landmarker: str) -> dict[int, Points]:
        """The points of each image's scored face, where it has one and all were located."""
        points = self._located(landmarker)[0]
        return {
            frame: Points(points.xy[face : face + 1], points.scheme)
            for face, frame in enumerate(self._chosen.frame.tolist())
            if np.isfinite(points.xy[face]).all()
        }

    def _part(self, key: str, cell: Cell) -> tuple[Part, float]:
        """The batch as a spotter is given it, and in how many seconds what it wants was found."""
        batch, state, frame = self._batch, self._state, self._chosen.frame
        points = emotions = None
        if cell.landmarker is not None:
            there, silent = self._followed(key, cell, cell.landmarker)
            points = Points(_in_rows(there.xy, frame, len(batch.rows)), there.scheme)
            state.columns(key).note_failures(batch, silent)
        if cell.classifier is not None:
            classifier = state.pipeline.load("classifier", cell.classifier)
            outputs, silent = self._answered(cell.classifier, classifier)
            emotions = _in_rows(by_emotion(outputs, classifier.labels), frame, len(batch.rows))
            state.columns(key).note_failures(batch, silent)
        needed = (f"landmarker {cell.landmarker}", f"classifier {cell.classifier}")
        seconds = sum(self._seconds.get(name, 0.0) for name in needed)
        boxes = _in_rows(self._chosen.xyxy, frame, len(batch.rows))
        frames, times = state.frames_of(batch.rows), batch.frames.time_s
        return Part(frames, times, batch.frames.images, boxes, points, emotions), seconds

    def _followed(self, key: str, cell: Cell, name: str) -> tuple[Points, Silent]:
        """The points of the faces that are followed, which every spotter behind them is given."""
        if name not in self._points:
            pipeline, source = self._state.pipeline, self._state.source
            kept = pipeline.key_of_followed(source, self.rows, self._chosen.xyxy, cell)
            points, silent, seconds = kept_points(
                pipeline, kept, self.rows, lambda: self._located(name)
            )
            self._points[name], self._seconds[f"landmarker {name}"] = (points, silent), seconds
            self._kept[name] = kept
        if name in self._kept and len(self.rows):
            self._state.columns(key).meta.setdefault("followed", []).append(self._kept[name])
        return self._points[name]

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
            _taken(self._boxes, index[order]),
        )
        xy = np.full((len(box), *points.xy.shape[1:]), np.nan, np.float32)
        xy[np.flatnonzero(box >= 0)[order]] = points.xy
        columns = self._state.columns(key)
        columns.note_failures(self._batch, failures_of(landmarker))
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

    def _compare(self, key: str) -> None:
        """Put the boxes that were found beside the true ones."""
        truth, boxes, rows = self._batch.truth, self._boxes, self._batch.rows
        if truth is None or truth.xyxy is None or not np.isfinite(truth.xyxy).all():
            raise PluginError(
                f"{self._state.source.entry.name} gave no true boxes, or some that are not finite: "
                "detectors can be scored only where those of all faces are known."
            )
        none = np.zeros(len(truth.frame), np.float32)
        self._state.columns(key).add(
            len(rows),
            0.0,
            row=np.concatenate([rows[truth.frame], rows[boxes.frame]]).astype(np.int32),
            true=np.arange(len(truth.frame) + len(boxes)) < len(truth.frame),
            xyxy=np.concatenate([truth.xyxy, boxes.xyxy]),
            score=np.concatenate([none, boxes.score]),
        )


def _in_rows(values: Float32, frame: Int64, count: int) -> Float32:
    """Values of some of `count` images in as many rows; NaN in the others."""
    rows = np.full((count, *values.shape[1:]), np.nan, np.float32)
    rows[frame] = values
    return rows


def _taken(boxes: Boxes, index: Int64) -> Boxes:
    return Boxes(*(getattr(boxes, name)[index] for name in Boxes.__dataclass_fields__))


def one_box_each(truth: Truth | None, count: int) -> Float32 | None:
    """The true box of each of `count` images, float32 (count, 4): its first face's, else NaN."""
    if truth is None or truth.xyxy is None:
        return None
    boxes = np.full((count, 4), np.nan, np.float32)
    boxes[truth.frame[::-1]] = truth.xyxy[::-1]
    return boxes
