"""Runs a plan: stages, scores, latency, and a folder that tells it all."""

from __future__ import annotations

import itertools
import logging
import os
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fxbench import answers, citations, environment, pairs, workers
from fxbench.chunks import Chunks, DamagedChunkError, default_folder
from fxbench.chunkwork import Work
from fxbench.collect import Collector, Readable, records
from fxbench.errors import FxbenchError, StoppedError, StoreError, UsageError
from fxbench.examples import Examples
from fxbench.files import known_as
from fxbench.keys import digest
from fxbench.loader import Loader, one_line
from fxbench.options import Options, resolve, shown
from fxbench.pipeline import Pipeline
from fxbench.plan import Plan, build
from fxbench.progress import Observer, Silent
from fxbench.recipe import GivenModel, Recipe, settings_of
from fxbench.registry import Registry, discover
from fxbench.scores_video import add_speeds
from fxbench.selection import Selection
from fxbench.sources import Source
from fxbench.store import RunFolder, StoredRun, load
from fxbench.timings import Timings

_log = logging.getLogger("fxbench")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run, as against what.

    Attributes:
        results: the folder that run folders are made in.
        cache: where finished stages are kept; None for the user's cache folder.
        threads: how many threads numerical libraries use; None for what OMP_NUM_THREADS says, else
            all cores available.
        measure_latency: False leaves the latency table empty.
        workers: how many processes compute on this machine; None for this one alone.
        scheduler: the address of a Dask scheduler whose workers compute in its place.
    """

    results: Path = Path("results")
    cache: Path | None = None
    threads: int | None = None
    measure_latency: bool = True
    workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads must be at least 1 or None, not {self.threads!r}.")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with the components that making it has loaded.

    Attributes:
        plan: what to run.
        loader: those components.
        recipe: what makes the same plan elsewhere; None where components were given that no
            installation has.
    """

    plan: Plan
    loader: Loader = field(repr=False)
    recipe: Recipe | None = None


def prepare(
    selection: Selection,
    settings: tuple[str, ...] = (),
    registry: Registry | None = None,
    folder: Path | None = None,
    model: GivenModel | None = None,
) -> Prepared:
    """Find the plugins, read the options and compute the plan.

    Args:
        selection: what to run.
        settings: options as texts `NAME.OPTION=VALUE`.
        registry: the components to choose from; what is installed where None.
        folder: where `fxbench.toml` may lie; the current folder where None.
        model: the file of a classifier that `registry` has beside what is installed.

    Raises:
        FxbenchError: see :func:`fxbench.options.resolve` and :func:`fxbench.plan.build`.
    """
    installed = registry is None or model is not None
    registry = registry or discover()
    components = [entry.component for entry in registry.entries]
    try:
        options = resolve(components, settings, os.environ, folder or Path())
    except UsageError as error:
        broken = [plugin.name for plugin in registry.plugins if plugin.problems]
        if not broken:
            raise
        hint = f"Some plugins are broken ({', '.join(broken)}): see `fxbench list`."
        raise UsageError(f"{error} {hint}") from error
    loader = Loader(options)
    plan = build(registry, options, selection, loader.get)
    owners = {registry.get(*key).component.owner for key in plan.digests}
    owners |= {source.entry.component.owner for source in plan.sources}
    recipe = Recipe(selection, settings_of(options, owners), model) if installed else None
    return Prepared(plan, loader, recipe)


def follow(recipe: Recipe) -> Prepared:
    """Make a plan again.

    Raises:
        FxbenchError: what it needs is not there, see :func:`prepare`.
    """
    registry = recipe.registry()
    options = recipe.options(registry)
    loader = Loader(options)
    return Prepared(build(registry, options, recipe.selection, loader.get), loader, recipe)


def run(prepared: Prepared, settings: Settings, observer: Observer | None = None) -> StoredRun:
    """Execute a plan, or what of it is not done yet.

    A run that was killed goes on where it was; one that is finished is read and nothing else.

    Raises:
        StoreError: results can't be written; the same call goes on later.
        FxbenchError: a dataset can't be read any more.
    """
    observer = observer or Silent()
    threads = settings.threads or environment.default_threads()
    folder = RunFolder(settings.results / run_id(prepared.plan, settings, threads))
    with folder.lock():
        before = _finished(folder.folder, prepared.plan)
        if before is not None:
            observer.note(f"This run is finished already: {known_as(folder.folder)}")
            return before
        environment.fix_threads(threads)
        return _Run(prepared, settings, folder, observer, threads).execute()


def run_id(plan: Plan, settings: Settings, threads: int) -> str:
    """The name of a plan's folder: the same plan on the same machine has the same one."""
    names = "+".join(dict.fromkeys(f"{s.entry.name}-{s.split}" for s in plan.sources))
    key = digest(
        {
            "plan": plan.key,
            "latency": settings.measure_latency and [environment.cpu_model(), threads],
        }
    )
    return f"{re.sub(r'[^A-Za-z0-9+_-]', '_', names)[:60]}-{key[:8]}"


def _finished(folder: Path, plan: Plan) -> StoredRun | None:
    """The run in that folder, unless it still has something to do."""
    if not (folder / "run.json").is_file() or not (folder / "cells.jsonl").is_file():
        return None
    stored = load(folder)
    whole = len(stored.cells) == len(plan.cells) and stored.run["plan"]["key"] == plan.key
    failed = any(
        cell["status"] == "failed" or "latency_error" in cell or cell.get("unanswered")
        for cell in stored.cells
    )
    return stored if stored.finished and whole and not failed else None


class _Run:
    """One execution."""

    def __init__(
        self,
        prepared: Prepared,
        settings: Settings,
        folder: RunFolder,
        observer: Observer,
        threads: int,
    ) -> None:
        self._plan = prepared.plan
        self._loader = prepared.loader
        self._recipe = prepared.recipe
        self._timings = Timings(self._plan, self._loader, folder, observer, prepared.recipe)
        self._settings = settings
        self._folder = folder
        self._observer = observer
        self._threads = threads
        self._chunks = Chunks(settings.cache or default_folder())
        self._pairs: dict[str, pairs.Pairs] = {}
        self._record = self._begin()

    def execute(self) -> StoredRun:
        """Everything, in order."""
        self._folder.write_run(self._record)
        lines: list[dict[str, Any]] = []
        collector = Collector(self._plan, self._chunks)
        examples = Examples(self._plan, self._folder.folder / "examples")
        pipeline = Pipeline(self._plan, self._chunks, self._loader, self._observer, examples)
        pending = {source.key: pipeline.pending(source) for source in self._plan.sources}
        self._start(pipeline, pending)
        works = itertools.chain(*pending.values())
        with workers.executor(
            self._plan, self._recipe, self._chunks, self._settings, works, self._observer
        ) as self._executor:
            for source in self._plan.sources:
                readable, cells = self._evaluated(pipeline, collector, source, pending[source.key])
                self._note_unreadable(source, readable)
                if self._settings.measure_latency:
                    self._timings.add(source, cells)
                    add_speeds(self._plan, source, collector, cells)
                for cell in cells:
                    self._folder.write_cell(cell)
                    self._observer.cell_done()
                lines += cells
            self._record["workers"] = self._executor.record
        self._draw(examples)
        self._record["services"] = self._usage()
        pairs.write(self._folder.folder, pairs.joined(self._pairs.values()))
        self._folder.compact(lines)
        self._record["status"] = "finished"
        self._record["finished"] = _now()
        self._folder.write_run(self._record)
        self._folder.tidy()
        return load(self._folder.folder)

    def _draw(self, examples: Examples) -> None:
        """Draw the sheets. They show what was scored: that they can't be drawn costs no score."""
        try:
            examples.draw()
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a drawing library may raise anything
            _log.debug("Drawing adversarial examples failed", exc_info=error)
            self._observer.note(f"No adversarial examples were drawn: {one_line(error)}")

    def _start(self, pipeline: Pipeline, pending: dict[str, list[Work]]) -> None:
        units = gradients = queries = 0
        for source in self._plan.sources:
            works = pending.get(source.key, [])
            units += pipeline.units(works)
            taken, asked = pipeline.calls(source, works)
            gradients, queries = gradients + taken, queries + asked
        self._observer.start(units, len(self._plan.cells), gradients, queries)

    def _evaluated(
        self, pipeline: Pipeline, collector: Collector, source: Source, pending: list[Work]
    ) -> tuple[Readable, list[dict[str, Any]]]:
        """The records of a source's cells. A dataset that fails costs its own cells only."""
        again = False
        while True:
            try:
                self._executor.run(pipeline, source, pending, thorough=again)
                return self._collected(pipeline, collector, source)
            except StoppedError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                if again or not isinstance(error, DamagedChunkError):
                    return self._without(pipeline, collector, source, error)
                self._observer.note(f"{error} It is computed again.")
            again = True
            pending = pipeline.pending(source, thorough=True)
            self._start(pipeline, {source.key: pending})

    def _collected(
        self, pipeline: Pipeline, collector: Collector, source: Source
    ) -> tuple[Readable, list[dict[str, Any]]]:
        readable = collector.readable(source, pipeline.errors)
        made, answered, self._pairs[source.key] = records(
            self._plan, source, collector, readable, pipeline.errors
        )
        if answered.cells:
            answers.write(self._folder.folder, answered)
        return readable, made

    def _without(
        self,
        pipeline: Pipeline,
        collector: Collector,
        source: Source,
        error: BaseException,
    ) -> tuple[Readable, list[dict[str, Any]]]:
        """The same where nothing of a source could be finished: every cell failed."""
        _log.debug("Evaluating %s failed", source.name, exc_info=error)
        text = str(error) if isinstance(error, FxbenchError) else one_line(error)
        for cell in self._plan.runnable(source):
            pipeline.errors.setdefault(cell, f"{source.name}: {text}")
        return self._collected(pipeline, collector, source)

    def _usage(self) -> dict[str, Any]:
        """What was asked of services elsewhere, by the name of each."""
        usages = {
            name: getattr(shared.analyzer, "usage", None)
            for (_, name), shared in self._loader.analyzers.items()
        }
        return {name: usage.record() for name, usage in usages.items() if usage is not None}

    def _note_unreadable(self, source: Source, readable: Readable) -> None:
        name = source.name
        self._record["images"][name] = {
            "selected": len(source.answers.rows),
            "unreadable": list(readable.unreadable),
        }
        if readable.unreadable:
            self._observer.note(
                f"{len(readable.unreadable)} of {len(source.answers.rows)} images of {name} can't "
                f"be read and are left out: {readable.why()}"
            )

    def _begin(self) -> dict[str, Any]:
        plan, options = self._plan, self._plan.options
        used = dict.fromkeys(
            [("dataset", source.entry.name) for source in plan.sources] + list(plan.digests)
        )
        return {
            "id": self._folder.folder.name,
            "status": "running",
            "created": _now(),
            "finished": None,
            "plan": {
                "key": plan.key,
                "factors": factors(plan),
                "cells": len(plan.cells),
                "exclusions": exclusions(plan),
            },
            "recipe": None if self._recipe is None else self._recipe.record(),
            "options": {
                f"{kind} {name}": options.record(plan.registry.get(kind, name).component)
                for kind, name in used
            },
            "environment": environment.capture(self._threads),
            "datasets": {
                source.entry.name: {
                    "split": source.split,
                    "protocol": source.protocol,
                    "fingerprint": source.fingerprint,
                    "terms": asdict(source.dataset.terms),
                    "note": _note(source, options),
                    "references": source.references,
                }
                for source in plan.sources
            },
            "weights": {f"{kind} {name}": files for (kind, name), files in plan.weights.items()},
            "components": {f"{kind} {name}": key for (kind, name), key in plan.digests.items()},
            "citations": citations.gather(plan.registry, used, self._observer.note),
            "images": {},
        }


def factors(plan: Plan) -> dict[str, list[Any]]:
    """The values that each axis takes in a plan."""
    values: dict[str, list[Any]] = {}
    for planned in plan.cells:
        for axis, value in planned.cell.axes.items():
            if value not in values.setdefault(axis, []):
                values[axis].append(value)
    return values


def exclusions(plan: Plan) -> list[dict[str, Any]]:
    """The cells that are not run, each with its reason."""
    return [
        {"axes": planned.cell.axes, "status": planned.status, "reason": asdict(planned.reason)}
        for planned in plan.cells
        if planned.reason is not None
    ]


def exit_code(stored: StoredRun) -> int:
    """0 where all went well; 3 where a cell that was asked for, or an image, failed."""
    unreadable = any(entry["unreadable"] for entry in stored.run["images"].values())
    failed = any(
        cell["status"] == "failed"
        or (cell["status"] == "skipped" and cell["asked"])
        or "latency_error" in cell
        or cell.get("unanswered")
        for cell in stored.cells
    )
    return 3 if failed or unreadable else 0


def _note(source: Source, options: Options) -> str:
    """The options of a dataset that affect results, for its tables: `labels=label.csv`."""
    component = source.entry.component
    values = options.of(component)
    return ", ".join(
        f"{option.name}={shown(option.name, values[option.name])}"
        for option in component.options
        if option.affects_results
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
