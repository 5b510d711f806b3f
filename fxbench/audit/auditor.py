"""Audits a classifier or a dataset: which checks run on which images, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.audit import behaviour, calibration, inputs, labels, leakage
from fxbench.audit.assignment import Answers, Order, codes_of, find, text_of
from fxbench.audit.findings import CHECKS, Audit, Finding
from fxbench.audit.images import Images
from fxbench.audit.readers import Reader
from fxbench.errors import UsageError
from fxbench.metrics.calibration import Reliability
from fxbench.metrics.intervals import proportion
from fxbench.outputs import probabilities
from fxbench.sources import evenly_spaced

if TYPE_CHECKING:
    from fxbench.sources import Source
    from fxbench.types import Bool, Int64

SEARCH = 1000
"""On so many images, evenly spaced, other inputs are tried."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A classifier under audit.

    Attributes:
        name: for people.
        labels: what its outputs are declared to mean, None where nobody knows.
        readers: the ways to hand over faces; the declared one first if `known`.
        known: whether the input was declared.
    """

    name: str
    labels: tuple[str | None, ...] | None
    readers: tuple[Reader, ...]
    known: bool


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What can be drawn of an audit on one dataset.

    Attributes:
        on: the images.
        points: of the reliability diagram; None where calibration was not checked.
        confusion: int64 (8, K), the right emotions by outputs.
        outputs: the names of the outputs, as they were read.
    """

    on: str
    points: Reliability | None
    confusion: Int64
    outputs: tuple[str, ...]


@dataclass(slots=True)
class Auditor:
    """Carries out the checks that were asked for.

    Attributes:
        checks: their names.
        limit: at most so many images of a split are looked up in another; all where None.
        progress: told what is done.
        pictures: what can be drawn, added to by each dataset.
    """

    checks: tuple[str, ...] = CHECKS
    limit: int | None = None
    progress: Progress = lambda text: None  # noqa: ARG005
    pictures: list[Picture] = field(default_factory=list)
    _prints: dict[tuple[str, str], leakage.Prints] = field(default_factory=dict)

    def classifier(self, subject: Subject, sources: Iterable[Source]) -> Audit:
        """Audit a classifier on the labelled images of some datasets.

        Raises:
            UsageError: one has no labels or too few images.
            FxbenchError: the classifier or a dataset breaks its contract.
        """
        findings: list[Finding] = []
        notes: list[str] = []
        for source in sources:
            images = Images(source)
            findings += self._on(subject, source, images, notes, first=not findings)
        return Audit(subject.name, "classifier", tuple(findings), tuple(notes))

    def dataset(self, source: Source, split: str | None) -> Audit:
        """Audit a dataset: whether its splits have images in common.

        Args:
            source: the dataset.
            split: compare this one with every other; every pair where None.
        """
        dataset = source.dataset
        splits = dataset.splits if split is None else (split,)
        pairs = []
        seen: set[frozenset[str]] = set()
        for one in splits:
            for other in dataset.splits:
                both = frozenset((one, other))
                if len(both) == 2 and both not in seen:
                    seen.add(both)
                    pairs.append(self._pair(source, one, other, self._rows(source, one)))
        notes = []
        unreadable = sum(prints.unreadable for prints in self._prints.values())
        if unreadable:
            notes.append(f"{unreadable} images could not be read; they are left out.")
        found = leakage.check(dataset, tuple(pairs))
        name = source.entry.name
        return Audit(name, "dataset", (replace(found, on=name),), tuple(notes))

    def _on(
        self, subject: Subject, source: Source, images: Images, notes: list[str], *, first: bool
    ) -> list[Finding]:
        """All findings on one dataset, in the order of CHECKS."""
        reader = subject.readers[0]
        findings: list[Finding] = []
        if "input" in self.checks or not subject.known:
            found, reader, untold = self._input(subject, images)
            if untold:
                notes.append(f"{images.name}: {untold}")
            if "input" in self.checks:
                findings.append(found)
        if first and {"determinism", "batch"} & set(self.checks):
            sample = evenly_spaced(len(images), behaviour.FACES)
            faces = np.concatenate([f for _, f in images.faces(reader.classifier.face, sample)])
            tried = behaviour.check(reader.classifier, faces)
            findings = [*(f for f in tried if f.check in self.checks), *findings]
        scored = None
        if {"labels", "calibration"} & set(self.checks):
            answers, read = self._answers(subject.name, reader, images)
            if len(read) < len(images):
                notes.append(
                    f"{images.name}: {len(images) - len(read)} images could not be read; they are "
                    "left out."
                )
            more, right = self._of_answers(subject, reader, answers, images.name)
            findings += more
            scored = None if right is None else (images.rows[read], right)
        if "leakage" in self.checks:
            findings.append(self._leakage(source, images, scored))
        return [
            f if f.check in ("determinism", "batch") else replace(f, on=images.name)
            for f in findings
        ]

    def _input(self, subject: Subject, images: Images) -> tuple[Finding, Reader, str]:
        positions = evenly_spaced(len(images), SEARCH)
        tops: dict[str, list[Any]] = {reader.name: [] for reader in subject.readers}
        read: list[Int64] = []
        grey = True
        face = subject.readers[0].classifier.face
        for where, faces in images.faces(face, positions):
            read.append(where)
            grey = grey and bool((faces == faces[..., :1]).all())
            for reader in subject.readers:
                if not (reader.colour and grey):
                    outputs = probabilities(subject.name, reader.classifier, faces)
                    tops[reader.name].append((len(read), outputs))
            done = sum(map(len, read))
            self.progress(f"{len(subject.readers)} inputs: {done} of {len(positions)} images")
        if not read:
            raise UsageError(f"No image of {images.name} could be read: see fxbench check.")
        truth = images.truth[np.concatenate(read)]
        ways = []
        for reader in subject.readers:
            # Grey images tell nothing of colours: then these ways were not tried from the start.
            if len(tops[reader.name]) == len(read):
                outputs = np.concatenate([part for _, part in tops[reader.name]])
                ways.append(inputs.tried(reader, Answers(outputs, truth), subject.labels))
        finding, way = inputs.check(ways, subject.labels, known=subject.known)
        untold = ""
        if len(ways) < len(subject.readers):
            untold = "the images are grey, so that they can't tell RGB from BGR."
        return finding, way.reader, untold

    def _answers(self, name: str, reader: Reader, images: Images) -> tuple[Answers, Int64]:
        parts, read = [], []
        for where, faces in images.faces(reader.classifier.face):
            parts.append(probabilities(name, reader.classifier, faces))
            read.append(where)
            self.progress(f"answers: {sum(map(len, read))} of {len(images)} images")
        positions = np.concatenate(read)
        return Answers(np.concatenate(parts), images.truth[positions]), positions

    def _of_answers(
        self, subject: Subject, reader: Reader, answers: Answers, on: str
    ) -> tuple[list[Finding], Bool | None]:
        """What the answers tell, and which are right, None where nobody knows what they mean."""
        self.progress("which emotion each output means")
        order = find(answers, subject.labels)
        found = labels.check(order, answers.top, answers.truth, subject.labels)
        if subject.known and reader is not subject.readers[0]:
            found = replace(found, sentence=f"{found.sentence} (With faces given {reader.name}.)")
        codes = meaning(subject.labels, order, found)
        findings = [found] if "labels" in self.checks else []
        right: Bool | None = None if codes is None else codes[answers.top] == answers.truth
        points = None
        if "calibration" in self.checks:
            if right is None:
                findings.append(
                    Finding(
                        "calibration",
                        "undetermined",
                        "It can't be told while it isn't known what the outputs mean.",
                    )
                )
            else:
                confidence = answers.outputs.max(axis=1).astype(np.float64)
                finding, points = calibration.check(confidence.clip(0, 1), right)
                if found.verdict == "fail":
                    text = f"{finding.sentence} (In the best order of labels.)"
                    finding = replace(finding, sentence=text)
                findings.append(finding)
        names = tuple(text_of(order.codes if codes is None else codes).split(","))
        self.pictures.append(Picture(on, points, order.counts, names))
        return findings, right

    def _leakage(
        self, source: Source, images: Images, scored: tuple[Int64, Bool] | None
    ) -> Finding:
        rows = None if self.limit is None else images.rows
        pairs = tuple(
            self._pair(source, source.split, other, rows)
            for other in source.dataset.splits
            if other != source.split
        )
        found = leakage.check(source.dataset, pairs, images.rows)
        if scored is None or found.verdict == "pass" or not pairs:
            return found
        leaked = np.isin(scored[0], np.concatenate([pair.rows for pair in pairs]))
        right = scored[1]
        own = right[~leaked]
        numbers = {
            "accuracy": dict(proportion(int(right.sum()), len(right))),
            "accuracy_without": dict(proportion(int(own.sum()), len(own))),
        }
        if not len(own):
            return replace(found, numbers=found.numbers | numbers)
        text = f"Accuracy is {100 * right.mean():.1f} %, without them {100 * own.mean():.1f} %."
        return replace(found, sentence=f"{found.sentence} {text}", numbers=found.numbers | numbers)

    def _pair(self, source: Source, split: str, other: str, rows: Int64 | None) -> leakage.Pair:
        these = self._read(source, split, rows)
        those = self._read(source, other, None)
        self.progress(f"{split} and {other} are compared")
        return leakage.compare(split, these, other, those)

    def _read(self, source: Source, split: str, rows: Int64 | None) -> leakage.Prints:
        key = (source.entry.name, f"{split} {'all' if rows is None else 'some'}")
        if key not in self._prints:
            self._prints[key] = leakage.prints(source.dataset, split, rows, self.progress)
        return self._prints[key]

    def _rows(self, source: Source, split: str) -> Int64 | None:
        if self.limit is None:
            return None
        return evenly_spaced(len(source.dataset.ids(split)), self.limit)


def meaning(declared: tuple[str | None, ...] | None, order: Order, found: Finding) -> Int64 | None:
    """How the outputs are to be read: as declared unless that is wrong, as found if it was."""
    if declared is not None:
        return order.codes if found.verdict == "fail" else codes_of(declared)
    return order.codes if found.verdict == "pass" else None
