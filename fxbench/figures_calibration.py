"""What the diagrams of accuracy, reliability and risk show, from a run's cells alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fxbench.metrics.calibration import Reliability
from fxbench.plots_calibration import (
    Calibrated,
    Risk,
    Score,
    reliability_panels,
    risk_curves,
    scores,
)
from fxbench.tables import classified

Cell = Mapping[str, Any]


def draw_calibration(
    cells: Sequence[Cell], folder: Path, prefix: str, title: str, form: str = "png"
) -> list[Path]:
    """Draw the reliability, and risk against coverage, of the clean cells of one place.

    Args:
        cells: of one dataset, split, protocol, detector and alignment.
        folder: where the files go.
        prefix: of their names.
        title: of the place.
        form: `png` or `svg`.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: a file can't be written.
    """
    clean = [cell for cell in classified(cells, attacked=False) if cell["status"] == "ok"]
    panels = calibrated(clean)
    if not panels:
        return []
    return [
        reliability_panels(
            panels, folder / f"{prefix}reliability.{form}", f"{title}: confidence and accuracy"
        ),
        risk_curves(
            risks(clean),
            folder / f"{prefix}risk-coverage.{form}",
            f"{title}: risk against coverage",
        ),
    ]


def calibrated(cells: Sequence[Cell]) -> list[Calibrated]:
    """A panel for each cell that has bins."""
    panels = []
    for cell in cells:
        bins = cell.get("calibration")
        if bins and bins["count"]:
            points = Reliability(*(np.array(bins[n]) for n in ("count", "confidence", "accuracy")))
            metrics = cell["metrics"]
            usual = metrics["ece_calibrated"]["value"]
            panels.append(Calibrated(_name(cell), points, metrics["ece"]["value"], usual))
    return panels


def risks(cells: Sequence[Cell]) -> list[Risk]:
    """A curve for each cell that has one, the lowest area first."""
    found = [
        Risk(
            _name(cell),
            tuple(cell["risk_coverage"]["coverage"]),
            tuple(cell["risk_coverage"]["risk"]),
            cell["metrics"]["aurc"]["value"],
        )
        for cell in cells
        if (cell.get("risk_coverage") or {}).get("risk")
    ]
    return sorted(found, key=lambda curve: curve.area)


def draw_scores(
    cells: Sequence[Cell],
    folder: Path,
    prefix: str,
    title: str,
    lines: Mapping[str, Mapping[str, Any]],
    form: str = "png",
) -> list[Path]:
    """Draw the end-to-end accuracy of the clean cells of a dataset, with its reference lines.

    Args:
        cells: of one dataset, split and protocol.
        folder: where the file goes.
        prefix: of its name.
        title: of the place.
        lines: the estimate of each reference line by its name.
        form: `png` or `svg`.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    rows = ranked(cells)
    if len(rows) < 2:
        return []
    path = folder / f"{prefix}accuracy.{form}"
    known = {name: float(line["value"]) for name, line in lines.items()}
    return [scores(rows, path, f"{title}: accuracy", known)]


def ranked(cells: Sequence[Cell]) -> list[Score]:
    """The clean cells that have an accuracy with an interval, the best first."""
    rows = []
    for cell in classified(cells, attacked=False):
        found = (cell.get("metrics") or {}).get("accuracy_end_to_end") or {}
        if found.get("value") is not None and found.get("low") is not None:
            rows.append(Score(chain(cell), found["low"], found["value"], found["high"]))
    return sorted(rows, key=lambda row: -row.value)


def _name(cell: Cell) -> str:
    return str(cell["axes"]["classifier"])


def chain(cell: Cell) -> str:
    """A clean cell in words: its detector, its classifier and what is not as usual."""
    axes = cell["axes"]
    further = [f"{name} {axes[name]}" for name in ("every", "smoothing") if axes.get(name)]
    aligned = [] if axes.get("align", "none") == "none" else [f"aligned ({axes['align']})"]
    return ", ".join([str(axes["detector"]), str(axes["classifier"]), *aligned, *further])
