"""`--model`: a model file as one more classifier of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fxbench.errors import UsageError

if TYPE_CHECKING:
    from fxbench.model_file import ModelFile
    from fxbench.options import Options
    from fxbench.registry import Registry

_OPTIONS = (
    click.option(
        "--model",
        type=click.Path(path_type=Path, dir_okay=False),
        help="An ONNX or Keras file, as one more classifier.",
    ),
    click.option("--labels", help="Of --model: the emotion of each output; `none` for no emotion."),
    click.option(
        "--input",
        "input_",
        metavar="COLOUR,SIZE,LOW..HIGH",
        help="Of --model: what it takes, such as grey,64,0..1.",
    ),
    click.option("--name", help="Of --model: what tables call it; by default the file's name."),
)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that takes a model file."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def open_given(
    *, model: Path | None, labels: str | None, input_: str | None, name: str | None
) -> ModelFile | None:
    """The model that the options name, None where they name none.

    Raises:
        UsageError: options of a model without a model, or a model without what it needs.
        DataError: the model can't be used.
    """
    of_model = {"--labels": labels, "--input": input_, "--name": name}
    if model is None:
        refuse_without_model(of_model)
        return None
    if labels is None or input_ is None:
        lacking = " and ".join(o for o in ("--labels", "--input") if of_model[o] is None)
        raise UsageError(
            f"--model needs {lacking}: the emotions of its outputs, such as --labels "
            "neutral,happiness,none, and what it takes, such as --input grey,64,0..1."
        )
    from fxbench.model_file import open_model

    return open_model(model, labels, input_, name)


def refuse_without_model(of_model: dict[str, str | None]) -> None:
    """Refuse options that say something of a model where no model is named.

    Raises:
        UsageError: one is given.
    """
    given = [option for option, value in of_model.items() if value is not None]
    if given:
        raise UsageError(f"{given[0]} says something of a model: name its file with --model.")


def with_model(
    opened: ModelFile | None, classifiers: tuple[str, ...] | None
) -> tuple[Registry, tuple[str, ...] | None]:
    """What is installed and which classifiers are compared, with the model in both.

    Args:
        opened: the model, if there is one.
        classifiers: what `--classifiers` names; None for the default ones, of which it is one.

    Raises:
        UsageError: its name is taken.
    """
    from fxbench.registry import discover

    registry = discover()
    if opened is None:
        return registry, classifiers
    named = None if classifiers is None else (*classifiers, opened.entry.name)
    return registry.with_entry(opened.entry), named


def check_first(opened: ModelFile | None, options: Options) -> None:
    """Check the model with the conformance kit and tell what was found out about it.

    Raises:
        PluginError: it doesn't conform.
    """
    if opened is None:
        return
    from fxbench.cli.terminal import messages
    from fxbench.model_file import conforming

    for note in (*opened.notes, conforming(opened.entry.component, options)):
        messages().print(note, markup=False)
