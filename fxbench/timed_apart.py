"""Processes of their own for what is timed, and what they answer.

A component that dies, hangs or takes all memory costs its own timing and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from fxbench.environment import THREAD_VARIABLES
from fxbench.errors import FxbenchError, PluginError
from fxbench.recipe import Recipe
from fxbench.timing_process import PROTOCOL
from fxbench.types import Batch

LIMIT_S = 300.0
"""What a process may take for an answer before it is ended."""
_TAIL_BYTES = 2000
_END_S = 5.0
"""What a process may take to end that was asked to, or that was killed."""
_LOOK_S = 1.0
"""How often a process that has not answered yet is looked after; also what its reader may take."""


@contextlib.contextmanager
def images_file(sample: Batch) -> Iterator[Path]:
    """A file of the images, for as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="fxbench-timing-") as folder:
        path = Path(folder) / "images.npz"
        arrays: dict[str, Any] = {
            f"image{i:04}": image for i, image in enumerate(sample.frames.images)
        }
        if sample.truth is not None and sample.truth.xyxy is not None:
            arrays["truth"] = sample.truth.xyxy
        np.savez(path, **arrays)
        yield path


class TimingProcess:
    """A process that times components, from its start to its end.

    Attributes:
        about: what it said of itself: its Python, its packages, its processor.
    """

    def __init__(
        self,
        recipe: Recipe,
        images: Path,
        threads: int,
        *,
        what: str,
        python: Path | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        """Start it.

        Args:
            recipe: says what components there are, and their options.
            images: see :func:`images_file`.
            threads: of numerical libraries.
            what: is timed, for messages.
            python: an interpreter of another environment; None for this one, which then finds
                packages where this process does.
            limit_s: what an answer may take.

        Raises:
            PluginError: it doesn't start, or begin.
        """
        self._what = what
        self._limit_s = limit_s
        self._dead: str | None = None
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        own = {name: text for name, text in os.environ.items() if name not in THREAD_VARIABLES}
        own |= dict.fromkeys(THREAD_VARIABLES, str(threads))
        if python is not None:
            # What this environment's Python was told about itself is wrong there.
            own = {n: t for n, t in own.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
        try:
            self._process = subprocess.Popen(
                # -P: the current folder may hold the sources of another fxbench.
                [str(python or sys.executable), "-P", "-m", "fxbench.timing_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                env=own | self._path(python),
                text=True,
                encoding="utf-8",
                # What is no UTF-8 is an answer that makes no sense, not the end of all answers.
                errors="replace",
                # A group of its own, so that what a component starts can be ended with it. Ctrl-C
                # doesn't reach it then: this process ends it when it leaves.
                start_new_session=True,
            )
        except OSError as error:
            self._printed.close()
            raise PluginError(
                f"The process that times {what} can't be started: {python or sys.executable}: "
                f"{error.strerror or error}."
            ) from error
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), daemon=True
        )
        try:
            self._reader.start()
            self.about = self.ask(
                {
                    "do": "begin",
                    "protocol": PROTOCOL,
                    "path": sys.path if python is None else None,
                    "threads": threads,
                    "recipe": recipe.record(),
                    "images": str(images),
                }
            )
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    @staticmethod
    def _path(python: Path | None) -> dict[str, str]:
        return (
            {} if python is not None else {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        )

    def __enter__(self) -> TimingProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S if kind is None else 0.1)
        finally:
            # Also where it has ended: what it started may go on. And where Ctrl-C breaks the wait.
            self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        # The reader closes the pipe. Whoever left the group may hold the other end open for long,
        # and to close this end would wait for the reader.
        if self._reader.ident is not None:
            self._reader.join(_LOOK_S)
        self._printed.close()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            PluginError: the process told an error, died, took too long, or answered nonsense.
        """
        if self._dead is not None:
            raise PluginError(self._dead)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            # Where it is dead, that is seen below.
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        try:
            line = self._line()
        except queue.Empty as error:
            self._kill()
            self._dead = (
                f"The process that timed {self._what} gave no answer within {self._limit_s:.0f} s "
                "and was ended."
            )
            raise PluginError(self._dead) from error
        if not line:
            self._dead = self._death()
            raise PluginError(self._dead)
        try:
            answer = json.loads(line)
            if "error" in answer:
                raise FxbenchError(str(answer["error"]))
            result: dict[str, Any] = answer["answer"]
        except (ValueError, KeyError, TypeError) as error:
            raise PluginError(
                f"The process that timed {self._what} answered nonsense: {line[:100]!r}."
            ) from error
        return result

    def _line(self) -> str:
        """The next line; empty where none will come."""
        end = time.monotonic() + self._limit_s
        while (left := end - time.monotonic()) > 0:
            # Seen before the queue is looked at: what it wrote before it died still counts.
            dead = self._process.poll() is not None
            try:
                return self._lines.get(timeout=min(left, _LOOK_S))
            except queue.Empty:
                if dead:
                    # What it started holds the pipe open, so that its end can't be read.
                    return ""
        raise queue.Empty

    def _read(self, stream: IO[str]) -> None:
        with contextlib.suppress(OSError, ValueError), stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put("")

    def _kill(self) -> None:
        """End the process and what it started."""
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def _death(self) -> str:
        try:
            code = self._process.wait(min(_END_S, self._limit_s))
        except subprocess.TimeoutExpired:
            self._kill()
            return f"The process that timed {self._what} closed its output and was ended."
        if code < 0:
            try:
                how = f"was ended by {signal.Signals(-code).name}"
            except ValueError:
                how = f"was ended by signal {-code}"
            if -code == getattr(signal, "SIGKILL", None):
                how += ", which is what a system short of memory does"
        else:
            how = f"ended with exit code {code}"
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - _TAIL_BYTES))
        text = self._printed.read().decode("utf-8", "replace").strip()
        last = f" The last that it printed: {text.splitlines()[-1][:200]}" if text else ""
        return f"The process that timed {self._what} {how}.{last}"
