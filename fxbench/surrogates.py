"""Whose gradients an attack on a classifier takes, and why it would mean nothing to attack it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxbench.availability import availability
from fxbench.errors import FxbenchError, UsageError
from fxbench.options import Options
from fxbench.registry import Entry, Registry
from fxbench.selection import Chosen, Reason

if TYPE_CHECKING:
    from fxbench.cells import Cell
    from fxbench.protocols import Attack


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The classifier that an attack takes its gradients from.

    Attributes:
        name: the attacked classifier itself, or the one that it is a variant of.
        lack: why there are no gradients to be had, and what mends it; None where there are.
    """

    name: str
    lack: Reason | None


def surrogate_of(registry: Registry, options: Options, classifier: Entry, attack: str) -> Surrogate:
    """Whose gradients an attack on a classifier takes.

    Its own where it has them; else those of the classifier that it declares itself a variant of,
    which is the same network in another runtime.
    """
    if "gradient" in classifier.component.traits:
        return Surrogate(classifier.name, None)
    name = classifier.component.variant_of
    if name is None:
        message = f"{classifier.name} gives no gradient for {attack}."
        return Surrogate(classifier.name, Reason("no gradient", message))
    start = f"{classifier.name} gives no gradient for {attack}, and {name}, the same network,"
    try:
        entry = registry.get("classifier", name)
    except UsageError:
        return Surrogate(name, Reason("no gradient", f"{start} is not installed."))
    if "gradient" not in entry.component.traits or entry.component.sends:
        return Surrogate(name, Reason("no gradient", f"{start} gives none either."))
    state = availability(entry, options)
    if state.state != "ready":
        return Surrogate(
            name, Reason("no gradient", f"{start} can't run: {state.detail}", state.mend)
        )
    return Surrogate(name, None)


def unattackable(surrogate: Surrogate, cell: Cell) -> Reason | None:
    """Why an attack would mean nothing."""
    if surrogate.lack is not None:
        return surrogate.lack
    if cell.norm == "linf" and 0 < (cell.epsilon or 0.0) < 1 / 255 - 1e-9:
        return Reason(
            "below one grey level",
            f"An epsilon of {cell.epsilon:g} changes no pixel of an 8-bit image: take at least "
            "1/255.",
        )
    return None


def norm_of(attack: Chosen, load: Callable[[Entry], Any]) -> tuple[str | None, Reason | None]:
    """The norm of an attack; why it is broken, where it is."""
    if attack.reason is not None:
        return None, None
    try:
        made: Attack = load(attack.entry)
    except FxbenchError as error:
        return None, Reason("broken", str(error))
    if made.norm not in ("linf", "l2"):
        message = f"The norm of {attack.entry.name} must be 'linf' or 'l2', not {made.norm!r}."
        return None, Reason("broken", message)
    return made.norm, None
