"""Values for the options of components: `--set`, then the environment, then `fxbench.toml`."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxbench.component import Component, Option
from fxbench.errors import UsageError
from fxbench.names import unknown_name

ENVIRONMENT_PREFIX = "FXBENCH_OPT__"
FILE_NAME = "fxbench.toml"
_SECRET = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody set, and where."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Options:
    """What was set, by component and option."""

    given: Mapping[tuple[str, str], Given]

    def of(self, component: Component) -> dict[str, Any]:
        """The value of every option of a component: as set, else its default."""
        return {
            option.name: self.given[component.name, option.name].value
            if (component.name, option.name) in self.given
            else option.default
            for option in component.options
        }

    def missing(self, component: Component) -> list[Option]:
        """The required options that nobody set."""
        values = self.of(component)
        return [o for o in component.options if o.required and values[o.name] is None]

    def record(self, component: Component) -> dict[str, dict[str, Any]]:
        """For `run.json`: what was given and what was defaulted, secrets redacted."""
        given: dict[str, Any] = {}
        defaulted: dict[str, Any] = {}
        for name, value in self.of(component).items():
            shown = "(redacted)" if _SECRET.search(name) else plain(value)
            (given if (component.name, name) in self.given else defaulted)[name] = shown
        return {"given": given, "defaulted": defaulted}


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    return str(value) if isinstance(value, Path) else value


def resolve(
    components: Iterable[Component],
    settings: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Options:
    """Read all options that are set.

    Args:
        components: everything that is installed.
        settings: texts `NAME.OPTION=VALUE`.
        environment: variables, those that begin with `FXBENCH_OPT__` are read.
        folder: where `fxbench.toml` may lie.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    table: dict[str, dict[str, Option]] = {}
    for component in components:
        options = table.setdefault(component.name, {})
        options.update({option.name: option for option in component.options})
    given: dict[tuple[str, str], Given] = {}
    if folder is not None:
        given.update(_from_file(table, folder / FILE_NAME))
    given.update(_from_environment(table, environment or {}))
    for setting in settings:
        target, equals, text = setting.partition("=")
        name, dot, option = target.strip().rpartition(".")
        if not equals or not dot:
            raise UsageError(
                f"--set got {setting!r}; expected NAME.OPTION=VALUE, "
                "such as ferplus.path=~/data/ferplus."
            )
        origin = f"--set {target}"
        given[name, option] = Given(
            _parse(_find(table, name, option, origin), text, origin), origin
        )
    return Options(given)


def _find(table: dict[str, dict[str, Option]], name: str, option: str, origin: str) -> Option:
    if name not in table:
        raise UsageError(f"{origin}: {unknown_name('component', name, table)}")
    if not table[name]:
        raise UsageError(f"{origin}: the component {name!r} has no options.")
    if option not in table[name]:
        raise UsageError(f"{origin}: {unknown_name(f'option of {name}', option, table[name])}")
    return table[name][option]


def _from_file(table: dict[str, dict[str, Option]], path: Path) -> dict[tuple[str, str], Given]:
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    sections = content.get("options", {})
    if not isinstance(sections, dict) or not all(isinstance(s, dict) for s in sections.values()):
        raise UsageError(f"{path}: options are set in sections such as [options.ferplus].")
    given = {}
    for name, section in sections.items():
        for key, value in section.items():
            origin = f"{path} [options.{name}] {key}"
            option = _find(table, name, key, origin)
            parsed = _parse(option, value if isinstance(value, str) else _text(value), origin)
            if isinstance(parsed, Path) and not parsed.is_absolute():
                parsed = path.parent / parsed
            given[name, key] = Given(parsed, origin)
    return given


def _from_environment(
    table: dict[str, dict[str, Option]], environment: Mapping[str, str]
) -> dict[tuple[str, str], Given]:
    variables = {
        _variable(name, key): (name, key, option)
        for name, options in table.items()
        for key, option in options.items()
    }
    given = {}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if variable not in variables:
            raise UsageError(unknown_name("environment variable", variable, variables))
        name, key, option = variables[variable]
        given[name, key] = Given(_parse(option, text, variable), variable)
    return given


def _variable(name: str, option: str) -> str:
    return f"{ENVIRONMENT_PREFIX}{name.replace('-', '_')}__{option}".upper()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse(option: Option, text: str, origin: str) -> Any:
    text = text.strip()
    value: Any = text
    wrong = UsageError(f"{origin}: expected {_expected(option)}, but got {text!r}.")
    try:
        if option.type == "int":
            value = int(text)
        elif option.type == "float":
            value = float(text)
            if not math.isfinite(value):
                raise wrong
        elif option.type == "bool":
            if text.lower() not in _TRUE + _FALSE:
                raise wrong
            value = text.lower() in _TRUE
        elif option.type == "path":
            if not text or "\0" in text:
                raise wrong
            value = Path(text).expanduser()
    except ValueError as error:
        raise wrong from error
    if option.choices and value not in option.choices:
        raise wrong
    return value


def _expected(option: Option) -> str:
    if option.choices:
        return f"one of {', '.join(option.choices)}"
    return {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "path": "a path",
        "str": "a text",
    }[option.type]
