"""What to say when a name is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """A sentence that says that `name` is not known, with the nearest of `known` or all of them."""
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"Unknown {what} {name!r}: did you mean {near[0]!r}?"
    if names:
        return f"Unknown {what} {name!r}: choose from {', '.join(names)}."
    return f"Unknown {what} {name!r}: there is none."
