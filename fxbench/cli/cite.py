"""`fxbench cite`."""

from __future__ import annotations

from pathlib import Path

import click

from fxbench.cli.options import results_option


@click.command("cite")
@click.argument("run", required=False)
@results_option
def command(*, run: str | None, results: Path) -> None:
    """Print how a paper cites RUN, by default the latest run, as BibTeX.

    That is fxbench, the run itself with what tells it from others, and what its datasets and
    components ask to be cited by.

    \b
    Examples:
      fxbench cite
      fxbench cite ferplus-valid-1a2b3c4d > run.bib
    """
    from fxbench import suites
    from fxbench.citing import bibliography
    from fxbench.cli.tables import note_unfinished
    from fxbench.store import find, load

    stored = load(find(results, run))
    note_unfinished(stored)
    if "citations" not in stored.run:
        click.echo(
            "An earlier version of fxbench made this run: it didn't keep what its datasets and "
            "components ask to be cited by. docs/components.md and docs/datasets.md name sources.",
            err=True,
        )
    suite = suites.of(stored.run)
    click.echo(bibliography(stored.run, None if suite is None else suite.name), nl=False)
