"""Charts of the pages, as Plotly figures that Streamlit draws in the colours of its theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from fxbench.labels import EMOTIONS
from fxbench.pareto import front

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from fxbench.tabular import Row
    from fxbench.types import Float32, Float64, Int64

EMOTION_COLOURS = {
    "light": dict(
        zip(
            EMOTIONS,
            (
                "#68717c",
                "#9a7400",
                "#c44f00",
                "#0b63b5",
                "#b3261e",
                "#3c7a1e",
                "#6a4fb3",
                "#8a5a44",
            ),
            strict=True,
        )
    ),
    "dark": dict(
        zip(
            EMOTIONS,
            (
                "#a9b2bd",
                "#ecc94b",
                "#ff9552",
                "#6db4f7",
                "#ff857b",
                "#94cf6d",
                "#b9a6f5",
                "#d3a28c",
            ),
            strict=True,
        )
    ),
}
"""Of each emotion, by theme: those of the reports."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "solid", "longdashdot", "dot")
COLOURS = ("#3a7fd5", "#d9772b", "#3f9a5f", "#9065d0", "#d6669b", "#b07a3f", "#2a9d9a", "#8a8f98")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star", "triangle-down")


def _figure(height: int, **layout: Any) -> go.Figure:
    import plotly.graph_objects as go

    made = go.Figure()
    made.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        **layout,
    )
    return made


def _colour(emotion: str) -> str:
    return EMOTION_COLOURS[st.context.theme.type or "light"][emotion]


def accuracy_latency(rows: Sequence[Row]) -> go.Figure | None:
    """End-to-end accuracy against the median time for an image, with the Pareto front.

    Args:
        rows: of the leaderboard.

    Returns:
        None where fewer than two cells were timed and scored.
    """
    shown = [
        row
        for row in rows
        if row.get("latency_p50_ms") is not None and row.get("accuracy_end_to_end") is not None
    ]
    if len(shown) < 2:
        return None
    made = _figure(420, xaxis_title="median ms for an image", yaxis_title="end-to-end accuracy, %")
    made.update_xaxes(type="log")
    best_of = front([(row["latency_p50_ms"], row["accuracy_end_to_end"]) for row in shown])
    best = sorted((shown[index] for index in best_of), key=lambda row: row["latency_p50_ms"])
    made.add_scatter(
        x=[row["latency_p50_ms"] for row in best],
        y=[100 * row["accuracy_end_to_end"] for row in best],
        mode="lines",
        name="nothing is both faster and better",
        line={"color": "#8a8f98", "dash": "dot", "shape": "hv"},
        hoverinfo="skip",
    )
    for place, name in enumerate(dict.fromkeys(row["classifier"] for row in shown)):
        own = [row for row in shown if row["classifier"] == name]
        value = np.array([100 * row["accuracy_end_to_end"] for row in own])
        high, low = (np.array([_end(row, end) for row in own]) - value for end in ("high", "low"))
        made.add_scatter(
            x=[row["latency_p50_ms"] for row in own],
            y=value,
            error_y={"array": high, "arrayminus": -low, "thickness": 1},
            mode="markers",
            name=_text(name),
            text=[_text(row["detector"]) for row in own],
            hovertemplate="%{text}: %{y:.1f} %, %{x:.1f} ms",
            marker={
                "color": COLOURS[place % len(COLOURS)],
                "symbol": SYMBOLS[place % len(SYMBOLS)],
                "size": 11,
            },
        )
    return made


def _end(row: Row, end: str) -> float:
    value = row.get(f"accuracy_end_to_end_{end}")
    return 100 * float(row["accuracy_end_to_end"] if value is None else value)


def _text(name: object) -> str:
    """A name in a figure, where Plotly would read some HTML."""
    return str(name).replace("&", "&amp;").replace("<", "&lt;")


def recalls(names: Sequence[str], recalled: Mapping[str, Sequence[float | None]]) -> go.Figure:
    """Bars of the recall of each emotion.

    Args:
        names: of two cells.
        recalled: by emotion, for each cell its recall from 0 to 1.
    """
    made = _figure(320, yaxis_title="recall, %", barmode="group")
    made.update_yaxes(range=[0, 100])
    for place, name in enumerate(names):
        made.add_bar(
            x=list(recalled),
            y=[_percent(of[place]) for of in recalled.values()],
            name=_text(name),
            marker_color=COLOURS[place],
            marker_pattern_shape=("", "/")[place % 2],
            hovertemplate="%{x}: %{y:.1f} %",
        )
    return made


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def bars(answers: Mapping[str, Float32]) -> go.Figure:
    """The probabilities that classifiers give to each emotion.

    Args:
        answers: by name of the classifier, float32 (8,) in the order of EMOTIONS; NaN where it has
            no such label.
    """
    made = _figure(60 + 26 * len(EMOTIONS) + 14 * len(answers) * 4, barmode="group")
    made.update_xaxes(range=[0, 1], title="probability")
    made.update_yaxes(autorange="reversed")
    for place, (name, row) in enumerate(answers.items()):
        made.add_bar(
            y=list(EMOTIONS),
            x=[None if np.isnan(value) else float(value) for value in row],
            orientation="h",
            name=_text(name),
            marker_color=COLOURS[place % len(COLOURS)],
            hovertemplate="%{y}: %{x:.2f}",
        )
    return made


def timeline(time_s: Float64, probabilities: Float32, seconds: float) -> go.Figure:
    """How the probability of each emotion goes on.

    Args:
        time_s: float64 (N,), seconds.
        probabilities: float32 (N, 8); NaN is a gap.
        seconds: how long the video is.
    """
    made = _figure(340, xaxis_title="seconds", yaxis_title="probability", hovermode="x unified")
    made.update_xaxes(range=[0, seconds])
    made.update_yaxes(range=[0, 1])
    for place, emotion in enumerate(EMOTIONS):
        column = probabilities[:, place]
        if np.isnan(column).all():
            continue
        made.add_scatter(
            x=time_s,
            y=[None if np.isnan(value) else float(value) for value in column],
            mode="lines",
            name=emotion,
            line={"color": _colour(emotion), "width": 2, "dash": DASHES[place]},
            connectgaps=False,
            hovertemplate="%{y:.2f}",
        )
    return made


def shares(tops: Mapping[str, Int64]) -> go.Figure:
    """For how many of the looked-at frames each emotion was the answer, as stacked bars.

    Args:
        tops: by what is compared, int64 (N,) indices into EMOTIONS; negative ones are no emotion.
    """
    made = _figure(190 + 40 * len(tops), barmode="stack")
    made.update_layout(legend_traceorder="normal")
    made.update_xaxes(range=[0, 101], title="% of the frames with an answer")
    made.update_yaxes(autorange="reversed")
    for place, emotion in enumerate(EMOTIONS):
        if not any((top == place).any() for top in tops.values()):
            continue
        made.add_bar(
            y=[_text(name) for name in tops],
            x=[100 * float((top == place).sum()) / max(1, len(top)) for top in tops.values()],
            orientation="h",
            name=emotion,
            marker_color=_colour(emotion),
            hovertemplate="%{fullData.name}: %{x:.1f} %",
        )
    return made
