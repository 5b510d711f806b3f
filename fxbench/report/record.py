"""Where a run comes from, on what machine it was made, and how to make it again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fxbench.citing import bibliography
from fxbench.pages.tables import folded
from fxbench.report.section import Cell, Section, section, shown
from fxbench.service_table import service_table
from fxbench.tabular import Column, Table, format_epsilon

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.tabular import Row

Run = Mapping[str, Any]

_OPTIONS = {
    "datasets": "datasets",
    "split": "split",
    "protocol": "protocol",
    "detectors": "detectors",
    "landmarkers": "landmarkers",
    "classifiers": "classifiers",
    "attacks": "attacks",
    "epsilons": "epsilons",
    "surrogates": "surrogates",
    "targets": "targets",
    "target_labels": "target-labels",
    "corruptions": "corruptions",
    "severities": "severities",
    "aligns": "align",
    "spotters": "spotters",
    "every": "detect-every",
    "smoothing": "smoothing",
    "fps": "fps",
    "limit": "limit",
}
"""The option of `fxbench run` for each field of a selection."""
_PLACE = re.compile(r"^(~|[/\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]*://)")
"""A path or an address: where things lie on one machine says nothing on another."""
_WHERE = "PATH"
_UNREADABLE = 100
"""So many images that could not be read are listed."""


def sections(cells: Sequence[Cell], run: Run, suite: str | None = None) -> list[Section]:
    """Services, provenance, environment, how to reproduce and cite."""
    return [
        *section("services", "Cloud services", shown(service_table(run, cells))),
        *section(
            "provenance",
            "Where it comes from",
            shown(_datasets(run), sorts=False),
            shown(_weights(run), sorts=False),
            _fold(_components(run), "The code of each component, as a hash"),
            _fold(_options(run), "Options"),
            _fold(_unreadable(run), "Images that could not be read"),
            _fold(_exclusions(run), "Combinations that were left out, and why"),
            lead="What is the same here and in another run was the same: hashes are of the images "
            "with their labels, of weight files, and of code with its versions and options.",
        ),
        *section(
            "environment",
            "Machine and versions",
            shown(_environment(run), sorts=False),
            _fold(_packages(run), "Installed packages"),
        ),
        *section("reproduce", "How to make it again", *_reproduce(run, suite)),
        *section(
            "cite", "How to cite it", _code(bibliography(run, suite)) if run.get("id") else None
        ),
    ]


def _fold(made: Table, summary: str) -> Markup | None:
    return folded(made, f"{summary} ({len(made.rows):,})") if made.rows else None


def _code(text: str) -> Markup:
    from markupsafe import Markup

    return Markup('<pre tabindex="0"><code>{}</code></pre>').format(text.rstrip())


def _datasets(run: Run) -> Table:
    rows: list[Row] = []
    for name, record in (run.get("datasets") or {}).items():
        place = f"{name} {record.get('split')} ({record.get('protocol')})"
        images = (run.get("images") or {}).get(place) or {}
        terms = record.get("terms") or {}
        rows.append(
            {
                "dataset": name,
                "split": record.get("split"),
                "protocol": record.get("protocol"),
                "images": images.get("selected"),
                "unreadable": len(images.get("unreadable") or ()) or None,
                "fingerprint": record.get("fingerprint"),
                "note": record.get("note") or None,
                "licence": terms.get("licence"),
            }
        )
    columns = (
        Column("dataset", "dataset"),
        Column("split", "split"),
        Column("protocol", "protocol"),
        Column("images", "images", "count"),
        Column("unreadable", "unreadable", "count", show="any"),
        Column("note", "note", show="any"),
        Column("licence", "licence", show="any"),
        Column("fingerprint", "fingerprint"),
    )
    return Table("Datasets", columns, tuple(rows))


def _weights(run: Run) -> Table:
    rows = tuple(
        {"component": name, "file": file, "state": record.get("state"), "sha256": record["sha256"]}
        for name, files in (run.get("weights") or {}).items()
        for file, record in files.items()
    )
    columns = (
        Column("component", "component"),
        Column("file", "file"),
        Column("state", "state"),
        Column("sha256", "sha256"),
    )
    return Table("Weight files", columns, rows)


def _components(run: Run) -> Table:
    return _pairs("Components", "component", "hash", (run.get("components") or {}).items())


def _options(run: Run) -> Table:
    rows: list[Row] = []
    for component, record in (run.get("options") or {}).items():
        for how in ("given", "defaulted"):
            rows += [
                {"component": component, "option": option, "value": _placeless(value), "how": how}
                for option, value in (record.get(how) or {}).items()
            ]
    columns = (
        Column("component", "component"),
        Column("option", "option"),
        Column("value", "value"),
        Column("how", "how"),
    )
    note = f"{_WHERE}: a path or an address of the machine, which is left out here."
    return Table("Options", columns, tuple(rows), (note,))


def _placeless(value: Any) -> str:
    text = str(value)
    return _WHERE if _PLACE.match(text) else text


def _unreadable(run: Run) -> Table:
    rows = tuple(
        {"place": place, "image": image.get("id"), "reason": image.get("reason")}
        for place, record in (run.get("images") or {}).items()
        for image in (record.get("unreadable") or ())
        if isinstance(image, Mapping)
    )
    columns = (Column("place", "data"), Column("image", "image"), Column("reason", "reason"))
    return Table("Unreadable", columns, rows[:_UNREADABLE])


def _exclusions(run: Run) -> Table:
    rows = []
    for record in run["plan"].get("exclusions") or ():
        axes = record.get("axes") or {}
        reason = record.get("reason") or {}
        what = ", ".join(f"{axis} {value}" for axis, value in axes.items())
        count = record.get("cells")
        rows.append({"what": what, "cells": count, "why": reason.get("message")})
    columns = (
        Column("what", "combination"),
        Column("cells", "cells", "count", show="any"),
        Column("why", "why"),
    )
    return Table("Left out", columns, tuple(rows))


def _environment(run: Run) -> Table:
    record = run.get("environment") or {}
    memory, git = record.get("memory_bytes"), record.get("git") or {}
    modified = ", with changes that are not committed" if git.get("modified") else ""
    workers = run.get("workers") or {}
    machines = [
        f"{machine.get('workers')} on {machine.get('cpu')}"
        for machine in workers.get("machines") or ()
    ]
    values = {
        "fxbench": record.get("fxbench"),
        "Python": record.get("python"),
        "platform": record.get("platform"),
        "processor": record.get("cpu"),
        "cores": record.get("cores"),
        "memory": f"{memory / 1e9:.1f} GB" if memory else None,
        "threads of the libraries": record.get("threads"),
        "workers": "; ".join(machines) or None,
        "git revision of the folder": f"{git['revision']}{modified}" if git else None,
        "begun": run.get("created"),
        "finished": run.get("finished"),
    }
    there = [(name, value) for name, value in values.items() if value is not None]
    return _pairs("The machine", "what", "value", there)


def _packages(run: Run) -> Table:
    packages = (run.get("environment") or {}).get("packages") or {}
    return _pairs("Packages", "package", "version", packages.items())


def _pairs(title: str, first: str, second: str, pairs: Any) -> Table:
    rows = tuple({"name": name, "value": str(value)} for name, value in pairs)
    return Table(title, (Column("name", first), Column("value", second)), rows)


def _reproduce(run: Run, suite: str | None) -> Iterator[Markup]:
    from markupsafe import Markup

    version = (run.get("environment") or {}).get("fxbench")
    recipe = run.get("recipe")
    if run.get("merged"):
        names = ", ".join(str(part.get("id")) for part in run["merged"])
        yield Markup(
            "<p>It was merged of the runs {}, each of which can be made again.</p>"
        ).format(names)
        return
    if recipe is None:
        yield Markup(
            "<p>It holds what was given by hand, or an earlier version made it, so that no recipe "
            "is kept.</p>"
        )
        return
    install = f"pip install 'fxbench=={version}'\n" if version else ""
    yield Markup("<p>With the run's folder, which also says what differs:</p>")
    yield _code(f"{install}fxbench reproduce {shlex.quote(str(run['id']))}")
    yield Markup("<p>Without it:</p>")
    command = _suite_command(recipe, suite) if suite else command_of(recipe)
    yield _code(f"{install}{command}")
    if _WHERE in command:
        yield Markup("<p>{} stands for where things lie on your machine.</p>").format(_WHERE)


def _suite_command(recipe: Mapping[str, Any], suite: str) -> str:
    """A suite says all but where things lie."""
    places = [_set(setting) for setting in recipe.get("settings") or ()]
    kept = (part for part in places if part.endswith(f"={_WHERE}"))
    return " \\\n  ".join([f"fxbench run --suite {shlex.quote(suite)}", *kept])


def _set(setting: str) -> str:
    name, _, value = setting.partition("=")
    return f"--set {shlex.quote(f'{name}={_placeless(value)}')}"


def command_of(recipe: Mapping[str, Any]) -> str:
    """The command that follows a recipe, without the places of the machine that it was made on.

    Args:
        recipe: as `run.json` has it.
    """
    parts = ["fxbench run"]
    for field, value in (recipe.get("selection") or {}).items():
        if value is not None and field in _OPTIONS:
            parts.append(f"--{_OPTIONS[field]} {shlex.quote(_text(field, value))}")
    parts += map(_set, recipe.get("settings") or ())
    model = recipe.get("model") or {}
    if model:
        parts.append(f"--model {_WHERE}")
        parts += [
            f"--{name} {shlex.quote(str(model[name]))}"
            for name in ("labels", "input", "name")
            if model.get(name)
        ]
    return " \\\n  ".join(parts)


def _text(field: str, value: Any) -> str:
    values = value if isinstance(value, list | tuple) else [value]
    if field == "epsilons":
        return ",".join(map(_budget, values))
    return ",".join(_number(one) if isinstance(one, float) else str(one) for one in values)


def _budget(epsilon: float) -> str:
    """As people write it, if that is the same number."""
    text = format_epsilon(epsilon)
    steps, _, of = text.partition("/")
    return text if float(steps) / float(of or 1) == epsilon else _number(epsilon)


def _number(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
