"""`fxbench baseline`."""

from __future__ import annotations

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
@results_option
def command(*, run: str | None, output: Path, wanted: tuple[str, ...], results: Path) -> None:
    """Write what RUN, by default the latest run, has answered and scored as a baseline.

    `fxbench gate` measures later runs by it. Keep the file under version control: a line for each
    number and each image shows in a review what a new one changes.

    \b
    Examples:
      fxbench baseline -o results/baselines/mini.json
      fxbench baseline mini-test-1a2b3c4d -o mini.json --cell opencv-haar
    """
    from fxbench import baseline

    side = side_of(stored_run(results, run))
    means = chosen(wanted, side)
    cells = {key: cell for key, cell in side.cells.items() if means(cell)}
    baseline.write(output, replace(side, cells=cells))
    made = baseline.read(output)
    images = sum(len(one.ids) for one in made.answered.values())
    size = output.stat().st_size
    left_out = len(cells) - len(made.cells)
    without = f" {left_out} without a result left out." if left_out else ""
    click.echo(f"{output}: {len(made.cells):,} cells, {images:,} images, {size:,} bytes.{without}")
