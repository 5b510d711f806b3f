"""The engine: components that look at pictures together, outside of a run."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from made_up import PLUGIN, Uniform, Whole, entry
from made_up_people import FPS, Brows, Squares, picture

from fxbench.analysis.answer import Answer, answer_of
from fxbench.analysis.engine import Cast, Engine
from fxbench.answers import NOT_ASKED
from fxbench.component import Component
from fxbench.errors import PluginError, UnavailableError, UsageError
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import OTHER
from fxbench.registry import Registry
from fxbench.types import Analysis, Boxes, FaceSpec, Frames
from fxbench.views import Found, Told, view

DEFAULT = frozenset({"default"})


class Shades:
    """White faces are labelled as happiness, others as something without counterpart."""

    labels = ("happiness", None, None)
    face = FaceSpec(8)

    def predict(self, faces: np.ndarray) -> np.ndarray:
        white = faces.mean(axis=(1, 2, 3)) > 190
        return np.where(white[:, None], [0.6, 0.2, 0.2], [0.4, 0.35, 0.25]).astype(np.float32)


class Broken(Shades):
    def predict(self, faces: np.ndarray) -> np.ndarray:
        raise ValueError("no\nmemory")


class Service:
    """A service that answers boxes and emotions in one call, and to dark pictures nothing."""

    scheme = None
    labels = ("neutral", "happiness", None)
    face_size = 32
    asked = 0

    def analyze(self, images: tuple[np.ndarray, ...]) -> Analysis:
        type(self).asked += 1
        lit = [image.max() > 0 for image in images]
        found = [[(2.0, 2.0, 12.0, 12.0, 0.9)] if there else [] for there in lit]
        boxes = Boxes.from_lists(found)
        outputs = np.tile(np.array([[0.3, 0.7, 0.0]], np.float32), (len(boxes), 1))
        failures = tuple((i, "throttled") for i, there in enumerate(lit) if not there)
        return Analysis(boxes, None, outputs, failures)


SERVICE = Component("far", "A service.", Service, sends=True)


def registry(*more: Any) -> Registry:
    return Registry(
        (PLUGIN,),
        (
            entry("detector", "floor", Whole, traits=DEFAULT | {"floor"}),
            entry("detector", "lacking", Whole, traits=DEFAULT, requires=("no_such_library",)),
            entry("detector", "squares", Squares, traits=DEFAULT),
            entry("detector", "whole", Whole),
            entry("landmarker", "brows", Brows, traits=DEFAULT | {"contours"}),
            entry("classifier", "shades", Shades, traits=DEFAULT),
            entry("classifier", "uniform", Uniform),
            entry("classifier", "broken", Broken),
            *more,
        ),
    )


def test_without_names_it_is_the_first_default_ones_that_are_ready() -> None:
    engine = Engine.load(registry=registry())
    assert engine.cast == Cast(("squares",), ("shades",), (), ())
    assert engine.labels("shades") == ("happiness", None, None)


def test_stills_are_seen_behind_each_detector() -> None:
    engine = Engine.load(
        Cast(("squares", "whole"), ("shades", "uniform"), ("brows",)), registry=registry()
    )
    squares, whole = engine.look((picture(30, 2), np.zeros((9, 7, 3), np.uint8)))
    assert (squares.detector, whole.detector) == ("squares", "whole")
    assert squares.boxes.frame.tolist() == [0, 0]
    assert whole.boxes.xyxy.tolist() == [[0, 0, 200, 150], [0, 0, 7, 9]]
    assert squares.boxes.track.tolist() == [-1, -1]
    assert squares.points["brows"].xy.shape == (2, 68, 2)
    assert squares.answers["shades"].top().tolist() == [EMOTIONS.index("happiness")] * 2
    # The dark picture's highest single output means happiness, all others together something else.
    dark = whole.answers["shades"]
    assert dark.top().tolist()[1] == EMOTIONS.index("happiness")
    np.testing.assert_allclose(dark.other, [0.6, 0.6], atol=1e-6)
    assert np.isnan(dark.probabilities[:, EMOTIONS.index("fear")]).all()
    np.testing.assert_allclose(squares.answers["uniform"].probabilities, 1 / 8)


def test_no_picture_is_no_face() -> None:
    (look,) = Engine.load(registry=registry()).look(())
    assert len(look.boxes) == 0
    assert look.answers["shades"].top().tolist() == []


def test_a_watcher_follows_people_between_detections() -> None:
    engine = Engine.load(registry=registry())
    watcher = engine.watcher(every=3)
    tracks, detected = [], []
    for first in (0, 5):
        numbers = range(first, first + 5)
        frames = Frames(
            tuple(map(str, numbers)),
            tuple(picture(n) for n in numbers),
            np.array([n / FPS for n in numbers]),
        )
        (look,) = watcher.look(frames)
        tracks += look.boxes.track.tolist()
        detected += look.detected.tolist()
        assert len(look.answers["shades"]) == len(look.boxes)
    assert tracks == [0] * 10
    assert detected == [n % 3 == 0 for n in range(10)]


def test_an_analyzer_is_asked_once_for_all_its_views() -> None:
    Service.asked = 0
    far = [
        view("far-boxes", "Its boxes.", of=SERVICE, factory=Found),
        view("far-words", "Its emotions.", of=SERVICE, factory=Told),
    ]
    views = (
        entry("detector", "x", Whole).__class__(e.kind, component, PLUGIN)
        for e, component in zip(
            (entry("detector", "x", Whole), entry("classifier", "x", Uniform)), far, strict=True
        )
    )
    known = registry(*views)
    with pytest.raises(UsageError, match="far-boxes sends pictures to a service"):
        Engine.load(Cast(("far-boxes",)), registry=known)
    cast = Cast(("far-boxes",), ("far-words",))
    engine = Engine.load(cast, registry=known, allow_sending=True)
    light, dark = np.full((16, 16, 3), 9, np.uint8), np.zeros((16, 16, 3), np.uint8)
    (look,) = engine.look((light, dark))
    assert Service.asked == 1
    assert look.boxes.frame.tolist() == [0]
    assert look.answers["far-words"].top().tolist() == [EMOTIONS.index("happiness")]
    assert look.silent == {(1, "far-boxes"): "throttled", (1, "far-words"): "throttled"}


@pytest.mark.parametrize(
    ("cast", "error", "message"),
    [
        (Cast(("sqares",)), UsageError, "did you mean 'squares'"),
        (Cast(("lacking",)), UnavailableError, "It needs no_such_library"),
    ],
)
def test_what_cannot_look_is_refused(cast: Cast, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Engine.load(cast, registry=registry())


def test_a_component_that_fails_is_named() -> None:
    engine = Engine.load(Cast((), ("broken",)), registry=registry())
    with pytest.raises(PluginError, match=r"broken failed: .*no memory"):
        engine.look((picture(0),))


def test_a_detector_that_answers_of_pictures_that_are_not_there_is_named() -> None:
    class Odd:
        def detect(self, images: Any) -> Boxes:
            return Boxes.from_lists([[], [(0, 0, 4, 4, 1)]])

    known = registry(entry("detector", "odd", Odd))
    with pytest.raises(PluginError, match="odd found a face in picture 1 of 1"):
        Engine.load(Cast(("odd",)), registry=known).look((picture(0),))


def test_several_threads_take_turns() -> None:
    engine = Engine.load(registry=registry())
    seen: list[int] = []

    def work() -> None:
        for number in range(10):
            (look,) = engine.look((picture(number, 2),))
            seen.append(len(look.boxes))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 30


def test_an_answer_that_was_not_given_is_no_emotion() -> None:
    outputs = np.array([[0.2, 0.8], [0.9, 0.1]], np.float32)
    answer = answer_of(outputs, ("anger", None), np.array([False, True]))
    assert answer.top().tolist() == [OTHER, NOT_ASKED]
    assert np.isnan(answer.probabilities[1]).all()
    assert np.isnan(answer.other[1])
    plain = Answer(answer.probabilities, answer.other)
    assert plain.top().tolist() == [OTHER, NOT_ASKED]
    with pytest.raises(PluginError, match=r"Answer\.probabilities must be float32"):
        Answer(np.zeros((1, 7), np.float32), np.zeros(1, np.float32))
