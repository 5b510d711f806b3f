"""Worker processes by Dask distributed: who is there, and calls to each of them by name.

Nothing of Dask is known anywhere else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fxbench.environment import THREAD_VARIABLES
from fxbench.errors import StoppedError, UnavailableError, UsageError
from fxbench.options import redacted

CONNECT_S = 30.0
"""How long a scheduler may take to answer."""
RESULT_S = 30.0
"""How long the answer of a call that has ended may take to come."""

# Results lie on disk, and what a worker's memory holds is models. So there is nothing to spill, and
# one that is paused for its memory would wait for ever: it is ended when it has too much.
_LOCAL = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.profile.enabled": False,
    # Each process looks after itself fifty times a second, which takes 4 % of a core from two
    # workers and what divides the work, and there is nothing here to move from one to another.
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.cycle": "10s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.work-stealing": False,
}


class LostError(Exception):
    """There is no connection to the scheduler any more."""


class Cluster:
    """Some workers on this machine, or those of a scheduler elsewhere.

    Attributes:
        address: of the scheduler; None where workers are to be started here.
        count: how many to start.
        threads: of the numerical libraries of each that is started here.
    """

    def __init__(self, count: int | None, address: str | None, threads: int = 1) -> None:
        self.count, self.address, self.threads = count, address, threads
        self._variables: dict[str, str | None] = {}
        self._client: Any = None
        self._local: Any = None
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._calls: dict[int, Any] = {}

    def open(self, topic: str) -> None:
        """Start workers, or connect to their scheduler.

        Args:
            topic: under which workers send messages.

        Raises:
            UnavailableError: Dask is not installed.
            UsageError: that is no scheduler's address.
            StoppedError: workers can't be started, or no scheduler answers.
        """
        if find_spec("distributed") is None:
            raise UnavailableError("Workers need Dask: pip install 'fxbench[dask]'.")
        distributed = import_module("distributed")
        try:
            if self.address is None:
                self._start()
            else:
                # A client of what is no address would be waited for when it is thrown away.
                import_module("distributed.comm.addressing").parse_address(self.address, True)
            about = self._local or self.address
            self._client = distributed.Client(about, timeout=CONNECT_S, set_as_default=False)
        except ValueError as error:
            raise UsageError(
                f"{self._shown!r} is no address of a scheduler ({self._told(error)}): "
                "expected is one such as tcp://host:8786."
            ) from error
        except Exception as error:
            self.close()
            what = f"no scheduler answers at {self._shown}" if self.address else "none started"
            raise StoppedError(
                f"There are no workers: {what} ({type(error).__name__}: {self._told(error)})."
            ) from error
        self._client.subscribe_topic(topic, self._heard)

    def _start(self) -> None:
        count = self.count or 1
        distributed, config = import_module("distributed"), import_module("dask.config")
        # A worker has NumPy before it can be told anything: its environment must say it. Dask says
        # one thread there, but what this process's environment says goes before.
        threads = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        environ = "distributed.nanny.pre-spawn-environ"
        self._variables = {name: os.environ.get(name) for name in threads}
        os.environ.update(threads)
        try:
            with config.set(_LOCAL | {environ: config.get(environ) | threads}):
                self._local = distributed.LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    memory_limit=self.memory,
                    silence_logs=logging.CRITICAL,
                )
        finally:
            self._restore()

    def _restore(self) -> None:
        """Give this process its own environment again: Dask changes it to start a worker."""
        for name, text in self._variables.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text

    @property
    def _shown(self) -> str:
        return redacted(self.address or "")

    def _told(self, error: Exception) -> str:
        """What Dask says; it may repeat the address."""
        return str(error).replace(self.address, self._shown) if self.address else str(error)

    def close(self) -> None:
        """End the workers that were started here; leave others alone."""
        for opened in (self._client, self._local):
            if opened is not None:
                with contextlib.suppress(Exception):
                    opened.close(timeout=5)
        self._client = self._local = None
        self._restore()
        self._variables = {}
        self._calls.clear()
        self._events = queue.SimpleQueue()

    @property
    def memory(self) -> int | None:
        """How many bytes a worker that was started here may take."""
        if self.address is not None:
            return None
        limit: int = import_module("distributed.system").MEMORY_LIMIT
        return limit // (self.count or 1)

    @property
    def dashboard(self) -> str | None:
        """The link of the dashboard, where there is one. It needs Bokeh."""
        if self.address is None and find_spec("bokeh") is None:
            return None
        link: str | None = self._client.dashboard_link
        return link

    def workers(self) -> set[str]:
        """The addresses of those who are there.

        Raises:
            LostError: nobody knows.
        """
        if self._client is None or self._client.status != "running":
            raise LostError
        # One that ended may have been started again since this was looked at.
        self._restore()
        try:
            return set(self._client.nthreads())
        except Exception as error:
            raise LostError from error

    def call(self, label: int, worker: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Let a worker call a function; its answer is an event under that label.

        Raises:
            LostError: there is nobody to send it.
        """
        try:
            future = self._client.submit(
                function, *arguments, workers=[worker], allow_other_workers=False, pure=False
            )
        except Exception as error:
            raise LostError from error
        self._calls[label] = future
        future.add_done_callback(lambda done: self._events.put(("done", (label, done))))

    def forget(self, label: int) -> None:
        """Don't wait for a call any more."""
        future = self._calls.pop(label, None)
        if future is not None:
            with contextlib.suppress(Exception):
                future.cancel(force=True)

    def events(self, seconds: float) -> Iterator[tuple[str, Any]]:
        """What happens in the next while: it ends when something did, or the time is over.

        Yields:
            `news` with a message of a worker, `answer` with a label and what was returned, or
            `failure` with a label and why there is no answer.

        Raises:
            LostError: the scheduler has forgotten a call.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                kind, what = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if kind == "news":
                yield kind, what
                continue
            label, future = what
            if self._calls.pop(label, None) is None:
                continue  # Nobody waits for it any more.
            if future.cancelled() or future.status == "lost":
                # By nobody here: the scheduler is another one than before.
                raise LostError
            try:
                yield "answer", (label, future.result(timeout=RESULT_S))
            except Exception as error:  # noqa: BLE001 - whatever went wrong over there
                yield "failure", (label, f"{type(error).__name__}: {error}")
            return

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        self._events.put(("news", event[1]))
