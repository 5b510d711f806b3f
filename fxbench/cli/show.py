"""`fxbench show`."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from fxbench.availability import availability
from fxbench.component import Weights
from fxbench.download.addresses import shown as shown_url
from fxbench.errors import UsageError
from fxbench.names import unknown_name
from fxbench.options import Options, plain, resolve, shown
from fxbench.registry import Entry, Plugin, RetiredEntry, discover
from fxbench.weights import inspect


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of objects.")
def command(*, name: str, as_json: bool) -> None:
    """Show all about a component or a plugin: options, weights, licence, what it lacks.

    \b
    Examples:
      fxbench show emopy
      fxbench show ferplus --json
    """
    registry = discover()
    components = (entry.component for entry in registry.entries)
    options = resolve(components, (), os.environ, Path(), lenient=True)
    entries = [entry for entry in registry.entries if entry.name == name]
    plugins = [plugin for plugin in registry.plugins if plugin.name == name]
    if not entries:
        entries = [entry for entry in registry.entries if entry.plugin.name == name]
    retired = [gone for gone in registry.retired if name in (gone.retired.name, gone.plugin.name)]
    if not entries and not plugins and not retired:
        known = [e.name for e in registry.entries] + [p.name for p in registry.plugins]
        raise UsageError(
            unknown_name("component or plugin", name, known, "`fxbench list` shows all.")
        )
    records = [_component(entry, options) for entry in entries]
    records += [_retired(gone) for gone in retired]
    records += [_plugin(plugin) for plugin in plugins if plugin.problems or not records]
    if as_json:
        click.echo(json.dumps(records, indent=1))
        return
    for record in records:
        _print(record)


def _plugin(plugin: Plugin) -> dict[str, Any]:
    return {
        "kind": "plugin",
        "name": plugin.name,
        "module": plugin.module,
        "distribution": f"{plugin.distribution} {plugin.version}",
        "state": plugin.state,
        "problems": list(plugin.problems),
    }


def _retired(gone: RetiredEntry) -> dict[str, Any]:
    return {
        "kind": gone.kind.name,
        "name": gone.retired.name,
        "state": "retired",
        "detail": gone.retired.reason,
        "plugin": gone.plugin.name,
        "distribution": f"{gone.plugin.distribution} {gone.plugin.version}",
    }


def _component(entry: Entry, options: Options) -> dict[str, Any]:
    component = entry.component
    state = availability(entry, options)
    values = options.of(component)
    record: dict[str, Any] = {
        "kind": entry.kind.name,
        "name": component.name,
        "summary": component.summary,
        "state": state.state,
        "detail": state.detail,
        "mend": state.mend,
        "plugin": entry.plugin.name,
        "distribution": f"{entry.plugin.distribution} {entry.plugin.version}",
        "extra": component.extra,
        "requires": list(component.requires),
        "traits": sorted(component.traits),
        "licence": component.licence,
        "price_usd_per_call": component.price,
        "sends_to_a_service": component.sends,
        "what_is_sent": component.sends_what,
        "options": [
            {
                "name": option.name,
                "set_as": f"{component.owner}.{option.name}",
                "type": option.type,
                "default": plain(option.default),
                "value": shown(option.name, values[option.name]),
                "required": option.required,
                "choices": list(option.choices),
                "affects_results": option.affects_results,
                "help": option.help,
            }
            for option in component.options
        ],
        "weights": [_weights(weights) for weights in component.weights],
    }
    if component.terms is not None:
        record["terms"] = {
            "licence": component.terms.licence,
            "may_redistribute": component.terms.may_redistribute,
            "may_show": component.terms.may_show,
            "may_send_to_cloud": component.terms.may_send_to_cloud,
        }
    return record


def _weights(weights: Weights) -> dict[str, Any]:
    found = inspect(weights)
    return {
        "name": weights.name,
        "state": found.state,
        "path": "" if found.path is None else str(found.path),
        "why": found.why if found.state != "missing" else "",
        "sha256": weights.sha256,
        "source": weights.source,
        "url": None if weights.url is None else shown_url(weights.url),
        "licence": weights.licence,
        "mend": weights.mend,
    }


def _print(record: dict[str, Any]) -> None:
    from rich.text import Text

    from fxbench.cli.terminal import output

    console = output()
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else None
    console.print(Text(f"{record['kind']} {record['name']}", "bold"), soft_wrap=True)
    for indent, line in _lines(record):
        if width is None or line.startswith(("mend:", "url:")):
            click.echo(" " * indent + line)
            continue
        # A word that is too long, such as a path, is there to be copied.
        lines = textwrap.wrap(
            line,
            max(1, width),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        click.echo("\n".join(lines))
    click.echo()


def _lines(record: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """What a record says: lines, each with how far it is indented."""
    for key, value in record.items():
        if key in ("kind", "name") or value in (None, "", [], False):
            continue
        label = key.replace("_", " ")
        if key == "options":
            yield 0, "options:"
            for option in value:
                default = "required" if option["required"] else f"default {option['default']!r}"
                kind = "|".join(option["choices"]) or option["type"]
                yield 2, f"{option['set_as']} ({kind}, {default})"
                yield 6, option["help"]
                if option["value"] != option["default"]:
                    yield 6, f"now {option['value']!r}"
        elif key in ("weights", "terms"):
            yield 0, f"{label}:"
            for item in value if isinstance(value, list) else [value]:
                for name, text in item.items():
                    if text not in (None, ""):
                        yield 2, f"{name.replace('_', ' ')}: {text}"
        elif isinstance(value, list):
            yield 0, f"{label}: {', '.join(map(str, value))}"
        else:
            yield 0, f"{label}: {value}"
