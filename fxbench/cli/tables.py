"""`fxbench tables`."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from fxbench.cli.options import FOR_PEOPLE, format_option, results_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.store import StoredRun
    from fxbench.tabular import Format, Table

_USUAL = (
    "accuracy",
    "calibration",
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
    "megc",
    "latency",
    "services",
)
_NAMES = (*_USUAL, "matrix", "recall", "emotions", "intervals")
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
    "megc": "spotter's result: give --spotters all and videos to `fxbench run`.",
    "intervals": "spotter's result: give --spotters all and videos to `fxbench run`.",
}
"""What is said in the place of an empty table."""
_MOST_ROWS = 100
"""Of each of several tables in a terminal: who asks for one by name sees all."""
_NOTHING_SPOTTED = "The spotters found nothing in the videos of this run, and nothing is annotated."
NO_CLASSIFIER = "This run has no classifier's result: `fxbench tables` shows what it has."


@click.command("tables")
@click.argument("run", required=False)
@click.option(
    "--table",
    "name",
    type=click.Choice(_NAMES),
    help="Only this one; by default all that have a row but matrix, recall, emotions, intervals.",
)
@click.option(
    "--by",
    "column",
    metavar="COLUMN",
    help="The scores of each group of images instead, by a column of a dataset's metadata.",
)
@format_option
@results_option
def command(
    *, run: str | None, name: str | None, column: str | None, form: str, results: Path
) -> None:
    """Print the tables of RUN, by default of the latest run.

    \b
    Examples:
      fxbench tables
      fxbench tables ferplus-valid-1a2b3c4d --format md
      fxbench tables --table matrix --format md
      fxbench tables --table recall
      fxbench tables --table sanity
      fxbench tables --table calibration --format svg > calibration.svg
      fxbench tables --table intervals --format csv
      fxbench tables --by agreement
    """
    from fxbench.errors import UsageError
    from fxbench.store import find, load

    if column is not None and not column.strip():
        raise UsageError(
            "--by got an empty name: expected a column of a dataset's metadata, such as agreement."
        )
    if column and name:
        raise UsageError("--by has tables of its own: give it without --table.")
    if form == "svg" and not name:
        raise UsageError("A picture shows one table: name it with --table.")
    stored = load(find(results, run))
    note_unfinished(stored)
    if column:
        print_groups(stored, form, column)
    else:
        print_tables(stored, form, (name,) if name else _USUAL)


def print_groups(stored: StoredRun, form: str, column: str) -> None:
    """Print the scores of groups of images, and the gaps between them, to standard output."""
    from fxbench.answers import read
    from fxbench.tables_groups import group_tables

    groups, gaps = group_tables(stored.cells, read(stored.folder), column, stored.run)
    made = {"groups": groups, "gaps": gaps}
    if form == "json":
        click.echo(json.dumps({name: list(table.rows) for name, table in made.items()}, indent=1))
        return
    _print(made, form)


def print_tables(stored: StoredRun, form: str, names: tuple[str, ...] = _USUAL) -> None:
    """Print tables of a run to standard output; of several, those that have a row."""
    from fxbench import (
        tables,
        tables_calibration,
        tables_corruption,
        tables_emotions,
        tables_faces,
        tables_latency,
        tables_robustness,
        tables_video,
    )
    from fxbench.interval_table import interval_table
    from fxbench.matrix import matrix_table
    from fxbench.service_table import service_table

    people, several = form in FOR_PEOPLE, len(names) > 1
    # Who asked for these by name sees all of them, the others what matters most.
    corruptions = (
        tables_corruption.corruption_matrix
        if people and not several
        else tables_corruption.corruption_table
    )
    makers: dict[str, Callable[[Any, Any], Table]] = {
        "accuracy": tables.accuracy_table,
        "matrix": matrix_table,
        "recall": tables_emotions.recall_table,
        "emotions": tables_emotions.emotion_table,
        "calibration": tables_calibration.calibration_table,
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
        "megc": tables_video.megc_table,
        "intervals": interval_table,
        "latency": tables_latency.latency_table,
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
        nothing = names[0] == "intervals" and _has_spotted(stored)
        click.echo(_NOTHING_SPOTTED if nothing else f"This run has no {_NONE[names[0]]}")
        return
    if form != "csv" and len(names) == 1 and _lacks_classifier(stored, names[0], made):
        click.echo(NO_CLASSIFIER)
        return
    if form == "table" and several:
        shown = {name: _shortened(name, table) for name, table in shown.items()}
    _print(shown, form)


def _shortened(name: str, table: Table) -> Table:
    """The first rows of a long table, with how to see the others."""
    more = len(table.rows) - _MOST_ROWS
    if more <= 0:
        return table
    note = f"{more:,} more rows: `fxbench tables --table {name}` shows all."
    return replace(table, rows=table.rows[:_MOST_ROWS], notes=(note, *table.notes))


def _print(shown: dict[str, Table], form: str) -> None:
    from fxbench.tabular import render

    if form == "table":
        print_rich(*shown.values())
        return
    texts = [
        f"# {name}\n" * (form == "csv" and len(shown) > 1) + render(table, cast("Format", form))
        for name, table in shown.items()
    ]
    click.echo("\n".join(texts), nl=False)


def _has_spotted(stored: StoredRun) -> bool:
    from fxbench.tables import kind_of

    return any(cell["status"] == "ok" and kind_of(cell) == "spotter" for cell in stored.cells)


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
