"""The keys of a plan's stages: what each chunk's result depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.keys import core_digest, digest, rows_digest

if TYPE_CHECKING:
    from fxbench.cells import Cell
    from fxbench.plan import Plan
    from fxbench.selection import Source
    from fxbench.types import Answers, Int64


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


def result_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of what a cell's last stage gives for these rows."""
    keys = {"classifier": outputs_key, "landmarker": points_key, "detector": detection_key}
    return keys[cell.kind](plan, source, answers, cell)


def outputs_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a classifier's outputs for the faces of these rows, attacked or not."""
    if cell.classifier is None:
        raise ValueError(f"{cell} has no classifier")
    record: dict[str, Any] = {
        "stage": "outputs",
        "boxes": boxes_key(plan, source, answers.rows, cell.detector),
        "classifier": plan.digests["classifier", cell.classifier],
    }
    if cell.align is not None and cell.landmarker is not None:
        landmarker = plan.digests["landmarker", cell.landmarker]
        record |= {"align": cell.align, "landmarker": landmarker}
    if cell.attack is not None and cell.surrogate is not None:
        record |= {
            "attack": plan.digests["attack", cell.attack],
            "norm": cell.norm,
            "epsilon": cell.epsilon,
            "surrogate": plan.digests["classifier", cell.surrogate],
            "labels": rows_digest(answers.labels),
        }
    return digest(record)


def detection_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a detector's boxes in these rows beside the true ones."""
    boxes = boxes_key(plan, source, answers.rows, cell.detector)
    return digest({"stage": "detection", "boxes": boxes})


def points_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a landmarker's points for the true faces of these rows."""
    if cell.landmarker is None:
        raise ValueError(f"{cell} has no landmarker")
    return digest(
        {
            "stage": "points",
            "boxes": boxes_key(plan, source, answers.rows, cell.detector),
            "landmarker": plan.digests["landmarker", cell.landmarker],
        }
    )
