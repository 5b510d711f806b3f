"""`fxbench doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal

from fxbench.cli.options import results_option

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.doctor import Diagnosis, File, Finding, Storage


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all of it.")
@results_option
def command(*, as_json: bool, results: Path) -> int:
    """Say what is installed, what is missing for what, and the commands that mend it.

    The exit code is 1 where something that is installed doesn't work: a broken plugin, a damaged
    weight file, a cache that can't be written, more than one OpenCV, a wrong setting.

    \b
    Examples:
      fxbench doctor
      fxbench doctor --json
    """
    from fxbench.doctor import examine

    diagnosis = examine(results)
    if as_json:
        click.echo(json.dumps({"ok": diagnosis.ok} | asdict(diagnosis), indent=1))
    else:
        _print(diagnosis)
    return 0 if diagnosis.ok else 1


def _print(diagnosis: Diagnosis) -> None:
    from rich.table import Table
    from rich.text import Text

    from fxbench.cli.terminal import hint, output

    console = output()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, text in _facts(diagnosis):
        # Folders and reasons may hold brackets, which rich would take for markup.
        table.add_row(what, Text(text or "none"))
    console.print(table)
    _findings(console, "Broken", "red", diagnosis.broken)
    _findings(console, "Missing", "yellow", diagnosis.missing)
    console.print()
    if diagnosis.ok:
        console.print("Everything that is installed works.", style="green")
    else:
        console.print(f"{len(diagnosis.broken)} to be mended.", style="bold red")
    if any(file.state == "missing" and file.fetched for file in diagnosis.weights):
        hint("fetch all weights that can be had: fxbench weights fetch --all")


def _facts(diagnosis: Diagnosis) -> Iterable[tuple[str, str]]:
    system = diagnosis.system
    memory = system.memory_bytes
    yield "fxbench", f"{system.fxbench}, Python {system.python} ({system.executable})"
    yield (
        "machine",
        f"{system.cpu}, {system.cores} cores"
        + (f", {decimal(memory)} memory" if memory else "")
        + f"; {system.platform}",
    )
    set_threads = diagnosis.thread_variables
    yield (
        "threads",
        f"{system.threads} in a run without --threads"
        + "".join(f", {name}={value}" for name, value in set_threads.items()),
    )
    yield "cache", _place(diagnosis.cache)
    yield "results", _place(diagnosis.results)
    yield "OpenCV", ", ".join(diagnosis.cv2) or "from no distribution that pip knows"
    kinds: dict[str, dict[str, list[str]]] = {}
    for row in diagnosis.components:
        if row["kind"] != "plugin":
            name, state = row["name"], row["state"]
            if state == "needs option":
                # Said once for all that want the same: `--set NAME.path=PATH`.
                state = f"needs {row['mend'].replace(f' {name}.', ' NAME.')}"
            kinds.setdefault(row["kind"], {}).setdefault(state, []).append(name)
    for kind, states in kinds.items():
        yield f"{kind}s", _by_state(states, quiet=("ready",))
    extras: dict[str, list[str]] = {}
    for extra in diagnosis.extras:
        extras.setdefault("installed" if extra.installed else "missing", []).append(extra.extra)
    yield "extras", _by_state(extras)
    yield "weights", _weights(diagnosis.weights)
    variables = [f"{name}={value}" for name, value in diagnosis.variables.items() if value]
    variables += [f"{name} set" for name in diagnosis.option_variables]
    unset = [name for name, value in diagnosis.variables.items() if not value]
    if unset:
        variables.append(f"{', '.join(unset)} not set")
    yield "variables", "; ".join(variables)


def _by_state(states: dict[str, list[str]], quiet: tuple[str, ...] = ()) -> str:
    """Names, each group of them under its state; those of quiet states first, and without it."""
    first = [name for state in quiet for name in states.get(state, ())]
    groups = [f"{s}: {', '.join(names)}" for s, names in states.items() if s not in quiet]
    return "; ".join([", ".join(first)] * bool(first) + groups)


def _weights(files: Iterable[File]) -> str:
    """How many files are in each state, and the names of those that a person may look at."""
    states: dict[str, list[str]] = {}
    for file in files:
        names = states.setdefault(file.state, [])
        if file.name not in names:
            names.append(file.name)
    quiet = ("verified", "accepted", "missing")
    return "; ".join(
        f"{len(names)} {state}" + ("" if state in quiet else f" ({', '.join(names)})")
        for state, names in states.items()
    )


def _findings(console: Console, title: str, colour: str, findings: Iterable[Finding]) -> None:
    from rich.text import Text

    for index, finding in enumerate(findings):
        if not index:
            console.print(f"\n{title}", style=f"bold {colour}")
        for line in Text(finding.what).wrap(console, max(1, console.width - 2), overflow="fold"):
            line.rstrip()
            console.print(Text("  ").append(line), no_wrap=True, crop=False)
        # Not wrapped: the line is there to be copied.
        console.print(Text("  → ").append(finding.mend, "cyan"), soft_wrap=True)


def _place(storage: Storage) -> str:
    parts = [] if storage.bytes is None else [f"{decimal(storage.bytes)} used"]
    if storage.free_bytes is not None:
        parts.append(f"{decimal(storage.free_bytes)} free")
    if not storage.writable:
        parts.append("can't be written")
    return f"{storage.folder} ({', '.join(parts)})"
