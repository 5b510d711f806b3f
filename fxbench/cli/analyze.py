"""`fxbench analyze`."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import every_option, settings_option, threads_option
from fxbench.cli.run import ask_before_sending
from fxbench.cli.values import Dollars, Names, Rate
from fxbench.errors import ImageError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.analysis.engine import Cast
    from fxbench.analysis.session import Outcome
    from fxbench.registry import Registry
    from fxbench.speech import Listener

_FAILED = 3
_SPOTTER = "optical-flow"
"""It raised the fewest false alarms; see docs/video.md."""


@click.command("analyze")
@click.argument("paths", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into.",
)
@click.option(
    "--detectors", type=Names(), help="Each finds the faces; by default the first default one."
)
@click.option(
    "--classifiers",
    type=Names(),
    help="Each tells the emotions; by default the first default one.",
)
@click.option(
    "--landmarkers",
    type=Names(),
    help="Locate landmarks, or none; by default the first default one whose points draw contours.",
)
@click.option(
    "--spotters",
    type=Names(),
    help=f"Find expressions in videos, or none; by default {_SPOTTER}, where it has landmarks.",
)
@click.option(
    "--fps", type=Rate(), help="Take at most so many frames of a video per second; by default all."
)
@every_option
@click.option(
    "--annotate/--no-annotate",
    "annotated",
    default=True,
    help="Write photos and videos with the answers drawn in (the default), or not.",
)
@click.option(
    "--pictures/--no-pictures",
    default=True,
    help="Keep small pictures of faces, and show them in the page (the default), or not.",
)
@click.option("--page/--no-page", default=True, help="Write the HTML page (the default), or not.")
@click.option("--speech", is_flag=True, help="Also tell what is said in videos.")
@click.option("--transcriber", help="Tells the words, with --speech; by default the first default.")
@click.option("--text-emotion", help="Tells what words express, with --speech, or none.")
@settings_option
@threads_option
@click.option(
    "--max-cost",
    type=Dollars(),
    metavar="USD",
    help="Send pictures to the cloud services that are named without asking, if it costs at most "
    "so much.",
)
@click.option("--force", is_flag=True, help="Analyse again what is done already.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all that was found.")
def command(
    *,
    paths: tuple[str, ...],
    output: Path,
    detectors: tuple[str, ...] | None,
    classifiers: tuple[str, ...] | None,
    landmarkers: tuple[str, ...] | None,
    spotters: tuple[str, ...] | None,
    fps: float | None,
    every: int,
    annotated: bool,
    pictures: bool,
    page: bool,
    speech: bool,
    transcriber: str | None,
    text_emotion: str | None,
    settings: tuple[str, ...],
    threads: int | None,
    max_cost: float | None,
    force: bool,
    as_json: bool,
) -> int:
    """Say what the faces in photos and videos are labelled as, and who is there when.

    PATHS are photos, videos, folders with both, and patterns such as 'clips/*.mp4'. Written are
    index.html to be looked at, tables (csv, Parquet, JSON Lines), photos and videos with the
    answers drawn in, and tracks for ELAN and for players. What is done already is not done again.

    No face is recognised: the numbers of people hold within one video alone, by position and
    motion. docs/analyzing.md says what each file and column means.

    \b
    Examples:
      fxbench analyze photo.jpg -o out
      fxbench analyze holiday/ 'clips/*.mp4' -o out --detect-every 3
      fxbench analyze talk.mp4 -o out --detectors opencv-yunet,dlib-hog \\
        --classifiers emopy-onnx,mobilenetv2-onnx --speech
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench.analysis import media as files
    from fxbench.analysis import session, tables
    from fxbench.analysis.clip import Manner
    from fxbench.analysis.costs import costs
    from fxbench.analysis.engine import Engine, choose
    from fxbench.cli.terminal import Steps
    from fxbench.loader import Loader
    from fxbench.registry import discover

    if (transcriber or text_emotion) and not speech:
        raise UsageError("--transcriber and --text-emotion are for what is said: add --speech.")
    output = output.expanduser()
    found, refused = files.find(paths, without=output)
    if not found:
        raise UsageError(refused[0].reason)
    videos = any(media.kind == files.VIDEO for media in found)
    registry = discover()
    notes: list[str] = []
    cast = _cast(
        registry, settings, (detectors, classifiers, landmarkers, spotters), notes, videos=videos
    )
    entries, options = choose(cast, settings=settings, allow_sending=True, registry=registry)
    ask_before_sending(costs(entries, found, fps, every), max_cost)
    recorded = annotated and videos and _can_record(notes)
    page = page and _can_render(notes)
    with _quiet() as console, Steps(console) as progress:
        progress.at("Loading", 0.0)
        engine = Engine(entries, options, Loader(options))
        listener = _listener(registry, settings, transcriber, text_emotion) if speech else None
        outcome = session.analyse(
            found,
            engine,
            output,
            Manner(fps, every, annotated, recorded, pictures),
            listener=listener,
            anew=force,
            progress=progress.at,
        )
        outcome = session.with_refused(outcome, refused)
        if len(outcome.failed) == 1 and not outcome.media:
            raise ImageError(outcome.failed[0].reason)
        progress.at("Writing the tables", 1.0)
        names = tables.write(output, outcome.media, outcome.layout)
        names = _write(output, outcome, names, page=page, pictures=pictures)
    _tell(outcome, output, names, notes, as_json=as_json)
    return 0 if outcome.whole else _FAILED


def _cast(
    registry: Registry,
    settings: tuple[str, ...],
    named: tuple[tuple[str, ...] | None, ...],
    notes: list[str],
    *,
    videos: bool,
) -> Cast:
    """Who takes part: those that were named, else what is ready.

    Raises:
        UsageError: an unknown option of a component, or `none` beside other names.
    """
    import os

    from fxbench.analysis.engine import Cast, default_names
    from fxbench.options import resolve

    detectors, classifiers, landmarkers, spotters = named
    for option, names in (("--detectors", detectors), ("--classifiers", classifiers)):
        if names and "none" in names:
            raise UsageError(f"{option} got none, but at least one must look: name one.")
    options = resolve((entry.component for entry in registry.entries), settings, os.environ, Path())
    if landmarkers is None:
        landmarkers = default_names(registry, options, "landmarker", trait="contours")
        if not landmarkers:
            notes.append(
                "No movement is measured: no default landmarker with contours is ready, and "
                "`fxbench list --kind landmarker` says what each lacks."
            )
    landmarkers = _without_none("--landmarkers", landmarkers)
    contours = {
        name
        for name in landmarkers
        if "contours" in registry.get("landmarker", name).component.traits
    }
    if spotters is None:
        there = {entry.name for entry in registry.of_kind("spotter")}
        spotters = (_SPOTTER,) if videos and contours and _SPOTTER in there else ()
    spotters = _without_none("--spotters", spotters)
    for name in spotters:
        if "points" in registry.get("spotter", name).component.traits and not contours:
            raise UsageError(
                f"{name} wants landmarks that draw brows, eyes, nose and lips: name a landmarker "
                "that has them with --landmarkers, such as dlib-68."
            )
    return Cast(detectors or (), classifiers or (), landmarkers, spotters if videos else ())


def _without_none(option: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if "none" not in names:
        return names
    if len(names) > 1:
        raise UsageError(f"{option} got none beside other names: give either.")
    return ()


def _listener(
    registry: Registry,
    settings: tuple[str, ...],
    transcriber: str | None,
    text_emotion: str | None,
) -> Listener:
    """What listens to videos, on this machine.

    Raises:
        UsageError: a name is unknown, or what it names sends what it hears away.
        UnavailableError: one is not ready.
    """
    from fxbench.speech import Listener

    for kind, name in (("transcriber", transcriber), ("text-emotion", text_emotion)):
        if name not in (None, "none") and registry.get(kind, str(name)).component.sends:
            raise UsageError(
                f"The {kind} {name} sends what is said to a service, which `fxbench speech "
                f"--allow-sending` does: name a {kind} that runs here."
            )
    return Listener.load(transcriber, text_emotion, settings=settings, registry=registry)


def _can_record(notes: list[str]) -> bool:
    from fxbench.recording import available

    if not available():
        notes.append("No annotated videos are written without PyAV: pip install 'fxbench[video]'")
        return False
    return True


def _can_render(notes: list[str]) -> bool:
    from fxbench.errors import UnavailableError
    from fxbench.pages.page import require

    try:
        require()
    except UnavailableError as error:
        notes.append(str(error))
        return False
    return True


def _write(
    output: Path, outcome: Outcome, names: tuple[str, ...], *, page: bool, pictures: bool
) -> tuple[str, ...]:
    """The record and the page."""
    from fxbench.files import write_atomic, write_json

    write_json(output / "analysis.json", outcome.record)
    names = (*names, "analysis.json")
    if page:
        from fxbench.analysis.page import NAME
        from fxbench.analysis.page import page as made

        text = made(outcome, output, names, pictures=pictures)
        write_atomic(output / NAME, text.encode())
        names = (*names, NAME)
    return names


def _quiet() -> AbstractContextManager[Console]:
    """What libraries print goes to a file, unless --debug is given."""
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages

    if click.get_current_context().find_root().obj["debug"]:
        return nullcontext(messages())
    return chatter_to(default_folder() / "stderr.log")


def _tell(
    outcome: Outcome, output: Path, names: tuple[str, ...], notes: list[str], *, as_json: bool
) -> None:
    from fxbench.cli.terminal import messages
    from fxbench.cli.terminal import output as results

    if as_json:
        click.echo(json.dumps(outcome.record, indent=1, allow_nan=False))
    else:
        _print(results(), outcome, output, names)
    said = [*notes, *(f"Failed: {one.reason}" for one in outcome.failed)]
    for record, _ in outcome.media:
        said += [f"{Path(record['file']).name}: {fault}" for fault in record["faults"]]
    for text in said:
        messages().print(text, markup=False, soft_wrap=True)


def _print(console: Console, outcome: Outcome, output: Path, names: tuple[str, ...]) -> None:
    from fxbench.tabular import Column, Table, to_rich

    columns = (
        Column("file", "file"),
        Column("who", "who"),
        Column("detector", "detector", show="varies", title="found by {}"),
        Column("seconds", "seconds", show="any"),
        *(Column(name, f"{name} labels as") for name in outcome.layout.classifiers),
    )
    rows = tuple(
        row for record, _ in outcome.media for row in _rows(record, outcome.layout.classifiers)
    )
    shown = rows[:_MOST]
    notes = [f"{len(shown)} of {len(rows)} rows; {output / 'faces.csv'} has all faces."]
    if shown:
        table = Table("Labelled as", columns, shown, tuple(notes) if len(rows) > _MOST else ())
        console.print(to_rich(table, console.width))
    if outcome.kept:
        console.print(
            f"{outcome.kept} of {len(outcome.media)} files were done before; --force does them "
            "again.",
            markup=False,
            soft_wrap=True,
        )
    for name in names:
        console.print(f"Written: {output / name}", markup=False, soft_wrap=True)


_MOST = 40
"""So many rows are printed."""


def _rows(record: dict[str, Any], classifiers: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each face of a photo, and for each person of a video."""
    file = Path(record["file"]).name
    if record["kind"] == "photo":
        rows = []
        for number, face in enumerate(record["rows"]):
            row: dict[str, Any] = {"file": file, "who": f"face {number}"}
            row["detector"] = face["detector"]
            for name in classifiers:
                label = face[f"{name}.label"]
                share = None if label is None else face[f"{name}.{label}"]
                row[name] = None if share is None else f"{label} {100 * share:.0f} %"
            rows.append(row)
        return rows or [{"file": file, "who": "no face"}]
    rows = []
    for person in record["people"]:
        row = {"file": file, "who": f"person {person['track']}"}
        row["detector"] = person["detector"]
        row["seconds"] = f"{person['first_s']:.2f} to {person['last_s']:.2f}"
        for name in classifiers:
            told = person["classifiers"][name]["share"]
            best = sorted(((share, label) for label, share in told.items() if share), reverse=True)[
                :2
            ]
            row[name] = ", ".join(f"{label} {100 * share:.0f} %" for share, label in best) or None
        rows.append(row)
    return rows or [{"file": file, "who": "no face"}]
