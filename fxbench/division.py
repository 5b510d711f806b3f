"""How the chunks of a plan are divided into shares that different processes compute.

A share is named by reference and needs nothing of another one. What it computes is kept under the
keys of the plan; a stretch of a chunk is kept under keys of its own, and joined when all are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.batching import Stretch, cuts
from fxbench.chunks import Chunk, Chunks
from fxbench.chunkwork import Work
from fxbench.errors import PluginError
from fxbench.keys import digest
from fxbench.pipeline import changed

if TYPE_CHECKING:
    from fxbench.cells import Cell, Scene
    from fxbench.plan import Plan
    from fxbench.sources import Source

SHARES_EACH = 8
"""How many shares there are for each worker, if there are images enough: the fewer, the less each
costs beside its computing."""
LAST, FINER = 0.25, 4
"""Of so large a part of the images, the last, each share is so many times smaller: at the end all
but one wait for it."""
FEWEST_EACH = 2
"""With fewer shares for each worker than that, detectors are divided as well."""

_SUMS = ("images", "seconds")
_DESCRIBING = ("labels", "shared")
"""Lists that say what the columns hold, equal in all parts. Every other list grows by the batch."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the work on a source.

    Attributes:
        source: its index among those of the plan.
        first: the first row of the chunk.
        stretch: which part of the chunk; None for all.
        detector: only what comes behind this one; None for all.
    """

    source: int
    first: int
    stretch: Stretch | None = None
    detector: str | None = None


def at_home(plan: Plan, work: Work) -> Work:
    """What sends images away: one process does that, which keeps to the services' limits."""
    return _chosen(plan, work, sending=True)


def afield(plan: Plan, work: Work) -> Work:
    """What any process may compute."""
    return _chosen(plan, work, sending=False)


def _chosen(plan: Plan, work: Work, *, sending: bool) -> Work:
    def sends(scene: Scene) -> bool:
        names = (("detector", scene.detector), ("landmarker", scene.landmarker))
        return any(
            plan.registry.get(kind, name).component.sends
            for kind, name in names
            if name is not None
        )

    return replace(
        work,
        boxes={scene: key for scene, key in work.boxes.items() if sends(scene) == sending},
        results={k: cell for k, cell in work.results.items() if bool(plan.sends(cell)) == sending},
    )


def divided(number: int, source: Source, works: Sequence[Work], workers: int) -> list[Share]:
    """The shares of a source's chunks, in their order.

    Args:
        number: the source's index in the plan.
        source: the images.
        works: its chunks, with what each lacks.
        workers: how many processes compute.
    """
    images = sum(work.images for work in works)
    each = max(1.0, images / (SHARES_EACH * workers))
    stretches: list[tuple[Work, Stretch | None]] = []
    left = images
    for work in works:
        count = max(1, round(work.images / each))
        if count > 1 and left <= LAST * images:
            count *= FINER
        left -= work.images
        parts = cuts(source, work.answers.rows, count)
        whole = len(parts) == 1
        stretches += [(work, None if whole else part) for part in parts]
    few = len(stretches) < FEWEST_EACH * workers
    return [
        Share(number, int(work.answers.rows[0]), stretch, detector)
        for work, stretch in stretches
        for detector in (_detectors(work) if few else (None,))
    ]


def _detectors(work: Work) -> tuple[str | None, ...]:
    """The detectors of a chunk where there are several: each can be followed by itself."""
    scenes = [*work.boxes, *(cell.scene for cell in work.results.values())]
    names = tuple(dict.fromkeys(scene.detector for scene in scenes))
    return names if len(names) > 1 else (None,)


def units(work: Work, share: Share) -> int:
    """How many images of a share go through how many stages."""
    images, stages = work.images, work.stages
    if share.stretch is not None:
        images = share.stretch.end - share.stretch.begin
    if share.detector is not None:
        stages = sum(scene.detector == share.detector for scene in work.boxes)
        stages += sum(cell.detector == share.detector for cell in work.results.values())
    return images * stages


def part_key(key: str, stretch: Stretch) -> str:
    """The key of a stage's result for a stretch of a chunk."""
    return digest({"part of": key, "rows": [stretch.begin, stretch.end], "even": stretch.even})


def share_of(work: Work, share: Share, chunks: Chunks) -> Work:
    """What of a chunk's work belongs to a share and isn't there yet, under the share's keys."""
    chosen = replace(work, boxes=dict(work.boxes), results=dict(work.results))
    if share.detector is not None:
        chosen.boxes = {s: key for s, key in work.boxes.items() if s.detector == share.detector}
        chosen.results = {k: c for k, c in work.results.items() if c.detector == share.detector}
    stretch = share.stretch
    if stretch is not None:
        chosen.stretch = stretch
        boxes = {scene: part_key(key, stretch) for scene, key in chosen.boxes.items()}
        results = {part_key(key, stretch): cell for key, cell in chosen.results.items()}
        chosen.boxes = {scene: key for scene, key in boxes.items() if not chunks.has(key)}
        chosen.results = {key: cell for key, cell in results.items() if not chunks.has(key)}
    return chosen


def join(
    chunks: Chunks,
    source: Source,
    work: Work,
    stretches: Sequence[Stretch],
    failed: Collection[Cell],
) -> None:
    """Make a chunk's results of those of its stretches, which are removed.

    A stage that failed in one of them has none.

    Raises:
        StoreError: a result can't be written.
        DataError: an image could be read at one time and not at another.
        PluginError: stretches differ in what holds for all of a chunk, such as its labels.
    """
    if not stretches:
        return
    unreadable: list[Any] = []
    stages = [*work.boxes.values(), *(k for k, cell in work.results.items() if cell not in failed)]
    for key in stages:
        parts = [chunks.read(part_key(key, stretch)) for stretch in stretches]
        whole = [part for part in parts if part is not None]
        if len(whole) == len(parts):
            joined = _joined(whole)
            unreadable.append(joined.meta["unreadable"])
            if unreadable[0] != unreadable[-1]:
                discard(chunks, work, stretches)
                raise changed(source)
            chunks.write(key, joined)
    discard(chunks, work, stretches)


def discard(chunks: Chunks, work: Work, stretches: Iterable[Stretch]) -> None:
    """Remove the results of stretches, and of the same rows read in the other way.

    Some may have been computed by themselves before one turned out to be uneven.
    """
    for stretch in stretches:
        for even in (True, False):
            part = replace(stretch, even=even)
            for key in (*work.boxes.values(), *work.results):
                chunks.remove(part_key(key, part))


def _joined(parts: Sequence[Chunk]) -> Chunk:
    # One without any image that could be read has no columns but `row`.
    filled = [part for part in parts if len(part.columns) > 1] or parts[:1]
    columns = {
        name: np.concatenate([part.columns[name] for part in filled]) for name in filled[0].columns
    }
    meta: dict[str, Any] = {}
    for part in parts:
        for name, value in part.meta.items():
            grows = isinstance(value, list) and name not in _DESCRIBING
            if name in meta and (name in _SUMS or grows):
                meta[name] = meta[name] + value
            elif not meta.get(name):
                # One without any face may have no labels.
                meta[name] = value
            elif value and value != meta[name]:
                raise PluginError(
                    f"Two parts of a chunk have another {name!r}: {meta[name]!r} and {value!r}."
                )
    return Chunk(columns, meta)
