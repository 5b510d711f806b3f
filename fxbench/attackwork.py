"""The adversarial faces of a batch: made once for all targets, and kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.adversary import Adversarial, aim, held, perturbed, seeds_of, sizes
from fxbench.attacked import UnansweredError
from fxbench.budget import check_budget
from fxbench.chunks import Chunk
from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS, column_of
from fxbench.transfer import carried
from fxbench.types import Bool, FaceSpec, Float32, Int64, UInt8
from fxbench.views import failures_of

if TYPE_CHECKING:
    from fxbench.cells import Cell
    from fxbench.pipeline import Pipeline
    from fxbench.sources import Source


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """Adversarial faces of one condition, as the surrogate takes them.

    Attributes:
        clean: uint8 (M, size, size, 3).
        adversarial: what an attack made of them, in 8 bits and within its budget. Of one that looks
            for the smallest change, within any.
        attacked: see :class:`fxbench.adversary.Adversarial`, like the rest.
        flat: int8 (M,).
        distance: float32 (M,), the size of the change that made the surrogate err, in units of
            [0, 1] pixels; NaN where it doesn't err. Only of one that looks for the smallest.
        key: of the chunk that keeps it.
    """

    clean: UInt8
    adversarial: Adversarial
    distance: Float32 | None
    key: str = ""

    def within(self, norm: str, epsilon: float) -> UInt8:
        """The faces under a budget: of the smallest changes, those that it allows."""
        faces = self.adversarial.faces
        if self.distance is None:
            return faces
        allowed = sizes(self.clean, faces, norm) <= epsilon * 255 + 1e-4
        return np.where(allowed[:, None, None, None], faces, self.clean)

    def columns(self) -> dict[str, Any]:
        """What is kept of an attack beside a classifier's outputs."""
        made = self.adversarial
        columns: dict[str, Any] = {"attacked": made.attacked, "flat": made.flat}
        if made.queries is not None:
            columns["queries"] = made.queries
        if self.distance is not None:
            columns["distance"] = self.distance
        return columns


def made(
    pipeline: Pipeline, source: Source, cell: Cell, rows: Int64, labels: Int64, clean: UInt8
) -> Made:
    """The adversarial faces of a cell's condition, from the cache where they are there.

    Args:
        pipeline: with the components.
        source: of the images.
        cell: any with that attack.
        rows: int64 (M,), the row that each face is in.
        labels: int64 (M,), its right emotion.
        clean: uint8 (M, size, size, 3), the faces as the surrogate takes them.

    Raises:
        PluginError: the attack returned no faces, or the service that it asks was silent.
    """
    surrogate = pipeline.load("classifier", str(cell.surrogate))
    attack = pipeline.load("attack", str(cell.attack))
    traits = pipeline.component("attack", str(cell.attack)).traits
    key = pipeline.key_of_perturbation(source, rows, labels, cell)
    chunk = pipeline.peek(key) if len(rows) else None
    calls = _Calls(pipeline, queries="black-box" in traits)
    if chunk is not None:
        found = _stored(chunk, clean)
        if found is not None:
            calls.known(attack, found.adversarial)
            return replace(found, key=key)
    columns = np.array([column_of(surrogate.labels, e) for e in EMOTIONS], np.int64)
    towards = None if cell.target_label is None else EMOTIONS.index(cell.target_label)
    answer = perturbed(
        attack,
        surrogate,
        clean,
        aim(labels, columns, len(surrogate.labels), towards),
        epsilon=1.0 if "minimum" in traits else float(cell.epsilon or 0.0),
        seeds=seeds_of(rows),
        black_box="black-box" in traits,
        counted=calls,
    )
    distance = None
    if "minimum" in traits:
        distance = _distance(surrogate, clean, answer, columns, labels, towards, attack.norm)
        for _, reason in failures_of(surrogate) if answer.attacked.any() else ():
            raise UnansweredError(f"{cell.surrogate} gave no answer ({reason}).")
    result = Made(clean, answer, distance, key)
    if len(rows):
        pipeline.write(key, _kept(result))
    return result


def on_target(
    made: Made,
    cell: Cell,
    surrogate: FaceSpec,
    target: FaceSpec,
    faces: UInt8,
    boxes: tuple[Float32, Int64],
) -> UInt8:
    """The adversarial faces as a target takes them, uint8 (M, size, size, 3).

    One that takes other faces than the surrogate gets the perturbation on its own crop, within the
    same budget.

    Args:
        made: the surrogate's.
        cell: with norm and budget.
        surrogate: how it takes faces.
        target: how the target does.
        faces: the target's clean ones, uint8 (M, size, size, 3).
        boxes: float32 (M, 4), pixels, and int64 (M, 2), width and height of their images.
    """
    norm, epsilon = str(cell.norm), float(cell.epsilon or 0.0)
    within = made.within(norm, epsilon)
    if surrogate == target:
        # Faces from the cache are looked at as closely as new ones.
        check_budget(made.clean, within, norm, epsilon)
        return within
    if cell.align is not None:
        if (surrogate.fit, surrogate.margin) != (target.fit, target.margin):
            raise PluginError(
                f"{cell.surrogate} and {cell.classifier} cut aligned faces differently, so that a "
                "perturbation can't be carried over: compare them with --align none."
            )
        # An aligned face is a whole picture, the same for all but for its size.
        surrogate, target = FaceSpec(surrogate.size), FaceSpec(target.size)
    change = within.astype(np.float32) - made.clean.astype(np.float32)
    moved = carried(change, surrogate, target, *boxes)
    wanted = (faces.astype(np.float32) + moved) / np.float32(255)
    return held(faces, wanted, norm, epsilon)


def _distance(
    surrogate: Any,
    clean: UInt8,
    answer: Adversarial,
    columns: Int64,
    labels: Int64,
    towards: int | None,
    norm: str,
) -> Float32:
    """How far the faces lie that made the surrogate err; see :class:`Made`."""
    distance = np.full(len(clean), np.nan, np.float32)
    index = np.flatnonzero(answer.attacked)
    if len(index):
        top = surrogate.predict(answer.faces[index]).argmax(axis=1)
        fooled: Bool = top != columns[labels[index]]
        if towards is not None:
            fooled = top == columns[towards]
        size = sizes(clean[index], answer.faces[index], norm) / 255
        distance[index[fooled]] = size[fooled]
    return distance


def _kept(made: Made) -> Chunk:
    faces = made.adversarial.faces
    change = faces.astype(np.int16) - made.clean
    # Small changes compress to a fraction of what the faces take.
    if np.abs(change).max(initial=0) <= np.iinfo(np.int8).max:
        change = change.astype(np.int8)
    columns = {"change": change.reshape(len(faces), -1), **made.columns()}
    return Chunk(columns, {"clean": _hash(made.clean)})


def _hash(faces: UInt8) -> str:
    return hashlib.sha256(np.ascontiguousarray(faces).tobytes()).hexdigest()


def _stored(chunk: Chunk, clean: UInt8) -> Made | None:
    columns = chunk.columns
    change = columns["change"]
    # A change belongs to the very faces that it was made of. They may be others under the same key:
    # a service that was silent when they were aligned may have answered since.
    if change.size != clean.size or chunk.meta.get("clean") != _hash(clean):
        return None
    faces = (clean.astype(np.int16) + change.reshape(clean.shape)).astype(np.uint8)
    answer = Adversarial(faces, columns["attacked"], columns["flat"], columns.get("queries"))
    return Made(clean, answer, columns.get("distance"))


class _Calls:
    """Tells of gradients that are taken, or of queries that are made."""

    def __init__(self, pipeline: Pipeline, *, queries: bool) -> None:
        self._pipeline = pipeline
        self._queries = queries

    def __call__(self, count: int) -> None:
        if self._queries:
            self._pipeline.called(queries=count)
        else:
            self._pipeline.called(gradients=count)

    def known(self, attack: Any, adversarial: Adversarial) -> None:
        """What was done in an earlier run."""
        if adversarial.queries is not None:
            self(int(adversarial.queries.sum()))
        else:
            self(int(adversarial.attacked.sum()) * int(getattr(attack, "gradients", 0) or 0))
