"""Whether runs agree: about the images that they were scored on, and about cells that both have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fxbench.errors import UsageError
from fxbench.sides import PLACE

if TYPE_CHECKING:
    from fxbench.store import StoredRun

TOLERANCE = 1e-6
"""How far two runs may be apart in a number of the same cell: what is rounded differently."""

OF_ALL_CELLS = (
    "accuracy_shared",
    "accuracy_shared_end_to_end",
    "macro_f1_shared",
    "macro_f1_shared_end_to_end",
)
"""What depends on which classifiers a run compares."""
OF_ALL_MODELS = "transfer_success_all"
"""What depends on which surrogates and targets a run compares."""


def check_datasets(runs: Mapping[str, StoredRun]) -> None:
    """See to it that the name of a dataset means the same images and labels in all runs.

    Args:
        runs: by what messages call them.

    Raises:
        UsageError: it does not.
    """
    known: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for called, run in runs.items():
        for name, record in (run.run.get("datasets") or {}).items():
            first, other = known.setdefault(name, (called, record))
            for what in ("split", "protocol", "fingerprint"):
                if record.get(what) != other.get(what):
                    raise UsageError(
                        f"{first} and {called} can't be ranked together: the {what} of "
                        f"{name} is {str(other.get(what))[:12]} in one and "
                        f"{str(record.get(what))[:12]} in the other. Merge runs of the same "
                        "images and labels."
                    )


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """A number in which two runs' records of the same cell differ; None where they agree.

    What depends on the other cells of a run, and times, are not looked at.
    """
    for name in ("n", "found", "attacked"):
        counts = [(cell.get("images") or {}).get(name) for cell in (one, other)]
        if counts[0] != counts[1]:
            return f"{name} {counts[0]} and {counts[1]}"
    left_out = (*OF_ALL_CELLS, OF_ALL_MODELS)
    metrics = [without(cell.get("metrics") or {}, left_out) for cell in (one, other)]
    for name in dict.fromkeys((*metrics[0], *metrics[1])):
        first, second = ((metric.get(name) or {}).get("value") for metric in metrics)
        if first == second:
            continue
        if first is None or second is None or not _near(first, second):
            return f"{name} {_shown(first)} and {_shown(second)}"
    if one.get("confusion") != other.get("confusion"):
        return "other answers"
    for name in ("attack", "intervals", "points"):
        # What an earlier version did not record says nothing about what a later one did.
        first, second = (cell.get(name) for cell in (one, other))
        if first and second and not _alike(first, second):
            return f"other {name}"
    return "other values of what is robust" if _robust_differs(one, other) else None


def _robust_differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs that tried the same attacks found another share robust.

    Where they tried other ones, or at other budgets, the shares are meant to differ.
    """
    told = [cell.get("robust") or () for cell in (one, other)]
    tried = [
        [
            {name: value for name, value in record.items() if name != "estimate"}
            for record in records
        ]
        for records in told
    ]
    return _alike(*tried) and not _alike(*told)


def _alike(one: Any, other: Any) -> bool:
    """Whether two values as JSON has them are the same, but for what is rounded differently."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) or isinstance(other, float):
        both = isinstance(one, int | float) and isinstance(other, int | float)
        return both and _near(one, other)
    return bool(one == other)


def without(metrics: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Metrics without some."""
    return {name: value for name, value in metrics.items() if name not in names}


def described(cell: Mapping[str, Any]) -> str:
    """A cell as a message calls it: what its axes are, its dataset apart."""
    axes = {name: value for name, value in cell["axes"].items() if name not in PLACE}
    return " ".join(str(value) for value in axes.values())


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"
