"""Diagrams of what probabilities and accuracies are worth as PNG files; as :mod:`fxbench.plots`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fxbench.metrics.calibration import Reliability
from fxbench.metrics.intervals import wilson
from fxbench.plots import BLUE, GREY, figure, save
from fxbench.plots_robustness import COLOURS, MARKERS, TITLE, wrapped

if TYPE_CHECKING:
    from fxbench.types import Float64

_ACROSS = 4
_DASHES = ("-", "--", ":")


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """The reliability of one classifier.

    Attributes:
        title: above its panel.
        points: the bins.
        error: its expected calibration error.
        usual: what a perfectly calibrated classifier would get; None where it isn't known.
    """

    title: str
    points: Reliability
    error: float
    usual: float | None

    def interval(self) -> tuple[Float64, Float64]:
        """The lower and the upper end of Wilson's interval of each bin's accuracy."""
        return wilson(np.rint(self.points.accuracy * self.points.count), self.points.count)


@dataclass(frozen=True, slots=True)
class Risk:
    """The curve of one classifier: `risk` at each `coverage`, from 0 to 1, and the area below."""

    label: str
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float


@dataclass(frozen=True, slots=True)
class Score:
    """A number of one cell, with its interval, from 0 to 1."""

    label: str
    low: float
    value: float
    high: float


def reliability_panels(panels: Sequence[Calibrated], path: Path, title: str = "") -> Path:
    """Reliability diagrams: accuracy by confidence, each bin with Wilson's interval.

    DeGroot & Fienberg (1983), The comparison and evaluation of forecasters, The Statistician
    32(1/2).

    Args:
        panels: at least one.
        path: the file to write.
        title: above all.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    across = min(_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    made = figure(max(3.1 * across, 4.6), 3.3 * down + 0.8)
    every = made.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel().tolist()
    for spare in every[len(panels) :]:
        spare.remove()
    for place, (axes, panel) in enumerate(zip(every, panels, strict=False)):
        points = panel.points
        low, high = panel.interval()
        reach = 100 * np.stack([points.accuracy - low, high - points.accuracy]).clip(0)
        axes.plot([0, 100], [0, 100], "--", color=GREY, linewidth=1)
        axes.errorbar(
            100 * points.confidence,
            100 * points.accuracy,
            yerr=reach,
            fmt="o-",
            color=BLUE,
            markersize=4,
            linewidth=1,
            elinewidth=1,
            capsize=2,
        )
        usual = "" if panel.usual is None else f"\nif calibrated {100 * panel.usual:.1f} %"
        text = f"ECE {100 * panel.error:.1f} %{usual}"
        axes.text(96, 5, text, ha="right", va="bottom", fontsize=8.5)
        axes.set_title(panel.title, fontsize=10)
        axes.set(xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
        axes.tick_params(labelbottom=place + across >= len(panels))
        axes.grid(alpha=0.25)
    made.supxlabel("Confidence: probability of the top answer, mean of each bin, %", fontsize=10)
    made.supylabel("Accuracy, %", fontsize=10)
    made.suptitle(wrapped(title, made), **TITLE)
    return save(made, path)


def risk_curves(curves: Sequence[Risk], path: Path, title: str = "") -> Path:
    """The share of wrong answers against the share of answers that are given, the surest first.

    Args:
        curves: at least one.
        path: the file to write.
        title: above it.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    made = figure(6.4, 4.4 + 0.12 * len(curves))
    axes = made.subplots()
    for number, curve in enumerate(curves):
        turn, nth = divmod(number, len(COLOURS))
        axes.plot(
            100 * np.array(curve.coverage),
            100 * np.array(curve.risk),
            marker=MARKERS[nth],
            markersize=4,
            linewidth=1.4,
            linestyle=_DASHES[turn % len(_DASHES)],
            color=COLOURS[nth],
            label=f"{curve.label} (area {100 * curve.area:.1f} %)",
        )
    axes.set(
        xlim=(0, 101),
        xlabel="Coverage: share of found faces that are answered, the surest first, %",
        ylabel="Risk: share of these answers that is wrong, %",
    )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    made.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    made.suptitle(wrapped(title, made), **TITLE)
    return save(made, path)


def scores(
    rows: Sequence[Score], path: Path, title: str = "", lines: Mapping[str, float] | None = None
) -> Path:
    """Numbers of cells below one another, each with its interval.

    Args:
        rows: at least one, the first on top.
        path: the file to write.
        title: above all.
        lines: reference lines by their names, from 0 to 1.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    made = figure(7.2, 1.6 + 0.27 * len(rows))
    axes = made.subplots()
    height = list(range(len(rows)))[::-1]
    value = 100 * np.array([row.value for row in rows])
    reach = [
        value - 100 * np.array([row.low for row in rows]),
        100 * np.array([row.high for row in rows]) - value,
    ]
    axes.errorbar(value, height, xerr=reach, fmt="o", color=BLUE, markersize=4, capsize=3)
    for number, (name, place) in enumerate((lines or {}).items()):
        label = f"{name} {100 * place:.1f} %"
        style = _DASHES[1 + number % 2]
        axes.axvline(100 * place, color="#444444", linestyle=style, linewidth=1.2, label=label)
    if lines:
        made.legend(loc="outside lower center", ncols=len(lines), frameon=False, fontsize=9)
    axes.set_yticks(height, [row.label for row in rows], fontsize=9)
    axes.set(xlim=(0, 100), ylim=(-0.6, len(rows) - 0.4), xlabel="Accuracy end-to-end, %")
    axes.grid(alpha=0.25, axis="x")
    made.suptitle(wrapped(title, made), **TITLE)
    return save(made, path)
