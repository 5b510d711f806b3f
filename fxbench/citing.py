"""How a paper cites a run: BibTeX from the run's record alone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fxbench.latex import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DIGITS = 12
"""Of a hash, as in the notes of tables."""


def bibliography(run: Mapping[str, Any], suite: str | None = None) -> str:
    """BibTeX of fxbench, of a run, and of what its datasets and components ask to be cited by.

    Args:
        run: its record.
        suite: the suite that it is a run of.
    """
    environment: Mapping[str, Any] = run.get("environment") or {}
    when = _moment(run)
    version = str(environment.get("fxbench") or "unknown")
    software = [
        ("author", "{{The fxbench authors}}"),
        ("title", "{{fxbench}: a benchmark harness for facial expression recognition}"),
        ("note", f"{{Version {escaped(version)}}}"),
        *([("year", f"{{{when.year}}}")] if when else []),
    ]
    name = str(run["id"])
    of_suite = f"suite {suite}, " if suite else ""
    own = [
        ("key", f"{{{escaped(name)}}}"),
        ("title", f"{{{{fxbench}} run {escaped(name)}}}"),
        ("howpublished", f"{{{escaped(f'{of_suite}fxbench {version}')}}}"),
        *([("year", f"{{{when.year}}}"), ("month", _MONTHS[when.month - 1])] if when else []),
        ("note", f"{{{escaped(_what(run))}}}"),
    ]
    entries = [
        _entry("misc", "fxbench", software),
        _entry("misc", f"fxbench:{re.sub(r'[^A-Za-z0-9+_.-]', '_', name)}", own),
    ]
    for record in run.get("citations") or ():
        used = ", ".join(record["for"])
        entries.append(f"% {used}\n{record['bibtex']}")
    return "\n\n".join(entries) + "\n"


def together(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What several runs cite, each entry once, for a run that is merged from them."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for record in run.get("citations") or ():
            used = found.setdefault(record["bibtex"], [])
            used += [name for name in record["for"] if name not in used]
    return numbered(found)


def numbered(found: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Records of entries, no two with one key: a second one is told apart by a number.

    Args:
        found: BibTeX, and the components that each entry is for.
    """
    counts: dict[str, int] = {}
    records = []
    for text, components in found.items():
        own = _key(text)
        count = counts[own] = counts.get(own, 0) + 1
        key = own if count == 1 else f"{own}-{count}"
        named = text.replace(f"{{{own},", f"{{{key},", 1)
        records.append({"key": key, "bibtex": named, "for": components})
    return records


def _key(bibtex: str) -> str:
    return bibtex.partition("{")[2].partition(",")[0].strip()


def _entry(type_: str, key: str, fields: list[tuple[str, str]]) -> str:
    lines = [f"  {name} = {value}," for name, value in fields]
    return "\n".join([f"@{type_}{{{key},", *lines, "}"])


def _what(run: Mapping[str, Any]) -> str:
    """What makes the run this one and no other, in a sentence."""
    plan: Mapping[str, Any] = run["plan"]
    parts = []
    for name, dataset in (run.get("datasets") or {}).items():
        place = f"{name} {dataset['split']} ({dataset['protocol']})"
        images = (run.get("images") or {}).get(place) or {}
        count = images.get("selected")
        parts.append(
            f"{name} {dataset['split']}, protocol {dataset['protocol']}"
            + (f", {count:,} images" if count is not None else "")
            + f", fingerprint {str(dataset['fingerprint'])[:_DIGITS]}"
        )
    return "; ".join([*parts, f"plan {str(plan.get('key'))[:_DIGITS]}"]) + "."


def _moment(run: Mapping[str, Any]) -> datetime | None:
    text = run.get("finished") or run.get("created")
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
