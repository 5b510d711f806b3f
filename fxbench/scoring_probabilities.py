"""From a classifier's probabilities to its Brier score, calibration, risk and soft-label scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.metrics import soft
from fxbench.metrics.bootstrap import drawn_sums, from_zero, percentile
from fxbench.metrics.calibration import bins_of, calibrated_errors, reliability
from fxbench.metrics.intervals import CONFIDENCE, Estimate, without_interval
from fxbench.metrics.probabilities import brier_scores, risk_coverage
from fxbench.outputs import by_emotion
from fxbench.types import Answers, Bool, Float64, Int64

POINTS = 20
"""Of a curve of risk against coverage in a record."""

_CALIBRATED_DRAWS = 250
_DIGITS = 5
"""Of the points of diagrams: nobody reads more of them."""


def score_probabilities(
    answers: Answers,
    found: Bool,
    outputs: Float64,
    labels: tuple[str | None, ...],
    correct: Bool,
    units: Int64,
) -> dict[str, Any]:
    """The metrics of probabilities, over found faces, ready for JSON.

    Args:
        answers: what is right, N images.
        found: bool (N,), whether a face was found.
        outputs: float64 (N, K), the probabilities; a row is meaningless where no face was found.
        labels: the K emotions that they mean, None for one without counterpart.
        correct: bool (N,), whether the top answer is right.
        units: int64 (N,), what is drawn together for intervals: see
            :func:`fxbench.metrics.bootstrap.units_of`.

    Returns:
        `metrics`: against the right label `brier`, `ece`, `ece_calibrated` and `aurc`; where there
        are votes and all eight labels also `cross_entropy` and `kl`. `calibration` (`count`,
        `confidence` and `accuracy` of each bin) and `risk_coverage` (`coverage` and `risk`).
    """
    counted = found & (answers.labels >= 0)
    right = correct[counted]
    sure = outputs[counted].max(axis=1, initial=0.0).clip(0.0, 1.0)
    brier = brier_scores(outputs[counted], labels, answers.labels[counted])
    metrics = _against_labels(counted, sure, right, brier, units)
    if answers.distribution is not None and set(EMOTIONS) <= set(labels):
        voted = found & ~np.isnan(answers.distribution).any(axis=1)
        told = by_emotion(outputs[voted], labels)
        losses = soft.losses(answers.distribution[voted], told)
        metrics |= zip(("cross_entropy", "kl"), _means(voted, losses, units), strict=True)
    points, risk = reliability(sure, right), risk_coverage(sure, right)
    metrics["aurc"] = without_interval(risk.area, len(sure))
    coverage, risks = risk.at(POINTS)
    return {
        "metrics": metrics,
        "calibration": {
            "count": points.count.tolist(),
            "confidence": _rounded(points.confidence),
            "accuracy": _rounded(points.accuracy),
        },
        "risk_coverage": {"coverage": _rounded(coverage), "risk": _rounded(risks)},
    }


def _means(counted: Bool, values: Float64, units: Int64) -> list[Estimate]:
    """The mean of each column of values, (C, K), over the C of N images that count."""
    return [
        percentile(None if not len(values) else float(column.mean()), drawn, len(values), there)
        for column, drawn, there in _drawn(counted, values, units)
    ]


def _against_labels(
    counted: Bool, sure: Float64, right: Bool, brier: Float64, units: Int64
) -> dict[str, Estimate]:
    """The Brier score, and the calibration error with that of a calibrated classifier."""
    bins = bins_of(sure)
    gaps = np.where(bins[:, None] == np.unique(bins), (sure - right)[:, None], 0.0)
    scored, *moved = _drawn(counted, np.column_stack([brier, gaps]), units)
    n, there = len(sure), scored[2]
    error = float(np.abs(gaps.sum(axis=0)).sum() / n) if n else None
    drawn = np.sum([np.abs(of_bin) for _, of_bin, _ in moved], axis=0)
    return {
        "brier": percentile(float(brier.mean()) if n else None, scored[1], n, there),
        **_calibration(from_zero(error, drawn, n, there), sure),
    }


def _drawn(counted: Bool, values: Float64, units: Int64) -> list[tuple[Float64, Float64, int]]:
    """Each column of values, its mean in every draw, and how many units count."""
    if not len(values):
        nothing = np.zeros(0)
        return [(nothing, nothing, 0)] * values.shape[1]
    table = np.zeros((len(counted), 1 + values.shape[1]))
    table[counted, 0] = 1
    table[counted, 1:] = values
    images, *sums = drawn_sums(units, table).T
    there = len(np.unique(units[counted]))
    nothing = np.full(len(images), np.nan)
    return [
        (column, np.divide(total, images, out=nothing.copy(), where=images > 0), there)
        for column, total in zip(values.T, sums, strict=True)
    ]


def _calibration(ece: Estimate, sure: Float64) -> dict[str, Estimate]:
    """The calibration error, and what a perfectly calibrated classifier would get.

    The interval of the former begins at 0 where chance alone often makes as much of it.
    """
    if not len(sure):
        return {"ece": ece, "ece_calibrated": without_interval(None, 0)}
    perfect = calibrated_errors(sure, draws=_CALIBRATED_DRAWS)
    low, high = np.quantile(perfect, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    calibrated = Estimate(
        value=float(perfect.mean()), low=float(low), high=float(high), n=len(sure)
    )
    if ece["low"] is not None and ece["value"] is not None and ece["value"] <= high:
        ece = Estimate(value=ece["value"], low=0.0, high=ece["high"], n=ece["n"])
    return {"ece": ece, "ece_calibrated": calibrated}


def _rounded(values: Float64) -> list[float]:
    return np.round(values, _DIGITS).tolist()  # type: ignore[no-any-return]
