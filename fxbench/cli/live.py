"""`fxbench live`."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import every_option, settings_option
from fxbench.cli.values import Length, Names, Whole
from fxbench.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.live.browser import Page
    from fxbench.live.session import Live
    from fxbench.live.window import Window

_FAILED = 3


@click.command("live")
@click.option(
    "--source",
    default="0",
    show_default=True,
    metavar="CAMERA|FILE",
    help="The number of a camera, or a video file that is played at its own rate.",
)
@click.option("--loop", is_flag=True, help="Begin a file again at its end.")
@click.option("--detector", help="Finds the faces; by default the first default one.")
@click.option(
    "--classifiers",
    type=Names(),
    help="Tell emotions, side by side; by default the first default one.",
)
@click.option("--landmarker", help="Locates landmarks; by default none are drawn.")
@every_option
@click.option(
    "--bars/--no-bars", default=True, help="Draw all probabilities (the default), or the answer."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what is shown into this MP4.",
)
@click.option("--force", is_flag=True, help="Write over the file of --record.")
@click.option(
    "--window/--no-window",
    "windowed",
    default=True,
    help="Show it in a window where there is a display (the default), or in the browser.",
)
@click.option(
    "--port",
    type=Whole(1, 65535),
    help="Of the page in the browser; by default any that is free.",
)
@click.option("--seconds", type=Length(), help="End after so many seconds.")
@settings_option
@click.option(
    "--threads",
    type=Whole(min=1),
    default=1,
    show_default=True,
    help="Threads of the libraries: the camera and the display need some time too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end: all numbers.")
def command(
    *,
    source: str,
    loop: bool,
    detector: str | None,
    classifiers: tuple[str, ...] | None,
    landmarker: str | None,
    every: int,
    bars: bool,
    record: Path | None,
    force: bool,
    windowed: bool,
    port: int | None,
    seconds: float | None,
    settings: tuple[str, ...],
    threads: int,
    as_json: bool,
) -> int:
    """Show a camera with a box around each face, and what classifiers label it as.

    Pictures are shown as they come. The classifiers answer in a thread of their own, about the
    newest picture each time: the view says how many answers there are per second, and how far they
    lag. It is a window, or without a display a page of this machine alone. q, Escape, closing the
    window and Ctrl-C end it. Nothing is kept unless --record is given. docs/live.md says more.

    \b
    Examples:
      fxbench live
      fxbench live --classifiers emopy-onnx,mobilenetv2-onnx --landmarker dlib-68
      fxbench live --source talk.mp4 --loop --no-window
      fxbench live --seconds 60 --record minute.mp4
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads)

    from fxbench.analysis.engine import Cast, Engine
    from fxbench.cli.terminal import messages
    from fxbench.live import sources
    from fxbench.live.session import Live

    record = _writable(record, source, force=force)
    cast = Cast(
        (detector,) if detector else (),
        classifiers or (),
        (landmarker,) if landmarker else (),
    )
    with _quiet() as console:
        engine = Engine.load(cast, settings=settings, threads=threads)
        names = (*engine.cast.detectors, *engine.cast.classifiers, *engine.cast.landmarkers)
        camera = sources.opened(source, loop=loop)
        try:
            live = Live(engine, camera, every=every, record=record, seconds=seconds, bars=bars)
        except BaseException:
            camera.close()
            raise
        kind = ""
        with _ended_by_signals(live), live:
            display = _display(windowed, port, camera.name, names, live, console)
            kind = display.kind
            display.run(live)
    result = {
        "source": source,
        "detector": engine.cast.detectors[0],
        "classifiers": list(engine.cast.classifiers),
        "landmarker": landmarker,
        "display": kind or None,
        "size": {"width": live.size[1], "height": live.size[0]},
        "source_fps": round(camera.fps, 3),
        "frames_skipped": camera.skipped,
        **live.record(),
        "recorded": None if record is None else _recorded(record, live),
        "fault": live.fault or None,
    }
    if as_json:
        click.echo(json.dumps(result, indent=1, allow_nan=False))
    else:
        _print(result)
    if live.fault:
        messages().print(f"Cut short: {live.fault}", markup=False, soft_wrap=True)
    return _FAILED if live.fault else 0


def _writable(record: Path | None, source: str, *, force: bool) -> Path | None:
    """The file to record into.

    Raises:
        UsageError: it is there already, is the source, or is no MP4.
        UnavailableError: nothing can be recorded here.
    """
    if record is None:
        return None
    from fxbench import recording

    record = record.expanduser()
    if record.suffix.lower() not in (".mp4", ".m4v", ".mov"):
        raise UsageError(f"{record} is no name of an MP4 file: give --record one such as view.mp4.")
    shown = Path(source).expanduser()
    if record.exists() and shown.exists() and record.samefile(shown):
        raise UsageError(f"{record} is the video that is to be shown: give --record another name.")
    if record.exists() and not force:
        raise UsageError(
            f"{record} is there already: give --record another name, or write over it with --force."
        )
    recording.require()
    return record


def _display(
    windowed: bool,
    port: int | None,
    name: str,
    components: tuple[str, ...],
    live: Live,
    console: Console,
) -> Window | Page:
    """A window where there is a display, else a page.

    Raises:
        UsageError: the port is taken.
    """
    if windowed and port is None:
        from fxbench.live.window import Window

        try:
            return Window(f"{name} - fxbench live", live.size)
        except UnavailableError as error:
            console.print(f"No window: {error}", markup=False, soft_wrap=True)
    from fxbench.live.browser import Page

    page = Page(name, components, port or 0)
    console.print(
        f"Open {page.address} in a browser on this machine; Ctrl-C ends the view.",
        markup=False,
        soft_wrap=True,
    )
    return page


def _recorded(record: Path, live: Live) -> dict[str, Any]:
    frames, lost = live.recorded
    return {"file": str(record) if frames else None, "frames": frames, "left_out": lost}


@contextlib.contextmanager
def _ended_by_signals(live: Live) -> Iterator[None]:
    """Ctrl-C, being asked to end, and a terminal that is closed end a view as its keys do.

    Nothing is interrupted, so that a recording is whole however often that happens. Once it is
    written, whoever presses Ctrl-C again doesn't wait for components that hang.
    """

    def end(*_: object) -> None:
        if live.ending and live.saved:
            raise KeyboardInterrupt
        live.ending = True

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {}
    try:
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:  # such as by nohup
                before[number] = signal.signal(number, end)
    except ValueError:  # not in the main thread
        before = {}
    try:
        yield
    except KeyboardInterrupt:
        if not live.saved:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _quiet() -> AbstractContextManager[Console]:
    """What libraries print goes to a file, unless --debug is given."""
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages

    if click.get_current_context().find_root().obj["debug"]:
        return nullcontext(messages())
    return chatter_to(default_folder() / "stderr.log")


def _print(result: dict[str, Any]) -> None:
    from fxbench.cli.terminal import output

    def text(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    lag = result["lag_s"]
    console = output()
    console.print(
        f"{result['frames_shown']} pictures shown, {text(result['shown_per_s'], '.1f')} per "
        f"second; {result['answers']} answers, {text(result['answers_per_s'], '.1f')} per second",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"Lag of the answers: median {text(lag['p50'], '.3f')} s, 95 % within "
        f"{text(lag['p95'], '.3f')} s, longest {text(lag['max'], '.3f')} s",
        markup=False,
        soft_wrap=True,
    )
    recorded = result["recorded"]
    if recorded is not None and recorded["file"] is not None:
        lost = f", {recorded['left_out']} left out" if recorded["left_out"] else ""
        console.print(
            f"Written: {recorded['file']} ({recorded['frames']} pictures{lost})",
            markup=False,
            soft_wrap=True,
        )
