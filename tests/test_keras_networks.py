"""The networks that are shipped, in Keras: their answers, gradients and weights."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from real_faces import real_faces

from fxbench.component import Component
from fxbench.errors import PluginError, UnavailableError, WeightsError
from fxbench.keras_network import KerasNetwork
from fxbench.labels import EMOTIONS
from fxbench.protocols import Differentiable
from fxbench.registry import discover

SIZES = {"emopy": 48, "emopy-robust": 48, "mobilenetv2": 96}
PARAMETERS = {"emopy": 92_424, "emopy-robust": 92_424, "mobilenetv2": 2_268_232}
CARDS = {"emopy-robust": "CARD-robust.md"}
RIGHT = {"emopy": 0.75, "emopy-robust": 0.68, "mobilenetv2": 0.8}
"""The least share of right answers on real faces."""


def component(name: str) -> Component:
    return discover().get("classifier", name).component


def noise(size: int, count: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=SIZES)
def network(request: pytest.FixtureRequest) -> tuple[str, int, Any]:
    """Name, size and the classifier."""
    pytest.importorskip("tensorflow")
    return request.param, SIZES[request.param], component(request.param).factory()


@pytest.mark.parametrize("name", SIZES)
def test_component(name: str) -> None:
    given = component(name)
    assert given.extra == "tensorflow"
    assert given.traits == {"gradient"} | ({"default"} if name != "emopy-robust" else set())
    (weights,) = given.weights
    path = weights.locate()
    assert path is not None
    assert path.name == f"{name}.weights.h5"
    assert path.stat().st_size < 10_000_000


@pytest.mark.parametrize("name", SIZES)
def test_the_card_names_the_shipped_weights(name: str) -> None:
    (weights,) = component(name).weights
    path = weights.locate()
    assert path is not None
    assert weights.sha256
    card = CARDS.get(name, "CARD.md")
    assert weights.sha256 in (path.parent / card).read_text(encoding="utf-8")
    assert card in weights.source


@pytest.mark.parametrize("name", ["emopy", "mobilenetv2"])
def test_import_is_light(name: str) -> None:
    code = (
        f"import sys, fxbench_{name} as m; m.fxbench_classifiers()[0].weights[0].locate();"
        "assert not {'numpy', 'keras', 'tensorflow', 'cv2', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_weights_are_refused_before_they_are_loaded(tmp_path: Path) -> None:
    (right,) = component("emopy").weights
    wrong = tmp_path / "emopy.weights.h5"
    wrong.write_bytes(b"something else")
    for locate, what in (
        (lambda: wrong, "bytes|sha256"),
        (lambda: tmp_path / "absent.weights.h5", "not found at"),
        (lambda: None, "not found"),
    ):
        with pytest.raises(WeightsError, match=what):
            KerasNetwork("emopy", lambda: None, replace(right, locate=locate))


@pytest.mark.parametrize("name", SIZES)
def test_another_backend_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UnavailableError, match=rf"{name}.*'jax'.*KERAS_BACKEND"):
        component(name).factory()


@pytest.mark.heavy
def test_protocol(network: tuple[str, int, Any]) -> None:
    name, size, made = network
    assert isinstance(made, Differentiable)
    assert made.labels == EMOTIONS
    assert (made.face.size, made.face.fit) == (size, "stretch")
    assert made._network.count_params() == PARAMETERS[name]


@pytest.mark.heavy
@pytest.mark.parametrize("count", [0, 1, 90])
def test_predict_gives_probabilities(network: tuple[str, int, Any], count: int) -> None:
    _, size, made = network
    faces = noise(size, count)
    faces.flags.writeable = False
    answers = made.predict(faces)
    assert answers.dtype == np.float32
    assert answers.shape == (count, 8)
    assert (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)


@pytest.mark.heavy
def test_a_call_of_any_size_is_cut_and_put_together(network: tuple[str, int, Any]) -> None:
    _, size, made = network
    faces = noise(size, 7)
    whole = made.predict(faces)
    made._at_once, before = 3, made._at_once
    try:
        np.testing.assert_allclose(made.predict(faces), whole, atol=1e-5)
    finally:
        made._at_once = before
    assert made._predict.experimental_get_tracing_count() == 1


@pytest.mark.heavy
def test_a_face_depends_on_no_other(network: tuple[str, int, Any]) -> None:
    _, size, made = network
    faces = noise(size, 8)
    alone = np.concatenate([made.predict(face[np.newaxis]) for face in faces])
    np.testing.assert_allclose(made.predict(faces), alone, atol=1e-5)


@pytest.mark.heavy
def test_only_the_grey_value_counts(network: tuple[str, int, Any]) -> None:
    _, size, made = network
    red = np.zeros((1, size, size, 3), np.uint8)
    red[..., 0] = noise(size, 1)[..., 0]
    mixed = np.rint(red[..., :1] * 0.299).astype(np.uint8).repeat(3, axis=-1)
    blue = red[..., ::-1].copy()
    same = np.abs(made.predict(red) - made.predict(mixed)).max()
    assert same < np.abs(made.predict(red) - made.predict(blue)).max() / 2


@pytest.mark.heavy
@pytest.mark.parametrize("wrong", ["dtype", "grey", "size", "single"])
def test_predict_refuses_other_arrays(network: tuple[str, int, Any], wrong: str) -> None:
    _, size, made = network
    faces = noise(size, 2)
    arrays: dict[str, Any] = {
        "dtype": faces.astype(np.float32),
        "grey": faces[..., 0],
        "size": faces[:, :40],
        "single": faces[0],
    }
    with pytest.raises(PluginError, match="uint8"):
        made.predict(arrays[wrong])


@pytest.mark.heavy
def test_gradient_refuses_other_arrays(network: tuple[str, int, Any]) -> None:
    _, size, made = network
    faces = noise(size, 2)
    with pytest.raises(PluginError, match="faces"):
        made.gradient(faces, np.eye(8, dtype=np.float32)[:2])
    with pytest.raises(PluginError, match="targets"):
        made.gradient(faces.astype(np.float32) / 255, np.eye(8, dtype=np.float32)[:1])


@pytest.mark.heavy
def test_gradient_of_no_face(network: tuple[str, int, Any]) -> None:
    _, size, made = network
    none = np.empty((0, size, size, 3), np.float32)
    assert made.gradient(none, np.empty((0, 8), np.float32)).shape == none.shape


@pytest.mark.heavy
def test_gradient_answers_where_the_prediction_is_sure(network: tuple[str, int, Any]) -> None:
    _, size, made = network
    faces = noise(size, 4)
    sure = np.eye(8, dtype=np.float32)[made.predict(faces).argmax(1)]
    slopes = made.gradient(faces.astype(np.float32) / 255, sure)
    assert (np.abs(slopes).max((1, 2, 3)) > 0).all()


@pytest.mark.heavy
def test_gradient_is_the_slope_of_the_cross_entropy(network: tuple[str, int, Any]) -> None:
    name, size, made = network
    # MobileNetV2 has a kink at every ReLU6, so it is followed in one direction and less exactly.
    # A kink of the robust network is nearer than 1e-3 to one of these faces.
    parts, step, exact = {
        "emopy": (4, 2e-3, 0.03),
        "emopy-robust": (4, 5e-4, 0.03),
        "mobilenetv2": (0, 5e-3, 0.1),
    }[name]
    random = np.random.default_rng(1)
    faces = random.uniform(0.3, 0.7, (3, size, size, 3)).astype(np.float32)
    targets = random.dirichlet(np.ones(8), 3).astype(np.float32)
    slopes = made.gradient(faces, targets)
    assert slopes.dtype == np.float32
    assert slopes.shape == faces.shape

    def cross_entropy(face: npt.NDArray[Any], target: npt.NDArray[Any]) -> float:
        grey = (face @ np.array([0.299, 0.587, 0.114]))[np.newaxis, ..., np.newaxis]
        answers = made._network(grey.astype(np.float32), training=False)
        return -float(target @ np.log(np.asarray(answers, np.float64)[0]))

    for face, target, slope in zip(faces, targets, slopes, strict=True):
        # Along a random direction alone the slope is lost in the rounding of float32, so each
        # direction is a random part of the gradient: a wrong pixel or channel still shows.
        for part in (np.ones_like(face), *(random.random((parts, *face.shape)) < 0.3)):
            direction = (slope * part).astype(np.float64)
            direction /= np.linalg.norm(direction)
            up = cross_entropy(face + step * direction, target)
            down = cross_entropy(face - step * direction, target)
            expected = float((slope * direction).sum())
            assert (up - down) / (2 * step) == pytest.approx(expected, rel=exact)


@pytest.mark.heavy
def test_accuracy_on_real_faces(network: tuple[str, int, Any], shared: Path) -> None:
    name, size, made = network
    faces, labels = real_faces(shared, size)
    assert (made.predict(faces).argmax(1) == labels).mean() >= RIGHT[name]


@pytest.mark.heavy
def test_the_robust_network_withstands_what_misleads_the_other(shared: Path) -> None:
    """PGD of ten steps within 4/255, which each network computes against itself."""
    pytest.importorskip("tensorflow")
    epsilon, steps = 4 / 255, 10
    faces, labels = real_faces(shared, 48, 100)
    clean = faces.astype(np.float32) / 255
    targets = np.eye(8, dtype=np.float32)[labels]
    right = {}
    for name in ("emopy", "emopy-robust"):
        made = component(name).factory()
        found = clean
        for _ in range(steps):
            found = found + 2.5 * epsilon / steps * np.sign(made.gradient(found, targets))
            found = np.clip(found, np.maximum(clean - epsilon, 0), np.minimum(clean + epsilon, 1))
        answers = made.predict(np.rint(found * 255).astype(np.uint8))
        right[name] = (answers.argmax(1) == labels).mean()
    assert right["emopy"] < 0.1
    assert right["emopy-robust"] > 0.45
