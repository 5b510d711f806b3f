"""The table of what everyday corruptions do to classifiers, from a run's cells alone.

As :mod:`fxbench.tables`. The corruptions with the mark `common` in their cells are the 15 that
count in the mean corruption error; all others are shown apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxbench.metrics.corruption import (
    COMMON,
    SEVERITIES,
    corruption_error,
    mean,
    relative_corruption_error,
)
from fxbench.tables import classified, combination, corrupted, flat, leading_columns, mark, notes
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from collections.abc import Hashable

    from fxbench.tables import Cell
    from fxbench.tabular import Row

Errors = Mapping[str, Mapping[int, float]]
"""End-to-end errors from 0 to 1, by corruption and severity."""


def error(cell: Cell) -> float | None:
    """The share of the images that a cell is wrong about, missed faces among them."""
    accuracy = ((cell.get("metrics") or {}).get("accuracy_end_to_end") or {}).get("value")
    return None if accuracy is None else 1 - float(accuracy)


def errors_by_severity(cells: Iterable[Cell]) -> dict[Hashable, dict[str, dict[int, float]]]:
    """The errors on corrupted pictures, for each combination that clean cells stand for."""
    found: dict[Hashable, dict[str, dict[int, float]]] = {}
    for cell in corrupted(cells):
        value = error(cell) if cell["status"] == "ok" else None
        if value is not None:
            axes = cell["axes"]
            mine = found.setdefault(combination(cell), {})
            mine.setdefault(axes["corruption"], {})[axes["severity"]] = value
    return found


def corruption_names(cells: Iterable[Cell]) -> tuple[list[str], list[str]]:
    """The corruptions of a run: those that count in the mean corruption error, and the others."""
    common: dict[str, bool] = {}
    for cell in corrupted(cells):
        name = cell["axes"]["corruption"]
        common[name] = common.get(name, False) or bool(cell.get("common"))
    return [n for n in common if common[n]], [n for n in common if not common[n]]


def corruption_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """How much more each classifier errs on corrupted pictures: a row for each classifier.

    Beside what is shown, a row holds for each corruption `ce_NAME`, `relative_ce_NAME`,
    `error_NAME` and `accuracy_NAME` (means over the severities of the run), and `error_NAME_1` and
    so on.
    """
    found = _found(cells)
    columns = (
        *leading_columns(found.clean),
        Column("error_clean", "clean error %", "percent"),
        Column("error_common", found.header_of_mean, "percent", show="any"),
        Column("mce", "mCE", "relative", show="any"),
        Column("relative_mce", "relative mCE", "relative", show="any"),
        *(Column(f"accuracy_{n}", f"{_words(n)} accuracy %", "percent") for n in found.others),
    )
    return Table("Corruptions", columns, found.rows, tuple(_notes(found, run)))


def corruption_matrix(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """The same with each single corruption: a row for each number, a column for each classifier.

    The keys of a row are axes, `measure`, `unit` (`fraction`, or `relative`: percent of the
    baseline's) and names of classifiers.
    """
    found = _found(cells)
    measures = [("error_clean", "clean error %"), ("error_common", found.header_of_mean)]
    measures += [("mce", "mCE"), ("relative_mce", "relative mCE")]
    single, before = ("error", "error %") if found.absolute else ("ce", "CE")
    measures += [(f"{single}_{name}", f"{before} {_words(name)}") for name in found.common]
    measures += [(f"accuracy_{name}", f"accuracy % {_words(name)}") for name in found.others]
    places: dict[Hashable, list[Row]] = {}
    for cell, row in zip(found.clean, found.rows, strict=True):
        places.setdefault(_place(cell), []).append(row)
    rows: list[Row] = []
    for own in places.values():
        axes = {axis: own[0].get(axis) for axis in ("dataset", "split", "protocol", "detector")}
        for key, header in measures:
            values = {row["classifier"]: row.get(key) for row in own}
            if any(value is not None for value in values.values()):
                unit = "relative" if key.startswith(("ce_", "mce", "relative")) else "fraction"
                rows.append(axes | {"measure": header, "unit": unit} | values)
    names = dict.fromkeys(row["classifier"] for row in found.rows)
    columns = (
        *(Column(a, a, show="varies") for a in ("dataset", "split", "protocol", "detector")),
        Column("measure", "measure"),
        *(Column(name, f"{name}{mark(name, found.clean)}", "measured") for name in names),
    )
    return Table("Corruptions", columns, tuple(rows), tuple(_notes(found, run)))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a run has of corruptions.

    Attributes:
        common: the corruptions that count in the mean corruption error.
        others: the others.
        severities: that were run.
        clean: the clean cells that there are corrupted ones of.
        damaged: those.
        baselines: the clean cells of the baseline, by all axes but the classifier.
        rows: for each of `clean`, what :func:`corruption_table` promises.
    """

    common: list[str]
    others: list[str]
    severities: list[int]
    clean: list[Cell]
    damaged: list[Cell]
    baselines: Mapping[Hashable, Cell]
    rows: tuple[Row, ...]

    @property
    def absolute(self) -> bool:
        """Whether no error can be divided by a baseline's."""
        return all(row[f"ce_{name}"] is None for row in self.rows for name in self.common)

    @property
    def header_of_mean(self) -> str:
        """What the mean error over the corruptions that count is called."""
        return f"error % over the {len(self.common)}" if len(self.common) > 1 else "error %"


def _found(cells: Iterable[Cell]) -> _Found:
    every = list(cells)
    errors = errors_by_severity(every)
    common, others = corruption_names(every)
    damaged = corrupted(every)
    severities = sorted({cell["axes"]["severity"] for cell in damaged})
    made = {combination(cell) for cell in damaged}
    clean = [c for c in classified(every, attacked=False) if combination(c) in made]
    baseline = {combination(cell) for cell in damaged if cell.get("baseline")}
    baselines = {_place(c): c for c in reversed(clean) if combination(c) in baseline}
    rows: list[Row] = []
    for cell in clean:
        own, base = errors.get(combination(cell), {}), baselines.get(_place(cell))
        row: Row = flat(cell) | {"error_clean": error(cell)}
        for name in (*common, *others):
            row |= _averaged(name, own.get(name, {}), severities)
        other = {} if base is None else errors.get(combination(base), {})
        row |= _relative(common, own, error(cell), other, None if base is None else error(base))
        row["error_common"] = mean([row[f"error_{name}"] for name in common], len(common))
        rows.append(row)
    return _Found(common, others, severities, clean, damaged, baselines, tuple(rows))


def _averaged(name: str, errors: Mapping[int, float], severities: Sequence[int]) -> Row:
    """The error by severity, and its mean where no severity is missing."""
    row: Row = {f"error_{name}_{s}": errors[s] for s in severities if s in errors}
    average = mean([errors.get(severity) for severity in severities], len(severities))
    row[f"error_{name}"] = average
    row[f"accuracy_{name}"] = None if average is None else 1 - average
    return row


def _relative(
    common: Sequence[str],
    own: Errors,
    clean: float | None,
    other: Errors,
    other_clean: float | None,
) -> Row:
    """The corruption errors in percent of the baseline's, and their means."""
    row: Row = {}
    for name in common:
        mine, base = own.get(name, {}), other.get(name, {})
        row[f"ce_{name}"] = corruption_error(mine, base)
        row[f"relative_ce_{name}"] = relative_corruption_error(mine, clean, base, other_clean)
    row["mce"] = mean(row[f"ce_{name}"] for name in common)
    row["relative_mce"] = mean(row[f"relative_ce_{name}"] for name in common)
    return row


def _words(name: str) -> str:
    """A component's name in words, so that a narrow column can break it."""
    return name.replace("-", " ")


def _notes(found: _Found, run: Mapping[str, Any] | None) -> list[str]:
    if not found.rows:
        return []
    over = ", ".join(map(str, found.severities))
    lines = [f"Errors end-to-end: a missed face is wrong. Means over the severities {over}."]
    if found.common and not found.absolute:
        lines.append(
            "Corruption error (CE): the sum of the errors over the severities 1 to 5, in percent "
            "of the baseline's; mCE: its mean over the 15 of Hendrycks & Dietterich (2019). "
            "Relative: of what corruptions add to the clean error; read it beside that. Below 100 "
            "is better than the baseline."
        )
        lines += [_named(cell, run) for cell in found.baselines.values()]
        flat = [_words(name) for name in found.common if _adds_nothing(found, name)]
        if flat:
            lines.append(
                "No relative mCE, since these add nothing to the baseline's clean error: "
                f"{', '.join(flat)}."
            )
        if len(found.common) != COMMON:
            lines.append(f"No mCE: it is over {COMMON} corruptions, {len(found.common)} were run.")
    elif found.common:
        lines.append(_why_absolute(found))
    if found.common and found.others:
        listed = ", ".join(map(_words, found.others))
        lines.append(f"Not among the {COMMON}, and in no mean: {listed}.")
    cells = [*found.clean, *found.damaged]
    return list(dict.fromkeys((*lines, *notes(cells, run, shared=False))))


def _adds_nothing(found: _Found, name: str) -> bool:
    """Whether a corruption leaves the baseline's error as it is, so that nothing is relative."""
    return any(
        row[f"ce_{name}"] is not None and row[f"relative_ce_{name}"] is None for row in found.rows
    )


def _place(cell: Cell) -> Hashable:
    """All but the classifier."""
    return tuple(pair for pair in combination(cell) if pair[0] != "classifier")


def _named(baseline: Cell, run: Mapping[str, Any] | None) -> str:
    name = baseline["axes"]["classifier"]
    files = ((run or {}).get("weights") or {}).get(f"classifier {name}") or {}
    sums = [f"{file} {record['sha256']}" for file, record in files.items()]
    pinned = f" (weights' sha256: {', '.join(sums)})" if sums else ""
    return f"Baseline: {name}{pinned}."


def _why_absolute(found: _Found) -> str:
    if found.severities != list(SEVERITIES):
        return "No corruption error: it sums over the severities 1 to 5, and not all were run."
    if not found.baselines:
        return "No corruption error: the baseline that errors are divided by has no result here."
    return "No corruption error: the baseline's errors are not known, or 0."
