"""What makes a plan again: in another process, on another machine, in another year."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fxbench.errors import SchemaError
from fxbench.options import Options, has_user, is_secret, resolve
from fxbench.registry import Registry, discover
from fxbench.selection import Selection


@dataclass(frozen=True, slots=True)
class GivenModel:
    """A person's own model file, as the options `--model`, `--labels`, `--input`, `--name` say."""

    path: str
    labels: str
    input: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was asked for, and all that was set. What is installed is not in it.

    Attributes:
        selection: what to run.
        settings: every option that was set, wherever, as texts `NAME.OPTION=VALUE`. No secrets.
        model: a model file as one more classifier.
    """

    selection: Selection
    settings: tuple[str, ...] = ()
    model: GivenModel | None = None

    def registry(self) -> Registry:
        """What is installed, with the model.

        Raises:
            FxbenchError: the model can't be read any more.
        """
        registry = discover()
        if self.model is None:
            return registry
        from fxbench.model_file import open_model

        given = self.model
        opened = open_model(given.path, given.labels, given.input, given.name)
        return registry.with_entry(opened.entry)

    def options(self, registry: Registry) -> Options:
        """The options as they were set; secrets come from this process's environment.

        Raises:
            UsageError: a component or option doesn't exist any more.
        """
        secrets = {
            name: text for name, text in os.environ.items() if is_secret(name) or has_user(text)
        }
        components = [entry.component for entry in registry.entries]
        return resolve(components, self.settings, secrets)

    def record(self) -> dict[str, Any]:
        """As JSON can hold it; what is at its default is left out."""
        default = Selection()
        selection = {
            field.name: value
            for field in fields(Selection)
            if (value := getattr(self.selection, field.name)) != getattr(default, field.name)
        }
        record: dict[str, Any] = {"selection": selection, "settings": list(self.settings)}
        if self.model is not None:
            record["model"] = asdict(self.model)
        return record

    @staticmethod
    def read(record: Mapping[str, Any]) -> Recipe:
        """The recipe of such a record.

        Raises:
            SchemaError: it is none, or has something that this version doesn't know.
            UsageError: a value in it is wrong.
        """
        try:
            selection: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in record["selection"].items()
            }
            model = record.get("model")
            return Recipe(
                Selection(**selection),
                tuple(record["settings"]),
                None if model is None else GivenModel(**model),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise SchemaError(
                f"This is no recipe that this version of fxbench can follow ({error}): expected "
                "is what `run.json` has under `recipe`."
            ) from error


def settings_of(options: Options, owners: set[str]) -> tuple[str, ...]:
    """What was set of these components, as texts `NAME.OPTION=VALUE`, without secrets.

    A secret is what its name says to be one, and an address that names a user.

    Paths are absolute: who follows a recipe may be in another folder.
    """
    texts = []
    for (owner, name), given in sorted(options.given.items()):
        if owner in owners and not is_secret(name):
            # Options of one name are told apart by type; all come from the same text.
            value = next(iter(given.values.values()))
            if has_user(value):
                # An address with a password in it is a secret, whatever the option is called.
                continue
            shown = value.absolute() if isinstance(value, Path) else value
            texts.append(f"{owner}.{name}={shown}")
    return tuple(texts)
