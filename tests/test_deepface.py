"""The classifier `deepface`, with stand-in weights: they are wired alike, and say nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from fxbench_deepface import FILE, fxbench_classifiers
from fxbench_deepface.home import deepface_home

from fxbench.errors import PluginError, UnavailableError, WeightsError
from fxbench.faces import crops
from fxbench.protocols import Classifier, Differentiable

heavy = pytest.mark.heavy

FAITHFUL = Path(__file__).with_name("deepface_faithful.py")


@pytest.fixture
def home(shared: Path) -> Path:
    folder = shared / "weights" / "standin-deepface"
    if not (folder / ".deepface" / "weights" / FILE).is_file():
        pytest.skip(f"{folder} has no stand-in for DeepFace's emotion weights")
    return folder


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without the weights: a home folder and a DEEPFACE_HOME that are empty."""
    for name in ("home", "deepface"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path / "deepface"))
    monkeypatch.delenv("FXBENCH_WEIGHTS", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def tiny_images(shared: Path) -> tuple[np.ndarray, ...]:
    path = shared / "data" / "ferplus" / "FER2013Valid.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with zipfile.ZipFile(path) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".png"))[::300]
        grey = [cv2.imdecode(np.frombuffer(file.read(name), np.uint8), 0) for name in names]
    return tuple(np.repeat(pixels[..., None], 3, axis=2) for pixels in grey)


def place(folder: Path) -> Path:
    path = folder / ".deepface" / "weights" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    return path


def test_the_record():
    component = fxbench_classifiers()[0]
    assert component.name == "deepface"
    assert component.extra == "deepface"
    assert set(component.requires) == {"deepface", "tensorflow", "tf_keras"}
    (weights,) = component.weights
    # The right hash is not known, so results are marked as unverified.
    assert weights.sha256 is None
    assert weights.mend == "fxbench weights fetch deepface"
    assert "gradient" in component.traits


def test_where_weights_are_looked_for(nowhere, monkeypatch):
    locate = fxbench_classifiers()[0].weights[0].locate
    assert locate() is None
    at_home = place(nowhere / "home")
    # DEEPFACE_HOME says where DeepFace's files are, so the home folder doesn't count.
    assert locate() is None
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(nowhere / "weights"))
    assert locate() is None
    searched = place(nowhere / "weights" / "below")
    assert locate() == searched
    monkeypatch.delenv("DEEPFACE_HOME")
    assert locate() == searched
    monkeypatch.delenv("FXBENCH_WEIGHTS")
    assert locate() == at_home
    monkeypatch.setenv("DEEPFACE_HOME", str(nowhere / "deepface"))
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(nowhere / "weights"))
    assert locate() == searched
    of_deepface = place(nowhere / "deepface")
    assert locate() == of_deepface


def test_missing_weights_are_named_and_not_downloaded(nowhere):
    with pytest.raises(WeightsError, match=FILE) as caught:
        fxbench_classifiers()[0].factory()
    assert "DEEPFACE_HOME" in str(caught.value)
    assert not list(nowhere.rglob("*.h5"))
    assert not list((nowhere / "home").iterdir())


@pytest.mark.parametrize("before", [None, "somewhere"])
@pytest.mark.parametrize("links", [True, False])
def test_deepface_home_is_temporary(tmp_path, monkeypatch, before, links):
    if before is None:
        monkeypatch.delenv("DEEPFACE_HOME", raising=False)
    else:
        monkeypatch.setenv("DEEPFACE_HOME", before)
    if not links:

        def refuse(*_args: object, **_kwargs: object) -> None:
            raise OSError("A required privilege is not held by the client")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    weights = place(tmp_path)

    def enter() -> None:
        with deepface_home(weights):
            inside = Path(os.environ["DEEPFACE_HOME"])
            assert inside != tmp_path
            assert (inside / ".deepface" / "weights" / FILE).read_bytes() == b"weights"
            raise RuntimeError(inside)

    with pytest.raises(RuntimeError) as caught:
        enter()
    assert os.environ.get("DEEPFACE_HOME") == before
    assert not Path(str(caught.value)).exists()
    assert weights.read_bytes() == b"weights"


@heavy
@pytest.mark.parametrize("kind", ["truncated", "not HDF5", "empty"])
def test_broken_weights_are_named(home, nowhere, kind):
    path = place(nowhere / "deepface")
    good = (home / ".deepface" / "weights" / FILE).read_bytes()
    path.write_bytes(
        {"truncated": good[: len(good) // 2], "not HDF5": b"<html>", "empty": b""}[kind]
    )
    with pytest.raises(WeightsError) as caught:
        fxbench_classifiers()[0].factory()
    assert str(path) in str(caught.value)
    assert os.environ["DEEPFACE_HOME"] == str(nowhere / "deepface")


@heavy
def test_another_engine_is_refused(home, monkeypatch):
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    from deepface.commons import backend_utils

    monkeypatch.setattr(backend_utils, "_backend_engine", "onnx")
    with pytest.raises(UnavailableError, match="DEEPFACE_BACKEND_ENGINE"):
        fxbench_classifiers()[0].factory()


@heavy
def test_a_broken_vendor_is_quoted(home, monkeypatch):
    """A Keras that this DeepFace doesn't go with."""
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    monkeypatch.delitem(sys.modules, "deepface.models.demography.tf.Emotion", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow.keras.layers", None)
    with pytest.raises(UnavailableError) as caught:
        fxbench_classifiers()[0].factory()
    assert "tensorflow.keras.layers" in str(caught.value)
    assert "pip install 'fxbench[deepface]' 'deepface==" in str(caught.value)


@heavy
def test_predictions(home, nowhere, tiny_images, monkeypatch):
    """From a read-only file that only FXBENCH_WEIGHTS finds, below one of its folders."""
    monkeypatch.setenv("FXBENCH_WEIGHTS", os.pathsep.join([str(nowhere), str(home)]))
    classifier = fxbench_classifiers()[0].factory()
    assert isinstance(classifier, Classifier)
    assert isinstance(classifier, Differentiable)
    whole = np.tile(np.array([0, 0, 48, 48], np.float32), (len(tiny_images), 1))
    faces = crops(tiny_images, (np.arange(len(tiny_images)), whole), classifier.face)
    faces.flags.writeable = False
    before = faces.copy()
    probabilities = classifier.predict(faces)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(faces), 7)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(faces, before)
    assert np.array_equal(probabilities, classifier.predict(faces))
    singles = np.concatenate([classifier.predict(face[None]) for face in faces])
    np.testing.assert_allclose(probabilities, singles, atol=1e-5)
    assert len(np.unique(probabilities.argmax(axis=1))) > 1
    assert classifier.predict(faces[:0]).shape == (0, 7)
    with pytest.raises(PluginError, match="faces must be uint8"):
        classifier.predict(faces[:, :48, :48])


@heavy
def test_more_faces_than_are_predicted_at_once(home, monkeypatch):
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    import fxbench_deepface.emotion as module

    monkeypatch.setattr(module, "_BATCH", 3)
    classifier = fxbench_classifiers()[0].factory()
    faces = np.random.default_rng(0).integers(0, 256, (7, 224, 224, 3), np.uint8)
    few = np.concatenate([classifier.predict(faces[:3]), classifier.predict(faces[3:])])
    np.testing.assert_allclose(classifier.predict(faces), few, atol=1e-5)


def test_slopes_go_back_through_resizing_and_grey():
    """The transpose of a linear map A: <A x, y> = <x, A' y> for all x and y."""
    from fxbench_deepface import emotion

    drawn = np.random.default_rng(0)
    faces = drawn.random((3, 224, 224, 3), dtype=np.float32)
    slopes = drawn.normal(size=(3, 48, 48, 1)).astype(np.float32)
    back = np.zeros_like(faces)
    emotion.to_pixels(slopes, back)
    forth = emotion._grey(faces)
    np.testing.assert_allclose(
        (forth.astype(float) * slopes).sum(axis=(1, 2, 3)),
        (faces.astype(float) * back).sum(axis=(1, 2, 3)),
        rtol=1e-4,
    )
    read = (back != 0).any(axis=(0, 3))
    assert read.sum() == 96 * 96
    changed = faces.copy()
    changed[:, ~read] = 0
    assert np.array_equal(emotion._grey(changed), forth)


@heavy
def test_gradients(home, tiny_images, monkeypatch):
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    import fxbench_deepface.emotion as module

    classifier = fxbench_classifiers()[0].factory()
    whole = np.tile(np.array([0, 0, 48, 48], np.float32), (len(tiny_images), 1))
    faces = crops(tiny_images, (np.arange(len(tiny_images)), whole), classifier.face)
    faces[-1] = 1
    pixels = faces.astype(np.float32) / np.float32(255)
    pixels.flags.writeable = False
    answers = classifier.predict(faces)
    targets = np.eye(7, dtype=np.float32)[answers.argmax(axis=1)]
    slopes = classifier.gradient(pixels, targets)
    assert slopes.dtype == np.float32
    assert slopes.shape == faces.shape
    assert slopes.any(axis=(1, 2, 3)).all()
    # One step up the cross-entropy, in whole grey levels: no face gets surer.
    step = np.sign(slopes).astype(np.int16)
    up = np.clip(faces + step, 0, 255).astype(np.uint8)
    row = np.arange(len(faces))
    after = classifier.predict(up)[row, answers.argmax(axis=1)]
    assert (after[:-1] <= answers.max(axis=1)[:-1]).all()
    assert after[:-1].mean() < answers.max(axis=1)[:-1].mean() - 0.05
    monkeypatch.setattr(module, "_GRADIENT_BATCH", 3)
    few = classifier.gradient(pixels, targets)
    np.testing.assert_allclose(few, slopes, atol=1e-3 * np.abs(slopes).max())
    assert classifier.gradient(pixels[:0], targets[:0]).shape == (0, 224, 224, 3)
    with pytest.raises(PluginError, match="targets must be float32"):
        classifier.gradient(pixels, targets[:, :6])


@heavy
def test_a_sure_answer_has_a_gradient(home, monkeypatch):
    """A probability that rounds to 1 has none; what goes into the softmax has."""
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    import fxbench_deepface.emotion as module

    real = module._load

    def surer(weights: Path) -> object:
        model = real(weights)
        last = model.layers[-1]
        last.set_weights([20 * part for part in last.get_weights()])
        return model

    monkeypatch.setattr(module, "_load", surer)
    classifier = fxbench_classifiers()[0].factory()
    coarse = np.random.default_rng(0).integers(0, 256, (8, 7, 7, 3), np.uint8)
    faces = coarse.repeat(32, axis=1).repeat(32, axis=2)
    answers = classifier.predict(faces)
    sure = answers.max(axis=1) == 1
    assert sure.any()
    targets = np.eye(7, dtype=np.float32)[answers.argmax(axis=1)]
    slopes = classifier.gradient(faces.astype(np.float32) / np.float32(255), targets)
    assert slopes[sure].any(axis=(1, 2, 3)).all()


@heavy
def test_another_network_is_refused(home, monkeypatch):
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    import fxbench_deepface.emotion as module

    real = module._load

    def linear(weights: Path) -> object:
        model = real(weights)
        model.layers[-1].activation = lambda x: x
        return model

    monkeypatch.setattr(module, "_load", linear)
    with pytest.raises(PluginError, match="doesn't end with a softmax of 7"):
        fxbench_classifiers()[0].factory()


@heavy
@pytest.mark.timeout(240)
@pytest.mark.parametrize("order", ["keras,component,deepface", "deepface,component,keras"])
def test_agrees_with_deepface_itself(home, shared, tmp_path, order):
    """In a process of its own: DeepFace changes the environment, and the order counts."""
    weights = tmp_path / ".deepface" / "weights"
    weights.mkdir(parents=True)
    shutil.copy(home / ".deepface" / "weights" / FILE, weights)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, FAITHFUL, order, shared / "data" / "ferplus" / "FER2013Valid.zip"],
        env={**environment, "DEEPFACE_HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["images"] >= 100
    assert result["on_the_array"] < 1e-3
    assert result["on_dark_arrays"] < 1e-3
    assert result["same_answers"] >= 0.99
    assert result["keras"].startswith("3.")
    assert result["changed"] == []
