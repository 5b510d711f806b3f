"""The tables of what attacks do to classifiers, from a run's cells alone.

As :mod:`fxbench.tables`; corruptions have :mod:`fxbench.tables_corruption`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.tables import (
    STATUS,
    classified,
    flat,
    is_own,
    leading_columns,
    mark,
    notes,
    put,
    wanted,
)
from fxbench.tabular import Column, Table, format_epsilon

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from fxbench.tables import Cell
    from fxbench.tabular import Row

__all__ = [
    "ALL_RIGHT",
    "BOTH_RIGHT",
    "fewer_attacks",
    "robust_columns",
    "robust_scores",
    "robust_table",
    "robustness_table",
    "sanity_table",
    "transfer_table",
]

_STATUSES = ("warn", "inconclusive", "pass")
"""Of a diagnostic, in the order in which people want to see them."""

BOTH_RIGHT, ALL_RIGHT = "both right", "all right"
"""The faces that a row of the transfer table is about."""


def robustness_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """The scores of the attacked cells, those that failed or were skipped below."""
    chosen = classified(cells, attacked=True)
    rows = [flat(cell) for cell in wanted(chosen)]
    columns = (
        *leading_columns(chosen),
        Column("attack", "attack"),
        Column("norm", "norm", show="varies"),
        Column("epsilon", "epsilon", "epsilon"),
        Column("surrogate", "surrogate"),
        Column("target_label", "target label", show="any"),
        Column("subset", "on images", "count", show="any"),
        Column("accuracy", "robust accuracy % [95 % CI]", "interval"),
        Column("accuracy_end_to_end", "end-to-end %", "percent"),
        Column("attack_success_rate", "attack success % [95 % CI]", "interval-of"),
        Column("queries_median", "queries, median", "queries", show="any"),
        Column("distance_median", "distance, median", "distance", show="any"),
        STATUS,
    )
    first = [
        "Robust accuracy is over found faces; end-to-end counts a missed face as wrong. Attack "
        "success is over the attacked faces that were right when clean: their number follows 'of'."
    ]
    if any(row.get("target_label") for row in rows):
        first.append("With a target label, success is a face of another label that gets this one.")
    if any(row.get("subset") for row in rows):
        first.append(
            "On images: this attack was run on so many only, evenly spaced, and its row is about "
            "these."
        )
    if any(row.get("queries_median") is not None for row in rows):
        first.append("Queries: how often it asked about a face, of how often it might.")
    if any(row.get("distance_median") is not None for row in rows):
        first.append(
            "Distance: how large the smallest change is that was found to fool the classifier, "
            "over the faces where one was."
        )
    return Table("Robustness", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def robust_scores(cells: Sequence[Cell]) -> list[Row]:
    """What clean cells say of 'robust at epsilon': a group of keys for each norm and epsilon.

    The keys of a group are such as `robust_linf_8/255`, with `_low`, `_high`, `_n` and
    `_fewer_attacks`: whether another cell was under all that this one was itself, and more. There
    are none where a cell has no such record, as in a run without attacks or of an earlier version.

    Args:
        cells: clean ones, whose figures are to stand in one table.

    Returns:
        A part of a row for each cell.
    """
    tried: dict[str, list[frozenset[str]]] = {}
    for cell in cells:
        for record in cell.get("robust") or ():
            tried.setdefault(_key(record), []).append(_own_attacks(record))
    rows: list[Row] = []
    for cell in cells:
        row: Row = {}
        for record in cell.get("robust") or ():
            key, own = _key(record), _own_attacks(record)
            put(row, key, record.get("estimate"))
            row[f"{key}_fewer_attacks"] = any(own < others for others in tried[key])
        rows.append(row)
    return rows


def _own_attacks(record: Mapping[str, Any]) -> frozenset[str]:
    """The attacks that were made for the classifier itself: what is carried over is weaker."""
    return frozenset(name for name in record["attacks"] if " from " not in name)


def robust_columns(cells: Iterable[Cell], format: str) -> list[Column]:  # noqa: A002 - a column's field
    """The columns for :func:`robust_scores`: norm by norm, epsilon ascending.

    Args:
        cells: clean ones.
        format: of the columns, `robust` or `robust-interval`.
    """
    records = [record for cell in cells for record in cell.get("robust") or ()]
    norms = list(dict.fromkeys(record["norm"] for record in records))
    records.sort(key=lambda record: (norms.index(record["norm"]), record["epsilon"]))
    tail = "% [95 % CI]" if format == "robust-interval" else "%"
    headers = {}
    for record in records:
        norm = "" if record["norm"] == "linf" else f"{record['norm']} "
        headers[_key(record)] = f"robust {norm}{format_epsilon(record['epsilon'])} {tail}"
    return [Column(key, header, format) for key, header in headers.items()]


def robust_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """The headline: which share of the images survives every attack up to each epsilon."""
    chosen = [c for c in classified(cells, attacked=False) if c.get("robust")]
    rows = [
        flat(cell) | scores | {"attacks": _attacks(cell)}
        for cell, scores in zip(chosen, robust_scores(chosen), strict=True)
    ]
    lists = list(dict.fromkeys(row["attacks"] for row in rows))
    columns = (
        *leading_columns(chosen),
        Column("accuracy_end_to_end", "clean % [95 % CI]", "interval"),
        *robust_columns(chosen, "robust-interval"),
        *((Column("attacks", "attacks"),) if len(lists) > 1 else ()),
    )
    first = [
        "Robust at epsilon: of the labelled images that attacks of that norm were run on, the "
        "share that is right when clean and stays so under every untargeted attack with that or a "
        "smaller epsilon; a missed face is wrong. It is an upper bound: an attack that was not run "
        "may break more."
    ]
    first += fewer_attacks(rows)
    if len(lists) > 1:
        first.append("Only rows that were under the same attacks can be compared.")
    first += [f"Attacks: {listed}." for listed in lists if len(lists) == 1]
    if any("(" in listed for listed in lists):
        first.append("What was run on some images only, as many as in brackets, breaks no others.")
    counts = _counted(_diagnostics(chosen))
    if counts:
        first.append(f"Sanity of the attacks: {counts}; see `fxbench tables --table sanity`.")
    found = notes(chosen, run, shared=False)
    return Table("Robust at epsilon", columns, tuple(rows), (*first, *found))


def fewer_attacks(rows: Iterable[Row]) -> list[str]:
    """The note for the mark of figures that are high because less was tried; none without one."""
    marked = any(v for row in rows for key, v in row.items() if key.endswith("_fewer_attacks"))
    return ["* Fewer attacks were run on it than on others: no sign of robustness."] * marked


def _key(record: Mapping[str, Any]) -> str:
    return f"robust_{record['norm']}_{format_epsilon(record['epsilon'])}"


def _attacks(cell: Cell) -> str:
    """Which attacks a cell was under, norm by norm, with the images of those on some only."""
    names: dict[str, dict[str, str]] = {}
    for record in cell["robust"]:
        images, n = record.get("images") or {}, record["estimate"]["n"]
        few = {name: f"{name} ({count:,})" for name, count in images.items() if count < n}
        listed = {name: few.get(name, name) for name in record["attacks"]}
        names.setdefault(record["norm"], {}).update(listed)
    texts = {norm: ", ".join(attacks.values()) for norm, attacks in names.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{norm}: {text}" for norm, text in texts.items())


def transfer_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """What attacks on one classifier do to others: a row for each surrogate, a column a target.

    Two rows stand for each attack, epsilon and surrogate (`faces`): of the faces that surrogate and
    target got right when clean, and of those that all surrogates and targets of the run did. The
    keys of a row are axes and, for each target, its name with the share of successes (and `_low`,
    `_high`, `_n`, `_own`).
    """
    chosen = [c for c in classified(cells, attacked=True) if c["status"] == "ok"]
    chosen = [
        cell
        for cell in chosen
        if cell["axes"].get("epsilon") != 0 and "transfer_success_both" in (cell["metrics"] or {})
    ]
    # What asks for answers only, or is noise, is made anew for each classifier.
    carried = {_condition(cell) for cell in chosen if not is_own(cell)}
    chosen = [cell for cell in chosen if _condition(cell) in carried]
    targets = list(dict.fromkeys(cell["axes"]["classifier"] for cell in chosen))
    found: dict[tuple[Hashable, str, str], Row] = {}
    for cell in chosen:
        target, own = cell["axes"]["classifier"], is_own(cell)
        for faces, metric in (
            (BOTH_RIGHT, "transfer_success_both"),
            (ALL_RIGHT, "transfer_success_all"),
        ):
            estimate = cell["metrics"].get(metric)
            if estimate is None:
                continue
            row = {axis: value for axis, value in cell["axes"].items() if axis != "classifier"}
            row |= {"surrogate": _surrogate(cell), "faces": faces}
            row = found.setdefault((_condition(cell), row["surrogate"], faces), row)
            put(row, target, estimate)
            row[f"{target}_own"] = own
    conditions = list(dict.fromkeys(_condition(cell) for cell in chosen))
    surrogates = list(dict.fromkeys(_surrogate(cell) for cell in chosen))
    order = sorted(
        found, key=lambda k: (conditions.index(k[0]), surrogates.index(k[1]), k[2] == ALL_RIGHT)
    )
    rows = [found[key] for key in order]
    columns = (
        *(Column(axis, axis, show="varies") for axis in ("dataset", "split", "protocol")),
        Column("detector", "detector", show="varies"),
        Column("align", "aligned", show="varies"),
        Column("attack", "attack", show="varies"),
        Column("norm", "norm", show="varies"),
        Column("epsilon", "epsilon", "epsilon"),
        Column("target_label", "target label", show="any"),
        Column("subset", "on images", "count", show="any"),
        Column("surrogate", "surrogate"),
        Column("faces", "faces"),
        *(Column(name, f"{name}{mark(name, chosen)} %", "share-of") for name in targets),
    )
    first = [
        "Success of faces made with the gradients of the surrogate: right when clean, wrong now. "
        "Of the faces that surrogate and target both got right when clean ('both right'), and of "
        "those that all surrogates and targets of the run did ('all right'): only these compare "
        "across rows and columns. Their number follows 'of'.",
        "¶ the surrogate is the target itself, or the same network in another runtime.",
    ]
    if any(row.get("target_label") for row in rows):
        first.append("With a target label, success is a face of another label that gets this one.")
    return Table("Transfer", columns, tuple(rows), (*first, *notes(chosen, run, shared=False)))


def _surrogate(cell: Cell) -> str:
    return str(cell["axes"].get("surrogate") or cell["axes"]["classifier"])


def _condition(cell: Cell) -> Hashable:
    """All but who is attacked and with whose gradients."""
    left_out = ("classifier", "surrogate")
    return tuple(sorted((a, str(v)) for a, v in cell["axes"].items() if a not in left_out))


def sanity_table(
    cells: Iterable[Cell], run: Mapping[str, Any] | None = None, *, compact: bool = False
) -> Table:
    """Whether the attacks behaved as attacks that work must, warnings first.

    Args:
        cells: of a run.
        run: its record, for the notes.
        compact: without what passed; a note counts it.
    """
    chosen = [cell for cell in classified(cells, attacked=False) if cell.get("diagnostics")]
    every = _diagnostics(chosen)
    shown = [row for row in every if not (compact and row["status"] == "pass")]
    shown.sort(key=lambda row: _STATUSES.index(row["status"]))
    columns = (
        *leading_columns(chosen),
        Column("status", "status"),
        Column("check", "check"),
        Column("message", "what was seen"),
        Column("stronger", "only stronger", "count"),
        Column("weaker", "only weaker", "count"),
        Column("p_holm", "p", "number"),
    )
    first = [
        "Images that only the attack expected to be the stronger breaks, and that only the other "
        "one does; p of a one-sided mid-p McNemar test in the direction seen, with Holm's "
        "correction over all checks of a dataset. A warning means that a robust accuracy may be "
        "too high; that all pass does not prove the contrary."
    ]
    if every:
        first.append(f"Checks: {_counted(every)}.")
    return Table("Sanity", columns, tuple(shown), (*first, *notes(chosen, run, shared=False)))


def _diagnostics(cells: Sequence[Cell]) -> list[Row]:
    rows: list[Row] = []
    for cell in cells:
        place = {"align": "none", "landmarker": None, **cell["axes"]}
        place |= {"weights": cell.get("weights"), "floor": bool(cell.get("floor"))}
        rows += [place | dict(record) for record in cell.get("diagnostics") or ()]
    return rows


def _counted(rows: Sequence[Row]) -> str:
    """How many checks have each status, warnings first."""
    counts = {status: sum(row["status"] == status for row in rows) for status in _STATUSES}
    return ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
