"""`fxbench run`."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.model import check_first, model_options, open_given, with_model
from fxbench.cli.options import run_options
from fxbench.cli.suite import prepare_suite, suite_option
from fxbench.cli.values import Counts, Epsilons, Names, Seconds, Whole
from fxbench.errors import UsageError

if TYPE_CHECKING:
    from fxbench.costs import Costs
    from fxbench.plan import Plan
    from fxbench.runner import Prepared, Settings
    from fxbench.store import StoredRun


_NOTHING_TO_COMPARE = ("no landmark truth", "no emotion labels", "no intervals")


@click.command("run")
@click.option(
    "--datasets",
    type=Names(),
    help="Datasets; by default those whose place was given, else those that come with images.",
)
@click.option("--split", help="The split of each dataset; by default test, else valid.")
@click.option("--protocol", help="Which images count and what is right; see docs/datasets.md.")
@click.option("--detectors", type=Names(), help="Face detectors.")
@click.option("--classifiers", type=Names(), help="Emotion classifiers.")
@model_options
@click.option(
    "--landmarkers", type=Names(), help="Landmark extractors, on datasets with landmarks."
)
@click.option("--attacks", type=Names(), help="Attacks; `none` is the clean result.")
@click.option(
    "--epsilons",
    type=Epsilons(),
    default="0,2/255,8/255",
    show_default=True,
    help="Budgets of the attacks, of the pixels' range [0, 1].",
)
@click.option(
    "--surrogates",
    type=Names(),
    help="Classifiers whose adversarial faces are tried on the targets; see docs/robustness.md.",
)
@click.option("--targets", type=Names(), help="What they are tried on; by default the classifiers.")
@click.option(
    "--target-labels",
    type=Names(),
    default="none",
    show_default=True,
    help="Emotions that attacks are to reach; `none` is any but the right one.",
)
@click.option("--corruptions", type=Names(), help="Corruptions of the pictures; by default none.")
@click.option(
    "--severities",
    type=Counts(5),
    default="1,2,3,4,5",
    show_default=True,
    help="How severe, from 1 to 5.",
)
@click.option(
    "--align",
    "aligns",
    type=Names(),
    default="none",
    show_default=True,
    help="How faces are aligned by their landmarks before they are classified: none, eyes "
    "(level), similarity (level, and at fixed places).",
)
@click.option("--spotters", type=Names(), help="What finds expressions in videos.")
@click.option(
    "--detect-every",
    "every",
    type=Counts(),
    default="1",
    show_default=True,
    help="In videos, faces are looked for in every so many frames, and followed in between.",
)
@click.option(
    "--smoothing",
    type=Seconds(),
    default="0",
    show_default=True,
    help="In videos, classifiers' answers are smoothed over so many seconds as well.",
)
@suite_option
@click.option(
    "--workers",
    type=Whole(1, 256),
    help="Let so many processes on this machine compute; see docs/scale.md.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Let the workers of a Dask scheduler compute, such as tcp://host:8786.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and run nothing.")
@run_options
def command(
    *,
    split: str | None,
    protocol: str | None,
    epsilons: tuple[float, ...],
    target_labels: tuple[str, ...],
    severities: tuple[int, ...],
    aligns: tuple[str, ...],
    every: tuple[int, ...],
    smoothing: tuple[float, ...],
    fps: float | None,
    limit: int | None,
    settings: tuple[str, ...],
    results: Path,
    threads: int | None,
    latency: bool,
    workers: int | None,
    scheduler: str | None,
    suite: str | None,
    dry_run: bool,
    as_json: bool,
    max_cost: float | None,
    model: Path | None,
    labels: str | None,
    input_: str | None,
    name: str | None,
    **names: tuple[str, ...] | None,
) -> int:
    """Evaluate every combination of detectors, classifiers, attacks, corruptions and spotters.

    Every list takes names separated by commas, or `all` for all that are ready. What is computed
    is kept: a run that was stopped goes on where it was, and one that is finished is read.

    \b
    Examples:
      fxbench run --set ferplus.path=~/data/ferplus --split valid
      fxbench run --classifiers emopy,deepface
      fxbench run --detectors all --classifiers all --attacks none,fgsm --epsilons 4/255
      fxbench run --classifiers emopy --attacks fgsm,pgd,square,autoattack --epsilons 2/255,8/255
      fxbench run --attacks fgsm,pgd --surrogates emopy,mobilenetv2 --targets all
      fxbench run --classifiers all --attacks none --corruptions all --severities 1,3,5
      fxbench run --classifiers emopy --landmarkers dlib-68 --align none,similarity
      fxbench run --datasets mini-clips --classifiers all --spotters all --detect-every 1,5
      fxbench run --classifiers all --workers 4
      fxbench run --limit 200 --dry-run
      fxbench run --suite mini-1
      fxbench run --model my.onnx --labels neutral,happiness,none --input grey,64,0..1
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench import runner
    from fxbench.cli.terminal import messages
    from fxbench.recipe import GivenModel
    from fxbench.selection import Selection

    if workers is not None and scheduler is not None:
        raise UsageError(
            "--workers starts processes here, and --scheduler names others: give one of them."
        )
    prepared = None if suite is None else prepare_suite(suite, settings)
    opened = open_given(model=model, labels=labels, input_=input_, name=name)
    registry, names["classifiers"] = with_model(opened, names["classifiers"])
    selection = Selection(
        split=split,
        protocol=protocol,
        epsilons=epsilons,
        surrogates=names["surrogates"],
        targets=names["targets"],
        target_labels=target_labels,
        corruptions=names["corruptions"],
        severities=severities,
        limit=limit,
        aligns=aligns,
        spotters=names["spotters"],
        every=every,
        smoothing=smoothing,
        fps=fps,
        datasets=names["datasets"],
        detectors=names["detectors"],
        landmarkers=names["landmarkers"],
        classifiers=names["classifiers"],
        attacks=names["attacks"],
    )
    given = (
        None if model is None else GivenModel(str(model.absolute()), str(labels), str(input_), name)
    )
    if prepared is None:
        prepared = runner.prepare(selection, settings, registry if given else None, model=given)
    check_first(opened, prepared.plan.options)
    for entry, reason in prepared.plan.left_out:
        messages().print(
            f"Left out: {entry.kind.name} {entry.name} ({reason.kind}): "
            f"{reason.mend or reason.message}",
            markup=False,
        )
    for why in dict.fromkeys(planned.reason for planned in prepared.plan.cells):
        if why is not None and why.kind in _NOTHING_TO_COMPARE:
            messages().print(f"Left out: {why.message}", markup=False)
    if dry_run:
        _show_plan(prepared.plan, as_json=as_json)
        return 0
    from fxbench.costs import costs

    ask_before_sending(costs(prepared.plan), max_cost)
    how = runner.Settings(
        results=results,
        threads=threads,
        measure_latency=latency,
        workers=workers,
        scheduler=scheduler,
    )
    return execute(prepared, how, as_json=as_json)


def execute(prepared: Prepared, how: Settings, *, as_json: bool) -> int:
    """Run a plan, show its progress, print what came out, and return the exit code."""
    from fxbench import runner
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import Watch, chatter_to, messages, output

    debug = click.get_current_context().find_root().obj["debug"]
    quiet = nullcontext(messages()) if debug else chatter_to(default_folder() / "stderr.log")
    with quiet as real, Watch(real) as watch:
        stored = runner.run(prepared, how, watch)
    from fxbench.cli.leaderboard import print_leaderboard
    from fxbench.cli.tables import print_tables
    from fxbench.files import known_as

    if as_json:
        print_leaderboard(stored, "json")
    else:
        print_tables(stored, "table")
        print_leaderboard(stored, "table")
        output().print(f"Run: {known_as(stored.folder)}", markup=False)
        _hint(stored)
    return runner.exit_code(stored)


def _hint(stored: StoredRun) -> None:
    """Name what can be done with a run."""
    from fxbench.cli.terminal import hint
    from fxbench.files import known_as

    place = known_as(stored.folder.parent)
    where = "" if place == "results" else f" --results {shlex.quote(place)}"
    name = f"{shlex.quote(stored.folder.name)}{where}"
    hint(
        f"a page to look at: fxbench report {name} -o report.html",
        f"diagrams: fxbench figures {name}",
        f"beside another run: fxbench compare OTHER {name}",
    )


def ask_before_sending(sent: Costs, max_cost: float | None) -> None:
    """Images leave this machine only when a person has agreed to it, and to its price."""
    from fxbench.costs import dollars

    if not sent.calls:
        return
    if max_cost is not None and sent.price > max_cost:
        raise UsageError(
            f"{sent.sentence}, more than --max-cost {max_cost:.15g}: choose fewer images or allow "
            "more."
        )
    if max_cost is not None and not sent.unpriced:
        return
    if sys.stdin.isatty():
        click.confirm(f"{sent.sentence}. Go on?", abort=True, err=True)
    elif sent.unpriced:
        raise UsageError(
            f"{sent.sentence}: --max-cost can't allow that, run it in a terminal and confirm it."
        )
    else:
        raise UsageError(f"{sent.sentence}: allow it with --max-cost {dollars(sent.price)}.")


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    from fxbench.costs import costs
    from fxbench.runner import exclusions, factors

    sent = costs(plan)
    record: dict[str, Any] = {
        "cells": len(plan.cells),
        "factors": factors(plan),
        "images": {source.name: len(source.answers.rows) for source in plan.sources},
        "stages": plan.stages(),
        "exclusions": exclusions(plan),
        "calls": sent.calls,
        "price_usd": None if sent.unpriced else sent.price,
    }
    if as_json:
        click.echo(json.dumps(record, indent=1))
        return
    for name, images in record["images"].items():
        click.echo(f"{name}: {images} images")
    planned = len(plan.cells) - len(record["exclusions"])
    click.echo(f"{planned} cells to run, {len(record['exclusions'])} left out")
    for axis, values in record["factors"].items():
        click.echo(f"  {axis}: {', '.join(_shown(axis, value) for value in values)}")
    click.echo("Stages:")
    for stage in record["stages"]:
        shared = f"shared by {stage['cells']} cells" if stage["cells"] > 1 else "for 1 cell"
        calls = "".join(
            f", {stage[name]:,} {name}" for name in ("gradients", "queries") if name in stage
        )
        click.echo(f"  {stage['stage']:8} {stage['of']}: {stage['images']} images{calls}, {shared}")
    if sent.calls:
        click.echo(f"Cloud services: {sent.calls} calls, {sent}")
    if record["exclusions"]:
        click.echo("Left out:")
    for text in dict.fromkeys(_excluded(e) for e in record["exclusions"]):
        click.echo(f"  {text}")


def _shown(axis: str, value: Any) -> str:
    from fxbench.tabular import format_epsilon

    return format_epsilon(value) if axis == "epsilon" else str(value)


def _excluded(exclusion: dict[str, Any]) -> str:
    reason = exclusion["reason"]
    mend = f" → {reason['mend']}" if reason["mend"] else ""
    return f"{reason['kind']}: {reason['message']}{mend}"
