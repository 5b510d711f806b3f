"""What is said over time, drawn beside what faces show."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.plots import figure, save
from fxbench.speech.words import OTHER

if TYPE_CHECKING:
    from fxbench.speech.beside import Shown
    from fxbench.speech.written import Heard
    from fxbench.types import Float64

COLOURS = {
    "neutral": "#68717c",
    "happiness": "#9a7400",
    "surprise": "#c44f00",
    "sadness": "#0b63b5",
    "anger": "#b3261e",
    "disgust": "#3c7a1e",
    "fear": "#6a4fb3",
    "contempt": "#8a5a44",
    OTHER: "#d9d9d9",
}
"""Those of the pages in their light theme, so that an emotion has one colour everywhere."""

MOST_PEOPLE = 3
"""So many people are drawn at most, those who are seen longest."""

_BREAK_S = 0.5
_SMOOTH_S = 0.3
_CHARACTERS_AN_INCH = 12.0
_LEAST_CHARACTERS = 6


def timeline(heard: Heard, path: Path) -> Path:
    """The utterances with their words and emotions, and below them what each face shows.

    Args:
        heard: what is drawn.
        path: the file to write.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    faces = sorted(heard.faces or (), key=lambda face: -len(face.time_s))
    shown = faces[:MOST_PEOPLE]
    end = max([heard.said.seconds, *(float(face.time_s[-1]) for face in shown), 0.1])
    width = float(np.clip(end * 0.6, 9.0, 24.0))
    made = figure(width, 3.1 + 1.7 * len(shown))
    ratios = [1.7, *[1.0] * len(shown)]
    grid = made.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    _draw_speech(grid[0], heard, end, width)
    for axes, face in zip(grid[1:], shown, strict=True):
        _draw_face(axes, face)
    grid[0].set_xlim(0, end)
    grid[-1].set_xlabel("Seconds")
    handles = [_patch(colour, name) for name, colour in COLOURS.items()]
    made.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
    )
    left_out = len(faces) - len(shown)
    more = f", {left_out} more not drawn" if left_out else ""
    said = f"{heard.video.name}: words by {heard.said.transcriber or 'a transcriber'}"
    by = f", their emotions by {heard.said.text_emotion}" if heard.said.text_emotion else ""
    made.suptitle(_plain(f"{said}{by}{more}"), fontsize=10, parse_math=False)
    return save(made, path)


def _draw_speech(axes: Any, heard: Heard, end: float, width: float) -> None:
    """A bar for each utterance, divided as its words' emotions are; its words above."""
    axes.set_ylim(0, 1.9)
    axes.set_yticks([0, 1], ["0", "1"])
    axes.set_ylabel("Words:\nshare of emotions", fontsize=8)
    spoken = heard.said.utterances
    nexts = [*(one.begin_s for one in spoken), end][1:]
    for utterance, after in zip(spoken, nexts, strict=True):
        begin, length = utterance.begin_s, max(utterance.end_s - utterance.begin_s, end / 400)
        bottom = 0.0
        shares = dict(zip(EMOTIONS, utterance.shares or (), strict=False))
        for name, share in (shares | {OTHER: utterance.other}).items():
            if share:
                axes.bar(
                    begin, share, length, bottom, align="edge", color=COLOURS[name], linewidth=0
                )
                bottom += share
        axes.bar(begin, 1.0, length, 0.0, align="edge", fill=False, edgecolor="#444", linewidth=0.8)
        # As wide as there is room before the next one.
        room = int((after - begin) / end * width * _CHARACTERS_AN_INCH)
        if room < _LEAST_CHARACTERS:
            continue
        text = textwrap.shorten(_plain(utterance.text), 3 * room, placeholder=" …")
        wrapped = "\n".join(textwrap.wrap(text, room)[:3])
        axes.text(begin, 1.06, wrapped, fontsize=7, va="bottom", parse_math=False)
    if not heard.said.utterances:
        note = heard.said.fault or "no word was heard"
        axes.text(end / 2, 0.5, note, ha="center", va="center", fontsize=9)


def _draw_face(axes: Any, face: Shown) -> None:
    """The probabilities of a face, one above the other, smoothed; gaps where nobody is seen."""
    gaps = np.flatnonzero(np.diff(face.time_s) > _BREAK_S) + 1
    columns = [*np.nan_to_num(face.probabilities).T, face.other]
    for part in np.split(np.arange(len(face.time_s)), gaps):
        time_s = face.time_s[part]
        smooth = [_smoothed(time_s, column[part].astype(np.float64)) for column in columns]
        axes.stackplot(time_s, *smooth, colors=list(COLOURS.values()), linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_ylabel(f"Person {face.track}\n{face.classifier}", fontsize=8)


def _smoothed(time_s: Float64, values: Float64) -> Float64:
    """The mean over a short while around each frame, so that single frames don't flicker."""
    low = np.searchsorted(time_s, time_s - _SMOOTH_S / 2, side="left")
    high = np.searchsorted(time_s, time_s + _SMOOTH_S / 2, side="right")
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return np.asarray((sums[high] - sums[low]) / (high - low), np.float64)


def _patch(colour: str, name: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=name)


def _plain(text: str) -> str:
    """Without what no font draws."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
