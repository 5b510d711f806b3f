"""The conformance kit: is a component right?

`fxbench check NAME` runs it, and so do the pytest fixture `fxbench_check` and the project's own
tests. Importing this package loads nothing heavy: pytest imports it in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fxbench.testing.report import Report, Result

if TYPE_CHECKING:
    from fxbench.testing.corruptions import corrupted
    from fxbench.testing.films import track
    from fxbench.testing.kit import check, load, rules_of
    from fxbench.testing.pictures import boxes, faces, photos
    from fxbench.testing.sounds import voice
    from fxbench.testing.surrogate import Surrogate, attack_inputs, try_attack

__all__ = [
    "Report",
    "Result",
    "Surrogate",
    "attack_inputs",
    "boxes",
    "check",
    "corrupted",
    "faces",
    "load",
    "photos",
    "rules_of",
    "track",
    "try_attack",
    "voice",
]

_HOMES = {
    "check": "kit",
    "load": "kit",
    "rules_of": "kit",
    "corrupted": "corruptions",
    "track": "films",
    "boxes": "pictures",
    "faces": "pictures",
    "photos": "pictures",
    "Surrogate": "surrogate",
    "attack_inputs": "surrogate",
    "try_attack": "surrogate",
    "voice": "sounds",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
