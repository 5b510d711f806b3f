"""The workers of a run: who is there, who is fit for it, and what each is computing.

One call at a time is under way at each worker, so that what a worker ended over is known.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench import remote
from fxbench.cluster import Cluster, LostError
from fxbench.errors import StoppedError, UnavailableError, UsageError
from fxbench.files import write_atomic
from fxbench.options import redacted
from fxbench.remote import Known, Order, Outcome, Readiness

if TYPE_CHECKING:
    from fxbench.division import Share
    from fxbench.plan import Plan
    from fxbench.progress import Observer
    from fxbench.recipe import Recipe

LOOK_EVERY_S = 1.0
"""How often it is looked who is there."""
WAIT_S = 300.0
"""How long there may be no worker, or no scheduler, before the run gives up."""
BEGIN_S = 120.0
"""How long a worker may leave a share lying before another one gets it."""
STILLBORN = 3
"""How many workers may end while they get ready."""

GOES_ON = "What is finished is kept, and the same command goes on, with workers or without."


@dataclass(slots=True)
class Job:
    """A share that is to be computed.

    Attributes:
        index: its place in the order in which one process would compute.
        units: of work, as observers count it.
        told: of these, how many were reported.
        ended: how many workers ended over it.
        outcome: what became of it; None while it is not done.
    """

    index: int
    share: Share
    units: int
    told: int = 0
    ended: int = 0
    outcome: Outcome | None = None


@dataclass(slots=True)
class _Hand:
    """A worker process.

    Attributes:
        label: of the call that it is to answer.
        state: `preparing`, `ready` or `unfit`.
        job: what it computes.
        since: when it was called.
        begun: whether it has begun with it.
    """

    label: int
    state: str = "preparing"
    job: Job | None = None
    since: float = field(default_factory=time.monotonic)
    begun: bool = False


class Pool:
    """The workers of a run."""

    def __init__(
        self,
        plan: Plan,
        recipe: Recipe | None,
        cluster: Cluster,
        cache: Path,
        threads: int,
        observer: Observer,
    ) -> None:
        """For a plan; nothing is started yet.

        Args:
            plan: what is to be computed.
            recipe: what makes the same plan elsewhere.
            cluster: where its workers are.
            cache: the folder that results are kept in.
            threads: of the numerical libraries of each worker.
            observer: is told what workers tell.

        Raises:
            UsageError: the plan has components that no other process can make.
        """
        if recipe is None:
            raise UsageError(
                "Workers make each component themselves, and this run has some that are not "
                "installed (a registry of its own, or recorded predictions): run it without "
                "workers."
            )
        run = secrets.token_hex(8)
        self.cluster = cluster
        self._cache = cache.expanduser().absolute()
        self._observer = observer
        self._hands: dict[str, _Hand] = {}
        self._labels = itertools.count()
        self._looked = self._manned = 0.0
        self._stillborn = 0
        self._reasons: dict[str, None] = {}
        self._machines: dict[str, dict[str, Any]] = {}
        self._order = Order(
            run=f"fxbench-{run}",
            recipe=recipe.record(),
            key=plan.key,
            facts=remote.facts_of(plan),
            cache=str(self._cache),
            mark=f"workers-{run}.mark",
            threads=threads,
            local=cluster.address is None,
        )

    @property
    def record(self) -> dict[str, Any]:
        """For `run.json`: the threads of each worker, and the machines that they were on."""
        address = self.cluster.address
        return {
            "scheduler": None if address is None else redacted(address),
            "threads": self._order.threads,
            "machines": [{"host": host} | about for host, about in self._machines.items()],
        }

    def start(self) -> None:
        """Start the workers, and wait for the first that can do the work.

        Raises:
            UnavailableError: Dask is not installed, or no worker can do it.
            StoppedError: there is none, or the cache can't be written.
            UsageError: that is no scheduler's address.
        """
        write_atomic(self._cache / self._order.mark, b"Workers look for this file.\n")
        self.cluster.open(self._order.run)
        if link := self.cluster.dashboard:
            self._observer.note(f"Dashboard: {link}")
        self._manned = time.monotonic()
        while not self.idle():
            for _ in self.wait():
                pass
            if self._hands and all(hand.state == "unfit" for hand in self._hands.values()):
                raise UnavailableError(f"No worker can do this run. {self._why()}")

    def close(self) -> None:
        """End the workers that were started here."""
        self.cluster.close()
        with contextlib.suppress(OSError):
            (self._cache / self._order.mark).unlink(missing_ok=True)

    @property
    def size(self) -> int:
        """How many workers there are, or will be."""
        fit = sum(hand.state != "unfit" for hand in self._hands.values())
        return max(1, fit, self.cluster.count or 0)

    def idle(self) -> list[str]:
        """The workers that are ready and have nothing to do."""
        hands = self._hands.items()
        return [name for name, hand in hands if hand.state == "ready" and hand.job is None]

    def give(self, worker: str, job: Job, known: Known) -> None:
        """Let a worker compute a share."""
        hand = self._hands[worker]
        hand.job, hand.label = job, next(self._labels)
        hand.since, hand.begun = time.monotonic(), False
        # Where there is no connection, it is noticed at the next look.
        with contextlib.suppress(LostError):
            self.cluster.call(
                hand.label, worker, remote.compute, self._order, job.share, known, hand.label
            )

    def drop(self) -> None:
        """Wait for no share any more."""
        for hand in self._hands.values():
            if hand.job is not None:
                self.cluster.forget(hand.label)
                hand.job = None

    def wait(self) -> Iterator[tuple[Job, Outcome | None]]:
        """What happens next: shares, with None where they are to be given again.

        Raises:
            StoppedError: there are no workers any more.
        """
        try:
            yield from self._look()
            for kind, what in self.cluster.events(LOOK_EVERY_S / 4):
                if kind == "news":
                    self._news(what)
                else:
                    yield from self._answered(*what, failed=kind == "failure")
        except LostError:
            jobs = [hand.job for hand in self._hands.values() if hand.job is not None]
            self._hands.clear()
            self._reconnect()
            yield from ((job, None) for job in jobs)

    def _look(self) -> Iterator[tuple[Job, None]]:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        there = self.cluster.workers()
        for name in set(self._hands) - there:
            yield from self._ended(self._hands.pop(name))
        for name in sorted(there - set(self._hands)):
            self._hands[name] = self._prepared(name)
        for name, hand in self._hands.items():
            if hand.job is not None and not hand.begun and now - hand.since > BEGIN_S:
                # It is paused for its memory perhaps. When it answers again, it gets another one.
                self.cluster.forget(hand.label)
                self._hands[name] = self._prepared(name)
                yield hand.job, None
        if any(hand.state != "unfit" for hand in self._hands.values()):
            self._manned = now
        elif now - self._manned > WAIT_S:
            raise StoppedError(f"There are no workers any more. {self._why()}{GOES_ON}")

    def _prepared(self, name: str) -> _Hand:
        hand = _Hand(next(self._labels))
        self.cluster.call(hand.label, name, remote.prepare, self._order)
        return hand

    def _ended(self, hand: _Hand) -> Iterator[tuple[Job, None]]:
        self.cluster.forget(hand.label)
        if hand.job is not None:
            hand.job.ended += 1
            self._observer.note("A worker ended; another one computes its share again.")
            yield hand.job, None
        elif hand.state == "preparing":
            self._stillborn += 1
            if self._stillborn >= STILLBORN and not any(
                other.state == "ready" for other in self._hands.values()
            ):
                raise StoppedError(f"Workers end while they get ready{self.room}. {GOES_ON}")

    def _answered(
        self, label: int, answer: Any, *, failed: bool
    ) -> Iterator[tuple[Job, Outcome | None]]:
        found = [item for item in self._hands.items() if item[1].label == label]
        if not found:
            return
        name, hand = found[0]
        if failed and name not in self.cluster.workers():
            return  # It has ended: the next look tells.
        job, hand.job = hand.job, None
        if isinstance(answer, Readiness) and answer.why is None:
            hand.state, self._stillborn = "ready", 0
            about = {"cpu": answer.cpu, "workers": 0}
            self._machines.setdefault(answer.host, about)["workers"] += 1
        elif isinstance(answer, Readiness):
            self._refuse(hand, f"{name} on {answer.host} {answer.why}")
        elif job is None:
            self._refuse(hand, f"{name} can't run fxbench ({answer})")
        elif isinstance(answer, Outcome) and answer.state != "unfit":
            yield job, answer
        elif isinstance(answer, Outcome):
            self._refuse(hand, f"{name} {answer.text}")
            yield job, None
        else:
            job.ended += 1
            self._observer.note(f"A share failed, and is computed again: {answer}")
            # First of all the share: there may be no connection for anything else.
            yield job, None
            self._hands[name] = self._prepared(name)

    def _refuse(self, hand: _Hand, why: str) -> None:
        hand.state = "unfit"
        sentence = f"The worker {why.rstrip('.')}."
        if sentence not in self._reasons:
            self._reasons[sentence] = None
            self._observer.note(sentence)

    def _news(self, news: dict[str, Any]) -> None:
        hands = (hand for hand in self._hands.values() if hand.label == news["share"])
        hand = next(hands, None)
        if "note" in news:
            self._observer.note(str(news["note"]))
        elif hand is not None and hand.job is not None:
            hand.begun = True
            # What a worker had told before it ended is told once.
            units = min(news["units"], hand.job.units - hand.job.told)
            hand.job.told += units
            self._observer.advance(units, news.get("what", ""))
            self._observer.called(news.get("gradients", 0), news.get("queries", 0))

    def _reconnect(self) -> None:
        self._observer.note("The connection to the scheduler is lost; it is looked for again.")
        deadline = time.monotonic() + WAIT_S
        while True:
            self.cluster.close()
            try:
                self.cluster.open(self._order.run)
            except StoppedError as error:
                if time.monotonic() > deadline:
                    raise StoppedError(f"The scheduler is gone. {error} {GOES_ON}") from error
                time.sleep(LOOK_EVERY_S)
            else:
                self._looked, self._manned = 0.0, time.monotonic()
                return

    def _why(self) -> str:
        return "".join(f"{reason} " for reason in self._reasons)

    @property
    def room(self) -> str:
        """How much memory each worker has, where that is known, a part of a sentence."""
        memory = self.cluster.memory
        return f" (each may take {memory / 1e9:.1f} GB of memory)" if memory else ""
