"""Calibration: is the classifier right as often as its probabilities say?"""

from __future__ import annotations

from fxbench.audit.findings import Finding, Verdict
from fxbench.metrics.calibration import (
    BINS,
    Reliability,
    calibrated_errors,
    expected_calibration_error,
    reliability,
)
from fxbench.types import Bool, Float64

FAR = 0.15
"""From this expected calibration error on the probabilities are called wrong."""

NEAR = 0.02
"""Up to this one they are called right, however significant it is."""

_LEAST = 100


def check(confidence: Float64, correct: Bool) -> tuple[Finding, Reliability]:
    """Compare the expected calibration error with that of a perfectly calibrated classifier.

    Args:
        confidence: float64 (N,), the largest probability of each answer.
        correct: bool (N,), whether the answer is right.

    Returns:
        The finding, and the points of its reliability diagram.
    """
    points = reliability(confidence, correct)
    error = expected_calibration_error(confidence, correct)["value"] or 0.0
    perfect = calibrated_errors(confidence)
    usual, largest = float(perfect.mean()), float(perfect[int(0.99 * len(perfect))])
    surer, righter = float(confidence.mean()), float(correct.mean())
    numbers = {
        "ece": error,
        "ece_calibrated_mean": usual,
        "ece_calibrated_99": largest,
        "bins": BINS,
        "n": len(confidence),
        "confidence": surer,
        "accuracy": righter,
        "points": [
            {"count": int(count), "confidence": float(sure), "accuracy": float(right)}
            for count, sure, right in zip(
                points.count, points.confidence, points.accuracy, strict=True
            )
        ],
    }
    figures = (
        f"the expected calibration error is {100 * error:.1f} %, a calibrated classifier would get "
        f"{100 * usual:.1f} % ({100 * largest:.1f} % at most) on as many images"
    )
    verdict: Verdict
    advice = ""
    if error <= max(largest, NEAR):
        # Few images hide much: then nothing is said for the classifier.
        verdict = "pass" if len(confidence) >= _LEAST else "undetermined"
        sentence = f"Its probabilities are about right: {figures}."
        if verdict == "undetermined":
            sentence = f"Too few images to tell: {figures}."
            advice = f"Audit it on at least {_LEAST} labelled images."
    else:
        verdict = "fail" if error >= FAR else "warn"
        how = "surer than right" if surer > righter else "less sure than right"
        sentence = (
            f"It is {how} (mean probability {100 * surer:.1f} %, right {100 * righter:.1f} %): "
            f"{figures}."
        )
        advice = (
            "Scale its logits by one temperature, fitted on other images (Guo et al., ICML 2017)"
            + (
                "; see also whether a softmax is applied twice or not at all."
                if verdict == "fail"
                else "."
            )
        )
    return Finding("calibration", verdict, sentence, numbers, advice), points
