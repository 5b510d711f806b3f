"""`fxbench clean`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from fxbench.cli.options import results_option
from fxbench.errors import UsageError


@click.command("clean")
@click.option(
    "--unused", is_flag=True, help="Free what no run in the results folder was made from."
)
@click.option("--all", "everything", is_flag=True, help="Free all of it; runs keep their tables.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="An object, for programs.")
@results_option
def command(*, unused: bool, everything: bool, yes: bool, as_json: bool, results: Path) -> None:
    """Show what the cache takes, and free it. Runs keep their tables either way.

    What is freed is computed again when a run needs it. FXBENCH_CACHE moves the cache.

    \b
    Examples:
      fxbench clean
      fxbench clean --unused
      fxbench clean --all --yes
    """
    from fxbench.cache import contents, free, users
    from fxbench.chunks import Chunks, default_folder

    chunks = Chunks(default_folder())
    if unused and everything:
        raise UsageError("--unused and --all are two things: give one of them.")
    runs = users(results)
    before = contents(chunks, runs.keys)
    record = {
        "folder": str(chunks.folder),
        "chunks": before.total.chunks,
        "bytes": before.total.bytes,
        "used_bytes": before.used.bytes,
        "leftover_bytes": before.leftovers.bytes,
    }
    if not as_json:
        click.echo(f"{chunks.folder}: {before.total.chunks} chunks, {_size(before.total.bytes)}")
        click.echo(
            f"  {_size(before.used.bytes)} of it from the runs in {results}, "
            f"{_size(before.leftovers.bytes)} left by processes that were killed"
        )
    if everything or unused:
        if not everything:
            _refuse_unsure(runs.unfinished, "is not finished", "Let it come to its end")
            _refuse_unsure(runs.unreadable, "can't be read", "Delete it")
        question = "Free it?" if everything else "Free what is not used?"
        if not yes and not sys.stdin.isatty():
            raise UsageError("Nobody is there to ask: give --yes.")
        if not yes and not click.confirm(question, err=True):
            click.echo("Nothing was freed.", err=True)
            return
        freed = free(chunks, () if everything else runs.keys)
        record["freed_bytes"] = freed.bytes
        if not as_json:
            click.echo(f"Freed {_size(freed.bytes)} in {freed.chunks} files")
    if as_json:
        click.echo(json.dumps(record, indent=1))


def _refuse_unsure(names: tuple[str, ...], why: str, mend: str) -> None:
    """What a run uses must be known before the rest is freed."""
    if names:
        raise UsageError(
            f"The run {names[0]} {why}, so what it uses is not known. {mend}, or free everything "
            "with --all."
        )


def _size(count: int) -> str:
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
