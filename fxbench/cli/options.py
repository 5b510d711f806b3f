"""Options that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from fxbench.cli.values import Dollars, Rate, Results, Whole
from fxbench.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

FORMATS = ("table", "md", "latex", "svg", "csv", "json")
FOR_PEOPLE = ("table", "md", "latex", "svg")
"""Those that leave out what nobody looks at."""

settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME.OPTION=VALUE",
    help="Set an option of a component; may be given again.",
)
_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="For a terminal, Markdown, a LaTeX paper, as a picture, or raw numbers.",
)
_AS_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; short for --format json."
)
results_option = click.option(
    "--results",
    type=Results(),
    default="results",
    show_default=True,
    help="The folder of run folders; also s3://bucket/folder and what else fsspec knows.",
)
threads_option = click.option(
    "--threads",
    type=Whole(min=1),
    help="Threads of the libraries; default OMP_NUM_THREADS, else all cores.",
)
every_option = click.option(
    "--detect-every",
    "every",
    type=Whole(min=1),
    default=1,
    show_default=True,
    help="Look for faces in every so many frames, and follow them in between.",
)
_OF_A_RUN = (
    click.option(
        "--limit",
        type=Whole(min=1),
        help="At most so many images, evenly spaced; of videos so many whole ones.",
    ),
    click.option(
        "--fps",
        type=Rate(),
        help="Take so many frames of a video per second at most; by default all.",
    ),
    settings_option,
    results_option,
    threads_option,
    click.option(
        "--latency/--no-latency",
        default=True,
        help="Measure latency (the default), or leave it out.",
    ),
    click.option(
        "--max-cost",
        type=Dollars(),
        metavar="USD",
        help="Send images to cloud services without asking, if it costs at most so much.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON at the end: the leaderboard."),
)


def format_option(command: Command) -> Command:
    """Give a command `--format`, and `--json` as every command has it; it takes both as `form`."""

    @functools.wraps(command)
    def formatted(*args: Any, form: str, as_json: bool, **others: Any) -> Any:
        if as_json and form not in ("table", "json"):
            raise UsageError(f"--json and --format {form} are two formats: give one of them.")
        return command(*args, form="json" if as_json else form, **others)

    return cast("Command", _FORMAT(_AS_JSON(formatted)))


def run_options(command: Command) -> Command:
    """Give a command what every command that runs a plan can be told."""
    for option in reversed(_OF_A_RUN):
        command = option(command)
    return command
