"""`fxbench audit`."""

from __future__ import annotations

import json
import os
import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fxbench.cli.model import model_options, refuse_without_model
from fxbench.cli.options import settings_option, threads_option
from fxbench.cli.values import Names, Whole
from fxbench.errors import UsageError
from fxbench.names import unknown_name

if TYPE_CHECKING:
    from rich.console import Console

    from fxbench.audit.auditor import Auditor, Picture, Subject
    from fxbench.audit.findings import Audit
    from fxbench.loader import Loader
    from fxbench.options import Options
    from fxbench.registry import Entry, Registry
    from fxbench.selection import Selection
    from fxbench.sources import Source

_COLOURS = {"pass": "green", "fail": "bold red", "warn": "bold yellow", "undetermined": "dim"}


@dataclass(frozen=True, slots=True)
class _Model:
    """What the options say of a model file."""

    path: Path
    labels: str | None
    input: str | None
    name: str | None


@click.command("audit")
@click.argument("subject", required=False)
@model_options
@click.option("--datasets", type=Names(), help="Datasets; by default all that are ready.")
@click.option("--split", help="The split of each dataset; by default test, else valid.")
@click.option("--protocol", help="Which images count and what is right; see docs/datasets.md.")
@click.option("--limit", type=Whole(min=1), help="At most so many images, evenly spaced.")
@click.option("--checks", type=Names(), help="Only these checks; by default all.")
@settings_option
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    help="Draw reliability diagrams and confusion matrices into this folder.",
)
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all numbers.")
def command(
    *,
    subject: str | None,
    model: Path | None,
    labels: str | None,
    input_: str | None,
    name: str | None,
    datasets: tuple[str, ...] | None,
    split: str | None,
    protocol: str | None,
    limit: int | None,
    checks: tuple[str, ...] | None,
    settings: tuple[str, ...],
    plots: Path | None,
    threads: int | None,
    as_json: bool,
) -> int:
    """Look for the usual mistakes: label order, input, batches, chance, calibration, leakage.

    SUBJECT is a classifier, or a dataset, of which leakage between its splits is checked. A model
    file is audited with --model instead; where --labels or --input is left out, the audit finds it.
    The exit code is 1 where a check failed. docs/auditing.md explains each.

    \b
    Examples:
      fxbench audit emopy --set ferplus.path=~/data/ferplus --split valid
      fxbench audit ferplus --set ferplus.path=~/data/ferplus
      fxbench audit --model my.h5 --datasets ferplus --plots diagrams
    """
    from fxbench import environment

    # Before NumPy is imported: its linear algebra reads the number of threads only then.
    environment.fix_threads(threads or environment.default_threads())

    from fxbench.chunks import default_folder
    from fxbench.cli.terminal import chatter_to, messages, output, status
    from fxbench.loader import Loader
    from fxbench.options import resolve
    from fxbench.registry import discover
    from fxbench.selection import Selection

    if (subject is None) == (model is None):
        raise UsageError(
            "Say what to audit: the name of a classifier or a dataset, or a file with --model "
            f"({'neither is' if subject is None else 'both are'} given)."
        )
    if model is None:
        refuse_without_model({"--labels": labels, "--input": input_, "--name": name})
    chosen = _checks(checks)
    if plots is not None:
        from fxbench.plots import figure

        figure(1, 1)  # What is missing is said at once, not after everything is computed.
    registry = discover()
    entry = None if subject is None else _entry(registry, subject)
    options = resolve((e.component for e in registry.entries), settings, os.environ, Path())
    debug = click.get_current_context().find_root().obj["debug"]
    quiet = nullcontext(messages()) if debug else chatter_to(default_folder() / "stderr.log")
    with quiet as console, status(console, "Loading …") as tell:
        from fxbench.audit.auditor import Auditor

        auditor = Auditor(chosen, limit, progress=tell)
        loader = Loader(options)
        if entry is not None and entry.kind.name == "dataset":
            if datasets or protocol or plots:
                raise UsageError(
                    f"{entry.name} is a dataset: of one, --split, --limit and --set can be given."
                )
            selection = Selection(datasets=(entry.name,), split=split)
            (source,) = _sources(registry, options, selection, loader)
            audit = auditor.dataset(source, split)
        else:
            selection = Selection(datasets=datasets, split=split, protocol=protocol, limit=limit)
            if entry is not None:
                _refuse(entry, options)
            sources = _sources(registry, options, selection, loader)
            audited = (
                _of_component(entry, loader)
                if entry is not None
                else _of_file(_Model(_known(model), labels, input_, name))
            )
            audit = auditor.classifier(audited, sources)
    drawn = [] if plots is None else _draw(auditor, audit.subject, plots)
    if as_json:
        click.echo(json.dumps(audit.record() | {"plots": [str(p) for p in drawn]}, indent=1))
    else:
        _print(output(), audit)
        for path in drawn:
            output().print(f"Drawn: {path}", markup=False, soft_wrap=True)
    return 0 if audit.ok else 1


def _known(model: Path | None) -> Path:
    assert model is not None
    return model


def _checks(named: tuple[str, ...] | None) -> tuple[str, ...]:
    from fxbench.audit.findings import CHECKS

    for check in named or ():
        if check not in (*CHECKS, "all"):
            raise UsageError(unknown_name("check", check, (*CHECKS, "all")))
    if named is None or "all" in named:
        return CHECKS
    return tuple(check for check in CHECKS if check in named)


def _entry(registry: Registry, name: str) -> Entry:
    """The classifier of that name, else the dataset.

    Raises:
        UsageError: there is neither.
    """
    named = [entry for entry in registry.entries if entry.name == name]
    for kind in ("classifier", "dataset"):
        for entry in named:
            if entry.kind.name == kind:
                return entry
    registry.refuse_retired("classifier", name)
    if named:
        raise UsageError(
            f"{name} is a {named[0].kind.name}: an audit is of a classifier or a dataset."
        )
    if Path(name).suffix and Path(name).is_file():
        raise UsageError(f"{name} is a file: name it with --model {name}")
    known = [e.name for e in registry.entries if e.kind.name in ("classifier", "dataset")]
    raise UsageError(
        unknown_name("classifier or dataset", name, known, "`fxbench list` shows all.")
    )


def _refuse(entry: Entry, options: Options) -> None:
    """Refuse a classifier that can't run here, or that sends images away.

    Raises:
        UnavailableError: it lacks something.
        UsageError: it sends images to a service.
    """
    from fxbench.availability import require

    require(entry, options)
    if entry.component.sends:
        raise UsageError(
            f"{entry.name} sends images to a service, once for each way to read them: audit a "
            "classifier that runs here."
        )


def _sources(
    registry: Registry, options: Options, selection: Selection, loader: Loader
) -> tuple[Source, ...]:
    """The images to audit on. Of datasets that nobody named, those that tell something."""
    from fxbench.audit.images import LEAST
    from fxbench.sources import datasets

    found = datasets(registry, options, selection, loader.get, [])
    if selection.datasets is not None and "all" not in selection.datasets:
        return found
    useful = tuple(source for source in found if (source.answers.labels >= 0).sum() >= LEAST)
    return useful or found


def _of_component(entry: Entry, loader: Loader) -> Subject:
    from fxbench.audit.auditor import Subject
    from fxbench.audit.readers import of_component

    classifier = loader.get(entry)
    return Subject(entry.name, tuple(classifier.labels), of_component(classifier), known=True)


def _of_file(given: _Model) -> Subject:
    """A model file, with what was said of it.

    Raises:
        UsageError: a text is wrong in itself.
        DataError: the file can't be used, or is not as was said.
        UnavailableError: the library that reads it is not installed.
    """
    from fxbench.audit.auditor import Subject
    from fxbench.audit.readers import of_file
    from fxbench.model_file import load, meanings_of, parse_input
    from fxbench.without_plugin import component_name, read

    labels = None if given.labels is None else meanings_of(given.labels)
    spec = None if given.input is None else parse_input(given.input)
    path = given.path.expanduser()
    read(path)
    name = component_name(path, given.name)
    return Subject(name, labels, of_file(load(path), labels, spec), known=spec is not None)


def _draw(auditor: Auditor, name: str, folder: Path) -> list[Path]:
    from fxbench import plots

    drawn = []
    for picture in auditor.pictures:
        title = f"{name} on {picture.on}"
        stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        if picture.points is not None:
            path = folder / f"{stem}-reliability.png"
            drawn.append(plots.reliability(picture.points, path, title))
        drawn.append(_confusion(picture, folder / f"{stem}-confusion.png", title))
    return drawn


def _confusion(picture: Picture, path: Path, title: str) -> Path:
    from fxbench import plots

    columns = [f"{place}: {name}" for place, name in enumerate(picture.outputs, 1)]
    return plots.confusion(picture.confusion, path, columns, title=title)


def _print(console: Console, audit: Audit) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text(audit.headline, "green" if audit.ok else "bold red"))
    on = None
    for finding in audit.findings:
        if finding.on and finding.on != on:
            on = finding.on
            console.print(Text(f"on {on}", "dim"))
        table = Table.grid(padding=(0, 2))
        table.add_column(width=14, no_wrap=True)
        table.add_column(width=11, no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(
            Text(f"  {finding.verdict}", _COLOURS[finding.verdict]), finding.check, finding.sentence
        )
        console.print(table)
        if finding.advice:
            # Not wrapped: what stands in it is there to be copied.
            line = Text(" " * 4 + "→ ").append(finding.advice, "cyan")
            console.print(line, soft_wrap=True)
    for note in audit.notes:
        console.print(f"Note: {note}", markup=False, soft_wrap=True)
