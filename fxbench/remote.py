"""What a worker process does: it makes the plan once, then computes shares of it.

Whoever divides the work names shares by reference. Pictures, models and results don't travel: each
worker reads the dataset itself and keeps what is finished in the cache that all see.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench import environment
from fxbench.errors import FxbenchError, StoppedError

if TYPE_CHECKING:
    from fxbench.cells import Cell, Scene
    from fxbench.division import Share
    from fxbench.examples import Example
    from fxbench.plan import Plan
    from fxbench.runner import Prepared
    from fxbench.sources import Source
    from fxbench.types import Answers

NEWS_EVERY_S = 1.0

Tell = Callable[[dict[str, Any]], None]
"""Sends a message to whoever divides the work."""


@dataclass(frozen=True, slots=True)
class Order:
    """What workers are to do.

    Attributes:
        run: names this execution.
        recipe: the record of a :class:`fxbench.recipe.Recipe`.
        key: of the plan that it must come to.
        facts: what that plan depends on; see :func:`facts_of`.
        cache: the folder that results are kept in.
        mark: a file in it, by which a worker knows that it is the same folder.
        threads: of the numerical libraries of each worker.
        local: whether workers were started here for this alone: they find everything where this
            process does, and share its output, so that what libraries print goes to standard error.
    """

    run: str
    recipe: Mapping[str, Any]
    key: str
    facts: Mapping[str, Any]
    cache: str
    mark: str
    threads: int
    local: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a worker can do the work.

    Attributes:
        why: why not, a clause; None where it can.
        host: its machine's name.
        cpu: its processor.
    """

    why: str | None
    host: str
    cpu: str


@dataclass(slots=True)
class Outcome:
    """What became of a share. Its results are in the cache.

    Attributes:
        state: `done`; `uneven` where a stretch can't be read by itself; `damaged` where a chunk
            that was there can't be read; `stopped` where nothing can be written; `failed` where
            nothing can be said of the whole source; `unfit` where the worker can't do it.
        text: what happened, a sentence.
        errors: why cells have no result.
        broken: the scenes whose detector failed.
        examples: the first adversarial faces of each cell that wanted some.
    """

    state: str = "done"
    text: str = ""
    errors: dict[Cell, str] = field(default_factory=dict)
    broken: set[tuple[str, Scene]] = field(default_factory=set)
    examples: dict[Cell, list[Example]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of shares before this one.

    Attributes:
        errors: cells that failed: they are not computed any more.
        broken: scenes whose detector failed.
        examples: the cells of which adversarial faces are still wanted.
        thorough: whether chunks are read to their end to see whether they are there.
    """

    errors: Mapping[Cell, str]
    broken: frozenset[tuple[str, Scene]]
    examples: tuple[Cell, ...]
    thorough: bool


def facts_of(plan: Plan) -> dict[str, Any]:
    """What a plan's key depends on, by which two installations can be told apart."""
    from fxbench import __version__
    from fxbench.keys import core_digest, scoring_digest

    return {
        "fxbench": __version__,
        "core": [core_digest(), scoring_digest()],
        "components": {f"{kind} {name}": key for (kind, name), key in plan.digests.items()},
        "sources": {source.name: source.key for source in plan.sources},
    }


def prepare(order: Order) -> Readiness:
    """Get ready: make the plan, and see whether it is the same one."""
    with _lock:
        try:
            _bench_of(order)
        except _UnfitError as error:
            why: str | None = str(error)
        else:
            why = None
    return Readiness(why, socket.gethostname(), environment.cpu_model())


def compute(order: Order, share: Share, known: Known, label: int) -> Outcome:
    """Compute a share, and keep what is finished.

    Args:
        order: what workers are to do.
        share: what this one is to compute.
        known: from other shares.
        label: by which messages name the share.
    """
    from fxbench.batching import UnevenError
    from fxbench.chunks import DamagedChunkError
    from fxbench.loader import one_line

    # A model serves one call at a time.
    with _lock:
        try:
            bench = _bench_of(order)
            return bench.compute(share, known, _tell_of(order, label))
        except _UnfitError as error:
            return Outcome("unfit", str(error))
        except UnevenError:
            return Outcome("uneven")
        except DamagedChunkError as error:
            return Outcome("damaged", str(error))
        except StoppedError as error:
            return Outcome("stopped", str(error))
        except FxbenchError as error:
            return Outcome("failed", str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            return Outcome("failed", one_line(error))


class _UnfitError(FxbenchError):
    """This worker can't do the work: a clause that follows its name."""


class _Bench:
    """A worker's own copy of the plan, with the models that it has loaded."""

    def __init__(self, prepared: Prepared, cache: Path) -> None:
        from fxbench.chunks import Chunks

        self._prepared = prepared
        self.chunks = Chunks(cache)
        self._answers: dict[int, dict[int, Answers]] = {}

    def compute(self, share: Share, known: Known, tell: Tell) -> Outcome:
        from fxbench.division import afield, share_of
        from fxbench.examples import Examples
        from fxbench.pipeline import Pipeline

        plan = self._prepared.plan
        source = plan.sources[share.source]
        examples = Examples.of(known.examples)
        relay = _Relay(tell)
        pipeline = Pipeline(plan, self.chunks, self._prepared.loader, relay, examples)
        pipeline.errors |= known.errors
        pipeline.broken |= known.broken
        answers = self._chunk(share.source, source)[share.first]
        cells = [cell for cell in plan.runnable(source) if cell not in known.errors]
        work = afield(plan, pipeline.lacking(source, answers, cells, thorough=known.thorough))
        work = share_of(work, share, self.chunks)
        relay.begin()
        if work.stages:
            pipeline.run(source, [work])
        new = {c: text for c, text in pipeline.errors.items() if c not in known.errors}
        return Outcome(errors=new, broken=pipeline.broken - known.broken, examples=examples.found())

    def _chunk(self, number: int, source: Source) -> dict[int, Answers]:
        if number not in self._answers:
            self._answers[number] = {int(a.rows[0]): a for a in source.chunks()}
        return self._answers[number]


class _Relay:
    """An observer that sends on how far a share is, not too often."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._units = self._gradients = self._queries = 0
        self._what = ""
        self._spoke = time.monotonic()

    def begin(self) -> None:
        """The share is begun."""
        self._tell({"units": 0})

    def start(self, units: int, cells: int, gradients: int = 0, queries: int = 0) -> None:
        """See :class:`fxbench.progress.Observer`."""

    def called(self, gradients: int, queries: int) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._gradients += gradients
        self._queries += queries
        self._news()

    def advance(self, units: int, what: str) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._units += units
        self._what = what or self._what
        self._news()

    def cell_done(self) -> None:
        """See :class:`fxbench.progress.Observer`."""

    def note(self, text: str) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._tell({"note": text})

    def _news(self) -> None:
        if time.monotonic() - self._spoke < NEWS_EVERY_S:
            return
        self._spoke = time.monotonic()
        calls = {"gradients": self._gradients, "queries": self._queries}
        self._tell({"units": self._units, "what": self._what} | calls)
        self._units = self._gradients = self._queries = 0


_lock = threading.Lock()
_benches: dict[str, _Bench] = {}
"""The plan that is being computed, by the name of its execution: one at a time."""


def _bench_of(order: Order) -> _Bench:
    if order.run not in _benches:
        _benches.clear()
        if order.local:
            os.dup2(2, 1)
        _fix_threads(order.threads)
        _benches[order.run] = _made(order)
    return _benches[order.run]


def _fix_threads(threads: int) -> None:
    environment.fix_threads(threads)
    # NumPy is here already, and its linear algebra has read the number of threads. A worker that
    # was started for this had it in its environment; another one keeps what its own said, unless
    # something here can tell the library.
    with contextlib.suppress(ImportError):
        import_module("threadpoolctl").threadpool_limits(limits=threads)


def _made(order: Order) -> _Bench:
    from fxbench import runner
    from fxbench.following import moved
    from fxbench.recipe import Recipe

    cache = _cache_of(order)
    try:
        recipe = Recipe.read(order.recipe)
        if not order.local:
            # Datasets may lie elsewhere on this machine: its environment says where.
            recipe = moved(recipe, (), recipe.registry())
        prepared = runner.follow(recipe)
    except FxbenchError as error:
        raise _UnfitError(f"can't make the plan: {error}") from error
    if prepared.plan.key != order.key:
        raise _UnfitError(_difference(prepared.plan, order.facts))
    return _Bench(prepared, cache)


def _cache_of(order: Order) -> Path:
    folders = (Path(order.cache), environment.cache_folder())
    for folder in folders:
        if (folder / order.mark).is_file():
            return folder
    raise _UnfitError(
        f"doesn't see the cache folder {order.cache}: let FXBENCH_CACHE name a folder that all "
        "machines share"
    )


def _difference(plan: Plan, facts: Mapping[str, Any]) -> str:
    """Why a plan is not the one that was ordered, a clause."""
    own = facts_of(plan)
    if own["fxbench"] != facts["fxbench"]:
        return f"has fxbench {own['fxbench']} and not {facts['fxbench']}: install that one"
    if own["core"] != facts["core"]:
        return (
            f"has other code of fxbench {own['fxbench']}, or another NumPy, OpenCV or SciPy: "
            "install the same versions everywhere"
        )
    for name, key in facts["components"].items():
        if name not in own["components"]:
            return _absence(plan, *name.split(" ", 1))
        if own["components"][name] != key:
            return (
                f"has another {name}: its code, its weights, its options or the versions of what "
                "it needs differ"
            )
    for name in own["components"]:
        if name not in facts["components"]:
            return f"has the {name}, which is missing where the run was begun"
    for name, key in facts["sources"].items():
        if own["sources"].get(name) != key:
            return f"has other images of {name}"
    return f"comes to another plan (Python {platform.python_version()})"


def _absence(plan: Plan, kind: str, name: str) -> str:
    from fxbench.availability import availability

    try:
        entry = plan.registry.get(kind, name)
    except FxbenchError as error:
        return f"can't run the {kind} {name}: {error}"
    state = availability(entry, plan.options)
    mend = f" → {state.mend}" if state.mend else ""
    return f"can't run the {kind} {name} ({state.state}): {state.detail}{mend}"


def _tell_of(order: Order, label: int) -> Tell:
    worker = import_module("distributed").get_worker()

    def tell(news: dict[str, Any]) -> None:
        worker.log_event(order.run, {"share": label} | news)

    return tell
