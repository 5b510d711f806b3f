"""Finds plugins through the entry-point group `fxbench` and keeps the components they offer.

pluggy's own loader stops at the first plugin that fails, so each one is loaded, registered, checked
and asked for its components by itself; what fails is reported and everything else works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from fxbench import hookspecs
from fxbench.component import Component
from fxbench.errors import UsageError
from fxbench.kinds import KINDS, Kind
from fxbench.names import unknown_name
from fxbench.retired import Retired

GROUP = "fxbench"
_HOOKS = tuple(kind.hook for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Plugin:
    """An import package that offers components.

    Attributes:
        name: of its entry point.
        module: its import name.
        distribution: what `pip` calls the package that it came in.
        version: of that distribution.
        state: `ready`, `broken` or `needs a newer fxbench`.
        problems: one line for each thing that is wrong.
    """

    name: str
    module: str
    distribution: str
    version: str
    state: str = "ready"
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A component with its kind and the plugin that offers it."""

    kind: Kind
    component: Component
    plugin: Plugin

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name


@dataclass(frozen=True, slots=True)
class RetiredEntry:
    """What can't be had, with its kind and the plugin that says so."""

    kind: Kind
    retired: Retired
    plugin: Plugin

    @property
    def message(self) -> str:
        """The answer to whoever asks for it."""
        return f"There is no {self.kind.name} {self.retired.name!r}: {self.retired.reason}"


@dataclass(frozen=True, slots=True)
class Registry:
    """All plugins and components that are installed, and what plugins say can't be had."""

    plugins: tuple[Plugin, ...]
    entries: tuple[Entry, ...]
    retired: tuple[RetiredEntry, ...] = ()

    def of_kind(self, kind: str) -> Iterator[Entry]:
        """The components of a kind, by name."""
        return (entry for entry in self.entries if entry.kind.name == kind)

    def get(self, kind: str, name: str) -> Entry:
        """The component of that kind and name.

        Raises:
            UsageError: there is none; the message suggests the nearest name, or says why there is
                none any more.
        """
        for entry in self.of_kind(kind):
            if entry.name == name:
                return entry
        self.refuse_retired(kind, name)
        known = (entry.name for entry in self.of_kind(kind))
        all_of_them = f"`fxbench list --kind {kind}` shows all."
        raise UsageError(unknown_name(kind, name, known, all_of_them))

    def refuse_retired(self, kind: str, name: str) -> None:
        """Say so if that component can't be had any more.

        Raises:
            UsageError: it can't; the message says why.
        """
        for gone in self.retired:
            if (gone.kind.name, gone.retired.name) == (kind, name):
                raise UsageError(gone.message)

    def with_entry(self, entry: Entry) -> Registry:
        """A copy with one more component.

        Raises:
            UsageError: there is one of its kind and name already.
        """
        for known in self.of_kind(entry.kind.name):
            if known.name == entry.name:
                raise UsageError(
                    f"The {entry.kind.name} {entry.name!r} is there already, from "
                    f"{known.plugin.distribution}: choose another name with --name."
                )
        return Registry(self.plugins, _ordered((*self.entries, entry)), self.retired)


def discover(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin of the group `fxbench`, in the order of their names.

    Args:
        points: entry points to use instead of the installed ones.
    """
    found = entry_points(group=GROUP) if points is None else points
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    plugins: list[Plugin] = []
    entries: list[Entry] = []
    retired: list[RetiredEntry] = []
    taken: dict[tuple[str, str], Plugin] = {}
    for point in sorted(found, key=lambda point: (point.name, point.value)):
        plugin, offered = _load(manager, point)
        kept: list[tuple[Kind, Component]] = []
        gone = [(kind, one) for kind, one in offered if isinstance(one, Retired)]
        problems = list(plugin.problems)
        for kind, component in offered:
            if isinstance(component, Retired):
                continue
            first = taken.setdefault((kind.name, component.name), plugin)
            if first is plugin and not any(k is kind and c.name == component.name for k, c in kept):
                kept.append((kind, component))
            else:
                problems.append(
                    f"The {kind.name} {component.name!r} is left out: "
                    f"{first.distribution} ({first.module}) offers one of that name already."
                )
        state = "broken" if problems and plugin.state == "ready" else plugin.state
        plugin = replace(plugin, state=state, problems=tuple(problems))
        plugins.append(plugin)
        entries.extend(Entry(kind, component, plugin) for kind, component in kept)
        retired.extend(RetiredEntry(kind, one, plugin) for kind, one in gone)
    return Registry(tuple(plugins), _ordered(entries), tuple(retired))


def _ordered(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """By kind and name."""
    order = {kind.name: index for index, kind in enumerate(KINDS)}
    return tuple(sorted(entries, key=lambda entry: (order[entry.kind.name], entry.name)))


def _load(
    manager: pluggy.PluginManager, point: EntryPoint
) -> tuple[Plugin, list[tuple[Kind, Component | Retired]]]:
    """One plugin and what it offers; its problems instead of an exception."""
    distribution = point.dist
    plugin = Plugin(
        point.name,
        point.value.partition(":")[0],
        distribution.name if distribution else "unknown",
        distribution.version if distribution else "unknown",
    )
    try:
        module = point.load()
        manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        return replace(plugin, state="broken", problems=(_sentence(error),)), []
    state, problems = _unknown_hooks(module)
    offered: list[tuple[Kind, Component | Retired]] = []
    for kind in KINDS:
        for implementation in getattr(manager.hook, kind.hook).get_hookimpls():
            if implementation.plugin is not module:
                continue
            try:
                offered += [(kind, component) for component in _checked(implementation.function())]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
                state = "broken"
                problems.append(f"{kind.hook}: {_sentence(error)}")
    return replace(plugin, state=state, problems=tuple(problems)), offered


def _checked(answer: Any) -> list[Component | Retired]:
    if isinstance(answer, Component) or not isinstance(answer, Iterable):
        raise TypeError(f"it must return a list of Component, not {type(answer).__name__}")
    components = list(answer)
    for component in components:
        if not isinstance(component, Component | Retired):
            raise TypeError(f"it must return a list of Component, not of {component!r}")
    return components


def _unknown_hooks(module: Any) -> tuple[str, list[str]]:
    """State and problems for hook implementations that this version has no specification of."""
    state, problems = "ready", []
    for name in dir(module):
        if not hasattr(getattr(module, name, None), "fxbench_impl") or name in _HOOKS:
            continue
        near = get_close_matches(name, _HOOKS, n=1, cutoff=0.85)
        if near or not name.startswith("fxbench_"):
            state = "broken"
            meant = f"did you mean {near[0]!r}?" if near else "hooks begin with 'fxbench_'."
            problems.append(f"Unknown hook {name!r}: {meant}")
        else:
            state = state if state == "broken" else "needs a newer fxbench"
            problems.append(f"This version has no hook {name!r}: pip install --upgrade fxbench")
    return state, problems


def _sentence(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
