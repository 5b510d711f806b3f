"""The leaderboard of a run, from its cells alone: which combination is best, if any is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fxbench.reference_lines import reference_notes
from fxbench.tables import (
    STATUS,
    classified,
    combination,
    corrupted,
    flat,
    is_own,
    leading_columns,
    notes,
    wanted,
)
from fxbench.tables_latency import MACHINE, REAL_TIME, machine_notes, real_time_notes
from fxbench.tables_robustness import fewer_attacks, robust_columns, robust_scores
from fxbench.tabular import Column, Table, format_epsilon, to_csv, to_json
from fxbench.tabular import render as render_table

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from fxbench.tables import Cell
    from fxbench.tabular import Format, Row


def leaderboard_rows(cells: Iterable[Cell]) -> list[Row]:
    """One flat object for each cell that has a classifier: clean, then attacked, then corrupted.

    Fractions from 0 to 1; None where there is no value. A clean cell has the attack `none`, the
    corruption `none`, and neither surrogate, norm nor epsilon.
    """
    every = list(cells)
    clean = sorted(classified(every, attacked=False), key=_place(every))
    return [flat(cell) for cell in (*clean, *classified(every, attacked=True), *corrupted(every))]


def leaderboard_table(cells: Iterable[Cell], run: Mapping[str, Any] | None = None) -> Table:
    """The clean cells of each dataset, split and protocol, the best first, with what attacks do.

    Sorted by rank, then by end-to-end accuracy; what has no result stands below with the reason.
    What attacks do is 'robust at epsilon'; of a run that has none, made by an earlier version, the
    accuracy under each attack by itself.

    Args:
        cells: of a run.
        run: its record, for the notes; see :func:`fxbench.tables.notes`.
    """
    every = list(cells)
    clean = wanted(sorted(classified(every, attacked=False), key=_place(every)))
    robust = robust_columns(clean, "robust")
    single = {} if robust else _under_own_attacks(every)
    conditions = {} if robust else _conditions(every)
    rows = [
        flat(cell) | scores | single.get(combination(cell), {})
        for cell, scores in zip(clean, robust_scores(clean), strict=True)
    ]
    columns = (
        Column("rank_low", "rank", "rank"),
        Column("rank_groups", "group", show="any"),
        *leading_columns(clean),
        Column("accuracy", "accuracy % [95 % CI]", "interval"),
        Column("accuracy_end_to_end", "end-to-end %", "percent"),
        Column("macro_f1", "macro-F1 %", "percent"),
        *robust,
        *(Column(key, f"{header} %", "percent") for key, header in conditions.items()),
        Column("latency_p50_ms", "p50 ms", "time"),
        Column("images_per_s", "images/s", "rate"),
        REAL_TIME,
        MACHINE,
        STATUS,
    )
    watched = any(cell.get("video") for cell in clean)
    ranked_by = "by whole clips" if watched else "end-to-end on the same images"
    lines = [
        "Rank: from 1 + the number of cells significantly better to 1 + the number not "
        f"significantly worse, {ranked_by} (mid-p McNemar tests, Holm's correction, 5 %). Two "
        "that share a letter were not told apart.",
        "Accuracy and macro-F1 are over found faces; end-to-end counts a missed face as wrong.",
        *reference_notes(clean, run),
    ]
    if robust:
        lines.append(
            "Robust: of the images that attacks of that norm were run on, the share that is right "
            "when clean and stays so under every attack with that or a smaller epsilon; `fxbench "
            "tables --table robust` says which."
        )
        lines += fewer_attacks(rows)
    if conditions:
        lines.append(
            f"{', '.join(conditions.values())}: end-to-end accuracy when the classifier itself is "
            "attacked so; of the same network in another runtime with its gradients."
        )
    lines += [*real_time_notes(rows, timed=True), *machine_notes(rows)]
    return Table("Leaderboard", columns, tuple(rows), (*lines, *notes(clean, run, shared=False)))


def render(
    cells: Iterable[Cell],
    run: Mapping[str, Any] | None = None,
    *,
    format: Format = "table",  # noqa: A002 - the name of the command line's option
    width: int | None = None,
) -> str:
    """The leaderboard as text: `table` and `md` for people, `csv` and `json` with every cell."""
    if format == "csv":
        return to_csv(leaderboard_rows(cells) or leaderboard_table(cells, run))
    if format == "json":
        return to_json(leaderboard_rows(cells))
    return render_table(leaderboard_table(cells, run), format, width)


def _place(cells: Sequence[Cell]) -> Any:
    """A sort key: family by family in the order of the run, the best rank and score first."""
    families: dict[Hashable, int] = {}
    for cell in cells:
        families.setdefault(_family(cell), len(families))

    def key(cell: Cell) -> tuple[float, ...]:
        rank = cell.get("rank") or {}
        score = ((cell.get("metrics") or {}).get("accuracy_end_to_end") or {}).get("value")
        return (
            families[_family(cell)],
            cell["status"] != "ok",
            rank.get("low", float("inf")),
            rank.get("high", float("inf")),
            1.0 if score is None else -score,
        )

    return key


def _family(cell: Cell) -> Hashable:
    axes = cell["axes"]
    # What is ranked by itself stands by itself.
    place = ("dataset", "split", "protocol", "every", "smoothing")
    return tuple(axes.get(axis) for axis in place)


def _own(cells: Iterable[Cell]) -> list[Cell]:
    """Those in which the network itself was attacked, with a budget that is more than nothing."""
    attacked = wanted(classified(cells, attacked=True))
    return [cell for cell in attacked if is_own(cell) and cell["axes"].get("epsilon") != 0]


def _under_own_attacks(cells: Iterable[Cell]) -> dict[Hashable, Row]:
    """The end-to-end accuracy under each attack, by what a clean cell stands for."""
    scores: dict[Hashable, Row] = {}
    for cell in _own(cells):
        accuracy = (cell.get("metrics") or {}).get("accuracy_end_to_end") or {}
        scores.setdefault(combination(cell), {})[_key(cell)] = accuracy.get("value")
    return scores


def _key(cell: Cell) -> str:
    axes = cell["axes"]
    return "/".join(str(axes.get(axis)) for axis in ("attack", "norm", "epsilon"))


def _conditions(cells: Iterable[Cell]) -> dict[str, str]:
    """The header of each condition by its key, in order of attack, norm and epsilon."""
    axes = [cell["axes"] for cell in _own(cells)]
    order = {name: i for i, name in enumerate(dict.fromkeys(a["attack"] for a in axes))}
    cells = sorted(
        ({"axes": a} for a in axes),
        key=lambda c: (
            order[c["axes"]["attack"]],
            str(c["axes"].get("norm")),
            c["axes"].get("epsilon") or 0.0,
        ),
    )
    headers = {}
    for cell in cells:
        a = cell["axes"]
        norm = "" if a.get("norm") in (None, "linf") else f" {a['norm']}"
        budget = "" if a.get("epsilon") is None else f" {format_epsilon(a['epsilon'])}"
        headers[_key(cell)] = f"{a['attack']}{norm}{budget}"
    return headers
