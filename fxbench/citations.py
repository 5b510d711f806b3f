"""What the authors of components ask to be cited by: `citations.bib` in a plugin's package.

It is BibTeX. A field `fxbench` of an entry names the components that it is for, such as
`{classifier acme, detector acme-*}`; without it, an entry is for all of the plugin. It is a file
and no field of a component, because no result depends on it: whoever corrects a page number
empties no cache. A run keeps what its components ask for, so that it can be cited on any machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fxbench.citing import numbered
from fxbench.errors import PluginError
from fxbench.registry import Registry

FILE = "citations.bib"
_FOR = "fxbench"
_BEGIN = re.compile(r"@\s*(\w+)\s*\{\s*([^\s,{}]+)\s*,")
_FIELD = re.compile(r"\s*([A-Za-z][\w-]*)\s*=\s*")
_NO_ENTRIES = ("comment", "preamble", "string")


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry of a bibliography.

    Attributes:
        type: such as `inproceedings`.
        key: what a paper cites it by.
        fields: each value as BibTeX has it, with its braces or quotes.
        components: patterns such as `classifier acme-*`; empty for all of the plugin.
    """

    type: str
    key: str
    fields: Mapping[str, str]
    components: tuple[str, ...] = ()

    def bibtex(self) -> str:
        """The entry, one field a line, without what is for fxbench alone."""
        lines = [f"  {name} = {value}," for name, value in self.fields.items()]
        return "\n".join([f"@{self.type}{{{self.key},", *lines, "}"])

    def is_for(self, component: str) -> bool:
        """Whether a component such as `classifier acme` asks for it."""
        wanted = self.components
        return not wanted or any(fnmatchcase(component, pattern) for pattern in wanted)


def gather(
    registry: Registry, used: Iterable[tuple[str, str]], note: Callable[[str], None]
) -> list[dict[str, Any]]:
    """What a run with these components is to cite: `key`, `bibtex` and `for`, its components.

    Args:
        registry: what is installed.
        used: the components by kind and name.
        note: is told of a file that can't be read; the run is none the worse for it.
    """
    files: dict[str, tuple[Reference, ...]] = {}
    found: dict[str, list[str]] = {}
    for kind, name in used:
        module = registry.get(kind, name).plugin.module
        if module not in files:
            try:
                files[module] = of_package(module)
            except PluginError as error:
                files[module] = ()
                note(str(error))
        component = f"{kind} {name}"
        for reference in files[module]:
            if reference.is_for(component):
                # Two plugins may cite one paper.
                found.setdefault(reference.bibtex(), []).append(component)
    return numbered(found)


def of_package(module: str) -> tuple[Reference, ...]:
    """What a plugin asks to be cited by; nothing where it is one module, or has no such file.

    Raises:
        PluginError: the file can't be read.
    """
    spec = find_spec(module)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / FILE
        if path.is_file():
            try:
                return parse(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise PluginError(
                    f"{path} can't be read ({error}): nothing of it is cited. Expected is BibTeX, "
                    "`name = {value},` a field."
                ) from error
    return ()


def parse(text: str) -> tuple[Reference, ...]:
    """The entries of a BibTeX file.

    Raises:
        ValueError: an entry is not closed, or a field has no value; the message says which.
    """
    references = []
    place = 0
    while match := _BEGIN.search(text, place):
        if match[1].lower() in _NO_ENTRIES:
            place = match.end()
            continue
        fields, place = _fields(text, match.end(), match[2])
        named = fields.pop(_FOR, "").strip('{} "\n')
        components = tuple(" ".join(name.split()) for name in named.split(",") if name.strip())
        references.append(Reference(match[1].lower(), match[2], fields, components))
    return tuple(references)


def _fields(text: str, place: int, key: str) -> tuple[dict[str, str], int]:
    """The fields that begin at a place, and where the entry ends."""
    fields: dict[str, str] = {}
    while True:
        while text[place : place + 1] in (" ", "\n", "\r", "\t", ","):
            place += 1
        if text[place : place + 1] == "}":
            return fields, place + 1
        match = _FIELD.match(text, place)
        if match is None:
            raise ValueError(f"the entry {key} is not closed, or has a field without a name")
        end = _end_of_value(text, match.end(), key)
        fields[match[1].lower()] = " ".join(text[match.end() : end].split())
        place = end


def _end_of_value(text: str, place: int, key: str) -> int:
    """Where the value that begins at a place ends: at a comma or brace outside its own braces."""
    depth, quoted = 0, False
    for index in range(place, len(text)):
        character = text[index]
        if character == '"' and depth == 0:
            quoted = not quoted
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0 and not quoted:
                return index
            depth -= 1
        elif character == "," and depth == 0 and not quoted:
            return index
    raise ValueError(f"the entry {key} is not closed")
