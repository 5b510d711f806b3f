"""The errors of landmarks, on faces small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fxbench.metrics.landmarks import (
    auc,
    cumulative_errors,
    failure_rate,
    inter_ocular,
    inter_pupil,
    mean_error,
    nme,
)

some_errors = arrays(
    np.float64,
    st.integers(1, 30),
    elements=st.one_of(st.floats(0, 0.3), st.just(np.inf), st.just(0.08)),
)


def face(**points: tuple[float, float]) -> np.ndarray:
    """One face of 68 points at the origin, apart from those given as `p36=(x, y)`."""
    xy = np.zeros((1, 68, 2), np.float32)
    for name, point in points.items():
        xy[0, int(name[1:])] = point
    return xy


# Normalisers


def test_inter_ocular_is_the_distance_of_points_36_and_45():
    truth = face(p36=(10, 20), p45=(13, 24), p39=(99, 99), p42=(-50, 7))
    assert inter_ocular(truth, "300w-68").tolist() == [5]


def test_inter_pupil_is_the_distance_of_the_means_of_six_points():
    right = {f"p{i}": (6.0 * (i == 36), 0) for i in range(36, 42)}  # their mean is (1, 0)
    left = {f"p{i}": (4, 6.0 * (i - 41.5)) for i in range(42, 48)}  # (4, 18)
    expected = np.hypot(3, 18)
    assert inter_pupil(face(**right, **left), "300w-68") == pytest.approx([expected])


def test_normalisers_of_other_schemes():
    truth = np.array([[(30, 0), (20, 0), (0, 40), (10, 0), (15, 10)]], np.float32)
    assert inter_ocular(truth, "dlib-5").tolist() == [50]
    assert inter_pupil(truth, "dlib-5") is None
    assert inter_ocular(truth, "vendor-5") is None


def test_inter_pupil_of_a_scheme_that_has_the_eyes_centres():
    truth = np.array([[(10, 0), (13, 4), (0, 0), (1, 1), (2, 2)]], np.float32)
    assert inter_pupil(truth, "yunet-5").tolist() == [5]
    assert inter_ocular(truth, "yunet-5") is None


def test_normalisers_of_unknown_points_are_nan():
    truth = face(p36=(np.nan, np.nan), p45=(1, 1))
    assert np.isnan(inter_ocular(truth, "300w-68")).all()
    assert np.isnan(inter_pupil(truth, "300w-68")).all()


# The error of a face


def test_nme_is_the_mean_distance_in_units_of_the_normaliser():
    truth = np.zeros((2, 2, 2), np.float32)
    predicted = np.array([[(3, 4), (0, 0)], [(0, 1), (0, 2)]], np.float32)
    errors = nme(predicted, truth, np.array([10.0, 3.0]))
    assert errors.dtype == np.float64
    assert errors == pytest.approx([2.5 / 10, 1.5 / 3])


def test_a_missed_face_is_an_infinite_error():
    predicted = np.full((2, 2, 2), np.nan, np.float32)
    predicted[1, 0] = 0  # half a face is not located either
    assert nme(predicted, np.zeros((2, 2, 2), np.float32), np.ones(2)).tolist() == [np.inf, np.inf]


def test_a_face_without_truth_has_no_error():
    zeros = np.zeros((4, 1, 2), np.float32)
    truth = zeros.copy()
    truth[0, 0, 1] = np.nan
    errors = nme(zeros, truth, np.array([1.0, np.nan, 0.0, 2.0]))
    assert np.isnan(errors).tolist() == [True, True, True, False]
    # not even where it was missed
    assert np.isnan(nme(np.full_like(truth, np.nan), truth, np.ones(4))).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_no_faces():
    assert nme(np.zeros((0, 68, 2)), np.zeros((0, 68, 2)), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("predicted", "truth", "normaliser"),
    [
        ((1, 5, 2), (1, 68, 2), (1,)),
        ((2, 5, 2), (1, 5, 2), (1,)),
        ((5, 2), (5, 2), (5,)),
        ((1, 5, 3), (1, 5, 3), (1,)),
        ((2, 5, 2), (2, 5, 2), (1,)),
        ((2, 0, 2), (2, 0, 2), (2,)),
    ],
)
def test_shapes_that_do_not_fit(predicted, truth, normaliser):
    with pytest.raises(ValueError, match=r"must both be|need one normaliser each"):
        nme(np.zeros(predicted), np.zeros(truth), np.ones(normaliser))


# Over many faces

ERRORS = np.array([0.02, 0.04, 0.08, 0.1, np.inf, np.nan])


def test_mean_error_is_over_the_located_faces():
    estimate = mean_error(ERRORS)
    assert estimate["value"] == pytest.approx(0.06)
    assert estimate["n"] == 4


def test_the_curve_is_the_share_at_or_below_each_threshold():
    curve = cumulative_errors(ERRORS, np.array([0, 0.02, 0.05, 0.08, 0.2, 1e9]))
    assert curve.tolist() == [0, 1 / 5, 2 / 5, 3 / 5, 4 / 5, 4 / 5]


def test_auc_by_hand():
    # three quarters, half, nothing, nothing, nothing
    estimate = auc(ERRORS)
    assert estimate["value"] == pytest.approx(1.25 / 5)
    assert estimate["n"] == 5
    assert auc(ERRORS, 0.04)["value"] == pytest.approx(0.5 / 5)
    assert auc(np.zeros(3))["value"] == 1
    assert auc(np.full(3, np.inf))["value"] == 0


def test_failures_are_above_the_limit_or_missed():
    estimate = failure_rate(ERRORS)
    assert estimate["value"] == pytest.approx(2 / 5)
    assert estimate["n"] == 5
    assert 0 < estimate["low"] < 0.4 < estimate["high"] < 1
    assert failure_rate(ERRORS, 0.03)["value"] == pytest.approx(4 / 5)


def test_nothing_to_count():
    nothing = np.array([np.nan])
    for metric in (mean_error, auc, failure_rate):
        assert metric(nothing) == {"value": None, "low": None, "high": None, "n": 0}
    assert mean_error(np.array([np.inf]))["value"] is None
    assert np.isnan(cumulative_errors(nothing, np.array([0.1]))).all()


@pytest.mark.parametrize("limit", [0, -1, np.inf, np.nan])
@pytest.mark.parametrize("metric", [auc, failure_rate])
def test_a_limit_that_is_none(metric, limit):
    with pytest.raises(ValueError, match="above 0 and finite"):
        metric(ERRORS, limit)


@given(some_errors)
def test_auc_is_the_area_of_the_staircase(errors):
    steps = np.linspace(0, 0.08, 4001)
    middles = (steps[1:] + steps[:-1]) / 2
    assert auc(errors)["value"] == pytest.approx(
        cumulative_errors(errors, middles).mean(), abs=2e-4
    )


@given(some_errors)
def test_the_curve_ends_where_the_failures_begin(errors):
    end = cumulative_errors(errors, np.array([0.08]))[0]
    assert failure_rate(errors)["value"] == pytest.approx(1 - end)
    assert auc(errors)["value"] <= end + 1e-12
