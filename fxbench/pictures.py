"""The pictures of a batch, as they are and corrupted, and the faces that are found in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.cells import Scene
from fxbench.facework import BatchFaces
from fxbench.scenes import corrupted, true_points
from fxbench.types import Batch

if TYPE_CHECKING:
    from fxbench.chunkwork import ChunkState


class Pictures:
    """The pictures of a batch, scene by scene, and the faces in them."""

    def __init__(self, state: ChunkState, batch: Batch) -> None:
        self.images = len(batch.rows)
        self._state = state
        self._batch = batch
        self._clean: dict[Scene, BatchFaces] = {}
        # The latest corrupted pictures serve all detectors.
        self._latest: tuple[tuple[Any, ...], Batch] | None = None

    def faces(self, scene: Scene) -> BatchFaces:
        """The faces that are found in a scene."""
        if scene.corruption is None:
            if scene not in self._clean:
                self._clean[scene] = self._found(scene, self._batch)
            return self._clean[scene]
        return self._found(scene, self._corrupted(scene))

    def _found(self, scene: Scene, batch: Batch) -> BatchFaces:
        boxes = self._state.detect(scene, batch)
        index = self._state.scored(scene, batch, boxes)
        return BatchFaces(self._state, batch, boxes, index)

    def _corrupted(self, scene: Scene) -> Batch:
        # Where it is placed depends on who finds the face, and in which frames.
        placed_behind = scene.unchanged if scene.landmarker is not None else None
        about = (scene.corruption, scene.severity, scene.landmarker, placed_behind)
        if self._latest is None or self._latest[0] != about:
            name, pipeline = str(scene.corruption), self._state.pipeline
            corruption = pipeline.load("corruption", name)
            placed = "placed" in pipeline.component("corruption", name).traits
            if scene.landmarker is not None:
                faces = self.faces(scene.unchanged)
                points = faces.points_by_image(scene.landmarker)
            else:
                points = true_points(self._batch.truth) if self._batch.truth else {}
            made = corrupted(
                corruption,
                name,
                scene.severity or 1,
                self._batch,
                points,
                placed=placed,
                seeds=self._state.seeds_of(self._batch.rows),
            )
            self._latest = about, made
        return self._latest[1]


def alike(scene: Scene) -> tuple[Any, ...]:
    """What tells the pictures of scenes apart: equal ones have the same pictures."""
    return (scene.corruption or "", scene.severity or 0)
