"""`fxbench figures`."""

from __future__ import annotations

from pathlib import Path

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
@results_option
def command(*, run: str | None, output: Path | None, results: Path) -> None:
    """Draw what attacks, corruptions and spotters did in RUN, by default the latest, as PNG files.

    Accuracy against epsilon, success of transferred attacks by surrogate and target, the error
    against the severity of corruptions, and what was spotted in videos: what the run has of these.
    Needs the extra `plots`.

    \b
    Examples:
      fxbench figures
      fxbench figures ferplus-valid-1a2b3c4d -o docs/images
    """
    from fxbench.cli.tables import note_unfinished
    from fxbench.figures import draw
    from fxbench.store import find, load

    stored = load(find(results, run))
    note_unfinished(stored)
    drawn = draw(stored.cells, stored.folder / "figures" if output is None else output)
    if not drawn:
        click.echo(
            f"There is nothing to draw: {stored.folder.name} has no result under attack, on "
            "corrupted pictures or of a spotter. `fxbench run --attacks`, `--corruptions` and "
            "`--spotters` make them."
        )
    for path in drawn:
        click.echo(path)
