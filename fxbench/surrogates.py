"""Which attacks a classifier gets: whose gradients they take, with which budgets, and why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from fxbench.availability import availability
from fxbench.errors import FxbenchError, UsageError
from fxbench.options import Options
from fxbench.registry import Entry, Registry
from fxbench.selection import Chosen, Reason, Selection, ready

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


@dataclass(frozen=True, slots=True)
class Means:
    """An attack that was asked for, and what the plan must know of it.

    Attributes:
        chosen: the attack.
        norm: `linf` or `l2`; None where it is not known.
        flaw: why it is broken, where it is.
        faces: on how many images it is run at most; None for all.
        gradients: how many it takes for each face; None where it doesn't say.
        queries: how many it may make for each face; None where it makes none.
    """

    chosen: Chosen
    norm: str | None = None
    flaw: Reason | None = None
    faces: int | None = None
    gradients: int | None = None
    queries: int | None = None

    @property
    def name(self) -> str:
        """Of the attack."""
        return self.chosen.entry.name

    @property
    def traits(self) -> frozenset[str]:
        """Of the attack."""
        return self.chosen.entry.component.traits

    @property
    def takes_gradients(self) -> bool:
        """Whether it needs the gradients of a classifier."""
        return not self.traits & {"black-box", "control"} or "iterative" in self.traits

    def budgets(self, epsilons: Sequence[float], classifier: Entry) -> list[float]:
        """The epsilons that it is run with.

        With 0 the whole path of an attack that takes gradients is checked against the clean result,
        in every run. For the others there is nothing to check. A view of an analyzer is asked about
        crops that nothing was done to, whatever the attack: its clean answers are about whole
        pictures, and no success can be measured by them.
        """
        given = list(dict.fromkeys(float(epsilon) + 0.0 for epsilon in epsilons))
        changed = [epsilon for epsilon in given if epsilon > 0]
        view = classifier.component.source is not None
        if view or (self.takes_gradients and "control" not in self.traits):
            return [0.0, *changed]
        return changed


def means_of(attack: Chosen, load: Callable[[Entry], Any]) -> Means:
    """What the plan must know of an attack; it is made for that.

    Raises:
        UsageError: one of its options has a value that it can't have.
    """
    if attack.reason is not None:
        return Means(attack)
    name = attack.entry.name
    try:
        made: Attack = load(attack.entry)
    except UsageError:
        # An option has a wrong value: whoever gave it is to hear of it before anything is computed.
        raise
    except FxbenchError as error:
        return Means(attack, flaw=Reason("broken", str(error)))
    if made.norm not in ("linf", "l2"):
        message = f"The norm of {name} must be 'linf' or 'l2', not {made.norm!r}."
        return Means(attack, flaw=Reason("broken", message))
    numbers = {field: getattr(made, field, None) for field in ("faces", "gradients", "queries")}
    for field, number in numbers.items():
        least = 0 if field == "gradients" else 1
        if number is not None and (not isinstance(number, int) or number < least):
            message = f"`{field}` of {name} must be None or at least {least}, not {number!r}."
            return Means(attack, flaw=Reason("broken", message))
    if "black-box" in attack.entry.component.traits and numbers["queries"] is None:
        message = f"{name} is a black-box attack and has no `queries`, which must be limited."
        return Means(attack, flaw=Reason("broken", message))
    return Means(attack, made.norm, None, **numbers)


def controls(
    registry: Registry, options: Options, given: list[Means], load: Callable[[Entry], Any]
) -> list[Means]:
    """The attacks that stand beside the given ones for comparison, though nobody named them.

    A control joins attacks of its norm that take gradients. One that costs as much as an iterative
    attack joins only where the attacks that it must not be weaker than are there, and an iterative
    one: who chose quick attacks is not to wait for it.
    """
    attacks = [one for one in given if one.norm and one.takes_gradients]
    names = {one.name for one in given}
    joined = []
    for entry in registry.of_kind("attack"):
        component = entry.component
        if "control" not in component.traits or entry.name in names or not ready(entry, options):
            continue
        one = means_of(Chosen(entry, None, named=False), load)
        beside = [other for other in attacks if other.norm == one.norm]
        if one.norm is None or not beside or not set(component.no_weaker_than) <= names:
            continue
        slow = "iterative" in component.traits
        if not slow or any("iterative" in other.traits for other in beside):
            joined.append(one)
    return joined


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


@dataclass(frozen=True, slots=True)
class Attacks:
    """All attacks of a plan.

    Attributes:
        registry: what is installed.
        options: what was set.
        selection: what was asked for.
        means: the attacks.
        surrogates: the classifiers whose adversarial faces are tried on others.
    """

    registry: Registry
    options: Options
    selection: Selection
    means: tuple[Means, ...]
    surrogates: tuple[Chosen, ...]

    def on(
        self, clean: Cell, classifier: Entry, images: int
    ) -> Iterator[tuple[Cell, Means, Reason | None]]:
        """The cells of a classifier under attack, each with why it would mean nothing.

        Args:
            clean: its cell without an attack.
            classifier: what is attacked.
            images: how many there are.
        """
        for means in self.means:
            subset = None if means.faces is None or means.faces >= images else means.faces
            labels = [None if label == "none" else label for label in self._goals(means)]
            for surrogate, label, epsilon in product(
                self._surrogates(classifier, means),
                labels,
                means.budgets(self.selection.epsilons, classifier),
            ):
                cell = replace(
                    clean,
                    attack=means.name,
                    norm=means.norm,
                    epsilon=epsilon,
                    surrogate=surrogate.name,
                    target_label=label,
                    subset=subset,
                )
                obstacle = _obstacle(surrogate, classifier, cell)
                # Nobody asked for a control: where it can't be run there is nothing to say.
                if obstacle is None or "control" not in means.traits:
                    yield cell, means, obstacle

    def _goals(self, means: Means) -> tuple[str, ...]:
        # Noise has no aim.
        return ("none",) if "control" in means.traits else self.selection.target_labels

    def _surrogates(self, classifier: Entry, means: Means) -> list[Surrogate]:
        selection = self.selection
        named = {classifier.name, "all"} & set(selection.classifiers or ())
        aimed_at = selection.targets is None or {classifier.name, "all"} & set(selection.targets)
        itself = bool(named) or not self.surrogates
        if "black-box" in means.traits:
            asked = itself or (selection.classifiers is None and aimed_at)
            return [Surrogate(classifier.name, None)] if asked else []
        own = surrogate_of(self.registry, self.options, classifier, means.name)
        if not means.takes_gradients:
            # Noise needs none, but where there are none it has nothing to be compared with.
            lack = None if self.surrogates or "floor" in classifier.component.traits else own.lack
            return [Surrogate(classifier.name, lack)]
        found = {own.name: own} if itself else {}
        if aimed_at:
            for chosen in self.surrogates:
                found.setdefault(chosen.entry.name, self._named(chosen, means, own))
        return list(found.values())

    @staticmethod
    def _named(chosen: Chosen, means: Means, own: Surrogate) -> Surrogate:
        name, lack = chosen.entry.name, chosen.reason
        if name == own.name:
            return own
        if lack is None and "gradient" not in chosen.entry.component.traits:
            lack = Reason("no gradient", f"{name} gives no gradient for {means.name}.")
        return Surrogate(name, lack)


def _obstacle(surrogate: Surrogate, classifier: Entry, cell: Cell) -> Reason | None:
    """Why an attack would mean nothing."""
    fixed = classifier.component.traits & {"floor", "recorded"}
    if fixed and surrogate.lack is None:
        what = "is a floor" if "floor" in fixed else "holds recorded answers"
        return Reason("nothing to attack", f"{classifier.name} {what}: no face changes its answer.")
    if surrogate.lack is not None:
        return surrogate.lack
    if cell.norm == "linf" and 0 < (cell.epsilon or 0.0) < 1 / 255 - 1e-9:
        return Reason(
            "below one grey level",
            f"An epsilon of {cell.epsilon:g} changes no pixel of an 8-bit image: take at least "
            "1/255.",
        )
    return None
