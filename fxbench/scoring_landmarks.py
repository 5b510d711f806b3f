"""From located points to the metrics of a landmarker's cell. docs/metrics.md defines each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.metrics.intervals import proportion
from fxbench.metrics.landmarks import (
    LIMIT,
    auc,
    cumulative_errors,
    failure_rate,
    inter_ocular,
    inter_pupil,
    mean_error,
    nme,
)
from fxbench.types import Bool, Float32, Float64, Int64

CURVE_STEPS = 41
"""At how many errors from 0 to twice the limit the cumulative error curve is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """What a landmarker answered, one row for each true face.

    Attributes:
        row: int64 (T,), the image that each face is in.
        found: bool (T,), whether the detector found the face.
        points: float32 (T, P, 2), pixels; NaN where the face was missed or not located.
        truth: float32 (T, Q, 2), the true points.
        truth_scheme: of those.
        shared: which points of each the schemes share, two sequences of equal length, from
            :func:`fxbench.schemes.shared_points`.
    """

    row: Int64
    found: Bool
    points: Float32
    truth: Float32
    truth_scheme: str
    shared: Sequence[Sequence[Sequence[int]]]


def averaged(points: Float32, groups: Sequence[Sequence[int]]) -> Float32:
    """The mean of each group of points; a point by itself stays exactly as it is.

    Args:
        points: float32 (M, P, 2).
        groups: G groups of indices below P, from :func:`fxbench.schemes.shared_points`.

    Returns:
        float32 (M, G, 2); NaN where a point of the group is.
    """
    means = np.empty((len(points), len(groups), 2), np.float32)
    for index, group in enumerate(groups):
        means[:, index] = points[:, list(group)].mean(axis=1, dtype=np.float64)
    return means


def score_landmarks(located: Located, images: int) -> dict[str, Any]:
    """The metrics of a landmarker's cell, ready for JSON.

    Args:
        located: the answers.
        images: how many images they are from.

    Returns:
        `images` (`n`, `faces`, `found`), `metrics` by name, `points` (how many the schemes share)
        and `curve`: the cumulative error curve of `nme_inter_ocular`. What can't be normalised for
        want of the eyes' points in the truth is left out.
    """
    own, true = located.shared
    predicted, truth = averaged(located.points, own), averaged(located.truth, true)
    faces = len(located.found)
    metrics: dict[str, Any] = {"detection_rate": proportion(int(located.found.sum()), faces)}
    curve = None
    for name, distance in (("inter_ocular", inter_ocular), ("inter_pupil", inter_pupil)):
        normaliser = distance(located.truth, located.truth_scheme)
        if normaliser is None:
            continue
        errors = nme(predicted, truth, normaliser)
        metrics[f"nme_{name}"] = mean_error(errors)
        if name == "inter_ocular":
            metrics["failure_rate"] = failure_rate(errors)
            metrics["auc"] = auc(errors)
            curve = _curve(errors)
    return {
        "images": {"n": images, "faces": faces, "found": int(located.found.sum())},
        "metrics": metrics,
        "points": len(own),
        "curve": curve,
    }


def _curve(errors: Float64) -> dict[str, list[float]] | None:
    if np.isnan(errors).all():
        return None
    thresholds = np.linspace(0, 2 * LIMIT, CURVE_STEPS)
    return {
        "error": thresholds.tolist(),
        "share": cumulative_errors(errors, thresholds).tolist(),
    }
