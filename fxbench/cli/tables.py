"""`fxbench tables`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fxbench.cli.options import format_option, results_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.store import StoredRun
    from fxbench.tabular import Format, Table

_USUAL = (
    "accuracy",
    "video",
    "robust",
    "robustness",
    "transfer",
    "corruptions",
    "sanity",
    "detection",
    "landmarks",
    "motion",
    "spotting",
    "recognition",
    "latency",
    "services",
)
_NAMES = (*_USUAL, "matrix", "recall", "intervals")
_OF_CLASSIFIERS = ("accuracy", "robustness", "latency", "matrix", "recall")
_NONE = {
    "robust": "result under attack: give --attacks, such as fgsm,pgd, to `fxbench run`.",
    "transfer": "transfer: give --surrogates and --targets to `fxbench run`.",
    "corruptions": "corrupted pictures: give --corruptions all to `fxbench run`.",
    "sanity": "attack that could be checked: give --attacks, such as fgsm,pgd, to `fxbench run`.",
    "video": "classifier's result on videos: give --datasets mini-clips to `fxbench run`.",
    "motion": "landmarks of videos with true ones: see --datasets mini-clips of `fxbench run`.",
    "spotting": "spotter's result: give --spotters all and videos to `fxbench run`.",
    "recognition": "spotter's result: give --spotters all and videos to `fxbench run`.",
    "intervals": "spotter's result: give --spotters all and videos to `fxbench run`.",
}
"""What is said in the place of an empty table."""
NO_CLASSIFIER = "This run has no classifier's result: `fxbench tables` shows what it has."


@click.command("tables")
@click.argument("run", required=False)
@click.option(
    "--table",
    "name",
    type=click.Choice(_NAMES),
    help="Only this one; by default all but matrix, recall and intervals that have a row.",
)
@format_option
@results_option
def command(*, run: str | None, name: str | None, form: str, results: Path) -> None:
    """Print the tables of RUN, by default of the latest run.

    \b
    Examples:
      fxbench tables
      fxbench tables ferplus-valid-1a2b3c4d --format md
      fxbench tables --table matrix --format md
      fxbench tables --table recall
      fxbench tables --table sanity
      fxbench tables --table intervals --format csv
    """
    from fxbench.store import find, load

    names = (name,) if name else _USUAL
    stored = load(find(results, run))
    note_unfinished(stored)
    print_tables(stored, form, names)


def print_tables(stored: StoredRun, form: str, names: tuple[str, ...] = _USUAL) -> None:
    """Print tables of a run to standard output; of several, those that have a row."""
    from fxbench import (
        tables,
        tables_corruption,
        tables_faces,
        tables_robustness,
        tables_video,
    )
    from fxbench.interval_table import interval_table
    from fxbench.matrix import matrix_table
    from fxbench.service_table import service_table
    from fxbench.tabular import render

    people, several = form in ("table", "md"), len(names) > 1
    # Who asked for these by name sees all of them, the others what matters most.
    corruptions = (
        tables_corruption.corruption_matrix
        if people and not several
        else tables_corruption.corruption_table
    )
    makers: dict[str, Callable[[Any, Any], Table]] = {
        "accuracy": tables.accuracy_table,
        "matrix": matrix_table,
        "recall": tables.recall_table,
        "robust": tables_robustness.robust_table,
        "robustness": tables_robustness.robustness_table,
        "transfer": tables_robustness.transfer_table,
        "corruptions": corruptions,
        "sanity": partial(tables_robustness.sanity_table, compact=people and several),
        "detection": tables_faces.detection_table,
        "landmarks": tables_faces.landmark_table,
        "video": tables_video.video_table,
        "motion": tables_video.motion_table,
        "spotting": tables_video.spotting_table,
        "recognition": tables_video.recognition_table,
        "intervals": interval_table,
        "latency": tables.latency_table,
        "services": lambda cells, run: service_table(run, cells),
    }
    made = {name: makers[name](stored.cells, stored.run) for name in names}
    if form == "json":
        record = {name: list(table.rows) for name, table in made.items()}
        click.echo(json.dumps(record[names[0]] if len(names) == 1 else record, indent=1))
        return
    shown = {
        name: table
        for name, table in made.items()
        if table.rows or len(names) == 1 or (name == "robustness" and _could_be_mended(stored))
    }
    if people and not several and names[0] in _NONE and not made[names[0]].rows:
        click.echo(f"This run has no {_NONE[names[0]]}")
        return
    if form != "csv" and len(names) == 1 and _lacks_classifier(stored, names[0], made):
        click.echo(NO_CLASSIFIER)
        return
    if form == "table":
        print_rich(*shown.values())
        return
    for name, table in shown.items():
        if form == "csv" and len(shown) > 1:
            click.echo(f"# {name}")
        click.echo(render(table, cast("Format", form)))


def _could_be_mended(stored: StoredRun) -> bool:
    """Whether there are attacks that only lack something which can be installed."""
    return any(
        "attack" in cell["axes"] and cell["reason"] and cell["reason"]["mend"]
        for cell in stored.cells
    )


def _lacks_classifier(stored: StoredRun, name: str, made: dict[str, Table]) -> bool:
    """Whether a table has no row because no classifier has a result."""
    from fxbench.tables import kind_of

    return (
        name in _OF_CLASSIFIERS
        and not made[name].rows
        and not any(c["status"] == "ok" and kind_of(c) == "classifier" for c in stored.cells)
    )


def print_rich(*tables: Table) -> None:
    """Print tables for people."""
    from fxbench.cli.terminal import output
    from fxbench.tabular import to_rich

    console = output()
    for table in tables:
        console.print(to_rich(table, console.width))
        console.print()


def note_unfinished(stored: StoredRun) -> None:
    """Say so where a run has not come to its end."""
    if not stored.finished:
        click.echo(
            f"The run {stored.folder.name} is not finished: these are its cells so far. The "
            "command that made it goes on with it.",
            err=True,
        )
