"""The plan of a run: its cells and images, the stages they share, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from fxbench.cells import Cell, PlannedCell, belongs, components
from fxbench.errors import FxbenchError, UsageError
from fxbench.keys import component_digest, core_digest, digest, rows_digest, scoring_digest
from fxbench.options import Options
from fxbench.registry import Entry, Registry
from fxbench.selection import (
    Chosen,
    Reason,
    Selection,
    Source,
    aligning,
    choose,
    datasets,
    ready,
)
from fxbench.surrogates import norm_of, surrogate_of, unattackable
from fxbench.weights import check


@dataclass(frozen=True, eq=False)
class Plan:
    """All cells of a run and what their results depend on.

    Attributes:
        registry: what is installed.
        options: what was set.
        selection: what was asked for.
        sources: the images.
        cells: all combinations, those that are not run last.
        digests: the hash of each component that runs, by kind and name.
        weights: by kind and name, as :func:`fxbench.weights.check` returns them; without those
            that have none.
        left_out: what nobody named and can't run, with the reason.
    """

    registry: Registry
    options: Options
    selection: Selection
    sources: tuple[Source, ...]
    cells: tuple[PlannedCell, ...]
    digests: Mapping[tuple[str, str], str]
    weights: Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]]
    left_out: tuple[tuple[Entry, Reason], ...] = field(default=())

    @cached_property
    def key(self) -> str:
        """A hash of everything that the numbers of this plan depend on, timings apart."""
        return digest(
            {
                "core": core_digest(),
                "scoring": scoring_digest(),
                "sources": [(s.identity, rows_digest(s.answers.rows)) for s in self.sources],
                "cells": [(c.cell.axes, c.status) for c in self.cells],
                "components": sorted([*name, value] for name, value in self.digests.items()),
                # What a person accepts loses its mark in the tables.
                "weights": sorted(
                    [*name, file, record["state"]]
                    for name, files in self.weights.items()
                    for file, record in files.items()
                ),
            }
        )

    def runnable(self, source: Source) -> list[Cell]:
        """The cells of a source that are to be run."""
        return [
            planned.cell
            for planned in self.cells
            if planned.status == "planned" and belongs(planned.cell, source)
        ]

    def sends(self, cell: Cell) -> list[str]:
        """The components of a cell that send images to another machine."""
        found = (self.registry.get(kind, name) for kind, name in components(cell))
        return [entry.name for entry in found if entry.component.sends]

    def stages(self) -> list[dict[str, Any]]:
        """The shared stages: what is done once for how many cells, and on how many images."""
        stages: list[dict[str, Any]] = []
        for source in self.sources:
            cells, images = self.runnable(source), len(source.answers.rows)
            names = [("decode", source.name) for _ in cells]
            names += [("detect", cell.detector) for cell in cells]
            names += [
                ("attack", f"{cell.attack} on {cell.surrogate} ({cell.detector})")
                for cell in cells
                if cell.attack is not None
            ]
            names += [
                ("align", f"by {cell.landmarker} ({cell.detector})") for cell in cells if cell.align
            ]
            names += [
                (_LAST[cell.kind], f"{cell.scored} ({cell.detector})")
                for cell in cells
                if cell.kind in _LAST
            ]
            stages += [
                {"stage": stage, "of": of, "cells": count, "images": images}
                for (stage, of), count in Counter(names).items()
            ]
        return stages


_LAST = {"classifier": "predict", "landmarker": "locate"}
"""The last stage of a cell of each kind; a detector's boxes need none."""


def build(
    registry: Registry,
    options: Options,
    selection: Selection,
    load: Callable[[Entry], Any],
) -> Plan:
    """Compute the plan.

    Args:
        registry: what is installed.
        options: what was set.
        selection: what was asked for.
        load: makes a component; called for datasets and attacks only.

    Raises:
        UsageError: an unknown name, split or protocol, or nothing to run.
        UnavailableError: a dataset that was named can't be used.
        DataError: a dataset that can't be read.
    """
    left_out: list[tuple[Entry, Reason]] = []

    def chosen(kind: str, names: tuple[str, ...] | None) -> list[Chosen]:
        return choose(registry, options, kind, names, left_out)

    sources = datasets(registry, options, selection, load, left_out)
    detectors = chosen("detector", selection.detectors)
    classifiers: list[Chosen] = []
    if selection.classifiers is not None or any(s.has_labels for s in sources):
        classifiers = chosen("classifier", selection.classifiers)
    landmarkers: list[Chosen] = []
    if selection.landmarkers is not None or any(s.dataset.scheme for s in sources):
        landmarkers = chosen("landmarker", selection.landmarkers)
    named = tuple(name for name in selection.attacks or () if name != "none")
    attacks: list[Chosen] = []
    if classifiers:
        attacks = chosen("attack", named if selection.attacks is not None else None)
    norms = [(attack, *norm_of(attack, load)) for attack in attacks]

    aligners = aligning(registry, options, selection)
    table = _Table(registry, options)
    for source in sources:
        axes = (source.entry.name, source.split, source.protocol)
        if source.has_labels or selection.classifiers is not None:
            for detector, classifier in product(detectors, classifiers):
                clean = Cell(*axes, detector.entry.name, classifier.entry.name)
                chain = (detector, classifier)
                # To these it makes no difference how a face stands.
                unmoved = bool({"floor", "recorded"} & classifier.entry.component.traits)
                if unmoved or "none" in selection.aligns:
                    table.add_classifier(source, clean, chain, selection, norms)
                if unmoved:
                    continue
                for how, aligner in product(selection.aligns, aligners):
                    if how != "none":
                        cell = replace(clean, align=how, landmarker=aligner.entry.name)
                        table.add_classifier(source, cell, (*chain, aligner), selection, norms)
        if source.has_boxes:
            for detector in detectors:
                table.add_detector(source, Cell(*axes, detector.entry.name), detector)
        if source.dataset.scheme or selection.landmarkers is not None:
            for detector, landmarker in product(detectors, landmarkers):
                cell = Cell(*axes, detector.entry.name, landmarker=landmarker.entry.name)
                table.add_landmarker(source, cell, detector, landmarker)
        table.add_floors(source, classifiers=bool(classifiers), landmarkers=bool(landmarkers))
    if not table.cells:
        raise UsageError(
            "There is nothing to run: no detector with a classifier or landmarker is ready. "
            "`fxbench list` shows what is missing and the commands that install it."
        )
    return _with_digests(registry, options, selection, sources, table.cells, tuple(left_out))


Norm = tuple[Chosen, str | None, Reason | None]
"""An attack with its norm, or with why it has none."""


class _Table:
    """The cells of a plan while it is being made, in order, each once."""

    def __init__(self, registry: Registry, options: Options) -> None:
        self.cells: dict[Cell, PlannedCell] = {}
        self._registry = registry
        self._options = options

    def add_classifier(
        self,
        source: Source,
        clean: Cell,
        chain: tuple[Chosen, ...],
        selection: Selection,
        attacks: list[Norm],
    ) -> None:
        """The clean cell of a classifier behind what goes before it, and its cells under attack."""
        reason, asked = _obstacle(source, *chain)
        if reason is None and not source.has_labels:
            message = f"{source.entry.name} has no emotions to compare with."
            reason, asked = Reason("no emotion labels", message), False
        # A clean result is what an attack's success is measured against, so it always runs.
        self._add(clean, reason, asked=asked)
        for attack, norm, flaw in attacks:
            surrogate = surrogate_of(
                self._registry, self._options, chain[1].entry, attack.entry.name
            )
            for epsilon in selection.epsilons:
                cell = replace(
                    clean,
                    attack=attack.entry.name,
                    norm=norm,
                    epsilon=float(epsilon) + 0.0,
                    surrogate=surrogate.name,
                )
                obstacle, wanted = reason, asked
                if obstacle is None:
                    obstacle, wanted = flaw or attack.reason, attack.named
                if obstacle is None:
                    obstacle, wanted = unattackable(surrogate, cell), False
                failed = flaw is not None and obstacle is flaw
                self._add(cell, obstacle, asked=wanted, failed=failed)

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

    def add_floors(self, source: Source, *, classifiers: bool, landmarkers: bool) -> None:
        """The cells that are made of floors alone: they stand in every table."""
        axes = (source.entry.name, source.split, source.protocol)
        for detector in self._floors("detector"):
            cell = Cell(*axes, detector.name)
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


def _with_digests(
    registry: Registry,
    options: Options,
    selection: Selection,
    sources: tuple[Source, ...],
    cells: dict[Cell, PlannedCell],
    left_out: tuple[tuple[Entry, Reason], ...],
) -> Plan:
    """Hash every component that runs; one whose weights are not the right ones fails its cells."""
    digests: dict[tuple[str, str], str] = {}
    weights: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    broken: dict[tuple[str, str], Reason] = {}
    for planned in cells.values():
        if planned.status != "planned":
            continue
        for key in components(planned.cell):
            if key in digests or key in broken:
                continue
            entry = registry.get(*key)
            try:
                weights[key] = check(entry.component)
                digests[key] = component_digest(entry, options, weights[key])
            except FxbenchError as error:
                broken[key] = Reason("broken weights", str(error))
    final = []
    for planned in cells.values():
        reasons = [broken[key] for key in components(planned.cell) if key in broken]
        if reasons and planned.status == "planned":
            final.append(PlannedCell(planned.cell, reasons[0], "failed"))
        else:
            final.append(planned)
    final.sort(key=lambda planned: planned.status != "planned")
    used = {key: record for key, record in weights.items() if record}
    return Plan(registry, options, selection, sources, tuple(final), digests, used, left_out)
