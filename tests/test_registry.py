"""Plugins that are broken in every way that we know are reported in a line and hurt nobody."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fxbench.availability import availability
from fxbench.errors import UsageError
from fxbench.options import resolve
from fxbench.registry import Registry, discover

GOOD = """
    import fxbench
    from fxbench.component import Component, Option

    @fxbench.hookimpl
    def fxbench_classifiers():
        return [Component("good", "Fine.", dict, options=(Option("size", "int", 1, "Size."),))]
"""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """Discover plugins of the given sources, and no others."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def make(**sources: str) -> Registry:
        points = []
        for name, source in sources.items():
            (tmp_path / f"plugin_{name}.py").write_text(textwrap.dedent(source))
            names.append(f"plugin_{name}")
            points.append(EntryPoint(name, f"plugin_{name}", "fxbench"))
        return discover(points)

    yield make
    for name in names:
        sys.modules.pop(name, None)


def problem(registry: Registry, name: str) -> tuple[str, str]:
    plugin = next(plugin for plugin in registry.plugins if plugin.name == name)
    assert all("\n" not in line for line in plugin.problems)
    return plugin.state, " ".join(plugin.problems)


@pytest.mark.parametrize(
    ("source", "state", "text"),
    [
        ("import not_there_at_all", "broken", "ModuleNotFoundError: No module named"),
        ("def (", "broken", "SyntaxError"),
        ("raise SystemExit('bye')", "broken", "SystemExit: bye"),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_classifiers():\n    return 'emopy'",
            "broken",
            "must return a list of Component",
        ),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_classifiers():\n    return 3",
            "broken",
            "must return a list of Component, not int",
        ),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_detectors():\n    1 / 0",
            "broken",
            "fxbench_detectors: ZeroDivisionError",
        ),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_clasifiers():\n    return []",
            "broken",
            "did you mean 'fxbench_classifiers'?",
        ),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_detectors(images):\n    return []",
            "broken",
            "PluginValidationError",
        ),
        (
            "import fxbench\n@fxbench.hookimpl\ndef fxbench_palmists():\n    return []",
            "needs a newer fxbench",
            "pip install --upgrade fxbench",
        ),
        (
            "import fxbench\nfrom fxbench.component import Component\n"
            "@fxbench.hookimpl\ndef fxbench_detectors():\n"
            "    return [Component('No Good', '', dict)]",
            "broken",
            "lower case words joined by hyphens",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_the_others_work(
    found: Callable[..., Registry], source: str, state: str, text: str
) -> None:
    registry = found(a_bad=source, good=GOOD)
    actual, problems = problem(registry, "a_bad")
    assert actual == state
    assert text in problems
    assert registry.get("classifier", "good").plugin.name == "good"
    assert problem(registry, "good") == ("ready", "")


def test_what_a_plugin_for_a_newer_version_offers_besides_is_kept(
    found: Callable[..., Registry],
) -> None:
    newer = GOOD + "\n    @fxbench.hookimpl\n    def fxbench_palmists():\n        return []\n"
    registry = found(newer=newer)
    assert problem(registry, "newer")[0] == "needs a newer fxbench"
    assert registry.get("classifier", "good").plugin.name == "newer"


def test_a_duplicate_name_is_reported_and_the_first_is_kept(
    found: Callable[..., Registry],
) -> None:
    registry = found(first=GOOD, second=GOOD)
    assert registry.get("classifier", "good").plugin.name == "first"
    assert problem(registry, "second")[0] == "broken"
    assert "offers one of that name already" in problem(registry, "second")[1]
    assert problem(registry, "first") == ("ready", "")


def test_an_unknown_name_is_answered_with_the_nearest(found: Callable[..., Registry]) -> None:
    registry = found(good=GOOD)
    with pytest.raises(UsageError, match="did you mean 'good'"):
        registry.get("classifier", "goood")
    with pytest.raises(UsageError, match="choose from good"):
        registry.get("classifier", "resnet")


def test_a_component_that_lacks_a_module_says_which_command_mends_it(
    found: Callable[..., Registry],
) -> None:
    registry = found(
        lacking="""
        import fxbench
        from fxbench.component import Component, Option, Weights

        path = Option("path", "path", None, "", required=True)

        @fxbench.hookimpl
        def fxbench_classifiers():
            needs = ("no_such_module",)
            nowhere = Weights("a.h5", lambda: None, None, mend="fetch a.h5")
            return [
                Component("extra", "", dict, requires=needs, extra="big"),
                Component("mended", "", dict, requires=needs, mend="pip install --no-deps x"),
                Component("plain", "", dict, requires=needs),
                Component("unweighted", "", dict, weights=(nowhere,)),
                Component("unset", "", dict, options=(path,)),
            ]
        """
    )
    options = resolve(entry.component for entry in registry.entries)
    states = {e.name: availability(e, options) for e in registry.entries}
    assert states["extra"].state == "missing extra"
    assert states["extra"].mend == "pip install 'unknown[big]'"
    assert states["mended"].mend == "pip install --no-deps x"
    assert states["plain"].mend == "pip install no_such_module"
    assert (states["unweighted"].state, states["unweighted"].mend) == (
        "missing weights",
        "fetch a.h5",
    )
    assert (states["unset"].state, states["unset"].mend) == (
        "needs option",
        "--set unset.path=PATH",
    )
