"""Computes the chunks of a plan on worker processes, here or in a cluster.

This process names shares of the work and hands each to a worker that has none; it computes nothing
itself but what sends images away. Every result goes to the cache as it is finished, so that
whatever ends, a worker, the scheduler or this process, costs the shares that were under way alone.
"""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fxbench import division, environment
from fxbench.chunks import Chunks, DamagedChunkError
from fxbench.cluster import Cluster
from fxbench.errors import FxbenchError, StoppedError, UsageError
from fxbench.pool import GOES_ON, Job, Pool
from fxbench.remote import Known, Outcome

if TYPE_CHECKING:
    from fxbench.cells import Cell, Scene
    from fxbench.chunkwork import Work
    from fxbench.pipeline import Pipeline
    from fxbench.plan import Plan
    from fxbench.progress import Observer
    from fxbench.recipe import Recipe
    from fxbench.runner import Settings
    from fxbench.sources import Source

TRIES = 3
"""How many workers may end over a share; so many for each worker if none is done meanwhile."""


class Here:
    """This process, which computes everything itself."""

    record: dict[str, Any] | None = None

    def run(
        self,
        pipeline: Pipeline,
        source: Source,
        works: Sequence[Work],
        *,
        thorough: bool = False,  # noqa: ARG002 - the works say it
    ) -> None:
        """As :meth:`Workers.run`."""
        pipeline.run(source, list(works))


class Workers:
    """Workers in the place of this process."""

    @property
    def record(self) -> dict[str, Any] | None:
        """Who they are, for `run.json`."""
        return self.pool.record

    def __init__(self, plan: Plan, chunks: Chunks, pool: Pool, observer: Observer) -> None:
        self.plan, self.chunks, self.pool, self.observer = plan, chunks, pool, observer

    def run(
        self, pipeline: Pipeline, source: Source, works: Sequence[Work], *, thorough: bool = False
    ) -> None:
        """Compute the chunks of a source and keep each when it is finished.

        Args:
            pipeline: gets the errors and the examples, and does what sends images away.
            source: the images.
            works: the chunks, with what each lacks.
            thorough: see :meth:`fxbench.pipeline.Pipeline.pending`.

        Raises:
            StoppedError: there are no workers any more, or nothing can be written.
            DamagedChunkError: a chunk that was there can't be read any more.
            FxbenchError: the dataset can't be read.
        """
        away = [division.afield(self.plan, work) for work in works]
        _Round(self, pipeline, source, [w for w in away if w.stages], thorough=thorough).finish()
        own = [division.at_home(self.plan, work) for work in works]
        pipeline.run(source, [work for work in own if work.stages])


@contextlib.contextmanager
def executor(
    plan: Plan,
    recipe: Recipe | None,
    chunks: Chunks,
    settings: Settings,
    works: Iterable[Work],
    observer: Observer,
) -> Iterator[Here | Workers]:
    """Who computes a plan's chunks: workers where they were asked for and have something to do.

    Args:
        plan: the plan.
        recipe: what makes the same plan elsewhere.
        chunks: the cache.
        settings: how many workers, or whose.
        works: all that is lacking.
        observer: is told about progress.

    Raises:
        UsageError: the plan can't be computed elsewhere, or that is no scheduler's address.
        UnavailableError: Dask is not installed, or no worker can do it.
        StoppedError: there are no workers.
    """
    count, address = settings.workers, settings.scheduler
    if count is None and address is None:
        yield Here()
        return
    if address is not None and count is not None:
        raise UsageError("workers are started here, scheduler names others: give one of them.")
    if count is not None and count < 1:
        raise UsageError(f"workers must be at least 1 or None, not {count!r}.")
    threads = settings.threads
    if threads is None:
        threads = 1 if count is None else max(1, environment.default_threads() // count)
    cluster = Cluster(count, address, threads)
    pool = Pool(plan, recipe, cluster, chunks.folder.parent, threads, observer)
    if not any(division.afield(plan, work).stages for work in works):
        yield Here()
        return
    try:
        pool.start()
        yield Workers(plan, chunks, pool, observer)
    finally:
        pool.close()


class _Round:
    """The work on one source."""

    def __init__(
        self,
        workers: Workers,
        pipeline: Pipeline,
        source: Source,
        works: Sequence[Work],
        *,
        thorough: bool,
    ) -> None:
        self._pool, self._chunks = workers.pool, workers.chunks
        self._observer = workers.observer
        self._pipeline = pipeline
        self._source = source
        self._thorough = thorough
        self._works = {int(work.answers.rows[0]): work for work in works}
        shares = division.divided(
            workers.plan.sources.index(source), source, works, self._pool.size
        )
        self._jobs = [
            Job(index, share, division.units(self._works[share.first], share))
            for index, share in enumerate(shares)
        ]
        self._waiting = deque(self._jobs)
        self._left = Counter(share.first for share in shares)
        self._hopeless: list[Job] = []
        self._ended = 0
        # Of a later share nothing is told to an earlier one: what fails first is what one process
        # would have seen fail first.
        self._errors: list[tuple[int, Cell, str]] = []
        self._broken: list[tuple[int, tuple[str, Scene]]] = []
        self._shown = 0

    def finish(self) -> None:
        """Compute all of it."""
        busy = 0
        try:
            while self._waiting or busy:
                for worker in self._pool.idle()[: len(self._waiting)]:
                    job = self._waiting.popleft()
                    self._pool.give(worker, job, self._known(job))
                    busy += 1
                for job, outcome in self._pool.wait():
                    busy -= 1
                    self._take(job, outcome)
        finally:
            self._pool.drop()
        for _, cell, text in sorted(self._errors, key=lambda entry: entry[0]):
            self._pipeline.errors.setdefault(cell, text)
        self._pipeline.broken |= {scene for _, scene in self._broken}
        if self._hopeless:
            raise self._given_up()

    def _known(self, job: Job) -> Known:
        before = {cell: text for index, cell, text in self._errors if index < job.index}
        broken = {scene for index, scene in self._broken if index < job.index}
        examples = self._pipeline.examples
        mine = set(self._works[job.share.first].results.values())
        wanted = () if examples is None else tuple(c for c in examples.cells if c in mine)
        return Known(
            self._pipeline.errors | before,
            frozenset(self._pipeline.broken | broken),
            wanted,
            self._thorough,
        )

    def _take(self, job: Job, outcome: Outcome | None) -> None:
        if self._jobs[job.index] is not job:
            return  # Another has taken its place.
        if outcome is None:
            self._again(job)
            return
        if outcome.state == "uneven":
            self._read_from_the_begin(job.share.first)
            return
        if outcome.state != "done":
            raise _RAISED[outcome.state](outcome.text)
        self._ended = 0
        job.outcome = outcome
        self._errors += [(job.index, cell, text) for cell, text in outcome.errors.items()]
        self._broken += [(job.index, scene) for scene in outcome.broken]
        self._observer.advance(job.units - job.told, "")
        self._show()
        self._left[job.share.first] -= 1
        if not self._left[job.share.first]:
            self._join(job.share.first)

    def _again(self, job: Job) -> None:
        """Give a share to another worker, unless too many have ended over it."""
        if not job.ended:
            self._waiting.appendleft(job)
            return
        self._ended += 1
        if self._ended >= TRIES * self._pool.size:
            raise self._given_up()
        if job.ended >= TRIES:
            self._hopeless.append(job)
        else:
            self._waiting.appendleft(job)

    def _given_up(self) -> StoppedError:
        return StoppedError(
            f"Workers ended over images of {self._source.name}, one after another"
            f"{self._pool.room}. Give each more memory, or use fewer. {GOES_ON}"
        )

    def _show(self) -> None:
        """Add the examples of all shares up to the first that isn't done."""
        while self._shown < len(self._jobs):
            outcome = self._jobs[self._shown].outcome
            if outcome is None:
                return
            if self._pipeline.examples is not None:
                self._pipeline.examples.join(outcome.examples)
            outcome.examples = {}
            self._shown += 1

    def _read_from_the_begin(self, first: int) -> None:
        """Give all stretches of a chunk again: its batches are known only from its begin on."""
        self._waiting = deque(job for job in self._waiting if job.share.first != first)
        self._left[first] = 0
        for job in self._jobs:
            share = job.share
            if share.first == first and share.stretch is not None:
                share = replace(share, stretch=replace(share.stretch, even=False))
                self._jobs[job.index] = Job(job.index, share, job.units, job.told)
                self._waiting.append(self._jobs[job.index])
                self._left[first] += 1

    def _join(self, first: int) -> None:
        shares = [job.share for job in self._jobs if job.share.first == first]
        stretches = dict.fromkeys(share.stretch for share in shares)
        failed = {cell for _, cell, _ in self._errors} | set(self._pipeline.errors)
        division.join(
            self._chunks,
            self._source,
            self._works[first],
            [stretch for stretch in stretches if stretch is not None],
            failed,
        )


_RAISED: dict[str, type[FxbenchError]] = {
    "damaged": DamagedChunkError,
    "stopped": StoppedError,
    "failed": FxbenchError,
}
