"""Training: what is trained on, how faces are changed, and that a resumed training is the same."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from make_ferplus import clear, make_ferplus

from fxbench.cli import main
from fxbench.errors import DataError, UnavailableError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.registry import discover
from fxbench.training import checkpoint as checkpoints
from fxbench.training.augment import augmented
from fxbench.training.contract import TrainingData, merit
from fxbench.training.data import training_data
from fxbench.training.recipe import Recipe
from fxbench.training.session import changed, taught
from fxbench.types import FaceSpec

STILL = Recipe(rotation=0, scale=0, shift=0, contrast=0, brightness=0, erase=0)


def noise(count, size=48):
    random = np.random.default_rng(3)
    return random.integers(0, 256, (count, size, size), dtype=np.uint8)


def loaded(path):
    return discover().get("dataset", "ferplus").component.factory(path=path, labels="label.csv")


# What is trained on


def test_targets_are_vote_distributions_of_all_images_that_have_one(ferplus):
    data = training_data(loaded(ferplus), FaceSpec(48), name="ferplus")
    assert len(data.images) == len(data.targets) == 16
    np.testing.assert_allclose(data.targets.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(data.targets[8, :2], [0.7, 0.3], atol=1e-6)
    assert len(data.valid_faces) == len(data.valid_labels) == 17
    assert data.record["protocol_of_targets"] == "majority", "all protocols keep all of them"
    assert data.record["targets"] == "vote distributions"


def test_copies_and_named_images_are_left_out(ferplus):
    train, valid = ferplus / "FER2013Train", ferplus / "FER2013Valid"
    rows, judged = (
        list(csv.reader((folder / "label.csv").read_text().splitlines()))
        for folder in (train, valid)
    )
    shutil.copy(valid / judged[0][0], train / rows[0][0])
    named = frozenset({rows[0][0], rows[3][0]})
    data = training_data(loaded(ferplus), FaceSpec(48), name="ferplus", left_out=named)
    assert len(data.images) == 14
    assert (data.record["left_out_as_copies"], data.record["left_out_by_name"]) == (1, 1)
    assert data.valid_copied.tolist() == [True] + [False] * 16


def test_a_larger_image_is_shrunk_and_its_copy_still_found(tmp_path):
    import cv2

    faces = noise(5, 96)
    for split, index in (("train", 0), ("train", 1), ("valid", 1), ("train", 2), ("valid", 3)):
        folder = tmp_path / split / EMOTIONS[index]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{index}.png"), faces[index])
    dataset = discover().get("dataset", "folder").component.factory
    options = {o.name: o.default for o in discover().get("dataset", "folder").component.options}
    made = dataset(**{**options, "path": str(tmp_path)})
    if set(made.splits) < {"train", "valid"}:
        pytest.fail(f"folder reads {made.splits}")
    data = training_data(made, FaceSpec(48), name="folder")
    assert [image.shape for image in data.images] == [(48, 48)] * 2
    assert data.record["left_out_as_copies"] == 1
    assert data.record["targets"] == "labels"


def test_what_can_not_be_trained_on_is_refused(ferplus, tmp_path):
    with pytest.raises(UsageError, match=r"split of ferplus.*'trian'"):
        training_data(loaded(ferplus), FaceSpec(48), name="ferplus", train="trian")
    one = make_ferplus(tmp_path / "one", votes={"train": [clear(0)], "valid": [clear(0)]})
    with pytest.raises(DataError, match="fewer than two emotions"):
        training_data(loaded(one), FaceSpec(48), name="ferplus")


# How faces are changed


def test_augmentation_of_nothing_but_mirroring():
    faces = noise(16)
    found = augmented(faces, 48, STILL, np.random.default_rng(0))[..., 0]
    exact = faces.astype(np.float32) / 255
    same = np.isclose(found, exact, atol=1e-6).all((1, 2))
    mirrored = np.isclose(found, exact[..., ::-1], atol=1e-6).all((1, 2))
    assert (same ^ mirrored).all()
    assert same.any()
    assert mirrored.any()


def test_enlarging_is_what_a_run_does():
    from fxbench.faces import crops

    faces = noise(8)
    found = augmented(faces, 96, STILL, np.random.default_rng(0))[..., 0]
    images = tuple(np.repeat(face[..., None], 3, 2) for face in faces)
    boxes = (np.arange(8), np.tile(np.float32([0, 0, 48, 48]), (8, 1)))
    exact = crops(images, boxes, FaceSpec(96))[..., 0] / 255
    for one, other in zip(found, exact, strict=True):
        assert min(abs(one - other).max(), abs(one - other[:, ::-1]).max()) < 2.5 / 255


def test_each_change_is_drawn_from_its_seed():
    recipe = Recipe(erase=0.5)
    first, again, other = (
        augmented(noise(8), 48, recipe, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.min() >= 0
    assert first.max() <= 1


# Recipes and teachers


def test_a_recipe_takes_other_values_of_the_right_type():
    recipe = changed(Recipe(), {"epochs": "3", "peak": "1e-4", "deterministic": "no"})
    assert (recipe.epochs, recipe.peak, recipe.deterministic) == (3, 1e-4, False)
    with pytest.raises(UsageError, match="did you mean 'epochs'"):
        changed(Recipe(), {"epoch": "3"})
    with pytest.raises(UsageError, match="type int, such as 40, not 'many'"):
        changed(Recipe(), {"epochs": "many"})
    with pytest.raises(UsageError, match="at least one epoch"):
        changed(Recipe(), {"epochs": "0"})


class Teacher:
    """Surprised by bright faces, otherwise without an answer among the emotions."""

    labels = (None, "surprise", "anger")
    face = FaceSpec(8)

    def predict(self, faces):
        bright = (faces.mean((1, 2, 3)) > 128).astype(np.float32)
        return np.stack([np.full_like(bright, 0.5), bright / 2, (1 - bright) / 2], 1)


def test_a_teacher_enters_the_targets_under_its_own_labels():
    images = (np.full((4, 4), 250, np.uint8), np.full((6, 4), 5, np.uint8))
    targets = np.eye(8, dtype=np.float32)[[0, 1]]
    none = np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    data = taught(TrainingData(images, targets, *none, {}), Teacher(), "known", 0.25)
    expected = 0.75 * targets
    expected[[0, 1], [2, 4]] += 0.25
    np.testing.assert_allclose(data.targets, expected, atol=1e-6)
    assert data.record["teacher"] == "known"


def test_wrong_values_of_an_adversarial_training_get_one_sentence():
    for field, value in (("epsilon", "4"), ("epsilon", "-0.1"), ("steps", "0"), ("share", "0")):
        with pytest.raises(UsageError, match=rf"adversarial_{field} must be .*, not {value}"):
            changed(Recipe(), {f"adversarial_{field}": value})


def test_a_record_tells_of_adversarial_training_only_where_it_is_done():
    plain = Recipe(adversarial_steps=9).record()
    assert not [name for name in plain if name.startswith("adversarial")]
    assert Recipe(adversarial_epsilon=0.01).record()["adversarial_steps"] == 2


def test_an_epoch_is_chosen_by_both_accuracies_where_both_were_measured():
    assert merit({"valid_accuracy": 0.8}) == 0.8
    assert merit({"valid_accuracy": 0.8, "valid_robust_accuracy": 0.4}) == pytest.approx(0.6)


# Checkpoints

STATE = checkpoints.Checkpoint(2, [np.ones(3, np.float32)], [], [np.zeros(2)], 8, [{"epoch": 1}])


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    checkpoints.save(tmp_path / "c.npz", STATE, {"recipe": {"epochs": 3}})
    found = checkpoints.load(tmp_path / "c.npz", {"recipe": {"epochs": 3}})
    assert (found.epoch, found.steps, found.history) == (2, 8, [{"epoch": 1}])
    np.testing.assert_array_equal(found.model[0], np.ones(3))


def test_a_checkpoint_of_another_training_is_refused_with_what_differs(tmp_path):
    checkpoints.save(tmp_path / "c.npz", STATE, {"recipe": {"epochs": 3, "seed": 1}})
    with pytest.raises(UsageError, match=r"recipe\.epochs was 3, now it is 4"):
        checkpoints.load(tmp_path / "c.npz", {"recipe": {"epochs": 4, "seed": 1}})


@pytest.mark.parametrize("size", [0, 40, 300, -1])
def test_a_checkpoint_cut_short_is_refused(tmp_path, size):
    path = tmp_path / "c.npz"
    checkpoints.save(path, STATE, {})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"damaged .*leave --resume out"):
        checkpoints.load(path, {})


# A whole training, by its command

COMMAND = """
import sys
from fxbench.cli import main
main(sys.argv[1:])
"""


def train(folder, path, *more, name="emopy", after=""):
    words = ["train", name, "--set", f"ferplus.path={path}", "-o", str(folder), "--threads", "1"]
    words += ["--epochs", "3", "--recipe", "batch=4", *more]
    return subprocess.run(
        [sys.executable, "-c", after + COMMAND, *words], capture_output=True, text=True, check=False
    )


STOP_AFTER_FIRST_EPOCH = """
from fxbench.training import checkpoint
save = checkpoint.save
def stop(*arguments):
    save(*arguments)
    raise KeyboardInterrupt
checkpoint.save = stop
"""


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(ferplus, tmp_path):
    whole = train(tmp_path / "whole", ferplus)
    assert whole.returncode == 0, whole.stderr
    stopped = train(tmp_path / "parts", ferplus, after=STOP_AFTER_FIRST_EPOCH)
    assert stopped.returncode == 130, stopped.stderr
    assert "--resume goes on" in stopped.stderr
    assert (tmp_path / "parts" / "emopy.weights.h5").is_file()
    refused = train(tmp_path / "parts", ferplus)
    assert refused.returncode == 2
    assert "holds a training already: give --resume" in refused.stderr
    other = train(tmp_path / "parts", ferplus, "--resume", "--seed", "9")
    assert other.returncode == 2
    assert "recipe.seed was 1, now it is 9" in other.stderr
    resumed = train(tmp_path / "parts", ferplus, "--resume")
    assert resumed.returncode == 0, resumed.stderr

    same_state(*(tmp_path / folder / "checkpoint.npz" for folder in ("whole", "parts")))
    check_outputs(tmp_path / "whole")


def same_state(first, second):
    """Whether two checkpoints hold the same weights, to the last bit, and the same of the rest."""
    with np.load(first) as one, np.load(second) as other:
        assert one.files == other.files
        for name in set(one.files) - {"head"}:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def check_outputs(folder):
    record = json.loads((folder / "training.json").read_text())
    weights = folder / "emopy.weights.h5"
    assert record["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert record["parameters"] == 92_424
    assert record["all"]["images"] == 17
    card = (folder / "CARD.md").read_text()
    assert record["sha256"] in card
    assert "ferplus.path=…" in card
    assert str(folder) not in card
    assert "FER2013 images: no open licence" in card
    assert (folder / "emopy.onnx").stat().st_size > 300_000
    lines = list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
    assert [line["epoch"] for line in lines] == ["1", "2", "3"]
    for name in ("curves.png", "confusion.png"):
        assert (folder / name).read_bytes()[:4] == b"\x89PNG"


# Adversarial training

ATTACK = Recipe(adversarial_epsilon=0.1, adversarial_steps=2, batch=8, epochs=3)


class Small:
    """A network of 12 x 12 faces with all that the engine must know of one."""

    name, size, head = "small", 12, ()

    def build(self, precision):
        import keras

        layers = keras.layers
        faces = keras.Input((12, 12, 1))
        x = layers.Conv2D(8, 3, use_bias=False, dtype=precision)(faces)
        x = layers.BatchNormalization(dtype=precision)(x)
        x = layers.Dropout(0.2)(layers.Flatten()(layers.ReLU()(x)))
        logits = layers.Dense(8, dtype="float32", name="logits")(x)
        return keras.Model(faces, layers.Softmax()(logits))

    def prepare(self, model, faces):
        """Nothing is pretrained."""


def fit(folder, recipe):
    from fxbench.training.fit import Examples, Fit

    random = np.random.default_rng(5)
    labels = np.arange(32) % 8
    faces = random.integers(0, 256, (32, 12, 12), dtype=np.uint8)
    examples = Examples(tuple(faces), np.eye(8, dtype=np.float32)[labels], np.ones(32, np.float32))
    return Fit(Small(), recipe, examples, (faces, labels), folder, identity={})


def watcher(stop_after=None):
    from fxbench.training.contract import Watcher

    def epoch(record):
        if record["epoch"] == stop_after:
            raise KeyboardInterrupt

    return Watcher(lambda *_: None, epoch)


QUIET = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Keras' variables know nothing of NumPy's second version."""


@pytest.fixture
def determinism():
    """Without it again for the tests that follow: a training turns it on for the process."""
    yield
    from tensorflow.python.framework.config import disable_op_determinism

    disable_op_determinism()


def cross_entropy(model, faces, targets):
    answers = np.asarray(model(faces, training=False))
    return -(targets * np.log(answers)).sum(1)


@QUIET
@pytest.mark.heavy
@pytest.mark.parametrize(("steps", "share"), [(1, 1.0), (2, 0.5)])
def test_the_faces_of_a_step_mislead_within_their_budget(steps, share):
    pytest.importorskip("tensorflow")
    import keras

    from fxbench.training.adversarial import AdversarialModel

    keras.utils.set_random_seed(1)
    recipe = dataclasses.replace(ATTACK, adversarial_steps=steps, adversarial_share=share)
    model = AdversarialModel(Small().build("float32"), recipe)
    faces = np.random.default_rng(2).random((16, 12, 12, 1), np.float32)
    faces[:, :3], faces[:, 3:6] = 0, 1
    targets = np.eye(8, dtype=np.float32)[np.arange(16) % 8]
    before = [value.copy() for value in model.get_weights()]
    found = np.asarray(model.mislead(faces, targets))

    attacked = round(16 * share)
    np.testing.assert_array_equal(found[attacked:], faces[attacked:])
    change = abs(found - faces)
    assert change.max() <= 0.1 + 1e-6
    assert change[:attacked].mean() > 0.04, "edges of the range can move one way only"
    assert found.min() >= 0
    assert found.max() <= 1
    rise = cross_entropy(model, found, targets) - cross_entropy(model, faces, targets)
    assert (rise[:attacked] > 0).all()
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other, err_msg="looking for them taught the network")
    again = np.asarray(model.mislead(faces, targets))
    assert (again != found).any(), "each search starts elsewhere"


@QUIET
@pytest.mark.usefixtures("determinism")
@pytest.mark.heavy
def test_without_an_epsilon_nothing_is_adversarial(tmp_path):
    pytest.importorskip("tensorflow")
    from fxbench.training.adversarial import AdversarialModel

    plain = fit(tmp_path / "plain", Recipe(epochs=2, batch=8))
    other = fit(tmp_path / "other", Recipe(epochs=2, batch=8, adversarial_steps=7))
    assert not isinstance(plain._model, AdversarialModel)
    for one in (plain, other):
        one.run(watcher())
    assert [set(line) for line in plain.history] == [
        {"epoch", "loss", "valid_loss", "valid_accuracy", "seconds"}
    ] * 2
    assert plain._identity == other._identity
    same_state(plain.checkpoint, other.checkpoint)


@QUIET
@pytest.mark.usefixtures("determinism")
@pytest.mark.heavy
def test_an_adversarial_training_goes_on_to_the_same_weights(tmp_path):
    pytest.importorskip("tensorflow")
    whole, parts = fit(tmp_path / "whole", ATTACK), fit(tmp_path / "parts", ATTACK)
    whole.run(watcher())
    with pytest.raises(KeyboardInterrupt):
        parts.run(watcher(stop_after=1))
    parts = fit(tmp_path / "parts", ATTACK)
    parts.run(watcher(), resume=True)
    same_state(whole.checkpoint, parts.checkpoint)
    for line, same in zip(whole.history, parts.history, strict=True):
        assert 0 <= line["valid_robust_accuracy"] <= line["valid_accuracy"]
        assert {**line, "seconds": 0} == {**same, "seconds": 0}


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_an_adversarial_training_tells_of_both_accuracies(ferplus, tmp_path):
    done = train(tmp_path, ferplus, "--recipe", "adversarial_share=0.5", name="emopy-robust")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("% under attack)") == 3
    record = json.loads((tmp_path / "training.json").read_text())
    best = record["history"][record["best_epoch"] - 1]
    assert merit(best) == max(merit(line) for line in record["history"])
    with (tmp_path / "log.csv").open() as file:
        for line in csv.DictReader(file):
            assert 0 <= float(line["valid_robust_accuracy"]) <= 1
    card = " ".join((tmp_path / "CARD.md").read_text().split())
    assert "50% of the faces are changed by at most 4/255 a pixel" in card
    assert f"under attack, {best['valid_robust_accuracy']:.1%} (PGD of 5 steps" in card
    assert (tmp_path / "emopy-robust.onnx").is_file()


@pytest.mark.heavy
def test_the_robust_network_begins_with_the_weights_of_emopy():
    pytest.importorskip("tensorflow")
    from fxbench_emopy.trainer import EmopyNetwork

    registry = discover()
    robust = registry.get("trainer", "emopy-robust").component.factory()._network
    shipped = registry.get("classifier", "emopy").component.factory()._network
    model = robust.build("float32")
    EmopyNetwork().prepare(model, None)
    robust.prepare(model, None)
    for one, other in zip(model.get_weights(), shipped.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.heavy
def test_adversarial_training_wants_tensorflow(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(UnavailableError, match=r"needs Keras on TensorFlow.*'jax'.*KERAS_BACKEND"):
        fit(tmp_path, ATTACK)


# Wrong input


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "emopi"], "did you mean 'emopy'"),
        (["train", "emopy"], "--set ferplus.path="),
        (["train", "emopy", "--dataset", "ferplus"], "ferplus can't be used"),
        (["train", "emopy", "--recipe", "peak"], "FIELD=VALUE|such as peak"),
    ],
)
def test_wrong_input_gets_one_sentence(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    import re

    assert re.search(message, capsys.readouterr().err)


def test_wrong_input_beside_a_dataset_gets_one_sentence(ferplus, tmp_path, capsys):
    listed = tmp_path / "list.csv"
    listed.write_text("name\nx.png\n")
    beside = ["train", "emopy", "--set", f"ferplus.path={ferplus}", "-o", str(tmp_path / "out")]
    for more, message in (
        (["--split", "trian"], "did you mean 'train'"),
        (["--leave-out", str(listed)], "a column `image`"),
        (["--leave-out", str(tmp_path / "none.csv")], "can't be read"),
        (["--resume"], "to go on from: leave --resume out"),
        (["--teacher", "prio"], "did you mean 'prior'"),
        (["-o", str(listed)], "is a file: name a folder"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*beside, *more])
        said = capsys.readouterr().err
        assert ended.value.code == 2, said
        assert message in said
        assert not (tmp_path / "out").exists()


def test_every_trainer_has_the_name_of_a_classifier():
    registry = discover()
    trainers = {entry.name for entry in registry.of_kind("trainer")}
    assert trainers >= {"emopy", "emopy-robust", "mobilenetv2"}
    assert trainers <= {entry.name for entry in registry.of_kind("classifier")}


def test_recipes_can_be_recorded():
    for entry in discover().of_kind("trainer"):
        if entry.plugin.distribution == "fxbench":
            pytest.importorskip("keras")
            options = {o.name: o.default for o in entry.component.options}
            recipe = entry.component.factory(**options).recipe
            assert json.loads(json.dumps(dataclasses.asdict(recipe)))["epochs"] > 1
