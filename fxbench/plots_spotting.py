"""When expressions were spotted, as PNG files; as :mod:`fxbench.plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fxbench.plots import GREY, figure, save

_COLOUR = {"micro": "#D55E00", "macro": "#0072B2"}
CLIPS = 40
"""How many are drawn at most: more could not be told apart."""


def spotted_intervals(clips: Sequence[Mapping[str, Any]], path: Path, title: str) -> Path:
    """A line for each clip: above it what was spotted, below it what is annotated.

    Args:
        clips: as a spotter's cell has them: `clip`, `fps`, `frames`, `truth`, `spotted`.
        path: the PNG file.
        title: above the diagram.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    shown = clips[:CLIPS]
    made = figure(9, 1.6 + 0.32 * len(shown))
    axes = made.add_subplot()
    for line, clip in enumerate(shown):
        axes.plot([0, clip["frames"] / clip["fps"]], [line, line], color=GREY, linewidth=0.8)
        for whose, (bottom, alpha) in {"truth": (0.06, 1.0), "spotted": (-0.36, 0.55)}.items():
            for interval in clip[whose]:
                begin = interval["onset"] / clip["fps"]
                width = (interval["offset"] + 1 - interval["onset"]) / clip["fps"]
                axes.broken_barh(
                    [(begin, width)],
                    (line + bottom, 0.3),
                    facecolor=_COLOUR[interval["kind"]],
                    alpha=alpha,
                )
                if interval["apex"] is not None:
                    apex = (interval["apex"] + 0.5) / clip["fps"]
                    axes.plot([apex, apex], [line + bottom, line + bottom + 0.3], color="black")
    axes.set_yticks(range(len(shown)), [clip["clip"] for clip in shown], parse_math=False)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    left = f", the first {CLIPS} of {len(clips)} clips" if len(clips) > CLIPS else ""
    axes.set_title(f"{title}{left}", fontsize=12, fontweight="bold", loc="left", parse_math=False)
    handles = [_patch(colour, kind) for kind, colour in _COLOUR.items()]
    handles += [_patch(GREY, "below a line: annotated"), _patch("#d0d0d0", "above, pale: spotted")]
    made.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    return save(made, path)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, label=label)
