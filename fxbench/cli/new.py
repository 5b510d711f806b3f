"""`fxbench new`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from fxbench.kinds import COMPARED
from fxbench.names import unknown_name


class _Things(click.Group):
    """A group that answers an unknown name with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(unknown_name("thing to make", args[0], self.commands), ctx)
        return super().resolve_command(ctx, args)


@click.group("new", cls=_Things)
def command() -> None:
    """Write a project to begin with.

    \b
    Example:
      fxbench new plugin acme --kind classifier
    """


@command.command("plugin")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.name for kind in COMPARED]),
    default="classifier",
    show_default=True,
    help="What it offers.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default=True,
    help="Where the folder NAME is made.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: what was written.")
def plugin(*, name: str, kind: str, folder: Path, as_json: bool) -> None:
    """Write a plugin with one component called NAME.

    It can be installed, conforms and has tests. What it does is an example, to be replaced:
    docs/plugins.md goes on from there.

    \b
    Examples:
      fxbench new plugin acme
      fxbench new plugin acme-eyes --kind landmarker --folder ~/plugins
    """
    from rich.text import Text

    from fxbench import scaffold
    from fxbench.cli.terminal import output

    # A shell doesn't replace the ~ of --folder=~/plugins.
    project = scaffold.plugin(name, kind, folder.expanduser())
    # Without a slash, pip takes a word for the name of a distribution.
    where = str(project.folder)
    where = where if "/" in where else f"./{where}"
    following = (f"pip install {shlex.quote(where)}", f"fxbench check {name}", project.run)
    if as_json:
        record = {
            "kind": kind,
            "name": name,
            "folder": str(project.folder),
            "files": [path.as_posix() for path in project.files],
            "next": following,
        }
        click.echo(json.dumps(record, indent=1))
        return
    click.echo(f"The {kind} {name}, in {project.folder}:")
    for path in project.files:
        click.echo(f"  {path}")
    click.echo("Next:")
    for line in following:
        output().print(Text(f"  {line}", "cyan"), soft_wrap=True)
