"""Takes the predictions of a finished cell out of the cache again. Needs no plugin and no dataset.

A cell's record names the chunks that it was made from. A chunk of boxes knows the names of its
images, a chunk of outputs the faces by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fxbench.chunks import Chunk, Chunks
from fxbench.errors import UsageError
from fxbench.prediction_csv import PredictionTable
from fxbench.store import StoredRun
from fxbench.tables import kind_of
from fxbench.tabular import format_epsilon

Cell = Mapping[str, Any]

_SHOWN = 8
_NONE_UNLESS_NAMED = ("attack", "target_label", "corruption", "align")
_NONE_IF_POSSIBLE = ("every", "smoothing")
_WORDS = {"every": "step of the detector (--detect-every)", "target_label": "target label"}


def find_cell(cells: Iterable[Cell], **axes: Any) -> Cell:
    """The one cell that has a result, a classifier, and the given axes.

    Args:
        cells: of a run.
        axes: what must agree; an axis that is None may have any value, but for the attack, its
            target label, the corruption and the alignment, which are none then. Of videos, faces
            looked for in every frame and answers that are not smoothed go before others.

    Raises:
        UsageError: there is no such cell, or there are several; the message lists them.
    """
    usable = [c for c in cells if c["status"] == "ok" and kind_of(c) == "classifier"]
    found = [c for c in usable if all(_agrees(c["axes"], axis, axes[axis]) for axis in axes)]
    for axis in _NONE_UNLESS_NAMED:
        if axis not in axes:
            found = [c for c in found if _agrees(c["axes"], axis, None)]
    for axis in _NONE_IF_POSSIBLE:
        if axis not in axes:
            found = [c for c in found if c["axes"].get(axis) is None] or found
    if len(found) == 1:
        return found[0]
    listed = "; ".join(_described(cell) for cell in (found or usable)[:_SHOWN])
    if found:
        raise UsageError(
            f"{len(found)} cells of the run agree with that: {listed}. Give the "
            f"{' and the '.join(_differing(found))} of the one that is meant."
        )
    raise UsageError(
        f"The run has no result like that. It has {len(usable)}: {listed or 'none'}"
        f"{'; …' if len(usable) > _SHOWN else ''}."
    )


def predictions(stored: StoredRun, cell: Cell, chunks: Chunks) -> PredictionTable:
    """What the cell's classifier answered, by image; images without a face are left out.

    Raises:
        UsageError: the cache no longer has it, or no face was found in any image.
    """
    names: dict[int, str] = {}
    outputs: list[Chunk] = []
    if cell.get("unanswered"):
        raise UsageError(
            f"{len(cell['unanswered'])} images of that cell got no answer from a service: give the "
            "run's command again, so that they are asked about, and export then."
        )
    for key in cell["chunks"]:
        chunk = chunks.read(key)
        if chunk is None:
            raise UsageError(
                f"The predictions of {stored.folder.name} are no longer in the cache "
                f"{chunks.folder.parent}: delete {stored.folder} and give the run's command again."
            )
        if "ids" in chunk.meta:
            names |= zip(chunk.meta["rows"], chunk.meta["ids"], strict=True)
        else:
            outputs.append(chunk)
    filled = [c for c in outputs if len(c.columns["row"])]
    if not filled:
        raise UsageError(f"There is nothing to export: no face was found ({_described(cell)}).")
    rows = np.concatenate([c.columns["row"] for c in filled]).tolist()
    # Recorded predictions may be of an image that could not be read when they were scored.
    kept = [index for index, row in enumerate(rows) if row in names]
    table = np.concatenate([c.columns["outputs"] for c in filled])
    images = tuple(names[rows[index]] for index in kept)
    return PredictionTable(images, tuple(filled[0].meta["labels"]), table[kept])


def _agrees(axes: Mapping[str, Any], axis: str, wanted: Any) -> bool:
    value = axes.get(axis)
    if axis in _NONE_UNLESS_NAMED:
        return bool((value or "none") == (wanted or "none"))
    if wanted is None:
        return True
    if axis == "epsilon":
        return value is not None and abs(value - wanted) < 1e-9
    return bool(value == wanted)


def _described(cell: Cell) -> str:
    return ", ".join(
        f"{axis} {format_epsilon(value) if axis == 'epsilon' else value}"
        for axis, value in cell["axes"].items()
    )


def _differing(cells: list[Cell]) -> list[str]:
    """The axes in which cells differ, in words."""
    axes = dict.fromkeys(axis for cell in cells for axis in cell["axes"])
    differing = [a for a in axes if len({str(cell["axes"].get(a)) for cell in cells}) > 1]
    return [_WORDS.get(axis, axis) for axis in differing]
