"""`fxbench reproduce`."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import results_option, settings_option
from fxbench.cli.values import Dollars, Tolerance, Whole
from fxbench.errors import UsageError

if TYPE_CHECKING:
    from fxbench.reproduce import Reproduction
    from fxbench.runner import Prepared
    from fxbench.store import StoredRun

_DIFFERS = 1
_CACHE = ".cache"


@click.command("reproduce")
@click.argument("run", required=False)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of what is run again; by default reproduced in the results folder.",
)
@click.option(
    "--tolerance",
    type=Tolerance(),
    default=1e-4,
    show_default=True,
    help="How far a number may be from what it was.",
)
@settings_option
@results_option
@click.option("--threads", type=Whole(min=1), help="Threads of the libraries; default as it was.")
@click.option(
    "--max-cost",
    type=Dollars(),
    metavar="USD",
    help="Send images to cloud services without asking, if it costs at most so much.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: what differs.")
def command(
    *,
    run: str | None,
    into: Path | None,
    tolerance: float,
    settings: tuple[str, ...],
    results: Path,
    threads: int | None,
    max_cost: float | None,
    as_json: bool,
) -> int:
    """Run the plan of RUN again, by default of the latest run, and say what differs.

    Nothing is taken from the cache: every stage is computed anew. Latency is not measured, and not
    compared. The exit code is 0 where every cell came to what it was, and 1 where one did not.

    \b
    Examples:
      fxbench reproduce
      fxbench reproduce ferplus-valid-1a2b3c4d --set ferplus.path=~/data/ferplus
      fxbench reproduce ferplus-valid-1a2b3c4d --tolerance 0 --json
    """
    from fxbench import environment
    from fxbench.store import find, load

    before = load(find(results, run))
    _check(before)
    was = (before.run.get("environment") or {}).get("threads")
    threads = threads or was or environment.default_threads()
    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads)

    from fxbench import answers, runner
    from fxbench.cli.run import ask_before_sending
    from fxbench.costs import costs
    from fxbench.following import moved
    from fxbench.recipe import Recipe

    # What is damaged is found before anything is computed.
    answered = answers.read(before.folder)
    recipe = Recipe.read(before.run["recipe"])
    prepared = runner.follow(moved(recipe, settings, recipe.registry()))
    folder = _folder(into or results / "reproduced", str(before.run["id"]))
    _make(folder, "--results" if into is None else "--into")
    ask_before_sending(costs(prepared.plan), max_cost)
    after = _run(prepared, folder, threads)
    from fxbench.reproduce import record, reproduction

    made = reproduction(before, after, (answered, answers.read(after.folder)), tolerance)
    if as_json:
        click.echo(json.dumps(record(made) | {"folder": str(after.folder)}, indent=1))
    else:
        _print(made, after.folder)
    return 0 if made.same else _DIFFERS


def _check(stored: StoredRun) -> None:
    """See to it that a run can be made again.

    Raises:
        UsageError: it can't.
    """
    name = stored.folder.name
    if "recipe" not in stored.run:
        raise UsageError(
            f"An earlier version of fxbench made {name} and kept no recipe: give the command that "
            "made it again, and see `fxbench compare`."
        )
    if stored.run.get("merged"):
        names = ", ".join(str(run.get("id")) for run in stored.run["merged"])
        raise UsageError(f"{name} was merged, not run: reproduce what it was made of, {names}.")
    if stored.run["recipe"] is None:
        raise UsageError(
            f"{name} holds what was given by hand (a csv of predictions, or components from "
            "Python), which no plan can make again."
        )
    if not stored.finished:
        raise UsageError(f"{name} is not finished: give the command that made it once more first.")


def _make(folder: Path, asked: str) -> None:
    """Make the folder, before anything is computed.

    Raises:
        StoreError: it can't be made.
    """
    from fxbench.files import unwritable

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error, asked) from error


def _folder(into: Path, name: str) -> Path:
    """Where to run: each reproduction has a folder of its own, and one that was stopped goes on."""
    from fxbench.store import load, runs

    number = 1
    while any(load(folder).finished for folder in runs(into / name / str(number))):
        number += 1
    return into / name / str(number)


def _run(prepared: Prepared, folder: Path, threads: int) -> StoredRun:
    from fxbench import runner
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import Watch, chatter_to, messages

    how = runner.Settings(
        results=folder, cache=folder / _CACHE, threads=threads, measure_latency=False
    )
    debug = click.get_current_context().find_root().obj["debug"]
    quiet: Any = nullcontext(messages()) if debug else chatter_to(default_folder() / "stderr.log")
    with quiet as real, Watch(real) as watch:
        stored = runner.run(prepared, how, watch)
    shutil.rmtree(folder / _CACHE, ignore_errors=True)
    return stored


def _print(made: Reproduction, folder: Path) -> None:
    from fxbench.cli.tables import print_rich
    from fxbench.cli.terminal import output
    from fxbench.files import known_as
    from fxbench.names import counted
    from fxbench.reproduce import cell_table, condition_table

    tables = [table for table in (condition_table(made), cell_table(made)) if table.rows]
    print_rich(*tables)
    counts = {
        verdict: sum(one.verdict == verdict for one in made.cells)
        for verdict in dict.fromkeys(one.verdict for one in made.cells)
    }
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    more = counted(made.further, "further cell")
    further = f" {more}, of what is installed now." if made.further else ""
    answer = "Reproduced" if made.same else "Not reproduced"
    output().print(
        f"{answer}: of {counted(len(made.cells), 'cell')} {told}.{further}", markup=False
    )
    unseen = sum(one.unseen for one in made.cells)
    if unseen:
        output().print(
            f"Not compared: the answers to single images of {counted(unseen, 'cell')}, as a run "
            f"keeps none of them. An earlier version of fxbench made {made.before}, or its folder "
            "answers is lost.",
            markup=False,
        )
    output().print(f"The new run: {known_as(folder)}", markup=False)
