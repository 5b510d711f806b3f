"""Keys hold all that results depend on."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fxbench import keys
from fxbench.keys import module_versions, sources_digest
from fxbench.registry import discover

if TYPE_CHECKING:
    import pytest

FOLDER = Path(keys.__file__).parent
# What carries results but decides none of them.
NEUTRAL = {
    "acceptance",
    "answers",
    "availability",
    "cell_lines",
    "cell_table",
    "cells",
    "chunks",
    "component",
    "corrupting",
    "environment",
    "errors",
    "examples",
    "files",
    "keys",
    "kinds",
    "latex",
    "svg",
    "loader",
    "names",
    "options",
    "pairs",
    "plan",
    "plots",
    "plots_robustness",
    "prefetch",
    "progress",
    "protocols",
    "recipe",
    "registry",
    "retired",
    "selection",
    "sources",
    "stages",
    "store",
    "surrogates",
    "table_block",
    "table_layout",
    "tabular",
    "weights",
    "without_plugin",
}


def used_by(module: str) -> set[str]:
    """The modules of the core that one imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = FOLDER / f"{name}.py"
        if name in found or not path.is_file():
            continue
        found.add(name)
        waiting += [
            str(node.module).split(".")[1]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fxbench.")
        ]
    return found


def test_every_module_that_a_stage_depends_on_is_in_its_key() -> None:
    # A chunk that was computed in parts is what they are joined to.
    used = used_by("chunkwork") | used_by("pipeline") | used_by("division")
    assert used <= set(keys._CORE_MODULES) | NEUTRAL


def test_every_module_that_a_table_depends_on_is_in_the_key_of_a_run() -> None:
    known = set(keys._CORE_MODULES) | set(keys._SCORING_MODULES) | NEUTRAL
    assert used_by("collect") | used_by("latency") | used_by("timings") <= known
    # What sets a measurement up decides what is measured.
    assert used_by("timing_work") | {"timed_apart", "timing_process"} <= known


def test_what_a_component_requires_has_a_version() -> None:
    for entry in discover().entries:
        if entry.plugin.distribution != "fxbench":
            continue
        for module in entry.component.requires:
            if find_spec(module) is None:
                continue  # The component is listed as lacking it.
            versions = module_versions((module,))
            assert versions, f"{entry.name} requires {module}"
            assert all(versions.values())


def test_a_package_in_a_namespace_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_namespace" / "plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("VERSION = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = sources_digest("some_namespace.plugin")
    (package / "__init__.py").write_text("VERSION = 2\n")
    sources_digest.cache_clear()
    assert sources_digest("some_namespace.plugin") != before
