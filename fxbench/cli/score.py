"""`fxbench score`."""

from __future__ import annotations

from pathlib import Path

import click

from fxbench.cli.options import run_options
from fxbench.cli.values import Names


@click.command("score")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dataset", required=True, help="The dataset that the images are of.")
@click.option("--split", help="Its split; by default test, else valid.")
@click.option("--protocol", help="Which images count and what is right; see docs/datasets.md.")
@click.option(
    "--detector",
    default="full-frame",
    show_default=True,
    help="The detector that the faces came from.",
)
@click.option("--name", help="What the table calls the predictions; by default the file's name.")
@click.option("--classifiers", type=Names(), default=(), help="Classifiers to compare with.")
@run_options
def command(
    *,
    file: Path,
    dataset: str,
    split: str | None,
    protocol: str | None,
    detector: str,
    name: str | None,
    classifiers: tuple[str, ...],
    limit: int | None,
    fps: float | None,
    settings: tuple[str, ...],
    results: Path,
    threads: int | None,
    latency: bool,
    max_cost: float | None,
    as_json: bool,
) -> int:
    """Score FILE, a csv of predictions, as if a classifier had made them in a run.

    FILE has a column `image` and one for each emotion of the model, in any order. A row holds the
    probabilities for one image; an image without a row counts as a face that was not found.

    \b
    Examples:
      fxbench score mine.csv --dataset ferplus --split valid --set ferplus.path=~/data/ferplus
      fxbench score mine.csv --dataset ferplus --detector dlib-hog --classifiers emopy
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench import recorded, runner
    from fxbench.chunks import Chunks, default_folder
    from fxbench.cli.run import ask_before_sending, execute
    from fxbench.cli.terminal import messages
    from fxbench.costs import costs
    from fxbench.registry import discover
    from fxbench.selection import Selection

    predictions = recorded.load(file, name)
    selection = Selection(
        datasets=(dataset,),
        split=split,
        protocol=protocol,
        detectors=(detector,),
        landmarkers=(),
        classifiers=(predictions.name, *classifiers),
        attacks=("none",),
        spotters=(),
        limit=limit,
        fps=fps,
    )
    registry = discover().with_entry(predictions.entry())
    prepared = runner.prepare(selection, settings, registry)
    ask_before_sending(costs(prepared.plan), max_cost)
    for coverage in recorded.fill(prepared.plan, predictions, Chunks(default_folder())).values():
        for note in coverage.notes():
            messages().print(note, markup=False)
    how = runner.Settings(results=results, threads=threads, measure_latency=latency)
    return execute(prepared, how, as_json=as_json)
