"""A section of the report, and what all sections share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxbench.pages.tables import table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.tabular import Table

Cell = Mapping[str, Any]

PLACE = ("dataset", "split", "protocol")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        id: of the heading, for links.
        title: the heading, and in the list of sections.
        parts: what stands below, in order; empty ones are left out.
        lead: a sentence or two below the heading.
    """

    id: str
    title: str
    parts: tuple[Markup, ...]
    lead: str = ""


def section(id_: str, title: str, *parts: Markup | None, lead: str = "") -> list[Section]:
    """A section with those parts that there are; none where there are none."""
    there = tuple(part for part in parts if part)
    return [Section(id_, title, there, lead)] if there else []


def shown(made: Table, *, sorts: bool = True) -> Markup | None:
    """A table, if it has a row."""
    return table(made, sorts=sorts) if made.rows else None


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis of a figure."""
    return {"title": {"text": title}, **more}


def percent(value: float | None) -> str:
    """A fraction for people."""
    return "not known" if value is None else f"{100 * value:.1f} %"
