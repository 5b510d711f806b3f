"""A recipe followed elsewhere: where things lie may differ, nothing that results depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from fxbench.component import Option
from fxbench.errors import UsageError
from fxbench.options import resolve
from fxbench.recipe import Recipe, settings_of
from fxbench.registry import Registry

Found = Mapping[tuple[str, str], list[Option]]
"""The options by the name that they are set under and their own."""


def moved(
    recipe: Recipe, settings: tuple[str, ...], registry: Registry, folder: Path | None = None
) -> Recipe:
    """The recipe with the places of this machine.

    Options that results depend on stay as the recipe has them, whatever the environment or
    `fxbench.toml` says. The others are taken from `settings`, the environment, `fxbench.toml` and
    the recipe, in this order.

    Args:
        recipe: what to follow.
        settings: options as texts `NAME.OPTION=VALUE`.
        registry: what is installed.
        folder: where `fxbench.toml` may lie; the current folder where None.

    Raises:
        UsageError: a setting would change results, or is none.
    """
    components = [entry.component for entry in registry.entries]
    options: dict[tuple[str, str], list[Option]] = {}
    for component in components:
        for option in component.options:
            options.setdefault((component.owner, option.name), []).append(option)
    for key, given in resolve(components, settings).given.items():
        if _affects(options, key):
            raise UsageError(
                f"{given.origin}: results depend on this option, and what is run again is run as "
                "it was. Only options that say where things are can be set here"
                f"{_such_as(recipe, options)}."
            )
    here = resolve(components, settings, os.environ, folder or Path(), lenient=True)
    mine = settings_of(here, {owner for owner, _ in here.given})
    places = {name: text for name, text in _named(mine) if not _affects(options, name)}
    kept = {name: text for name, text in _named(recipe.settings) if name not in places}
    owners = {owner for owner, _ in kept} | _names(recipe)
    used = {name: text for name, text in places.items() if name[0] in owners}
    return replace(recipe, settings=tuple((kept | used).values()))


def _named(settings: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], str]]:
    """Texts `NAME.OPTION=VALUE` by name and option."""
    for text in settings:
        owner, _, option = text.partition("=")[0].rpartition(".")
        yield (owner, option), text


def _affects(options: Found, key: tuple[str, str]) -> bool:
    return any(option.affects_results for option in options.get(key, ()))


def _names(recipe: Recipe) -> set[str]:
    """What a selection names, of any kind."""
    selection = recipe.selection
    lists = (
        selection.datasets,
        selection.detectors,
        selection.landmarkers,
        selection.classifiers,
        selection.attacks,
        selection.surrogates,
        selection.targets,
        selection.corruptions,
        selection.spotters,
    )
    return {name for names in lists for name in names or ()}


def _such_as(recipe: Recipe, options: Found) -> str:
    """One that can be set for this recipe."""
    names = _names(recipe)
    for owner, name in options:
        if owner in names and not _affects(options, (owner, name)):
            return f", such as {owner}.{name}"
    return ""
