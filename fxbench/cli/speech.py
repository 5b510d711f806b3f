"""`fxbench speech`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import every_option, settings_option, threads_option
from fxbench.cli.run import ask_before_sending
from fxbench.cli.values import Dollars, Names
from fxbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.analysis.engine import Engine
    from fxbench.speech.beside import Shown
    from fxbench.speech.listening import Listener
    from fxbench.speech.words import Said
    from fxbench.speech.written import Heard

_FAILED = 3
_MOST_HOURS = 4.0


@click.command("speech")
@click.argument("video", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into.",
)
@click.option("--transcriber", help="Writes the words down; by default the first default one.")
@click.option(
    "--text-emotion",
    help="Tells what the words express, or none; by default the first default one.",
)
@click.option("--faces", is_flag=True, help="Look at the faces too, and put them beside the words.")
@click.option(
    "--faces-from",
    type=click.Path(path_type=Path, exists=True),
    help="Take the faces from what fxbench analyze wrote: its folder, or its Parquet file.",
)
@click.option(
    "--detectors", type=Names(), help="Each finds the faces; by default the first default one."
)
@click.option(
    "--classifiers",
    type=Names(),
    help="Each tells the emotions of faces; by default the first default one.",
)
@every_option
@click.option(
    "--pause",
    "pause_s",
    type=click.FloatRange(0.05, 10.0),
    default=0.6,
    show_default=True,
    help="A pause of so many seconds ends an utterance.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0.0, 24.0, min_open=True),
    default=_MOST_HOURS,
    show_default=True,
    help="Listen to so many hours at most.",
)
@click.option("--plot/--no-plot", default=True, help="Draw the timeline (the default), or not.")
@settings_option
@threads_option
@click.option(
    "--max-cost",
    type=Dollars(),
    metavar="USD",
    help="Send the sound to a service that is named without asking, if it costs at most so much.",
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all words and numbers.")
def command(
    *,
    video: Path,
    output: Path,
    transcriber: str | None,
    text_emotion: str | None,
    faces: bool,
    faces_from: Path | None,
    detectors: tuple[str, ...] | None,
    classifiers: tuple[str, ...] | None,
    every: int,
    pause_s: float,
    hours: float,
    plot: bool,
    settings: tuple[str, ...],
    threads: int | None,
    max_cost: float | None,
    force: bool,
    as_json: bool,
) -> int:
    """Write down what is said in VIDEO, when, and which emotions its words express.

    With --faces, what people's faces show meanwhile stands beside it, and where the two disagree.
    Written are NAME-words.csv, NAME-utterances.csv, NAME-speech.jsonl, .vtt, .eaf and .png, and
    NAME-beside.csv. docs/speech.md says what the columns mean, and what they do not.

    \b
    Examples:
      fxbench speech talk.mp4 -o out
      fxbench speech talk.mp4 -o out --detectors opencv-yunet --classifiers emopy-onnx
      fxbench speech talk.mp4 -o out --transcriber watson --max-cost 0.20
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench.cli.terminal import Steps, messages
    from fxbench.cli.terminal import output as results
    from fxbench.options import resolve
    from fxbench.registry import discover
    from fxbench.speech.audio import AudioTrack
    from fxbench.speech.beside import beside
    from fxbench.speech.listening import Listener, choose
    from fxbench.speech.sending import costs
    from fxbench.speech.written import Heard, make, write

    video, output = video.expanduser(), output.expanduser()
    if faces_from is not None and (faces or detectors or classifiers):
        raise UsageError(
            "--faces-from takes the faces from a file, --faces looks at them, by --detectors and "
            "--classifiers: give one or the other."
        )
    looks = faces or bool(detectors or classifiers)
    draws = plot and _can_draw()
    forms = _forms(video, output, draws=draws, beside=looks or faces_from is not None, force=force)
    registry = discover()
    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    chosen = choose(registry, options, transcriber, text_emotion, allow_sending=True)
    # What can't be read, or written, is said before anybody listens.
    ask_before_sending(costs(chosen, AudioTrack(video, hours * 3600)), max_cost)
    shown = None if faces_from is None else _read_faces(faces_from, video)
    with _quiet() as console, Steps(console) as progress:
        progress.at("Loading", 0.0)
        listener = Listener.of(chosen, options)
        engine = _engine(detectors, classifiers, settings, threads) if looks else None
        make(output)
        share = 0.5 if looks else 1.0

        def heard_so_far(done: float, of: float | None) -> None:
            progress.at(f"Listening to {video.name}", share * (min(1.0, done / of) if of else 0.0))

        heard_so_far(0.0, 1.0)
        said = listener.said(video, pause_s=pause_s, most_s=hours * 3600, progress=heard_so_far)
        faults: list[str] = []
        if engine is not None:
            shown = _faces(video, engine, every, progress.at, faults.append)
        heard = Heard(video, said, shown, beside(said, shown or ()))
        progress.at("Writing", 1.0)
        files = write(heard, output, forms)
    if plot and not draws:
        messages().print(
            "No timeline is drawn without matplotlib: pip install 'fxbench[plots]'", markup=False
        )
    if text_emotion is None and listener.text_emotion is None:
        messages().print(
            "No emotions are told, as no text emotion is ready: `fxbench list --kind text-emotion` "
            "says what each lacks, --text-emotion none asks for none.",
            markup=False,
            soft_wrap=True,
        )
    if as_json:
        record = {
            **heard.record(),
            "service": _usage(listener),
            "files": [str(path) for path in files],
        }
        click.echo(json.dumps(record, indent=1, allow_nan=False))
    else:
        _print(results(), heard, files, listener)
    if said.fault:
        faults.append(f"{video.name}: {said.fault}.")
    for fault in faults:
        messages().print(fault, markup=False, soft_wrap=True)
    return _FAILED if faults else 0


def _can_draw() -> bool:
    from importlib import import_module

    try:
        import_module("matplotlib")  # one that is there may be broken
    except ImportError:
        return False
    return True


def _forms(video: Path, output: Path, *, draws: bool, beside: bool, force: bool) -> tuple[str, ...]:
    """What is to be written.

    Raises:
        UsageError: one of the files is there, and --force is not given.
    """
    from fxbench.speech.written import BESIDE, FORMS, PLOT, target

    left_out = {PLOT: not draws, BESIDE: not beside}
    forms = tuple(form for form in FORMS if not left_out.get(form, False))
    for form in forms:
        file = target(video, output, form)
        if file.exists() and not force:
            raise UsageError(
                f"{file} is there already: name another folder, or write over it with --force."
            )
    return forms


def _quiet() -> AbstractContextManager[Console]:
    """What libraries print goes to a file, unless --debug is given."""
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages

    if click.get_current_context().find_root().obj["debug"]:
        return nullcontext(messages())
    return chatter_to(default_folder() / "stderr.log")


def _engine(
    detectors: tuple[str, ...] | None,
    classifiers: tuple[str, ...] | None,
    settings: tuple[str, ...],
    threads: int | None,
) -> Engine:
    from fxbench.analysis.engine import Cast, Engine

    cast = Cast(detectors=detectors or (), classifiers=classifiers or ())
    return Engine.load(cast, settings=settings, threads=threads)


def _faces(
    video: Path,
    engine: Engine,
    every: int,
    at: Callable[[str, float], None],
    cut_short: Callable[[str], None],
) -> tuple[Shown, ...]:
    from fxbench.speech.beside import faces_of

    def so_far(share: float) -> None:
        at(f"Looking at {video.name}", 0.5 + 0.5 * share)

    return faces_of(video, engine, every=every, progress=so_far, cut_short=cut_short)


def _read_faces(path: Path, video: Path) -> tuple[Shown, ...]:
    from fxbench.speech.analysed import table_of
    from fxbench.speech.beside import faces_in

    return faces_in(table_of(path, video), str(path))


def _usage(listener: Listener) -> dict[str, Any] | None:
    """What a service was asked, and costs; None where nothing was sent."""
    usage = getattr(listener.transcriber, "usage", None)
    return None if usage is None else dict(usage.record())


def _print(console: Console, heard: Heard, files: tuple[Path, ...], listener: Listener) -> None:
    from rich.table import Table
    from rich.text import Text

    from fxbench.speech.beside import counts
    from fxbench.speech.tracks import labels

    said = heard.said
    by_utterance: dict[int, list[str]] = {}
    for side in heard.sides:
        text = f"{side.track}: {side.shown}, {side.verdict}"
        by_utterance.setdefault(side.utterance, []).append(text)
    table = Table(
        title=f"What is said in {heard.video.name}, by {said.transcriber}",
        title_justify="left",
        header_style="bold",
    )
    table.add_column("seconds", no_wrap=True, justify="right")
    table.add_column("words as they were heard", ratio=1, overflow="fold")
    if said.text_emotion:
        table.add_column("words of", overflow="fold")
    if heard.faces is not None:
        table.add_column("person: face labelled as", overflow="fold")
    for index, utterance in enumerate(said.utterances):
        row: list[str | Text] = [
            f"{utterance.begin_s:.2f} - {utterance.end_s:.2f}",
            Text(utterance.text),
        ]
        if said.text_emotion:
            row.append(labels(utterance) or "-")
        if heard.faces is not None:
            row.append("\n".join(by_utterance.get(index, ["-"])))
        table.add_row(*row)
    if table.row_count:
        console.print(table)
    console.print(_summary(said), markup=False, soft_wrap=True)
    if heard.faces is not None:
        found = ", ".join(f"{verdict} {n}" for verdict, n in counts(heard.sides).items() if n)
        console.print(f"Faces beside words: {found or 'none'}", markup=False, soft_wrap=True)
    usage = _usage(listener)
    if usage is not None:
        cost = usage["cost_at_most"]
        price = "a cost that is not known" if cost is None else f"at most {cost:g} USD"
        console.print(
            f"{said.transcriber} was sent {_number(usage['sent'], 'part')} ({price}), and had "
            f"answered {usage['from_store']} before.",
            markup=False,
            soft_wrap=True,
        )
    for path in files:
        console.print(f"  Written: {path}", markup=False, soft_wrap=True)


def _summary(said: Said) -> str:
    text = f"{_number(len(said.words), 'word')} in {_number(len(said.utterances), 'utterance')}"
    silent = sum(not utterance.labelled for utterance in said.utterances)
    if said.text_emotion and silent:
        text += f", {silent} without a word of emotion that {said.text_emotion} knows"
    return f"{text}; {said.seconds:.2f} s of sound"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
