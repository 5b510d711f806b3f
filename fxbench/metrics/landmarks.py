"""How far located landmarks are from the true ones.

The error of a face is its normalised mean error (NME): the mean distance of its points from the
true ones, in units of a distance of the true face, so that faces of all sizes count alike. A face
that was not found, or whose points were not located, has an infinite error: it is a failure and
adds nothing to the area under the curve. A face whose true points allow no error has the error NaN
and counts nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench import schemes
from fxbench.metrics.intervals import Estimate, proportion, without_interval

if TYPE_CHECKING:
    from fxbench.types import Float32, Float64

LIMIT = 0.08
"""The largest inter-ocular error that is no failure, and where the area under the curve ends."""

_OUTER_CORNERS = ("right_eye_outer_corner", "left_eye_outer_corner")
_CENTRES = ("right_eye_centre", "left_eye_centre")


def nme(predicted: Float32, truth: Float32, normaliser: Float64) -> Float64:
    """The normalised mean error of each face.

    The mean over the points of their Euclidean distance, divided by `normaliser`: Sagonas,
    Tzimiropoulos, Zafeiriou & Pantic (2013), 300 faces in-the-wild challenge: the first facial
    landmark localization challenge, ICCV Workshops; Sagonas, Antonakos, Tzimiropoulos, Zafeiriou &
    Pantic (2016), 300 faces in-the-wild challenge: database and results, Image and Vision Computing
    47, 3-18.

    Args:
        predicted: (M, P, 2), pixels; a row that holds NaN was not located.
        truth: (M, P, 2), the true points in the same order.
        normaliser: (M,), pixels, from the true face, see :func:`inter_ocular`.

    Returns:
        float64 (M,), at least 0; infinite where nothing was located, NaN where the true points
        are not all known or the normaliser is not a positive number.

    Raises:
        ValueError: the shapes differ.
    """
    if predicted.shape != truth.shape or truth.ndim != 3 or truth.shape[2] != 2:
        raise ValueError(
            f"Predicted {predicted.shape} and true points {truth.shape} must both be (M, P, 2)."
        )
    if normaliser.shape != truth.shape[:1] or not truth.shape[1]:
        raise ValueError(
            f"{len(truth)} faces of {truth.shape[1]} points need one normaliser each and at least "
            f"one point; there are {normaliser.shape} normalisers."
        )
    known = np.isfinite(truth).all(axis=(1, 2)) & np.isfinite(normaliser) & (normaliser > 0)
    located = np.isfinite(predicted).all(axis=(1, 2))
    errors = np.where(known, np.inf, np.nan)
    rows = known & located
    offset = predicted[rows].astype(np.float64) - truth[rows]
    errors[rows] = np.hypot(offset[..., 0], offset[..., 1]).mean(axis=1) / normaliser[rows]
    return errors


def inter_ocular(truth: Float32, scheme: str) -> Float64 | None:
    """The distance of the outer corners of the eyes, points 36 and 45 of `300w-68`.

    The normaliser of 300-W (Sagonas et al. 2013 and 2016).

    Args:
        truth: (M, P, 2), all the true points of each face.
        scheme: of those points.

    Returns:
        float64 (M,), pixels; NaN where a corner is not known. None where the scheme has no such
        points.
    """
    index = schemes.indices(scheme, _OUTER_CORNERS)
    if index is None:
        return None
    exact = truth.astype(np.float64)
    return _distance(exact[:, index[0]], exact[:, index[1]])


def inter_pupil(truth: Float32, scheme: str) -> Float64 | None:
    """The distance of the centres of the eyes, in `300w-68` the mean of the six points around each.

    Ren, Cao, Wei & Sun (2014), Face alignment at 3000 FPS via regressing local binary features,
    CVPR, normalise by the distance of the pupils; `300w-68` has none, and the mean of an eye's
    points (36-41, 42-47) stands for its pupil.

    Args:
        truth: (M, P, 2), all the true points of each face.
        scheme: of those points.

    Returns:
        float64 (M,), pixels; NaN where a point is not known. None where the scheme has no such
        points.
    """
    eyes = schemes.groups(scheme, _CENTRES)
    if eyes is None:
        return None
    exact = truth.astype(np.float64)
    right, left = (exact[:, list(eye)].mean(axis=1) for eye in eyes)
    return _distance(right, left)


def mean_error(errors: Float64) -> Estimate:
    """The mean error over the faces that were located; `n` is how many those are.

    It leaves out the faces that were not: read it beside :func:`failure_rate`.

    Args:
        errors: float64 (M,), from :func:`nme`.
    """
    located = errors[np.isfinite(errors)]
    return without_interval(float(located.mean()) if len(located) else None, len(located))


def cumulative_errors(errors: Float64, thresholds: Float64) -> Float64:
    """The cumulative error curve: the share of faces whose error is at most each threshold.

    Args:
        errors: float64 (M,), from :func:`nme`.
        thresholds: float64 (T,).

    Returns:
        float64 (T,), from 0 to 1; NaN where no face counts.
    """
    counted = np.sort(_counted(errors))
    if not len(counted):
        return np.full(len(thresholds), np.nan)
    shares: Float64 = np.searchsorted(counted, thresholds, side="right") / len(counted)
    return shares


def auc(errors: Float64, limit: float = LIMIT) -> Estimate:
    """The area under the cumulative error curve from 0 to `limit`, divided by `limit`.

    Yang, Jia, Loy & Robinson (2015), An empirical study of recent face alignment methods,
    arXiv:1511.05049. The curve is a staircase, so its area is summed exactly: a face with the
    error e below the limit adds 1 - e / limit. From 0 to 1, higher is better.

    Args:
        errors: float64 (M,), from :func:`nme`; an infinite one adds nothing.
        limit: above 0.
    """
    counted = _counted(errors)
    if not len(counted):
        return without_interval(None, 0)
    area = np.clip(1 - counted / _checked(limit), 0, 1).mean()
    return without_interval(float(area), len(counted))


def failure_rate(errors: Float64, limit: float = LIMIT) -> Estimate:
    """The share of faces whose error is above `limit`; a face that was not located is one.

    Trigeorgis, Snape, Nicolaou, Antonakos & Zafeiriou (2016), Mnemonic descent method, CVPR:
    inter-ocular, at 0.08.

    Args:
        errors: float64 (M,), from :func:`nme`.
        limit: above 0.
    """
    counted = _counted(errors)
    return proportion(int((counted > _checked(limit)).sum()), len(counted))


def _counted(errors: Float64) -> Float64:
    counted: Float64 = errors[~np.isnan(errors)]
    return counted


def _checked(limit: float) -> float:
    if not 0 < limit < np.inf:
        raise ValueError(f"The limit of an error must be above 0 and finite, not {limit}.")
    return limit


def _distance(a: Float64, b: Float64) -> Float64:
    offset = a - b
    distance: Float64 = np.hypot(offset[:, 0], offset[:, 1])
    return distance
