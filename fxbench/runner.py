"""Runs a plan: stages, scores, latency, and a folder that tells it all."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fxbench import environment, latency
from fxbench.chunks import Chunks, DamagedChunkError, default_folder
from fxbench.collect import Collector, Readable, records
from fxbench.errors import StoreError
from fxbench.keys import digest
from fxbench.loader import Loader, one_line
from fxbench.options import Options, plain, resolve
from fxbench.pipeline import Pipeline, Work
from fxbench.plan import Plan, Selection, Source, build
from fxbench.progress import Observer, Silent
from fxbench.registry import Registry, discover
from fxbench.store import RunFolder, StoredRun, load
from fxbench.types import Batch

_log = logging.getLogger("fxbench")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run, as against what.

    Attributes:
        results: the folder that run folders are made in.
        cache: where finished stages are kept; None for the user's cache folder.
        threads: how many threads numerical libraries use; None for all cores available.
        measure_latency: False leaves the latency table empty.
    """

    results: Path = Path("results")
    cache: Path | None = None
    threads: int | None = None
    measure_latency: bool = True


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with the components that making it has loaded."""

    plan: Plan
    loader: Loader = field(repr=False)


def prepare(
    selection: Selection,
    settings: tuple[str, ...] = (),
    registry: Registry | None = None,
    folder: Path | None = None,
) -> Prepared:
    """Find the plugins, read the options and compute the plan.

    Args:
        selection: what to run.
        settings: options as texts `NAME.OPTION=VALUE`.
        registry: what is installed; found out where None.
        folder: where `fxbench.toml` may lie; the current folder where None.

    Raises:
        FxbenchError: see :func:`fxbench.options.resolve` and :func:`fxbench.plan.build`.
    """
    registry = registry or discover()
    components = [entry.component for entry in registry.entries]
    options = resolve(components, settings, os.environ, folder or Path())
    loader = Loader(options)
    return Prepared(build(registry, options, selection, loader.get), loader)


def run(prepared: Prepared, settings: Settings, observer: Observer | None = None) -> StoredRun:
    """Execute a plan, or what of it is not done yet.

    A run that was killed goes on where it was; one that is finished is read and nothing else.

    Raises:
        StoreError: results can't be written; the same call goes on later.
        FxbenchError: a dataset can't be read any more.
    """
    observer = observer or Silent()
    threads = settings.threads or environment.available_cores()
    folder = RunFolder(settings.results / run_id(prepared.plan, settings, threads))
    with folder.lock():
        before = _finished(folder.folder)
        if before is not None:
            observer.note(f"This run is finished already: {folder.folder}")
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


def _finished(folder: Path) -> StoredRun | None:
    """The run in that folder, unless it still has something to do."""
    if not (folder / "run.json").is_file():
        return None
    stored = load(folder)
    failed = any(cell["status"] == "failed" for cell in stored.cells)
    return stored if stored.finished and not failed else None


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
        self._settings = settings
        self._folder = folder
        self._observer = observer
        self._threads = threads
        self._chunks = Chunks(settings.cache or default_folder())
        self._record = self._begin()

    def execute(self) -> StoredRun:
        """Everything, in order."""
        self._folder.write_run(self._record)
        lines: list[dict[str, Any]] = []
        collector = Collector(self._plan, self._chunks)
        pipeline = Pipeline(self._plan, self._chunks, self._loader, self._observer)
        pending = {source.key: pipeline.pending(source) for source in self._plan.sources}
        units = sum(pipeline.units(works) for works in pending.values())
        self._observer.start(units, len(self._plan.cells))
        for source in self._plan.sources:
            try:
                readable, cells = self._evaluate(pipeline, collector, source, pending[source.key])
            except DamagedChunkError as damage:
                self._observer.note(f"{damage} It is computed again.")
                again = pipeline.pending(source, thorough=True)
                readable, cells = self._evaluate(pipeline, collector, source, again)
            self._note_unreadable(source, readable)
            if self._settings.measure_latency:
                _Latency(self._plan, self._loader, self._folder, self._observer).add(source, cells)
            for cell in cells:
                self._folder.write_cell(cell)
                self._observer.cell_done()
            lines += cells
        self._folder.compact(lines)
        self._record["status"] = "finished"
        self._record["finished"] = _now()
        self._folder.write_run(self._record)
        self._folder.tidy()
        return load(self._folder.folder)

    def _evaluate(
        self, pipeline: Pipeline, collector: Collector, source: Source, pending: list[Work]
    ) -> tuple[Readable, list[dict[str, Any]]]:
        pipeline.run(source, pending)
        readable = collector.readable(source, pipeline.errors)
        return readable, records(self._plan, source, collector, readable, pipeline.errors)

    def _note_unreadable(self, source: Source, readable: Readable) -> None:
        name = source.name
        self._record["images"][name] = {
            "selected": len(source.answers.rows),
            "unreadable": list(readable.unreadable),
        }
        if readable.unreadable:
            first = readable.unreadable[0]
            self._observer.note(
                f"{len(readable.unreadable)} of {len(source.answers.rows)} images of {name} can't "
                f"be read and are left out, the first is {first['id']}: {first['reason']}"
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
                }
                for source in plan.sources
            },
            "weights": plan.weights,
            "components": {f"{kind} {name}": key for (kind, name), key in plan.digests.items()},
            "images": {},
        }


class _Latency:
    """Times the chains of a source, unless the folder holds their samples already."""

    def __init__(self, plan: Plan, loader: Loader, folder: RunFolder, observer: Observer) -> None:
        self._plan = plan
        self._loader = loader
        self._folder = folder
        self._observer = observer

    def add(self, source: Source, cells: list[dict[str, Any]]) -> None:
        """Put the summary into every cell that has a result and no attack."""
        sample = None
        detections: dict[str, latency.Detections] = {}
        for cell in cells:
            axes = cell["axes"]
            if cell["status"] != "ok" or "attack" in axes or "classifier" not in axes:
                continue
            known = self._folder.read_latency(cell["id"])
            if known is None:
                self._observer.note(f"Timing {axes['classifier']} behind {axes['detector']}")
                sample = sample or latency.sample_images(source)
                try:
                    known = self._time(cell["id"], axes, sample, detections)
                except StoreError:
                    raise
                except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                    _log.debug("Timing failed", exc_info=True)
                    cell["latency_error"] = one_line(error)
                    continue
            columns, meta = known
            timings = latency.summary(columns)
            if timings is not None:
                cell["latency"] = timings | meta["load"] | {"threads": meta["threads"]}

    def _time(
        self,
        name: str,
        axes: Mapping[str, Any],
        sample: Batch,
        detections: dict[str, latency.Detections],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        keys = ("detector", axes["detector"]), ("classifier", axes["classifier"])
        detector, classifier = (
            self._loader.get(self._plan.registry.get(kind, of)) for kind, of in keys
        )
        if axes["detector"] not in detections:
            detections[axes["detector"]] = latency.time_detector(detector, sample)
        columns = latency.time_classifier(classifier, sample, detections[axes["detector"]])
        detect_s, classify_s = (self._loader.seconds[key] for key in keys)
        meta = {
            "axes": dict(axes),
            "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
            "load": {
                "detect_load_s": detect_s,
                "classify_load_s": classify_s,
                "load_s": detect_s + classify_s,
            },
        }
        self._folder.write_latency(name, columns, meta)
        return columns, meta


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
        cell["status"] == "failed" or (cell["status"] == "skipped" and cell["asked"])
        for cell in stored.cells
    )
    return 3 if failed or unreadable else 0


def _note(source: Source, options: Options) -> str:
    """The options of a dataset that affect results, for its tables: `labels=label.csv`."""
    component = source.entry.component
    values = options.of(component)
    return ", ".join(
        f"{option.name}={plain(values[option.name])}"
        for option in component.options
        if option.affects_results
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
