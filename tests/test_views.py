"""Detectors, landmarkers and classifiers that are views of one analyzer's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import IMAGES, KIND, PLUGIN, Sign, Squares, Uniform, entry, run

from fxbench import runner
from fxbench.chunks import Chunks
from fxbench.component import Component, Option, Terms
from fxbench.costs import Costs, costs
from fxbench.errors import PluginError, UsageError
from fxbench.exports import predictions
from fxbench.keys import component_digest
from fxbench.labels import EMOTIONS
from fxbench.options import resolve
from fxbench.registry import Entry, Plugin, Registry
from fxbench.selection import Selection
from fxbench.types import Analysis, Boxes, FaceSpec, Points, Truth
from fxbench.views import Found, Located, Memory, Shared, Told, view

SCHEME = "dlib-5"
POINTS = np.array([[12, 6], [10, 6], [4, 6], [6, 6], [8, 10]], np.float32)
LABELS = ("neutral", "happiness", None)


class Faces(Squares):
    """One face of 12 pixels in each image, with its points."""

    scheme = SCHEME

    def __init__(self) -> None:
        super().__init__()
        self.truth = lambda count: Truth(
            np.arange(count),
            xyxy=np.tile(np.array([[2, 2, 14, 14]], np.float32), (count, 1)),
            points=Points(np.tile(POINTS, (count, 1, 1)), SCHEME),
        )


class Service:
    """Finds a face of 12 pixels in each image and is silent about some."""

    scheme = SCHEME
    labels = LABELS
    face_size = 16

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self.asked: list[int] = []
        self.silent: set[int] = set()

    def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
        row = [int(image[0, 0, 0]) // 10 for image in images]
        self.asked += row
        failures = tuple((i, "busy") for i, r in enumerate(row) if r in self.silent)
        lists: list[list[Any]] = [
            [] if r in self.silent else [(2, 2, 14, 14, 0.5 + r / 100)] for r in row
        ]
        boxes = Boxes.from_lists(lists)
        answers = np.array([[0.1, 0.9, 0] if row[f] % 2 else [0.8, 0.2, 0] for f in boxes.frame])
        points = Points(np.tile(POINTS, (len(boxes), 1, 1)), SCHEME)
        return Analysis(boxes, points, answers.astype(np.float32).reshape(-1, 3), failures)


class Sure:
    """The emotion that the image is of."""

    labels = EMOTIONS
    face = FaceSpec(4)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        out = np.zeros((len(faces), 8), np.float32)
        out[np.arange(len(faces)), faces[:, 0, 0, 0] // 10 % 2] = 1
        return out


def views(service: Service, **more: Any) -> list[Entry]:
    options = (Option("threshold", "float", 0.5, "Of a face."),)
    record = Component("service", "Odd.", lambda threshold: service, options=options, **more)
    shown = (
        ("detector", "service", Found),
        ("landmarker", "service-5", Located),
        ("classifier", "service", Told),
    )
    return [
        Entry(KIND[kind], view(name, "Odd.", of=record, factory=factory), PLUGIN)
        for kind, name, factory in shown
    ]


def cells(stored: Any) -> dict[str, Any]:
    return {
        "-".join(
            str(cell["axes"][axis])
            for axis in ("detector", "classifier", "landmarker", "align")
            if axis in cell["axes"]
        ): cell
        for cell in stored.cells
    }


def test_a_service_is_asked_once_about_each_image_for_all_its_views(tmp_path: Path) -> None:
    service = Service()
    stored = run(tmp_path, entry("dataset", "faces", Faces), *views(service), landmarkers=("all",))
    assert sorted(service.asked) == list(range(IMAGES))
    found = cells(stored)
    assert all(cell["status"] == "ok" for cell in stored.cells)
    assert found["service-service"]["metrics"]["accuracy"]["value"] == 1
    assert found["service-service-5"]["metrics"]["nme_inter_ocular"]["value"] == 0
    assert found["service"]["metrics"]["average_precision_50"]["value"] == 1
    assert runner.exit_code(stored) == 0


def test_what_a_service_is_silent_about_is_listed_counts_nowhere_and_is_asked_again(
    tmp_path: Path,
) -> None:
    service = Service()
    service.silent = {3, 7}
    entries = [entry("dataset", "faces", Faces), *views(service), entry("classifier", "sure", Sure)]
    stored = run(tmp_path, *entries, landmarkers=("all",))
    for name, cell in cells(stored).items():
        assert [u["id"] for u in cell["unanswered"]] == ["3", "7"], name
        assert cell["unanswered"][0]["reason"] == "busy"
        assert cell["images"]["n"] == IMAGES - 2
        assert cell["rank"] is None
    assert cells(stored)["service-sure"]["metrics"]["accuracy_end_to_end"]["value"] == 1
    assert runner.exit_code(stored) == 3

    service.silent = set()
    service.asked = []
    stored = run(tmp_path, *entries, landmarkers=("all",))
    assert sorted(service.asked) == list(range(IMAGES))
    assert all(not cell["unanswered"] for cell in stored.cells)
    assert cells(stored)["service-sure"]["rank"]["of"] == 2
    assert runner.exit_code(stored) == 0
    service.asked = []
    run(tmp_path, *entries, landmarkers=("all",))
    assert service.asked == []


def test_a_run_whose_service_was_silent_is_not_finished(tmp_path: Path) -> None:
    service = Service()
    service.silent = {0}
    run(tmp_path, *views(service))
    before = len(service.asked)
    run(tmp_path, *views(service))
    assert len(service.asked) == 2 * before


def test_faces_are_aligned_by_the_landmarks_of_a_view(tmp_path: Path) -> None:
    service = Service()
    entries = [entry("dataset", "faces", Faces), *views(service), entry("classifier", "sure", Sure)]
    stored = run(
        tmp_path,
        *entries,
        classifiers=("sure",),
        landmarkers=("service-5",),
        aligns=("none", "eyes", "similarity"),
    )
    found = cells(stored)
    assert sorted(service.asked) == list(range(IMAGES))
    for how in ("eyes", "similarity"):
        cell = found[f"service-sure-service-5-{how}"]
        assert cell["status"] == "ok"
        assert cell["images"]["aligned"] == IMAGES
        assert cell["metrics"]["accuracy"]["value"] == 1
    assert "aligned" not in found["service-sure"]["images"]


@pytest.mark.parametrize(
    ("xyxy", "expected"),
    [
        ((3, 2, 15, 14), 0.9),  # overlaps the service's own box
        ((0, 0, 16, 16), 0.9),  # the whole image: the largest face in it
        ((0, 0, 5, 5), 0.0),  # another face, which the service doesn't know
    ],
)
def test_a_box_gets_the_answer_about_the_same_face(xyxy: tuple[int, ...], expected: float) -> None:
    image = np.full((16, 16, 3), 10, np.uint8)
    boxes = Boxes.from_lists([[(*map(float, xyxy), 1.0)]])
    told = Told(Service()).tell((image,), boxes)
    np.testing.assert_allclose(told[0, 1], expected, atol=1e-6)
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-6)
    assert told[0, -1] == (0 if expected else 1)
    located = Located(Service()).locate((image,), boxes).xy
    assert np.isnan(located).all() == (not expected)


def test_a_face_by_itself_is_analysed_by_itself() -> None:
    service = Service()
    faces = np.full((2, 16, 16, 3), 10, np.uint8)
    faces[1] = 20
    assert Told(service).predict(faces).argmax(axis=1).tolist() == [1, 0]
    assert service.asked == [1, 2]


def test_answers_are_shared_only_where_that_is_asked_for() -> None:
    service, memory = Service(), Memory()
    shared = Shared(service, memory)
    images = (np.zeros((16, 16, 3), np.uint8),)
    Found(shared).detect(images)
    Found(shared).detect(images)
    assert len(service.asked) == 2
    with memory.sharing():
        Found(shared).detect(images)
        Located(shared).locate(images, Boxes.from_lists([[(2, 2, 14, 14, 1)]]))
        Found(shared).detect((images[0].copy(),))
    assert len(service.asked) == 4


def test_options_of_a_view_are_set_under_the_analyzers_name() -> None:
    components = [one.component for one in views(Service())]
    options = resolve(components, ("service.threshold=0.9",))
    assert all(options.of(component) == {"threshold": 0.9} for component in components)


def test_an_image_is_paid_for_once_whatever_is_asked_about_it(tmp_path: Path) -> None:
    class Open(Faces):
        terms = Terms("made up", True, True, True)

    entries = views(Service(), sends=True, price=0.001)
    registry = Registry((PLUGIN,), (entry("dataset", "faces", Open), *entries))
    selection = Selection(
        detectors=("service",), landmarkers=("service-5",), classifiers=("service",), attacks=()
    )
    plan = runner.prepare(selection, (), registry, tmp_path).plan
    assert costs(plan) == Costs(IMAGES, IMAGES * 0.001)


@pytest.mark.parametrize(
    ("attribute", "value", "view_of"),
    [("scheme", None, Located), ("labels", None, Told), ("labels", ("neutral",), Told)],
)
def test_an_analyzer_that_lacks_something_is_refused(
    attribute: str, value: Any, view_of: Any
) -> None:
    service = Service()
    setattr(service, attribute, value)
    with pytest.raises(PluginError, match="This analyzer"):
        view_of(service)


def test_what_is_no_analyzer_is_refused(tmp_path: Path) -> None:
    record = Component("odd", "Odd.", object)
    one = Entry(KIND["detector"], view("odd", "Odd.", of=record, factory=Found), PLUGIN)
    stored = run(tmp_path, one)
    assert "no Analyzer: it lacks analyze, face_size, labels, scheme" in str(
        [cell["reason"] for cell in stored.cells]
    )


def test_an_attack_is_measured_where_the_clean_face_was_answered_too(tmp_path: Path) -> None:
    service = Service()
    entries = [
        entry("dataset", "faces", Faces),
        *views(service),
        entry("classifier", "uniform", Uniform, traits=frozenset({"gradient"})),
        entry("attack", "sign", Sign, traits=frozenset({"default"})),
    ]
    aligned = {"landmarkers": ("service-5",), "aligns": ("eyes",), "classifiers": ("uniform",)}
    aligned["detectors"] = ("service",)
    run(tmp_path, *entries, attacks=("none",), **aligned)
    # The clean outputs are kept; the boxes are not, so that the service is asked again.
    service.silent = {5}
    chunks = Chunks(tmp_path / "cache")
    for key, _ in list(chunks.sizes()):
        if "ids" in chunks.get(key).meta:
            chunks.remove(key)
    stored = run(tmp_path, *entries, attacks=("sign",), epsilons=(0.1,), **aligned)
    attacked = next(c for c in stored.cells if "attack" in c["axes"])
    assert attacked["status"] == "ok", attacked["reason"]
    assert [u["id"] for u in attacked["unanswered"]] == ["5"]
    assert attacked["images"]["n"] == IMAGES - 1


def test_a_batch_without_a_face_has_no_failures_of_the_one_before(tmp_path: Path) -> None:
    class Early(Service):
        def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
            if self.asked:
                return Analysis(
                    Boxes.from_lists([[] for _ in images]),
                    Points(np.zeros((0, 5, 2), np.float32), SCHEME),
                    np.zeros((0, 3), np.float32),
                )
            return super().analyze(images)

    service = Early()
    service.silent = {0, 1, 2, 3}
    stored = run(
        tmp_path,
        entry("dataset", "faces", Faces),
        *views(service),
        landmarkers=("service-5",),
        aligns=("eyes",),
    )
    assert {cell["status"] for cell in stored.cells} == {"ok"}, stored.cells


def test_what_is_wrong_with_one_cell_costs_no_other(tmp_path: Path) -> None:
    class Three:
        scheme = SCHEME

        def locate(self, images: Any, boxes: Boxes) -> Points:
            return Points(np.ones((len(boxes), 3, 2), np.float32), SCHEME)

    stored = run(
        tmp_path,
        entry("dataset", "faces", Faces),
        entry("landmarker", "three", Three),
        entry("classifier", "sure", Sure),
        landmarkers=("three",),
    )
    failed = {name for name, cell in cells(stored).items() if cell["status"] == "failed"}
    assert failed == {"whole-three"}
    assert len(stored.cells) == 3


def test_true_boxes_that_are_not_known_cost_the_detectors_scores_alone(tmp_path: Path) -> None:
    class Unknown(Faces):
        def __init__(self) -> None:
            super().__init__()
            known = self.truth

            def truth(count: int) -> Truth | None:
                made = known(count)
                assert made is not None
                xyxy = made.xyxy.copy()
                xyxy[0] = np.nan
                return Truth(made.frame, xyxy=xyxy, points=made.points)

            self.truth = truth

    stored = run(tmp_path, entry("dataset", "faces", Unknown), entry("classifier", "sure", Sure))
    found = cells(stored)
    assert found["whole-sure"]["status"] == "ok"
    assert found["whole"]["status"] == "failed"
    assert "not finite" in found["whole"]["reason"]["message"]


def test_analyzers_of_two_plugins_may_have_one_name(tmp_path: Path) -> None:
    class Elsewhere(Service):
        def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
            return Analysis(Boxes.from_lists([[(0, 0, 4, 4, 1)] for _ in images]), None, None)

    def detector(name: str, service: Service, plugin: Plugin) -> Entry:
        record = Component("same", "Odd.", lambda: service)
        return Entry(KIND["detector"], view(name, "Odd.", of=record, factory=Found), plugin)

    other = Plugin("other", "made_up_faces", "other", "1.0")
    stored = run(
        tmp_path,
        entry("dataset", "faces", Faces),
        detector("a", Service(), PLUGIN),
        detector("b", Elsewhere(), other),
    )
    found = cells(stored)
    assert found["a"]["metrics"]["average_precision_50"]["value"] == 1
    assert found["b"]["metrics"]["average_precision_50"]["value"] == 0


def test_predictions_with_silence_are_not_exported(tmp_path: Path) -> None:
    service = Service()
    service.silent = {3}
    stored = run(tmp_path, *views(service), classifiers=("service",), attacks=("none",))
    cell = cells(stored)["service-service"]
    with pytest.raises(UsageError, match="1 images of that cell got no answer"):
        predictions(stored, cell, Chunks(tmp_path / "cache"))


def test_another_region_has_other_keys() -> None:
    places = iter(["eu", "us"])
    component = Component("service", "Odd.", Service, where=lambda: next(places))
    one = Entry(KIND["detector"], view("service", "Odd.", of=component, factory=Found), PLUGIN)
    options = resolve([one.component])
    assert component_digest(one, options, {}) != component_digest(one, options, {})


@pytest.mark.parametrize("failure", [-1, 1])
def test_failures_are_of_images_that_were_asked_about(failure: int) -> None:
    class Wrong(Service):
        def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
            return Analysis(Boxes.from_lists([[]]), failures=((failure, "busy"),))

    with pytest.raises(PluginError, match=r"index|image 1 of 1"):
        Found(Shared(Wrong(), Memory())).detect((np.zeros((4, 4, 3), np.uint8),))
