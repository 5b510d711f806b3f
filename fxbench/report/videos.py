"""Classifiers and landmarkers on videos, and what was spotted in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fxbench.figures import spotter_title, spotters
from fxbench.pages.figures import COLOURS, Choice, chooser
from fxbench.plots_spotting import CLIPS
from fxbench.report.section import Cell, Section, axis, section, shown
from fxbench.tables_video import (
    megc_table,
    motion_table,
    recognition_table,
    spotting_table,
    video_table,
)

if TYPE_CHECKING:
    from markupsafe import Markup

_COLOUR = {"micro": COLOURS[1], "macro": COLOURS[0]}
_WHOSE = {"truth": (-0.2, 1.0, "annotated"), "spotted": (0.2, 0.55, "spotted")}


def sections(cells: Sequence[Cell], run: Mapping[str, Any]) -> list[Section]:
    """Videos, spotting."""
    return [
        *section(
            "videos", "Videos", shown(video_table(cells, run)), shown(motion_table(cells, run))
        ),
        *section(
            "spotting",
            "Spotted expressions",
            _timelines(cells),
            shown(spotting_table(cells, run)),
            shown(recognition_table(cells, run)),
            shown(megc_table(cells, run)),
        ),
    ]


def _timelines(cells: Sequence[Cell]) -> Markup | None:
    choices = [
        Choice(spotter_title(cell), *_timeline(cell["intervals"]))
        for cell in spotters(cells)
        if cell.get("intervals")
    ]
    if not choices:
        return None
    most = max(len(choice.figure["layout"]["yaxis"]["tickvals"]) for choice in choices)
    title = "When: above each line what is annotated, below it, pale, what was spotted"
    return chooser(choices, title=title, what="Spotter", height=150 + 26 * most)


def _timeline(clips: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], str]:
    drawn = clips[:CLIPS]
    data: list[dict[str, Any]] = []
    for whose, (offset, opacity, told) in _WHOSE.items():
        for kind, colour in _COLOUR.items():
            found = [
                (line, clip, interval)
                for line, clip in enumerate(drawn)
                for interval in clip[whose]
                if interval["kind"] == kind
            ]
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": f"{kind}, {told}",
                    "y": [line + offset for line, *_ in found],
                    "base": [i["onset"] / clip["fps"] for _, clip, i in found],
                    "x": [(i["offset"] + 1 - i["onset"]) / clip["fps"] for _, clip, i in found],
                    "width": 0.34,
                    "marker": {"color": colour},
                    "opacity": opacity,
                    "text": [f"frames {i['onset']} to {i['offset']}" for *_, i in found],
                    "textposition": "none",
                    "hovertemplate": "from %{base:.2f} s, %{text}",
                }
            )
    layout = {
        "barmode": "overlay",
        "xaxis": axis("Seconds", rangemode="tozero"),
        "yaxis": {
            "tickvals": list(range(len(drawn))),
            "ticktext": [clip["clip"] for clip in drawn],
            "range": [len(drawn) - 0.4, -0.6],
        },
    }
    counts = {whose: sum(len(clip[whose]) for clip in clips) for whose in _WHOSE}
    left = f" The first {CLIPS} clips are drawn." if len(clips) > CLIPS else ""
    alt = (
        f"{len(clips)} clips with {counts['truth']} annotated and {counts['spotted']} spotted "
        f"expressions.{left} `fxbench tables --table intervals` lists each."
    )
    return {"data": data, "layout": layout}, alt
