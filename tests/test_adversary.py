"""No attack exceeds its budget or leaves the range of pixels, whatever it returns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxbench.adversary import Aim, aim, held, perturbed, seeds_of, sizes
from fxbench.attacked import QueriesSpentError
from fxbench.errors import PluginError
from fxbench.types import FaceSpec


class Says:
    """An attack that returns what it was made with."""

    def __init__(self, answer: np.ndarray, norm: str = "linf") -> None:
        self.answer = answer
        self.norm = norm

    def perturb(self, model, faces, targets, *, epsilon, seeds):
        return self.answer


def attack(faces: np.ndarray, answer: np.ndarray, norm: str, epsilon: float) -> np.ndarray:
    count = len(faces)
    every = Aim(np.zeros((count, 8), np.float32), np.ones(count, bool))
    seeds = np.arange(count)
    return perturbed(Says(answer, norm), Model(), faces, every, epsilon=epsilon, seeds=seeds).faces


class Model:
    """Says that bright faces are happy."""

    labels = ("happiness", "neutral")
    face = FaceSpec(2)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        happy = (faces.mean(axis=(1, 2, 3)) > 100).astype(np.float32)
        return np.stack([happy, 1 - happy], axis=1)

    def gradient(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.zeros_like(faces)


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


@pytest.mark.parametrize("steps", [1.4, 2, 3.5, 8])
def test_little_of_an_l2_budget_is_lost_by_rounding(steps: float) -> None:
    faces = np.full((4, 24, 24, 3), 128, np.uint8)
    change = np.random.default_rng(3).normal(0, 1, faces.shape)
    change *= steps / np.sqrt((change**2).mean(axis=(1, 2, 3), keepdims=True))
    answer = ((faces + change) / 255).astype(np.float32)
    used = sizes(faces, attack(faces, answer, "l2", steps / 255), "l2")
    assert used.max() <= steps + 1e-6
    assert used.min() > 0.98 * steps


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
    aimed = aim(np.array([0, 1, 2, -1]), columns, 2)
    assert aimed.attacked.tolist() == [True, True, False, False]
    assert aimed.targets.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]
    faces = np.full((4, 2, 2, 3), 100, np.uint8)
    answer = np.ones((2, 2, 2, 3), np.float32)
    made = perturbed(Says(answer), Model(), faces, aimed, epsilon=0.1, seeds=np.arange(4))
    assert (made.faces[:2] > 100).all()
    assert (made.faces[2:] == 100).all()
    assert (made.attacked == aimed.attacked).all()


def test_a_face_that_has_the_label_to_be_reached_is_not_attacked() -> None:
    columns = np.array([1, 0, -1, -1, -1, -1, -1, -1])
    aimed = aim(np.array([0, 1, 2, -1]), columns, 2, towards=1)
    assert aimed.targeted
    assert aimed.attacked.tolist() == [True, False, False, False]
    assert aimed.targets.tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]]
    none = aim(np.array([0, 1]), columns, 2, towards=2)
    assert not none.attacked.any(), "the classifier doesn't have that label"


def test_where_there_is_no_gradient_it_is_noted() -> None:
    class Follows(Says):
        def perturb(self, model, faces, targets, *, epsilon, seeds):
            return faces + model.gradient(faces, targets)

    faces = np.full((3, 2, 2, 3), 100, np.uint8)
    aimed = Aim(np.eye(2, dtype=np.float32)[[0, 1, 0]], np.array([True, False, True]))
    made = perturbed(Follows(None), Model(), faces, aimed, epsilon=0.1, seeds=np.arange(3))
    assert made.flat.tolist() == [True, False, True]


class Guess:
    """Asks about ever brighter faces, until it may not ask any more."""

    norm = "linf"
    queries = 6

    def __init__(self, step: int) -> None:
        self.step = step

    def perturb(self, model, faces, targets, *, epsilon, seeds):
        assert not hasattr(model, "gradient")
        assert len(faces) == 1
        for count in range(1, 100):
            tried = np.clip(faces * 255 + self.step * count, 0, 255).astype(np.uint8)
            model.predict(np.repeat(tried, 2, axis=0))
        raise AssertionError("nobody stopped it")


def test_queries_are_counted_and_end_at_the_budget() -> None:
    faces = np.stack([np.full((2, 2, 3), value, np.uint8) for value in (90, 20)])
    aimed = Aim(np.eye(2, dtype=np.float32)[[1, 1]], np.ones(2, bool))
    told: list[int] = []
    made = perturbed(
        Guess(12),
        Model(),
        faces,
        aimed,
        epsilon=0.1,
        seeds=np.arange(2),
        black_box=True,
        counted=told.append,
    )
    assert made.queries.tolist() == [6, 6]
    assert told == [2] * 6
    assert (made.faces[0] == 102).all(), "the nearest that fooled it: 102 is brighter than 100"
    assert (made.faces[1] == 20).all(), "nothing that it was asked about fooled it"


def test_a_spent_budget_is_an_error_that_says_how_much_was_left() -> None:
    from fxbench.attacked import QueryModel

    model = QueryModel(Model(), np.zeros((2, 2, 3), np.uint8), 1, norm="linf", budget=3)
    model.predict(np.zeros((2, 2, 2, 3), np.uint8))
    assert model.left == 1
    with pytest.raises(QueriesSpentError, match="2 queries were to be made, 1 of 3"):
        model.predict(np.zeros((2, 2, 2, 3), np.uint8))
    assert model.used == 2


def test_what_exceeds_its_budget_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from fxbench import adversary

    faces = np.full((1, 2, 2, 3), 100, np.uint8)
    monkeypatch.setattr(adversary, "_within_linf", lambda clean, wanted, epsilon: clean + 9)
    with pytest.raises(PluginError, match=r"changed by 9 grey levels.* allows 8"):
        held(faces, faces.astype(np.float32), "linf", 8 / 255)


def test_the_size_of_a_change_is_in_grey_levels() -> None:
    clean = np.zeros((2, 2, 2, 3), np.uint8)
    faces = clean.copy()
    faces[1, 0, 0, 0] = 12
    assert sizes(clean, faces, "linf").tolist() == [0, 12]
    assert sizes(clean, faces, "l2") == pytest.approx([0, np.sqrt(144 / 12)])


def test_seeds_depend_on_the_row_alone() -> None:
    rows = np.array([5, 900, 31])
    assert len(set(seeds_of(np.arange(10_000)).tolist())) == 10_000
    assert (seeds_of(rows)[1:] == seeds_of(rows[1:])).all()
