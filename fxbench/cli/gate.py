"""`fxbench gate`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxbench.cli.options import results_option
from fxbench.cli.sides import renamed_option, renames, side_of, stored_run
from fxbench.options import FILE_NAME

if TYPE_CHECKING:
    from fxbench.judgement import Judgement
    from fxbench.latency_changes import TimeChange
    from fxbench.sides import Record
    from fxbench.store import StoredRun

_File = click.Path(path_type=Path, dir_okay=False)


@click.command("gate")
@click.argument("run", required=False)
@click.option("--baseline", required=True, type=_File, help="What `fxbench baseline` has written.")
@click.option(
    "--budgets",
    type=_File,
    default=Path(FILE_NAME),
    show_default=True,
    help="The file whose table [gate] says how much worse a run may be.",
)
@renamed_option
@click.option(
    "--paired",
    type=click.Path(path_type=Path),
    metavar="ENVIRONMENT",
    help="Time the run's cells here and with the Python of this environment, in turn.",
)
@click.option("--junit", type=_File, help="Write JUnit XML into this file.")
@click.option("--markdown", type=_File, help="Write a summary in Markdown into this file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object with everything.")
@results_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    run: str | None,
    baseline: Path,
    budgets: Path,
    renamed: tuple[str, ...],
    paired: Path | None,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
    results: Path,
) -> None:
    """Fail when RUN, by default the latest run, got worse than a baseline.

    A regression is a change beyond its budget that chance alone does not make. The exit code is 0
    where there is none, 1 where there is one, and 2 where something can't be compared.

    \b
    Examples:
      fxbench gate --baseline results/baselines/mini.json
      fxbench gate mini-test-1a2b3c4d --baseline mini.json --junit gate.xml
    """
    from fxbench import baseline as baselines
    from fxbench import budgets as limits
    from fxbench.errors import UsageError
    from fxbench.gate import judge
    from fxbench.gate_cover import watched_for_latency

    given = ctx.get_parameter_source("budgets") is not click.core.ParameterSource.DEFAULT
    if given and not budgets.is_file():
        raise UsageError(f"There is no file {budgets}: --budgets names one with a table [gate].")
    _check_places(baseline, budgets, junit, markdown)
    watched = limits.read(budgets)
    measured_by = baselines.read(baseline)
    watched = replace(watched, renamed={**watched.renamed, **renames(renamed, measured_by)})
    stored = stored_run(results, run)
    side, timed = side_of(stored), None
    if paired is not None:
        timed = _timed(stored, paired, watched_for_latency(side, measured_by, watched))
    judgement = judge(side, measured_by, watched, timed)
    _show(judgement, junit, markdown, as_json=as_json)
    ctx.exit(judgement.exit_code)


def _check_places(baseline: Path, budgets: Path, junit: Path | None, markdown: Path | None) -> None:
    """See to it that nothing is written over what is read, or over something else that is written.

    Raises:
        UsageError: it would be.
    """
    from fxbench.errors import UsageError

    known = {baseline.resolve(): "--baseline", budgets.resolve(): "--budgets"}
    for option, path in (("--junit", junit), ("--markdown", markdown)):
        if path is None:
            continue
        other = known.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(
                f"{path} is the file of {other}, and {option} would write over it: name another."
            )


def _timed(stored: StoredRun, other: Path, cells: list[Record]) -> dict[str, TimeChange]:
    """How the latency of a run's cells differs from that in another environment."""
    from fxbench.cli.terminal import Watch, messages
    from fxbench.environment import default_threads, fix_threads
    from fxbench.errors import UsageError
    from fxbench.latency_changes import of_paired
    from fxbench.paired_timing import compare_environments
    from fxbench.recipe import Recipe

    if stored.run.get("recipe") is None:
        raise UsageError(
            f"The run {stored.run['id']} says not how to make it again, so that nothing can be "
            "timed with --paired: make a run with `fxbench run`."
        )
    recipe = Recipe.read(stored.run["recipe"])
    threads = stored.run["environment"].get("threads") or default_threads()
    fix_threads(threads)
    found = compare_environments(recipe, other, cells, threads=threads, observer=Watch(messages()))
    return {
        cell: of_paired(one.factor, one.low, one.high, one.p, one.reason)
        for cell, one in found.items()
    }


def _show(
    judgement: Judgement, junit: Path | None, markdown: Path | None, *, as_json: bool
) -> None:
    from fxbench.cli.tables import print_rich
    from fxbench.files import unwritable, write_atomic
    from fxbench.gate_report import (
        gate_json,
        gate_junit,
        gate_markdown,
        gate_table,
        github_annotations,
    )

    # The answer first: it is known, whether a file of it can be written or not.
    if as_json:
        click.echo(gate_json(judgement), nl=False)
    else:
        print_rich(gate_table(judgement))
    if junit is not None:
        write_atomic(junit, gate_junit(judgement).encode(), asked="--junit")
    if markdown is not None:
        write_atomic(markdown, gate_markdown(judgement).encode(), asked="--markdown")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # Standard output may be JSON; GitHub reads commands from both.
        for line in github_annotations(judgement):
            click.echo(line, err=True)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            try:
                with Path(summary).open("a", encoding="utf-8") as file:
                    file.write(gate_markdown(judgement))
            except OSError as error:
                raise unwritable(Path(summary), error, "GITHUB_STEP_SUMMARY") from error
