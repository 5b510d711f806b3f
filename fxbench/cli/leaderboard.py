"""`fxbench leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from fxbench.cli.options import FOR_PEOPLE, format_option, results_option
from fxbench.cli.tables import NO_CLASSIFIER, note_unfinished, print_rich

if TYPE_CHECKING:
    from fxbench.store import StoredRun
    from fxbench.tabular import Format


@click.command("leaderboard")
@click.argument("run", required=False)
@format_option
@results_option
def command(*, run: str | None, form: str, results: Path) -> None:
    """Print the leaderboard of RUN, by default of the latest run.

    A rank is a range: from 1 + the number of combinations that are significantly better to 1 + the
    number that are not significantly worse (mid-p McNemar on the same images, Holm-corrected).

    \b
    Examples:
      fxbench leaderboard
      fxbench leaderboard --format md > leaderboard.md
      fxbench leaderboard --format latex > leaderboard.tex
      fxbench leaderboard --format svg > leaderboard.svg
      fxbench leaderboard --format json
    """
    from fxbench.store import find, load
    from fxbench.tables import kind_of

    stored = load(find(results, run))
    note_unfinished(stored)
    named = any(kind_of(cell) == "classifier" for cell in stored.cells)
    if form in FOR_PEOPLE and not named:
        click.echo(NO_CLASSIFIER)
        return
    print_leaderboard(stored, form)


def print_leaderboard(stored: StoredRun, form: str) -> None:
    """Print the leaderboard of a run to standard output."""
    from fxbench.leaderboard import leaderboard_table, render

    if form == "table":
        table = leaderboard_table(stored.cells, stored.run)
        if table.rows:
            print_rich(table)
    else:
        click.echo(render(stored.cells, stored.run, format=cast("Format", form)), nl=False)
