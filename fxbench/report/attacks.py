"""What attacks and corruptions do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.figures import OWN, by_place, corruption_panels, curve_panels, heat_maps
from fxbench.pages.figures import COLOURS, DASHES, SEQUENTIAL, SYMBOLS, Choice, chooser
from fxbench.report.section import Cell, Section, axis, percent, section, shown
from fxbench.tables_corruption import corruption_matrix
from fxbench.tables_robustness import robust_table, robustness_table, sanity_table, transfer_table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.figures import Here
    from fxbench.plots_robustness import HeatMap, Line, Panel

_CHANGE = {"linf": "largest change of a pixel", "l2": "r.m.s. change of a pixel"}


def sections(cells: Sequence[Cell], run: Mapping[str, Any]) -> list[Section]:
    """Robustness, transfer, corruptions."""
    places = by_place(cells)
    return [
        *section(
            "robustness",
            "Under attack",
            _curves(places),
            shown(robust_table(cells, run)),
            shown(robustness_table(cells, run)),
            shown(sanity_table(cells, run, compact=True)),
            lead="An attack changes the pixels of a face by no more than epsilon. A curve that "
            "stays high may also mean that the attack was weak: see the checks.",
        ),
        *section(
            "transfer",
            "Transferred attacks",
            _heat_maps(places),
            shown(transfer_table(cells, run)),
        ),
        *section(
            "corruptions",
            "Corrupted pictures",
            _corruptions(places),
            shown(corruption_matrix(cells, run)),
        ),
    ]


def _curves(places: Sequence[Here]) -> Markup | None:
    choices = []
    for place in places:
        before = "".join(f"{value}, " for value in place.differs)
        found = curve_panels(place.cells)
        for norm, panels in found.items():
            after = f" ({norm})" if len(found) > 1 else ""
            choices += [
                Choice(f"{before}{panel.title}{after}", _robust(panel, norm), _curve_alt(panel))
                for panel in panels
            ]
    if not choices:
        return None
    title = "End-to-end accuracy against epsilon, with 95 % intervals"
    return chooser(choices, title=title, what="Cell", height=440)


def _robust(panel: Panel, norm: str) -> dict[str, Any]:
    plain = [line for line in panel.lines if not line.bold]
    data = [
        _line(line, COLOURS[number % len(COLOURS)], number, 255)
        for number, line in enumerate(plain)
    ]
    data += [_line(line, "var(--text)", 0, 255) for line in panel.lines if line.bold]
    budgets = sorted({x for line in panel.lines for x in line.x})
    layout = {
        "xaxis": axis(
            f"Epsilon: {_CHANGE.get(norm, norm)}, in 1/255",
            tickvals=[255 * x for x in budgets],
            ticktext=[f"{round(255 * x, 2):g}" for x in budgets],
        ),
        "yaxis": axis("Accuracy end-to-end, %", range=[0, 100]),
    }
    return {"data": data, "layout": layout}


def _line(line: Line, colour: str, number: int, scale: float) -> dict[str, Any]:
    value = 100 * np.array(line.y)
    drawn: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers" if line.few else "lines+markers",
        "name": line.label,
        "x": [scale * x for x in line.x],
        "y": value,
        "line": {
            "color": colour,
            "width": 3 if line.bold else 1.8,
            "dash": DASHES[number // len(COLOURS) % len(DASHES)],
        },
        "marker": {"color": colour, "size": 8, "symbol": SYMBOLS[number % len(SYMBOLS)]},
        "hovertemplate": "%{x:.3g}: %{y:.1f} %",
    }
    if line.low:
        drawn["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": (100 * np.array(line.high) - value).clip(0),
            "arrayminus": (value - 100 * np.array(line.low)).clip(0),
            "color": colour,
            "thickness": 1,
            "width": 3,
        }
    return drawn


def _curve_alt(panel: Panel) -> str:
    told = [
        f"{line.label} from {percent(line.y[0])} at {round(255 * line.x[0], 2):g}/255 to "
        f"{percent(line.y[-1])} at {round(255 * line.x[-1], 2):g}/255"
        for line in panel.lines
    ]
    return f"{panel.title}: {'; '.join(told)}."


def _heat_maps(places: Sequence[Here]) -> Markup | None:
    choices = []
    for place in places:
        before = "".join(f"{value}, " for value in place.differs)
        for name, maps in heat_maps(place.cells).items():
            choices += [
                Choice(f"{before}{name}, {one.title}", _heat(one), _heat_alt(one)) for one in maps
            ]
    if not choices:
        return None
    title = "Success of faces made on one classifier and tried on another"
    most = max(len(choice.figure["data"][0]["y"]) for choice in choices)
    return chooser(choices, title=title, what="Attack", height=240 + 44 * most)


def _heat(one: HeatMap) -> dict[str, Any]:
    texts = [
        [
            "" if np.isnan(value) else f"{100 * value:.0f}{'¶' if own else ''}"
            for value, own in zip(row, owns, strict=True)
        ]
        for row, owns in zip(one.success.tolist(), one.own.tolist(), strict=True)
    ]
    data = {
        "type": "heatmap",
        "z": 100 * one.success,
        "x": one.targets,
        "y": one.surrogates,
        "text": texts,
        "customdata": one.n,
        "texttemplate": "%{text}",
        "textfont": {"color": "var(--text)"},
        "colorscale": SEQUENTIAL,
        "zmin": 0,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "%"}, "thickness": 12},
        "hovertemplate": "made on %{y}, tried on %{x}: %{z:.1f} % of %{customdata}<extra></extra>",
    }
    layout = {
        "xaxis": axis("Tried on", tickangle=-30, showgrid=False, type="category"),
        "yaxis": axis("Made on", autorange="reversed", showgrid=False, type="category"),
    }
    return {"data": [data], "layout": layout}


def _heat_alt(one: HeatMap) -> str:
    others = [
        (value, surrogate, target)
        for surrogate, row, owns in zip(one.surrogates, one.success.tolist(), one.own, strict=True)
        for target, value, own in zip(one.targets, row, owns, strict=True)
        if not own and not np.isnan(value)
    ]
    text = f"{len(one.surrogates)} surrogates in rows, {len(one.targets)} targets in columns."
    if others:
        value, surrogate, target = max(others)
        text += (
            f" Between different networks the highest success is {percent(value)}, from "
            f"{surrogate} to {target}."
        )
    return f"{text} {OWN}"


def _corruptions(places: Sequence[Here]) -> Markup | None:
    choices = []
    for place in places:
        before = "".join(f"{value}, " for value in place.differs)
        choices += [
            Choice(f"{before}{panel.title}", _by_severity(panel), _severity_alt(panel))
            for panel in corruption_panels(place.cells)
        ]
    if not choices:
        return None
    title = "Error by the severity of a corruption"
    return chooser(choices, title=title, what="Corruption", height=420)


def _by_severity(panel: Panel) -> dict[str, Any]:
    made = partial(_line, scale=1)
    data = [
        made(line, COLOURS[number % len(COLOURS)], number)
        for number, line in enumerate(panel.lines)
    ]
    layout = {
        "xaxis": axis("Severity; 0: as it is", dtick=1),
        "yaxis": axis("Error end-to-end, %", rangemode="tozero"),
    }
    return {"data": data, "layout": layout}


def _severity_alt(panel: Panel) -> str:
    told = [
        f"{line.label} from {percent(line.y[0])} to {percent(line.y[-1])} at severity "
        f"{line.x[-1]:g}"
        for line in panel.lines
    ]
    return f"{panel.title}, error: {'; '.join(told)}."
