"""`fxbench predictions`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import results_option
from fxbench.cli.values import Epsilons, Whole
from fxbench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from fxbench.prediction_csv import PredictionTable


@click.command("predictions")
@click.argument("run", required=False)
@click.option("--classifier", required=True, help="Whose answers.")
@click.option("--detector", help="To faces of this detector.")
@click.option("--dataset", help="Of this dataset.")
@click.option("--attack", help="Under this attack; by default without one.")
@click.option("--epsilon", type=Epsilons(), help="With this budget, such as 8/255.")
@click.option("--surrogate", help="With adversarial faces that were made for this classifier.")
@click.option("--target-label", help="With an attack that was to reach this emotion.")
@click.option("--corruption", help="Of pictures that are corrupted so; by default as they are.")
@click.option("--severity", type=Whole(1, 5), help="And so severely.")
@click.option("--align", help="Of faces that are aligned so: none, eyes or similarity.")
@click.option("--landmarker", help="Of faces that are aligned by its points.")
@click.option("--detect-every", "every", type=Whole(min=1), help="Of videos that were watched so.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; by default standard output.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: the answers, or the file that they are in."
)
@results_option
def command(
    *,
    run: str | None,
    classifier: str,
    detector: str | None,
    dataset: str | None,
    attack: str | None,
    epsilon: tuple[float, ...] | None,
    surrogate: str | None,
    target_label: str | None,
    corruption: str | None,
    severity: int | None,
    align: str | None,
    landmarker: str | None,
    every: int | None,
    output: Path | None,
    as_json: bool,
    results: Path,
) -> None:
    """Export what a classifier answered in RUN, by default the latest run, as a csv.

    A column `image` and one for each output, a row for each face that was found. `fxbench score`
    reads it, and gives the same metrics.

    \b
    Examples:
      fxbench predictions --classifier emopy -o emopy.csv
      fxbench predictions --classifier emopy --detector dlib-hog --attack fgsm --epsilon 8/255
      fxbench predictions --classifier emopy --corruption fog --severity 3
    """
    from fxbench.chunks import Chunks, default_folder
    from fxbench.cli.terminal import hint
    from fxbench.exports import find_cell, predictions
    from fxbench.files import write_atomic
    from fxbench.names import unknown_name
    from fxbench.prediction_csv import text
    from fxbench.selection import ALIGNMENTS
    from fxbench.store import find, load

    if align is not None and align not in ALIGNMENTS:
        raise UsageError(unknown_name("way to align", align, ALIGNMENTS))
    if epsilon is not None and len(epsilon) != 1:
        raise UsageError(f"--epsilon takes one budget, not {len(epsilon)}.")
    stored = load(find(results, run))
    axes = {
        "classifier": classifier,
        "detector": detector,
        "dataset": dataset,
        "attack": attack,
        "surrogate": surrogate,
        "target_label": target_label,
        "corruption": corruption,
        "severity": severity,
        "align": align,
        "landmarker": landmarker,
        "every": None if every == 1 else every,
    }
    try:
        cell = find_cell(stored.cells, **axes, epsilon=epsilon[0] if epsilon else None)
    except UsageError as error:
        raise UsageError(f"{stored.folder}: {error}") from error
    table = predictions(stored, cell, Chunks(default_folder()))
    if output is not None:
        try:
            write_atomic(output, text(table).encode())
        except StoreError as error:
            raise UsageError(
                f"{output} can't be written ({error.__cause__}): name another with -o."
            ) from error
    if as_json:
        record = {"run": stored.folder.name, "cell": cell["id"], "axes": cell["axes"]}
        record |= {"labels": list(table.labels), "images": len(table.images)}
        told = {"predictions": _answers(table)} if output is None else {"output": str(output)}
        click.echo(json.dumps(record | told, indent=1))
    elif output is None:
        click.echo(text(table), nl=False)
    else:
        place = f"{shlex.quote(str(output))} --dataset {cell['axes']['dataset']}"
        hint(f"the same numbers: fxbench score {place} --split {cell['axes']['split']}")


def _answers(table: PredictionTable) -> list[dict[str, Any]]:
    """For each image what its face was answered, with the digits that the csv has."""
    return [
        {"image": image, "probabilities": [float(str(value)) for value in row]}
        for image, row in zip(table.images, table.outputs, strict=True)
    ]
