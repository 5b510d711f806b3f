"""What a page shows of one person of a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.analysis.people import ANSWERS
from fxbench.measures import NAMES, PROXIES
from fxbench.pages.figures import EMOTION_COLOURS, Choice, chooser
from fxbench.pages.pictures import picture
from fxbench.pages.tables import folded, table
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.analysis.people import Person
    from fxbench.types import Float32, Float64

_POINTS = 400
"""So many points a line has at most."""

_EVENTS = 40
_FACE, _MOMENT = 96, 80
_LEAST = 0.005
_GREATEST = 3


def person_part(
    person: Person,
    about: dict[str, Any],
    events: list[dict[str, Any]],
    root: Path,
    *,
    several: bool,
    pictures: bool,
) -> Markup:
    """The part of the page about a person.

    Args:
        person: their frames.
        about: what is known of them.
        events: what was spotted in them.
        root: the folder of the analysis.
        several: whether there are several detectors, so that this one is named.
        pictures: whether pictures of the face are shown.
    """
    from markupsafe import Markup

    title = f"Person {person.track}{f', found by {person.detector}' if several else ''}"
    face = _picture(root, about["picture"], title, _FACE) if pictures else None
    lead = (
        f"{about['first_s']:.2f} s to {about['last_s']:.2f} s, in {about['frames']} frames, found "
        f"by the detector in {about['detected']} of them."
    )
    parts = [
        Markup('<div class="person"><h3>{}</h3>{}<p class="lead">{}</p>').format(
            title, face or "", lead
        ),
        _timeline(person, events, title),
        _shares(about, title),
        _events(events, title, root, pictures=pictures),
        *(_measures(person, name, about, title) for name in person.measures),
        Markup("</div>"),
    ]
    return Markup("\n").join(parts)


def _timeline(person: Person, events: list[dict[str, Any]], title: str) -> Markup:
    choices = []
    shapes = [
        {
            "type": "rect",
            "yref": "paper",
            "x0": event["onset_s"],
            "x1": event["offset_s"],
            "y0": 0,
            "y1": 1,
            "line": {"color": "var(--text)", "width": 1, "dash": "dot"},
        }
        for event in events
        if event["kind"] == "micro"
    ]
    for name in person.shares:
        smooth = person.smooth(name)
        times, values = _thinned(person.time_s, smooth)
        data: list[dict[str, Any]] = [
            {
                "type": "scatter",
                "mode": "lines",
                "stackgroup": "one",
                "name": answer,
                "x": times,
                "y": values[:, index],
                "line": {"width": 0.5, "color": EMOTION_COLOURS.get(answer, "var(--muted)")},
                "hovertemplate": "%{x:.2f} s: %{y:.0%}",
            }
            for index, answer in enumerate(ANSWERS)
            if np.nanmax(values[:, index], initial=0.0) > _LEAST
        ]
        layout = {
            "xaxis": {"ticksuffix": " s"},
            "yaxis": {"range": [0, 1], "tickformat": ".0%"},
            "shapes": shapes,
            "hovermode": "x unified",
        }
        alt = f"Probabilities that {name} gives over time. Most often: {_most(person, name)}."
        choices.append(Choice(name, {"data": data, "layout": layout}, alt))
    micro = " Dotted: spotted micro-expressions." if shapes else ""
    return chooser(
        choices,
        title=f"{title}: probabilities over time, means of half a second.{micro}",
        what="Classifier",
        height=300,
    )


def _most(person: Person, classifier: str) -> str:
    labels = person.labels[classifier]
    known = labels[labels >= 0]
    if not len(known):
        return "no answer"
    counts = np.bincount(known, minlength=len(ANSWERS))
    best = int(counts.argmax())
    return f"{ANSWERS[best]}, in {counts[best]} of {len(labels)} frames"


def _shares(about: dict[str, Any], title: str) -> Markup:
    rows = tuple(
        {"classifier": name, "answered": told["answered"]} | told["share"]
        for name, told in about["classifiers"].items()
    )
    columns = (
        Column("classifier", "classifier"),
        *(Column(name, name, "percent", show="any") for name in ANSWERS),
        Column("answered", "frames", "count"),
    )
    note = "Percent of the frames that were answered. A dash: the classifier has no such label."
    return table(Table(f"{title}: share of each label", columns, rows, (note,)), filters=False)


def _events(
    events: list[dict[str, Any]], title: str, root: Path, *, pictures: bool
) -> Markup | str:
    from markupsafe import Markup

    if not events:
        return ""
    first = sorted(events, key=lambda one: (one["kind"] != "micro", one["onset"]))[:_EVENTS]
    columns = (
        Column("kind", "expression"),
        Column("spotter", "spotter", show="varies", title="spotted by {}"),
        Column("onset", "onset, frame", "shown"),
        Column("apex", "apex", "shown"),
        Column("offset", "offset", "shown"),
        Column("onset_s", "from, s", "time"),
        Column("offset_s", "to, s", "time"),
        Column("score", "score", "number"),
    )
    notes = [
        "Spotted by a computer: a micro-expression lasts half a second at most. A score is the "
        "spotter's own and compares with its others alone."
    ]
    if len(events) > _EVENTS:
        notes.append(f"{_EVENTS} of {len(events)} are shown; events.csv has all.")
    shown = table(Table(f"{title}: expressions", columns, tuple(first), tuple(notes)))
    if not pictures:
        return shown
    sheet = []
    for event in first:
        own = [
            Markup("<span>{}<br>{} {}</span>").format(image, moment, event[moment])
            for moment, place in event["pictures"].items()
            if (image := _picture(root, place, f"{title}, {moment}", _MOMENT)) is not None
        ]
        if own:
            sheet.append(
                Markup("<li>{}<p>{}, from {} s</p></li>").format(
                    Markup("").join(own), event["kind"], f"{event['onset_s']:.2f}"
                )
            )
    return shown + (
        Markup('<ul class="moments">{}</ul>').format(Markup("").join(sheet)) if sheet else ""
    )


def _measures(person: Person, landmarker: str, about: dict[str, Any], title: str) -> Markup:
    values = person.measures[landmarker].less(person.neutral[landmarker]).values
    told = about["landmarkers"][landmarker]
    if not told["strongest"]:
        from markupsafe import Markup

        return Markup("<p>{} located no landmarks that can be measured.</p>").format(landmarker)
    times, thin = _thinned(person.time_s, values)
    reach = {name: abs(one["value"]) for name, one in told["strongest"].items()}
    ranked = sorted(reach, key=lambda name: -reach[name])
    greatest = ranked[:_GREATEST]
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name.replace("_", " "),
            "x": times,
            "y": thin[:, NAMES.index(name)],
            "line": {"color": f"var(--c{number % 8 + 1})"},
            "visible": True if name in greatest else "legendonly",
            "hovertemplate": "%{x:.2f} s: %{y:+.3f}",
        }
        for number, name in enumerate(ranked)
    ]
    layout = {
        "xaxis": {"ticksuffix": " s"},
        "yaxis": {"title": {"text": "inter-ocular units"}},
    }
    alt = "; ".join(
        f"{name.replace('_', ' ')} {told['strongest'][name]['value']:+.3f} at "
        f"{told['strongest'][name]['time_s']:.2f} s"
        for name in greatest
    )
    units = {proxy.name: proxy for proxy in PROXIES}
    rows = tuple(
        {
            "measure": name.replace("_", " "),
            "unit": units[name].unit,
            "summary": units[name].summary,
            "value": one["value"],
            "time_s": one["time_s"],
        }
        for name, one in told["strongest"].items()
    )
    columns = (
        Column("measure", "measure"),
        Column("unit", "resembles"),
        Column("summary", "what it is"),
        Column("value", "farthest from neutral", "number"),
        Column("time_s", "at, s", "time"),
    )
    note = (
        "Landmark proxies that resemble action units, no FACS coding: a turn of the head moves "
        "them too."
    )
    below = folded(Table(f"Measures by {landmarker}", columns, rows, (note,)))
    return chooser(
        (Choice(landmarker, {"data": data, "layout": layout}, f"Farthest from neutral: {alt}."),),
        title=f"{title}: movements by {landmarker}, less the neutral face",
        height=300,
        below=below,
    )


def _thinned(time_s: Float64, values: Float32) -> tuple[Float64, Float64]:
    """Means of neighbouring rows, so that they are few; a gap in time is a row of NaN."""
    count = len(time_s)
    step = max(1, -(-count // _POINTS))
    edges = np.arange(0, count, step)
    known = np.isfinite(values)
    sums = np.add.reduceat(np.nan_to_num(values.astype(np.float64)), edges, axis=0)
    counts = np.add.reduceat(known.astype(np.float64), edges, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / counts
    times = np.add.reduceat(time_s, edges) / np.diff(np.append(edges, count))
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    gaps = np.flatnonzero(np.diff(times) > 4 * usual + 0.1) + 1
    times = np.insert(times, gaps, times[gaps] - usual / 2)
    means = np.insert(means, gaps, np.nan, axis=0)
    return times, means


def _picture(root: Path, place: str | None, alt: str, side: int) -> Markup | None:
    if place is None:
        return None
    image = cv2.imread(str(root / place), cv2.IMREAD_COLOR_RGB)
    if image is None:
        return None
    return picture(np.asarray(image, np.uint8), alt=alt, width=side)
