"""Diagrams of attacks and corruptions as PNG files; as :mod:`fxbench.plots`.

Colours are those of Okabe & Ito (2008), Color universal design, which people with any of the usual
colour vision deficiencies can tell apart; markers and dashes tell lines apart without colour.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.plots import GREY, figure, save

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64, UInt8

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B")
MARKERS = "osD^vPX"
_BLACK = "#000000"
TITLE = {"fontsize": 12, "fontweight": "bold"}

ENLARGED = 10
"""How many times a perturbation is shown larger than it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a panel.

    Attributes:
        label: in the legend; lines of one label look alike in all panels.
        x: ascending.
        y: from 0 to 1, as long.
        low: the lower ends of the intervals; empty where there are none.
        high: the upper ends.
        bold: black and thick, the one that counts.
        few: on few images: its intervals are drawn as bars, and its points not joined.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    bold: bool = False
    few: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram among several of a figure."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Success by surrogate and target.

    Attributes:
        title: above it.
        surrogates: the S rows.
        targets: the T columns.
        success: float64 (S, T), from 0 to 1; NaN where it is not known.
        n: int64 (S, T), of how many faces.
        own: bool (S, T), where surrogate and target are the same network.
    """

    title: str
    surrogates: tuple[str, ...]
    targets: tuple[str, ...]
    success: Float64
    n: Int64
    own: Bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a classifier said of a face: its top emotion, and how probable that is, 0 to 1."""

    emotion: str
    probability: float


def robust_curves(panels: Sequence[Panel], path: Path, title: str = "", norm: str = "linf") -> Path:
    """Accuracy against epsilon, a panel for each classifier, a line for each attack.

    Carlini et al. (2019), On evaluating adversarial robustness, arXiv:1902.06705, ask for such
    curves instead of single budgets.

    Args:
        panels: with at least one line each; x is epsilon in units of [0, 1] pixels.
        path: the file to write.
        title: above all.
        norm: `linf` or `l2`, of the budgets.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    made, every = _grid(panels, columns=3, width=4.3, height=3.3)
    styles = _styles(panels)
    budgets = sorted({x for panel in panels for line in panel.lines for x in line.x})
    for axes, panel in zip(every, panels, strict=True):
        for line in sorted(panel.lines, key=lambda one: not one.bold):
            _draw(axes, line, styles[line.label])
        axes.set(title=panel.title, ylim=(0, 100))
        axes.set_xticks(budgets, [f"{round(255 * x, 2):g}" for x in budgets])
        axes.margins(x=0.04)
    what = {"linf": "largest change", "l2": "r.m.s. change"}.get(norm, norm)
    below = f"Epsilon: {what} of a pixel, in 1/255"
    _finish(made, every, "Accuracy end-to-end, %", below, title)
    return save(made, path)


def corruption_curves(panels: Sequence[Panel], path: Path, title: str = "") -> Path:
    """The error against severity, a panel for each corruption, a line for each classifier.

    Args:
        panels: with at least one line each; x is the severity, 0 for pictures as they are.
        path: the file to write.
        title: above all.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    made, every = _grid(panels, columns=6, width=2.3, height=2.1)
    styles = _styles(panels)
    severities = sorted({x for panel in panels for line in panel.lines for x in line.x})
    most = max((y for panel in panels for line in panel.lines for y in line.y), default=1.0)
    for axes, panel in zip(every, panels, strict=True):
        for line in panel.lines:
            _draw(axes, line, styles[line.label])
        axes.set_title(panel.title, fontsize=10)
        axes.set_ylim(0, min(100.0, 10 * math.ceil(10 * most + 0.01)))
        axes.set_xticks(severities, [f"{severity:g}" for severity in severities])
    _finish(made, every, "Error end-to-end, %", "Severity; 0: as it is", title)
    return save(made, path)


def transfer_heat_map(maps: Sequence[HeatMap], path: Path, title: str = "", note: str = "") -> Path:
    """The success of attacks by surrogate and target, side by side.

    Args:
        maps: such as one for each epsilon, at least one.
        path: the file to write.
        title: above all.
        note: below, such as what faces it is about.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    targets = max(len(one.targets) for one in maps)
    surrogates = max(len(one.surrogates) for one in maps)
    width = len(maps) * (1.6 + 1.05 * targets) + 0.9
    made = figure(max(width, 4.5), 2.3 + 0.72 * surrogates)
    every = made.subplots(1, len(maps), squeeze=False)[0]
    shown = None
    for axes, one in zip(every, maps, strict=True):
        shown = axes.imshow(100 * one.success, cmap="cividis", vmin=0, vmax=100, aspect="auto")
        axes.set_xticks(range(len(one.targets)), one.targets, rotation=30, ha="right")
        axes.set_yticks(range(len(one.surrogates)), one.surrogates)
        axes.set(title=one.title, xlabel="Target")
        for (y, x), value in np.ndenumerate(one.success):
            if np.isnan(value):
                axes.text(x, y, "-", ha="center", va="center", color=GREY)
                continue
            mark = "¶" if one.own[y, x] else ""
            text = f"{100 * value:.0f} %{mark}\nof {one.n[y, x]:,}"
            colour = "black" if value > 0.55 else "white"
            axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=9)
    every[0].set_ylabel("Surrogate")
    bar = made.colorbar(shown, ax=list(every), fraction=0.05, pad=0.02)
    bar.set_label("Success, %")
    made.supxlabel(note, fontsize=8.5)
    made.suptitle(wrapped(title, made), **TITLE)
    return save(made, path)


def sheet(
    clean: UInt8,
    adversarial: UInt8,
    path: Path,
    *,
    labels: Sequence[str],
    before: Sequence[Answer],
    after: Sequence[Answer],
    title: str = "",
) -> Path:
    """Faces before and after an attack: clean, what was added (enlarged, around grey), adversarial.

    Args:
        clean: RGB uint8 (M, size, size, 3).
        adversarial: likewise.
        path: the file to write.
        labels: the M right emotions.
        before: what the classifier says of each clean face.
        after: what it says of each adversarial one.
        title: above the sheet.

    Raises:
        ValueError: there is no face, or not one of everything for each.
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    count = len(clean)
    if clean.shape != adversarial.shape or not count:
        raise ValueError(
            f"Clean {clean.shape} and adversarial faces {adversarial.shape} must be as many, at "
            "least one, and of one size."
        )
    if {len(labels), len(before), len(after)} != {count}:
        raise ValueError(f"{count} faces need as many labels and answers before and after.")
    change = adversarial.astype(np.float32) - clean
    enlarged = np.clip(np.rint(127.5 + ENLARGED * change), 0, 255).astype(np.uint8)
    made = figure(6.6, 0.9 + 2.25 * count)
    every = made.subplots(count, 3, squeeze=False)
    for row in range(count):
        largest = np.abs(change[row]).max()
        size = np.sqrt(np.square(change[row]).mean())
        columns = (
            (clean[row], _said("clean", before[row])),
            (enlarged[row], f"change, {ENLARGED} times\nlargest {largest:.0f}, r.m.s. {size:.1f}"),
            (adversarial[row], _said("adversarial", after[row])),
        )
        fooled = after[row].emotion != labels[row]
        for axes, (picture, text) in zip(every[row], columns, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(text, fontsize=9)
        every[row, 2].title.set_color("#B03A00" if fooled else _BLACK)
        every[row, 0].set_ylabel(f"right: {labels[row]}", fontsize=9)
    made.suptitle(wrapped(title, made), **TITLE)
    return save(made, path)


def wrapped(title: str, made: Any) -> str:
    """A title in lines that fit the figure."""
    return textwrap.fill(title, max(24, int(10 * made.get_size_inches()[0])))


def _said(what: str, answer: Answer) -> str:
    return f"{what}\n{answer.emotion} {100 * answer.probability:.0f} %"


def _grid(
    panels: Sequence[Panel], *, columns: int, width: float, height: float
) -> tuple[Any, list[Any]]:
    """A figure and the axes of its panels, with room for a legend below."""
    across = min(columns, len(panels))
    down = math.ceil(len(panels) / across)
    labels = {line.label for panel in panels for line in panel.lines}
    # A single panel is narrower than a legend.
    made = figure(max(width * across + 0.5, 5.2), height * down + 1.0 + 0.1 * len(labels))
    every = made.subplots(down, across, squeeze=False, sharey=True).ravel().tolist()
    for spare in every[len(panels) :]:
        spare.remove()
    for place, axes in enumerate(every[: len(panels)]):
        # The panel below may be one of those that were not needed.
        axes.tick_params(labelbottom=place + across >= len(panels))
    return made, every[: len(panels)]


def _styles(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """How the lines of each label look, the same in all panels."""
    lines = {line.label: line.bold for panel in panels for line in panel.lines}
    styles: dict[str, dict[str, Any]] = {}
    for label, bold in lines.items():
        place = len([style for style in styles.values() if style["color"] != _BLACK])
        turn, nth = divmod(place, len(COLOURS))
        styles[label] = (
            {"color": _BLACK, "linewidth": 4.5, "marker": "o", "markersize": 8}
            if bold
            else {
                "color": COLOURS[nth],
                "marker": MARKERS[nth],
                "linestyle": ("-", "--", ":")[turn % 3],
                "linewidth": 1.6,
                "markersize": 4.5,
            }
        )
    return styles


def _draw(axes: Any, line: Line, style: dict[str, Any]) -> None:
    x, y = np.array(line.x), 100 * np.array(line.y)
    low, high = 100 * np.array(line.low), 100 * np.array(line.high)
    if line.few:
        reach = [y - low, high - y] if len(low) else None
        axes.errorbar(
            x, y, yerr=reach, label=line.label, capsize=3, zorder=4, **style | {"linestyle": ""}
        )
        return
    axes.plot(x, y, label=line.label, zorder=1.9 if line.bold else 2, **style)
    if len(low):
        axes.fill_between(x, low, high, color=style["color"], alpha=0.1, linewidth=0)


def _finish(made: Any, every: list[Any], side: str, below: str, title: str) -> None:
    """What all panels share: names of the axes, the legend, the title."""
    handles: dict[str, Any] = {}
    across = every[0].get_subplotspec().get_gridspec().ncols
    for place, axes in enumerate(every):
        axes.grid(alpha=0.25)
        if place + across >= len(every):
            axes.set_xlabel(below, fontsize=9)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    made.supylabel(side, fontsize=11)
    widest = max(map(len, handles), default=1)
    columns = max(1, int(made.get_figwidth() / (0.7 + 0.085 * widest)))
    made.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(columns, len(handles)),
        frameon=False,
    )
    made.suptitle(wrapped(title, made), **TITLE)
