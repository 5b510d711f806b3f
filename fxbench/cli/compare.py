"""`fxbench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from fxbench.cli.options import format_option, results_option
from fxbench.cli.sides import cell_option, chosen, renamed_option, renames, side
from fxbench.errors import UsageError

_METRICS = (
    "accuracy_end_to_end",
    "accuracy",
    "detection_rate",
    "macro_f1_end_to_end",
    "macro_f1",
    "balanced_accuracy_end_to_end",
    "balanced_accuracy",
)


@click.command("compare")
@click.argument("run_a")
@click.argument("run_b")
@click.option(
    "--metric",
    type=click.Choice(_METRICS),
    default=_METRICS[0],
    show_default=True,
    help="What is compared.",
)
@cell_option
@renamed_option
@click.option("--images", is_flag=True, help="List the images that were answered differently.")
@format_option
@results_option
def command(
    *,
    run_a: str,
    run_b: str,
    metric: str,
    wanted: tuple[str, ...],
    renamed: tuple[str, ...],
    images: bool,
    form: str,
    results: Path,
) -> None:
    """Say of each cell that two runs have whether RUN_B is better or worse than RUN_A.

    Each is a run, or the file of a baseline. The same images are set side by side: better and worse
    are significant (mid-p McNemar or paired bootstrap, Holm-corrected over the cells).

    \b
    Examples:
      fxbench compare ferplus-valid-1a2b3c4d ferplus-valid-5e6f7a8b
      fxbench compare results/baselines/mini.json mini-test-5e6f7a8b
      fxbench compare OLD NEW --cell emopy --images
    """
    from fxbench.cli.tables import print_rich
    from fxbench.compare import compare
    from fxbench.compare_report import compare_json, compare_table, image_tables
    from fxbench.tabular import Format, render

    if form == "svg" and images:
        raise UsageError("A picture shows one table: give --format svg without --images.")
    before, after = side(results, run_a), side(results, run_b)
    comparison = compare(
        before,
        after,
        metric=metric,
        wanted=chosen(wanted, before, after),
        renamed=renames(renamed, before),
        images=images,
    )
    if not comparison.cells:
        raise UsageError(
            f"{before.name} and {after.name} have no cell in common that was asked for: expected "
            "are runs of the same dataset, split and protocol with a combination that both have."
        )
    if form == "json":
        click.echo(compare_json(comparison), nl=False)
        return
    tables = [compare_table(comparison), *image_tables(comparison)]
    if form == "table":
        print_rich(*tables)
        return
    click.echo("\n".join(render(table, cast("Format", form)) for table in tables), nl=False)
