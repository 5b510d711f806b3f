"""The diagrams of a run, from its cells alone: what each shows, and the files that are drawn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fxbench.figures_calibration import draw_calibration, draw_scores
from fxbench.metrics.corruption import mean
from fxbench.plots_robustness import (
    HeatMap,
    Line,
    Panel,
    corruption_curves,
    robust_curves,
    transfer_heat_map,
)
from fxbench.plots_spotting import spotted_intervals
from fxbench.reference_lines import references_of
from fxbench.tables import classified, combination, corrupted, is_own, kind_of
from fxbench.tables_corruption import corruption_names, error, errors_by_severity
from fxbench.tables_robustness import ALL_RIGHT, transfer_table
from fxbench.tabular import Row, format_epsilon

Cell = Mapping[str, Any]
Place = tuple[tuple[str, str], ...]

_OF = ("dataset", "split", "protocol")
_OF_SPOTTER = ("spotter", "detector", "landmarker", "classifier", "every")
_HEADLINE = "robust at epsilon"
OWN = "Of the faces that all surrogates and targets got right when clean. ¶ the same network."
"""Below a heat map."""
Form = Literal["png", "svg"]


@dataclass(frozen=True, slots=True)
class Here:
    """The classifiers' cells of one dataset, split, protocol, detector and alignment.

    Attributes:
        title: all of these.
        differs: those of them that are not the same everywhere in the run.
        cells: clean, attacked and on corrupted pictures.
    """

    title: str
    differs: tuple[str, ...]
    cells: tuple[Cell, ...]


def by_place(cells: Iterable[Cell]) -> list[Here]:
    """The cells that can stand in one diagram, place by place in the order of the run."""
    grouped: dict[Place, list[Cell]] = {}
    for cell in cells:
        if kind_of(cell) == "classifier":
            grouped.setdefault(_place(cell), []).append(cell)
    differing = {
        pair[0] for place in grouped for pair in place if any(pair not in p for p in grouped)
    }
    found = []
    for place, here in grouped.items():
        ordered = sorted(place, key=_in_order)
        differs = tuple(value for axis, value in ordered if axis in differing)
        found.append(Here(", ".join(value for _, value in ordered), differs, tuple(here)))
    return found


def draw(
    cells: Iterable[Cell],
    folder: Path,
    run: Mapping[str, Any] | None = None,
    form: Form = "png",
) -> list[Path]:
    """Draw what a run has.

    Accuracy with intervals, reliability and risk, robust curves, transfer, corruption curves, what
    was spotted.

    Args:
        cells: of the run.
        folder: where the files go; it is made where it is missing.
        run: its record; reference lines of its datasets are drawn where it has any.
        form: of the files; `svg` scales to any size, for papers.

    Returns:
        The files, none where there is nothing to draw.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: a file can't be written.
    """
    listed = list(cells)
    every = [cell for cell in listed if kind_of(cell) == "classifier"]
    drawn = _draw_scores(every, folder, run, form)
    for place in by_place(every):
        here, title = place.cells, place.title
        prefix = _as_name("".join(f"{value}-" for value in place.differs))
        drawn += draw_calibration(here, folder, prefix, title, form)
        for norm, panels in curve_panels(here).items():
            path = folder / f"{prefix}robust-{norm}.{form}"
            drawn.append(robust_curves(panels, path, f"{title}: accuracy under attack", norm))
        for name, maps in heat_maps(here).items():
            path = folder / f"{prefix}transfer-{name}.{form}"
            drawn.append(transfer_heat_map(maps, path, f"{title}: transfer of {name}", OWN))
        panels = corruption_panels(here)
        if panels:
            path = folder / f"{prefix}corruptions.{form}"
            drawn.append(corruption_curves(panels, path, f"{title}: error on corrupted pictures"))
    return drawn + _draw_spotted(listed, folder, form)


def _draw_scores(
    cells: Sequence[Cell], folder: Path, run: Mapping[str, Any] | None, form: Form
) -> list[Path]:
    drawn = []
    sources = list(dict.fromkeys(tuple(cell["axes"].get(axis) for axis in _OF) for cell in cells))
    for source in sources:
        here = [c for c in cells if tuple(c["axes"].get(axis) for axis in _OF) == source]
        names = [str(name) for name in source]
        prefix = _as_name("".join(f"{name}-" for name in names)) if len(sources) > 1 else ""
        lines = references_of(run, names[0])
        drawn += draw_scores(here, folder, prefix, ", ".join(names), lines, form)
    return drawn


def _as_name(text: str) -> str:
    """Part of a file's name: a split is called what a person's table says."""
    return re.sub(r"[^A-Za-z0-9+_.-]", "_", text).replace("..", "_")[:150]


def _draw_spotted(cells: Sequence[Cell], folder: Path, form: Form) -> list[Path]:
    drawn = []
    for cell in spotters(cells):
        axes = cell["axes"]
        names = [str(axes[axis]) for axis in _OF_SPOTTER if axes.get(axis)]
        name = _as_name("-".join([axes["dataset"], axes["split"], *names]))
        path = folder / f"spotted-{name}.{form}"
        drawn.append(spotted_intervals(cell["intervals"], path, spotter_title(cell)))
    return drawn


def spotters(cells: Iterable[Cell]) -> list[Cell]:
    """The cells of spotters that found what can be drawn; floors find nothing worth it."""
    return [
        cell
        for cell in cells
        if kind_of(cell) == "spotter" and cell["status"] == "ok" and not cell["floor"]
    ]


def spotter_title(cell: Cell) -> str:
    """What a spotter stood behind, and what it looked at."""
    axes = cell["axes"]
    behind = [str(axes[axis]) for axis in _OF_SPOTTER[1:-1] if axes.get(axis)]
    every = f", faces looked for in every {axes['every']} frames" if axes.get("every") else ""
    return f"{axes['spotter']} behind {', '.join(behind)}{every}: {axes['dataset']} {axes['split']}"


def curve_panels(cells: Sequence[Cell]) -> dict[str, list[Panel]]:
    """For each norm a panel for each classifier: accuracy by epsilon, end-to-end.

    A line is an untargeted attack with the classifier's own gradients; with those of others only
    where it was not under that attack itself. The cells are of one place: dataset, split, protocol,
    detector and alignment.
    """
    attacked = [
        cell
        for cell in classified(cells, attacked=True)
        if cell["status"] == "ok" and not cell["axes"].get("target_label")
    ]
    norms = dict.fromkeys(cell["axes"]["norm"] for cell in attacked if cell["axes"].get("norm"))
    panels: dict[str, list[Panel]] = {}
    for clean in classified(cells, attacked=False):
        mine = [c for c in attacked if combination(c) == combination(clean)]
        for norm in norms:
            lines = [*_headline(clean, norm), *_attack_lines(clean, mine, norm)]
            if lines:
                panel = Panel(str(clean["axes"]["classifier"]), tuple(lines))
                panels.setdefault(norm, []).append(panel)
    return {norm: panels[norm] for norm in norms if norm in panels}


def _headline(clean: Cell, norm: str) -> list[Line]:
    """The line of 'robust at epsilon', where the run has it."""
    records = [record for record in clean.get("robust") or () if record["norm"] == norm]
    points = [(0.0, _accuracy(clean))] if records else []
    points += [(record["epsilon"], record["estimate"]) for record in records]
    return _line(_HEADLINE, points, bold=True)


def _attack_lines(clean: Cell, attacked: Sequence[Cell], norm: str) -> list[Line]:
    here = [cell for cell in attacked if cell["axes"].get("norm") == norm]
    own_attacks = {cell["axes"]["attack"] for cell in here if is_own(cell)}
    shown = [c for c in here if is_own(c) or c["axes"]["attack"] not in own_attacks]
    lines = []
    keys = [_line_key(cell) for cell in shown]
    for key in dict.fromkeys(keys):
        own = [cell for cell, k in zip(shown, keys, strict=True) if k == key]
        subset = own[0]["axes"].get("subset")
        points = [(float(cell["axes"]["epsilon"]), _accuracy(cell)) for cell in own]
        if not subset and all(epsilon for epsilon, _ in points):
            points.append((0.0, _accuracy(clean)))
        lines += _line(key, points, few=bool(subset))
    return lines


def _line_key(cell: Cell) -> str:
    axes = cell["axes"]
    label = str(axes["attack"])
    if not is_own(cell):
        label += f" from {axes['surrogate']}"
    return f"{label} ({axes['subset']:,} images)" if axes.get("subset") else label


def _line(
    label: str,
    points: Iterable[tuple[float, Mapping[str, Any]]],
    *,
    bold: bool = False,
    few: bool = False,
) -> list[Line]:
    """A line through the points that have a value; none where no budget above 0 has one."""
    known = sorted((x, y) for x, y in ((x, _three(e)) for x, e in points) if y is not None)
    if not any(x > 0 for x, _ in known):
        return []
    x = tuple(x for x, _ in known)
    low, value, high = zip(*(y for _, y in known), strict=True)
    return [Line(label, x, value, low, high, bold=bold, few=few)]


def _three(estimate: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The lower end, the value and the upper end of an estimate."""
    value = estimate.get("value")
    if value is None:
        return None
    low, high = estimate.get("low"), estimate.get("high")
    return (value if low is None else low), value, (value if high is None else high)


def _accuracy(cell: Cell) -> Mapping[str, Any]:
    return (cell.get("metrics") or {}).get("accuracy_end_to_end") or {}


def heat_maps(cells: Sequence[Cell]) -> dict[str, list[HeatMap]]:
    """For each attack (with its norm, target label and subset) a map for each epsilon.

    A map shows the success on the faces that all surrogates and targets of the run got right when
    clean, for only these compare.
    """
    table = transfer_table(cells)
    targets = [c.key for c in table.columns if c.format == "share-of"]
    grouped: dict[tuple[str, float], dict[str, Row]] = {}
    for row in table.rows:
        parts = [row["attack"], row["norm"], row.get("target_label"), row.get("subset")]
        name = "-".join(str(part) for part in parts if part is not None)
        if row["faces"] == ALL_RIGHT:
            grouped.setdefault((name, row["epsilon"]), {})[row["surrogate"]] = row
    maps: dict[str, list[HeatMap]] = {}
    for (name, epsilon), rows in sorted(grouped.items(), key=lambda item: item[0][1]):
        shape = (len(rows), len(targets))
        success, n = np.full(shape, np.nan), np.zeros(shape, np.int64)
        own = np.zeros(shape, np.bool_)
        for y, row in enumerate(rows.values()):
            for x, target in enumerate(targets):
                if row.get(target) is not None:
                    success[y, x], n[y, x] = row[target], row[f"{target}_n"]
                    own[y, x] = row[f"{target}_own"]
        title = f"epsilon {format_epsilon(epsilon)}"
        maps.setdefault(name, []).append(
            HeatMap(title, tuple(rows), tuple(targets), success, n, own)
        )
    return maps


def corruption_panels(cells: Sequence[Cell]) -> list[Panel]:
    """The error by severity: the mean over those of the 15 that were run, each, and the others."""
    errors = errors_by_severity(cells)
    common, others = corruption_names(cells)
    severities = sorted({cell["axes"]["severity"] for cell in corrupted(cells)})
    clean = [c for c in classified(cells, attacked=False) if combination(c) in errors]
    panels = []
    if len(common) > 1:
        lines = []
        for cell in clean:
            mine = errors[combination(cell)]
            means = {
                s: mean([mine.get(name, {}).get(s) for name in common], len(common))
                for s in severities
            }
            lines += _error_line(cell, means)
        panels.append(Panel(f"mean over the {len(common)}", tuple(lines)))
    for name in (*common, *others):
        lines = [line for c in clean for line in _error_line(c, errors[combination(c)].get(name))]
        panels.append(Panel(name.replace("-", " "), tuple(lines)))
    return [panel for panel in panels if panel.lines]


def _error_line(clean: Cell, errors: Mapping[int, float | None] | None) -> list[Line]:
    known = {float(s): e for s, e in (errors or {}).items() if e is not None}
    if not known:
        return []
    at_0 = error(clean)
    if at_0 is not None:
        known[0.0] = at_0
    x = tuple(sorted(known))
    return [Line(str(clean["axes"]["classifier"]), x, tuple(known[s] for s in x))]


def _place(cell: Cell) -> Place:
    return tuple(pair for pair in combination(cell) if pair[0] != "classifier")


def _in_order(pair: tuple[str, str]) -> int:
    order = ("dataset", "split", "protocol", "detector", "align", "landmarker")
    return order.index(pair[0]) if pair[0] in order else len(order)
