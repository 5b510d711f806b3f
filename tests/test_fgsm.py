"""The attacks of one step, `fgsm` and `noise`, on a toy model whose gradient is known."""

from __future__ import annotations

import numpy as np
import pytest

from fxbench.attacked import WhiteBox
from fxbench.registry import discover
from fxbench.testing import load
from fxbench.types import FaceSpec

SEEDS = np.array([3, 4])
EPSILON = 8 / 255


class Linear:
    """Two classes from the sum of weighted pixels: softmax of (w.x, 0)."""

    labels = ("neutral", "happiness")
    face = FaceSpec(2)

    def __init__(self) -> None:
        self.weights = np.array([1, -2, 0, 3, -4, 0, 5, -6, 0, 7, -8, 0], np.float32)
        self.weights = self.weights.reshape(2, 2, 3) / 10

    def first(self, faces):
        return 1 / (1 + np.exp(-(faces * self.weights).sum((1, 2, 3))))

    def predict(self, faces):
        first = self.first(faces / np.float32(255))
        return np.stack([first, 1 - first], 1).astype(np.float32)

    def gradient(self, faces, targets):
        slope = self.first(faces) - targets[:, 0]
        return (slope[:, None, None, None] * self.weights).astype(np.float32)


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(0.2, 0.8, (2, 2, 2, 3)).astype(np.float32)


TARGETS = np.array([[1, 0], [0, 1]], np.float32)
AWAY = np.array([-1, 1], np.float32)[:, None, None, None]
"""Class 0 grows with w.x, so it is left by going down w, class 1 by going up."""


def perturb(name, faces, *, targeted=False, seeds=SEEDS, model=None):
    model = model or WhiteBox(Linear(), targeted=targeted)
    return load("attack", name).perturb(model, faces, TARGETS, epsilon=EPSILON, seeds=seeds)


def test_fgsm_is_what_a_run_attacks_with_by_default():
    attacks = [e.component for e in discover().entries if e.kind.name == "attack"]
    assert [a.name for a in attacks if "default" in a.traits] == ["fgsm"]


def test_a_step_is_epsilon_against_the_right_label(faces):
    found = perturb("fgsm", faces)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found - faces, EPSILON * np.sign(Linear().weights) * AWAY, atol=1e-7)


def test_a_step_along_the_gradient_has_the_root_mean_square_epsilon(faces):
    weights = Linear().weights
    along = weights / np.sqrt(np.mean(weights**2))
    np.testing.assert_allclose(perturb("fgsm-l2", faces) - faces, EPSILON * along * AWAY, atol=1e-7)


@pytest.mark.parametrize("name", ["fgsm", "fgsm-l2"])
def test_towards_a_target_is_the_other_way(name, faces):
    away, towards = perturb(name, faces) - faces, perturb(name, faces, targeted=True) - faces
    np.testing.assert_allclose(towards, -away, atol=1e-7)


@pytest.mark.parametrize("name", ["fgsm", "fgsm-l2"])
def test_pixels_without_gradient_stay(name, faces):
    np.testing.assert_array_equal(perturb(name, faces)[..., 2], faces[..., 2])


@pytest.mark.parametrize("name", ["fgsm-l2", "pgd-l2", "mi-fgsm-l2", "mi-fgsm"])
def test_the_gradient_of_a_classifier_that_is_sure_of_itself_counts_as_any_other(name, faces):
    class Sure(WhiteBox):
        def gradient(self, faces, targets):
            # Its squares are 0 in float32.
            return super().gradient(faces, targets) * np.float32(1e-30)

    np.testing.assert_allclose(
        perturb(name, faces, model=Sure(Linear())), perturb(name, faces), atol=1e-6
    )


@pytest.mark.parametrize("name", ["fgsm", "fgsm-l2", "pgd-best", "mi-fgsm", "mi-fgsm-l2"])
def test_without_any_gradient_a_face_stays(name, faces):
    class Flat(WhiteBox):
        def gradient(self, faces, targets):
            return super().gradient(faces, targets) * np.float32(0)

    np.testing.assert_array_equal(perturb(name, faces, model=Flat(Linear())), faces)


def test_noise_moves_every_pixel_by_epsilon_whatever_the_model(faces):
    change = perturb("noise", faces) - faces
    np.testing.assert_allclose(np.abs(change), EPSILON, atol=1e-7)
    assert np.ptp(change, axis=-1).max() < 1e-6, "the channels move together"
    assert 0 < (change > 0).sum() < change.size

    change = perturb("noise-l2", faces) - faces
    np.testing.assert_allclose(np.sqrt((change**2).mean((1, 2, 3))), EPSILON, rtol=1e-5)
    assert np.ptp(change, axis=-1).max() < 1e-6


def test_noise_is_even(faces):
    noise, pairs = load("attack", "noise"), np.arange(120).reshape(60, 2)
    ups = [
        np.sign(noise.perturb(None, faces, TARGETS, epsilon=EPSILON, seeds=pair) - faces)
        for pair in pairs
    ]
    # 480 fair coins: three standard deviations.
    assert abs(np.mean(ups)) < 3 / np.sqrt(480)
