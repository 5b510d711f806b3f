"""`fxbench landmarks`."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxbench.cli.options import every_option, settings_option, threads_option
from fxbench.cli.values import Rate
from fxbench.errors import ImageError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.landmark_files import Finders, Written
    from fxbench.loader import Loader
    from fxbench.registry import Entry, Registry

_FAILED = 3


@click.command("landmarks")
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into.",
)
@click.option("--detector", help="Finds the faces; by default the first default one.")
@click.option("--landmarker", help="Locates landmarks; by default the first default one.")
@click.option(
    "--fps",
    type=Rate(),
    help="Take at most so many frames per second; by default all.",
)
@every_option
@click.option("--plot/--no-plot", default=True, help="Draw the timelines (the default), or not.")
@click.option(
    "--video/--no-video", default=True, help="Write the video with landmarks (the default), or not."
)
@settings_option
@threads_option
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all numbers.")
def command(
    *,
    videos: tuple[Path, ...],
    output: Path,
    detector: str | None,
    landmarker: str | None,
    fps: float | None,
    every: int,
    plot: bool,
    video: bool,
    settings: tuple[str, ...],
    threads: int | None,
    force: bool,
    as_json: bool,
) -> int:
    """Measure how brows, lids and lips move in each of VIDEOS, from landmarks.

    For each person and frame: the landmarks as they are and standardised, how the head is turned,
    and measures such as how far the corners of the lips are pulled, in inter-ocular units and less
    the person's neutral face. They are landmark proxies that resemble action units, no FACS coding.
    Written are NAME-landmarks.parquet, .csv, .png with the timelines, and .mp4 with the landmarks
    drawn in. docs/video.md says what the columns mean.

    \b
    Examples:
      fxbench landmarks talk.mp4 -o out
      fxbench landmarks a.mp4 b.mov -o out --detector dlib-hog --landmarker dlib-68
      fxbench landmarks long.mp4 -o out --fps 10 --detect-every 3 --no-video
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench import landmark_files
    from fxbench.casting import cast
    from fxbench.cli.terminal import Steps, messages
    from fxbench.cli.terminal import output as results
    from fxbench.loader import Loader
    from fxbench.options import resolve
    from fxbench.registry import discover

    output = output.expanduser()
    videos = tuple(path.expanduser() for path in videos)
    wanted = {landmark_files.PLOT: plot and _can_draw(), landmark_files.VIDEO: video}
    forms = tuple(form for form in landmark_files.FORMS if wanted.get(form, True))
    _refuse(videos, output, forms, force=force)
    registry = discover()
    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    chosen = (
        cast(registry, options, "detector", detector),
        cast(registry, options, "landmarker", landmarker, trait="contours"),
    )
    done: list[Written] = []
    failed: list[tuple[Path, ImageError]] = []
    with _quiet() as console, Steps(console) as progress:
        progress.at("Loading", 0.0)
        finders = _finders(registry, Loader(options), *chosen)
        for number, path in enumerate(videos):

            def at(share: float, path: Path = path, number: int = number) -> None:
                progress.at(f"Reading {path.name}", (number + share) / len(videos))

            at(0.0)
            try:
                done.append(
                    landmark_files.write(
                        path, output, finders, fps=fps, every=every, forms=forms, progress=at
                    )
                )
            except ImageError as error:
                failed.append((path, error))
    if failed and not done and len(videos) == 1:
        raise failed[0][1]
    if plot and not _can_draw():
        messages().print(
            "No timelines are drawn without matplotlib: pip install 'fxbench[plots]'", markup=False
        )
    if as_json:
        record = {
            "detector": finders.detector_name,
            "landmarker": finders.landmarker_name,
            "videos": [landmark_files.record(written) for written in done],
            "failed": [{"video": str(path), "reason": str(reason)} for path, reason in failed],
        }
        click.echo(json.dumps(record, indent=1, allow_nan=False))
    else:
        _print(results(), done, finders)
    for _, reason in failed:
        messages().print(f"Failed: {reason}", markup=False, soft_wrap=True)
    for written in done:
        if written.fault:
            messages().print(f"Cut short: {written.fault}", markup=False, soft_wrap=True)
    return _FAILED if failed or any(written.fault for written in done) else 0


def _can_draw() -> bool:
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _refuse(videos: tuple[Path, ...], output: Path, forms: tuple[str, ...], *, force: bool) -> None:
    """Refuse what would write over something, or write one file twice.

    Raises:
        UsageError: two videos have the same name, or a file is there and --force is not given.
    """
    from fxbench.landmark_files import target

    names = [path.stem for path in videos]
    for path in videos:
        if names.count(path.stem) > 1:
            raise UsageError(
                f"Two videos are called {path.stem}, and their files would be too: give them to "
                "two commands with different folders."
            )
        for form in forms:
            file = target(path, output, form)
            if any(file.exists() and one.exists() and file.samefile(one) for one in videos):
                raise UsageError(f"{file} is a video that is to be read: name another folder.")
            if file.exists() and not force:
                raise UsageError(
                    f"{file} is there already: name another folder, or write over it with --force."
                )


def _finders(registry: Registry, loader: Loader, detector: Entry, landmarker: Entry) -> Finders:
    """Both, loaded.

    Raises:
        FxbenchError: a factory fails.
        UsageError: the landmarks can't be standardised, or nothing can be measured with them.
    """
    import numpy as np

    from fxbench.landmark_files import Finders, points_of
    from fxbench.measures import measurable
    from fxbench.standard_face import standardised

    locating = loader.get(landmarker)
    points = points_of(locating)
    if not measurable(locating.scheme):
        able = ", ".join(
            entry.name
            for entry in registry.of_kind("landmarker")
            if "contours" in entry.component.traits and not entry.component.sends
        )
        raise UsageError(
            f"The points of {landmarker.name} ({locating.scheme}) draw no brows, lids or lips, and "
            f"nothing can be measured with them: take a landmarker that draws them ({able})."
        )
    # What can't be standardised is said at once, not after the first batch.
    standardised(np.zeros((0, points, 2), np.float32), locating.scheme)
    return Finders(loader.get(detector), locating, detector.name, landmarker.name, points)


def _quiet() -> AbstractContextManager[Console]:
    """What libraries print goes to a file, unless --debug is given."""
    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages

    if click.get_current_context().find_root().obj["debug"]:
        return nullcontext(messages())
    return chatter_to(default_folder() / "stderr.log")


def _print(console: Console, done: list[Written], finders: Finders) -> None:
    from rich.table import Table

    table = Table(
        title=f"People, found by {finders.detector_name}, landmarks by {finders.landmarker_name}",
        title_justify="left",
        header_style="bold",
    )
    for header in ("video", "person", "seconds", "frames", "located", "strongest measure", "at"):
        right = header in ("person", "frames", "located", "at")
        table.add_column(header, no_wrap=True, justify="right" if right else "left")
    for written in done:
        for person in written.people:
            strongest = person.strongest()
            table.add_row(
                written.video.name,
                str(person.track),
                f"{person.time_s[0]:.2f} to {person.time_s[-1]:.2f}",
                str(len(person.frame)),
                str(int(person.located.sum())),
                "-" if strongest is None else f"{strongest[0]} {strongest[1]:+.3f}",
                "-" if strongest is None else f"{strongest[2]:.2f} s",
            )
    if table.row_count:
        console.print(table)
    for written in done:
        if not written.people:
            console.print(
                f"{finders.detector_name} finds no face in {written.video.name}: name another "
                "with --detector.",
                markup=False,
                soft_wrap=True,
            )
        console.print(
            f"{written.video.name}: {written.frames} frames, {written.seconds:.2f} s, a face in "
            f"{written.with_face}",
            markup=False,
            soft_wrap=True,
        )
        for path in written.files:
            console.print(f"  Written: {path}", markup=False, soft_wrap=True)
