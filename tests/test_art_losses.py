"""The losses of AutoAttack and their gradients, against numerical derivatives; without ART."""

from __future__ import annotations

import numpy as np
import pytest
from fxbench_art.asking import Judge, first_square, levels_of
from fxbench_art.losses import CrossEntropy, LogitsRatio, gradient

from fxbench.attacked import QueriesSpentError, QueryModel, WhiteBox, to_pixels
from fxbench.testing.surrogate import Surrogate, attack_inputs

GOALS = np.array([0, 3, 5])


def logs_of(pixels):
    """Of the kit's surrogate, before rounding: float64 (M, 8) of float64 faces."""
    model = Surrogate()
    return np.log(np.stack([model._forward(face)[1] for face in pixels]))


def losses(outputs=8):
    goals = GOALS % outputs
    return {
        "cross-entropy": CrossEntropy(1, targeted=False),
        "cross-entropy towards": CrossEntropy(1, targeted=True),
        "ratio": LogitsRatio(goals, 1),
        "ratio towards": LogitsRatio(goals, None),
    }


@pytest.mark.parametrize("outputs", [2, 3, 4, 8])
@pytest.mark.parametrize("name", list(losses()))
def test_slopes_are_the_numerical_derivative(name, outputs):
    loss = losses(outputs)[name]
    logits = np.random.default_rng(3).normal(size=(3, outputs)) * 2
    slopes = loss.slopes(logits)
    for column in range(outputs):
        step = np.zeros(outputs)
        step[column] = 1e-6
        numerical = (loss.values(logits + step) - loss.values(logits - step)) / 2e-6
        np.testing.assert_allclose(slopes[:, column], numerical, rtol=1e-5, atol=1e-7)


def test_the_ratio_is_that_of_the_paper():
    logits = np.array([[4.0, 1.0, 3.0, -2.0, 0.0]])
    # From label 0 to label 1: -(4 - 1) / (4 - (1 + 0) / 2).
    np.testing.assert_allclose(LogitsRatio(np.array([1]), 0).values(logits), -3 / 3.5)
    # Towards label 3, whichever holds now.
    np.testing.assert_allclose(LogitsRatio(np.array([3]), None).values(logits), -6 / 3.5)
    # The largest itself is the goal: what is left is the runner-up.
    np.testing.assert_allclose(LogitsRatio(np.array([0]), None).values(logits), 1 / 3.5)


@pytest.mark.parametrize("name", list(losses()))
def test_the_ratio_knows_neither_shift_nor_scale(name):
    if not name.startswith("ratio"):
        pytest.skip("cross-entropy does")
    loss = losses()[name]
    logits = np.random.default_rng(4).normal(size=(3, 8))
    np.testing.assert_allclose(loss.values(5 * logits + 3), loss.values(logits), rtol=1e-9)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("name", list(losses()))
def test_the_gradient_is_the_numerical_derivative(name, targeted):
    loss = losses()[name]
    _, faces, _, _ = attack_inputs(3)
    taken = []
    model = WhiteBox(Surrogate(), targeted=targeted, counted=taken.append)
    pixels = faces.astype(np.float64)
    found = gradient(model, faces, loss.slopes(logs_of(pixels)))
    assert taken == [3 if name.startswith("cross") else 6]
    random = np.random.default_rng(5)
    for _ in range(20):
        direction = random.normal(size=pixels.shape)
        values = [loss.values(logs_of(pixels + sign * 1e-5 * direction)) for sign in (1, -1)]
        numerical = (values[0] - values[1]) / 2e-5
        np.testing.assert_allclose(
            (found * direction).sum(axis=(1, 2, 3)), numerical, rtol=1e-3, atol=1e-5
        )


def judge_of(**settings):
    _, faces, targets, _ = attack_inputs(1)
    model = QueryModel(
        Surrogate(), to_pixels(faces[0]), int(targets[0].argmax()), norm="linf", budget=50
    )
    return Judge(model, faces[0], targets[0], **settings), model, faces


def test_what_was_asked_once_is_not_asked_again():
    judge, model, faces = judge_of()
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (3, *faces.shape[1:]))
    three = judge.pixels((faces + noise).astype(np.float32))
    first = judge.logs(three)
    assert model.used == 3
    np.testing.assert_array_equal(judge.logs(three[[2, 0, 0]]), first[[2, 0, 0]])
    assert model.used == 3
    judge.logs(np.concatenate([three, judge.clean[None], judge.clean[None]]))
    assert model.used == 4


def test_nobody_asks_the_same_for_ever():
    judge, _, _ = judge_of(patience=10)
    for _ in range(11):
        judge.logs(judge.clean[None])
    with pytest.raises(QueriesSpentError, match="nothing new"):
        judge.logs(judge.clean[None])


def test_variants_stay_within_whole_grey_levels():
    judge, _, faces = judge_of(levels=levels_of(0.01))
    # 0.01 is 2.55 grey levels, and rounding would make 3 of it.
    for change in (0.01, -0.01, 0.5):
        variants = judge.pixels(faces + np.float32(change)).astype(int)
        assert np.abs(variants - judge.clean).max() == 2


@pytest.mark.parametrize("targeted", [False, True])
def test_margins_are_negative_where_the_classifier_is_fooled(targeted):
    judge, _, _ = judge_of()
    judge.targeted = targeted
    logs = np.log(np.random.default_rng(1).dirichlet(np.ones(8), 40))
    logs[0] = np.log(1 / 8)  # all alike: the first output wins
    reached = logs.argmax(axis=1) == judge.column
    assert 0 < reached.sum() < 40
    np.testing.assert_array_equal(judge.margins(logs) < 0, reached == targeted)
    others = np.delete(logs, judge.column, axis=1).max(axis=1)
    np.testing.assert_allclose(
        np.abs(judge.margins(logs)), np.abs(logs[:, judge.column] - others).clip(1e-6)
    )


@pytest.mark.parametrize(("epsilon", "levels"), [(0, 0), (0.9 / 255, 0), (2 / 255, 2), (0.01, 2)])
def test_the_budget_is_whole_grey_levels(epsilon, levels):
    assert levels_of(epsilon) == levels


def test_the_first_square_fits():
    assert first_square(48) == 0.8
    for size in range(2, 9):
        assert round(np.sqrt(first_square(size)) * size) < size
