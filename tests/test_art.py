"""Attacks through adversarial-robustness-toolbox, on the kit's surrogate and on `emopy`."""

# ruff: noqa: NPY002 - NumPy's global generator is what ART draws from

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fxbench_art import create_autoattack, create_hopskipjump, create_square, fxbench_attacks

from fxbench.attacked import QueryModel, WhiteBox, to_pixels
from fxbench.errors import PluginError, UsageError
from fxbench.protocols import Attack
from fxbench.registry import discover
from fxbench.testing.surrogate import Surrogate, attack_inputs

pytestmark = pytest.mark.heavy
if importlib.util.find_spec("art") is None:
    pytest.skip("needs adversarial-robustness-toolbox: the extra attacks", allow_module_level=True)

EPSILON = 8 / 255
MAKE = {
    "square": lambda: create_square(50, 200),
    "hopskipjump": lambda: create_hopskipjump("l2", 50, 200),
}
both = pytest.mark.parametrize("name", list(MAKE))


class Watched:
    """The kit's surrogate, or another, that keeps what it was asked about."""

    def __init__(self, classifier=None):
        self._classifier = classifier or Surrogate()
        self.labels, self.face = self._classifier.labels, self._classifier.face
        self.asked = []

    def predict(self, faces):
        self.asked.extend(faces.copy())
        return self._classifier.predict(faces)


class Stubborn(Surrogate):
    """It gives each face the label of the kit's first one, and its gradient means nothing."""

    def __init__(self):
        super().__init__()
        self.answer = np.float32(0.05) + np.float32(0.6) * attack_inputs(1)[2]

    def predict(self, faces):
        return np.repeat(self.answer, len(faces), axis=0)


class Scrambled(Surrogate):
    """The same decisions as the surrogate's, other scores."""

    def predict(self, faces):
        answers = super().predict(faces)
        others = np.zeros_like(answers)
        others[np.arange(len(faces)), answers.argmax(axis=1)] = 1
        return others


class Masked(Surrogate):
    """The surrogate, whose gradient is 0 everywhere."""

    def gradient(self, faces, targets):
        return np.zeros(faces.shape, np.float32)


def ask(attack, row=0, *, classifier=None, budget=200, epsilon=EPSILON, targeted=False, seed=None):
    """Attack a face of the kit: the QueryModel, and the face as an image."""
    _, faces, targets, seeds = attack_inputs(8, targeted=targeted)
    model = QueryModel(
        classifier or Surrogate(),
        to_pixels(faces[row]),
        int(targets[row].argmax()),
        norm=attack.norm,
        budget=budget,
        targeted=targeted,
    )
    one = slice(row, row + 1)
    number = seeds[one] if seed is None else np.array([seed])
    for array in (faces, targets):
        array.flags.writeable = False
    found = attack.perturb(model, faces[one], targets[one], epsilon=epsilon, seeds=number)
    assert found.shape == faces[one].shape
    assert found.dtype == np.float32
    return model, to_pixels(found)[0]


def clean(row=0):
    return to_pixels(attack_inputs(8)[1][row])


def fooled(faces, targets, *, classifier=None, targeted=False):
    answers = (classifier or Surrogate()).predict(to_pixels(faces)).argmax(axis=1)
    return (answers == targets.argmax(axis=1)) == targeted


def rms(image, row=0):
    return float(np.sqrt(np.square(image.astype(float) - clean(row)).mean()))


def test_components():
    components = {c.name: c for c in fxbench_attacks()}
    assert {name: set(c.traits) for name, c in components.items()} == {
        "square": {"black-box", "fixed"},
        "hopskipjump": {"black-box", "minimum"},
        "autoattack": {"fixed"},
    }
    assert components["autoattack"].no_weaker_than == ("fgsm", "pgd")
    for component in components.values():
        assert (component.extra, component.requires) == ("attacks", ("art",))
        made = component.factory(**{o.name: o.default for o in component.options})
        assert isinstance(made, Attack)
        assert made.faces == 50
        assert getattr(made, "queries", None) == (None if component.name == "autoattack" else 200)
    assert create_hopskipjump("linf", 1, 1).norm == "linf"


def test_options_are_positive():
    for create in (
        lambda: create_square(50, 0),
        lambda: create_hopskipjump("l2", 0, 200),
        lambda: create_autoattack(0, 500, 50),
    ):
        with pytest.raises(UsageError, match="must be at least 1"):
            create()


def test_art_is_imported_without_noise_and_leaves_the_home_alone(tmp_path: Path):
    code = (
        "import os, pathlib, fxbench_art.toolbox\n"
        "assert str(pathlib.Path.home()) == os.environ['PWD'], pathlib.Path.home()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "PWD": str(tmp_path)},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@both
@pytest.mark.parametrize("budget", [1, 2, 3, 7, 40, 200])
def test_the_budget_is_never_exceeded(name, budget):
    for kind in (Surrogate, Stubborn):
        classifier = Watched(kind())
        model, image = ask(MAKE[name](), classifier=classifier, budget=budget, epsilon=2 / 255)
        assert len(classifier.asked) == model.used <= budget
        assert image.dtype == np.uint8


@both
def test_the_budget_is_used(name):
    asked = [ask(MAKE[name](), row, epsilon=1 / 255)[0].used for row in range(4)]
    assert max(asked) >= 190


@both
def test_the_seed_alone_decides(name):
    np.random.seed(1)
    first = ask(MAKE[name](), 3)[1]
    np.random.seed(2)
    before = np.random.get_state()
    again = ask(MAKE[name](), 3)[1]
    after = np.random.get_state()
    np.testing.assert_array_equal(again, first)
    np.testing.assert_array_equal(after[1], before[1])
    assert after[2:] == before[2:]
    others = [ask(MAKE[name](), 3, seed=seed)[1] for seed in (-5, 2**40)]
    assert any((other != first).any() for other in others)


@both
def test_one_face_a_call(name):
    model, faces, targets, seeds = attack_inputs(2)
    attack = MAKE[name]()
    with pytest.raises(PluginError, match="2 faces"):
        attack.perturb(model, faces, targets, epsilon=EPSILON, seeds=seeds)
    none = attack.perturb(model, faces[:0], targets[:0], epsilon=EPSILON, seeds=seeds[:0])
    assert none.shape == (0, 16, 16, 3)


@both
def test_a_face_that_is_misread_already_stays(name):
    attack = MAKE[name]()
    _, faces, targets, seeds = attack_inputs(1)
    column = (int(targets[0].argmax()) + 1) % 8
    model = QueryModel(Surrogate(), to_pixels(faces[0]), column, norm=attack.norm, budget=200)
    wrong = np.eye(8, dtype=np.float32)[[column]]
    found = attack.perturb(model, faces, wrong, epsilon=EPSILON, seeds=seeds)
    np.testing.assert_array_equal(to_pixels(found), to_pixels(faces))
    assert model.used == 1


@pytest.mark.parametrize("epsilon", [0.01, EPSILON])
def test_square_asks_about_images_within_the_ball(epsilon):
    levels = int(epsilon * 255 + 1e-6)
    classifier = Watched(Stubborn())
    _, image = ask(create_square(50, 200), classifier=classifier, epsilon=epsilon)
    sizes = {int(np.abs(face.astype(int) - clean()).max()) for face in classifier.asked}
    assert sizes == {0, levels}
    assert np.abs(image.astype(int) - clean()).max() <= levels


def test_square_asks_nothing_below_one_grey_level():
    model, image = ask(create_square(50, 200), epsilon=0.9 / 255)
    assert model.used == 0
    np.testing.assert_array_equal(image, clean())


def test_square_succeeds_and_stops_at_its_first_success():
    _, _, targets, _ = attack_inputs(8)
    results = [ask(create_square(50, 200), row, epsilon=16 / 255) for row in range(8)]
    right = targets.argmax(axis=1)
    answers = Surrogate().predict(np.stack([image for _, image in results])).argmax(axis=1)
    assert (answers != right).sum() >= 6
    for row, (model, image) in enumerate(results):
        assert (model.best is not None) == (answers[row] != right[row])
        if model.best is not None:
            np.testing.assert_array_equal(model.best, image)
            assert model.used < 200


def test_square_reaches_a_target():
    results = [
        ask(create_square(50, 200), row, epsilon=24 / 255, targeted=True)[0] for row in range(8)
    ]
    assert sum(model.best is not None for model in results) >= 6


def test_hopskipjump_comes_nearer_with_more_queries():
    def distance(budget):
        attack = create_hopskipjump("l2", 50, budget)
        return np.mean([rms(ask(attack, row, budget=budget)[0].best, row) for row in range(8)])

    few, usual, many = (distance(budget) for budget in (40, 200, 800))
    assert few > usual > many > 0


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_hopskipjump_returns_the_nearest_by_its_norm(norm):
    attack = create_hopskipjump(norm, 50, 200)
    classifier = Watched()
    model, image = ask(attack, 2, classifier=classifier)
    np.testing.assert_array_equal(image, model.best)
    _, _, targets, _ = attack_inputs(8)
    asked = np.stack(classifier.asked)
    wrong = asked[Surrogate().predict(asked).argmax(axis=1) != targets[2].argmax()]
    change = np.abs(wrong.astype(float) - clean(2)).reshape(len(wrong), -1)
    sizes = change.max(axis=1) if norm == "linf" else np.sqrt(np.square(change).mean(axis=1))
    mine = np.abs(image.astype(float) - clean(2))
    size = mine.max() if norm == "linf" else rms(image, 2)
    assert size == pytest.approx(sizes.min())


def test_each_norm_is_made_small_by_itself():
    def distances(norm):
        attack = create_hopskipjump(norm, 50, 400)
        found = [ask(attack, row, budget=400)[1].astype(float) - clean(row) for row in range(8)]
        return (
            np.mean([np.abs(change).max() for change in found]),
            np.mean([np.sqrt(np.square(change).mean()) for change in found]),
        )

    largest, spread = zip(distances("linf"), distances("l2"), strict=True)
    assert largest[0] < largest[1]
    assert spread[1] < spread[0]


def test_hopskipjump_knows_decisions_only():
    attack = create_hopskipjump("l2", 50, 200)
    np.testing.assert_array_equal(ask(attack)[1], ask(attack, classifier=Scrambled())[1])


def test_hopskipjump_reaches_a_target():
    attack = create_hopskipjump("l2", 50, 200)
    results = [ask(attack, row, targeted=True)[0] for row in range(8)]
    assert sum(model.best is not None for model in results) >= 4


def test_directions_below_a_grey_level_lead_nowhere(monkeypatch: pytest.MonkeyPatch):
    from fxbench_art import hopskipjump

    def distance():
        attack = create_hopskipjump("l2", 50, 300)
        return np.mean([rms(ask(attack, row, budget=300)[1], row) for row in range(8)])

    mine = distance()
    monkeypatch.delattr(hopskipjump._In8Bits, "_compute_delta")
    monkeypatch.setattr(hopskipjump, "_PRECISION", 0.01 / np.sqrt(16 * 16 * 3))
    assert mine < distance()


def test_hopskipjump_without_a_starting_point_gives_the_face_back():
    model, image = ask(create_hopskipjump("l2", 50, 200), classifier=Stubborn())
    np.testing.assert_array_equal(image, clean())
    assert model.used == 41


def pgd(model, faces, targets, epsilon, steps):
    """Projected gradient descent from the face itself."""
    step = np.float32(2.5 * epsilon / steps)
    found = faces
    for _ in range(steps):
        found = found + step * np.sign(model.gradient(found, targets))
        found = np.clip(np.clip(found, faces - epsilon, faces + epsilon), 0, 1).astype(np.float32)
    return found


@pytest.mark.parametrize("targeted", [False, True])
def test_autoattack_is_no_weaker_than_pgd(targeted):
    model, faces, targets, seeds = attack_inputs(16, targeted=targeted)
    attack = create_autoattack(30, 50, 50)
    broken = []
    for levels in (1, 2, 4):
        epsilon = levels / 255
        mine = attack.perturb(model, faces, targets, epsilon=epsilon, seeds=seeds)
        other = pgd(model, faces, targets, epsilon, 30)
        mine, other = (fooled(found, targets, targeted=targeted) for found in (mine, other))
        assert not (other & ~mine).any()
        broken.append(int(mine.sum()))
    assert broken == sorted(broken)
    assert broken[-1] > 0
    assert broken[0] < 24


def test_autoattack_stays_within_the_ball_and_takes_no_more_gradients_than_it_says():
    _, faces, targets, seeds = attack_inputs(3)
    taken = []
    targets[:] = targets[0]
    classifier = Watched(Stubborn())
    classifier.gradient = Surrogate().gradient
    model = WhiteBox(classifier, counted=taken.append)
    attack = create_autoattack(5, 10, 50)
    attack.perturb(model, faces, targets, epsilon=0.01, seeds=seeds)
    assert sum(taken) == 3 * attack.gradients == 3 * 5 * 15
    sizes = np.abs(np.stack(classifier.asked).astype(int)[:, None] - to_pixels(faces)).max(
        (2, 3, 4)
    )
    assert sizes.min(axis=1).max() == 2


def test_autoattack_goes_on_after_it_has_crossed_the_border():
    class Twin(Surrogate):
        """The surrogate with weights that differ a little, as in another runtime."""

        def __init__(self):
            super().__init__()
            random = np.random.default_rng(3)
            self._first = self._first + random.normal(size=self._first.shape) * 0.02

    model, faces, targets, seeds = attack_inputs(16)
    epsilon = 4 / 255
    mine = create_autoattack(30, 50, 50).perturb(
        model, faces, targets, epsilon=epsilon, seeds=seeds
    )
    other = pgd(WhiteBox(Surrogate()), faces, targets, epsilon, 30)
    here, there = (
        [fooled(found, targets, classifier=kind).sum() for found in (mine, other)]
        for kind in (Surrogate(), Twin())
    )
    assert model.flat.tolist() == [False] * 16
    assert here[0] > 8
    assert there[0] >= there[1] - 1


def test_autoattack_finds_what_a_masked_gradient_hides():
    _, faces, targets, seeds = attack_inputs(8)
    model = WhiteBox(Masked())
    attack = create_autoattack(4, 400, 50)
    found = attack.perturb(model, faces, targets, epsilon=16 / 255, seeds=seeds)
    assert model.flat.tolist() == [True] * 8
    other = pgd(model, faces, targets, 16 / 255, 40)
    assert not fooled(other, targets).any()
    assert fooled(found, targets).sum() >= 6


def test_autoattack_depends_on_each_face_alone():
    model, faces, targets, seeds = attack_inputs(6)
    attack = create_autoattack(10, 20, 50)
    np.random.seed(0)
    together = attack.perturb(model, faces, targets, epsilon=2 / 255, seeds=seeds)
    np.random.seed(9)
    for row in (4, 1):
        one = slice(row, row + 1)
        alone = attack.perturb(model, faces[one], targets[one], epsilon=2 / 255, seeds=seeds[one])
        np.testing.assert_array_equal(alone[0], together[row])
    assert np.random.randint(1 << 30) == np.random.RandomState(9).randint(1 << 30)


def test_autoattack_without_a_budget_asks_nothing():
    classifier = Watched()
    model, faces, targets, seeds = attack_inputs(2)
    model = WhiteBox(classifier)
    found = create_autoattack(10, 20, 50).perturb(model, faces, targets, epsilon=0, seeds=seeds)
    np.testing.assert_array_equal(found, faces)
    assert classifier.asked == []


@pytest.fixture(scope="module")
def emopy():
    pytest.importorskip("tensorflow", reason="needs the extra tensorflow")
    return discover().get("classifier", "emopy").component.factory()


@pytest.fixture(scope="module")
def sixteen(shared, emopy):
    """16 real faces that `emopy` reads rightly, and their targets."""
    from real_faces import real_faces

    images, labels = real_faces(shared, emopy.face.size, 40)
    right = np.flatnonzero(emopy.predict(images).argmax(axis=1) == labels)[:16]
    assert len(right) == 16
    return images[right].astype(np.float32) / np.float32(255), np.eye(8, dtype=np.float32)[
        labels[right]
    ]


@pytest.mark.timeout(400)
def test_autoattack_is_no_weaker_than_pgd_on_emopy(emopy, sixteen):
    faces, targets = sixteen
    model = WhiteBox(emopy)
    seeds = np.arange(16)
    mine = create_autoattack(20, 10, 50).perturb(
        model, faces, targets, epsilon=2 / 255, seeds=seeds
    )
    other = pgd(model, faces, targets, 2 / 255, 20)
    mine, other = (fooled(found, targets, classifier=emopy) for found in (mine, other))
    assert mine.sum() >= other.sum()
    assert mine.sum() >= 8


def test_noise_is_no_start_on_emopy(emopy):
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 48, 3)).astype(np.uint8)
    assert set(emopy.predict(noise).argmax(axis=1)) == {0}


@both
@pytest.mark.timeout(400)
def test_black_box_attacks_fool_emopy(name, emopy, sixteen):
    faces, targets = sixteen
    attack = MAKE[name]()
    found = []
    for row in range(8):
        model = QueryModel(
            emopy,
            to_pixels(faces[row]),
            int(targets[row].argmax()),
            norm=attack.norm,
            budget=200,
        )
        one = slice(row, row + 1)
        found.append(
            attack.perturb(model, faces[one], targets[one], epsilon=16 / 255, seeds=np.array([row]))
        )
        assert model.used <= 200
    assert fooled(np.concatenate(found), targets[:8], classifier=emopy).sum() >= 5
