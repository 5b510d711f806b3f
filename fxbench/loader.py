"""Makes components from their factories: late, once, timed and checked."""

from __future__ import annotations

import contextlib
import importlib
import logging
import time
from typing import Any

from fxbench import protocols
from fxbench.errors import FxbenchError, PluginError
from fxbench.labels import EMOTIONS
from fxbench.options import Options
from fxbench.registry import Entry
from fxbench.types import FaceSpec
from fxbench.views import Memory, Shared, Showing

_log = logging.getLogger("fxbench")


class Loader:
    """Keeps the components that a run has made.

    Attributes:
        seconds: how long each took to load, by kind and name. The libraries that it requires are
            imported beforehand, as the first component that needs one would pay for all. Of a
            view, what its analyzer took.
        analyzers: those that were made, by plugin and name: each once, for all views of it.
        memory: what they share answers through.
    """

    def __init__(self, options: Options) -> None:
        self.seconds: dict[tuple[str, str], float] = {}
        self.analyzers: dict[tuple[str, str], Shared] = {}
        self.memory = Memory()
        self._analyzer_seconds: dict[tuple[str, str], float] = {}
        self._options = options
        self._made: dict[tuple[str, str], Any] = {}
        self._failed: dict[tuple[str, str], FxbenchError] = {}

    def get(self, entry: Entry) -> Any:
        """The component, made at the first call.

        Raises:
            FxbenchError: its factory failed, or what it made is not of its kind. The same error
                comes again at every call.
        """
        key = (entry.kind.name, entry.name)
        if key in self._failed:
            raise self._failed[key]
        if key not in self._made:
            # Apart from the loading, which is timed. Nobody times an attack, and its own imports
            # may have to keep a library quiet.
            if entry.kind.name != "attack":
                _import(entry.component.requires)
            begin = time.perf_counter()
            try:
                self._made[key] = self.fresh(entry)
            except FxbenchError as error:
                self._failed[key] = error
                raise
            seconds = time.perf_counter() - begin
            source = entry.component.source
            if source is not None:
                # The first view has paid for all.
                seconds = self._analyzer_seconds.setdefault(
                    (entry.plugin.module, source.name), seconds
                )
            self.seconds[key] = seconds
        return self._made[key]

    def fresh(self, entry: Entry) -> Any:
        """The component, made anew.

        Raises:
            FxbenchError: its factory failed, or what it made is not of its kind.
        """
        name = f"{entry.kind.name} {entry.name}"
        try:
            made = self._made_by(entry)
        except FxbenchError:
            raise
        except (Exception, SystemExit) as error:
            _log.debug("The factory of the %s failed", name, exc_info=True)
            raise PluginError(f"The {name} could not be loaded: {one_line(error)}") from error
        kind = getattr(protocols, entry.kind.protocol)
        if not isinstance(made, kind):
            absent = ", ".join(lacking(made, kind))
            raise PluginError(f"The {name} is no {kind.__name__}: it lacks {absent}.")
        if entry.kind.name == "classifier":
            _check_classifier(name, made, gradient="gradient" in entry.component.traits)
        return made

    def _made_by(self, entry: Entry) -> Any:
        component = entry.component
        options = self._options.of(component)
        if component.source is None or not isinstance(component.factory, Showing):
            return component.factory(**options)
        name = component.source.name
        # Two plugins may call theirs alike.
        key = (entry.plugin.module, name)
        if key not in self.analyzers:
            analyzer = component.factory.analyzer(**options)
            if not isinstance(analyzer, protocols.Analyzer):
                absent = ", ".join(lacking(analyzer, protocols.Analyzer))
                raise PluginError(f"What {name} makes is no Analyzer: it lacks {absent}.")
            self.analyzers[key] = Shared(analyzer, self.memory)
        return component.factory.shows(self.analyzers[key])


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        # Whatever is wrong with it, the factory says it better.
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(module)


def _check_classifier(name: str, made: Any, *, gradient: bool) -> None:
    if not isinstance(made.face, FaceSpec):
        raise PluginError(f"The face of the {name} must be a FaceSpec, not {made.face!r}.")
    labels = made.labels if isinstance(made.labels, (tuple, list)) else ()
    wrong = [label for label in labels if label is not None and label not in EMOTIONS]
    if wrong or not labels:
        raise PluginError(
            f"The labels of the {name} must be emotions ({', '.join(EMOTIONS)}) or None, "
            f"but hold {wrong or 'nothing'}."
        )
    if gradient and not isinstance(made, protocols.Differentiable):
        raise PluginError(f"The {name} has the trait 'gradient', but no method gradient.")


def lacking(made: Any, protocol: type) -> list[str]:
    """The public members of a protocol that an object doesn't have."""
    members = {
        member
        for base in protocol.__mro__
        if base.__module__ == protocol.__module__
        for member in (*vars(base), *base.__annotations__)
        if not member.startswith("_")
    }
    return sorted(member for member in members if not hasattr(made, member))


def one_line(error: BaseException) -> str:
    """An exception as one line, for a table or a message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
