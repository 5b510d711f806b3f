"""The plan of a run: its cells and images, the stages they share, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from fxbench.cell_table import CellTable
from fxbench.cells import Cell, PlannedCell, belongs, components
from fxbench.corrupting import Corruptions, corruptions
from fxbench.errors import FxbenchError, UsageError
from fxbench.keys import component_digest, core_digest, digest, rows_digest, scoring_digest
from fxbench.options import Options
from fxbench.registry import Entry, Registry
from fxbench.selection import Chosen, Reason, Selection, aligning, check_names, choose
from fxbench.sources import Source, datasets
from fxbench.surrogates import Attacks, Means, controls, means_of
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
        means: the attacks by name.
        surrogates: the classifiers whose adversarial faces are tried on others.
    """

    registry: Registry
    options: Options
    selection: Selection
    sources: tuple[Source, ...]
    cells: tuple[PlannedCell, ...]
    digests: Mapping[tuple[str, str], str]
    weights: Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]]
    left_out: tuple[tuple[Entry, Reason], ...] = field(default=())
    means: Mapping[str, Means] = field(default_factory=dict)
    surrogates: tuple[Chosen, ...] = ()

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

    def variant_of(self, cell: Cell) -> str | None:
        """The classifier that a cell's is the same network as, in another runtime."""
        if cell.classifier is None:
            return None
        return self.registry.get("classifier", cell.classifier).component.variant_of

    def is_own(self, cell: Cell) -> bool:
        """Whether a cell's attack takes the gradients of the attacked network itself."""
        return cell.surrogate in (None, cell.classifier, self.variant_of(cell))

    def stages(self) -> list[dict[str, Any]]:
        """The shared stages: what is done once for how many cells, and on how many images."""
        stages: list[dict[str, Any]] = []
        for source in self.sources:
            cells, images = self.runnable(source), len(source.answers.rows)
            names = [("decode", source.name) for _ in cells]
            names += [("corrupt", f"{cell.corruption}") for cell in cells if cell.corruption]
            names += [("detect", cell.detector) for cell in cells]
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
            stages += self._attacks(cells, images)
        return stages

    def _attacks(self, cells: list[Cell], images: int) -> list[dict[str, Any]]:
        """The stages that make adversarial faces: on how many, and with how many calls at most."""
        found: dict[str, tuple[int, dict[Any, Cell]]] = {}
        for cell in cells:
            if cell.attack is not None:
                of = f"{cell.attack} on {cell.surrogate} ({cell.detector})"
                count, conditions = found.get(of, (0, {}))
                conditions[cell.align, cell.landmarker, *self.condition(cell).values()] = cell
                found[of] = count + 1, conditions
        stages = []
        for of, (count, conditions) in found.items():
            cell = next(iter(conditions.values()))
            means, faces = self.means[str(cell.attack)], min(images, cell.subset or images)
            stage = {"stage": "attack", "of": of, "cells": count, "images": faces}
            attempts = sum(one.epsilon != 0 for one in conditions.values()) * faces
            for name in ("gradients", "queries"):
                if calls := getattr(means, name):
                    stage[name] = attempts * calls
            stages.append(stage)
        return stages

    def condition(self, cell: Cell) -> dict[str, Any]:
        """What tells one set of adversarial faces from another: of a minimum, not the budget."""
        minimum = cell.attack is not None and "minimum" in self.means[cell.attack].traits
        return cell.attack_axes | ({"epsilon": None} if minimum else {})


_LAST = {"classifier": "predict", "landmarker": "locate", "spotter": "spot"}
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

    check_names(registry, selection)
    sources = datasets(registry, options, selection, load, left_out)
    _check_watched(sources, selection)
    detectors = chosen("detector", selection.detectors)
    labelled = any(source.has_labels for source in sources)
    classifiers: dict[str, Chosen] = {}
    if labelled or selection.classifiers is not None or selection.surrogates is not None:
        for names in _classifiers(selection):
            classifiers = {one.entry.name: one for one in chosen("classifier", names)} | classifiers
    landmarkers: list[Chosen] = []
    if selection.landmarkers is not None or any(s.dataset.scheme or s.clips for s in sources):
        landmarkers = chosen("landmarker", selection.landmarkers)
    corrupted = Corruptions()
    if classifiers:
        corrupted = corruptions(registry, options, selection, left_out)
    beside = {one.entry.name: one for one in corrupted.baselines}
    attacks = _attacks(registry, options, selection, load, chosen if classifiers else None)

    aligners = aligning(registry, options, selection)
    spotters = chosen("spotter", selection.spotters) if any(s.clips for s in sources) else []
    table = CellTable(attacks, corrupted)
    for source, every in _watched(sources, selection):
        base = Cell(source.entry.name, source.split, source.protocol, "", every=every)
        if source.has_labels or selection.classifiers is not None:
            for detector, classifier in product(detectors, (beside | classifiers).values()):
                name = classifier.entry.name
                clean = replace(base, detector=detector.entry.name, classifier=name)
                chain = (detector, classifier)
                # To these it makes no difference how a face stands.
                unmoved = bool({"floor", "recorded"} & classifier.entry.component.traits)
                baseline = name not in classifiers
                # So many pictures are attacked only where a person asks for it.
                attacked = not baseline and (not source.clips or selection.attacks is not None)
                if unmoved or baseline or "none" in selection.aligns:
                    table.add_classifier(source, clean, chain, attacked=attacked)
                if unmoved or baseline:
                    continue
                for how, aligner in product(selection.aligns, aligners):
                    if how != "none":
                        cell = replace(clean, align=how, landmarker=aligner.entry.name)
                        table.add_classifier(source, cell, (*chain, aligner), attacked=attacked)
        if source.has_boxes:
            for detector in detectors:
                table.add_detector(source, replace(base, detector=detector.entry.name), detector)
        if source.dataset.scheme or (selection.landmarkers is not None and not source.clips):
            for detector, landmarker in product(detectors, landmarkers):
                cell = replace(base, detector=detector.entry.name)
                cell = replace(cell, landmarker=landmarker.entry.name)
                table.add_landmarker(source, cell, detector, landmarker)
        for detector, spotter in product(detectors, spotters if source.clips else ()):
            cell = replace(base, detector=detector.entry.name, spotter=spotter.entry.name)
            given = {"landmarker": landmarkers, "classifier": [*classifiers.values()]}
            table.add_spotter(source, cell, (detector, spotter), given)
        table.add_floors(
            source,
            base,
            classifiers=bool(classifiers),
            landmarkers=bool(landmarkers),
            spotters=bool(spotters),
        )
    if not table.cells:
        raise UsageError(
            "There is nothing to run: no detector with a classifier or landmarker is ready. "
            "`fxbench list` shows what is missing and the commands that install it."
        )
    once = {(entry.kind.name, entry.name): (entry, reason) for entry, reason in left_out}
    plan = Plan(registry, options, selection, sources, (), {}, {}, tuple(once.values()))
    by_name = {one.name: one for one in attacks.means}
    plan = replace(plan, means=by_name, surrogates=attacks.surrogates)
    return _with_digests(plan, table.cells)


def _check_watched(sources: tuple[Source, ...], selection: Selection) -> None:
    """See to it that there are videos where a person has said how to watch them.

    Raises:
        UsageError: there are none.
    """
    watched = {
        "spotters": bool(selection.spotters),
        "detect-every": selection.every != (1,),
        "smoothing": selection.smoothing != (0.0,),
        "fps": selection.fps is not None,
    }
    asked = [name for name, given in watched.items() if given]
    if asked and not any(source.clips for source in sources):
        names = ", ".join(source.entry.name for source in sources)
        raise UsageError(
            f"{asked[0]} is for videos, and {names} has none: name a dataset of videos, such as "
            "mini-clips."
        )


def _watched(
    sources: tuple[Source, ...], selection: Selection
) -> Iterator[tuple[Source, int | None]]:
    """The images, videos as often as there are ways to look for faces in them."""
    for source in sources:
        for every in dict.fromkeys(selection.every if source.clips else (1,)):
            yield source, None if every == 1 else every


def _classifiers(selection: Selection) -> list[tuple[str, ...] | None]:
    """The lists of classifiers that a plan has all of; None stands for the default."""
    if selection.surrogates is None:
        return [selection.classifiers]
    lists: list[tuple[str, ...] | None] = [selection.surrogates]
    lists += [names for names in (selection.classifiers, selection.targets) if names is not None]
    return lists if len(lists) > 1 else [*lists, None]


def _attacks(
    registry: Registry,
    options: Options,
    selection: Selection,
    load: Callable[[Entry], Any],
    chosen: Callable[[str, tuple[str, ...] | None], list[Chosen]] | None,
) -> Attacks:
    """The attacks that were asked for, with those that they are compared with."""
    means = []
    surrogates: list[Chosen] = []
    if chosen is not None:
        named = tuple(name for name in selection.attacks or () if name != "none")
        given = chosen("attack", named if selection.attacks is not None else None)
        means = [means_of(attack, load) for attack in given]
        means += controls(registry, options, means, load)
        if selection.surrogates is not None:
            surrogates = choose(registry, options, "classifier", selection.surrogates, [])
    return Attacks(registry, options, selection, tuple(means), tuple(surrogates))


def _with_digests(plan: Plan, cells: dict[Cell, PlannedCell]) -> Plan:
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
            entry = plan.registry.get(*key)
            try:
                weights[key] = check(entry.component)
                digests[key] = component_digest(entry, plan.options, weights[key])
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
    return replace(plan, cells=tuple(final), digests=digests, weights=used)
