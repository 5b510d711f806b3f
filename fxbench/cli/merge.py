"""`fxbench merge`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from fxbench.cli.options import results_option


@click.command("merge")
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder of the new run.",
)
@click.option(
    "--keep-first",
    is_flag=True,
    help="Where runs disagree about a cell, keep the first run's numbers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: what was merged.")
@results_option
def command(
    *, runs: tuple[str, ...], output: Path, keep_first: bool, as_json: bool, results: Path
) -> None:
    """Merge finished runs, such as those of several machines, into one with one leaderboard.

    They must be about the same images and labels. Cells of different runs are ranked together, by
    what they answered to each image. A cell that several runs have must have the same numbers in
    each. Times keep the name of their machine. No plugin, no image and no cache is needed.

    \b
    Examples:
      fxbench merge ferplus-valid-1a2b3c4d ferplus-valid-5e6f7a8b -o results/both
      fxbench merge here/ferplus-valid-1a2b3c4d there/ferplus-valid-1a2b3c4d -o results/both
    """
    from fxbench.cli.terminal import hint
    from fxbench.files import known_as
    from fxbench.merge import merge
    from fxbench.names import counted
    from fxbench.store import find

    merged = merge([find(results, run) for run in runs], output, keep_first=keep_first)
    if as_json:
        record = {
            "folder": str(merged.folder),
            "cells": merged.cells,
            "twice": merged.twice,
            "notes": merged.notes,
        }
        click.echo(json.dumps(record, indent=1))
        return
    for note in merged.notes:
        click.echo(note, err=True)
    several = f", {merged.twice:,} of them in several runs" if merged.twice else ""
    cells = counted(merged.cells, "cell")
    click.echo(f"{known_as(merged.folder)}: {cells} of {counted(len(runs), 'run')}{several}")
    hint(f"its leaderboard: fxbench leaderboard {shlex.quote(str(merged.folder))}")
