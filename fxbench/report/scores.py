"""Which combination is best, and how fast it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.figures_calibration import ranked
from fxbench.leaderboard import leaderboard_table
from fxbench.matrix import matrix_table
from fxbench.pages.figures import COLOURS, SYMBOLS, Choice, chooser
from fxbench.pareto import front
from fxbench.reference_lines import references_of
from fxbench.report.section import PLACE, Cell, Section, axis, percent, section, shown
from fxbench.tables import accuracy_table, classified, flat
from fxbench.tables_latency import latency_table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.plots_calibration import Score
    from fxbench.tabular import Row

Run = Mapping[str, Any]
_MOST = 60
"""So many combinations are drawn: more could not be told apart. The tables have all."""


def sections(cells: Sequence[Cell], run: Run) -> list[Section]:
    """The leaderboard, accuracy, time."""
    made: list[Section] = []
    clean = [c for c in classified(cells, attacked=False) if c["status"] == "ok"]
    if any(True for _ in classified(cells, attacked=False)):
        made += section(
            "leaderboard",
            "Leaderboard",
            shown(leaderboard_table(cells, run)),
            lead=_best(clean),
        )
    made += section(
        "accuracy",
        "Accuracy",
        _accuracy(cells, run),
        shown(accuracy_table(cells, run)),
        shown(matrix_table(cells, run)) if _is_matrix(clean) else None,
    )
    made += section(
        "latency",
        "Accuracy and time",
        _latency(clean),
        shown(latency_table(cells, run)),
    )
    return made


def by_source(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Cells by dataset, split and protocol."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        name = ", ".join(str(cell["axes"].get(name)) for name in PLACE)
        found.setdefault(name, []).append(cell)
    return found


def _is_matrix(clean: Sequence[Cell]) -> bool:
    """Whether several detectors stand before several classifiers."""
    return all(len({cell["axes"].get(a) for cell in clean}) > 1 for a in ("detector", "classifier"))


def _best(clean: Sequence[Cell]) -> str:
    """Who leads, and how many can't be told from it."""
    told = []
    for source, here in by_source(clean).items():
        rows = ranked(here)
        if not rows:
            continue
        best = rows[0]
        level = sum((cell.get("rank") or {}).get("low") == 1 for cell in here)
        others = (
            f"; {level} of {len(here)} combinations have a rank that begins at 1, which means that "
            "none is significantly better"
            if level > 1
            else ""
        )
        told.append(
            f"On {source} the highest end-to-end accuracy is {percent(best.value)} "
            f"[{100 * best.low:.1f}, {100 * best.high:.1f}], of {best.label}{others}."
        )
    return " ".join(told)


def _accuracy(cells: Sequence[Cell], run: Run) -> Markup | None:
    choices = []
    for source, here in by_source(cells).items():
        rows = ranked(here)
        if len(rows) > 1:
            lines = references_of(run, source.partition(",")[0])
            choices.append(Choice(source, _dots(rows[:_MOST], lines), _dots_alt(rows, lines)))
    if not choices:
        return None
    most = max(len(choice.figure["data"][0]["y"]) for choice in choices)
    left = f", the first {_MOST}" if most == _MOST else ""
    title = f"End-to-end accuracy with 95 % intervals{left}"
    return chooser(choices, title=title, what="Data", height=120 + 22 * most)


def _dots(rows: Sequence[Score], lines: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    value = np.array([100 * row.value for row in rows])
    low, high = (np.array([100 * getattr(row, end) for row in rows]) for end in ("low", "high"))
    data: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": value,
        "y": [row.label for row in rows],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": (high - value).clip(0),
            "arrayminus": (value - low).clip(0),
            "color": COLOURS[0],
            "thickness": 1.5,
            "width": 3,
        },
        "marker": {"color": COLOURS[0], "size": 8},
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }
    layout: dict[str, Any] = {
        "xaxis": axis("Accuracy end-to-end, %"),
        "yaxis": {"autorange": "reversed", "type": "category"},
        "shapes": [
            {
                "type": "line",
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "x0": 100 * line["value"],
                "x1": 100 * line["value"],
                "line": {"color": "var(--muted)", "dash": "dot", "width": 1.5},
            }
            for line in lines.values()
        ],
        "annotations": [
            {
                "yref": "paper",
                "y": 1,
                "yanchor": "bottom",
                "x": 100 * line["value"],
                "text": f"annotators: {name}",
                "showarrow": False,
            }
            for name, line in lines.items()
        ],
    }
    return {"data": [data], "layout": layout}


def _dots_alt(rows: Sequence[Score], lines: Mapping[str, Mapping[str, Any]]) -> str:
    first, last = rows[0], rows[-1]
    text = (
        f"{len(rows)} combinations from {first.label} with {percent(first.value)} down to "
        f"{last.label} with {percent(last.value)}."
    )
    for name, line in lines.items():
        text += f" The annotators among each other: {name} {percent(line['value'])}."
    return f"{text} The table of accuracy has all."


def _latency(clean: Sequence[Cell]) -> Markup | None:
    choices = []
    for source, here in by_source(clean).items():
        rows = [flat(cell) for cell in here]
        rows = [
            row
            for row in rows
            if row["latency_p50_ms"] is not None and row["accuracy_end_to_end"] is not None
        ]
        # Times of two machines say nothing about which combination is faster.
        for machine in dict.fromkeys(row.get("latency_machine") for row in rows):
            own = [row for row in rows if row.get("latency_machine") == machine]
            if len(own) > 1:
                label = source if machine is None else f"{source}, timed on {machine}"
                choices.append(Choice(label, *_trade(own)))
    if not choices:
        return None
    title = "End-to-end accuracy against the median time for one image"
    return chooser(choices, title=title, what="Data", height=480)


def _trade(rows: Sequence[Row]) -> tuple[dict[str, Any], str]:
    best = [
        rows[index]
        for index in front([(row["latency_p50_ms"], row["accuracy_end_to_end"]) for row in rows])
    ]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Pareto front",
            "x": [row["latency_p50_ms"] for row in best],
            "y": [100 * row["accuracy_end_to_end"] for row in best],
            "line": {"color": "var(--muted)", "dash": "dot", "shape": "hv", "width": 2},
            "hoverinfo": "skip",
        }
    ]
    for place, name in enumerate(dict.fromkeys(row["classifier"] for row in rows)):
        own = [row for row in rows if row["classifier"] == name]
        value = np.array([100 * row["accuracy_end_to_end"] for row in own])
        ends = {end: np.array([_end(row, end) for row in own]) for end in ("low", "high")}
        colour = COLOURS[place % len(COLOURS)]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": str(name),
                "x": [row["latency_p50_ms"] for row in own],
                "y": value,
                "text": [_behind(row) for row in own],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": (ends["high"] - value).clip(0),
                    "arrayminus": (value - ends["low"]).clip(0),
                    "color": colour,
                    "thickness": 1,
                    "width": 2,
                },
                "marker": {
                    "color": colour,
                    "size": 9,
                    "symbol": SYMBOLS[(place + place // len(COLOURS)) % len(SYMBOLS)],
                },
                "hovertemplate": "%{text}: %{y:.1f} %, %{x:.1f} ms",
            }
        )
    layout = {
        "xaxis": axis("Median time for one image, ms", type="log", **_ticks(rows)),
        "yaxis": axis("Accuracy end-to-end, %"),
    }
    told = "; ".join(
        f"{_behind(row)} {row['classifier']} {percent(row['accuracy_end_to_end'])} in "
        f"{row['latency_p50_ms']:.1f} ms"
        for row in best
    )
    alt = (
        f"{len(rows)} combinations. On the Pareto front, where no other is both faster and right "
        f"more often, from the fastest on: {told}. Differences within the intervals count as none "
        "in the leaderboard, and move the front here."
    )
    return {"data": data, "layout": layout}, alt


def _end(row: Row, end: str) -> float:
    """An end of the interval in percent; the value itself where there is none."""
    found = row[f"accuracy_end_to_end_{end}"]
    return 100 * float(row["accuracy_end_to_end"] if found is None else found)


def _ticks(rows: Sequence[Row]) -> dict[str, Any]:
    """Round numbers on the logarithmic axis, as far as it goes."""
    times = [row["latency_p50_ms"] for row in rows]
    every = [step * 10.0**power for power in range(-4, 6) for step in (1, 2, 5)]
    shown = [tick for tick in every if min(times) / 2 <= tick <= max(times) * 2]
    return {"tickvals": shown, "ticktext": [f"{tick:g}" for tick in shown]}


def _behind(row: Row) -> str:
    aligned = "" if row.get("align", "none") == "none" else f", aligned ({row['align']})"
    return f"{row['detector']}{aligned}"
