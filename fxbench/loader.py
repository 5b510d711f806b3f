"""Makes components from their factories: late, once, timed and checked."""

from __future__ import annotations

import logging
import time
from typing import Any

from fxbench import protocols
from fxbench.errors import FxbenchError, PluginError
from fxbench.labels import EMOTIONS
from fxbench.options import Options
from fxbench.registry import Entry
from fxbench.types import FaceSpec

_log = logging.getLogger("fxbench")


class Loader:
    """Keeps the components that a run has made.

    Attributes:
        seconds: how long each took to load, by kind and name, what it imports included.
    """

    def __init__(self, options: Options) -> None:
        self.seconds: dict[tuple[str, str], float] = {}
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
            begin = time.perf_counter()
            try:
                self._made[key] = self._make(entry)
            except FxbenchError as error:
                self._failed[key] = error
                raise
            self.seconds[key] = time.perf_counter() - begin
        return self._made[key]

    def _make(self, entry: Entry) -> Any:
        name = f"{entry.kind.name} {entry.name}"
        try:
            made = entry.component.factory(**self._options.of(entry.component))
        except FxbenchError:
            raise
        except Exception as error:
            _log.debug("The factory of the %s failed", name, exc_info=True)
            raise PluginError(f"The {name} could not be loaded: {one_line(error)}") from error
        kind = getattr(protocols, entry.kind.protocol)
        if not isinstance(made, kind):
            lacking = sorted(n for n in kind.__protocol_attrs__ if not hasattr(made, n))
            raise PluginError(f"The {name} is no {kind.__name__}: it lacks {', '.join(lacking)}.")
        if entry.kind.name == "classifier":
            _check_classifier(name, made, gradient="gradient" in entry.component.traits)
        return made


def _check_classifier(name: str, made: Any, *, gradient: bool) -> None:
    if not isinstance(made.face, FaceSpec):
        raise PluginError(f"The face of the {name} must be a FaceSpec, not {made.face!r}.")
    wrong = [label for label in made.labels if label is not None and label not in EMOTIONS]
    if wrong or not made.labels:
        raise PluginError(
            f"The labels of the {name} must be emotions ({', '.join(EMOTIONS)}) or None, "
            f"but hold {wrong or 'nothing'}."
        )
    if gradient and not isinstance(made, protocols.Differentiable):
        raise PluginError(f"The {name} has the trait 'gradient', but no method gradient.")


def one_line(error: BaseException) -> str:
    """An exception as one line, for a table or a message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
