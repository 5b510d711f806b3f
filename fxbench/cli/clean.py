"""`fxbench clean`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal

from fxbench.cli.options import results_option
from fxbench.errors import UsageError

if TYPE_CHECKING:
    from fxbench.cloud.answers import Holding


@click.command("clean")
@click.option(
    "--unused", is_flag=True, help="Free what no run in the results folder was made from."
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Free all that can be computed again; runs keep their tables.",
)
@click.option(
    "--answers",
    is_flag=True,
    help="Free what cloud services answered. Asking them again costs money; the others keep it.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the numbers.")
@results_option
def command(
    *, unused: bool, everything: bool, answers: bool, yes: bool, as_json: bool, results: Path
) -> None:
    """Show what the cache takes, and free it. Runs keep their tables either way.

    What is freed is computed again when a run needs it. What cloud services answered was paid for,
    and goes only with --answers. FXBENCH_CACHE moves the cache.

    \b
    Examples:
      fxbench clean
      fxbench clean --unused
      fxbench clean --all --yes
      fxbench clean --answers
    """
    from fxbench.cache import contents, free, free_answers, users
    from fxbench.chunks import Chunks, default_folder
    from fxbench.cloud import answers as kept

    chunks = Chunks(default_folder())
    store = kept.AnswerStore(kept.default_folder())
    holding = store.holding()
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
        "answers": holding.answers,
        "answers_bytes": holding.bytes,
        "answers_open": holding.open,
    }
    if not as_json:
        click.echo(f"{chunks.folder}: {before.total.chunks} chunks, {decimal(before.total.bytes)}")
        click.echo(
            f"  {decimal(before.used.bytes)} of it from the runs in {results}, "
            f"{decimal(before.leftovers.bytes)} left by processes that were killed"
        )
        if holding.bytes:
            _show_answers(store.folder, holding)
    if everything or unused or answers:
        if unused:
            _refuse_unsure(runs.unfinished, "is not finished", "Let it come to its end")
            _refuse_unsure(runs.unreadable, "can't be read", "Delete it")
        question = _question(unused=unused, everything=everything, answers=answers)
        if not yes and not sys.stdin.isatty():
            raise UsageError("Nobody is there to ask: give --yes.")
        if not yes and not click.confirm(question, err=True):
            click.echo("Nothing was freed.", err=True)
            return
        parts = []
        if everything or unused:
            parts.append(free(chunks, () if everything else runs.keys))
        if answers:
            parts.append(free_answers(store))
        record["freed_bytes"] = freed = sum(part.bytes for part in parts)
        if not as_json:
            click.echo(f"Freed {decimal(freed)} in {sum(part.chunks for part in parts)} files")
    if as_json:
        click.echo(json.dumps(record, indent=1))


def _show_answers(folder: Path, holding: Holding) -> None:
    of = ", ".join(f"{count} of {name}" for name, count in holding.by_service.items())
    click.echo(
        f"{folder}: {holding.answers} answers of cloud services, {decimal(holding.bytes)}"
        + (f" ({of})" if of else "")
    )
    click.echo("  They were paid for: --all leaves them, --answers frees them")
    if holding.open:
        click.echo(
            f"  {holding.open} images were sent, perhaps, by a process that ended before the answer"
        )


def _question(*, unused: bool, everything: bool, answers: bool) -> str:
    what = ["all that can be computed again"] * everything + ["what is not used"] * unused
    what += ["what cloud services answered, which costs money to ask again"] * answers
    return f"Free {' and '.join(what)}?"


def _refuse_unsure(names: tuple[str, ...], why: str, mend: str) -> None:
    """What a run uses must be known before the rest is freed."""
    if names:
        raise UsageError(
            f"The run {names[0]} {why}, so what it uses is not known. {mend}, or free everything "
            "with --all."
        )
