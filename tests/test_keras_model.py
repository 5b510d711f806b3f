"""Keras files as classifiers: fed as was said, refused where they hold code or are cut short."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxbench import keras_model
from fxbench.errors import DataError, FxbenchError, UnavailableError
from fxbench.labels import EMOTIONS
from fxbench.model_file import FileClassifier, conforming, load, open_model
from fxbench.options import Options

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

EIGHT = ",".join(EMOTIONS)
SIZE = 6


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras")


def dense(keras: Any, *, channels: int = 1, outputs: int = 8, softmax: bool = True) -> Any:
    """Flatten and one dense layer with known weights, and a Dropout and a BatchNormalization."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, channels)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs, activation="softmax" if softmax else None),
        ]
    )


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras would rather have no .h5.
        model.save(path)
    return path


def classifier(path: Path, labels: str, input_: str) -> FileClassifier:
    component = open_model(path, labels, input_).entry.component
    made = component.factory(**Options({}).of(component))
    assert isinstance(made, FileClassifier)
    return made


def faces(count: int) -> Any:
    return np.random.default_rng(2).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_faces_enter_as_was_said(keras: Any, tmp_path: Path, suffix: str) -> None:
    model = dense(keras, channels=3)
    path = saved(model, tmp_path / f"My_Net.{suffix}")
    opened = open_model(path, EIGHT, f"bgr,{SIZE},-1..1")
    component = opened.entry.component
    assert (component.name, component.requires, component.extra) == (
        "my-net",
        ("tensorflow",),
        "tensorflow",
    )
    assert opened.notes == (f"My_Net.{suffix} takes bgr faces as NHWC, up to 64 at once.",)
    given = faces(70)
    expected = keras.ops.convert_to_numpy(
        model((given[..., ::-1] / 127.5 - 1).astype(np.float32), training=False)
    )
    made = classifier(path, EIGHT, f"bgr,{SIZE},-1..1")
    assert made.predict(given) == pytest.approx(expected, abs=1e-5)
    assert (made.labels, made.face.size) == (EMOTIONS, SIZE)
    assert "conforms" in conforming(component, Options({}))


def test_logits_get_a_softmax(keras: Any, tmp_path: Path) -> None:
    path = saved(dense(keras, softmax=False, outputs=3), tmp_path / "m.keras")
    opened = open_model(path, "neutral,anger,none", f"grey,{SIZE},0..1")
    assert "read as logits and a softmax" in opened.notes[1]
    answers = classifier(path, "neutral,anger,none", f"grey,{SIZE},0..1").predict(faces(5))
    assert answers.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-6)


def cut(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def with_lambda(keras: Any, path: Path) -> Path:
    layers = [keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten()]
    layers += [keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(8)]
    return saved(keras.Sequential(layers), path)


def two_inputs(keras: Any, path: Path) -> Path:
    ins = [keras.Input((SIZE, SIZE, 1)) for _ in range(2)]
    out = keras.layers.Dense(8)(keras.layers.Flatten()(keras.layers.add(ins)))
    return saved(keras.Model(ins, out), path)


def weights_only(keras: Any, path: Path) -> Path:
    made = path.with_suffix(".weights.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras converts to NumPy in a way that NumPy leaves.
        dense(keras).save_weights(made)
    return made


def text(path: Path) -> Path:
    path.write_text("not a model")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k, p: cut(saved(dense(k), p / "m.h5")), "m.h5 is damaged or cut short"),
        (lambda k, p: cut(saved(dense(k), p / "m.keras")), "no Keras file, or is cut short"),
        (lambda k, p: with_lambda(k, p / "m.h5"), "holds a Lambda layer, which is code"),
        (lambda k, p: with_lambda(k, p / "m.keras"), "holds a Lambda layer, which is code"),
        (lambda k, p: two_inputs(k, p / "m.keras"), "has 2 inputs: a model with one image"),
        (lambda k, p: weights_only(k, p / "m.h5"), "holds weights without the layers"),
        (lambda k, p: text(p / "m.h5"), "is no Keras file, or is cut short"),
        (lambda k, p: p / "absent.keras", "can't be read: No such file"),
        (lambda k, p: saved(dense(k, outputs=7), p / "m.h5"), "answers 7 values for a face, but 8"),
        (lambda k, p: saved(dense(k, channels=3), p / "m.h5"), "grey,6 makes"),
    ],
)
def test_a_file_that_is_not_as_was_said_gets_one_sentence(
    keras: Any, tmp_path: Path, make: Callable[[Any, Path], Path], message: str
) -> None:
    with pytest.raises(FxbenchError, match=message) as refused:
        open_model(make(keras, tmp_path), EIGHT, f"grey,{SIZE},0..1")
    assert "\n" not in str(refused.value)


def test_layers_that_keras_does_not_know_are_not_loaded(keras: Any, tmp_path: Path) -> None:
    path = saved(dense(keras), tmp_path / "m.h5")
    import h5py

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["class_name"] = "Homemade"
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(DataError, match=r"no whole model that Keras .* can load"):
        load(path)


def test_without_tensorflow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_model, "find_spec", lambda name: None)
    (tmp_path / "m.h5").write_bytes(b"anything")
    with pytest.raises(UnavailableError, match=r"pip install 'fxbench\[tensorflow\]'"):
        open_model(tmp_path / "m.h5", EIGHT, f"grey,{SIZE},0..1")


def test_a_file_of_an_old_keras_is_read(keras: Any, shared: Path) -> None:
    path = shared / "weights" / "reference" / "model_emopy_50_ep.h5"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    loaded = load(path)
    assert (loaded.shape, loaded.outputs) == ((None, 64, 64, 1), 8)
    answer = loaded.answer(np.zeros((2, 64, 64, 1), np.float32))
    assert answer.sum(axis=1) == pytest.approx(np.ones(2), abs=1e-5)
