"""From found boxes to the metrics of a detector's cell. docs/metrics.md defines each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.errors import PluginError
from fxbench.metrics.detection import (
    Curve,
    average_precision,
    clustered_proportion,
    overlaps,
    pair,
    precision_recall,
)
from fxbench.metrics.intervals import without_interval
from fxbench.types import Float32, Int64, check_array

IOU = 0.5
"""The overlap that a box needs to be right."""

LENIENT_IOU = 0.3
"""The same where what a detector draws its box around is not held against it."""

CURVE_POINTS = 100
"""At how many scores, at most, the curve of precision over recall is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """What a detector found in images whose true faces are all known.

    Attributes:
        rows: int64 (N,), the rows of the images, each once. An image without a face is one of them
            if that is known; one whose faces are not known is not.
        truth_row: int64 (T,), the image of each true face, one of `rows`.
        truth_xyxy: float32 (T, 4), the box of each, pixels.
        row: int64 (M,), the image of each box that was found, one of `rows`.
        xyxy: float32 (M, 4), pixels.
        score: float32 (M,), higher is surer.
    """

    rows: Int64
    truth_row: Int64
    truth_xyxy: Float32
    row: Int64
    xyxy: Float32
    score: Float32

    def __post_init__(self) -> None:
        check_array("Detected.rows", self.rows, np.int64, (None,))
        if len(np.unique(self.rows)) != len(self.rows):
            raise PluginError("Detected.rows names an image twice: each must stand there once.")
        for rows, boxes in (("truth_row", "truth_xyxy"), ("row", "xyxy")):
            of, xyxy = getattr(self, rows), getattr(self, boxes)
            check_array(f"Detected.{rows}", of, np.int64, (None,))
            check_array(f"Detected.{boxes}", xyxy, np.float32, (len(of), 4))
            foreign = of[~np.isin(of, self.rows)]
            if len(foreign):
                raise PluginError(
                    f"Detected.{rows} holds the image {foreign[0]}, which is not in Detected.rows: "
                    "leave out the boxes of images that don't count."
                )
            if not np.isfinite(xyxy).all():
                raise PluginError(
                    f"Detected.{boxes} holds a coordinate that is not finite: leave out the images "
                    "whose true boxes are not known."
                )
        check_array("Detected.score", self.score, np.float32, (len(self.row),))
        if not np.isfinite(self.score).all():
            raise PluginError("Detected.score holds a score that is not finite.")


def score_detections(detected: Detected, *, scored: bool) -> dict[str, Any]:
    """The metrics of a detector's cell, ready for JSON.

    Args:
        detected: what was found.
        scored: whether the scores mean anything; without them there is no average precision and no
            curve.

    Returns:
        `images` (`n`, `faces`, `found`), `metrics` by name, and `curve`: precision and recall at
        falling scores, None where there is nothing to draw. What has no meaning for the detector is
        left out.
    """
    images = np.sort(detected.rows)
    image, true_image = (np.searchsorted(images, row) for row in (detected.row, detected.truth_row))
    boxes = np.bincount(image, minlength=len(images))
    faces = np.bincount(true_image, minlength=len(images))
    pairs = overlaps(image, detected.xyxy, true_image, detected.truth_xyxy, LENIENT_IOU)
    metrics: dict[str, Any] = {}
    found, curve = 0, None
    for threshold, name in ((IOU, ""), (LENIENT_IOU, "_30")):
        face = pair(pairs, detected.score, detected.xyxy, detected.truth_xyxy, threshold)
        right = face >= 0
        hits = np.bincount(image[right], minlength=len(images))
        if scored:
            metrics[f"average_precision_{round(100 * threshold)}"] = average_precision(
                detected.score, right, len(true_image)
            )
        metrics[f"precision{name}"] = clustered_proportion(hits, boxes)
        metrics[f"recall{name}"] = clustered_proportion(hits, faces)
        if threshold == IOU:
            found = int(right.sum())
            wrong = (len(image) - found) / len(images) if len(images) else None
            metrics["false_positives_per_image"] = without_interval(wrong, len(images))
            if scored and len(image) and len(true_image):
                curve = _stored(precision_recall(detected.score, right, len(true_image)))
    return {
        "images": {"n": len(images), "faces": len(true_image), "found": found},
        "metrics": metrics,
        "curve": curve,
    }


def _stored(curve: Curve) -> dict[str, list[float]]:
    """Some points of the curve, its first and its last among them, evenly along its length."""
    steps = np.abs(np.diff(curve.recall)) + np.abs(np.diff(curve.precision))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    kept = np.arange(len(length))
    if len(kept) > CURVE_POINTS:
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], CURVE_POINTS)))
    return {
        "recall": curve.recall[kept].tolist(),
        "precision": curve.precision[kept].tolist(),
        "score": curve.score[kept].tolist(),
    }
