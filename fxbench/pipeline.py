"""Executes the stages of a plan chunk by chunk: decode, detect, crop, attack, predict, locate.

Each image is decoded once for all detectors and classifiers, each detector runs once for all
classifiers, and an attack once for each surrogate and epsilon. What lies in the cache is not
computed again, and a model is loaded only when one of its stages has to be computed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from fxbench.batching import batches as batches_of
from fxbench.cells import Cell, Scene
from fxbench.chunks import Chunk, Chunks, DamagedChunkError
from fxbench.chunkwork import ChunkState, Work
from fxbench.component import Component
from fxbench.errors import DataError, FxbenchError, StoreError
from fxbench.examples import Examples
from fxbench.loader import Loader, one_line
from fxbench.plan import Plan
from fxbench.prefetch import ahead
from fxbench.progress import Observer
from fxbench.sources import Source
from fxbench.stages import boxes_key, followed_key, perturbation_key, result_key
from fxbench.types import Answers, Batch, Float32, Int64

_log = logging.getLogger("fxbench")


class Pipeline:
    """Computes what the cells of a plan need and the cache lacks.

    Attributes:
        errors: what went wrong, for each cell that has no result because of it.
        broken: by key of the source, the scenes whose detector failed; it is not asked again.
        examples: where adversarial faces are shown; None for nowhere.
    """

    def __init__(
        self,
        plan: Plan,
        chunks: Chunks,
        loader: Loader,
        observer: Observer,
        examples: Examples | None = None,
    ) -> None:
        self.errors: dict[Cell, str] = {}
        self.broken: set[tuple[str, Scene]] = set()
        self._plan = plan
        self._chunks = chunks
        self._loader = loader
        self._observer = observer
        self.examples = examples
        self._unchanged: set[str] = set()

    def pending(self, source: Source, *, thorough: bool = False) -> list[Work]:
        """The chunks of a source that lack a stage, with the stages that each lacks.

        Args:
            source: the images.
            thorough: read what is in the cache to its end, as against its footer.
        """
        cells = self._plan.runnable(source)
        works = (
            self.lacking(source, answers, cells, thorough=thorough) for answers in source.chunks()
        )
        return [work for work in works if work.stages]

    def _whole(self, key: str) -> bool:
        return self._chunks.has(key) and self._chunks.read(key) is not None

    @staticmethod
    def units(pending: list[Work]) -> int:
        """How many images go through how many stages."""
        return sum(work.images * work.stages for work in pending)

    def calls(self, source: Source, pending: list[Work]) -> tuple[int, int]:
        """How many gradients and queries the attacks of these chunks take at most."""
        gradients = queries = 0
        for work in pending:
            attacks = {
                (cell.scene, cell.align, cell.landmarker, *axes.values()): cell
                for cell in work.results.values()
                if cell.attack is not None
                for axes in (self._plan.condition(cell),)
            }
            for cell in attacks.values():
                means = self._plan.means[str(cell.attack)]
                faces = int(np.isin(work.answers.rows, source.subset(cell.subset)).sum())
                gradients += faces * (means.gradients or 0) * (cell.epsilon != 0)
                queries += faces * (means.queries or 0)
        return gradients, queries

    def run(self, source: Source, pending: list[Work]) -> None:
        """Compute the chunks and keep each when it is finished.

        Raises:
            StoreError: a chunk can't be written.
            DamagedChunkError: a chunk that was there can't be read any more.
            UnevenError: the batches of a stretch can't be known without those before it.
            Exception: whatever the dataset raises.
        """

        def batches() -> Iterator[tuple[Work, Batch | None]]:
            for work in pending:
                for batch in batches_of(source, work.answers.rows, work.stretch):
                    yield work, batch
                yield work, None

        state: ChunkState | None = None
        try:
            for work, batch in ahead(batches()):
                if state is None:
                    state = ChunkState(self, source, work)
                if batch is None:
                    state.keep()
                    state = None
                else:
                    state.process(batch)
        finally:
            if state is not None:
                state.stop()

    def lacking(
        self, source: Source, answers: Answers, cells: list[Cell], *, thorough: bool = False
    ) -> Work:
        """The stages that a chunk lacks for some cells; see :meth:`pending`."""
        there: Callable[[str], bool] = self._whole if thorough else self._chunks.has
        work = Work(answers, {}, {})
        for cell in cells:
            key = result_key(self._plan, source, answers, cell)
            if key not in work.results and not there(key):
                work.results[key] = cell
            if cell.scene not in work.boxes:
                key = boxes_key(self._plan, source, answers.rows, cell.scene)
                if not there(key):
                    work.boxes[cell.scene] = key
        return work

    def fail(self, source: Source, error: BaseException, **axes: Any) -> None:
        """Record an error for all cells of a source that agree with `axes`.

        Raises:
            StoreError: when that is the error: no component is to blame.
            DamagedChunkError: likewise.
            DataError: likewise.
        """
        if isinstance(error, (StoreError, DamagedChunkError, DataError)):
            raise error
        _log.debug("A stage failed: %s", axes, exc_info=error)
        text = str(error) if isinstance(error, FxbenchError) else one_line(error)
        for cell in self._plan.runnable(source):
            if all(getattr(cell, axis) == value for axis, value in axes.items()):
                self.errors.setdefault(cell, text)

    def load(self, kind: str, name: str) -> Any:
        """A component of the plan."""
        return self._loader.get(self._plan.registry.get(kind, name))

    def order(self, cell: Cell) -> list[str]:
        """What stages are sorted by: clean ones first, then by what their faces are made from."""
        axes = {**self._plan.condition(cell), "align": cell.align, "by": cell.landmarker}
        # What a spotter wants to know of a face is there when the others have asked.
        return [
            str(cell.attack or ""),
            str(cell.spotter or ""),
            *(str(value or "") for value in axes.values()),
        ]

    def component(self, kind: str, name: str) -> Component:
        """The record of a component of the plan."""
        return self._plan.registry.get(kind, name).component

    def sharing(self) -> AbstractContextManager[None]:
        """Within this, an analyzer is asked once about the same images."""
        return self._loader.memory.sharing()

    def tell(self, units: int, what: str) -> None:
        """Report progress."""
        self._observer.advance(units, what)

    def called(self, gradients: int = 0, queries: int = 0) -> None:
        """Report so many gradients that were taken and queries that were made for attacks."""
        self._observer.called(gradients, queries)

    def read(self, key: str) -> Chunk:
        """A chunk from the cache."""
        return self._chunks.get(key)

    def write(self, key: str, chunk: Chunk) -> None:
        """Keep a chunk."""
        self._chunks.write(key, chunk)

    def peek(self, key: str) -> Chunk | None:
        """A chunk from the cache, or None where it isn't there, or damaged."""
        return self._chunks.read(key)

    def key_of_boxes(self, source: Source, rows: Int64, scene: Scene) -> str:
        """The key of a detector's boxes in this plan."""
        return boxes_key(self._plan, source, rows, scene)

    def key_of_perturbation(self, source: Source, rows: Int64, labels: Int64, cell: Cell) -> str:
        """The key of adversarial faces in this plan."""
        return perturbation_key(self._plan, source, rows, labels, cell)

    def key_of_followed(self, source: Source, rows: Int64, xyxy: Float32, cell: Cell) -> str:
        """The key of the points of faces that are followed, in this plan."""
        return followed_key(self._plan, source, rows, xyxy, cell)

    def check_unchanged(self, source: Source) -> None:
        """Make sure that images which can't be read are part of the dataset as it was planned.

        Raises:
            DataError: the dataset has changed since. What it gives now must not be kept under the
                name of what it was.
        """
        if source.key in self._unchanged:
            return
        now = self._loader.fresh(source.entry).fingerprint(source.split)
        if now != source.fingerprint:
            raise changed(source)
        self._unchanged.add(source.key)


def changed(source: Source) -> DataError:
    """The error for images that are not what they were when the plan was made."""
    return DataError(
        f"The images of {source.name} have changed, or could be read at one time and not at "
        "another, while they were being evaluated: give the same command again."
    )
