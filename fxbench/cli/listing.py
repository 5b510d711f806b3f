"""`fxbench list`."""

from __future__ import annotations

import json

import click

from fxbench.inventory import inventory
from fxbench.kinds import KINDS

_COLOURS = {"ready": "green", "broken": "red"}


@click.command("list")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in KINDS]),
    help="Only components of this kind.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of objects.")
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
    from rich.text import Text

    from fxbench.cli.entries import Named, print_named
    from fxbench.cli.terminal import hint, output

    console = output()
    mends: dict[str, int] = {}
    groups: dict[str, list[Named]] = {}
    for row in rows:
        if row["kind"] == "plugin":
            continue
        state = Text(row["state"], _COLOURS.get(row["state"], "yellow"))
        if row["mend"]:
            # Many components lack the same: what mends it is said once, below.
            state.append(f" ({mends.setdefault(row['mend'], len(mends) + 1)})")
        head = (Text(row["name"]), state)
        groups.setdefault(f"{row['kind']}s", []).append(Named(head, Text(row["summary"])))
    print_named(console, [*groups.items()])
    if mends:
        console.print(Text("\nWhat mends what is missing", "bold"))
    for mend, number in mends.items():
        # Not wrapped: the line is there to be copied.
        console.print(Text(f"({number}) ").append(mend, "cyan"), soft_wrap=True)
    if mends:
        hint("all about one: fxbench show NAME", "all that is amiss here: fxbench doctor")
    for row in rows:
        if row["kind"] == "plugin":
            text = f"plugin {row['name']} ({row['distribution']}): {row['state']}"
            console.print(Text(text, "red"))
            for problem in row["problems"]:
                console.print(f"  {problem}", markup=False)
