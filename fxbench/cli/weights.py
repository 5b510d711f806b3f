"""`fxbench weights`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from fxbench.errors import UsageError, WeightsError
from fxbench.names import unknown_name

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.weight_store import File

_COLOURS = {"verified": "green", "accepted": "green", "damaged": "red", "unreadable": "red"}


class _Actions(click.Group):
    """A group that answers an unknown name with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(unknown_name("thing to do", args[0], self.commands), ctx)
        return super().resolve_command(ctx, args)


@click.group("weights", cls=_Actions)
def command() -> None:
    """List weight files, fetch them, and see whether they are right.

    \b
    Examples:
      fxbench weights list
      fxbench weights fetch --all
      fxbench weights verify
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of objects.")
def listing(*, as_json: bool) -> None:
    """List every weight file that a component declares, and whether it is there and right.

    \b
    Examples:
      fxbench weights list
      fxbench weights list --json
    """
    from fxbench.registry import discover
    from fxbench.weight_store import files

    found = files(discover())
    if as_json:
        click.echo(json.dumps([file.record() for file in found], indent=1))
    else:
        _print(found)


@command.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAMES]...")
@click.option("--all", "everything", is_flag=True, help="Every file that can be fetched.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of objects.")
def fetch(*, names: tuple[str, ...], everything: bool, as_json: bool) -> int:
    """Download weight files into the store. NAMES are files, or components that load them.

    A file is there only once its contents are known to be right. A download that stops goes on
    where it stopped when the command is given again.

    \b
    Examples:
      fxbench weights fetch face_detection_yunet_2023mar.onnx
      fxbench weights fetch opencv-yunet opencv-ssd
      fxbench weights fetch --all
    """
    from fxbench.cli.terminal import messages
    from fxbench.registry import discover
    from fxbench.weight_store import chosen, files
    from fxbench.weight_store import fetch as fetched

    if everything and names:
        raise UsageError("Give names or --all, not both.")
    if not everything and not names:
        raise UsageError(
            "Say what to fetch: names of files or components, which `fxbench weights list` shows, "
            "or --all."
        )
    registry = discover()
    known = files(registry)
    records: list[dict[str, Any]] = []
    failed = False
    console = messages()
    for file in known if everything else chosen(known, names, registry):
        done, error, fresh = file, None, False
        if file.found.usable:
            if not everything and not as_json:
                _say(file, names, "is there already: ")
        elif everything and file.weights.url is None:
            error = f"{file.name} can't be fetched by fxbench: {file.mend()}"
            console.print(error, markup=False, soft_wrap=True)
        else:
            try:
                with _Bar(console, file.name) as bar:
                    done = fetched(file, known, bar, names)
            except WeightsError as fault:
                # The others are fetched nevertheless. A full disk, which stops all, is another.
                error, failed = str(fault), True
                click.echo(f"Error: {error}", err=True)
            else:
                fresh = True
                if not as_json:
                    _say(done, names)
        records.append(done.record(names) | {"fetched": fresh, "error": error})
    if as_json:
        click.echo(json.dumps(records, indent=1))
    return 3 if failed else 0


@command.command("verify")
@click.argument("names", nargs=-1, metavar="[NAMES]...")
@click.option(
    "--accept",
    "accepting",
    is_flag=True,
    help="Take the files NAMES for the right ones from now on, where nobody declares a sha256.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of objects.")
def verify(*, names: tuple[str, ...], accepting: bool, as_json: bool) -> int:
    """Compute the sha256 of weight files and compare. NAMES are files, or components.

    The exit code is 1 where a file is damaged or can't be read, or one that was named is missing.

    \b
    Examples:
      fxbench weights verify
      fxbench weights verify dlib-68
      fxbench weights verify facial_expression_model_weights.h5 --accept
    """
    from fxbench.registry import discover
    from fxbench.weight_store import accept_file, chosen, files
    from fxbench.weight_store import verify as verified

    if accepting and not names:
        raise UsageError(
            "--accept needs the names of the files that you take for the right ones; "
            "`fxbench weights list` shows which are unverified."
        )
    registry = discover()
    known = files(registry)
    found = verified(chosen(known, names, registry) if names else known)
    if accepting:
        # Of a component's files, those whose sha256 is declared need no acceptance.
        open_ones = [file for file in found if file.weights.sha256 is None] or found[:1]
        new = {id(file): accept_file(file) for file in open_ones}
        found = tuple(new.get(id(file), file) for file in found)
    if as_json:
        click.echo(json.dumps([file.record(names) for file in found], indent=1))
    else:
        for file in found:
            if names or file.found.state != "missing":
                _say(file, names)
    bad = {"damaged", "unreadable"} | ({"missing"} if names else set())
    return 1 if any(file.found.state in bad for file in found) else 0


def _say(file: File, names: Iterable[str], before: str = "") -> None:
    """One file in a line, and what there is to be done for who gave these names in another."""
    from rich.text import Text

    from fxbench.cli.terminal import output
    from fxbench.weights import accept_command

    found, console = file.found, output()
    line = Text(f"{file.name}: {before}")
    line.append(found.state, _COLOURS.get(found.state, "yellow"))
    if found.usable:
        line.append(f", {found.path}")
    else:
        line.append(f": {found.path or file.name} {found.why}. {file.mend(names)}")
    console.print(line, soft_wrap=True)
    if found.state == "unverified":
        console.print(
            f"  Nobody declares its right sha256. It has {found.sha256}; if that is what its "
            "source says, or you trust where it is from:",
            markup=False,
            soft_wrap=True,
        )
        console.print(Text(f"  {accept_command(file.name)}", "cyan"), soft_wrap=True)


def _print(found: Iterable[File]) -> None:
    from rich.text import Text

    from fxbench.cli.entries import Named, print_named
    from fxbench.cli.terminal import output

    things = []
    for file in found:
        state = file.found.state
        told = Text(", ".join(file.components))
        for line, style in _about(file):
            told.append("\n").append(line, style)
        size = file.found.bytes if file.found.bytes is not None else file.weights.bytes
        head = (
            Text(file.name),
            Text(state, _COLOURS.get(state, "yellow")),
            Text("" if size is None else decimal(size)),
        )
        things.append(Named(head, told))
    print_named(output(), [("", things)])


def _about(file: File) -> Iterable[tuple[str, str]]:
    from fxbench.weights import accept_command

    found = file.found
    for licence in file.licences:
        yield licence, "dim"
    if found.path is not None:
        yield str(found.path), "dim"
    if found.why and found.state != "missing":
        yield f"It {found.why}.", ""
    if found.state == "unverified":
        yield f"→ {accept_command(file.name)}", "cyan"
    elif not found.usable:
        yield f"→ {file.mend()}", "cyan"


class _Bar:
    """How far a download is: a bar on a terminal, elsewhere a line every ten seconds."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._progress: Any = None
        self._task: Any = None
        self._spoke = float("-inf")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def at(self, done: int, total: int | None) -> None:
        """See :class:`fxbench.download.transfer.Watcher`."""
        from fxbench.cli.terminal import is_live

        if is_live(self._console):
            self._begun().update(self._task, completed=done, total=total)
        elif time.monotonic() - self._spoke >= 10.0:
            self._spoke = time.monotonic()
            of = "" if total is None else f" of {decimal(total)}"
            self._console.print(f"{self._name}: {decimal(done)}{of}", markup=False)

    def note(self, text: str) -> None:
        """See :class:`fxbench.download.transfer.Watcher`."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _begun(self) -> Any:
        if self._progress is None:
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._progress.add_task(self._name, total=None)
            self._progress.start()
        return self._progress
