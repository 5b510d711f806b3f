"""The networks that are shipped, in ONNX Runtime: the same answers, without TensorFlow."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from real_faces import real_faces

from fxbench.availability import availability
from fxbench.component import Component
from fxbench.errors import DataError, PluginError, UnavailableError, WeightsError
from fxbench.labels import EMOTIONS
from fxbench.onnx_network import OnnxNetwork
from fxbench.options import Options
from fxbench.protocols import Classifier
from fxbench.registry import discover
from fxbench.weights import MANIFEST, check, shipped, verified

SIZES = {"emopy": 48, "mobilenetv2": 96}
TWINS = [*(f"{name}-{kind}" for name in SIZES for kind in ("onnx", "int8")), "emopy-robust-onnx"]
MEND = "Install it again."

Faces = npt.NDArray[np.uint8]


def component(name: str) -> Component:
    return discover().get("classifier", name).component


def plugin(network: str) -> ModuleType:
    return importlib.import_module(f"fxbench_{network}")


def noise(count: int, size: int) -> Faces:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=TWINS)
def twin(request: pytest.FixtureRequest) -> Any:
    return component(request.param).factory()


@pytest.fixture(scope="module", params=SIZES)
def both(request: pytest.FixtureRequest) -> tuple[str, Any, Any, Any]:
    """A network in Keras, in ONNX Runtime, and there in 8 bits."""
    pytest.importorskip("tensorflow")
    name = request.param
    made = [component(f"{name}{kind}").factory() for kind in ("", "-onnx", "-int8")]
    return (name, *made)


# What is shipped


@pytest.mark.parametrize("network", SIZES)
def test_every_file_is_small_and_its_sha256_is_known(network: str) -> None:
    components = plugin(network).fxbench_classifiers()
    robust = ["emopy-robust", "emopy-robust-onnx"] if network == "emopy" else []
    assert [c.name for c in components] == [network, f"{network}-onnx", f"{network}-int8", *robust]
    for given in components:
        (weights,) = given.weights
        assert weights.locate().stat().st_size <= 10_000_000
        assert check(given)[weights.name]["state"] == "verified"


@pytest.mark.parametrize("network", SIZES)
def test_the_manifest_lists_the_files_that_are_there_and_no_other(network: str) -> None:
    folder = Path(str(plugin(network).__file__)).parent
    listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    there = {path.name: path.stat().st_size for path in folder.glob("*.[oh][n5]*")}
    assert {name: record["bytes"] for name, record in listed.items()} == there


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_needs_the_base_install_alone(name: str) -> None:
    assert component(name).requires == ("onnxruntime",)
    assert component(name).extra is None
    code = (
        "import sys, numpy; from fxbench.registry import discover\n"
        f"made = discover().get('classifier', {name!r}).component.factory()\n"
        "made.predict(numpy.zeros((1, made.face.size, made.face.size, 3), numpy.uint8))\n"
        "assert not {'tensorflow', 'keras', 'onnx', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_takes_gradients_of_the_network_that_it_is(name: str) -> None:
    assert component(name).variant_of == name.rpartition("-")[0]
    assert "gradient" not in component(name).traits


# What they answer


def test_protocol(twin: OnnxNetwork) -> None:
    assert isinstance(twin, Classifier)
    assert twin.labels == EMOTIONS
    assert twin.face.fit == "stretch"


@pytest.mark.parametrize("count", [0, 1, 5, 70])
def test_any_number_of_faces_gives_as_many_probabilities(twin: OnnxNetwork, count: int) -> None:
    faces = noise(count, twin.face.size)
    faces.flags.writeable = False
    answers = twin.predict(faces)
    assert answers.dtype == np.float32
    assert answers.shape == (count, 8)
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)


def test_a_face_depends_on_no_other(twin: OnnxNetwork) -> None:
    faces = noise(6, twin.face.size)
    alone = np.concatenate([twin.predict(face[np.newaxis]) for face in faces])
    np.testing.assert_allclose(twin.predict(faces), alone, atol=1e-5)


def test_other_arrays_are_refused(twin: OnnxNetwork) -> None:
    size = twin.face.size
    for wrong in (noise(1, size + 1), noise(1, size).astype(np.float32), noise(1, size)[..., :1]):
        with pytest.raises(PluginError, match="uint8"):
            twin.predict(wrong)


def test_the_threads_are_those_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = component("emopy-onnx").factory()
    assert made._session.get_session_options().intra_op_num_threads == 1


@pytest.mark.heavy
def test_answers_are_those_of_keras(both: tuple[str, Any, Any, Any]) -> None:
    name, keras, onnx, _ = both
    for count in (0, 1, 3, 70):
        faces = noise(count, SIZES[name])
        np.testing.assert_allclose(onnx.predict(faces), keras.predict(faces), atol=1e-4)


@pytest.mark.heavy
def test_answers_on_real_faces_are_those_of_keras(
    both: tuple[str, Any, Any, Any], shared: Path
) -> None:
    name, keras, onnx, int8 = both
    faces, labels = real_faces(shared, SIZES[name])
    expected = keras.predict(faces)
    np.testing.assert_allclose(onnx.predict(faces), expected, atol=1e-4)
    answers = int8.predict(faces)
    assert (answers.argmax(1) == expected.argmax(1)).mean() >= 0.9
    assert (answers.argmax(1) == labels).mean() >= (expected.argmax(1) == labels).mean() - 0.03


@pytest.mark.heavy
def test_the_robust_twin_answers_as_keras_does(shared: Path) -> None:
    pytest.importorskip("tensorflow")
    keras, onnx = (component(name).factory() for name in ("emopy-robust", "emopy-robust-onnx"))
    faces, _ = real_faces(shared, 48)
    np.testing.assert_allclose(onnx.predict(faces), keras.predict(faces), atol=1e-5)


# Files that are not as they should be


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"something else")
    (tmp_path / MANIFEST).write_text('{"net.onnx": {"sha256": "00", "bytes": 1}}')
    weights = shipped(tmp_path, "net.onnx", mend=MEND)
    with pytest.raises(WeightsError, match=r"sha256.*Install it again"):
        OnnxNetwork("net", weights)


def test_a_file_that_the_manifest_does_not_list_is_missing(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"something")
    weights = shipped(tmp_path, "net.onnx", mend=MEND)
    assert weights.locate() is None
    with pytest.raises(WeightsError, match="not found"):
        verified("net", weights)
    entry = discover().get("classifier", "emopy-onnx")
    given = Component("net", "A net.", dict, weights=(weights,))
    state = availability(type(entry)(entry.kind, given, entry.plugin), Options({}))
    assert (state.state, state.mend) == ("missing weights", MEND)


@pytest.mark.parametrize("text", ["{", "[]", '{"net.onnx": 3}'])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(WeightsError, match=MANIFEST):
        shipped(tmp_path, "net.onnx", mend=MEND)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    from fxbench.weights import sha256

    path = tmp_path / "net.onnx"
    path.write_bytes(b"something")
    (tmp_path / MANIFEST).write_text(json.dumps({"net.onnx": {"sha256": sha256(path)}}))
    with pytest.raises(DataError, match="no ONNX model"):
        OnnxNetwork("net", shipped(tmp_path, "net.onnx", mend=MEND))


# Writing them


@pytest.fixture(scope="module")
def small() -> Any:
    """A network with every kind of layer of those that are shipped, its statistics not the first.

    Its convolutions are two ordinary ones and a depthwise one.
    """
    pytest.importorskip("tf2onnx")
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    faces = keras.Input((12, 12, 1))
    x = layers.Rescaling(2.0, offset=-1.0)(faces)
    x = layers.Concatenate()([x, x, x])
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = start = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([start, layers.ReLU()(x)])
    x = layers.Conv2D(8, 4, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D(2)(layers.SpatialDropout2D(0.1)(x))
    logits = layers.Dense(8, name="logits")(layers.Dropout(0.3)(layers.Flatten()(x)))
    model = keras.Model(faces, layers.Softmax(name="probabilities")(logits))
    random = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, 8) for _ in range(4)])
    return model


@pytest.fixture(scope="module")
def converted(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fxbench.training.convert import to_onnx

    path = tmp_path_factory.mktemp("converted") / "small.onnx"
    to_onnx(small, path)
    return path


def answers(path: Path, faces: Faces) -> npt.NDArray[np.float32]:
    from fxbench.onnx_network import session

    (probabilities,) = session(path).run(["probabilities"], {"faces": faces})
    return np.asarray(probabilities)


@pytest.mark.heavy
def test_a_converted_network_answers_what_keras_answers(small: Any, converted: Path) -> None:
    faces = noise(9, 12)
    grey = faces @ np.array([0.299, 0.587, 0.114]) / 255
    expected = small.predict_on_batch(grey[..., np.newaxis].astype(np.float32))
    np.testing.assert_allclose(answers(converted, faces), expected, atol=1e-5)
    np.testing.assert_allclose(answers(converted, faces[:1]), expected[:1], atol=1e-5)


@pytest.mark.heavy
def test_normalisation_is_folded_and_the_operators_are_standard(converted: Path) -> None:
    import onnx

    from fxbench.training.convert import OPSET

    model = onnx.load(converted)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 3
    assert "BatchNormalization" not in kinds
    assert kinds.count("Mul") == kinds[: kinds.index("Conv")].count("Mul"), "none is left behind"
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    (faces,) = model.graph.input
    assert faces.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert faces.type.tensor_type.shape.dim[0].dim_param == "N"


@pytest.mark.heavy
def test_eight_bits_answer_nearly_the_same(converted: Path, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    from fxbench.training.convert import to_int8

    path = tmp_path / "small-int8.onnx"
    faces = noise(64, 12)
    to_int8(converted, faces, path)
    difference = np.abs(answers(path, faces) - answers(converted, faces))
    assert 0 < difference.max() < 0.1
    model = onnx.load(path)
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    whole = [array for array in weights if array.dtype == np.int8 and array.ndim == 4]
    depthwise, ordinary = sorted(whole, key=np.size)
    assert np.abs(depthwise.astype(int)).max() == 127, "a depthwise convolution has eight bits"
    assert np.abs(ordinary.astype(int)).max() == 64, "another one has seven"
    first = [array for array in weights if array.dtype == np.float32 and array.ndim == 4]
    assert len(first) == 1, "the first convolution keeps its 32 bits"


@pytest.mark.heavy
def test_faces_that_cannot_calibrate_are_refused(converted: Path, tmp_path: Path) -> None:
    from fxbench.training.convert import to_int8

    path = tmp_path / "small-int8.onnx"
    with pytest.raises(DataError, match="no face"):
        to_int8(converted, noise(0, 12), path)
    with pytest.raises(PluginError, match="faces"):
        to_int8(converted, noise(4, 13), path)
    assert not path.exists()


def test_without_the_converter_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fxbench.training import convert

    monkeypatch.setattr(convert, "find_spec", lambda module: None)
    with pytest.raises(UnavailableError, match=r"onnx, tf2onnx.*fxbench\[train\]"):
        convert.to_onnx(None, tmp_path / "x.onnx")


# Keras 3.15 reads TensorFlow's variables in a way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.heavy
def test_all_files_of_a_network_are_written_with_their_manifest(small: Any, tmp_path: Path) -> None:
    from fxbench.training.convert import write_twins

    weights = tmp_path / "trained.weights.h5"
    small.save_weights(weights)
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / MANIFEST).write_text('{"other.bin": {"sha256": "1", "bytes": 2}}')
    files = write_twins("net", small, weights, noise(32, 12), folder)
    assert {path.name for path in files.values()} == {
        "net.weights.h5",
        "net.onnx",
        "net-int8.onnx",
    }
    for path in files.values():
        assert verified("net", shipped(folder, path.name, mend=MEND)) == path
    listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert listed["other.bin"] == {"sha256": "1", "bytes": 2}


def test_calibration_faces_are_those_that_full_frame_gives(ferplus: Path) -> None:
    from fxbench.training.convert import calibration_faces

    factory = discover().get("dataset", "ferplus").component.factory
    dataset = factory(path=ferplus)
    faces = calibration_faces(dataset, "valid", 48, 5)
    assert faces.shape == (5, 48, 48, 3)
    rows = dataset.answers("valid", "majority").rows[[0, 3, 6, 10, 13]]
    (batch,) = dataset.batches("valid", rows)
    np.testing.assert_array_equal(faces, np.stack(batch.frames.images))
    assert len(calibration_faces(dataset, "valid", 96, 1000)) == 17


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("backend", "settings", "message"),
    [
        ("jax", {}, "KERAS_BACKEND"),
        ("", {"--train": "trian"}, "did you mean 'train'"),
        ("", {}, "can't be loaded into emopy"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_a_sentence(
    backend: str,
    settings: dict[str, str],
    message: str,
    tmp_path: Path,
    ferplus: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tensorflow")
    from fxbench_emopy.convert import main

    monkeypatch.setenv("KERAS_BACKEND", backend)
    wrong = tmp_path / "net.weights.h5"
    wrong.write_bytes(b"something else")
    given = [str(wrong), "--folder", str(tmp_path), "--set", f"ferplus.path={ferplus}"]
    result = CliRunner().invoke(main, given + [word for pair in settings.items() for word in pair])
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.glob("*.onnx")] == []
