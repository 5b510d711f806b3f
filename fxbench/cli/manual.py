"""What `--help` says of every command beside its own text: exit codes, where the docs are, order.

The options of a command with many are set in groups, the same for all commands: what is evaluated,
with which components, how, and what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import click

_MANY = 8
"""From so many options on they are set in groups."""
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Images and videos",
        (
            *("datasets", "dataset", "source", "split", "valid", "protocol", "limit", "fps"),
            *("loop", "seconds", "hours", "column", "wanted", "subset", "leave_out"),
        ),
    ),
    (
        "Components",
        (
            *("detectors", "detector", "classifiers", "classifier", "landmarkers", "landmarker"),
            *("spotters", "teacher", "settings"),
        ),
    ),
    ("A model file", ("model", "labels", "input_", "name")),
    (
        "Attacks and corruptions",
        (
            *("attacks", "attack", "epsilons", "epsilon", "steps", "surrogates", "surrogate"),
            *("targets", "target_labels", "target_label"),
            *("corruptions", "corruption", "severities", "severity"),
        ),
    ),
    ("Faces", ("aligns", "align", "every", "smoothing", "faces", "faces_from")),
    ("Speech", ("speech", "transcriber", "text_emotion", "pause_s")),
    (
        "How it is done",
        (
            *("suite", "recipe", "fields", "epochs", "seed", "resume", "checks", "latency"),
            *("workers", "scheduler", "threads", "max_cost", "allow_sending", "dry_run"),
        ),
    ),
    (
        "View",
        (
            *("bars", "windowed", "browser", "host", "port"),
            *("allow_network", "max_upload", "max_seconds"),
        ),
    ),
    (
        "Output",
        (
            *("results", "into", "folder", "output", "cloaked", "form", "as_json", "force"),
            *("images", "plot", "plots", "video", "drawing", "record", "junit", "markdown"),
            *("with_images", "figures", "annotated", "pictures", "page"),
        ),
    ),
)

_STOPPED = "stopped, and can be resumed (a full disk)"
_GOES_ON = "interrupted; the same command goes on"
_CELLS = "finished, but some cells or images failed"


@dataclass(frozen=True, slots=True)
class _Manual:
    """What is to be known of a command.

    Attributes:
        page: of the documentation.
        codes: what its exit codes mean, beside 0 and 2.
        done: what 0 means.
        wrong: what 2 means.
    """

    page: str
    codes: Mapping[int, str] = field(default_factory=dict)
    done: str = "done"
    wrong: str = "wrong usage or input"


MANUALS: Mapping[str, _Manual] = {
    "list": _Manual("components"),
    "show": _Manual("components"),
    "run": _Manual("running", {3: _CELLS, 4: _STOPPED, 130: _GOES_ON}),
    "score": _Manual("without-a-plugin", {3: _CELLS, 4: _STOPPED, 130: _GOES_ON}),
    "tables": _Manual("results"),
    "leaderboard": _Manual("metrics"),
    "reproduce": _Manual(
        "reproducing",
        {1: "a cell did not come to what it was", 4: _STOPPED, 130: _GOES_ON},
        "every cell came to what it was",
    ),
    "merge": _Manual("scale", {4: "the folder can't be written"}),
    "cite": _Manual("reproducing"),
    "compare": _Manual("comparing", wrong="wrong usage or input, or no cell in common"),
    "baseline": _Manual("gate", {4: "the file can't be written"}),
    "gate": _Manual(
        "gate",
        {1: "something got worse"},
        "nothing got worse",
        "wrong usage or input, or something can't be compared",
    ),
    "report": _Manual("report", {4: "the file can't be written"}),
    "figures": _Manual("robustness"),
    "predictions": _Manual("without-a-plugin"),
    "check": _Manual(
        "checking",
        {1: "a component does not conform"},
        "all that was checked conforms",
        "wrong usage, or a component that was named is not ready",
    ),
    "cloak": _Manual("cloaking"),
    "landmarks": _Manual("video", {3: "a video could not be read, or was cut short"}),
    "analyze": _Manual(
        "analyzing", {3: "a file could not be read, or not all of it", 4: _STOPPED, 130: _GOES_ON}
    ),
    "speech": _Manual("speech", {3: "a part of the video could not be read"}),
    "live": _Manual("live", {3: "the camera or the file failed"}),
    "dashboard": _Manual("dashboard"),
    "audit": _Manual("auditing", {1: "a check failed"}, "no check failed"),
    "weights": _Manual("weights"),
    "weights list": _Manual("weights"),
    "weights fetch": _Manual(
        "weights", {3: "a file could not be fetched", 4: _STOPPED, 130: _GOES_ON}
    ),
    "weights verify": _Manual(
        "weights",
        {1: "a file is damaged or can't be read, or one that was named is missing"},
        "all are right",
    ),
    "train": _Manual("training", {4: _STOPPED, 130: "interrupted; --resume goes on"}),
    "data": _Manual("datasets"),
    "new": _Manual("plugins"),
    "new plugin": _Manual("plugins"),
    "doctor": _Manual("cli", {1: "something that is installed does not work"}),
    "clean": _Manual("results"),
    "completion": _Manual("cli"),
}


def dress(command: click.Command, words: str) -> click.Command:
    """Give a command, and those below it, what its help lacks.

    Args:
        command: which; changed, and returned.
        words: by which it is called, such as `weights list`.
    """
    manual = MANUALS.get(words) or MANUALS[words.partition(" ")[0]]
    command.epilog = _epilog(manual, words)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            dress(below, f"{words} {name}")
    elif sum(isinstance(param, click.Option) for param in command.params) > _MANY:
        command.format_options = partial(_grouped, command)  # type: ignore[method-assign]
    return command


def _epilog(manual: _Manual, words: str) -> str:
    codes = {0: manual.done, 2: manual.wrong, **manual.codes}
    lines = (f"  {code:<3}  {codes[code]}" for code in sorted(codes))
    pages = dict.fromkeys((f"docs/{manual.page}.md", "docs/cli.md"))
    docs = f"Documentation of fxbench {words}:\n  {', '.join(pages)}"
    return "\n".join(("\b", "Exit codes:", *lines, "", "\b", docs))


def _grouped(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The options of a command under the headings of their groups; others stand first."""
    sections: dict[str, list[Any]] = {"Options": [], **{title: [] for title, _ in _GROUPS}}
    of = {name: title for title, names in _GROUPS for name in names}
    own = {param.name for param in command.params}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if record is None:
            continue
        title = "Output" if "--help" in param.opts else of.get(str(param.name), "Options")
        if param.name == "name" and "model" not in own:
            title = "Options"
        sections[title].append(record)
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
