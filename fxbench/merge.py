"""Several runs as one: what was scored on many machines, ranked on one leaderboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fxbench import answers, citing, pairs
from fxbench.agreement import (
    OF_ALL_CELLS,
    OF_ALL_MODELS,
    check_datasets,
    described,
    difference,
    without,
)
from fxbench.answers import Answered
from fxbench.errors import UsageError
from fxbench.keys import digest
from fxbench.names import counted
from fxbench.ranking import Record, families, ranked, robust
from fxbench.sides import Place, place
from fxbench.store import RunFolder, StoredRun, check_new, load
from fxbench.tables import combination, kind_of


@dataclass(slots=True)
class Merged:
    """What merging came to.

    Attributes:
        folder: the new run.
        cells: how many cells it has.
        twice: how many of these several runs had.
        notes: what a reader must know, a sentence or two each.
    """

    folder: Path
    cells: int = 0
    twice: int = 0
    notes: list[str] = field(default_factory=list)


def merge(folders: Sequence[Path], output: Path, *, keep_first: bool = False) -> Merged:
    """Write several finished runs as one.

    Args:
        folders: of the runs, two at least.
        output: the folder of the new run, which must be empty or not there yet.
        keep_first: where runs have different numbers of the same cell, keep the first run's and
            note it, where it would else be refused.

    Raises:
        UsageError: they can't be merged: a run is not finished, two runs are about other images or
            labels, or have different numbers of the same cell.
        SchemaError: a run can't be read.
        StoreError: the new one can't be written.
    """
    check_new(output, "-o")
    stored = [load(folder) for folder in folders]
    # The same command has the same id on every machine: folders tell runs apart.
    if len(stored) < 2 or len({folder.resolve() for folder in folders}) != len(stored):
        names = ", ".join(str(run.run["id"]) for run in stored)
        raise UsageError(f"Merging takes two different runs at least, not {names or 'none'}.")
    for run in stored:
        if not run.finished:
            raise UsageError(
                f"The run {run.folder.name} is not finished: let the command that made it come to "
                "its end, then merge."
            )
    named = dict(zip(_names(stored), stored, strict=True))
    return _Merge(named, RunFolder(output, "-o"), keep_first=keep_first).execute()


def _names(runs: Sequence[StoredRun]) -> list[str]:
    """What each run is called: its id, and where several have the same, so much of its path."""
    ids = [str(run.run["id"]) for run in runs]
    paths = [run.folder.resolve().parts for run in runs]
    length = 2
    while len({path[-length:] for path in paths}) != len(paths):
        length += 1
    return [
        id_ if ids.count(id_) == 1 else "/".join(path[-length:])
        for id_, path in zip(ids, paths, strict=True)
    ]


class _Merge:
    """One merging."""

    def __init__(self, runs: dict[str, StoredRun], folder: RunFolder, *, keep_first: bool) -> None:
        self._runs = runs
        self._folder = folder
        self._keep_first = keep_first
        self._merged = Merged(folder.folder)
        self._answered: dict[Place, Answered] = {}
        self._cells: dict[str, Record] = {}
        self._origin: dict[str, StoredRun] = {}
        self._differing: dict[str, str] = {}
        self._tops: dict[str, dict[str, Any]] = {}
        self._by_id = {name: {cell["id"]: cell for cell in run.cells} for name, run in runs.items()}
        check_datasets(runs)

    def execute(self) -> Merged:
        """Everything, in order."""
        for name, run in self._runs.items():
            own = self._tops[name] = {}
            for part in answers.read(run.folder):
                own |= part.tops
                self._add_answers(name, part)
        for name, run in self._runs.items():
            for cell in run.cells:
                self._add_cell(name, dict(cell))
        if self._differing and not self._keep_first:
            raise UsageError(
                "Two runs disagree about the same cell: "
                f"{'; '.join(list(self._differing.values())[:3])}. Leave one of them out, or keep "
                "the first run's numbers with --keep-first."
            )
        self._restore_order()
        self._compare_components()
        self._drop_what_depends_on_others()
        self._robustness()
        tests = self._rank()
        with self._folder.lock():
            for one in self._answered.values():
                answers.write(self._folder.folder, one)
            self._copy_samples()
            pairs.write(self._folder.folder, tests)
            self._folder.compact(list(self._cells.values()))
            self._folder.write_run(self._record())
        self._merged.cells = len(self._cells)
        return self._merged

    def _note(self, text: str) -> None:
        self._merged.notes.append(text)

    def _add_answers(self, run: str, part: Answered) -> None:
        where = (part.dataset, part.split, part.protocol)
        known = self._answered.get(where)
        if known is None:
            self._answered[where] = part
            return
        for name in ("rows", "labels", "clusters"):
            if not np.array_equal(getattr(known, name), getattr(part, name)):
                raise UsageError(
                    f"{run} was scored on other images of {' '.join(where)} than "
                    f"{next(iter(self._runs))} ({len(part.rows)} and {len(known.rows)}): merge "
                    "runs of the same images, with the same --limit, in which the same ones could "
                    "be read."
                )
        # Which run's answers of a cell are kept is decided when the cells are known.
        self._answered[where] = Answered(
            *where,
            known.rows,
            known.ids,
            known.labels,
            known.clusters,
            {**part.groups, **known.groups},
            {**part.tops, **known.tops},
        )

    def _add_cell(self, name: str, cell: Record) -> None:
        run = self._runs[name]
        known = self._cells.get(cell["id"])
        cell |= {"run": name}
        if cell.get("latency"):
            cell["latency"] = {"machine": _machine(run.run)} | cell["latency"]
        if known is None or (known["status"] != "ok" and cell["status"] == "ok"):
            self._cells[cell["id"]] = cell
            self._origin[cell["id"]] = run
            return
        if known["status"] != "ok" or cell["status"] != "ok":
            return
        self._merged.twice += 1
        differing = difference(known, cell)
        if differing:
            text = f"{described(cell)} has {differing} in {known['run']} and {cell['run']}"
            self._differing.setdefault(cell["id"], text)
        if not known.get("latency") and cell.get("latency"):
            known["latency"] = cell["latency"]
            self._origin[cell["id"]] = run

    def _restore_order(self) -> None:
        """Cells of one kind beside each other, as in a run: clean ones before others."""
        order = {id_: place_ for place_, id_ in enumerate(self._cells)}

        def key(cell: Record) -> tuple[Any, ...]:
            axes = cell["axes"]
            done = ("attack" in axes) + 2 * ("corruption" in axes)
            return (*place(cell), kind_of(cell) != "classifier", done, order[cell["id"]])

        self._cells = {cell["id"]: cell for cell in sorted(self._cells.values(), key=key)}
        for where, answered in self._answered.items():
            tops = {}
            for id_, cell in self._cells.items():
                # The answers are of the run that the numbers are of; another's, where it has none
                # and the two agree.
                own = self._tops[cell["run"]]
                if id_ in answered.tops and (id_ in own or id_ not in self._differing):
                    tops[id_] = own.get(id_, answered.tops[id_])
            self._answered[where] = Answered(
                *where,
                answered.rows,
                answered.ids,
                answered.labels,
                answered.clusters,
                answered.groups,
                tops,
            )

    def _compare_components(self) -> None:
        for text in self._differing.values():
            self._note(f"{text}: the first run's was kept.")
        hashes: dict[str, set[str]] = {}
        for run in self._runs.values():
            for name, hash_ in (run.run.get("components") or {}).items():
                hashes.setdefault(name, set()).add(hash_)
        several = [name for name, found in hashes.items() if len(found) > 1]
        if several:
            self._note(
                f"Not the same in every run, by code, versions, weights or options: "
                f"{', '.join(several)}. The cells that several runs have agree nonetheless."
                if self._merged.twice and not self._differing
                else f"Not the same in every run, by code, versions, weights or options: "
                f"{', '.join(several)}."
            )

    def _drop_what_depends_on_others(self) -> None:
        offered = {tuple(cell.get("shared_labels") or ()) for cell in self._scored()}
        if len(offered) > 1:
            for cell in self._scored():
                cell["shared_labels"] = []
                cell["metrics"] = without(cell["metrics"], OF_ALL_CELLS)
            self._note(
                "The runs' classifiers share other labels, so that there are no scores over shared "
                "labels."
            )
        with_all = [cell for cell in self._scored() if OF_ALL_MODELS in cell["metrics"]]
        if len({cell["run"] for cell in with_all}) > 1:
            for cell in with_all:
                cell["metrics"] = without(cell["metrics"], (OF_ALL_MODELS,))
            self._note(f"There is no {OF_ALL_MODELS}: it depends on all surrogates and targets.")

    def _scored(self) -> list[Record]:
        return [cell for cell in self._cells.values() if cell["status"] == "ok"]

    def _robustness(self) -> None:
        """What survives all attacks, where several runs tried some on the same cell."""
        tried: dict[Any, list[Record]] = {}
        clean: dict[Any, Record] = {}
        for cell in self._scored():
            if kind_of(cell) == "classifier" and "corruption" not in cell["axes"]:
                if "attack" in cell["axes"]:
                    tried.setdefault(combination(cell), []).append(cell)
                else:
                    clean[combination(cell)] = cell
        apart = []
        for key, cells in tried.items():
            # What was tried within the run of the clean cell is in its record already.
            if key not in clean or {cell["run"] for cell in cells} == {clean[key]["run"]}:
                continue
            own = {cell["run"] for cell in cells}
            there = [known for name, known in self._by_id.items() if name in own]
            records = [cells_[id_] for cells_ in there if (id_ := clean[key]["id"]) in cells_]
            answered = self._answered.get(place(clean[key]))
            if not any(record.get("robust") for record in records) or answered is None:
                continue
            made = robust(clean[key], cells, answered)
            if made is not None:
                clean[key]["robust"] = made
                clean[key]["diagnostics"] = [
                    check for record in records for check in record.get("diagnostics") or ()
                ]
                apart.append(key)
        if apart:
            self._note(
                "Attacks of several runs count together in what is robust. Their checks stand as "
                "each run made them: attacks of different runs were not held against one another."
            )

    def _rank(self) -> pairs.Pairs:
        found = []
        tests = {name: pairs.read(run.folder) for name, run in self._runs.items()}
        before = {
            name: {
                condition: {cell["id"] for cell in family}
                for condition, family in families(run.cells).items()
            }
            for name, run in self._runs.items()
        }
        for condition, family in families(self._cells.values()).items():
            ids = {cell["id"] for cell in family}
            having = [name for name, known in before.items() if known.get(condition) == ids]
            kept = {cell["run"] for cell in family}
            whole = next((name for name in having if kept == {name}), None)
            ranking = None
            if whole is None:
                ranking = ranked(family, self._answered.get(place(family[0])))
                if ranking is None and not ids & set(self._differing):
                    whole = next(iter(having), None)
            if whole is not None:
                # As the run ranked them: what is about videos can't be ranked without outputs. Its
                # ranks are of its own numbers, so that none of them may be another run's.
                found.append(tests[whole].among(ids))
                for cell in family:
                    cell["rank"] = self._by_id[whole][cell["id"]].get("rank")
                continue
            for cell in family:
                cell["rank"] = None if ranking is None else ranking.ranks[cell["id"]]
            if ranking is None:
                why = (
                    "videos are ranked by outputs, which a run does not keep"
                    if any(cell.get("video") for cell in family)
                    else "their runs hold no answers, or answers about different images"
                )
                such = "" if len(family) == 1 else "such as "
                self._note(
                    f"{counted(len(family), 'cell')} {such}{described(family[0])} "
                    f"{'is' if len(family) == 1 else 'are'} unranked: {why}."
                )
            else:
                found.append(ranking.pairs)
        return pairs.joined(found)

    def _copy_samples(self) -> None:
        for id_, run in self._origin.items():
            path = RunFolder(run.folder).latency_path(id_)
            if path.is_file():
                copy = self._folder.latency_path(id_)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)

    def _record(self) -> dict[str, Any]:
        """The new `run.json`."""
        records = [run.run for run in self._runs.values()]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        machines = list(dict.fromkeys(map(_machine, records)))
        environment = dict(records[0].get("environment") or {})
        if len(machines) > 1:
            # Nobody is to take times of several machines for those of one.
            environment |= {"cpu": "; ".join(machines), "threads": None}
        together = {
            name: _union(record.get(name) or {} for record in reversed(records))
            for name in ("options", "datasets", "weights", "components", "images", "services")
        }
        factors: dict[str, list[Any]] = {}
        for cell in self._cells.values():
            for axis, value in cell["axes"].items():
                if value not in factors.setdefault(axis, []):
                    factors[axis].append(value)
        return {
            "id": self._folder.folder.name,
            "status": "finished",
            "created": now,
            "finished": now,
            "plan": {
                "key": digest([record["plan"]["key"] for record in records]),
                "factors": factors,
                "cells": len(self._cells),
                "exclusions": [
                    {name: cell[name] for name in ("axes", "status", "reason")}
                    for cell in self._cells.values()
                    if cell.get("reason")
                ],
            },
            "recipe": None,
            "environment": environment,
            **together,
            "citations": citing.together(records),
            "merged": [
                {kept: run.run.get(kept) for kept in _KEPT}
                | {"run": name, "plan": run.run["plan"]["key"]}
                for name, run in self._runs.items()
            ],
            "notes": self._merged.notes,
        }


_KEPT = ("id", "created", "finished", "recipe", "environment", "components")
"""What is kept of each run in the `merged` of the new one."""


def _machine(run: Mapping[str, Any]) -> str:
    environment = run.get("environment") or {}
    return f"{environment.get('cpu')}, {environment.get('threads')} threads"


def _union(records: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for record in records:
        made |= record
    return made
