"""A person's own file as a classifier for one run, without a plugin that offers it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fxbench import __version__
from fxbench.component import Component, Weights
from fxbench.errors import DataError, PluginError, UsageError
from fxbench.kinds import KINDS
from fxbench.registry import GROUP, Entry, Plugin


def classifier_entry(component: Component, module: str) -> Entry:
    """An entry for :meth:`fxbench.registry.Registry.with_entry`.

    Args:
        component: the classifier.
        module: the module of fxbench that makes it; its source enters the component's digest.
    """
    (kind,) = (kind for kind in KINDS if kind.name == "classifier")
    return Entry(kind, component, Plugin(component.name, module, GROUP, __version__))


def component_name(path: Path, name: str | None) -> str:
    """`name`, else the file's name without its ending, made into words joined by hyphens.

    Raises:
        UsageError: `name` can't name a component, or the file's name gives none.
    """
    words = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") if name is None else name
    try:
        Component(words, "", object)
    except PluginError as error:
        given = f"The file name {path.name!r}" if name is None else f"The name {name!r}"
        raise UsageError(
            f"{given} gives no name for the table: give one with --name, lower-case words joined "
            "by hyphens such as my-model, and neither all nor none."
        ) from error
    return words


def read(path: Path) -> bytes:
    """The bytes of a file that a person named.

    Raises:
        DataError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error


def weights_of(path: Path, data: bytes | None = None) -> Weights:
    """The file as the weights of its component, so that its content decides what is shared.

    Args:
        path: the file.
        data: its bytes, where they have been read.

    Raises:
        DataError: it can't be read.
    """
    place = path.absolute()
    return Weights(
        name=path.name,
        locate=lambda: place if place.is_file() else None,
        sha256=hashlib.sha256(read(path) if data is None else data).hexdigest(),
        mend=f"Leave {path.name} where and as it is until the run is done.",
        source="given on the command line",
    )
