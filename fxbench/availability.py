"""Whether a component can run here, found without importing anything that it needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec

from fxbench.component import Component, Weights
from fxbench.errors import UnavailableError
from fxbench.options import Options
from fxbench.registry import Entry
from fxbench.weights import in_the_way, wrong_size


@dataclass(frozen=True, slots=True)
class Availability:
    """A state and, unless it is `ready`, why and what mends it.

    Attributes:
        state: `ready`, `missing extra`, `missing weights`, `needs option`, `needs credentials` or
            `broken`.
        detail: one sentence; empty when ready.
        mend: a command, or an option to give; empty when ready.
    """

    state: str
    detail: str = ""
    mend: str = ""


READY = Availability("ready")


def availability(entry: Entry, options: Options) -> Availability:
    """The state of a component with these options."""
    component = entry.component
    absent = [module for module in component.requires if not _importable(module)]
    if absent:
        if component.mend:
            mend = component.mend
        elif component.extra:
            mend = f"pip install '{entry.plugin.distribution}[{component.extra}]'"
        else:
            mend = f"pip install {' '.join(absent)}"
        return Availability("missing extra", f"It needs {', '.join(absent)}.", mend)
    lost: list[Weights] = []
    for weights in component.weights:
        try:
            path = weights.locate()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            return Availability("broken", f"Looking for {weights.name} failed: {error}")
        if path is None:
            lost.append(weights)
            continue
        try:
            fault = wrong_size(weights, path)
        except OSError as error:
            fault = f"can't be read: {error.strerror or error}"
        if fault:
            detail = f"It needs {weights.name}: {path} {fault}."
            first = f"delete or replace {path}, then " if in_the_way(weights, path) else ""
            return Availability("missing weights", detail, first + weights.mend)
    if lost:
        return _without(component, lost)
    lack, broken = _credentials(component)
    if broken:
        return Availability("broken", f"Looking for credentials failed: {broken}")
    if lack:
        return Availability("needs credentials", "No credentials were found.", lack)
    unset = options.missing(component)
    if unset:
        names = ", ".join(option.name for option in unset)
        example = unset[0]
        return Availability(
            "needs option",
            f"It needs the option {names}.",
            f"--set {component.owner}.{example.name}={example.type.upper()}",
        )
    return READY


def require(entry: Entry, options: Options) -> None:
    """See to it that a component that was named can be used.

    Raises:
        UnavailableError: it lacks something; the message says what mends that.
    """
    state = availability(entry, options)
    if state.state != "ready":
        raise UnavailableError(
            f"The {entry.kind.name} {entry.name} can't be used: {state.detail} {state.mend}"
        )


def _without(component: Component, lost: list[Weights]) -> Availability:
    """The state of a component whose weights `lost` are not there."""
    mend = lost[0].mend
    if len(lost) > 1 and all(weights.url is not None for weights in lost):
        mend = f"fxbench weights fetch {component.name}"
    names = ", ".join(weights.name for weights in lost)
    return Availability("missing weights", f"It needs {names}.", mend)


def _credentials(component: Component) -> tuple[str | None, str | None]:
    """What to do where credentials lack, and why that couldn't be found out."""
    if component.credentials is None:
        return None, None
    try:
        return component.credentials(), None
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return None, str(error) or type(error).__name__


def _importable(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
