"""Every detector with every classifier at one glance, from a run's cells alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import classified, further_column, mark, notes
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fxbench.tables import Cell
    from fxbench.tabular import Row

_PLACE = ("dataset", "split", "protocol")
_AXES = (*_PLACE, "detector", "landmarker", "align")
_ALIGNED = (None, "none", "eyes", "similarity")


def matrix_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """End-to-end accuracy of clean cells: a row for each detector, a column for each classifier.

    The keys of a row are axes and names of classifiers: fractions from 0 to 1, None without a
    result. Detectors are in the order of their best accuracy, classifiers likewise; the rows of
    one detector stand together, as faces are first.
    """
    chosen = [
        cell
        for cell in classified(cells, attacked=False)
        if cell["status"] == "ok" and not {"every", "smoothing"} & cell["axes"].keys()
    ]
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for cell in chosen:
        value = (cell["metrics"].get("accuracy_end_to_end") or {}).get("value")
        if value is not None:
            key = tuple(cell["axes"].get(axis) for axis in _AXES)
            found.setdefault(key, {})[cell["axes"]["classifier"]] = value
    best: dict[str, float] = {}
    for values in found.values():
        for name, value in values.items():
            best[name] = max(value, best.get(name, 0.0))
    classifiers = sorted(best, key=lambda name: (-best[name], name))
    reached: dict[tuple[Any, ...], float] = {}
    for key, values in found.items():
        detector = key[: len(_PLACE) + 1]
        reached[detector] = max(*values.values(), reached.get(detector, 0.0))

    def place(key: tuple[Any, ...]) -> tuple[Any, ...]:
        detector, (landmarker, align) = key[: len(_PLACE) + 1], key[len(_PLACE) + 1 :]
        aligned = _ALIGNED.index(align) if align in _ALIGNED else len(_ALIGNED)
        return key[: len(_PLACE)], -reached[detector], key[len(_PLACE)], landmarker or "", aligned

    order = sorted(found, key=place)
    rows: list[Row] = []
    for key in order:
        axes = dict(zip(_AXES, key, strict=True))
        axes["align"] = axes["align"] or "none"
        rows.append(axes | {name: found[key].get(name) for name in classifiers})
    columns = (
        *(Column(axis, axis, show="varies") for axis in _PLACE),
        Column("detector", "detector"),
        *map(further_column, ("align", "landmarker")),
        *(Column(name, f"{name}{mark(name, chosen)} %", "percent") for name in classifiers),
    )
    first = ["End-to-end accuracy: a face that the detector misses counts as wrong."]
    return Table("Matrix", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))
