"""What to say when a name is not known, and of how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_FEW = 5
_MOST = 8
_PART = 3


def unknown_name(what: str, name: str, known: Iterable[str], where_all: str = "") -> str:
    """A sentence that says that `name` is not known, with the nearest of `known` or all of them.

    Args:
        what: it is, such as `detector`.
        name: what was given.
        known: the names that there are.
        where_all: a sentence that says what shows all of them: of a long list, only the nearest
            are named then.
    """
    known = tuple(known)  # an iterator could be gone through only once
    near = near_name(name, known)
    if near:
        return f"Unknown {what} {name!r}: did you mean {near}?"
    names = sorted(set(known))
    if where_all and len(names) > _MOST:
        names.sort(key=lambda other: -SequenceMatcher(None, name, other).ratio())
        return f"Unknown {what} {name!r}: the nearest are {', '.join(names[:_MOST])}. {where_all}"
    if names:
        return f"Unknown {what} {name!r}: choose from {', '.join(names)}."
    return f"Unknown {what} {name!r}: there is none."


def near_name(name: str, known: Iterable[str]) -> str | None:
    """The names that may have been meant, as text: `'a' or 'b'`; None where none is near."""
    names = sorted(set(known))
    # Of a short list, all are said sooner than that one is guessed at.
    near = get_close_matches(name, names, n=1, cutoff=0.75 if len(names) <= _FEW else 0.6)
    if len(name) >= _PART:
        near += [other for other in names if name in other and other not in near]
    return " or ".join(repr(other) for other in near[:_MOST]) or None


def counted(count: int, what: str) -> str:
    """A number with its noun: `1 cell`, `1,234 cells`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
