"""Diagrams as PNG or SVG files. Only drawing one imports matplotlib, of the extra `plots`.

Every function takes numbers and a path, draws without a display, and writes the file atomically.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.errors import UnavailableError
from fxbench.files import write_atomic
from fxbench.labels import EMOTIONS
from fxbench.training.contract import merit

if TYPE_CHECKING:
    from fxbench.metrics.calibration import Reliability
    from fxbench.types import Int64

DPI = 120
BLUE, GREY = "#3b6ea5", "#8a8a8a"


def figure(width: float, height: float) -> Any:
    """An empty `matplotlib.figure.Figure` of a size in inches, laid out by itself.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnavailableError(
            "Drawing diagrams needs matplotlib: pip install 'fxbench[plots]'"
        ) from error
    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    # Agg needs no display, whatever MPLBACKEND says.
    FigureCanvasAgg(made)
    return made


def save(made: Any, path: Path) -> Path:
    """Write a figure, as SVG where the file is called so, else as PNG.

    The same figure is the same file: no date is in it, and no names drawn at random.

    Args:
        made: what :func:`figure` gave.
        path: the file; its folder is made where it is missing.

    Returns:
        `path`.

    Raises:
        StoreError: it can't be written.
    """
    from matplotlib import rc_context

    buffer = io.BytesIO()
    if path.suffix.lower() == ".svg":
        with rc_context({"svg.hashsalt": "fxbench"}):
            made.savefig(buffer, format="svg", metadata={"Date": None})
    else:
        made.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue(), asked="-o or --plots")
    return path


def reliability(points: Reliability, path: Path, title: str = "") -> Path:
    """A reliability diagram: the share of right answers by confidence, and how many there are.

    DeGroot & Fienberg (1983), The comparison and evaluation of forecasters, The Statistician
    32(1/2).

    Args:
        points: the bins.
        path: the file to write.
        title: above the diagram.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    made = figure(5.0, 5.2)
    axes = made.subplots()
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="calibrated")
    axes.plot(
        points.confidence, points.accuracy, "o-", color=BLUE, markersize=5, label="answers, in bins"
    )
    axes.vlines(points.confidence, points.confidence, points.accuracy, color=BLUE, alpha=0.35)
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="Confidence: probability of the top answer",
        ylabel="Accuracy: share of right answers",
        title=title,
    )
    total, bins = int(points.count.sum()), len(points.count)
    text = f"ECE {100 * points.error:.1f} %\n{total:,} images in {bins} bins"
    axes.text(0.97, 0.05, text, ha="right", va="bottom", transform=axes.transAxes)
    axes.legend(loc="upper left", frameon=False)
    axes.grid(alpha=0.25)
    return save(made, path)


def confusion(
    counts: Int64,
    path: Path,
    columns: Sequence[str] = EMOTIONS,
    rows: Sequence[str] = EMOTIONS,
    title: str = "",
) -> Path:
    """A confusion matrix: each row in shares of its images, with the counts written into it.

    Args:
        counts: int64 (R, C), the right emotions by answers.
        path: the file to write.
        columns: the names of the C answers.
        rows: the names of the R right emotions; one without images is left out.
        title: above the diagram.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    images = counts.sum(axis=1)
    there = np.flatnonzero(images > 0)
    shares = counts[there] / images[there, None]
    made = figure(2.4 + 0.62 * len(columns), 1.9 + 0.5 * len(there))
    axes = made.subplots()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), list(columns), rotation=40, ha="right")
    axes.set_yticks(range(len(there)), [f"{rows[r]} ({images[r]:,})" for r in there.tolist()])
    axes.set(xlabel="Answer", ylabel="Right emotion (images)", title=title)
    for y, row in enumerate(there.tolist()):
        for x in range(len(columns)):
            if counts[row, x]:
                colour = "white" if shares[y, x] > 0.55 else "black"
                axes.text(
                    x, y, f"{counts[row, x]:,}", ha="center", va="center", color=colour, fontsize=8
                )
    bar = made.colorbar(shown, ax=axes, fraction=0.04)
    bar.set_label("Share of the row")
    return save(made, path)


def curves(history: Sequence[dict[str, Any]], path: Path, title: str = "") -> Path:
    """Loss and accuracy by epoch.

    Args:
        history: records with `epoch`, `loss`, `valid_loss` and `valid_accuracy`, as
            :class:`fxbench.training.contract.Trained` has them, and `valid_robust_accuracy` where
            the training was adversarial.
        path: the file to write.
        title: above the diagram.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    epochs = [line["epoch"] for line in history]
    accuracy = [100 * line["valid_accuracy"] for line in history]
    made = figure(9.0, 3.6)
    left, right = made.subplots(1, 2)
    left.plot(epochs, [line["loss"] for line in history], "o-", color=GREY, ms=3, label="training")
    left.plot(
        epochs, [line["valid_loss"] for line in history], "o-", color=BLUE, ms=3, label="validation"
    )
    left.set(xlabel="Epoch", ylabel="Cross-entropy, nats", title="Loss")
    left.legend(frameon=False)
    right.plot(epochs, accuracy, "o-", color=BLUE, markersize=3, label="clean")
    if all("valid_robust_accuracy" in line for line in history):
        attacked = [100 * line["valid_robust_accuracy"] for line in history]
        right.plot(epochs, attacked, "o-", color=GREY, markersize=3, label="under attack")
        right.legend(frameon=False)
    best = int(np.argmax([merit(line) for line in history]))
    right.annotate(
        f"best {accuracy[best]:.1f} %, epoch {epochs[best]}",
        (epochs[best], accuracy[best]),
        xytext=(0, -22),
        textcoords="offset points",
        ha="right",
        arrowprops={"arrowstyle": "-", "color": GREY},
    )
    right.set(xlabel="Epoch", ylabel="Accuracy, %", title="Validation accuracy")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
    made.suptitle(title)
    return save(made, path)
