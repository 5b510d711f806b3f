"""`fxbench baseline`."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import click

from fxbench.cli.options import results_option
from fxbench.cli.sides import cell_option, chosen, side_of, stored_run


@click.command("baseline")
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; one that is there is replaced.",
)
@cell_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: what was written.")
@results_option
def command(
    *, run: str | None, output: Path, wanted: tuple[str, ...], as_json: bool, results: Path
) -> None:
    """Write what RUN, by default the latest run, has answered and scored as a baseline.

    `fxbench gate` measures later runs by it. Keep the file under version control: a line for each
    number and each image shows in a review what a new one changes.

    \b
    Examples:
      fxbench baseline -o results/baselines/mini.json
      fxbench baseline mini-test-1a2b3c4d -o mini.json --cell opencv-haar
    """
    from fxbench import baseline
    from fxbench.cli.terminal import hint
    from fxbench.names import counted
    from fxbench.sides import unanswered

    side = side_of(stored_run(results, run))
    means = chosen(wanted, side)
    cells = {key: cell for key, cell in side.cells.items() if means(cell)}
    baseline.write(output, replace(side, cells=cells))
    made = baseline.read(output)
    images = sum(len(one.ids) for one in made.answered.values())
    size = output.stat().st_size
    left_out = len(cells) - len(made.cells)
    without = f" {counted(left_out, 'cell')} without a result left out." if left_out else ""
    silent = unanswered(made)
    if as_json:
        record = {
            "file": str(output),
            "run": side.name,
            "cells": len(made.cells),
            "left_out": left_out,
            "unanswered": len(silent),
            "images": images,
            "bytes": size,
        }
        click.echo(json.dumps(record, indent=1))
    else:
        click.echo(
            f"{output}: {counted(len(made.cells), 'cell')}, {counted(images, 'image')}, "
            f"{counted(size, 'byte')}.{without}"
        )
        hint(f"measure a later run by it: fxbench gate --baseline {shlex.quote(str(output))}")
    if silent:
        click.echo(
            f"{output} can't gate the accuracy of {counted(len(silent), 'cell')}, nor what else "
            "follows from answers to single images: the run keeps none. An earlier version of "
            "fxbench made it, or its folder answers is lost: give the command of that run again, "
            "and then this one.",
            err=True,
        )
