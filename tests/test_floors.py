"""The floors `full-frame` and `prior`."""

from __future__ import annotations

import numpy as np
import pytest
from fxbench_floors import FREQUENCIES, fxbench_classifiers, fxbench_detectors

from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.protocols import Classifier, Detector, Differentiable


def prior(frequencies: str = FREQUENCIES) -> Classifier:
    return fxbench_classifiers()[0].factory(frequencies=frequencies)


def test_records_are_floors():
    for component in [*fxbench_detectors(), *fxbench_classifiers()]:
        assert component.traits == {"default", "floor"}
        assert component.requires == ()
        assert component.extra is None


def test_full_frame_covers_every_image():
    detector = fxbench_detectors()[0].factory()
    assert isinstance(detector, Detector)
    boxes = detector.detect((np.zeros((48, 50, 3), np.uint8), np.zeros((7, 5, 3), np.uint8)))
    assert boxes.frame.tolist() == [0, 1]
    assert boxes.xyxy.tolist() == [[0, 0, 50, 48], [0, 0, 5, 7]]
    assert boxes.score.tolist() == [1, 1]
    assert boxes.track.tolist() == [-1, -1]
    assert len(detector.detect(())) == 0


def test_prior_is_the_class_frequencies_of_ferplus_train():
    classifier = prior()
    assert isinstance(classifier, Classifier)
    assert not isinstance(classifier, Differentiable)
    assert classifier.labels == EMOTIONS
    faces = np.random.default_rng(0).integers(0, 256, (3, 1, 1, 3), np.uint8)
    probabilities = classifier.predict(faces)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (3, 8)
    assert probabilities[0] * 25045 == pytest.approx([8733, 7284, 3136, 3022, 2098, 116, 536, 120])
    assert (probabilities == probabilities[0]).all()
    assert classifier.predict(faces[:0]).shape == (0, 8)


def test_predictions_can_be_written_to():
    classifier = prior()
    classifier.predict(np.zeros((1, 1, 1, 3), np.uint8))[:] = 0
    assert classifier.predict(np.zeros((1, 1, 1, 3), np.uint8)).sum() == pytest.approx(1)


def test_frequencies_can_be_set():
    row = prior(" 1, 0,0,0,0,0,0, 3e0").predict(np.zeros((1, 1, 1, 3), np.uint8))[0]
    assert row.tolist() == [0.25, 0, 0, 0, 0, 0, 0, 0.75]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5,6,7,x",
        "1,1,1,1,1,1,1,-1",
        "nan,1,1,1,1,1,1,1",
        ",".join("0" * 8),
        ",".join(["1e308"] * 8),
    ],
)
def test_bad_frequencies_are_named(text):
    with pytest.raises(UsageError, match="eight comma-separated numbers") as caught:
        prior(text)
    assert repr(text) in str(caught.value)
