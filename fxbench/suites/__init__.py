"""Suites: frozen plans that papers can cite, such as `mini-1` and `ferplus-1`.

Each is a file beside this one. Frozen means that it is never edited: what is to be otherwise is
another suite, `mini-2`. Every axis and every option that results depend on is written out, so that
a default which changes later changes no suite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench.errors import DataError, SchemaError, UsageError
from fxbench.names import unknown_name
from fxbench.recipe import Recipe

if TYPE_CHECKING:
    from fxbench.runner import Prepared

SCHEMA = 1
"""Of a suite's file."""
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Suite:
    """A frozen plan.

    Attributes:
        name: such as `mini-1`.
        title: what it compares, in a few words.
        frozen: the day, `YYYY-MM-DD`.
        recipe: the plan.
        fingerprints: of the images of each dataset, by its name.
    """

    name: str
    title: str
    frozen: str
    recipe: Recipe
    fingerprints: Mapping[str, str]

    def prepare(self, settings: tuple[str, ...] = (), folder: Path | None = None) -> Prepared:
        """The plan on this machine.

        Args:
            settings: options that say where things are, as texts `NAME.OPTION=VALUE`.
            folder: where `fxbench.toml` may lie; the current folder where None.

        Raises:
            UsageError: a setting would change results.
            DataError: the images or labels are others than those that it was frozen with.
            FxbenchError: see :func:`fxbench.runner.prepare`.
        """
        from fxbench import runner
        from fxbench.following import moved
        from fxbench.registry import discover

        recipe = moved(self.recipe, settings, discover(), folder)
        prepared = runner.follow(recipe)
        for source in prepared.plan.sources:
            frozen = self.fingerprints.get(source.entry.name)
            if frozen != source.fingerprint:
                raise DataError(
                    f"The suite {self.name} was frozen with other images or labels of "
                    f"{source.entry.name}: fingerprint {str(frozen)[:12]}, and here it is "
                    f"{source.fingerprint[:12]}. Give it the data that it names, or run its plan "
                    "without --suite."
                )
        return prepared

    def is_of(self, run: Mapping[str, Any]) -> bool:
        """Whether a run's record is of this plan on these images, whatever command made it."""
        if run.get("recipe") is None:
            return False
        try:
            recipe = Recipe.read(run["recipe"])
        except (SchemaError, UsageError):  # of a version that knows more axes
            return False
        datasets: Mapping[str, Any] = run.get("datasets") or {}
        used = {
            f"{name.partition(' ')[2]}.{option}": str(value).lower()
            for name, record in (run.get("options") or {}).items()
            for option, value in (record["defaulted"] | record["given"]).items()
        }
        settings = dict(text.split("=", 1) for text in self.recipe.settings)
        return (
            recipe.model is None
            and recipe.selection == self.recipe.selection
            and {name: d.get("fingerprint") for name, d in datasets.items()} == self.fingerprints
            and all(used.get(name, text.lower()) == text.lower() for name, text in settings.items())
        )


def names() -> list[str]:
    """All suites that this version ships."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def read(name: str) -> Suite:
    """The suite of that name.

    Raises:
        UsageError: there is none; the message suggests the nearest name.
        SchemaError: its file is damaged, or a newer version wrote it.
    """
    if name not in names():
        raise UsageError(unknown_name("suite", name, names()))
    return read_file(_FOLDER / f"{name}.json")


def read_file(path: Path) -> Suite:
    """The suite that a file describes.

    Raises:
        SchemaError: it is damaged, or a newer version wrote it.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] > SCHEMA:
            raise SchemaError(
                f"The suite {path} has the schema {record['schema']}, but this version of fxbench "
                f"reads up to {SCHEMA}: upgrade it with pip install --upgrade fxbench."
            )
        recipe = Recipe.read(record["recipe"])
        fingerprints = {str(name): str(text) for name, text in record["fingerprints"].items()}
        return Suite(path.stem, record["title"], record["frozen"], recipe, fingerprints)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SchemaError(f"The suite {path} can't be read ({error}).") from error


def of(run: Mapping[str, Any]) -> Suite | None:
    """The suite that a run is of, from its record; None where it is of none."""
    for name in names():
        suite = read(name)
        if suite.is_of(run):
            return suite
    return None
