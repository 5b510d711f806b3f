"""`fxbench new`."""

from __future__ import annotations

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
def plugin(*, name: str, kind: str, folder: Path) -> None:
    """Write a plugin with one component called NAME.

    It can be installed, conforms and has tests. What it does is an example, to be replaced:
    docs/plugins.md goes on from there.

    \b
    Examples:
      fxbench new plugin acme
      fxbench new plugin acme-eyes --kind landmarker --folder ~/plugins
    """
    from fxbench import scaffold

    # A shell doesn't replace the ~ of --folder=~/plugins.
    project = scaffold.plugin(name, kind, folder.expanduser())
    click.echo(f"The {kind} {name}, in {project.folder}:")
    for path in project.files:
        click.echo(f"  {path}")
    # Without a slash, pip takes a word for the name of a distribution.
    where = str(project.folder)
    where = where if "/" in where else f"./{where}"
    click.echo("Next:")
    for line in (f"pip install {shlex.quote(where)}", f"fxbench check {name}", project.run):
        click.secho(f"  {line}", fg="cyan")
