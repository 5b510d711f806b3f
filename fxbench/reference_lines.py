"""What the annotators of a dataset agree on among each other: lines to read scores against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tabular import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def references_of(run: Mapping[str, Any] | None, dataset: str) -> dict[str, Mapping[str, Any]]:
    """The reference lines of a dataset in a run, by a name for people; each an estimate."""
    known = (((run or {}).get("datasets") or {}).get(dataset) or {}).get("references") or {}
    return {name.replace("_", " "): line for name, line in known.items() if line.get("value")}


def reference_notes(cells: Iterable[Mapping[str, Any]], run: Mapping[str, Any] | None) -> list[str]:
    """The sentence about each dataset of some cells that has such lines."""
    lines = []
    for dataset in dict.fromkeys(str(cell["axes"].get("dataset")) for cell in cells):
        told = [
            f"{name} {FORMATS['interval'](_row(line), 'line')} %"
            for name, line in references_of(run, dataset).items()
        ]
        if told:
            lines.append(
                f"Reference lines of {dataset}, its annotators among each other: "
                f"{', '.join(told)}. Models may exceed them."
            )
    return lines


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"line": line["value"], "line_low": line["low"], "line_high": line["high"]}
