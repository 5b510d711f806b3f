"""Each mistake is caught by the check that is there for it, and who made none is not accused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up import Uniform
from made_up_faces import Patterns, Reads, softmax, source

from fxbench.audit import labels
from fxbench.audit.assignment import Answers, best, evidence, find, halves, percentiles
from fxbench.audit.auditor import Auditor, Subject
from fxbench.audit.findings import CHECKS, Audit, Finding
from fxbench.audit.images import Images
from fxbench.audit.readers import of_component
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.metrics.calibration import (
    bins_of,
    calibrated_errors,
    expected_calibration_error,
    reliability,
)
from fxbench.types import FaceSpec

BACKWARDS = EMOTIONS[::-1]


def audit(
    classifier: Any, dataset: Any = None, checks: tuple[str, ...] = CHECKS, **more: Any
) -> Audit:
    given = more.pop("labels", tuple(classifier.labels))
    subject = Subject("made-up", given, of_component(classifier), known=True)
    images = source(Patterns() if dataset is None else dataset, **more)
    return Auditor(checks, more.get("limit")).classifier(subject, [images])


def finding(check: str, classifier: Any, dataset: Any = None, **more: Any) -> Finding:
    (found,) = audit(classifier, dataset, (check,), **more).findings
    assert found.check == check
    return found


def random_walk(seed: int) -> Any:
    random = np.random.default_rng(seed)
    return lambda logits, _: logits + random.normal(0, 1, logits.shape)


def test_who_made_no_mistake_passes() -> None:
    report = audit(Reads(), Patterns({"valid": 400, "train": 100}))
    assert [(f.check, f.verdict) for f in report.findings] == [(check, "pass") for check in CHECKS]
    assert report.ok
    assert report.headline == "classifier made-up: 6 passed"


@pytest.mark.parametrize(
    ("check", "classifier"),
    [
        ("determinism", Reads(after=random_walk(0))),
        ("batch", Reads(after=lambda logits, _: logits - logits.mean(0))),
        ("input", Reads(sees=lambda faces: faces[..., ::-1] / 255)),
        ("input", Reads(sees=lambda faces: 1 - faces / 255)),
        ("input", Reads(sees=lambda faces: faces / 127.5 - 1)),
        ("labels", Reads(writes=BACKWARDS)),
        ("calibration", Reads(sure=0.5)),
    ],
    ids=["chance", "batch", "bgr", "inverted", "range", "order", "unsure"],
)
def test_a_mistake_is_found_and_no_other_is_alleged(check: str, classifier: Reads) -> None:
    report = audit(classifier)
    failed = [f for f in report.findings if f.verdict == "fail"]
    assert [f.check for f in failed] == [check], failed
    assert failed[0].advice
    assert not report.ok


def test_a_wrong_order_is_answered_with_the_right_one() -> None:
    found = finding("labels", Reads(writes=BACKWARDS))
    assert found.advice == f"Read the outputs as --labels {','.join(BACKWARDS)}"
    numbers = found.numbers
    assert numbers["accuracy_declared"]["value"] < 0.1
    assert numbers["accuracy_best_held_out"]["value"] > 0.9
    assert numbers["p"] < 1e-50


def test_two_exchanged_labels_are_enough() -> None:
    swapped = tuple({"sadness": "anger", "anger": "sadness"}.get(name, name) for name in EMOTIONS)
    found = finding("labels", Reads(writes=swapped))
    assert found.verdict == "fail"
    assert found.advice.endswith(",".join(swapped))


def test_an_order_that_nobody_told_is_found() -> None:
    found = finding("labels", Reads(writes=BACKWARDS), labels=None)
    assert (found.verdict, found.numbers["best"]) == ("pass", ",".join(BACKWARDS))
    assert "was not given and was found" in found.sentence


def test_seven_outputs_and_outputs_without_counterpart_are_read_too() -> None:
    seven = tuple(name for name in EMOTIONS if name != "contempt")
    assert finding("labels", Reads(seven, seven)).verdict == "pass"
    turned = (*seven[1:], seven[0])
    found = finding("labels", Reads(seven, turned))
    assert (found.verdict, found.numbers["best"]) == ("fail", ",".join(turned))

    class Nine(Reads):
        """A ninth output that means nothing and never wins."""

        def predict(self, faces: Any) -> Any:
            nothing = np.full((len(faces), 1), -30.0)
            return softmax(np.hstack([np.log(super().predict(faces) + 1e-9), nothing]))

    declared = (*EMOTIONS, None)
    assert finding("labels", Nine(declared)).verdict == "pass"
    assert finding("labels", Nine((None, *EMOTIONS))).numbers["best"] == ",".join(
        (*EMOTIONS, "none")
    )
    unknown = finding("labels", Nine(declared), labels=None)
    assert unknown.numbers["best"] == ",".join((*EMOTIONS, "none"))


def test_what_the_answers_do_not_tell_is_not_told() -> None:
    class Noise(Uniform):
        face = FaceSpec(8)

        def predict(self, faces: Any) -> Any:
            seeds = faces.astype(np.int64).sum(axis=(1, 2, 3))
            return np.array([np.random.default_rng(s).dirichlet(np.ones(8)) for s in seeds], "f4")

    for classifier in (Noise(), Uniform()):
        for order in (EMOTIONS, None):
            report = audit(classifier, checks=("input", "labels"), labels=order, limit=100)
            assert {f.verdict for f in report.findings} == {"undetermined"}, classifier


def test_emotions_with_few_images_are_named_and_nothing_is_claimed_of_them() -> None:
    found = finding("labels", Reads(), Patterns({"valid": 60}, noise=0.8))
    assert found.verdict == "pass"
    assert found.numbers["images"]["contempt"] + found.numbers["images"]["disgust"] <= 6
    assert "Too few images tell about" in found.sentence
    assert found.sentence.endswith("Too few images tell about disgust, fear, contempt.")
    assert [c > 0 for c in found.numbers["certain"]] == [True] * 5 + [False] * 3


P = np.array([1180, 862, 411, 348, 289, 25, 60, 16]) / 3191


def weak(seed: int, images: int = 300) -> Answers:
    """A weak and biased classifier whose order is right: mostly wrong, some outputs hardly win."""
    random = np.random.default_rng(seed)
    truth = random.choice(8, images, p=P)
    logits = random.normal(0, 1, (images, 8)) + random.normal(0, 1.5, 8)
    logits[np.arange(images), truth] += 1.0
    logits[np.arange(images), random.permutation(8)[truth]] += 0.5
    return Answers(softmax(logits), truth)


def test_a_right_order_is_hardly_ever_called_wrong() -> None:
    verdicts = []
    for seed in range(30):
        answers = weak(seed)
        order = find(answers, EMOTIONS, seed=seed)
        found = labels.check(order, answers.top, answers.truth, EMOTIONS)
        verdicts.append(found.verdict)
        assert (answers.top == answers.truth).mean() < 0.5
    # At the level of 0.01 two or more of 30 have a probability of 0.04.
    assert verdicts.count("fail") <= 1
    assert verdicts.count("warn") <= 3


def test_a_bias_towards_one_emotion_is_no_wrong_order() -> None:
    # Of neutral faces 3 in 4 are called sad, of sad ones nearly all: exchanging both names would
    # make more answers right, but it would be wrong.
    truth = np.repeat([0, 3, 1], [400, 100, 200])
    top = np.concatenate([np.repeat([3, 0], [300, 100]), np.repeat([3, 0], [98, 2]), [1] * 200])
    logits = np.random.default_rng(0).normal(0, 0.1, (700, 8))
    logits[np.arange(700), top] += 2
    logits[truth == 3, 3] += 0.5
    answers = Answers(softmax(logits), truth)
    order = find(answers, EMOTIONS)
    assert labels.check(order, answers.top, truth, EMOTIONS).verdict != "fail"
    assert order.codes[[0, 1, 3]].tolist() == [0, 1, 3]


def test_the_evidence_is_the_confusion_matrix_and_somers_d() -> None:
    from scipy.stats import somersd

    random = np.random.default_rng(1)
    truth, outputs = random.integers(0, 4, 60), random.uniform(size=(60, 3))
    found = evidence(outputs.argmax(1), percentiles(outputs), truth)
    assert found.counts.sum() == 60
    assert found.counts[truth[0], outputs[0].argmax()] > 0
    for emotion in range(4):
        for k in range(3):
            expected = somersd(truth == emotion, outputs[:, k]).statistic
            assert found.somers[emotion, k] == pytest.approx(expected)
    assert (found.somers[4:] == 0).all()


def test_the_best_assignment_prefers_what_was_declared() -> None:
    slots = np.arange(8)
    codes, value = best(np.zeros((8, 8)), slots, slots[::-1])
    assert (codes.tolist(), value) == (slots[::-1].tolist(), 0.0)


def test_halves_share_every_emotion() -> None:
    truth = np.repeat([0, 1, 5], [101, 40, 3])
    first = halves(truth, 3)
    assert [int(first[truth == e].sum()) for e in (0, 1, 5)] == [50, 20, 2]
    assert (halves(truth, 3) == first).all()
    assert not (halves(truth, 4) == first).all()


def test_grey_images_say_nothing_of_the_order_of_colours() -> None:
    wrong = Reads(sees=lambda faces: faces[..., ::-1] / 255, grey=True)
    report = audit(wrong, Patterns(grey=True), ("input",))
    assert report.findings[0].verdict == "pass"
    assert "with red and blue exchanged" not in report.findings[0].numbers["tried"]
    assert report.notes == (
        "patterns valid (single): the images are grey, so that they can't tell RGB from BGR.",
    )


def test_faces_are_cut_out_where_the_dataset_has_boxes() -> None:
    plain = finding("labels", Reads())
    boxed = finding("labels", Reads(), Patterns(boxes=True))
    assert plain.numbers == boxed.numbers


def test_a_wrong_order_does_not_spoil_what_comes_after() -> None:
    right, wrong = finding("calibration", Reads()), None
    for found in audit(Reads(writes=BACKWARDS), checks=("labels", "calibration")).findings:
        wrong = found
    assert wrong is not None
    assert wrong.sentence == f"{right.sentence} (In the best order of labels.)"
    assert wrong.numbers == right.numbers


def test_too_little_to_tell_from_is_refused() -> None:
    with pytest.raises(UsageError, match="has no emotion labels, and an audit compares"):
        audit(Reads(), Patterns(labelled=False))
    with pytest.raises(UsageError, match=r"12 labelled images here, too few .* at least 20"):
        audit(Reads(), Patterns({"valid": 12}))
    assert len(Images(source(Patterns(), limit=30))) == 30


# Calibration.


def test_the_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    confidence = np.repeat([0.5, 0.9], 50)
    correct = np.concatenate([np.arange(50) % 2 == 0, np.ones(50, bool)])
    points = reliability(confidence, correct)
    assert points.count.tolist() == [50, 50]
    assert points.accuracy.tolist() == [0.5, 1.0]
    found = expected_calibration_error(confidence, correct)
    assert found["value"] == pytest.approx((0 + 0.1) / 2)
    assert found["n"] == 100


def test_bins_have_equally_many_answers_and_equal_ones_stay_together() -> None:
    confidence = np.random.default_rng(0).uniform(0.2, 1, 300)
    assert np.bincount(bins_of(confidence)).tolist() == [20] * 15
    assert set(bins_of(np.full(40, 0.125)).tolist()) == {0}
    # A constant confidence is as good as its overall accuracy, in whatever order images come.
    assert expected_calibration_error(np.full(40, 0.25), np.arange(40) < 10)["value"] == 0


def test_a_calibrated_classifier_lies_within_what_is_simulated() -> None:
    random = np.random.default_rng(5)
    inside = 0
    for _ in range(40):
        confidence = random.uniform(0.3, 1, 400)
        error = expected_calibration_error(confidence, random.random(400) < confidence)["value"]
        simulated = calibrated_errors(confidence, draws=200)
        assert (np.diff(simulated) >= 0).all()
        inside += (error or 0) <= simulated[197]
    assert inside >= 37
    assert calibrated_errors(np.full(50, 1.0)).max() == 0


def test_findings_are_ready_for_json() -> None:
    import json

    report = audit(Reads(writes=BACKWARDS))
    record = json.loads(json.dumps(report.record(), allow_nan=False))
    assert record["ok"] is False
    assert [f["check"] for f in record["findings"]] == list(CHECKS)
    assert replace(report, findings=()).headline.endswith("nothing was checked")
