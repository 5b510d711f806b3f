"""The attack `fgsm`, on a toy model whose gradient is known."""

from __future__ import annotations

import numpy as np
import pytest
from fxbench_fgsm import create, fxbench_attacks

from fxbench.protocols import Attack
from fxbench.types import FaceSpec

SEEDS = np.zeros(2, np.int64)
EPSILON = 8 / 255


class Linear:
    """Two classes from the sum of weighted pixels: softmax of (w.x, 0)."""

    labels = ("neutral", "happiness")
    face = FaceSpec(2)

    def __init__(self) -> None:
        self.weights = np.array([1, -2, 0, 3, -4, 0, 5, -6, 0, 7, -8, 0], np.float32)
        self.weights = self.weights.reshape(2, 2, 3) / 10
        self.calls = 0

    def first(self, faces):
        return 1 / (1 + np.exp(-(faces * self.weights).sum((1, 2, 3))))

    def predict(self, faces):
        first = self.first(faces / np.float32(255))
        return np.stack([first, 1 - first], 1).astype(np.float32)

    def gradient(self, faces, targets):
        self.calls += 1
        slope = self.first(faces) - targets[:, 0]
        return (slope[:, None, None, None] * self.weights).astype(np.float32)


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(0.2, 0.8, (2, 2, 2, 3)).astype(np.float32)


TARGETS = np.array([[1, 0], [0, 1]], np.float32)


def test_component_is_a_fixed_budget_attack():
    (component,) = fxbench_attacks()
    assert component.name == "fgsm"
    assert "fixed" in component.traits
    assert "minimum" not in component.traits
    assert component.requires == ()
    attack = component.factory()
    assert isinstance(attack, Attack)
    assert attack.norm == "linf"


def test_step_is_epsilon_against_the_right_label(faces):
    model = Linear()
    found = create().perturb(model, faces, TARGETS, epsilon=EPSILON, seeds=SEEDS)
    # Class 0 grows with w.x, so it is left by going down w, class 1 by going up.
    sign = np.sign(model.weights) * np.array([-1, 1], np.float32)[:, None, None, None]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found - faces, EPSILON * sign, atol=1e-7)
    assert model.calls == 1


def test_pixels_without_gradient_stay(faces):
    found = create().perturb(Linear(), faces, TARGETS, epsilon=EPSILON, seeds=SEEDS)
    np.testing.assert_array_equal(found[..., 2], faces[..., 2])


def test_loss_rises(faces):
    model = Linear()
    found = create().perturb(model, faces, TARGETS, epsilon=EPSILON, seeds=SEEDS)
    before, after = model.first(faces), model.first(found)
    assert after[0] < before[0]
    assert after[1] > before[1]


def test_epsilon_zero_gives_the_faces_back_without_asking_the_model(faces):
    model = Linear()
    found = create().perturb(model, faces, TARGETS, epsilon=0.0, seeds=SEEDS)
    np.testing.assert_array_equal(found, faces)
    assert found is not faces
    assert model.calls == 0


def test_no_face_is_no_work(faces):
    model = Linear()
    found = create().perturb(model, faces[:0], TARGETS[:0], epsilon=EPSILON, seeds=SEEDS[:0])
    assert found.shape == (0, 2, 2, 3)
    assert model.calls == 0


def test_a_face_depends_on_no_other(faces):
    together = create().perturb(Linear(), faces, TARGETS, epsilon=EPSILON, seeds=SEEDS)
    alone = create().perturb(Linear(), faces[1:], TARGETS[1:], epsilon=EPSILON, seeds=SEEDS[1:])
    np.testing.assert_array_equal(together[1:], alone)


def test_faces_are_not_changed(faces):
    kept = faces.copy()
    faces.flags.writeable = False
    create().perturb(Linear(), faces, TARGETS, epsilon=EPSILON, seeds=SEEDS)
    np.testing.assert_array_equal(faces, kept)
