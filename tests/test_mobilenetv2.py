"""The classifier `mobilenetv2`: its answers and its gradient. Its twins: test_onnx_twins.py."""

from __future__ import annotations

import subprocess
import sys

import fxbench_mobilenetv2
import numpy as np
import pytest
from real_faces import real_faces

from fxbench.errors import PluginError, UnavailableError
from fxbench.labels import EMOTIONS
from fxbench.protocols import Differentiable


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def mobilenetv2():
    pytest.importorskip("tensorflow")
    return fxbench_mobilenetv2.create()


def test_component():
    component = fxbench_mobilenetv2.fxbench_classifiers()[0]
    assert component.name == "mobilenetv2"
    assert component.extra == "tensorflow"
    assert component.traits == {"default", "gradient"}


def test_import_is_light():
    code = (
        "import sys, fxbench_mobilenetv2 as m; m.fxbench_classifiers()[0].weights[0].locate();"
        "assert not {'numpy', 'keras', 'tensorflow', 'cv2', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UnavailableError, match=r"mobilenetv2.*'jax'.*KERAS_BACKEND"):
        fxbench_mobilenetv2.create()


@pytest.mark.heavy
def test_protocol(mobilenetv2):
    assert isinstance(mobilenetv2, Differentiable)
    assert mobilenetv2.labels == EMOTIONS
    assert (mobilenetv2.face.size, mobilenetv2.face.fit) == (96, "stretch")


@pytest.mark.heavy
def test_the_network_is_the_published_one_with_eight_outputs(mobilenetv2):
    assert mobilenetv2._network.count_params() == 2_268_232


@pytest.mark.heavy
@pytest.mark.parametrize("count", [0, 1, 90])
def test_predict_gives_probabilities(mobilenetv2, count):
    answers = mobilenetv2.predict(noise(count))
    assert answers.dtype == np.float32
    assert answers.shape == (count, 8)
    assert (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)


@pytest.mark.heavy
def test_a_face_depends_on_no_other(mobilenetv2):
    faces = noise(5)
    alone = np.concatenate([mobilenetv2.predict(face[np.newaxis]) for face in faces])
    np.testing.assert_allclose(mobilenetv2.predict(faces), alone, atol=1e-5)


@pytest.mark.heavy
def test_only_the_grey_value_counts(mobilenetv2):
    red = np.zeros((1, 96, 96, 3), np.uint8)
    red[..., 0] = noise(1)[..., 0]
    mixed = np.rint(red[..., :1] * 0.299).astype(np.uint8).repeat(3, axis=-1)
    blue = red[..., ::-1].copy()
    same = np.abs(mobilenetv2.predict(red) - mobilenetv2.predict(mixed)).max()
    assert same < np.abs(mobilenetv2.predict(red) - mobilenetv2.predict(blue)).max() / 2


@pytest.mark.heavy
def test_gradient_is_the_slope_of_the_cross_entropy(mobilenetv2):
    random = np.random.default_rng(1)
    faces = random.uniform(0.3, 0.7, (1, 96, 96, 3)).astype(np.float32)
    targets = random.dirichlet(np.ones(8), 1).astype(np.float32)
    slopes = mobilenetv2.gradient(faces, targets)
    assert slopes.dtype == np.float32
    assert slopes.shape == faces.shape

    def cross_entropy(face):
        grey = (face @ np.array([0.299, 0.587, 0.114]))[..., np.newaxis].astype(np.float32)
        answers = np.asarray(mobilenetv2._network(grey, training=False), np.float64)
        return -float((targets * np.log(answers)).sum())

    direction = slopes.astype(np.float64) / np.linalg.norm(slopes)
    # Narrow, since the network has a kink at every ReLU6.
    step = 5e-3
    slope = (cross_entropy(faces + step * direction) - cross_entropy(faces - step * direction)) / (
        2 * step
    )
    assert slope == pytest.approx(float((slopes * direction).sum()), rel=0.1)


@pytest.mark.heavy
def test_gradient_of_no_face(mobilenetv2):
    slopes = mobilenetv2.gradient(
        np.empty((0, 96, 96, 3), np.float32), np.empty((0, 8), np.float32)
    )
    assert slopes.shape == (0, 96, 96, 3)


@pytest.mark.heavy
def test_other_arrays_are_refused(mobilenetv2):
    with pytest.raises(PluginError, match="uint8"):
        mobilenetv2.predict(noise(1)[:, :48, :48])
    with pytest.raises(PluginError, match="targets"):
        mobilenetv2.gradient(noise(1).astype(np.float32), np.zeros((2, 8), np.float32))


@pytest.mark.heavy
def test_accuracy_on_real_faces(mobilenetv2, shared):
    faces, labels = real_faces(shared, 96)
    assert (mobilenetv2.predict(faces).argmax(1) == labels).mean() >= 0.75
