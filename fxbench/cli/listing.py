"""`fxbench list`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from fxbench.availability import availability
from fxbench.kinds import KINDS
from fxbench.options import resolve
from fxbench.registry import Registry, discover


@click.command("list")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in KINDS]),
    help="Only components of this kind.",
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
def command(*, kind: str | None, as_json: bool) -> None:
    r"""List the components that are installed, their state, and the command that mends it.

    \b
    Examples:
      fxbench list
      fxbench list --kind classifier
      fxbench list --json
    """
    registry = discover()
    rows = _rows(registry, kind)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    from rich.table import Table

    from fxbench.cli.terminal import output

    console = output()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("kind", "name", "state", "summary"):
        table.add_column(header, no_wrap=header != "summary")
    colours = {"ready": "green", "broken": "red"}
    previous = None
    for row in rows:
        if row["kind"] == "plugin":
            continue
        shown = row["kind"] if row["kind"] != previous else ""
        previous = row["kind"]
        colour = colours.get(row["state"], "yellow")
        text = row["summary"]
        if row["mend"]:
            text = f"{text}\n[dim]→[/dim] [cyan]{_escaped(row['mend'])}[/cyan]"
        table.add_row(shown, row["name"], f"[{colour}]{row['state']}[/{colour}]", text)
    console.print(table)
    for row in rows:
        if row["kind"] == "plugin":
            console.print(
                f"[red]plugin {row['name']} ({row['distribution']}): {row['state']}[/red]"
            )
            for problem in row["problems"]:
                console.print(f"  {problem}", markup=False)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _rows(registry: Registry, kind: str | None) -> list[dict[str, Any]]:
    """One record for each component, and one for each plugin that has a problem."""
    options = resolve((e.component for e in registry.entries), (), os.environ, Path())
    rows: list[dict[str, Any]] = []
    for entry in registry.entries:
        if kind is not None and entry.kind.name != kind:
            continue
        state = availability(entry, options)
        rows.append(
            {
                "kind": entry.kind.name,
                "name": entry.name,
                "plugin": entry.plugin.name,
                "distribution": entry.plugin.distribution,
                "version": entry.plugin.version,
                "state": state.state,
                "detail": state.detail,
                "mend": state.mend or None,
                "summary": entry.component.summary,
                "traits": sorted(entry.component.traits),
            }
        )
    for plugin in registry.plugins:
        if plugin.problems:
            newer = plugin.state == "needs a newer fxbench"
            package = "fxbench" if newer else plugin.distribution
            rows.append(
                {
                    "kind": "plugin",
                    "name": plugin.name,
                    "plugin": plugin.name,
                    "distribution": plugin.distribution,
                    "version": plugin.version,
                    "state": plugin.state,
                    "detail": " ".join(plugin.problems),
                    "problems": list(plugin.problems),
                    "mend": f"pip install --upgrade {package}",
                    "summary": "",
                    "traits": [],
                }
            )
    return rows
