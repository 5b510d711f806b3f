"""Components that a command takes outside of a run: those that were named, or the first default."""

from __future__ import annotations

from fxbench.availability import availability, require
from fxbench.errors import UnavailableError, UsageError
from fxbench.options import Options
from fxbench.registry import Entry, Registry
from fxbench.selection import ready


def cast(
    registry: Registry,
    options: Options,
    kind: str,
    name: str | None = None,
    *,
    trait: str | None = None,
    allow_sending: bool = False,
) -> Entry:
    """The component of that name, else the first default one that is ready and runs here.

    No floor is taken that was not named.

    Args:
        registry: what is installed.
        options: of the components.
        kind: such as `detector`.
        name: of the component; None for the default.
        trait: what a default must have besides, such as `contours`.
        allow_sending: whether one that was named may send pictures to a service.

    Raises:
        UsageError: there is none of that name, or it sends pictures to a service.
        UnavailableError: it is not ready, or none is.
    """
    if name is None:
        found = default(registry, options, kind, trait=trait)
        if found is None:
            raise UnavailableError(
                f"No default {kind} is ready: `fxbench list --kind {kind}` says what each lacks; "
                f"name one that is.{_mend(registry, options, kind, trait)}"
            )
        return found
    entry = registry.get(kind, name)
    if entry.component.sends and not allow_sending:
        raise UsageError(
            f"The {kind} {name} sends pictures to a service: name a {kind} that runs here."
        )
    require(entry, options)
    return entry


def default(
    registry: Registry, options: Options, kind: str, *, trait: str | None = None
) -> Entry | None:
    """The first default component of a kind that is ready, sends nothing away and is no floor.

    Args:
        registry: what is installed.
        options: of the components.
        kind: such as `detector`.
        trait: what it must have besides.
    """
    for entry in registry.of_kind(kind):
        if _eligible(entry, trait) and ready(entry, options):
            return entry
    return None


def _eligible(entry: Entry, trait: str | None) -> bool:
    traits = entry.component.traits
    if "default" not in traits or "floor" in traits or entry.component.sends:
        return False
    return trait is None or trait in traits


def _mend(registry: Registry, options: Options, kind: str, trait: str | None) -> str:
    """What to install, where that is all that a default lacks: one sentence, or nothing."""
    for entry in registry.of_kind(kind):
        state = availability(entry, options)
        # Others lack something that has to be got elsewhere first.
        if (
            _eligible(entry, trait)
            and state.state == "missing extra"
            and not entry.component.weights
        ):
            return f" For {entry.name}: {state.mend}"
    return ""
