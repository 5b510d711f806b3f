"""`fxbench data`."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

import click

from fxbench.cli.manual import dress
from fxbench.cli.options import settings_option
from fxbench.cli.values import Whole
from fxbench.errors import UsageError
from fxbench.names import unknown_name
from fxbench.registry import Registry, discover

_PREFIX = "build-"


class _Builders(click.Group):
    """A command `build-NAME` for each builder that is installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [_PREFIX + entry.name for entry in discover().of_kind("builder")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        for entry in discover().of_kind("builder"):
            if _PREFIX + entry.name == name:
                return dress(_command(entry.name, entry.component.summary), f"data {name}")
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(unknown_name("dataset to build", args[0], known), ctx)
        return super().resolve_command(ctx, args)


@click.group("data", cls=_Builders)
def command() -> None:
    """Make the files of a dataset from another dataset.

    \b
    Example:
      fxbench data build-mini --set ferplus.path=~/data/ferplus -o mini
    """


def _command(name: str, summary: str) -> click.Command:
    called = f"fxbench data {_PREFIX}{name}"
    examples = (
        f"\b\nExamples:\n  {called} --set ferplus.path=~/data/ferplus"
        f"\n  {called} --set ferplus.path=~/data/ferplus --seed 2 -o {name}-2"
    )

    @click.command(f"{_PREFIX}{name}", help=f"{summary}\n\n{examples}", short_help=summary)
    @click.option(
        "--from",
        "source",
        default="ferplus",
        show_default=True,
        help="The dataset that it is made from.",
    )
    @click.option(
        "--seed",
        type=Whole(min=0),
        default=1,
        show_default=True,
        help="Of everything that is drawn at random.",
    )
    @settings_option
    @click.option(
        "-o",
        "--output",
        "folder",
        type=click.Path(path_type=Path),
        help=f"Where to write; by default {name}.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON: what was written.")
    @click.pass_context
    def build(
        ctx: click.Context,
        *,
        source: str,
        seed: int,
        settings: tuple[str, ...],
        folder: Path | None,
        as_json: bool,
    ) -> None:
        from fxbench.chunks import default_folder
        from fxbench.cli.terminal import Steps, chatter_to, hint, messages

        target = folder or Path(name)
        debug = ctx.find_root().obj["debug"]
        quiet = nullcontext(messages()) if debug else chatter_to(default_folder() / "stderr.log")
        with quiet as console, Steps(console) as steps:
            _build(discover(), name, source, settings, target, seed, steps.at)
        if as_json:
            record = {"name": name, "from": source, "seed": seed, "folder": str(target)}
            click.echo(json.dumps(record, indent=1))
        else:
            click.echo(f"{name} is in {target}.")
            hint(f"what reads it: fxbench show {name}")

    return build


def _build(
    registry: Registry,
    name: str,
    source: str,
    settings: tuple[str, ...],
    folder: Path,
    seed: int,
    report: object,
) -> None:
    from fxbench.availability import require
    from fxbench.loader import Loader
    from fxbench.options import resolve

    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    builder, dataset = registry.get("builder", name), registry.get("dataset", source)
    for entry in (builder, dataset):
        require(entry, options)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and not empty: name another folder with -o.")
    loader = Loader(options)
    made, images = loader.get(builder), loader.get(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    made.build(images, folder, seed=seed, report=report)
