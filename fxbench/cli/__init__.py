"""The command line. Each command is a module of its own, imported when it is called."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

import click

from fxbench import __version__
from fxbench.cli.manual import dress
from fxbench.cli.options import INTERRUPTED
from fxbench.errors import FxbenchError
from fxbench.names import unknown_name

_COMMANDS = {
    "list": ("listing", "List the components that are installed, and what each one lacks."),
    "show": ("show", "Show all about a component or a plugin."),
    "run": ("run", "Evaluate every combination and print the tables."),
    "score": ("score", "Score a csv of predictions beside the floor and other classifiers."),
    "tables": ("tables", "Print the accuracy, robustness and latency tables of a run."),
    "leaderboard": ("leaderboard", "Print the leaderboard of a run."),
    "reproduce": ("reproduce", "Run the plan of a run again and say what differs."),
    "merge": ("merge", "Merge runs of several machines into one leaderboard."),
    "cite": ("cite", "Print how a paper cites a run, as BibTeX."),
    "compare": ("compare", "Say cell by cell whether a run is better or worse than another."),
    "baseline": ("baseline", "Write a run as a baseline, to gate later runs by."),
    "gate": ("gate", "Fail when a run got worse than a baseline."),
    "report": ("report", "Write what a run has as one HTML page."),
    "figures": ("figures", "Draw what attacks and corruptions did in a run."),
    "predictions": ("predictions", "Export what a classifier of a run answered, as a csv."),
    "check": ("check", "Try whether components conform, and show what does not."),
    "cloak": ("cloak", "Change a photo a little, so that classifiers misread its faces."),
    "analyze": ("analyze", "Say what faces in photos and videos are labelled as, and show it."),
    "landmarks": ("landmarks", "Measure how faces move in videos, from landmarks."),
    "speech": ("speech", "Write down what is said in a video, and what its words express."),
    "live": ("live", "Show a camera with what classifiers label its faces as."),
    "dashboard": ("dashboard", "Compare, analyse, attack and look live, in the browser."),
    "audit": ("audit", "Look for mistakes: label order, input, calibration, leakage and more."),
    "weights": ("weights", "List weight files, fetch them, and see whether they are right."),
    "train": ("train", "Train the network of a classifier."),
    "data": ("data", "Make the files of a dataset from another dataset."),
    "new": ("new", "Write a plugin to begin with."),
    "doctor": ("doctor", "Say what is installed, what is missing, and what mends it."),
    "clean": ("clean", "Show what the cache takes, and free it."),
    "completion": ("completion", "Print the script that completes words in a shell."),
}
_KEEPING = (["analyze"], ["run"], ["reproduce"], ["score"], ["train"], ["data"])
_BUG = 70
_COMPLETING = "_FXBENCH_COMPLETE"
"""A shell sets this where it wants the words that could go on."""

EXIT_CODES = """\b
Exit codes:
  0    done
  1    the answer is no
  2    wrong usage or input
  3    finished, but some cells or images failed
  4    stopped, and can be resumed (a full disk)
  130  interrupted
  70   a mistake in fxbench itself"""


class _Commands(click.Group):
    """A group that knows its commands by name and summary, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"fxbench.cli.{_COMMANDS[name][0]}")
        command = dress(module.command, name)
        if _COMPLETING in os.environ:
            from fxbench.cli.completing import attach

            attach(command)
        return command

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem[str]]:
        """The commands, without importing them to ask for their summaries."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=summary)
            for name, (_, summary) in _COMMANDS.items()
            if name.startswith(incomplete)
        ] + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(unknown_name("command", args[0], _COMMANDS), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(
    cls=_Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", prog_name="fxbench")
@click.option("--debug", is_flag=True, help="Show tracebacks and what the library logs.")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:
    """Benchmark facial expression recognition: accuracy, robustness and latency.

    \b
    Examples:
      fxbench list
      fxbench run --set ferplus.path=~/data/ferplus --split valid
      fxbench run --classifiers emopy,deepface --attacks none,fgsm
      fxbench leaderboard --format md
    """
    ctx.obj = {"debug": debug}
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger("fxbench").setLevel(logging.DEBUG)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; no traceback is shown without --debug."""
    if _COMPLETING in os.environ:
        from fxbench.cli.completing import answer

        sys.exit(answer(cli))
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        code: Any = cli.main(given, prog_name="fxbench", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        goes_on = " The same command goes on where it stopped." if _keeps(given) else ""
        _say(f"Interrupted.{goes_on}")
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FxbenchError as error:
        if debug:
            raise
        _say(f"Error: {error}")
        sys.exit(error.exit_code)
    except SystemExit as end:
        # No command ends so. click and rich do, with 1, when whoever read the output (`| head`)
        # has had enough: that is no failure, and 1 means that the answer is no.
        sys.exit(0 if end.code == 1 else end.code)
    except Exception as error:
        if debug:
            raise
        _say(
            f"Error: fxbench failed unexpectedly ({type(error).__name__}: {error}). Run it as "
            "`fxbench --debug …` to see where, and please report it."
        )
        sys.exit(_BUG)
    sys.exit(code if isinstance(code, int) else 0)


def _keeps(arguments: list[str]) -> bool:
    """Whether the command keeps what it has done so far."""
    words = [word for word in arguments if not word.startswith("-")]
    return words[:2] == ["weights", "fetch"] or words[:1] in _KEEPING


def _say(text: str) -> None:
    click.echo(text, err=True)
