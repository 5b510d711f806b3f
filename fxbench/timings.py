"""Times the chains of a run, and puts a summary into each cell's record.

Each component is timed in a process of its own, which begins with nothing loaded: what follows a
detector in one more, for all detectors. Components that no installation has, such as those of a
registry made by hand, are timed in this process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxbench import environment, latency
from fxbench.cells import Cell, belongs
from fxbench.errors import FxbenchError, PluginError, StoreError
from fxbench.latency import Found, Timed
from fxbench.loader import Loader, one_line
from fxbench.plan import Plan
from fxbench.progress import Observer
from fxbench.recipe import Recipe
from fxbench.reference_work import unit
from fxbench.sources import Source
from fxbench.store import RunFolder
from fxbench.timed_apart import TimingProcess, images_file
from fxbench.timing_work import Bench, Chain, Key, follows, owner
from fxbench.types import Batch

_log = logging.getLogger("fxbench")

_Ask = Callable[[dict[str, Any]], Mapping[str, Any]]
_Place = Callable[[str], AbstractContextManager[_Ask]]
Raw = tuple[dict[str, Any], dict[str, Any]]
"""Columns of samples, and metadata."""


class Timings:
    """Times what the run's folder holds no samples of yet."""

    def __init__(
        self,
        plan: Plan,
        loader: Loader,
        folder: RunFolder,
        observer: Observer,
        recipe: Recipe | None = None,
    ) -> None:
        self._plan = plan
        self._loader = loader
        self._folder = folder
        self._observer = observer
        self._recipe = recipe

    def add(self, source: Source, records: list[dict[str, Any]]) -> None:
        """Put `latency` into every record of a clean cell that has a result.

        Recorded answers have nothing to time, and nothing is sent away for it. Where timing fails,
        the record gets `latency_error` and keeps its scores.
        """
        by_id = {p.cell.id: p.cell for p in self._plan.cells if belongs(p.cell, source)}
        timed = [
            (record, by_id[record["id"]], self._folder.read_latency(record["id"]))
            for record in records
            if record["status"] == "ok" and self._can_be_timed(by_id[record["id"]])
        ]
        lacking = [cell for _, cell, stored in timed if stored is None]
        measured: dict[str, Raw | str] = dict(self._measured(source, lacking)) if lacking else {}
        for record, cell, stored in timed:
            known = measured[cell.id] if stored is None else stored
            if isinstance(known, str):
                record["latency_error"] = known
                continue
            columns, meta = known
            summary = latency.summary(columns, meta)
            if summary is not None:
                record["latency"] = summary | meta["process"]

    def _can_be_timed(self, cell: Cell) -> bool:
        if cell != cell.clean or self._plan.sends(cell) or cell.kind == "spotter":
            return False
        # How often faces are looked for, and what is made of answers, changes no image's time.
        if cell.every is not None or cell.smoothing is not None:
            return False
        if cell.classifier is None:
            return True
        traits = self._plan.registry.get("classifier", cell.classifier).component.traits
        return "recorded" not in traits

    def _measured(self, source: Source, cells: list[Cell]) -> Iterator[tuple[str, Raw | str]]:
        """The raw samples of cells, or why there are none; written as they come."""
        try:
            sample = latency.sample_images(source)
        except StoreError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            yield from ((cell.id, _told(error)) for cell in cells)
            return
        with self._place(sample) as place:
            detectors: dict[str, _Part | str] = {}
            for name in dict.fromkeys(cell.detector for cell in cells):
                self._observer.note(f"Timing the detector {name}.")
                with _asking(place, f"the detector {name}") as ask:
                    detectors[name] = ask({"do": "detector", "name": name})
            after: dict[tuple[Key, ...], list[Cell]] = {}
            for cell in cells:
                chain = Chain.of(cell)
                keys = chain.after if follows(self._plan.registry, chain) else ()
                after.setdefault(keys, []).append(cell)
            for keys, together in after.items():
                for cell, rest in self._rests(place, keys, together, detectors):
                    detected = detectors[cell.detector]
                    failed = next((p for p in (detected, rest) if isinstance(p, str)), None)
                    if isinstance(detected, str) or isinstance(rest, str):
                        yield cell.id, str(failed)
                        continue
                    raw = self._raw(cell, sample, detected, rest)
                    self._folder.write_latency(cell.id, *raw)
                    yield cell.id, raw

    def _rests(
        self,
        place: _Place,
        keys: tuple[Key, ...],
        cells: list[Cell],
        detectors: Mapping[str, _Part | str],
    ) -> Iterator[tuple[Cell, _Part | str | None]]:
        """What follows detection in cells of the same components; None where nothing does."""
        if not keys:
            yield from ((cell, None) for cell in cells)
            return
        what = f"the {keys[0][0]} {' after '.join(name for _, name in keys)}"
        self._observer.note(f"Timing {what}.")
        with _asking(place, what) as ask:
            for cell in cells:
                detected = detectors[cell.detector]
                if isinstance(detected, str):
                    yield cell, None
                    continue
                assert detected.timed is not None
                assert detected.found is not None
                request = {"do": "rest", "chain": Chain.of(cell).record()}
                request |= {"found": detected.found.record(), "detected": detected.timed.record()}
                yield cell, ask(request)

    def _raw(self, cell: Cell, sample: Batch, detected: _Part, rest: _Part | None) -> Raw:
        registry, chain = self._plan.registry, Chain.of(cell)
        assert detected.timed is not None
        columns, meta = latency.chain(
            sample.rows,
            detected.timed,
            None if rest is None else rest.timed,
            follows=follows(registry, chain),
        )
        parts = [detected] if rest is None else [detected, rest]
        seconds = {owner(registry, key): s for part in parts for key, s in part.seconds.items()}
        load = {owner(registry, key): seconds[owner(registry, key)] for key in chain.keys}
        scored = (chain.kind, chain.scored)
        peaks = [part.state["peak_bytes"] for part in parts]
        threads = environment.default_threads()
        found: dict[str, int] = {}
        for part in parts:
            found |= part.state["threads_found"]
        meta["axes"] = cell.axes
        meta["process"] = {
            "detect_load_s": load[owner(registry, ("detector", chain.detector))],
            "classify_load_s": 0.0 if chain.kind == "detector" else load[owner(registry, scored)],
            "load_s": sum(load.values()),
            "import_s": None if self._recipe is None else sum(p.state["import_s"] for p in parts),
            "peak_memory_bytes": None if self._recipe is None or None in peaks else max(peaks),
            "process": "shared" if self._recipe is None else "fresh",
            "threads": threads,
            "threads_found": found,
            "reference_unit": unit(threads),
        }
        return columns, meta

    @contextmanager
    def _place(self, sample: Batch) -> Iterator[_Place]:
        """Where components are timed: what opens a process for some of them."""
        recipe, threads = self._recipe, environment.default_threads()
        if recipe is None:
            truth = None if sample.truth is None else sample.truth.xyxy
            bench = Bench(self._plan.registry, self._loader, sample.frames.images, truth, threads)
            yield lambda _: nullcontext(bench.answer)
            return
        with images_file(sample) as images:
            yield lambda what: _process(recipe, images, threads, what)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a process has told about a step.

    Attributes:
        timed: None where no face was found.
        found: the faces, of a detector.
        state: see :meth:`fxbench.timing_work.Bench.state`.
    """

    timed: Timed | None
    state: Mapping[str, Any]
    found: Found | None = None

    @staticmethod
    def read(answer: Mapping[str, Any]) -> _Part:
        """The answer of a process.

        Raises:
            PluginError: it is nonsense.
        """
        try:
            timed = None if answer["timed"] is None else Timed.read(answer["timed"])
            found = Found.read(answer["found"]) if "found" in answer else None
            return _Part(timed, answer["state"], found)
        except (KeyError, TypeError, ValueError) as error:
            raise PluginError(f"A process that times answered nonsense: {error}.") from error

    @property
    def seconds(self) -> dict[Key, float]:
        """How long each component took to load."""
        return {(kind, name): float(s) for kind, name, s in self.state["seconds"]}


@contextmanager
def _process(recipe: Recipe, images: Path, threads: int, what: str) -> Iterator[_Ask]:
    with TimingProcess(recipe, images, threads, what=what) as process:
        yield process.ask


@contextmanager
def _asking(place: _Place, what: str) -> Iterator[Callable[[dict[str, Any]], _Part | str]]:
    """What sends a request, and returns the answer, or a sentence why there is none."""
    with ExitStack() as stack:
        process: list[_Ask] = []

        def ask(request: dict[str, Any]) -> _Part | str:
            try:
                if not process:
                    process.append(stack.enter_context(place(what)))
                return _Part.read(process[0](request))
            except StoreError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                return _told(error)

        yield ask


def _told(error: BaseException) -> str:
    _log.debug("Timing failed", exc_info=error)
    return str(error) if isinstance(error, FxbenchError) else one_line(error)
