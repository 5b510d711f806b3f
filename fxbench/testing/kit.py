"""Checks a component against the rules of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fxbench.component import Component
from fxbench.errors import UsageError
from fxbench.kinds import KINDS, Kind
from fxbench.names import unknown_name
from fxbench.registry import Entry, discover
from fxbench.testing import (
    attacks,
    classifiers,
    corruptions,
    datasets,
    detectors,
    landmarkers,
    spotters,
    text_emotions,
    transcribers,
)
from fxbench.testing.every_kind import COMMON
from fxbench.testing.report import Report
from fxbench.testing.rules import Rule, Trial, judge
from fxbench.types import UInt8, check_image

_RULES: dict[str, tuple[Rule, ...]] = {
    "dataset": datasets.RULES,
    "detector": detectors.RULES,
    "landmarker": landmarkers.RULES,
    "classifier": classifiers.RULES,
    "attack": attacks.RULES,
    "corruption": corruptions.RULES,
    "spotter": spotters.RULES,
    "transcriber": transcribers.RULES,
    "text-emotion": text_emotions.RULES,
}


def rules_of(kind: str) -> tuple[Rule, ...]:
    """The rules for components of a kind, in the order in which they are tried.

    Raises:
        UsageError: there is no such kind.
    """
    return (*COMMON, *_RULES.get(_kind(kind).name, ()))


def check(
    component: Entry | Component,
    kind: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    data: Sequence[UInt8] = (),
) -> Report:
    """Try every rule of its kind on a component. Nothing that it does stops the kit.

    Args:
        component: an entry of :func:`fxbench.registry.discover`, or the record that a hook returns.
        kind: the name of a kind, such as `detector`; an entry knows its own.
        options: values of options by name; the others are at their defaults.
        data: pictures to use instead of the drawn ones, RGB uint8 (H, W, 3); for a classifier each
            is one face. Attacks, spotters, datasets and what has to do with speech use none.

    Raises:
        UsageError: an unknown kind, an option that the component doesn't declare, or data that are
            no pictures. What is wrong with the component is in the report instead.
    """
    entry = component if isinstance(component, Entry) else None
    record = component.component if isinstance(component, Entry) else component
    if entry is None and kind is None:
        raise UsageError("Say the kind of a component that is not installed, such as 'classifier'.")
    which = _kind(entry.kind.name if kind is None and entry is not None else str(kind))
    if entry is not None and entry.kind != which:
        raise UsageError(f"{entry.name} is a {entry.kind.name}, not a {which.name}.")
    for index, picture in enumerate(data):
        check_image(f"Picture {index}", picture)
    # A person's own file as a component is made by fxbench itself: no plugin offers it.
    inside = entry is None or entry.plugin.module.partition(".")[0] == "fxbench"
    module = None if entry is None or inside else entry.plugin.module
    trial = Trial(record, which, _values(record, options or {}), module, tuple(data))
    return Report(record.name, which.name, judge(trial, rules_of(which.name)))


def load(kind: str, name: str, **options: Any) -> Any:
    """Make an installed component, as the line `see` of a report does.

    Args:
        kind: the name of a kind, such as `detector`.
        name: of the component.
        options: values of its options; the others are at their defaults.

    Raises:
        UsageError: an unknown kind, name or option. Whatever its factory raises comes through.
    """
    entry = discover().get(_kind(kind).name, name)
    return entry.component.factory(**_values(entry.component, options))


def _kind(name: str) -> Kind:
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise UsageError(unknown_name("kind", name, (kind.name for kind in KINDS)))


def _values(component: Component, options: Mapping[str, Any]) -> dict[str, Any]:
    values = {option.name: option.default for option in component.options}
    for name in options:
        if name not in values:
            raise UsageError(unknown_name(f"option of {component.name}", name, values))
    return values | dict(options)
