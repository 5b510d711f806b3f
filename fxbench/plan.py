"""The plan of a run: its cells and images, the stages they share, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fxbench.availability import availability
from fxbench.errors import FxbenchError, PluginError, UnavailableError, UsageError
from fxbench.keys import component_digest, core_digest, digest, rows_digest
from fxbench.names import unknown_name
from fxbench.options import Options
from fxbench.protocols import Dataset
from fxbench.registry import Entry, Registry
from fxbench.types import Answers, Int64
from fxbench.weights import check

CHUNK_ROWS = 512
"""A chunk is the rows [k * 512, (k + 1) * 512) of a split that a plan selects."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person asked for. None where they named nothing, `("all",)` for all that is ready."""

    datasets: tuple[str, ...] | None = None
    split: str | None = None
    protocol: str | None = None
    detectors: tuple[str, ...] | None = None
    landmarkers: tuple[str, ...] | None = ()
    classifiers: tuple[str, ...] | None = None
    attacks: tuple[str, ...] | None = None
    epsilons: tuple[float, ...] = (0.0, 2 / 255, 8 / 255)
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. An axis that is None is at its default and left out of the record."""

    dataset: str
    split: str
    protocol: str
    detector: str
    classifier: str | None = None
    landmarker: str | None = None
    attack: str | None = None
    norm: str | None = None
    epsilon: float | None = None
    surrogate: str | None = None

    @property
    def axes(self) -> dict[str, Any]:
        """The axes that are not at their default."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in record.items() if value is not None}

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits, the same in every run."""
        return digest(self.axes)[:12]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a cell has no result.

    Attributes:
        kind: `missing extra`, `missing weights`, `needs option`, `broken`, `broken weights`,
            `no gradient`, `no landmark truth`, `terms` or `error`.
        message: one sentence.
        mend: a command that would mend it, or None.
    """

    kind: str
    message: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell with its place in the plan.

    Attributes:
        reason: why it is not run; None where it is.
        status: `planned`, `skipped` or `failed`.
        asked: False where the reason for skipping follows from the kinds alone (no gradient), so
            that the exit status stays 0.
    """

    cell: Cell
    reason: Reason | None = None
    status: str = "planned"
    asked: bool = True


@dataclass(frozen=True, eq=False)
class Source:
    """The images of a plan: some rows of a split of a dataset under a protocol."""

    entry: Entry
    dataset: Dataset
    split: str
    protocol: str
    answers: Answers
    fingerprint: str
    key: str

    def chunks(self) -> Iterator[Answers]:
        """The answers of each chunk, in order."""
        number = self.answers.rows // CHUNK_ROWS
        for value in np.unique(number):
            yield self.answers.take(np.flatnonzero(number == value))

    @property
    def name(self) -> str:
        """For people: dataset, split and protocol."""
        return f"{self.entry.name} {self.split} ({self.protocol})"


@dataclass(frozen=True, eq=False)
class Plan:
    """All cells of a run and what their results depend on."""

    registry: Registry
    options: Options
    selection: Selection
    sources: tuple[Source, ...]
    cells: tuple[PlannedCell, ...]
    digests: Mapping[tuple[str, str], str]
    weights: Mapping[str, Mapping[str, Mapping[str, str]]]
    left_out: tuple[tuple[Entry, Reason], ...] = field(default=())

    @cached_property
    def key(self) -> str:
        """A hash of everything that the numbers of this plan depend on, timings apart."""
        return digest(
            {
                "core": core_digest(),
                "sources": [(s.name, s.key, rows_digest(s.answers.rows)) for s in self.sources],
                "cells": [(c.cell.axes, c.status) for c in self.cells],
                "components": sorted([*name, value] for name, value in self.digests.items()),
            }
        )

    def runnable(self, source: Source) -> list[Cell]:
        """The cells of a source that are to be run."""
        return [
            planned.cell
            for planned in self.cells
            if planned.status == "planned" and belongs(planned.cell, source)
        ]

    def costs(self) -> tuple[int, float]:
        """How many images go to services elsewhere, and what that costs in US dollars."""
        calls, price = 0, 0.0
        for source in self.sources:
            images = len(source.answers.rows)
            used = {key for cell in self.runnable(source) for key in components(cell)}
            for kind, name in used:
                component = self.registry.get(kind, name).component
                if component.sends:
                    calls += images
                    price += images * (component.price or 0.0)
        return calls, price

    def stages(self) -> list[dict[str, Any]]:
        """The shared stages: what is done once for how many cells, and on how many images."""
        stages: list[dict[str, Any]] = []
        for source in self.sources:
            cells, images = self.runnable(source), len(source.answers.rows)
            groups: dict[tuple[str, str], int] = {("decode", source.name): len(cells)}
            for cell in cells:
                name = ("detect", cell.detector)
                groups[name] = groups.get(name, 0) + 1
            for cell in cells:
                if cell.attack is not None:
                    name = ("attack", f"{cell.attack} on {cell.surrogate} ({cell.detector})")
                    groups[name] = groups.get(name, 0) + 1
            for cell in cells:
                if cell.classifier is not None:
                    name = ("predict", f"{cell.classifier} ({cell.detector})")
                    groups[name] = groups.get(name, 0) + 1
            stages += [
                {"stage": stage, "of": name, "cells": count, "images": images}
                for (stage, name), count in groups.items()
            ]
        return stages


def belongs(cell: Cell, source: Source) -> bool:
    """Whether the cell is about the images of that source."""
    return (cell.dataset, cell.split, cell.protocol) == (
        source.entry.name,
        source.split,
        source.protocol,
    )


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

    def choose(kind: str, names: tuple[str, ...] | None) -> list[tuple[Entry, Reason | None]]:
        return _choose(registry, options, kind, names, left_out)

    sources = tuple(
        _source(entry, options, selection, load)
        for entry in _datasets(registry, options, selection)
    )
    detectors = choose("detector", selection.detectors)
    classifiers = choose("classifier", selection.classifiers)
    landmarkers = choose("landmarker", selection.landmarkers)
    attacks = [a for a in selection.attacks or () if a != "none"]
    with_clean = selection.attacks is None or "none" in selection.attacks or not attacks
    if selection.attacks is None:
        chosen_attacks = choose("attack", None)
    else:
        chosen_attacks = choose("attack", tuple(attacks)) if attacks else []
    with_clean = with_clean or "all" in attacks
    floors = [
        [(e, None) for e in registry.of_kind(k) if "floor" in e.component.traits]
        for k in ("detector", "classifier")
    ]

    cells: dict[Cell, PlannedCell] = {}
    for source in sources:
        pairs = [(d, c) for d in detectors for c in classifiers]
        axes = (source.entry.name, source.split, source.protocol)
        for (detector, wrong), (classifier, unfit) in pairs:
            clean = Cell(*axes, detector.name, classifier.name)
            reason = wrong or unfit or _terms(source, (detector, classifier))
            # A clean result is what an attack's success is measured against, so it always runs.
            if with_clean or chosen_attacks:
                _add(cells, clean, reason)
            for attack, flaw in chosen_attacks:
                for cell in _attacked(
                    clean, attack, selection.epsilons, load if not flaw else None
                ):
                    if "gradient" not in classifier.component.traits and not (reason or flaw):
                        message = f"{classifier.name} gives no gradient for {attack.name}."
                        _add(cells, cell, Reason("no gradient", message), asked=False)
                    else:
                        _add(cells, cell, reason or flaw)
        for (detector, wrong), (landmarker, unfit) in (
            (d, m) for d in detectors for m in landmarkers
        ):
            cell = Cell(*axes, detector.name, landmarker=landmarker.name)
            message = f"{source.entry.name} has no landmarks to compare with."
            none = Reason("no landmark truth", message)
            _add(cells, cell, wrong or unfit or none, asked=bool(wrong or unfit))
        if classifiers:
            for detector, _ in floors[0]:
                for classifier, _ in floors[1]:
                    _add(cells, Cell(*axes, detector.name, classifier.name), None)
    if not cells:
        raise UsageError(
            "There is nothing to run: no detector with a classifier or landmarker is ready. "
            "`fxbench list` shows what is missing and the commands that install it."
        )
    return _with_digests(registry, options, selection, sources, cells, tuple(left_out))


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
    weights: dict[str, dict[str, dict[str, str]]] = {}
    broken: dict[tuple[str, str], Reason] = {}
    for planned in cells.values():
        if planned.status != "planned":
            continue
        for kind, name in components(planned.cell):
            if (kind, name) in digests or (kind, name) in broken:
                continue
            entry = registry.get(kind, name)
            try:
                weights[name] = check(entry.component)
                digests[kind, name] = component_digest(entry, options, weights[name])
            except FxbenchError as error:
                broken[kind, name] = Reason("broken weights", str(error))
    final = []
    for planned in cells.values():
        reasons = [broken[key] for key in components(planned.cell) if key in broken]
        if reasons and planned.status == "planned":
            final.append(PlannedCell(planned.cell, reasons[0], "failed"))
        else:
            final.append(planned)
    final.sort(key=lambda planned: planned.status != "planned")
    used = {name: record for name, record in weights.items() if record}
    return Plan(registry, options, selection, sources, tuple(final), digests, used, left_out)


def components(cell: Cell) -> list[tuple[str, str]]:
    """Kind and name of the components that a cell's result depends on, its dataset apart."""
    names = [
        ("detector", cell.detector),
        ("landmarker", cell.landmarker),
        ("classifier", cell.classifier),
        ("attack", cell.attack),
        ("classifier", cell.surrogate),
    ]
    return list(dict.fromkeys((kind, name) for kind, name in names if name is not None))


def _add(
    cells: dict[Cell, PlannedCell], cell: Cell, reason: Reason | None, *, asked: bool = True
) -> None:
    status = "planned" if reason is None else "skipped"
    cells.setdefault(cell, PlannedCell(cell, reason, status, asked))


def _attacked(
    clean: Cell, attack: Entry, epsilons: Iterable[float], load: Callable[[Entry], Any] | None
) -> Iterator[Cell]:
    norm = load(attack).norm if load is not None else None
    if norm not in (None, "linf", "l2"):
        raise PluginError(f"The norm of {attack.name} must be 'linf' or 'l2', not {norm!r}.")
    for epsilon in epsilons:
        yield Cell(
            clean.dataset,
            clean.split,
            clean.protocol,
            clean.detector,
            clean.classifier,
            attack=attack.name,
            norm=norm,
            epsilon=epsilon,
            surrogate=clean.classifier,
        )


def _choose(
    registry: Registry,
    options: Options,
    kind: str,
    names: tuple[str, ...] | None,
    left_out: list[tuple[Entry, Reason]],
) -> list[tuple[Entry, Reason | None]]:
    """The components of a kind that were asked for, each with why it can't run, if so.

    Those that were asked for by name stay in the plan as skipped cells; of `all` and of the
    default only what is ready is taken.
    """
    named: dict[str, Entry] = {}
    wide: dict[str, Entry] = {}
    if names is None:
        for entry in registry.of_kind(kind):
            if "default" in entry.component.traits:
                wide[entry.name] = entry
    for name in names or ():
        if name == "all":
            wide |= {entry.name: entry for entry in registry.of_kind(kind)}
        else:
            named[name] = registry.get(kind, name)
    chosen: list[tuple[Entry, Reason | None]] = []
    for name, entry in (named | wide).items():
        state = availability(entry, options)
        if state.state == "ready":
            chosen.append((entry, None))
            continue
        reason = Reason(state.state, f"{name}: {state.detail}", state.mend)
        if name in named:
            chosen.append((entry, reason))
        else:
            left_out.append((entry, reason))
    return chosen


def _datasets(registry: Registry, options: Options, selection: Selection) -> list[Entry]:
    names = selection.datasets
    known = list(registry.of_kind("dataset"))
    if names is None or "all" in names:
        ready = [entry for entry in known if availability(entry, options).state == "ready"]
        if not ready:
            how = "; ".join(f"{entry.name}: {availability(entry, options).mend}" for entry in known)
            raise UsageError(f"No dataset is ready. Say where one is ({how}).")
        return ready
    entries = [registry.get("dataset", name) for name in dict.fromkeys(names)]
    for entry in entries:
        state = availability(entry, options)
        if state.state != "ready":
            raise UnavailableError(
                f"The dataset {entry.name} can't be used: {state.detail} {state.mend}"
            )
    return entries


def _source(
    entry: Entry, options: Options, selection: Selection, load: Callable[[Entry], Any]
) -> Source:
    dataset: Dataset = load(entry)
    split = selection.split or dataset.splits[0]
    if split not in dataset.splits:
        raise UsageError(unknown_name(f"split of {entry.name}", split, dataset.splits))
    protocol = selection.protocol or dataset.protocols[0]
    if protocol not in dataset.protocols:
        raise UsageError(unknown_name(f"protocol of {entry.name}", protocol, dataset.protocols))
    answers = dataset.answers(split, protocol)
    if not len(answers.rows):
        raise UsageError(
            f"{entry.name} {split} has no image that counts under the protocol {protocol}: "
            "choose another split or protocol."
        )
    if selection.limit is not None:
        answers = answers.take(evenly_spaced(len(answers.rows), selection.limit))
    fingerprint = dataset.fingerprint(split)
    key = digest(
        {
            "component": component_digest(entry, options, check(entry.component)),
            "fingerprint": fingerprint,
            "split": split,
        }
    )
    return Source(entry, dataset, split, protocol, answers, fingerprint, key)


def evenly_spaced(total: int, limit: int) -> Int64:
    """At most `limit` indices below `total`, evenly spaced from 0 on, int64."""
    count = min(total, limit)
    return (np.arange(count) * total // max(count, 1)).astype(np.int64)


def _terms(source: Source, entries: Iterable[Entry]) -> Reason | None:
    """Images go to another machine only where the dataset's terms allow it."""
    for entry in entries:
        if entry.component.sends and not source.dataset.terms.may_send_to_cloud:
            return Reason(
                "terms",
                f"{entry.name} sends images away, which the terms of {source.entry.name} "
                f"don't allow ({source.dataset.terms.licence}).",
            )
    return None
