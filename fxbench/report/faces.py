"""Landmarkers and detectors, as far as true points and boxes are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fxbench.metrics.landmarks import LIMIT
from fxbench.pages.figures import COLOURS, DASHES, Choice, chooser
from fxbench.report.scores import by_source
from fxbench.report.section import Cell, Section, axis, percent, section, shown
from fxbench.tables import kind_of
from fxbench.tables_faces import detection_table, landmark_table

if TYPE_CHECKING:
    from markupsafe import Markup


def sections(cells: Sequence[Cell], run: Mapping[str, Any]) -> list[Section]:
    """Landmarks, detection."""
    return [
        *section(
            "landmarks",
            "Landmarks",
            _curves(cells, "landmarker", _errors, "Share of faces by the error of their points"),
            shown(landmark_table(cells, run)),
        ),
        *section(
            "detection",
            "Detection",
            _curves(cells, "detector", _precision, "Precision against recall"),
            shown(detection_table(cells, run)),
        ),
    ]


def _curves(
    cells: Sequence[Cell],
    kind: str,
    drawn: Callable[[Sequence[Cell]], tuple[dict[str, Any], str]],
    title: str,
) -> Markup | None:
    with_curve = [
        cell for cell in cells if kind_of(cell) == kind and cell["status"] == "ok" and _points(cell)
    ]
    choices = [Choice(source, *drawn(here)) for source, here in by_source(with_curve).items()]
    return chooser(choices, title=title, what="Data", height=440) if choices else None


def _points(cell: Cell) -> bool:
    curve = cell.get("curve") or {}
    return any(curve.get(name) for name in ("share", "precision"))


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "dash": DASHES[number // len(COLOURS) % len(DASHES)],
        "width": 2,
    }


def _name(cell: Cell) -> str:
    axes = cell["axes"]
    every = f", every {axes['every']} frames" if axes.get("every") else ""
    if axes.get("landmarker"):
        return f"{axes['landmarker']} behind {axes['detector']}{every}"
    return f"{axes['detector']}{every}"


def _errors(cells: Sequence[Cell]) -> tuple[dict[str, Any], str]:
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": _name(cell),
            "x": cell["curve"]["error"],
            "y": [100 * share for share in cell["curve"]["share"]],
            "line": _style(number),
            "hovertemplate": "%{y:.1f} % of the faces have an error of %{x:.3f} or less",
        }
        for number, cell in enumerate(cells)
    ]
    layout = {
        "xaxis": axis("Inter-ocular NME", rangemode="tozero"),
        "yaxis": axis("Share of the true faces, %", range=[0, 102]),
        "shapes": [
            {
                "type": "line",
                "x0": LIMIT,
                "x1": LIMIT,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": "var(--muted)", "dash": "dot", "width": 1.5},
            }
        ],
    }
    told = "; ".join(f"{_name(cell)} {percent(cell['curve']['share'][-1])}" for cell in cells)
    last = cells[0]["curve"]["error"][-1]
    alt = (
        f"A curve for each of {len(cells)} landmarkers; a higher one is better, and a face that "
        f"was not found never counts. Beyond the dotted line, at {LIMIT:g}, an error is a failure. "
        f"Within {last:g} are: {told}."
    )
    return {"data": data, "layout": layout}, alt


def _precision(cells: Sequence[Cell]) -> tuple[dict[str, Any], str]:
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": _name(cell),
            "x": [100 * share for share in cell["curve"]["recall"]],
            "y": [100 * share for share in cell["curve"]["precision"]],
            "line": _style(number) | {"shape": "hv"},
            "hovertemplate": "recall %{x:.1f} %, precision %{y:.1f} %",
        }
        for number, cell in enumerate(cells)
    ]
    layout = {
        "xaxis": axis("Recall: true boxes that were found, %", range=[0, 102]),
        "yaxis": axis("Precision: boxes that are true, %", range=[0, 102]),
    }
    told = "; ".join(
        f"{_name(cell)} finds {percent(max(cell['curve']['recall']))} at most" for cell in cells
    )
    alt = f"A curve for each of {len(cells)} detectors, over the score of their boxes: {told}."
    return {"data": data, "layout": layout}, alt
