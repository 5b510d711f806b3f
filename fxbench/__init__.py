"""fxbench: a benchmark harness for facial expression recognition.

Importing this package is cheap: it loads pluggy and nothing heavier. What is used from Python (see
docs/python.md) is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from fxbench.api import Run, components, load, run, score

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("fxbench")
"""Marks a function of a plugin as the implementation of a hook of :mod:`fxbench.hookspecs`."""

__all__ = ["Run", "__version__", "components", "hookimpl", "load", "run", "score"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fxbench import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
