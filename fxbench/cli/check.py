"""`fxbench check`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxbench.cli.options import settings_option
from fxbench.errors import UsageError
from fxbench.kinds import KINDS
from fxbench.names import unknown_name

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.availability import Availability
    from fxbench.options import Options
    from fxbench.registry import Entry, Plugin, Registry
    from fxbench.testing import Report

_COLOURS = {"passed": "green", "failed": "bold red", "skipped": "dim"}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is to be checked, and what can't be.

    Attributes:
        entries: components that are ready.
        absent: components that are not, each with its state.
        broken: plugins that were named and have problems.
    """

    entries: tuple[Entry, ...]
    absent: tuple[tuple[Entry, Availability], ...]
    broken: tuple[Plugin, ...]


@click.command("check")
@click.argument("name", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in KINDS]),
    help="Only components of this kind.",
)
@settings_option
@click.option(
    "--allow-sending",
    is_flag=True,
    help="Check components that send images or sound to a service; drawn ones are sent, and may "
    "cost money.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of reports.")
def command(
    *,
    name: tuple[str, ...],
    kind: str | None,
    settings: tuple[str, ...],
    allow_sending: bool,
    as_json: bool,
) -> int:
    """Try whether components conform: what was tried, what failed, and how to see it.

    NAME is a component, a plugin (then all its components are checked), or `all` for every
    component that is ready. docs/checking.md has the rules.

    \b
    Examples:
      fxbench check acme
      fxbench check all --kind detector
      fxbench check ferplus --set ferplus.path=~/data/ferplus
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(environment.available_cores())

    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages, output
    from fxbench.options import resolve
    from fxbench.registry import discover

    registry = discover()
    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    chosen = _choose(registry, options, name, kind, allow_sending=allow_sending)
    debug = click.get_current_context().find_root().obj["debug"]
    quiet = nullcontext(messages()) if debug else chatter_to(default_folder() / "stderr.log")
    reports: list[Report] = []
    with quiet as console:
        for report in _reports(chosen, options, console):
            reports.append(report)
            if not as_json:
                _print(output(), report)
    if as_json:
        click.echo(json.dumps([report.record() for report in reports], indent=1))
    for entry, state in chosen.absent:
        messages().print(
            f"Not checked: {entry.kind.name} {entry.name} ({state.state}). {state.detail} "
            f"{state.mend}",
            markup=False,
        )
    if any(not report.ok for report in reports):
        return 1
    return UsageError.exit_code if chosen.absent and "all" not in name else 0


def _choose(
    registry: Registry,
    options: Options,
    names: Sequence[str],
    kind: str | None,
    *,
    allow_sending: bool,
) -> _Chosen:
    """Find what the names mean.

    Raises:
        UsageError: a name means nothing, or a component that was named would send images away.
    """
    from fxbench.availability import availability

    candidates = [e for e in registry.entries if kind in (None, e.kind.name)]
    named: dict[tuple[str, str], Entry] = {}
    broken = []
    for name in names:
        plugins = [plugin for plugin in registry.plugins if plugin.name == name]
        found = [entry for entry in candidates if entry.name == name]
        found = found or [entry for entry in candidates if entry.plugin.name == name]
        if name == "all":
            found = [e for e in candidates if availability(e, options).state == "ready"]
            found = [e for e in found if allow_sending or not e.component.sends]
        faulty = [plugin for plugin in plugins if plugin.problems]
        if not found and not faulty and name != "all":
            raise UsageError(_unknown(registry, name, kind))
        broken += faulty
        named |= {(entry.kind.name, entry.name): entry for entry in found}
    for entry in named.values():
        if entry.component.sends and not allow_sending:
            price = entry.component.price
            each = "at a price that is not known" if price is None else f"{price:g} USD a call"
            raise UsageError(
                f"{entry.name} sends what it is given to a service ({each}): allow the kit to send "
                "what it draws with --allow-sending."
            )
    states = {key: availability(entry, options) for key, entry in named.items()}
    ready = tuple(entry for key, entry in named.items() if states[key].state == "ready")
    absent = tuple(
        (entry, states[key]) for key, entry in named.items() if states[key].state != "ready"
    )
    return _Chosen(ready, absent, tuple(broken))


def _unknown(registry: Registry, name: str, kind: str | None) -> str:
    """What to say of a name that means nothing, of that kind or at all."""
    for entry in registry.entries:
        if name in (entry.name, entry.plugin.name):
            its = entry.kind.name
            article = "an" if its[0] in "aeiou" else "a"
            if name == entry.name:
                said = f"{name} is {article} {its}, no {kind}"
            else:
                said = f"The plugin {name} has no {kind}, but {article} {its} {entry.name}"
            return f"{said}: give --kind {its}, or leave --kind out."
    known = [e.name for e in registry.entries if kind in (None, e.kind.name)]
    known += [plugin.name for plugin in registry.plugins if kind is None]
    what = "component or plugin" if kind is None else kind
    return unknown_name(what, name, [*known, "all"], "`fxbench list` shows all.")


def _reports(chosen: _Chosen, options: Options, console: Console) -> Iterator[Report]:
    from fxbench.cli.terminal import status
    from fxbench.testing import Report, Result, check

    for plugin in chosen.broken:
        problems = (
            Result("loads", "Import it and ask it for its components.", "failed", problem)
            for problem in plugin.problems
        )
        yield Report(plugin.name, "plugin", tuple(problems))
    for entry in chosen.entries:
        with status(console, f"{entry.kind.name} {entry.name}"):
            report = check(entry, options=options.of(entry.component))
        yield report


def _print(console: Console, report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text(report.headline, "green" if report.ok else "bold red"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(max_width=28, overflow="fold")
    table.add_column(overflow="fold")
    for status, rules, sentences in report.rows():
        first, *more = sentences
        text = Text(first, "" if status == "passed" else "dim")
        for sentence in more:
            text.append(f"\n{sentence}", "not dim bold")
        table.add_row(Text(f"  {status}", _COLOURS[status]), rules, text)
    console.print(table)
    for result in report.failed:
        if result.see:
            # Not wrapped: the line is there to be copied.
            line = Text(f"  see {result.rule}: ", "bold").append(result.see, "not bold cyan")
            console.print(line, soft_wrap=True)
    console.print()
