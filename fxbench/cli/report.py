"""`fxbench report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import results_option, settings_option
from fxbench.errors import FxbenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fxbench.report.samples import Thumbnails
    from fxbench.types import UInt8

_FILE = "report.html"


@click.command("report")
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; by default `report.html` in the run's folder.",
)
@click.option(
    "--with-images",
    is_flag=True,
    help="Put small pictures of faces in, where the dataset's licence allows it.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the file and its size.")
@settings_option
@results_option
def command(
    *,
    run: str | None,
    output: Path | None,
    with_images: bool,
    force: bool,
    as_json: bool,
    settings: tuple[str, ...],
    results: Path,
) -> None:
    """Write what RUN has, by default the latest run, as one HTML file.

    It needs no network and no other file: leaderboard, accuracy and time, confusions, reliability,
    attacks, corruptions, landmarks, videos, faces that were right and wrong, machine, versions, and
    how to make the run again. What the run doesn't have is left out. Needs the extra `report`.

    \b
    Examples:
      fxbench report
      fxbench report ferplus-valid-1a2b3c4d -o report.html
      fxbench report -o report.html --with-images --set ferplus.path=~/data/ferplus
    """
    from fxbench.cli.tables import note_unfinished
    from fxbench.pages.page import require
    from fxbench.store import find, load

    require()
    if settings and not with_images:
        raise UsageError(
            "--set says where images lie, and no image is read without --with-images: give both or "
            "neither."
        )
    folder = find(results, run)
    path = folder / _FILE if output is None else output
    if _is_there(path) and not force:
        raise UsageError(
            f"{path} is there already: give --force to write over it, or another file with -o."
        )
    stored = load(folder)
    note_unfinished(stored)
    from fxbench import answers, suites
    from fxbench.files import write_atomic
    from fxbench.report.assemble import report

    suite = suites.of(stored.run)
    page = report(
        stored,
        answers.read(stored.folder),
        suite=None if suite is None else suite.name,
        thumbnails=_thumbnails(stored.run, settings) if with_images else None,
    ).encode("utf-8", "replace")
    write_atomic(path, page, asked="-o")
    if as_json:
        record = {"run": stored.folder.name, "file": str(path), "bytes": len(page)}
        click.echo(json.dumps(record, indent=1))
    else:
        click.echo(f"{path} ({len(page) / 1e6:.1f} MB). Open it in a browser.")


def _is_there(path: Path) -> bool:
    """Whether a file is there.

    Raises:
        StoreError: it can't be, as its name is too long or its folder closed.
    """
    from fxbench.files import unwritable

    try:
        return path.exists()
    except OSError as error:
        raise unwritable(path, error, "-o") from error


def _thumbnails(run: Mapping[str, Any], settings: tuple[str, ...]) -> Thumbnails:
    """Reads the datasets of a run again, and says where one can't be shown."""

    def found(dataset: str, split: str, rows: Sequence[int]) -> tuple[Mapping[int, UInt8], str]:
        from fxbench.stored_images import opened

        images = opened(run, dataset, split, settings)
        why = images.why
        pictures: Mapping[int, UInt8] = {}
        try:
            pictures = images.thumbnails(rows)
        except FxbenchError as error:
            why = f"The images of {dataset} can't be read here: {error}"
        if why:
            click.echo(f"No pictures: {why}", err=True)
        return pictures, why

    return found
