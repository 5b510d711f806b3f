"""The accuracy table of a run, from its cells alone, and what its tables have in common.

Pure functions of a run's cells: nothing here needs a plugin, NumPy or the images. The tables that
they return are shown by :mod:`fxbench.tabular`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.reference_lines import reference_notes
from fxbench.tabular import Column, Table, Why, letters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fxbench.tabular import Row

    Cell = Mapping[str, Any]

AXES = (
    "dataset",
    "split",
    "protocol",
    "detector",
    "classifier",
    "attack",
    "surrogate",
    "norm",
    "epsilon",
)
_FURTHER = {
    "align": ("aligned", "faces aligned: {}"),
    "landmarker": ("by", "landmarks by {}"),
    "every": ("detected every", "faces looked for in every {} frames"),
    "smoothing": ("smoothed, s", "answers smoothed over {} s"),
}
"""How further axes of a cell are called in a table: above a column, and in the title."""
_OF_CONDITION = ("target_label", "subset", "corruption", "severity")
"""Further axes that say what was done to images; tables about that have columns for them."""

_MADE_FROM = ("attack", "surrogate", "norm", "epsilon", *_OF_CONDITION)

_PROPORTIONS = (
    "accuracy",
    "accuracy_end_to_end",
    "accuracy_shared",
    "accuracy_shared_end_to_end",
    "multi_target_accuracy",
    "multi_target_accuracy_end_to_end",
    "detection_rate",
    "attack_success_rate",
)
_OF_TRANSFER = ("transfer_success_both", "transfer_success_all")
"""Proportions that few cells have: only their rows get the keys."""
_NUMBERS = (
    "macro_f1",
    "macro_f1_end_to_end",
    "macro_f1_shared",
    "macro_f1_shared_end_to_end",
    "balanced_accuracy",
    "balanced_accuracy_end_to_end",
    "cross_entropy",
    "kl",
    "brier",
    "ece",
    "ece_calibrated",
    "aurc",
)
_LATENCY = {
    "latency_p50_ms": "p50_ms",
    "latency_p90_ms": "p90_ms",
    "latency_p99_ms": "p99_ms",
    "latency_samples": "samples",
    "images_per_s": "images_per_s",
    "batch": "batch",
    "load_s": "load_s",
    "detect_load_s": "detect_load_s",
    "classify_load_s": "classify_load_s",
    "real_time_factor": "real_time_factor",
    "latency_reference_p50": "reference_p50",
}


def flat(cell: Cell) -> Row:
    """A cell as one flat record: axes, metrics, rank, latency and status, missing ones None.

    A clean cell has the attack `none` and the corruption `none`, and one of faces as they are the
    alignment `none`.
    """
    axes: Mapping[str, Any] = cell.get("axes") or {}
    images: Mapping[str, Any] = cell.get("images") or {}
    metrics: Mapping[str, Any] = cell.get("metrics") or {}
    rank: Mapping[str, Any] = cell.get("rank") or {}
    latency: Mapping[str, Any] = cell.get("latency") or {}
    reason: Mapping[str, Any] = cell.get("reason") or {}
    row: Row = {axis: axes.get(axis) for axis in AXES}
    row["attack"] = axes.get("attack") or "none"
    row |= {axis: value for axis, value in axes.items() if axis not in row}
    if axes.get("classifier"):
        row.setdefault("align", "none")
        row.setdefault("corruption", "none")
    row |= {key: images.get(key) for key in ("n", "found", "aligned", "attacked", "unreadable")}
    row["unanswered"] = len(cell.get("unanswered") or ())
    for name in _PROPORTIONS:
        put(row, name, metrics.get(name))
    for name in _OF_TRANSFER:
        if name in metrics:
            put(row, name, metrics[name])
    row |= _effort(cell)
    for name in _NUMBERS:
        put(row, name, metrics.get(name))
    row |= {f"rank_{key}": rank.get(key) for key in ("low", "high", "of")}
    row["rank_groups"] = letters(rank.get("groups") or ())
    row |= {key: latency.get(name) for key, name in _LATENCY.items()}
    row |= {f"images_per_s_{e['batch']}": e["images_per_s"] for e in latency.get("throughput", ())}
    row["peak_memory_mb"] = (latency.get("peak_memory_bytes") or 0) / 1e6 or None
    if "machine" in latency:
        row["latency_machine"] = latency["machine"]
    row |= {"weights": cell.get("weights"), "floor": bool(cell.get("floor"))}
    row["home_advantage"] = bool(cell.get("home_advantage"))
    row |= {"status": cell.get("status"), "reason": reason.get("message")}
    row |= {"reason_kind": reason.get("kind"), "mend": reason.get("mend"), "id": cell.get("id")}
    return row


def _effort(cell: Cell) -> Row:
    """What an attack asked of the classifier, and how far it had to go, as far as it is known."""
    attack: Mapping[str, Any] = cell.get("attack") or {}
    row: Row = {f"queries_{key}": value for key, value in (attack.get("queries") or {}).items()}
    if "flat" in (cell.get("images") or {}):
        row["flat"] = cell["images"]["flat"]
    if attack.get("distance"):
        row["distance_median"] = attack["distance"].get("median")
    if attack.get("gradients") is not None:
        row["gradients"] = attack["gradients"]
    return row


def put(row: Row, name: str, estimate: Mapping[str, Any] | None) -> None:
    """Write a number of a cell into its row: its value, its interval and what it is divided by."""
    estimate = estimate or {}
    row[name] = estimate.get("value")
    row[f"{name}_low"] = estimate.get("low")
    row[f"{name}_high"] = estimate.get("high")
    row[f"{name}_n"] = estimate.get("n")


def kind_of(cell: Cell) -> str:
    """The kind of component that a cell scores; see :class:`fxbench.cells.Cell`."""
    kinds = ("spotter", "classifier", "landmarker")
    return next((kind for kind in kinds if cell["axes"].get(kind)), "detector")


def classified(cells: Iterable[Cell], *, attacked: bool) -> list[Cell]:
    """The clean or the attacked cells that have a classifier, those without a result last.

    Clean is what has neither an attack nor a corruption.
    """
    chosen = [
        cell
        for cell in cells
        if kind_of(cell) == "classifier"
        and _is(cell, "attack") == attacked
        and (attacked or not _is(cell, "corruption"))
    ]
    return sorted(chosen, key=lambda cell: cell["status"] != "ok")


def corrupted(cells: Iterable[Cell]) -> list[Cell]:
    """The cells of corrupted pictures that have a classifier and no attack."""
    return [
        cell
        for cell in cells
        if kind_of(cell) == "classifier" and _is(cell, "corruption") and not _is(cell, "attack")
    ]


def combination(cell: Cell) -> tuple[tuple[str, str], ...]:
    """What a clean cell and those made from it by attacks and corruptions have in common."""
    axes: Mapping[str, Any] = cell["axes"]
    aligned = axes.get("align", "none") != "none"
    # Without an alignment the landmarker is whoever placed a corruption.
    left_out = (*_MADE_FROM, *(() if aligned else ("landmarker",)))
    return tuple(sorted((axis, str(value)) for axis, value in axes.items() if axis not in left_out))


def is_own(cell: Cell) -> bool:
    """Whether an attack took the gradients of the attacked network itself."""
    axes: Mapping[str, Any] = cell["axes"]
    return axes.get("surrogate") in (None, axes["classifier"], cell.get("variant_of"))


def mark(classifier: str, cells: Iterable[Cell]) -> str:
    """What stands behind a classifier's name in a header; see :func:`notes`."""
    own = [cell for cell in cells if cell["axes"]["classifier"] == classifier]
    unverified = any(cell.get("weights") == "unverified" for cell in own)
    return "†" * unverified + "‡" * any(cell.get("floor") for cell in own)


def _is(cell: Cell, axis: str) -> bool:
    """Whether something was done to the images of a cell."""
    return bool(cell["axes"].get(axis, "none") != "none")


def wanted(cells: Iterable[Cell]) -> list[Cell]:
    """Those that are rows: what can't be combined, and nobody asked for by name, is a note."""
    return [cell for cell in cells if cell["status"] != "skipped" or cell.get("asked", True)]


def leading_columns(cells: Sequence[Cell]) -> tuple[Column, ...]:
    """The columns that say which cell a row is: whatever is the same everywhere goes in the title.

    An axis that this version has no column for is shown where it varies.
    """
    known = (*AXES, *_OF_CONDITION)
    axes = dict.fromkeys(axis for cell in cells for axis in cell["axes"] if axis not in known)
    further = [axis for axis in dict.fromkeys((*_FURTHER, *axes)) if axis in axes]
    return (
        *(Column(axis, axis, show="varies") for axis in ("dataset", "split", "protocol")),
        Column("detector", "detector"),
        Column("classifier", "classifier", "named"),
        *map(further_column, further),
    )


def further_column(axis: str) -> Column:
    """The column of an axis that most runs have one value of, which then stands in the title."""
    header, title = _FURTHER.get(axis, (axis, f"{axis} {{}}"))
    return Column(axis, header, show="varies", title=title)


STATUS = Column("status", "status", "status", show="any")


def notes(cells: Sequence[Cell], run: Mapping[str, Any] | None, *, shared: bool) -> list[str]:
    """The notes that a table needs because of what is in it.

    Args:
        cells: of the table.
        run: the run's record; for each of its `datasets` the `fingerprint` and a `note`, such as
            where labels come from, are read where they are there.
        shared: whether the table has a score over shared labels.
    """
    offered = {tuple(cell["shared_labels"]) for cell in cells if cell.get("shared_labels")}
    lines = [
        f"Shared labels, which all compared classifiers have: {', '.join(labels)}."
        for labels in (sorted(offered) if shared else ())
    ]
    if any(cell.get("weights") == "unverified" for cell in cells):
        lines.append("† weights: unverified. These figures say nothing about the named model.")
    if any(cell.get("floor") for cell in cells):
        lines.append("‡ a floor: the least that a method has to beat.")
    if any(cell.get("home_advantage") for cell in cells):
        lines.append("§ not to be ranked here: the dataset's true points were made with it.")
    datasets = (run or {}).get("datasets") or {}
    for name in dict.fromkeys(cell["axes"].get("dataset") for cell in cells):
        record = datasets.get(name) or {}
        parts = [str(record["note"])] if record.get("note") else []
        if record.get("fingerprint"):
            parts.append(f"fingerprint {str(record['fingerprint'])[:12]}")
        if parts:
            lines.append(f"Dataset {name}: {', '.join(parts)}.")
    unreadable: dict[str, int] = {}
    for cell in cells:
        place = " ".join(str(cell["axes"].get(axis)) for axis in AXES[:3])
        count = (cell.get("images") or {}).get("unreadable") or 0
        unreadable[place] = max(count, unreadable.get(place, 0))
    lines += [
        f"Images of {place} that could not be read and count nowhere: {count:,}."
        for place, count in unreadable.items()
        if count
    ]
    lines += [
        f"Images that {_chain(cell)} got no answer for, and that count nowhere in its row: "
        f"{count:,}."
        for cell in cells
        if (count := len(cell.get("unanswered") or ()))
    ]
    return lines + _reasons(cells)


def _chain(cell: Cell) -> str:
    axes = cell["axes"]
    kind = kind_of(cell)
    behind = "" if kind == "detector" else f" behind {axes['detector']}"
    return f"{axes[kind]}{behind}"


def _reasons(cells: Sequence[Cell]) -> list[str]:
    """Why cells have no result and what mends it, each reason once."""
    counts: dict[tuple[str, ...], int] = {}
    for cell in cells:
        reason = cell.get("reason")
        if reason:
            key = tuple(str(p or "") for p in (cell["status"], reason["message"], reason["mend"]))
            counts[key] = counts.get(key, 0) + 1
    lines = [
        Why(
            f"{status} ({count} cell{'s' if count > 1 else ''}): {message}{mend and f' → {mend}'}",
            (status, message, mend),
        )
        for (status, message, mend), count in counts.items()
    ]
    return [*lines] + [
        f"Not timed: {_chain(cell)}: {cell['latency_error']}"
        for cell in cells
        if cell.get("latency_error")
    ]


def accuracy_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """The scores of the clean cells, those that failed or were skipped below with the reason."""
    chosen = classified(cells, attacked=False)
    rows = [flat(cell) for cell in wanted(chosen)]
    columns = (
        *leading_columns(chosen),
        Column("accuracy", "accuracy % [95 % CI]", "interval"),
        Column("accuracy_end_to_end", "end-to-end %", "percent"),
        Column("accuracy_shared", "shared labels %", "percent", show="any"),
        Column("multi_target_accuracy", "multi-target %", "percent", show="any"),
        Column("macro_f1", "macro-F1 % [95 % CI]", "interval"),
        Column("balanced_accuracy", "balanced %", "percent", show="any"),
        Column("found", "faces found", "found"),
        Column("aligned", "faces aligned", "count", show="any"),
        STATUS,
    )
    first = [
        "Accuracy, shared labels, multi-target, macro-F1 and balanced accuracy are over found "
        "faces; end-to-end counts a missed face as wrong.",
        *reference_notes(chosen, run),
    ]
    if any(cell["axes"].get("align") for cell in chosen):
        first.append("A face whose eyes were not located is not aligned, and counts as it is.")
    return Table("Accuracy", columns, tuple(rows), (*first, *notes(chosen, run, shared=True)))
