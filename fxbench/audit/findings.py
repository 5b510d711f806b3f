"""What an audit says. This module imports nothing outside the standard library."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["pass", "warn", "fail", "undetermined"]

CHECKS = ("determinism", "batch", "input", "labels", "calibration", "leakage")
"""The names of all checks, in the order in which they are reported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: one of :data:`CHECKS`.
        verdict: `pass`; `warn`: a person should know; `fail`: results are wrong; `undetermined`:
            the images don't tell.
        sentence: what was found, one sentence.
        numbers: what it was found by, ready for JSON.
        advice: what to do; empty where nothing is to be done.
        on: the images that it was found on; empty where it depends on none in particular.
    """

    check: str
    verdict: Verdict
    sentence: str
    numbers: dict[str, Any] = field(default_factory=dict)
    advice: str = ""
    on: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings about a classifier or a dataset.

    Attributes:
        subject: its name.
        kind: `classifier` or `dataset`.
        findings: in the order of :data:`CHECKS`, dataset by dataset.
        notes: what else a person should know, a sentence each.
    """

    subject: str
    kind: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(finding.verdict != "fail" for finding in self.findings)

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        verdicts = [finding.verdict for finding in self.findings]
        words = {
            "fail": "failed",
            "warn": "to be looked at",
            "undetermined": "undetermined",
            "pass": "passed",
        }
        counts = [
            f"{verdicts.count(verdict)} {word}"
            for verdict, word in words.items()
            if verdict in verdicts
        ]
        return f"{self.kind} {self.subject}: {', '.join(counts) or 'nothing was checked'}"

    def record(self) -> dict[str, Any]:
        """The audit as JSON can hold it."""
        return {
            "subject": self.subject,
            "kind": self.kind,
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": list(self.notes),
        }
