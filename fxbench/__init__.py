"""fxbench: a benchmark harness for facial expression recognition.

Importing this package is cheap: it loads pluggy and nothing heavier.
"""

from __future__ import annotations

import pluggy

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("fxbench")
"""Marks a function of a plugin as the implementation of a hook of :mod:`fxbench.hookspecs`."""

__all__ = ["__version__", "hookimpl"]
