"""The classifier `deepface-onnx`, with files made here: DeepFace's own is not to be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fxbench_deepface import FILE, ONNX_FILE, fxbench_classifiers

from fxbench.adversary import check_variant
from fxbench.errors import PluginError, WeightsError
from fxbench.protocols import Classifier, Differentiable

FAITHFUL = Path(__file__).with_name("deepface_onnx_faithful.py")


def component(name: str = "deepface-onnx"):
    return next(c for c in fxbench_classifiers() if c.name == name)


def write(path: Path, *, outputs: int = 7, softmax: bool = True) -> None:
    """A network of DeepFace's form: faces (n, 48, 48, 1) to `outputs` probabilities."""
    onnx = pytest.importorskip("onnx")
    helper, single = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).normal(0, 0.2, (48 * 48, outputs)).astype(np.float32)
    last = [helper.make_node("Softmax", ["rows"], ["out"], axis=1)]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["faces"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["rows" if softmax else "out"]),
            *(last if softmax else []),
        ],
        "emotion",
        [helper.make_tensor_value_info("faces", single, ["n", 48, 48, 1])],
        [helper.make_tensor_value_info("out", single, ["n", outputs])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def home(tmp_path: Path) -> Path:
    """Where DeepFace keeps the file in the tests' DEEPFACE_HOME."""
    return tmp_path / "deepface" / ".deepface" / "weights" / ONNX_FILE


def test_the_record():
    record, other = component(), component("deepface")
    # DeepFace itself is not needed.
    assert record.requires == ("onnxruntime",)
    assert record.extra is None
    # DeepFace publishes both files as the same network: it is attacked with that one's gradients.
    assert record.variant_of == other.name
    assert "gradient" in other.traits
    (weights,) = record.weights
    assert weights.sha256 is None
    assert weights.url == other.weights[0].url.replace(".h5", ".onnx")
    assert weights.mend == "fxbench weights fetch deepface-onnx"


def test_the_urls_are_those_of_deepface():
    emotion = pytest.importorskip("deepface.models.demography.onnx.Emotion")
    assert component().weights[0].url == emotion.WEIGHTS_URL[0]


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert component().weights[0].locate() is None
    with pytest.raises(WeightsError, match=r"facial_expression_model_weights\.onnx") as caught:
        component().factory()
    assert "fxbench weights fetch deepface-onnx" in str(caught.value)


def test_predictions(tmp_path):
    write(home(tmp_path))
    classifier = component().factory()
    assert isinstance(classifier, Classifier)
    assert not isinstance(classifier, Differentiable)
    faces = np.random.default_rng(1).integers(0, 256, (70, 224, 224, 3), np.uint8)
    faces.flags.writeable = False
    probabilities = classifier.predict(faces)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (70, 7)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(classifier.predict(faces[66:]), probabilities[66:], atol=1e-6)
    assert classifier.predict(faces[:0]).shape == (0, 7)
    with pytest.raises(PluginError, match="faces must be uint8"):
        classifier.predict(faces[:, :48, :48])


@pytest.mark.parametrize("kind", ["truncated", "not ONNX", "empty", "other size"])
def test_broken_weights_are_named(tmp_path, kind):
    path = home(tmp_path)
    write(path)
    good = path.read_bytes()
    if kind == "other size":
        path.write_bytes(good.replace(b"\x08\x30", b"\x08\x20"))
    else:
        contents = {"truncated": good[: len(good) // 2], "not ONNX": b"<html>", "empty": b""}
        path.write_bytes(contents[kind])
    with pytest.raises(WeightsError) as caught:
        component().factory()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("other", [{"outputs": 8}, {"softmax": False}])
def test_another_network_is_refused(tmp_path, other):
    write(home(tmp_path), **other)
    with pytest.raises(WeightsError, match="it is another network"):
        component().factory()


@pytest.mark.timeout(300)
def test_agrees_with_deepface_itself(tmp_path):
    """In a process of its own: DeepFace has one engine in a process."""
    pytest.importorskip("deepface")
    write(home(tmp_path))
    done = subprocess.run(
        [sys.executable, FAITHFUL],
        env={**os.environ, "DEEPFACE_BACKEND_ENGINE": "onnx"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["largest"] < 1e-3
    assert result["range"] > 0.1
    assert result["changed"] == []
    assert not result["tensorflow"]


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_agrees_with_the_network_on_tensorflow(shared, tmp_path, monkeypatch):
    """The stand-in, converted: the same weights give the same probabilities."""
    tf2onnx = pytest.importorskip("tf2onnx")
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("deepface")
    standin = shared / "weights" / "standin-deepface"
    if not (standin / ".deepface" / "weights" / FILE).is_file():
        pytest.skip(f"{standin} has no stand-in for DeepFace's emotion weights")
    monkeypatch.setenv("DEEPFACE_HOME", str(standin))
    original: Any = component("deepface").factory()
    signature = [tf.TensorSpec((None, 48, 48, 1), tf.float32, name="faces")]
    proto, _ = tf2onnx.convert.from_function(
        tf.function(original._run, input_signature=signature), input_signature=signature, opset=17
    )
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / ONNX_FILE).write_bytes(proto.SerializeToString())
    faces = np.zeros((12, 224, 224, 3), np.uint8)
    drawn = np.random.default_rng(0)
    coarse = drawn.integers(0, 256, (10, 8, 8, 3), np.uint8)
    faces[1:11] = coarse.repeat(28, axis=1).repeat(28, axis=2)
    faces[11] = 1
    theirs = original.predict(faces)
    twin = component().factory()
    check_variant(twin, original)
    np.testing.assert_allclose(twin.predict(faces), theirs, atol=1e-3)
    assert np.ptp(theirs, axis=0).max() > 0.1
