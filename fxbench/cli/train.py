"""`fxbench train`."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.cli.options import INTERRUPTED, settings_option, threads_option
from fxbench.cli.values import Whole

if TYPE_CHECKING:
    from rich.console import Console


class Field(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`FIELD=VALUE`."""

    name = "field"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two texts."""
        if isinstance(value, tuple):
            return value
        field, equals, text = str(value).partition("=")
        if not equals or not field.strip() or not text.strip():
            self.fail(
                f"{value!r} is no field of a recipe with its value, such as peak=1e-3.", param, ctx
            )
        return field.strip(), text.strip()


@click.command("train")
@click.argument("name")
@click.option("--dataset", help="What to train on; by default the one whose files were pointed at.")
@click.option("--split", default="train", show_default=True, help="The split to train on.")
@click.option(
    "--valid", default="valid", show_default=True, help="The split that chooses the best epoch."
)
@click.option("--epochs", type=Whole(min=1), help="Passes over the training images.")
@click.option("--seed", type=Whole(min=0), help="Of everything that is drawn at random.")
@click.option(
    "--recipe",
    "fields",
    type=Field(),
    multiple=True,
    metavar="FIELD=VALUE",
    help="Another value for a field of the recipe; may be given again.",
)
@click.option(
    "--leave-out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A csv with a column `image`: training images that are not to be used.",
)
@click.option("--teacher", help="A classifier whose answers become a part of the targets.")
@settings_option
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Where to write; by default trained/NAME.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint that is there.")
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the record of the training.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    name: str,
    dataset: str | None,
    split: str,
    valid: str,
    epochs: int | None,
    seed: int | None,
    fields: tuple[tuple[str, str], ...],
    leave_out: Path | None,
    teacher: str | None,
    settings: tuple[str, ...],
    folder: Path | None,
    resume: bool,
    threads: int | None,
    as_json: bool,
) -> int:
    """Train the network of the classifier NAME, and write its weights, log, curves and card.

    After every epoch the best weights so far and a checkpoint are in the folder: Ctrl-C loses one
    epoch at most, and --resume goes on. `fxbench list --kind trainer` shows what can be trained.

    \b
    Examples:
      fxbench train emopy --set ferplus.path=~/data/ferplus
      fxbench train emopy --set ferplus.path=~/data/ferplus --seed 2 -o trained/emopy-2
      fxbench train emopy --set ferplus.path=~/data/ferplus --resume
      fxbench train mobilenetv2 --set ferplus.path=~/data/ferplus --recipe peak=5e-4
    """
    from fxbench import environment

    environment.fix_threads(threads or environment.default_threads())

    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages
    from fxbench.training import session

    given = dict(fields)
    for field, value in (("epochs", epochs), ("seed", seed)):
        if value is not None:
            given[field] = str(value)
    request = session.Request(
        name,
        dataset=dataset,
        train=split,
        valid=valid,
        recipe=given,
        leave_out=leave_out,
        teacher=teacher,
        folder=folder or Path("trained") / name,
        resume=resume,
        command=_repeated(ctx, name),
    )
    debug = ctx.find_root().obj["debug"]
    quiet = nullcontext(messages()) if debug else chatter_to(default_folder() / "stderr.log")
    with quiet as console, Progress(console) as progress:
        try:
            prepared = session.prepare(request, settings, report=progress.says)
            record = session.train(prepared, progress.watcher(prepared.recipe))
        except KeyboardInterrupt:
            progress.stop()
            if not (request.folder / "checkpoint.npz").is_file():
                raise
            console.print(
                f"Interrupted: the best weights so far are in {request.folder}. The same command "
                "with --resume goes on.",
                markup=False,
                soft_wrap=True,
            )
            return INTERRUPTED
    _print(record, request.folder, as_json=as_json)
    return 0


def _repeated(ctx: click.Context, name: str) -> str:
    """The command as a person would give it again: what was given, without where it lies here."""
    words = ["fxbench", "train", name]
    for param in ctx.command.params:
        value = ctx.params.get(str(param.name))
        source = ctx.get_parameter_source(str(param.name))
        if (
            not isinstance(param, click.Option)
            or source is not click.core.ParameterSource.COMMANDLINE
            or param.name in ("folder", "resume", "as_json", "threads")
        ):
            continue
        flag = max(param.opts, key=len)
        several: tuple[Any, ...] = tuple(value or ()) if param.multiple else (value,)
        for one in several:
            if param.name == "settings":
                target, _, text = str(one).partition("=")
                shown = f"{target}=…" if "/" in text or "~" in text else str(one)
            elif isinstance(one, tuple):
                shown = "=".join(one)
            else:
                shown = one.name if isinstance(one, Path) else str(one)
            words += [flag, shlex.quote(shown) if "…" not in shown else shown]
    return " ".join(words)


class Progress:
    """A bar on a terminal, a line for each epoch elsewhere."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        from fxbench.cli.terminal import is_live

        self._console = console
        self._bars: Any = None
        self._task: Any = None
        self._total = 0
        self._spoke = time.monotonic()
        if is_live(console):
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bars.add_task("beginning", total=None)
            self._bars.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()

    def says(self, text: str) -> None:
        """What is being done before the training begins."""
        if self._bars is None:
            self._console.print(text, markup=False)
        else:
            self._bars.update(self._task, description=text)

    def watcher(self, recipe: Any) -> Any:
        """Whom the trainer tells."""
        from fxbench.training.contract import Watcher

        self._total = recipe.epochs
        return Watcher(self._step, self._epoch)

    def _step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        if self._bars is None:
            return
        self._bars.update(
            self._task,
            total=self._total * steps,
            completed=(epoch - 1) * steps + step,
            description=f"epoch {epoch} of {self._total}, loss {loss:.3f}",
        )

    def _epoch(self, record: dict[str, Any]) -> None:
        left = (self._total - record["epoch"]) * record["seconds"]
        robust = ""
        if "valid_robust_accuracy" in record:
            robust = f" ({record['valid_robust_accuracy']:.2%} under attack)"
        self._console.print(
            f"epoch {record['epoch']:3} of {self._total}: loss {record['loss']:.4f}, validation "
            f"loss {record['valid_loss']:.4f}, accuracy {record['valid_accuracy']:.2%}{robust}, "
            f"{record['seconds']:.0f} s, about {left / 60:.0f} min left",
            markup=False,
            soft_wrap=True,
        )


def _print(record: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    from fxbench.cli.terminal import hint, output

    if as_json:
        click.echo(json.dumps(record, indent=1))
        return
    accuracy, images = record["all"]["accuracy"], record["all"]["images"]
    console = output()
    console.print(
        f"{record['name']}: {accuracy['value']:.2%} [{accuracy['low']:.2%}, "
        f"{accuracy['high']:.2%}] on {record['on']}, {images:,} images, after epoch "
        f"{record['best_epoch']}, the best of {record['epochs']}.",
        markup=False,
    )
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    console.print(f"In {folder}: {', '.join(names)}", markup=False)
    model = next((folder / name for name in names if name.endswith(".onnx")), None)
    if model is not None:
        hint(f"look for mistakes: fxbench audit --model {shlex.quote(str(model))}")
