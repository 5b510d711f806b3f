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
_SECRET = re.compile(r"(^|_)(key|token|secret|password|credentials?)($|_)")
_USER = re.compile(r"://[^/\s]*@")
_BARE_USER = re.compile(r"^[^/\s]*@")
_QUERY = re.compile(r"(://[^\s?#'\"]*)[?#][^\s'\"]*")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody set, and where.

    Attributes:
        values: by type of the option, as components of one name but of different kinds may have
            options of one name too.
        origin: for messages.
    """

    values: Mapping[str, Any]
    origin: str


@dataclass(frozen=True, slots=True)
class Options:
    """What was set, by component and option."""

    given: Mapping[tuple[str, str], Given]

    def of(self, component: Component) -> dict[str, Any]:
        """The value of every option of a component: as set, else its default."""
        return {
            option.name: self.given[component.owner, option.name].values[option.type]
            if (component.owner, option.name) in self.given
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
            target = given if (component.owner, name) in self.given else defaulted
            target[name] = shown(name, value)
        return {"given": given, "defaulted": defaulted}


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    return str(value) if isinstance(value, Path) else value


def shown(name: str, value: Any) -> Any:
    """The value of an option as results and messages may hold it: a secret is redacted."""
    if value is not None and is_secret(name):
        return "(redacted)"
    return redacted(value) if has_user(value) else plain(value)


def is_secret(name: str) -> bool:
    """Whether an option or variable of that name holds what nobody else may see."""
    return _SECRET.search(name.lower()) is not None


def has_user(value: Any) -> bool:
    """Whether a value is an address with a user, and mostly a password, before its host."""
    return isinstance(value, str) and _USER.search(value) is not None


def redacted(address: str) -> str:
    """An address as messages and records may hold it: without user, password and query.

    A query may be a signature that lets whoever has it in. Text around an address stays.
    """
    bare = _BARE_USER.sub("", address) if "://" not in address else _USER.sub("://", address)
    return _QUERY.sub(r"\1", bare)


def resolve(
    components: Iterable[Component],
    settings: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    lenient: bool = False,
) -> Options:
    """Read all options that are set.

    Args:
        components: everything that is installed.
        settings: texts `NAME.OPTION=VALUE`.
        environment: variables, those that begin with `FXBENCH_OPT__` are read.
        folder: where `fxbench.toml` may lie.
        lenient: pass over names in the environment and the file that no component has, as when
            the plugin that has them is broken.

    Raises:
        UsageError: an unknown name, or a value of the wrong type.
    """
    table = _Table({}, {})
    for component in components:
        options = table.options.setdefault(component.owner, {})
        table.options.setdefault(component.name, {})
        if component.owner != component.name:
            table.owners[component.name] = component.owner
        for option in component.options:
            options.setdefault(option.name, []).append(option)
    given: dict[tuple[str, str], Given] = {}
    if folder is not None:
        given.update(_from_file(table, folder / FILE_NAME, lenient=lenient))
    given.update(_from_environment(table, environment or {}, lenient=lenient))
    for setting in settings:
        target, equals, text = setting.partition("=")
        name, dot, key = target.strip().rpartition(".")
        if not equals or not dot:
            raise UsageError(
                f"--set got {setting!r}; expected NAME.OPTION=VALUE, "
                "such as ferplus.path=~/data/ferplus."
            )
        origin = f"--set {target}"
        given[name, key] = _parsed(table.find(name, key, origin), text, origin)
    return Options(given)


@dataclass(frozen=True, slots=True)
class _Table:
    """What can be set.

    Attributes:
        options: by the name that they are set under and their own; several where kinds share a
            name.
        owners: the name that a view's options are set under, by the view's own.
    """

    options: dict[str, dict[str, list[Option]]]
    owners: dict[str, str]

    def find(self, name: str, option: str, origin: str) -> list[Option]:
        """The options that somebody set there.

        Raises:
            UsageError: there is none.
        """
        if name not in self.options:
            unknown = unknown_name("component", name, self.options, "`fxbench list` shows all.")
            raise UsageError(f"{origin}: {unknown}")
        own = self.options[name]
        if option in own:
            return own[option]
        if self.options.get(self.owners.get(name, "")):
            raise UsageError(f"{origin}: {self.elsewhere(name, option)}")
        if not own:
            raise UsageError(f"{origin}: the component {name!r} has no options.")
        raise UsageError(f"{origin}: {unknown_name(f'option of {name}', option, own)}")

    def elsewhere(self, view: str, option: str) -> str:
        """A sentence for who set an option of a view under the view's name."""
        owner = self.owners[view]
        wanted = option if option in self.options[owner] else "OPTION"
        return f"the options of {view} are set under {owner}: --set {owner}.{wanted}=…"


def _parsed(options: list[Option], text: str, origin: str, folder: Path | None = None) -> Given:
    values: dict[str, Any] = {}
    for option in options:
        value = _parse(option, text, origin)
        if folder is not None and isinstance(value, Path) and not value.is_absolute():
            value = folder / value
        values[option.type] = value
    return Given(values, origin)


def _from_file(table: _Table, path: Path, *, lenient: bool) -> dict[tuple[str, str], Given]:
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
            if lenient and key not in table.options.get(name, {}):
                continue
            options = table.find(name, key, origin)
            given[name, key] = _parsed(options, _text(value), origin, path.parent)
    return given


def _from_environment(
    table: _Table, environment: Mapping[str, str], *, lenient: bool
) -> dict[tuple[str, str], Given]:
    variables = {
        _variable(name, key): (name, key)
        for name, options in table.options.items()
        for key in options
    }
    of_views = {
        _variable(view, key): (view, key)
        for view, owner in table.owners.items()
        for key in table.options[owner]
    }
    given = {}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if variable not in variables:
            if lenient:
                continue
            if variable in of_views:
                raise UsageError(f"{variable}: {table.elsewhere(*of_views[variable])}")
            shows = "`fxbench show NAME` shows the options of a component."
            raise UsageError(unknown_name("environment variable", variable, variables, shows))
        name, key = variables[variable]
        given[name, key] = _parsed(table.options[name][key], text, variable)
    return given


def _variable(name: str, option: str) -> str:
    return f"{ENVIRONMENT_PREFIX}{name.replace('-', '_')}__{option}".upper()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse(option: Option, text: str, origin: str) -> Any:
    text = text.strip()
    value: Any = text
    got = shown(option.name, text)
    wrong = UsageError(f"{origin}: expected {_expected(option)}, but got {got!r}.")
    if option.choices and text not in option.choices:
        raise wrong
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
