"""Who takes part in making and judging a cloak: a detector, surrogates and classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fxbench.availability import availability, require
from fxbench.casting import cast
from fxbench.cloak_effect import Asked, role_of
from fxbench.costs import Costs
from fxbench.errors import FxbenchError, UnavailableError, UsageError
from fxbench.labels import EMOTIONS, canonical
from fxbench.names import unknown_name
from fxbench.options import Options
from fxbench.protocols import Detector, Differentiable
from fxbench.registry import Entry, Registry

PICTURES = 5
"""So many pictures of each face are shown to a classifier."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The components that were chosen; nothing is loaded yet.

    Attributes:
        detector: finds the faces.
        surrogates: whose gradients are taken.
        classifiers: that are asked.
        named: the names of surrogates and classifiers that a person named, as against `all`.
        left_out: a sentence for each that isn't among them because it can't be.
    """

    detector: Entry
    surrogates: tuple[Entry, ...]
    classifiers: tuple[Entry, ...]
    named: frozenset[str]
    left_out: tuple[str, ...]

    def costs(self, faces: int) -> Costs:
        """What asking about so many faces sends to services elsewhere."""
        sending = [e.component for e in self.classifiers if e.component.sends]
        calls = faces * PICTURES
        price = calls * sum(component.price or 0.0 for component in sending)
        unpriced = tuple(component.name for component in sending if component.price is None)
        return Costs(calls * len(sending), round(price, 9), unpriced)


def choose(
    registry: Registry,
    options: Options,
    *,
    detector: str | None,
    surrogates: tuple[str, ...] | None,
    classifiers: tuple[str, ...],
) -> Cast:
    """The components that were asked for.

    Args:
        registry: what is installed.
        options: of the components.
        detector: its name; None for the first with the trait `default` that is ready. The whole
            frame is taken for a face only where `full-frame` is named.
        surrogates: names, or `all`; None is as `all`: all that give gradients and are ready.
        classifiers: names, or `all`: all that are ready, send nothing away and look at the face.

    Raises:
        UsageError: an unknown name, or a component that can't be what it is named for.
        UnavailableError: one that was named, or every one that could be, is not ready.
    """
    left_out: list[str] = []
    finder = cast(registry, options, "detector", detector)
    made_with = _chosen(registry, options, surrogates or ("all",), left_out, gradient=True)
    if not made_with:
        raise UnavailableError(
            "No classifier that gives gradients is ready, and a cloak is made with at least one: "
            + (left_out[0] if left_out else "none is installed.")
        )
    asked = _chosen(registry, options, classifiers, left_out, gradient=False)
    if not asked:
        raise UnavailableError(
            "No classifier is ready to measure the effect on: `fxbench list --kind classifier` "
            "says what each lacks."
        )
    return Cast(
        finder,
        made_with,
        asked,
        frozenset((*(surrogates or ()), *classifiers)) - {"all"},
        tuple(dict.fromkeys(left_out)),
    )


def _chosen(
    registry: Registry,
    options: Options,
    names: tuple[str, ...],
    left_out: list[str],
    *,
    gradient: bool,
) -> tuple[Entry, ...]:
    """Classifiers by their names, those of `all` as far as they can be what is wanted."""
    chosen: dict[str, Entry] = {}
    for name in names:
        if name == "all":
            continue
        entry = registry.get("classifier", name)
        if gradient and ("gradient" not in entry.component.traits or entry.component.sends):
            raise UsageError(_no_gradient(registry, entry))
        require(entry, options)
        chosen[name] = entry
    for entry in registry.of_kind("classifier") if "all" in names else ():
        component = entry.component
        unwanted = component.sends or component.traits & {"floor", "recorded"}
        if unwanted or (gradient and "gradient" not in component.traits):
            continue
        state = availability(entry, options)
        if state.state == "ready":
            chosen.setdefault(entry.name, entry)
        else:
            left_out.append(f"{entry.name} ({state.state}): {state.mend or state.detail}")
    return tuple(chosen.values())


def _no_gradient(registry: Registry, entry: Entry) -> str:
    able = [
        other.name
        for other in registry.of_kind("classifier")
        if "gradient" in other.component.traits and not other.component.sends
    ]
    network = entry.component.variant_of
    if network in able:
        return f"{entry.name} gives no gradient: name {network}, the same network, instead."
    return f"{entry.name} gives no gradient: surrogates are {', '.join(able) or 'not installed'}."


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """The components of a cast, loaded.

    Attributes:
        detector: finds the faces.
        surrogates: whose gradients are taken, by name.
        asked: the classifiers, each with what it is to the cloak.
        left_out: a sentence for each that isn't among them because it failed or lacks the target.
    """

    detector: Detector
    surrogates: dict[str, Differentiable]
    asked: tuple[Asked, ...]
    left_out: tuple[str, ...]


def gather(cast: Cast, load: Callable[[Entry], Any], target: str | None) -> Company:
    """Load a cast. What nobody named and fails to load is left out.

    Args:
        cast: what was chosen.
        load: makes a component.
        target: the emotion to be reached: a surrogate that doesn't have it is left out.

    Raises:
        UsageError: a surrogate that was named doesn't have the target, or none does.
        FxbenchError: a component that was named fails to load, or no surrogate is left.
    """
    left_out: list[str] = []
    able: dict[str, Entry] = {}
    models: dict[str, Differentiable] = {}
    for entry, model in _loaded(cast.surrogates, load, cast.named, left_out):
        if target is None or target in model.labels:
            able[entry.name], models[entry.name] = entry, model
            continue
        lack = f"{entry.name} has no output for {target}"
        if entry.name in cast.named:
            raise UsageError(f"{lack}: it can't be a surrogate for it.")
        left_out.append(f"surrogate {lack}")
    if not models:
        raise UsageError(f"No surrogate is left to make a cloak with: {'; '.join(left_out)}.")
    components = [entry.component for entry in able.values()]
    asked = tuple(
        Asked(
            entry.name,
            model,
            role_of(entry.component, components),
            entry.component.variant_of or entry.name,
        )
        for entry, model in _loaded(cast.classifiers, load, cast.named, left_out)
    )
    return Company(load(cast.detector), models, asked, tuple(dict.fromkeys(left_out)))


def _loaded(
    entries: Sequence[Entry],
    load: Callable[[Entry], Any],
    named: frozenset[str],
    left_out: list[str],
) -> list[tuple[Entry, Any]]:
    made = []
    for entry in entries:
        try:
            made.append((entry, load(entry)))
        except FxbenchError as error:
            if entry.name in named:
                raise
            left_out.append(f"{entry.name}: {error}")
    return made


def emotion(name: str) -> str:
    """The emotion that a person means.

    Raises:
        UsageError: it is none of the eight.
    """
    known = canonical(name)
    if known is None:
        raise UsageError(unknown_name("emotion", name, EMOTIONS))
    return known
