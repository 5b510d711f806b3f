"""`fxbench list`."""

from __future__ import annotations

import json

import click

from fxbench.inventory import inventory
from fxbench.kinds import KINDS


@click.command("list")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in KINDS]),
    help="Only components of this kind.",
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
def command(*, kind: str | None, as_json: bool) -> None:
    """List the components that are installed, their state, and the command that mends it.

    \b
    Examples:
      fxbench list
      fxbench list --kind classifier
      fxbench list --json
    """
    rows = inventory(kind)
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
    previous = mend = None
    for row in rows:
        if row["kind"] == "plugin":
            continue
        shown = row["kind"] if row["kind"] != previous else ""
        previous = row["kind"]
        colour = colours.get(row["state"], "yellow")
        text = row["summary"]
        if row["mend"]:
            # Many components lack the same: what mends them is said at the first of them.
            same = row["mend"] == mend and not shown
            mended = "[dim]as above[/dim]" if same else f"[cyan]{_escaped(row['mend'])}[/cyan]"
            text = f"{text}\n[dim]→[/dim] {mended}"
        mend = row["mend"]
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
