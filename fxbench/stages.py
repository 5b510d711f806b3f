"""The keys of a plan's stages: what each chunk's result depends on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.keys import core_digest, digest, rows_digest

if TYPE_CHECKING:
    from fxbench.cells import Cell, Scene
    from fxbench.plan import Plan
    from fxbench.sources import Source
    from fxbench.types import Answers, Float32, Int64


def boxes_key(plan: Plan, source: Source, rows: Int64, scene: Scene) -> str:
    """The key of the boxes that a detector finds in these rows, corrupted or not."""
    record: dict[str, Any] = {
        "stage": "boxes",
        "core": core_digest(),
        "source": source.key,
        "rows": rows_digest(rows),
        "detector": plan.digests["detector", scene.detector],
    }
    if scene.corruption is not None:
        record |= {
            "corruption": plan.digests["corruption", scene.corruption],
            "severity": scene.severity,
        }
    if scene.every is not None:
        record["every"] = scene.every
    if scene.landmarker is not None:
        record |= {"placed by": plan.digests["landmarker", scene.landmarker]}
    return digest(record)


def result_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of what a cell's last stage gives for these rows."""
    keys = {
        "classifier": outputs_key,
        "landmarker": points_key,
        "detector": detection_key,
        "spotter": intervals_key,
    }
    return keys[cell.kind](plan, source, answers, cell)


def outputs_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a classifier's outputs for the faces of these rows, attacked or not."""
    if cell.classifier is None:
        raise ValueError(f"{cell} has no classifier")
    record: dict[str, Any] = {
        "stage": "outputs",
        "boxes": boxes_key(plan, source, answers.rows, cell.scene),
        "classifier": plan.digests["classifier", cell.classifier],
    }
    if cell.attack is None:
        record |= _alignment(plan, cell)
    else:
        # Which images are attacked depends on all that were selected, of those of other chunks too.
        chosen = source.subset(cell.subset)
        chosen = chosen[np.isin(chosen, answers.rows)]
        labels = answers.labels[np.searchsorted(answers.rows, chosen)]
        record["faces"] = perturbation_key(plan, source, chosen, labels, cell)
        # Of one that finds the smallest change, every epsilon is derived from the same faces.
        record["epsilon"] = cell.epsilon
    return digest(record)


def perturbation_key(plan: Plan, source: Source, rows: Int64, labels: Int64, cell: Cell) -> str:
    """The key of the adversarial faces that are made of these rows, for whatever target.

    Args:
        plan: with the components' digests.
        source: of the images.
        rows: int64 (N,), the images.
        labels: int64 (N,), what is right about them.
        cell: any with that attack.
    """
    if cell.attack is None or cell.surrogate is None:
        raise ValueError(f"{cell} has no attack")
    attack = plan.registry.get("attack", cell.attack).component
    return digest(
        {
            "stage": "attack",
            "boxes": boxes_key(plan, source, rows, cell.scene),
            "attack": plan.digests["attack", cell.attack],
            "norm": cell.norm,
            "epsilon": None if "minimum" in attack.traits else cell.epsilon,
            "surrogate": plan.digests["classifier", cell.surrogate],
            "labels": rows_digest(labels),
            "target_label": cell.target_label,
            **_alignment(plan, cell),
        }
    )


def _alignment(plan: Plan, cell: Cell) -> dict[str, Any]:
    if cell.align is None or cell.landmarker is None:
        return {}
    return {"align": cell.align, "landmarker": plan.digests["landmarker", cell.landmarker]}


def detection_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a detector's boxes in these rows beside the true ones."""
    boxes = boxes_key(plan, source, answers.rows, cell.scene)
    return digest({"stage": "detection", "boxes": boxes})


def points_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of a landmarker's points for the true faces of these rows."""
    if cell.landmarker is None:
        raise ValueError(f"{cell} has no landmarker")
    return digest(
        {
            "stage": "points",
            "boxes": boxes_key(plan, source, answers.rows, cell.scene),
            "landmarker": plan.digests["landmarker", cell.landmarker],
        }
    )


def followed_key(plan: Plan, source: Source, rows: Int64, xyxy: Float32, cell: Cell) -> str:
    """The key of a landmarker's points for the faces that are followed through a video.

    Args:
        plan: with the components' digests.
        source: of the videos.
        rows: int64 (M,), the frames of a batch that have such a face.
        xyxy: float32 (M, 4), where it is: that depends on the frames before.
        cell: any with that landmarker behind that detector.
    """
    return digest(
        {
            "stage": "followed",
            "boxes": boxes_key(plan, source, rows, cell.scene),
            "xyxy": hashlib.sha256(np.ascontiguousarray(xyxy, "<f4").tobytes()).hexdigest(),
            "landmarker": plan.digests["landmarker", str(cell.landmarker)],
        }
    )


def intervals_key(plan: Plan, source: Source, answers: Answers, cell: Cell) -> str:
    """The key of what a spotter finds in the videos of these rows."""
    if cell.spotter is None:
        raise ValueError(f"{cell} has no spotter")
    given = {"landmarker": cell.landmarker, "classifier": cell.classifier}
    wanted = {kind: plan.digests[kind, name] for kind, name in given.items() if name is not None}
    return digest(
        {
            "stage": "intervals",
            "boxes": boxes_key(plan, source, answers.rows, cell.scene),
            "spotter": plan.digests["spotter", cell.spotter],
            "fps": source.fps,
            **wanted,
        }
    )
