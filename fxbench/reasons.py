"""What must be known beside single rows of a table: as numbered notes below it, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fxbench.tabular import Row


def numbered(rows: Iterable[Row]) -> tuple[tuple[Row, ...], list[str]]:
    """The rows, each with a `note` that is the number of its reason, and the reasons as notes.

    Args:
        rows: with the reason, or None, in `why`, where programs find it.
    """
    reasons: dict[str, int] = {}
    made = []
    for row in rows:
        why = row.get("why")
        number = reasons.setdefault(why, len(reasons) + 1) if why else None
        made.append(row | {"note": None if number is None else f"({number})"})
    return tuple(made), [f"({number}) {ended(why)}" for why, number in reasons.items()]


def ended(text: str) -> str:
    """A reason as a sentence: with one full stop."""
    return text if text.endswith((".", "?", "!")) else f"{text}."
