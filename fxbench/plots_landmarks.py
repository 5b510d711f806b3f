"""Timelines of measures as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fxbench.landmark_table import Person
from fxbench.plots import figure, save
from fxbench.standard_face import POSE
from fxbench.types import Float32, Float64

_PANELS = (
    ("Brows", ("brow_inner_raise", "brow_outer_raise", "brow_lowering", "brow_drawing")),
    ("Eyes, nose", ("eye_opening", "nose_wrinkling")),
    (
        "Lips",
        ("lip_corner_pull", "lip_corner_depression", "upper_lip_raise", "lip_stretch"),
    ),
    ("Mouth, jaw", ("lip_parting", "jaw_drop")),
)
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Of Okabe and Ito (2008), which people with any usual colour vision can tell apart."""

_LEAST = 0.05
"""An axis shows at least so much, inter-ocular units: noise is not to look like motion."""

MOST_PEOPLE = 3
"""So many people are drawn at most, those who are seen longest."""

_SHARE = 0.1
"""And of those only who is seen in this share of the frames, at least, that the first is seen in:
what a detector takes for a face once is no person."""

_BREAK_S = 0.5
"""A line is broken where somebody is not seen for longer."""


def timelines(people: Sequence[Person], path: Path, title: str) -> Path:
    """The measures of people over time, less their neutral faces, and how their heads are turned.

    Args:
        people: those who are seen longest first; at least one.
        path: the file to write.
        title: above the diagram.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    least = _SHARE * len(people[0].frame)
    shown = [person for person in people[:MOST_PEOPLE] if len(person.frame) >= least]
    made = figure(3.0 + 6.0 * len(shown), 9.6)
    grid = made.subplots(len(_PANELS) + 1, len(shown), sharex=True, sharey="row", squeeze=False)
    for column, person in enumerate(shown):
        for row, (label, names) in enumerate(_PANELS):
            axes = grid[row][column]
            for name, colour in zip(names, _COLOURS, strict=False):
                axes.plot(
                    *_broken(person.time_s, person.measures[name]),
                    color=colour,
                    linewidth=1.1,
                    label=name.replace("_", " "),
                )
            axes.axhline(0, color="black", linewidth=0.5)
            if column == 0:
                axes.set_ylabel(f"{label}\ninter-ocular units")
        turned = grid[-1][column]
        for index, (name, colour) in enumerate(zip(POSE, _COLOURS, strict=False)):
            turned.plot(
                *_broken(person.time_s, person.pose[:, index]),
                color=colour,
                linewidth=1.1,
                label=name,
            )
        turned.axhline(0, color="black", linewidth=0.5)
        turned.set_xlabel("Seconds")
        grid[0][column].set_title(f"Person {person.track}", fontsize=10)
    grid[-1][0].set_ylabel("Head, roughly\ndegrees")
    for row in grid[:-1]:
        low, high = row[0].get_ylim()
        row[0].set_ylim(min(low, -_LEAST), max(high, _LEAST))
    for row in grid:
        row[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
        for axes in row:
            axes.grid(alpha=0.25)
    left_out = len(people) - len(shown)
    more = f", {left_out} more not drawn" if left_out else ""
    made.suptitle(f"{title}{more}\nlandmark proxies less the neutral face, no FACS coding")
    return save(made, path)


def _broken(time_s: Float64, values: Float32) -> tuple[Float64, Float64]:
    """A line that has gaps where its person was not seen."""
    gaps = 1 + np.flatnonzero(np.diff(time_s) > _BREAK_S)
    return np.insert(time_s, gaps, np.nan), np.insert(values.astype(np.float64), gaps, np.nan)
