"""One chunk while it is being computed: the stages that it lacks, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.batching import Stretch
from fxbench.cells import Cell, Scene
from fxbench.chunks import Chunk
from fxbench.clips import Clip, Part
from fxbench.errors import PluginError
from fxbench.faces import choose
from fxbench.facework import one_box_each
from fxbench.pictures import Pictures, alike
from fxbench.sources import Source
from fxbench.spotting import Spotting, kept
from fxbench.types import Answers, Batch, Bool, Boxes, Int64
from fxbench.views import failures_of
from fxbench.watching import Watch

if TYPE_CHECKING:
    from fxbench.pipeline import Pipeline

_MOST_FACES = np.iinfo(np.int16).max


@dataclass(slots=True)
class Work:
    """What of one chunk is to be computed: stages by key, with the cell that stands for each.

    Attributes:
        answers: of the whole chunk.
        stretch: the part of it to be computed, under keys of its own; None for all.
    """

    answers: Answers
    boxes: dict[Scene, str]
    results: dict[str, Cell]
    stretch: Stretch | None = None

    @property
    def images(self) -> int:
        """How many images go through each stage."""
        if self.stretch is None:
            return len(self.answers.rows)
        return self.stretch.end - self.stretch.begin

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
        """Add what was computed of so many images.

        Raises:
            PluginError: it has other columns than what was added before: a chunk can't hold that.
        """
        if self.parts and set(columns) != set(self.parts):
            odd = ", ".join(sorted(set(columns) ^ set(self.parts)))
            raise PluginError(f"Some batches have the columns {odd}, and others don't.")
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
        self._boxes = {scene: Columns() for scene in work.boxes}
        self._results = {key: Columns() for key in work.results}
        self._known: dict[Scene, Chunk] = {}
        # Of the video that is under way.
        self._clip: Clip | None = None
        self._watches: dict[Scene, Watch] = {}
        self._spotting: dict[str, Spotting] = {}
        self._unreadable: list[list[Any]] = []
        self._rows: list[int] = []
        self._ids: list[str] = []
        self._behind: dict[Scene, list[tuple[str, Cell]]] = {}
        for key, cell in work.results.items():
            self._behind.setdefault(cell.scene, []).append((key, cell))
        for stages in self._behind.values():
            # Clean ones first; those that share adversarial faces one after another.
            stages.sort(key=lambda stage: pipeline.order(stage[1]))
        # Pictures that are corrupted alike one after another; those as they are before all.
        self._scenes = sorted({*work.boxes, *self._behind}, key=_order)

    def process(self, batch: Batch) -> None:
        """Compute every lacking stage for the images of one batch."""
        told = 0
        self._rows += batch.rows.tolist()
        self._ids += batch.frames.ids
        self._unreadable += [[f.row, f.id, f.reason] for f in batch.failures]
        if len(batch.rows):
            self._turn_to(batch)
            pictures = Pictures(self, batch)
            for _, scenes in groupby(self._scenes, key=alike):
                # Corrupted pictures are other ones: what was answered about them is not kept on.
                with self.pipeline.sharing():
                    for scene in scenes:
                        if scene in self._work.boxes or self.lacking(scene):
                            told += self._in(scene, pictures)
        images = len(batch.rows) + len(batch.failures)
        # What failed is done with as well.
        self.pipeline.tell(images * self._work.stages - told, "")

    def _in(self, scene: Scene, pictures: Pictures) -> int:
        """Detect, then compute what is behind it; how many units of work that was."""
        broken = self.pipeline.broken
        if {(self.source.key, scene), (self.source.key, scene.unchanged)} & broken:
            return 0
        try:
            faces = pictures.faces(scene)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            self.pipeline.fail(self.source, error, **_axes(scene))
            broken.add((self.source.key, scene))
            return 0
        images = pictures.images
        told = images if scene in self._work.boxes else 0
        for key, cell in self.lacking(scene):
            if cell not in self.pipeline.errors:
                faces.compute(key, cell)
                told += images
        return told

    def keep(self) -> None:
        """Write what is finished; a stage that failed leaves nothing.

        Raises:
            StoreError: a chunk can't be written.
            DataError: an image can be read at one time and not at another.
        """
        self._end_clip()
        self._check_readable()
        images = len(self._rows)
        # With the names, predictions can be exported on a machine without the dataset.
        meta = {"images": images, "unreadable": self._unreadable}
        names = {"rows": self._rows, "ids": self._ids}
        for scene, columns in self._boxes.items():
            broken = (self.source.key, scene) in self.pipeline.broken
            if scene.landmarker is not None:
                columns.unanswered |= self._silent(scene.unchanged)
            if not broken and columns.images == images:
                self.pipeline.write(self._work.boxes[scene], columns.chunk(meta | names))
        for key, cell in self._work.results.items():
            columns = self._results[key]
            if cell not in self.pipeline.errors and columns.images == images:
                # What is behind a service is as incomplete as its own answers.
                for scene in dict.fromkeys((cell.scene, cell.scene.unchanged)):
                    columns.unanswered |= self._silent(scene)
                self.pipeline.write(key, columns.chunk({"labels": []} | meta))

    def stop(self) -> None:
        """Give up what is under way: the threads of spotters."""
        for spotting in self._spotting.values():
            spotting.stop()
        self._spotting.clear()

    def _turn_to(self, batch: Batch) -> None:
        """Begin with another video where the batch is of one."""
        if not self.source.clips:
            return
        clip = self.source.clips[int(self.source.clip_of(batch.rows[:1])[0])]
        if clip is not self._clip:
            self._end_clip()
            self._clip = clip

    def _end_clip(self) -> None:
        """Keep what the spotters found in the video, whose frames they all have been given."""
        self._watches.clear()
        for key, spotting in self._spotting.items():
            if self._clip is not None and (cell := self._work.results[key]):
                try:
                    found = kept(spotting.end(self._clip.frames - 1), self._clip.first)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                    axes = {name: getattr(cell, name) for name in Cell.__dataclass_fields__}
                    self.pipeline.fail(self.source, error, **axes)
                    continue
                self.columns(key).add(spotting.frames, spotting.seconds, **found)
        self._spotting.clear()

    def frames_of(self, rows: Int64) -> Int64:
        """The numbers of some frames of the video that is under way."""
        return rows - (0 if self._clip is None else self._clip.first)

    def seeds_of(self, rows: Int64) -> Int64:
        """What the random numbers for pictures depend on: the row, of a video that of its first.

        Weather that changes from frame to frame is none.
        """
        return rows if self._clip is None else np.full(len(rows), self._clip.first, np.int64)

    def spot(self, key: str, cell: Cell, part: Part, seconds: float) -> None:
        """Give a spotter the next frames of the video that is under way.

        Args:
            key: of the stage.
            cell: with the spotter.
            part: the frames.
            seconds: how long it took to find out what the spotter wants to know of them.

        Raises:
            PluginError: the images are of no video.
            BaseException: what the spotter raised.
        """
        if self._clip is None:
            raise PluginError(f"{self.source.entry.name} has no videos.")
        if key not in self._spotting:
            spotter = self.pipeline.load("spotter", str(cell.spotter))
            fps = self.source.fps_of(self._clip)
            self._spotting[key] = Spotting(str(cell.spotter), spotter, fps)
        self._spotting[key].give(part)
        self.columns(key).seconds += seconds

    def scored(self, scene: Scene, batch: Batch, boxes: Boxes) -> Int64:
        """The box of each image whose face is scored, int64 (N,); -1 where there is none.

        In a video without true boxes it is that of the person who is followed.
        """
        count = len(batch.rows)
        truth = one_box_each(batch.truth, count)
        if self._clip is None or truth is not None:
            return choose(boxes, count, truth)
        return self._watch(scene).choose(boxes, batch.frames.time_s)

    def _watch(self, scene: Scene) -> Watch:
        if scene not in self._watches:
            self._watches[scene] = Watch(scene.every)
        return self._watches[scene]

    def _silent(self, scene: Scene) -> dict[int, list[Any]]:
        """The images of a scene that its detector gave no answer about, by row.

        What is put before a face lies where the detector finds it in the picture as it is, so that
        its silence there counts as well.
        """
        if scene in self._boxes:
            return self._boxes[scene].unanswered
        if scene in self._known:
            known = self._known[scene].meta.get("unanswered", ())
            return {entry[0]: entry for entry in known}
        return {}

    def _check_readable(self) -> None:
        from fxbench.pipeline import changed

        if self._unreadable:
            self.pipeline.check_unchanged(self.source)
        rows = {row for row, _, _ in self._unreadable}
        seen = rows.union(self._rows)
        for chunk in self._known.values():
            if seen.intersection(row for row, _, _ in chunk.meta["unreadable"]) != rows:
                raise changed(self.source)

    def lacking(self, scene: Scene) -> list[tuple[str, Cell]]:
        """The stages of a scene that are still to be computed, clean ones first."""
        failed = self.pipeline.errors
        return [stage for stage in self._behind.get(scene, ()) if stage[1] not in failed]

    def columns(self, key: str) -> Columns:
        """What has been computed of a stage."""
        return self._results[key]

    def labels_of(self, rows: Int64) -> Int64:
        """The right emotion of each row."""
        answers = self._work.answers
        return answers.labels[np.searchsorted(answers.rows, rows)]

    def is_attacked(self, cell: Cell, rows: Int64) -> Bool:
        """Which rows are among those that a cell's attack is run on."""
        among: Bool = np.isin(rows, self.source.subset(cell.subset))
        return among

    def detect(self, scene: Scene, batch: Batch) -> Boxes:
        """The boxes of a batch; from an earlier run where that kept them.

        Raises:
            PluginError: the detector returned no boxes.
        """
        if scene not in self._work.boxes:
            return self._recall(scene, batch)
        name = scene.detector
        component = self.pipeline.load("detector", name)
        due = np.arange(len(batch.rows))
        if self._clip is not None:
            due = self._watch(scene).due(len(batch.rows))
        images = batch.frames.images
        begin = time.perf_counter()
        found: Any = Boxes.from_lists([])
        if len(due):
            found = component.detect(tuple(images[index] for index in due))
        if not isinstance(found, Boxes):
            raise PluginError(f"{name} must return Boxes, not {type(found).__name__}.")
        boxes = found
        if len(boxes) and boxes.frame[-1] >= len(due):
            raise PluginError(f"{name} returned a box in image {boxes.frame[-1]} of {len(due)}.")
        if self._clip is not None:
            boxes = self._watch(scene).complete(batch.frames, due, boxes)
        seconds = time.perf_counter() - begin
        if len(boxes) > _MOST_FACES and np.bincount(boxes.frame).max() > _MOST_FACES:
            raise PluginError(f"{name} returned more than {_MOST_FACES} boxes in one image.")
        self._boxes[scene].add(
            len(batch.rows),
            seconds,
            row=batch.rows[boxes.frame].astype(np.int32),
            xyxy=boxes.xyxy,
            score=boxes.score,
            track=boxes.track,
        )
        silent = {int(due[i]): why for i, why in failures_of(component)} if len(due) else {}
        if self._clip is not None:
            silent = self._watch(scene).unanswered(len(batch.rows), due, silent)
        self._boxes[scene].note_failures(batch, silent.items())
        self.pipeline.tell(len(batch.rows), f"detect {name}")
        return boxes

    def _recall(self, scene: Scene, batch: Batch) -> Boxes:
        """The boxes of a batch from a chunk that an earlier run kept."""
        if scene not in self._known:
            key = self.pipeline.key_of_boxes(self.source, self._work.answers.rows, scene)
            self._known[scene] = self.pipeline.read(key)
        columns = self._known[scene].columns
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


def _order(scene: Scene) -> tuple[Any, ...]:
    return (*alike(scene), scene.landmarker or "", scene.detector, scene.every or 0)


def _axes(scene: Scene) -> dict[str, Any]:
    """The axes that all cells of a scene agree in, and the cells that fail with it."""
    axes: dict[str, Any] = {"detector": scene.detector, "every": scene.every}
    if scene.corruption is not None:
        axes |= {"corruption": scene.corruption, "severity": scene.severity}
    return axes
