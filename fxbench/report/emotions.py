"""What classifiers confuse, and how far they know when they are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.figures import by_place
from fxbench.figures_calibration import calibrated, chain, risks
from fxbench.pages.figures import COLOURS, DASHES, SEQUENTIAL, Choice, chooser
from fxbench.report.scores import by_source
from fxbench.report.section import Cell, Section, axis, percent, section, shown
from fxbench.tables import classified
from fxbench.tables_calibration import calibration_table
from fxbench.tables_emotions import recall_table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.plots_calibration import Calibrated

_SHOWN = 12
"""So many lines are drawn at first; the others are drawn once they are chosen in the legend."""


def sections(cells: Sequence[Cell], run: Mapping[str, Any]) -> list[Section]:
    """Single emotions, confidence."""
    clean = [c for c in classified(cells, attacked=False) if c["status"] == "ok"]
    return [
        *section("emotions", "Single emotions", _confusion(clean), shown(recall_table(cells, run))),
        *section(
            "calibration",
            "Confidence",
            _reliability(cells),
            _risk(cells),
            shown(calibration_table(cells, run)),
        ),
    ]


def _confusion(clean: Sequence[Cell]) -> Markup | None:
    several = len(by_source(clean)) > 1
    choices = []
    for source, here in by_source(clean).items():
        for cell in here:
            if (cell.get("confusion") or {}).get("counts"):
                label = f"{source}: {chain(cell)}" if several else chain(cell)
                choices.append(Choice(label, *_matrix(cell["confusion"])))
    if not choices:
        return None
    title = "Confusion: what the found faces of each emotion were taken for"
    return chooser(choices, title=title, what="Cell", height=460)


def _matrix(confusion: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    counts = np.array(confusion["counts"], np.int64)
    images = counts.sum(axis=1)
    there = [row for row in range(len(images)) if images[row]]
    rows = [confusion["labels"][row] for row in there]
    columns = confusion["columns"]
    data = {
        "type": "heatmap",
        "z": [(100 * counts[row] / images[row]).round(1) for row in there],
        "x": columns,
        "y": [f"{name} ({images[row]:,})" for name, row in zip(rows, there, strict=True)],
        "text": [[count or "" for count in counts[row].tolist()] for row in there],
        "texttemplate": "%{text}",
        "textfont": {"color": "var(--text)"},
        "colorscale": SEQUENTIAL,
        "zmin": 0,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "% of row"}, "thickness": 12},
        "hovertemplate": "%{y} answered as %{x}: %{z} %<extra></extra>",
    }
    layout = {
        "xaxis": axis("Answer", tickangle=-40, showgrid=False),
        "yaxis": axis("Right emotion (faces)", autorange="reversed", showgrid=False),
    }
    return {"data": [data], "layout": layout}, _matrix_alt(counts, rows, there, columns)


def _matrix_alt(
    counts: Any, rows: Sequence[str], there: Sequence[int], columns: Sequence[str]
) -> str:
    mistakes = [
        (int(counts[index, column]), rows[place], columns[column])
        for place, index in enumerate(there)
        for column in range(len(columns))
        if columns[column] != rows[place] and counts[index, column]
    ]
    text = f"Right emotions in {len(rows)} rows, answers in {len(columns)} columns."
    worst = sorted(mistakes, key=lambda one: -one[0])[:3]
    if not worst:
        return f"{text} No answer was wrong."
    told = ", ".join(
        f"{label} answered as {answer} ({count:,} faces)" for count, label, answer in worst
    )
    return f"{text} The most frequent mistakes: {told}. The table of recall has each emotion."


def _reliability(cells: Sequence[Cell]) -> Markup | None:
    choices = []
    for place in by_place(cells):
        before = "".join(f"{value}, " for value in place.differs)
        clean = [c for c in classified(place.cells, attacked=False) if c["status"] == "ok"]
        choices += [Choice(f"{before}{panel.title}", *_bins(panel)) for panel in calibrated(clean)]
    if not choices:
        return None
    title = "Reliability: how often answers of each confidence are right, with 95 % intervals"
    return chooser(choices, title=title, what="Cell", height=440)


def _bins(panel: Calibrated) -> tuple[dict[str, Any], str]:
    points = panel.points
    low, high = panel.interval()
    diagonal = {
        "type": "scatter",
        "mode": "lines",
        "name": "as often as it says",
        "x": [0, 100],
        "y": [0, 100],
        "line": {"color": "var(--muted)", "dash": "dash", "width": 1},
        "hoverinfo": "skip",
    }
    bins = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "answers, in bins",
        "x": 100 * points.confidence,
        "y": 100 * points.accuracy,
        "text": points.count,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": 100 * (high - points.accuracy).clip(0),
            "arrayminus": 100 * (points.accuracy - low).clip(0),
            "color": COLOURS[0],
            "thickness": 1,
            "width": 3,
        },
        "line": {"color": COLOURS[0]},
        "marker": {"size": 7},
        "hovertemplate": "confidence %{x:.1f} %, right %{y:.1f} % of %{text}<extra></extra>",
    }
    layout = {
        "xaxis": axis("Confidence: probability of the top answer, %", range=[-2, 102]),
        "yaxis": axis("Accuracy, %", range=[-2, 102]),
    }
    usual = "" if panel.usual is None else f"; a calibrated one would get {percent(panel.usual)}"
    alt = (
        f"{panel.title}: {int(points.count.sum()):,} answers in {len(points.count)} bins. Expected "
        f"calibration error {percent(panel.error)}{usual}. In the surest bin the confidence is "
        f"{percent(float(points.confidence[-1]))}, and {percent(float(points.accuracy[-1]))} are "
        "right."
    )
    return {"data": [diagonal, bins], "layout": layout}, alt


def _risk(cells: Sequence[Cell]) -> Markup | None:
    choices = []
    for place in by_place(cells):
        clean = [c for c in classified(place.cells, attacked=False) if c["status"] == "ok"]
        curves = risks(clean)
        if not curves:
            continue
        data = [
            {
                "type": "scatter",
                "mode": "lines",
                "name": curve.label,
                "x": [100 * share for share in curve.coverage],
                "y": [100 * wrong for wrong in curve.risk],
                "line": {
                    "color": COLOURS[number % len(COLOURS)],
                    "dash": DASHES[number // len(COLOURS) % len(DASHES)],
                    "width": 2,
                },
                "visible": True if number < _SHOWN else "legendonly",
            }
            for number, curve in enumerate(curves)
        ]
        layout = {
            "xaxis": axis("Coverage: share of the answers, the surest first, %"),
            "yaxis": axis("Risk: wrong among them, %", rangemode="tozero"),
        }
        best, worst = curves[0], curves[-1]
        alt = (
            f"{len(curves)} curves. The lowest mean risk has {best.label} with "
            f"{percent(best.area)}, the highest {worst.label} with {percent(worst.area)}."
        )
        choices.append(Choice(place.title, {"data": data, "layout": layout}, alt))
    if not choices:
        return None
    title = "Risk: what is wrong when only the surest answers are given"
    return chooser(choices, title=title, what="Place", height=420)
