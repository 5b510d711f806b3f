"""The classifier `emopy`: its answers, its gradient and its weights."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fxbench_emopy
import numpy as np
import pytest
from real_faces import real_faces

from fxbench.errors import PluginError, UnavailableError, WeightsError
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
    component, *twins = fxbench_emopy.fxbench_classifiers()
    assert component.name == "emopy"
    assert [twin.name for twin in twins] == ["emopy-onnx", "emopy-int8"]
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
    digest = fxbench_emopy.weights("emopy.weights.h5").sha256
    assert digest
    assert digest in (PACKAGE / "CARD.md").read_text(encoding="utf-8")


def test_other_weights_are_refused_before_they_are_loaded(tmp_path, monkeypatch):
    right = fxbench_emopy.weights("emopy.weights.h5")
    wrong = tmp_path / "emopy.weights.h5"
    wrong.write_bytes(b"something else")
    for locate, what in (
        (lambda: wrong, "sha256"),
        (lambda: tmp_path / "absent.weights.h5", "not found at"),
        (lambda: None, "not found"),
    ):
        given = replace(right, locate=locate)
        monkeypatch.setattr(fxbench_emopy, "weights", lambda name, given=given: given)
        with pytest.raises(WeightsError, match=what):
            fxbench_emopy.create()


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
    faces, labels = real_faces(shared, 48)
    assert (emopy.predict(faces).argmax(1) == labels).mean() >= 0.7
