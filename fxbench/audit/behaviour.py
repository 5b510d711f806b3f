"""Whether an answer depends on anything but the face: on chance, or on the rest of the batch.

The rules are those of the conformance kit, tried on real faces.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.audit.findings import Finding, Verdict
from fxbench.component import Component
from fxbench.kinds import KINDS
from fxbench.loader import one_line
from fxbench.testing.classifiers import AGAIN, RULES, TOLERANCE
from fxbench.testing.rules import Refused, Trial
from fxbench.types import UInt8

FACES = 8
"""How many faces the rules take."""

_CHECKS = {
    "determinism": (
        "deterministic",
        f"The same faces get the same answers at a second call, within {AGAIN:g}",
        "The same faces get other answers at a second call",
        "Leave dropout and other chance out of prediction (training=False, model.eval()).",
    ),
    "batch": (
        "batch-independent",
        "A face gets the same answer alone, in batches of 8 and 64 and in other company, within "
        f"{TOLERANCE:g}",
        "The answer to a face depends on the other faces of its batch",
        "Put batch normalisation into inference mode, and normalise each face by itself.",
    ),
}


def check(classifier: Any, faces: UInt8) -> tuple[Finding, ...]:
    """Try a classifier on some faces.

    Args:
        classifier: see :class:`fxbench.protocols.Classifier`.
        faces: uint8 (M, size, size, 3), as it wants them.
    """
    (kind,) = (kind for kind in KINDS if kind.name == "classifier")
    record = Component("audited", "", object)
    trial = Trial(record, kind, {}, None, tuple(np.asarray(face) for face in faces), classifier)
    rules = {rule.name: rule for rule in RULES}
    findings: list[Finding] = []
    for name, (rule, passed, failed, advice) in _CHECKS.items():
        if findings and findings[0].verdict == "fail":
            findings.append(
                Finding(
                    name,
                    "undetermined",
                    "It can't be told while the same faces get other answers at every call.",
                )
            )
            continue
        verdict: Verdict = "pass"
        try:
            figure = rules[rule].test(trial) or ""
            sentence = f"{passed} ({figure})."
        except Refused as answer:
            verdict, figure, sentence = "fail", str(answer), f"{failed}: {answer}"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            verdict, figure = "fail", one_line(error)
            sentence = f"It could not be tried, for it raised {figure}."
        numbers = {"rule": rule, "figure": figure, "faces": len(faces)}
        findings.append(
            Finding(name, verdict, sentence, numbers, advice if verdict == "fail" else "")
        )
    return tuple(findings)
