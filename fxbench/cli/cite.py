"""`fxbench cite`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fxbench.cli.options import results_option


@click.command("cite")
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the BibTeX and what it cites.")
@results_option
def command(*, run: str | None, as_json: bool, results: Path) -> None:
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
    text = bibliography(stored.run, None if suite is None else suite.name)
    if as_json:
        cited = list(stored.run.get("citations") or ())
        record = {"run": stored.run["id"], "bibtex": text, "citations": cited}
        click.echo(json.dumps(record, indent=1))
        return
    click.echo(text, nl=False)
