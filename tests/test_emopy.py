"""The classifier `emopy`: its answers, its gradient, its weights and its training recipe."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import fxbench_emopy
import numpy as np
import pytest

from fxbench.errors import DataError, PluginError, UnavailableError, WeightsError
from fxbench.labels import EMOTIONS
from fxbench.protocols import Differentiable

PACKAGE = Path(fxbench_emopy.__file__).parent


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8)


def one_hot(labels):
    return np.eye(8, dtype=np.float32)[labels]


@pytest.fixture(scope="module")
def emopy():
    pytest.importorskip("tensorflow")
    return fxbench_emopy.create()


def test_component():
    (component,) = fxbench_emopy.fxbench_classifiers()
    assert component.name == "emopy"
    assert component.extra == "tensorflow"
    assert "gradient" in component.traits
    (weights,) = component.weights
    assert weights.locate() == PACKAGE / "emopy.weights.h5"
    assert weights.locate().stat().st_size < 1_000_000


def test_import_is_light():
    code = (
        "import sys, fxbench_emopy; fxbench_emopy.fxbench_classifiers()[0].weights[0].locate();"
        "assert not {'numpy', 'keras', 'tensorflow', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_card_names_the_shipped_weights():
    assert fxbench_emopy.SHA256 in (PACKAGE / "CARD.md").read_text(encoding="utf-8")


def test_other_weights_are_refused_before_they_are_loaded(tmp_path, monkeypatch):
    from fxbench_emopy.classifier import Emopy

    wrong = tmp_path / "emopy.weights.h5"
    wrong.write_bytes(b"something else")
    monkeypatch.setattr(fxbench_emopy, "locate", lambda: wrong)
    with pytest.raises(WeightsError, match="sha256"):
        fxbench_emopy.create()
    with pytest.raises(WeightsError, match="not found"):
        Emopy(tmp_path / "absent.weights.h5", fxbench_emopy.SHA256)
    with pytest.raises(WeightsError, match="not found"):
        Emopy(None, fxbench_emopy.SHA256)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UnavailableError, match=r"'jax'.*KERAS_BACKEND"):
        fxbench_emopy.create()


@pytest.mark.heavy
def test_protocol(emopy):
    assert isinstance(emopy, Differentiable)
    assert emopy.labels == EMOTIONS
    assert (emopy.face.size, emopy.face.fit) == (48, "stretch")


@pytest.mark.heavy
@pytest.mark.parametrize("count", [1, 5, 300])
def test_predict_gives_probabilities(emopy, count):
    faces = noise(count)
    faces.flags.writeable = False
    answers = emopy.predict(faces)
    assert answers.dtype == np.float32
    assert answers.shape == (count, 8)
    assert (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)


@pytest.mark.heavy
def test_no_face(emopy):
    assert emopy.predict(noise(0)).shape == (0, 8)
    slopes = emopy.gradient(np.empty((0, 48, 48, 3), np.float32), np.empty((0, 8), np.float32))
    assert slopes.shape == (0, 48, 48, 3)


@pytest.mark.heavy
def test_a_face_depends_on_no_other(emopy):
    faces = noise(8)
    alone = np.concatenate([emopy.predict(face[np.newaxis]) for face in faces])
    np.testing.assert_allclose(emopy.predict(faces), alone, atol=1e-5)


@pytest.mark.heavy
def test_only_the_grey_value_counts(emopy):
    red = np.zeros((1, 48, 48, 3), np.uint8)
    red[..., 0] = 200
    grey = np.full((1, 48, 48, 3), 60, np.uint8)  # 0.299 * 200 = 59.8
    blue = red[..., ::-1].copy()
    np.testing.assert_allclose(emopy.predict(red), emopy.predict(grey), atol=0.01)
    assert np.abs(emopy.predict(red) - emopy.predict(blue)).max() > 0.001


@pytest.mark.heavy
@pytest.mark.parametrize(
    "faces",
    [noise(2).astype(np.float32), noise(2)[..., 0], noise(2)[:, :40], noise(1)[0]],
    ids=["dtype", "grey", "size", "single"],
)
def test_predict_refuses_other_arrays(emopy, faces):
    with pytest.raises(PluginError, match="uint8"):
        emopy.predict(faces)


@pytest.mark.heavy
def test_batches_of_every_size_run_through_one_compiled_function(emopy):
    for count in (1, 2, 7):
        emopy.predict(noise(count))
    assert emopy._predict.experimental_get_tracing_count() == 1


def cross_entropy(emopy, face, target):
    grey = (face @ np.array([0.299, 0.587, 0.114]))[np.newaxis, ..., np.newaxis]
    answers = emopy._network(grey.astype(np.float32), training=False)
    return -float(target @ np.log(np.asarray(answers, np.float64)[0]))


@pytest.mark.heavy
def test_gradient_is_the_slope_of_the_cross_entropy(emopy):
    random = np.random.default_rng(1)
    faces = random.uniform(0.3, 0.7, (3, 48, 48, 3)).astype(np.float32)
    targets = random.dirichlet(np.ones(8), 3).astype(np.float32)
    slopes = emopy.gradient(faces, targets)
    assert slopes.dtype == np.float32
    assert slopes.shape == faces.shape
    step = 2e-3
    for face, target, slope in zip(faces, targets, slopes, strict=True):
        # Along a random direction alone the slope is lost in the rounding of float32, so each
        # direction is a random part of the gradient: a wrong pixel or channel still shows.
        for part in (np.ones_like(face), *(random.random((4, *face.shape)) < 0.3)):
            direction = (slope * part).astype(np.float64)
            direction /= np.linalg.norm(direction)
            up = cross_entropy(emopy, face + step * direction, target)
            down = cross_entropy(emopy, face - step * direction, target)
            expected = float((slope * direction).sum())
            assert (up - down) / (2 * step) == pytest.approx(expected, rel=0.03)


@pytest.mark.heavy
def test_gradient_answers_where_the_prediction_is_sure(emopy):
    faces = noise(4).astype(np.float32) / 255
    sure = one_hot(emopy.predict(noise(4)).argmax(1))
    assert (np.abs(emopy.gradient(faces, sure)).max((1, 2, 3)) > 0).all()


@pytest.mark.heavy
def test_gradient_refuses_other_arrays(emopy):
    faces = noise(2).astype(np.float32) / 255
    with pytest.raises(PluginError, match="faces"):
        emopy.gradient(noise(2), one_hot([0, 1]))
    with pytest.raises(PluginError, match="targets"):
        emopy.gradient(faces, one_hot([0]))


@pytest.mark.heavy
def test_accuracy_on_real_faces(emopy, shared):
    import cv2
    from fxbench_emopy.training_data import majority

    archive = shared / "data" / "ferplus" / "FER2013Valid.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} is missing")
    with zipfile.ZipFile(archive) as file:
        lines = io.TextIOWrapper(file.open("FER2013Valid/label.csv"), encoding="utf-8")
        rows = list(csv.reader(lines))[:260]
        kept, labels = majority(np.array([row[2:12] for row in rows], np.float32))
        kept, labels = kept[:200], labels[:200]
        assert len(kept) == 200
        coded = [file.read(f"FER2013Valid/{rows[i][0]}") for i in kept]
    images = [cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB) for png in coded]
    right = emopy.predict(np.stack(images)).argmax(1) == labels
    assert right.mean() >= 0.7


# The training recipe


@pytest.fixture
def votes():
    table = [
        [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # all agree
        [6, 3, 1, 0, 0, 0, 0, 0, 0, 0],  # an outlier, and a majority of 6 in 9
        [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # no majority
        [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # half is no majority
        [2, 0, 0, 0, 0, 0, 0, 0, 8, 0],  # unknown wins
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # not a face
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing but outliers
    ]
    return np.array(table, np.float32)


def test_targets_are_the_votes_without_outliers(votes):
    from fxbench_emopy.training_data import distributions

    kept, targets = distributions(votes)
    np.testing.assert_array_equal(kept, [0, 1, 2, 3])
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(targets[1, :3], [2 / 3, 1 / 3, 0], atol=1e-6)


def test_majority_must_exceed_half(votes):
    from fxbench_emopy.training_data import majority

    kept, labels = majority(votes)
    np.testing.assert_array_equal(kept, [0, 1])
    np.testing.assert_array_equal(labels, [0, 0])


@pytest.mark.heavy
def test_augmentation_of_nothing_but_mirroring():
    from fxbench_emopy.train import Recipe, augmented

    still = Recipe(rotation=0, scale=0, shift=0, contrast=0, brightness=0)
    faces = noise(16)[..., 0]
    found = augmented(faces, still, np.random.default_rng(0))[..., 0]
    exact = faces.astype(np.float32) / 255
    same = np.isclose(found, exact, atol=1e-6).all((1, 2))
    mirrored = np.isclose(found, exact[..., ::-1], atol=1e-6).all((1, 2))
    assert (same ^ mirrored).all()
    assert same.any()
    assert mirrored.any()


@pytest.fixture
def tiny(tmp_path):
    """Training data: ten dark neutral and ten bright happy faces, one of them in valid too."""
    random = np.random.default_rng(0)
    faces = random.integers(0, 60, (20, 48, 48), dtype=np.uint8)
    faces[10:] += 180
    votes = np.zeros((20, 10), np.float32)
    votes[:10, 0] = votes[10:, 1] = 10
    names = np.array([f"fer{i}.png" for i in range(20)])
    arrays = {"train_faces": faces, "train_votes": votes, "train_names": names}
    arrays |= {"valid_faces": faces[:1], "valid_votes": votes[:1]}
    path = tmp_path / "tiny.npz"
    np.savez(path, **arrays)
    return path


def test_copies_are_left_out_of_training(tiny, tmp_path):
    from fxbench_emopy.training_data import read

    data = read(tiny, None)
    assert len(data.faces) == len(data.targets) == 19
    assert data.valid_copied.all()
    copies = tmp_path / "copies.csv"
    copies.write_text("split,image,also_in\ntrain,fer3.png,test\nvalid,fer4.png,test\n")
    assert len(read(tiny, copies).faces) == 18


def test_data_that_lacks_votes_or_is_no_archive_is_refused(tmp_path):
    from fxbench_emopy.training_data import read

    path = tmp_path / "faces.npz"
    np.savez(path, train_faces=noise(2)[..., 0])
    with pytest.raises(DataError, match="ten votes"):
        read(path, None)
    path.write_bytes(b"not a zip file")
    with pytest.raises(DataError, match="not a readable"):
        read(path, None)


@pytest.mark.heavy
def test_training_writes_weights_that_the_classifier_loads(tiny, tmp_path):
    import hashlib

    from fxbench_emopy.classifier import Emopy

    out = tmp_path / "own.weights.h5"
    command = [sys.executable, "-m", "fxbench_emopy.train", "--data", tiny, "--out", out]
    command += ["--epochs", "2", "--batch", "4"]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    result = json.loads(done.stdout[done.stdout.index("\n{\n") :])
    assert result["parameters"] == 92_424
    assert result["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    log = (tmp_path / "own.weights.log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [1, 2]
    answers = Emopy(out, result["sha256"]).predict(noise(1))
    assert np.isfinite(answers).all()
