"""Consoles and progress for people: rich where there is a terminal, plain lines where not."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

WIDTH_WITHOUT_TERMINAL = 160
LEAST_WIDTH = 20
PLAIN_EVERY_S = 10.0
_DUMB = ("dumb", "unknown")


def output() -> Console:
    """Where results go: standard output."""
    return _console(sys.stdout)


def messages() -> Console:
    """Where progress and notes go: standard error."""
    return _console(sys.stderr)


def is_live(console: Console) -> bool:
    """Whether a bar that is drawn again and again can be seen there."""
    return console.is_terminal and console.is_interactive


@contextlib.contextmanager
def status(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done, where that can be seen; the function that it gives changes it."""
    if not is_live(console):
        yield lambda _: None
        return
    with console.status(text) as shown:
        yield shown.update


def hint(*commands: str) -> None:
    """Name what can be done next, in one line: what it does, a colon and the command for each.

    What the line has no room for is left out. It stands on standard error, in a terminal alone:
    programs and logs have no use for it.
    """
    if not (_is_terminal(sys.stderr) and _is_terminal(sys.stdout)):
        return
    console, line = messages(), Text("Next  ", "dim")
    for index, text in enumerate(commands):
        if index and line.cell_len + len(text) + 3 > console.width:
            break
        what, _, command = text.partition(": ")
        line.append(" · " * bool(index), "dim").append(f"{what}: ", "dim").append(command, "cyan")
    console.print(line, soft_wrap=True)


def _console(stream: IO[str] | None) -> Console:
    """A console on a stream; without a terminal as wide as COLUMNS says, or as tables need.

    FORCE_COLOR gives colours where there is no terminal, but neither bars that would fill a log
    with their pictures, nor the width of a screen. Rich itself sees to NO_COLOR and TERM.
    """
    if stream is None:
        # The stream is closed: there is nobody to tell anything.
        return Console(file=io.StringIO(), highlight=False)
    real = _is_terminal(stream)
    forced = bool(os.environ.get("FORCE_COLOR"))
    return Console(
        file=stream,
        highlight=False,
        width=None if real else _columns() or WIDTH_WITHOUT_TERMINAL,
        force_terminal=None if "TTY_COMPATIBLE" in os.environ else real or forced,
        force_interactive=real and os.environ.get("TERM", "").lower() not in _DUMB,
    )


def _is_terminal(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _columns() -> int | None:
    """What COLUMNS says, if it says something that can be written into."""
    text = os.environ.get("COLUMNS", "")
    return max(int(text), LEAST_WIDTH) if text.isdecimal() and int(text) else None


@contextlib.contextmanager
def chatter_to(path: Path) -> Iterator[Console]:
    """Send what libraries print to standard error to a file, for as long as this lasts.

    TensorFlow's C++ code writes notices that no setting silences, in the midst of the progress bar.

    Args:
        path: the file, written anew. Where it can't be written, nothing is redirected.

    Yields:
        A console on the real standard error.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    except OSError:
        yield messages()
        return
    try:
        kept = os.dup(2)
    except OSError:
        # Standard error is closed: there is nobody to tell anything.
        file.close()
        yield _console(None)
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with file, os.fdopen(kept, "w", encoding="utf-8", errors="replace") as real:
        os.dup2(file.fileno(), 2)
        try:
            yield _console(real)
        finally:
            if sys.stderr is not None:
                sys.stderr.flush()
            os.dup2(kept, 2)


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"


class _Rate(ProgressColumn):
    """Images through a stage, per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class Watch:
    """An observer that shows a bar on a terminal, and a line every ten seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = is_live(console)
        self._progress: Progress | None = None
        self._task: Any = None
        self._done = self._units = self._cells = self._cells_done = 0
        self._gradients = self._queries = 0
        self._begin = self._spoke = time.monotonic()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def start(self, units: int, cells: int, gradients: int = 0, queries: int = 0) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._units, self._cells = units, cells
        self._gradients, self._queries = gradients, queries
        self._begin = self._spoke = time.monotonic()
        if not self._live:
            calls = f"{self._calls()}; " if gradients or queries else ""
            self._console.print(f"{calls}{units} images through stages to do, for {_count(cells)}")
            return
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TextColumn("{task.fields[calls]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(
            f"0 of {cells} cells", total=max(units, 1), calls=self._calls()
        )
        self._progress.start()

    def advance(self, units: int, what: str) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._done += units
        if self._progress is not None:
            self._progress.update(self._task, advance=units, description=what)
        elif time.monotonic() - self._spoke >= PLAIN_EVERY_S:
            self._spoke = time.monotonic()
            self._say(what)

    def called(self, gradients: int, queries: int) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._gradients = max(0, self._gradients - gradients)
        self._queries = max(0, self._queries - queries)
        if self._progress is not None:
            self._progress.update(self._task, calls=self._calls())
        elif time.monotonic() - self._spoke >= PLAIN_EVERY_S:
            self._say("")

    def _calls(self) -> str:
        """How many calls the attacks still make at most."""
        left = {"gradients": self._gradients, "queries": self._queries}
        return ", ".join(f"{count:,} {name} left" for name, count in left.items() if count)

    def _say(self, what: str) -> None:
        self._spoke = time.monotonic()
        rate = self._done / (self._spoke - self._begin)
        seconds = f", about {(self._units - self._done) / rate:,.0f} s left" if rate else ""
        calls = f", {self._calls()}" if self._gradients or self._queries else ""
        self._console.print(
            f"{self._done} of {self._units} images through stages, {rate:,.0f}/s{seconds}{calls}"
            f"{f' ({what})' if what else ''}",
            markup=False,
        )

    def cell_done(self) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._cells_done += 1
        if self._progress is not None:
            text = f"{self._cells_done} of {self._cells} cells"
            self._progress.update(self._task, description=text)
        elif self._cells_done == self._cells:
            self._console.print(f"{self._cells_done} of {_count(self._cells)} done")

    def note(self, text: str) -> None:
        """See :class:`fxbench.progress.Observer`."""
        self._console.print(text, markup=False)


class Steps:
    """How far a long piece of work is: a bar on a terminal, a line for each step elsewhere.

    There, a step that takes long has a line every ten seconds, with the time that is left.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""
        self._begin = self._spoke = time.monotonic()
        self._first = 0.0
        self._bar: Progress | None = None
        self._task: Any = None
        if is_live(console):
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("beginning", total=1.0)

    def __enter__(self) -> Steps:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, text: str, done: float) -> None:
        """Such a step is under way, and so much of all is done, from 0 to 1."""
        if self._bar is not None:
            self._bar.update(self._task, description=text, completed=done)
        elif text != self._last or time.monotonic() - self._spoke >= PLAIN_EVERY_S:
            left = self._left(done) if text == self._last else ""
            self._spoke = time.monotonic()
            self._console.print(f"{done:4.0%} {text}{left}", markup=False)
        if not self._last or done <= self._first:
            # Loading, and what was done at an earlier time, say nothing of how fast work goes.
            self._begin, self._first = time.monotonic(), done
        self._last = text

    def _left(self, done: float) -> str:
        gone = done - self._first
        if gone <= 0:
            return ""
        seconds = (time.monotonic() - self._begin) * (1 - done) / gone
        return f", about {seconds:,.0f} s left"
