"""`fxbench figures`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from fxbench.cli.options import results_option


@click.command("figures")
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into; by default `figures` in the run's folder.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("png", "svg")),
    default="png",
    show_default=True,
    help="Of the files: SVG scales to any size, for papers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the files.")
@results_option
def command(
    *,
    run: str | None,
    output: Path | None,
    form: Literal["png", "svg"],
    as_json: bool,
    results: Path,
) -> None:
    """Draw diagrams of RUN, by default the latest, as PNG or SVG files.

    Accuracy with its intervals, accuracy against confidence (reliability), risk against coverage,
    accuracy against epsilon, success of transferred attacks by surrogate and target, the error
    against the severity of corruptions, and what was spotted in videos: what the run has of these.
    Needs the extra `plots`.

    \b
    Examples:
      fxbench figures
      fxbench figures ferplus-valid-1a2b3c4d -o docs/images
      fxbench figures --format svg -o paper/figures
    """
    from fxbench.cli.tables import note_unfinished
    from fxbench.figures import draw
    from fxbench.store import find, load

    stored = load(find(results, run))
    note_unfinished(stored)
    folder = stored.folder / "figures" if output is None else output
    drawn = draw(stored.cells, folder, stored.run, form)
    if as_json:
        record = {
            "run": stored.folder.name,
            "folder": str(folder),
            "files": [str(path) for path in drawn],
        }
        click.echo(json.dumps(record, indent=1))
        return
    if not drawn:
        click.echo(
            f"There is nothing to draw: {stored.folder.name} has no result of a classifier or of a "
            "spotter. `fxbench run` with classifiers or `--spotters` makes them."
        )
    for path in drawn:
        click.echo(path)
