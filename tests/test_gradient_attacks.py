"""What holds for every attack that follows gradients, and for the noise beside them."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_faces import softmax

from fxbench.attacked import WhiteBox, to_pixels
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.registry import discover
from fxbench.testing import attack_inputs
from fxbench.types import FaceSpec

COMPONENTS = {e.name: e.component for e in discover().entries if e.plugin.name == "fgsm"}
MOVES = sorted(set(COMPONENTS) - {"noise", "noise-l2"})
SEARCHES = [name for name in COMPONENTS if "iterative" in COMPONENTS[name].traits]
EPSILON = 8 / 255
SEVERAL = 16


def made(name, **options):
    component = COMPONENTS[name]
    return component.factory(**({o.name: o.default for o in component.options} | options))


def perturb(name, *, epsilon=EPSILON, count=SEVERAL, rows=slice(None), targeted=False, **options):
    """Model, faces, targets and the answer."""
    model, faces, targets, seeds = attack_inputs(count, targeted=targeted)
    faces, targets, seeds = faces[rows], targets[rows], seeds[rows]
    attack = made(name, **options)
    answer = attack.perturb(model, faces, targets, epsilon=epsilon, seeds=seeds)
    return model, faces, targets, answer


def size(norm, change):
    if norm == "linf":
        return np.abs(change).max(axis=(1, 2, 3))
    return np.sqrt(np.square(change.astype(np.float64)).mean(axis=(1, 2, 3)))


def test_what_is_offered():
    assert set(COMPONENTS) == {
        "fgsm", "fgsm-l2", "mi-fgsm", "mi-fgsm-l2", "noise", "noise-l2", "pgd", "pgd-best", "pgd-l2"
    }  # fmt: skip
    for name, component in COMPONENTS.items():
        assert "fixed" in component.traits
        assert made(name).norm == ("l2" if name.endswith("-l2") else "linf")
        for other in component.no_weaker_than:
            assert made(other).norm == made(name).norm
    assert SEARCHES == ["mi-fgsm", "mi-fgsm-l2", "pgd", "pgd-best", "pgd-l2"]
    assert COMPONENTS["pgd-best"].no_weaker_than == ("fgsm",)


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("epsilon", [1 / 255, 8 / 255, 0.5])
def test_the_ball_and_the_range_hold(name, epsilon):
    _, faces, _, answer = perturb(name, epsilon=epsilon)
    assert answer.dtype == np.float32
    assert answer.min() >= 0
    assert answer.max() <= 1
    assert size(made(name).norm, answer - faces).max() <= epsilon * (1 + 1e-5)
    assert (answer != faces).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_point_that_is_asked_about_is_in_the_ball_and_in_the_range(name):
    attack = made(name)
    model, faces, targets, seeds = attack_inputs()
    asked = []

    class Watched(WhiteBox):
        def gradient(self, points, targets):
            asked.append(points.copy())
            return super().gradient(points, targets)

    attack.perturb(Watched(model._classifier), faces, targets, epsilon=EPSILON, seeds=seeds)
    assert len(asked) == attack.gradients
    for points in asked:
        assert points.dtype == np.float32
        assert points.min() >= 0
        assert points.max() <= 1
        assert size(attack.norm, points - faces).max() <= EPSILON * (1 + 1e-5)


@pytest.mark.parametrize("name", COMPONENTS)
def test_without_a_budget_the_faces_come_back_bit_for_bit_and_nothing_is_asked(name):
    _, faces, targets, seeds = attack_inputs()
    answer = made(name).perturb(None, faces, targets, epsilon=0.0, seeds=seeds)
    assert answer is not faces
    assert answer.tobytes() == faces.tobytes()


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_face_depends_on_its_own_seed_alone(name):
    _, _, _, together = perturb(name)
    order = np.random.default_rng(0).permutation(SEVERAL)
    np.testing.assert_array_equal(perturb(name, rows=order)[3], together[order])
    np.testing.assert_array_equal(perturb(name, rows=slice(5, 6))[3], together[5:6])


@pytest.mark.parametrize("name", ["pgd", "pgd-l2", "noise", "noise-l2"])
def test_another_seed_is_another_point(name):
    model, faces, targets, seeds = attack_inputs()
    one, other = (
        made(name).perturb(model, faces, targets, epsilon=EPSILON, seeds=numbers)
        for numbers in (seeds, seeds + 1)
    )
    assert (one != other).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", MOVES)
def test_the_loss_rises_and_more_than_by_noise(name):
    model, faces, targets, answer = perturb(name)
    noise = perturb("noise-l2" if name.endswith("-l2") else "noise")[3]
    clean, noisy, attacked = (model.loss(f, targets) for f in (faces, noise, answer))
    assert (attacked > clean).all()
    assert (attacked > noisy).mean() > 0.9


@pytest.mark.parametrize("name", MOVES)
def test_a_target_becomes_more_likely(name):
    model, faces, targets, answer = perturb(name, targeted=True)
    before, after = (
        -np.log((model.predict(to_pixels(f)) * targets).sum(axis=1)) for f in (faces, answer)
    )
    assert (after < before).all()


@pytest.mark.parametrize("name", ["pgd", "pgd-l2"])
def test_more_restarts_never_lower_the_loss(name):
    losses = []
    for restarts in (1, 2, 4):
        model, _, targets, answer = perturb(name, restarts=restarts)
        losses.append(model.loss(answer, targets))
    assert (np.diff(losses, axis=0) >= 0).all()
    assert (losses[2] > losses[0]).any()
    assert made(name, restarts=4, steps=7).gradients == 28


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("epsilon", [1 / 255, EPSILON, 0.03, 0.2])
def test_pgd_best_is_no_weaker_than_fgsm_on_any_face(epsilon, targeted):
    losses = {}
    for name in ("fgsm", "pgd-best"):
        model, faces, targets, answer = perturb(name, epsilon=epsilon, targeted=targeted)
        # As the core holds it: whole grey levels.
        levels = np.floor(epsilon * 255 + 1e-6)
        clean = to_pixels(faces).astype(int)
        held = np.clip(to_pixels(answer).astype(int), clean - levels, clean + levels) / 255
        losses[name] = model.loss(held.astype(np.float32), targets)
    assert (losses["pgd-best"] >= losses["fgsm"]).all()
    assert (losses["pgd-best"] > losses["fgsm"]).any()


def test_pgd_best_looks_at_whole_grey_levels_only():
    _, faces, _, answer = perturb("pgd-best", epsilon=2.7 / 255)
    change = to_pixels(answer).astype(int) - to_pixels(faces).astype(int)
    assert np.abs(change).max() == 2
    _, faces, _, answer = perturb("pgd-best", epsilon=0.9 / 255)
    np.testing.assert_array_equal(answer, faces)


class Overshot:
    """A narrow ridge near the face: whoever makes one large step is beyond it."""

    labels = EMOTIONS
    face = FaceSpec(2)

    def loss_at(self, faces):
        return -np.square(faces.astype(np.float64).mean((1, 2, 3)) - 0.5 - 3 / 255) * 9999

    def predict(self, faces):
        logits = np.zeros((len(faces), 8))
        logits[:, 0] = -self.loss_at(faces / 255)
        return softmax(logits)

    def gradient(self, faces, targets):
        beyond = faces.mean((1, 2, 3), keepdims=True) - 0.5 - 3 / 255
        return np.broadcast_to(-beyond, faces.shape).astype(np.float32)


def test_pgd_best_keeps_the_best_point_and_not_the_last():
    faces = np.full((1, 2, 2, 3), 128 / 255, np.float32)
    targets = np.eye(8, dtype=np.float32)[:1]
    model = WhiteBox(Overshot())
    given = {"epsilon": 16 / 255, "seeds": np.zeros(1, np.int64)}
    best = made("pgd-best", steps=6, step=0.25)
    last = made("pgd", steps=6, step=0.25, random_start=False)
    found, end = (attack.perturb(model, faces, targets, **given) for attack in (best, last))
    assert model.loss(found, targets) > model.loss(end, targets)
    # From 144 down in steps of 4: 132 is nearest to the ridge at 130.5.
    assert (to_pixels(found) == 132).all()


def test_pgd_from_the_face_with_one_step_of_epsilon_is_fgsm():
    for norm in ("", "-l2"):
        single = perturb(f"pgd{norm}", steps=1, step=1.0, random_start=False)[3]
        np.testing.assert_array_equal(single, perturb(f"fgsm{norm}")[3])


@pytest.mark.parametrize(("name", "least"), [("pgd", 0.0), ("pgd-l2", 0.9)])
def test_a_random_start_fills_the_ball(name, least):
    from fxbench_fgsm.ball import L2, Linf, generators

    faces = np.full((200, 8, 8, 3), 0.5, np.float32)
    ball = {"pgd": Linf, "pgd-l2": L2}[name](faces, EPSILON)
    change = ball.anywhere(generators(np.arange(200))) - faces
    sizes = size(ball.norm, change) / EPSILON
    assert sizes.max() <= 1 + 1e-5
    assert sizes.min() > least
    assert np.abs(change.mean()) < EPSILON / 50
    if name == "pgd":
        # Uniform: a variance of a third of the square.
        assert np.square(change).mean() == pytest.approx(EPSILON**2 / 3, rel=0.02)
    else:
        # Uniform in 192 dimensions: the mean radius is 192/193.
        assert sizes.mean() == pytest.approx(192 / 193, abs=1e-3)


class Alternating:
    """Gradients that were written down: the attack has no say in them."""

    labels = EMOTIONS
    face = FaceSpec(1)
    slopes = np.array([[4, -2, 2], [-3, -1, 0], [1, 1, 2]], np.float32)

    def __init__(self):
        self.call = 0

    def predict(self, faces):
        raise AssertionError

    def gradient(self, faces, targets):
        self.call += 1
        return np.tile(self.slopes[self.call - 1], (len(faces), 1, 1, 1))


@pytest.mark.parametrize(
    ("name", "decay", "expected"),
    [
        # v = g/|g|_1 each: (.5,-.25,.25), (-.75,-.25,0), (.25,.25,.5); sums of them by the decay.
        ("mi-fgsm", 1.0, np.array([1, -1, 1]) + np.array([-1, -1, 1]) + np.array([0, -1, 1])),
        ("mi-fgsm", 0.0, np.array([1, -1, 1]) + np.array([-1, -1, 0]) + np.array([1, 1, 1])),
        (
            "mi-fgsm-l2",
            1.0,
            np.sqrt(3)
            * (
                np.array([2, -1, 1]) / np.sqrt(6)
                + np.array([-1, -2, 1]) / np.sqrt(6)
                + np.array([0, -1, 3]) / np.sqrt(10)
            ),
        ),
    ],
)
def test_momentum_is_the_papers_formula(name, decay, expected):
    face = np.full((1, 1, 1, 3), 0.5, np.float32)
    attack = made(name, steps=3, decay=decay)
    answer = attack.perturb(
        WhiteBox(Alternating()),
        face,
        np.eye(8, dtype=np.float32)[:1],
        epsilon=0.3,
        seeds=np.zeros(1, np.int64),
    )
    np.testing.assert_allclose((answer - face).ravel(), 0.1 * expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("pgd", {"steps": 0}, "at least one step"),
        ("pgd-l2", {"step": 0.0}, "above 0, such as 0.25"),
        ("pgd", {"restarts": 0}, "at least one start"),
        ("pgd", {"restarts": 2, "random_start": False}, "set random_start=true"),
        ("pgd-best", {"steps": -1}, "pgd-best got steps=-1"),
        ("pgd-best", {"step": -0.1}, "above 0"),
        ("mi-fgsm", {"steps": 0}, "mi-fgsm got steps=0"),
        ("mi-fgsm-l2", {"decay": -1.0}, "such as 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(name, options, says):
    with pytest.raises(UsageError, match=says):
        made(name, **options)


def test_an_array_that_cannot_be_written_is_no_obstacle():
    class Frozen(WhiteBox):
        def gradient(self, faces, targets):
            slopes = super().gradient(faces, targets)
            slopes.flags.writeable = False
            return slopes

    model, faces, targets, seeds = attack_inputs()
    for array in (faces, targets, seeds):
        array.flags.writeable = False
    for name in COMPONENTS:
        told = {"epsilon": 0.1, "seeds": seeds}
        answer = made(name).perturb(Frozen(model._classifier), faces, targets, **told)
        usual = made(name).perturb(WhiteBox(model._classifier), faces, targets, **told)
        assert (answer == usual).all(), name
