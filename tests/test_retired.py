"""A plugin says why a component that people ask for can't be had."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fxbench.cli import main
from fxbench.errors import PluginError, UsageError
from fxbench.registry import Registry, discover
from fxbench.retired import Retired
from fxbench.selection import choose

SOURCE = """
import fxbench
from fxbench.component import Component
from fxbench.retired import Retired

@fxbench.hookimpl
def fxbench_classifiers():
    gone = Retired("old", "Its vendor gave it up in 2020. Take 'new'.")
    return [gone, Component("new", "N.", dict)]
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plugin_that_had_more.py").write_text(SOURCE)
    yield discover([EntryPoint("had", "plugin_that_had_more", "fxbench")])
    sys.modules.pop("plugin_that_had_more", None)


def test_who_asks_for_it_by_name_is_told_why(registry: Registry) -> None:
    from fxbench.options import resolve

    options = resolve([entry.component for entry in registry.entries], [])
    with pytest.raises(UsageError, match="no classifier 'old': Its vendor gave it up in 2020"):
        choose(registry, options, "classifier", ("old",), [])
    chosen = choose(registry, options, "classifier", ("all",), [])
    assert [one.entry.name for one in chosen] == ["new"]


def test_it_is_no_component_and_hurts_none(registry: Registry) -> None:
    assert [entry.name for entry in registry.entries] == ["new"]
    assert [plugin.state for plugin in registry.plugins] == ["ready"]
    with pytest.raises(UsageError, match="Unknown detector 'old'"):
        registry.get("detector", "old")


def test_a_component_of_that_name_counts(registry: Registry) -> None:
    from dataclasses import replace

    entry = next(registry.of_kind("classifier"))
    there = replace(entry, component=replace(entry.component, name="old"))
    more = registry.with_entry(there)
    assert more.get("classifier", "old") is there
    assert more.retired == registry.retired


def test_show_tells_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fxbench.cli.show.discover", lambda: registry)
    for name in ("old", "had"):
        with pytest.raises(SystemExit):
            main(["show", name, "--json"])
        shown = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
        assert shown["old"]["state"] == "retired"
        assert shown["old"]["kind"] == "classifier"
        assert "gave it up in 2020" in shown["old"]["detail"]
        assert ("new" in shown) == (name == "had")


@pytest.mark.parametrize(("name", "reason"), [("", "Gone."), ("old", "")])
def test_it_has_a_name_and_a_reason(name: str, reason: str) -> None:
    with pytest.raises(PluginError, match="must have a name"):
        Retired(name, reason)
