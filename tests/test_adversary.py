"""No attack exceeds its budget or leaves the range of pixels, whatever it returns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxbench.adversary import perturbed, seeds_of, targets_of
from fxbench.errors import PluginError


class Says:
    """An attack that returns what it was made with."""

    def __init__(self, answer: np.ndarray, norm: str = "linf") -> None:
        self.answer = answer
        self.norm = norm

    def perturb(self, model, faces, targets, *, epsilon, seeds):
        return self.answer


def attack(faces: np.ndarray, answer: np.ndarray, norm: str, epsilon: float) -> np.ndarray:
    count = len(faces)
    return perturbed(
        Says(answer, norm),
        None,
        faces,
        np.zeros((count, 8), np.float32),
        np.ones(count, bool),
        epsilon=epsilon,
        seeds=np.arange(count),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    epsilon=st.sampled_from([0.0, 0.001, 1 / 255, 2 / 255, 0.03, 8 / 255, 0.5, 1.0]),
    scale=st.sampled_from([0.001, 0.1, 3.0, 1000.0]),
    norm=st.sampled_from(["linf", "l2"]),
)
@settings(max_examples=60, deadline=None)
def test_every_answer_is_held_to_its_budget(
    seed: int, epsilon: float, scale: float, norm: str
) -> None:
    generator = np.random.default_rng(seed)
    faces = generator.integers(0, 256, (3, 5, 5, 3), np.uint8)
    answer = (faces / 255 + generator.normal(0, scale, faces.shape)).astype(np.float32)
    got = attack(faces, answer, norm, epsilon)
    change = (got.astype(float) - faces) / 255
    assert got.dtype == np.uint8
    if norm == "linf":
        assert np.abs(change).max() <= epsilon + 1e-9
    else:
        assert np.sqrt((change**2).mean(axis=(1, 2, 3))).max() <= epsilon + 1e-6
    if epsilon == 0:
        assert (got == faces).all()


def test_an_answer_within_its_budget_is_kept() -> None:
    faces = np.full((2, 4, 4, 3), 100, np.uint8)
    answer = np.full(faces.shape, 102 / 255, np.float32)
    assert (attack(faces, answer, "linf", 2 / 255) == 102).all()
    assert (attack(faces, answer, "l2", 2 / 255) == 102).all()
    assert (attack(faces, answer, "linf", 1 / 255) == 101).all()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((2, 4, 4, 3)), "must be float32"),
        (np.zeros((1, 4, 4, 3), np.float32), "must be float32"),
        (np.full((2, 4, 4, 3), np.nan, np.float32), "not finite"),
        (None, "must be an array"),
    ],
)
def test_an_answer_that_is_no_array_of_faces_is_refused(answer: object, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        attack(np.zeros((2, 4, 4, 3), np.uint8), answer, "linf", 0.1)  # type: ignore[arg-type]


def test_a_face_whose_label_the_classifier_lacks_is_not_attacked() -> None:
    columns = np.array([1, 0, -1, -1, -1, -1, -1, -1])
    targets, attacked = targets_of(np.array([0, 1, 2, -1]), columns, 2)
    assert attacked.tolist() == [True, True, False, False]
    assert targets.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]
    faces = np.full((4, 2, 2, 3), 100, np.uint8)
    answer = np.ones((2, 2, 2, 3), np.float32)
    got = perturbed(Says(answer), None, faces, targets, attacked, epsilon=0.1, seeds=np.arange(4))
    assert (got[:2] > 100).all()
    assert (got[2:] == 100).all()


def test_seeds_depend_on_the_row_alone() -> None:
    rows = np.array([5, 900, 31])
    assert len(set(seeds_of(np.arange(10_000)).tolist())) == 10_000
    assert (seeds_of(rows)[1:] == seeds_of(rows[1:])).all()
