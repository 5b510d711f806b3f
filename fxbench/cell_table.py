"""The cells of a plan while it is being made, each with why it can't be run where it can't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from fxbench.cells import Cell, PlannedCell
from fxbench.corrupting import Corruptions
from fxbench.registry import Entry
from fxbench.selection import Chosen, Reason, ready
from fxbench.sources import Source
from fxbench.surrogates import Attacks


class CellTable:
    """The cells of a plan while it is being made, in order, each once."""

    def __init__(self, attacks: Attacks, corrupted: Corruptions) -> None:
        self.cells: dict[Cell, PlannedCell] = {}
        self._attacks = attacks
        self._corrupted = corrupted
        self._registry = attacks.registry
        self._options = attacks.options

    def add_classifier(
        self, source: Source, clean: Cell, chain: tuple[Chosen, ...], *, attacked: bool = True
    ) -> None:
        """A classifier's cells behind what goes before it: clean, attacked, corrupted."""
        reason, asked = _obstacle(source, *chain)
        if reason is None and not source.has_labels:
            message = f"{source.entry.name} has no emotions to compare with."
            reason, asked = Reason("no emotion labels", message), False
        # A clean result is what all else is measured against, so it always runs.
        self._add(clean, reason, asked=asked)
        classifier, images = chain[1].entry, len(source.answers.rows)
        attacks = self._attacks.on(clean, classifier, images) if attacked else ()
        for cell, means, lack in attacks:
            obstacle, wanted = reason, asked
            if obstacle is None:
                obstacle, wanted = means.flaw or means.chosen.reason, means.chosen.named
            if obstacle is None:
                obstacle, wanted = lack, False
            failed = means.flaw is not None and obstacle is means.flaw
            self._add(cell, obstacle, asked=wanted, failed=failed)
        if source.clips and clean.align is None:
            for seconds in self._attacks.selection.smoothing:
                if seconds:
                    self._add(replace(clean, smoothing=seconds), reason, asked=asked)
        for cell, corruption, lack in self._corrupted.on(clean, classifier, source):
            obstacle, wanted = (reason, asked) if reason else (lack, corruption.named)
            self._add(cell, obstacle, asked=wanted)

    def add_landmarker(
        self, source: Source, cell: Cell, detector: Chosen, landmarker: Chosen
    ) -> None:
        """The cell of a landmarker behind a detector."""
        reason, asked = _obstacle(source, detector, landmarker)
        if reason is None and not source.dataset.scheme:
            message = f"{source.entry.name} has no landmarks to compare with."
            reason, asked = Reason("no landmark truth", message), False
        self._add(cell, reason, asked=asked)

    def add_detector(self, source: Source, cell: Cell, detector: Chosen) -> None:
        """The cell of a detector's boxes."""
        reason, asked = _obstacle(source, detector)
        self._add(cell, reason, asked=asked)

    def add_spotter(
        self,
        source: Source,
        cell: Cell,
        chain: tuple[Chosen, Chosen],
        given: Mapping[str, Sequence[Chosen]],
    ) -> None:
        """The cells of a spotter behind a detector: one for each component that it learns from.

        Args:
            source: the videos.
            cell: with that detector and spotter.
            chain: those.
            given: the landmarkers and classifiers of the plan, by kind.
        """
        reason, asked = _obstacle(source, *chain)
        # Where nothing is annotated, expressions are looked for if a person says so.
        if reason is None and not (source.whole if chain[1].named else source.has_intervals):
            reason, asked = Reason("no intervals", _nothing_to_spot(source)), False
        traits = chain[1].entry.component.traits
        if "floor" in traits:
            return
        wanted = [
            [one for one in given[kind] if _tells(one, need)]
            for kind, need in _GIVEN.items()
            if need in traits
        ]
        kinds = [kind for kind, need in _GIVEN.items() if need in traits]
        for others in product(*wanted):
            names: dict[str, Any] = {
                k: one.entry.name for k, one in zip(kinds, others, strict=True)
            }
            obstacle, named = (reason, asked) if reason else _obstacle(source, *others)
            self._add(replace(cell, **names), obstacle, asked=named)
        for kind, some in zip(kinds, wanted, strict=True):
            if not some:
                lack = Reason(_LACK[kind], f"{cell.spotter} needs {_NEEDED[kind]} that is ready.")
                self._add(cell, reason or lack, asked=asked and chain[1].named)

    def add_floors(
        self, source: Source, base: Cell, *, classifiers: bool, landmarkers: bool, spotters: bool
    ) -> None:
        """The cells that are made of floors alone: they stand in every table."""
        for detector in self._floors("detector"):
            cell = replace(base, detector=detector.name)
            if spotters and source.has_intervals:
                for other in self._floors("spotter"):
                    self._add(replace(cell, spotter=other.name), None)
            if source.has_boxes:
                self._add(cell, None)
            if classifiers and source.has_labels:
                for other in self._floors("classifier"):
                    self._add(replace(cell, classifier=other.name), None)
            if landmarkers and source.dataset.scheme:
                for other in self._floors("landmarker"):
                    self._add(replace(cell, landmarker=other.name), None)

    def _floors(self, kind: str) -> list[Entry]:
        return [
            entry
            for entry in self._registry.of_kind(kind)
            if "floor" in entry.component.traits
            and not entry.component.sends
            and ready(entry, self._options)
        ]

    def _add(
        self, cell: Cell, reason: Reason | None, *, asked: bool = True, failed: bool = False
    ) -> None:
        status = "planned" if reason is None else "failed" if failed else "skipped"
        self.cells.setdefault(cell, PlannedCell(cell, reason, status, asked))


_GIVEN = {"landmarker": "points", "classifier": "probabilities"}
"""By which trait a spotter asks for the answers of a component of each kind."""

_LACK = {"landmarker": "no landmarks", "classifier": "no classifier"}
_NEEDED = {
    "landmarker": "a landmarker whose points draw brows, eyes, nose and lips",
    "classifier": "a classifier",
}


def _nothing_to_spot(source: Source) -> str:
    """Why spotters have nothing to do in a source."""
    if not source.clips:
        return f"{source.name} has no videos, which spotters need."
    if not source.whole:
        return f"{source.name} takes parts of its videos only, and spotters need whole ones."
    return (
        f"Nobody has annotated expressions in the videos of {source.name}: name spotters with "
        "--spotters to see what they find."
    )


def _tells(chosen: Chosen, need: str) -> bool:
    """Whether a spotter can learn from a component: it answers, and in enough detail."""
    traits = chosen.entry.component.traits
    return not {"floor", "recorded"} & traits and (need != "points" or "contours" in traits)


def _obstacle(source: Source, *chosen: Chosen) -> tuple[Reason | None, bool]:
    """Why these can't be run on that source, and whether a person named the one that can't."""
    for one in chosen:
        if one.reason is not None:
            return one.reason, one.named
        if one.entry.component.sends and not source.dataset.terms.may_send_to_cloud:
            message = (
                f"{one.entry.name} sends images away, which the terms of {source.entry.name} "
                f"don't allow ({source.dataset.terms.licence})."
            )
            return Reason("terms", message), one.named
    return None, True
