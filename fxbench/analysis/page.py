"""The page of an analysis: what was answered of each photo, video and person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.analysis.columns import Layout
from fxbench.analysis.page_person import person_part
from fxbench.analysis.people import people_in
from fxbench.analysis.tables import FACES, FORMS
from fxbench.labels import EMOTIONS
from fxbench.pages.page import render
from fxbench.pages.pictures import picture
from fxbench.pages.tables import table
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.analysis.session import Outcome
    from fxbench.types import UInt8

NAME = "index.html"

MOST_PHOTOS, MOST_VIDEOS, MOST_PEOPLE = 60, 30, 12
"""So many photos are shown as pictures, and so many videos, and people of each, by themselves. The
tables beside the page have all."""

_ROWS = 1000
_WIDTH = 360

NOTES = (
    "What a face is labelled as is a classifier's answer to a picture. It says nothing sure of "
    "what the person feels.",
    "People in a video are told apart by position and motion alone, behind each detector by "
    "itself. No face is recognised. Person 0 of one file has nothing to do with person 0 of "
    "another, and whoever leaves and comes back after more than a second has another number.",
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        id: of its heading.
        title: the heading.
        lead: a line below it.
        parts: what stands there.
    """

    id: str
    title: str
    lead: str
    parts: tuple[Markup, ...]


def page(outcome: Outcome, root: Path, files: Sequence[str], *, pictures: bool = True) -> str:
    """The page.

    Args:
        outcome: what came of the files.
        root: the folder of the analysis, where the page will lie.
        files: of the tables that lie there.
        pictures: whether pictures of faces are in it.

    Returns:
        HTML: one file. It shows annotated videos from the folder beside it.

    Raises:
        UnavailableError: Jinja2 or Plotly is not installed.
    """
    known = [record for record, _ in outcome.media]
    photos = [record for record in known if record["kind"] == "photo"]
    videos = [(record, rows) for record, rows in outcome.media if record["kind"] == "video"]
    sections = [
        *(_photos(photos, outcome.layout, root, pictures=pictures) if photos else []),
        *(
            _video(record, rows, outcome.layout, root, number, pictures=pictures)
            for number, (record, rows) in enumerate(videos[:MOST_VIDEOS])
            if rows is not None
        ),
        *_failed(outcome),
        _made(outcome, files),
    ]
    warnings = list(NOTES)
    if len(videos) > MOST_VIDEOS:
        warnings.append(f"{MOST_VIDEOS} of {len(videos)} videos are shown; the tables have all.")
    return render(
        "analysis.html",
        name="Analysis of " + _count(len(known) + len(outcome.failed), "file"),
        warnings=warnings,
        tiles=_tiles(outcome, photos, [record for record, _ in videos]),
        sections=sections,
    )


def _tiles(
    outcome: Outcome, photos: list[dict[str, Any]], videos: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    faces = sum(sum(record["faces"].values()) for record in photos)
    people = sum(len(record["people"]) for record in videos)
    seconds = sum(record["seconds"] for record in videos)
    of_photos = [("Photos", str(len(photos))), ("Faces in photos", str(faces))]
    of_videos = [
        ("Videos", str(len(videos))),
        ("People in videos", str(people)),
        ("Length of the videos", _length(seconds)),
    ]
    failed = [("Failed", str(len(outcome.failed)))] if outcome.failed else []
    return [*(of_photos if photos else []), *(of_videos if videos else []), *failed]


def _photos(
    photos: list[dict[str, Any]], layout: Layout, root: Path, *, pictures: bool
) -> list[Section]:
    from markupsafe import Markup

    parts = []
    if pictures:
        shown = [
            Markup("<li><figure>{}<figcaption>{}</figcaption></figure></li>").format(
                _linked(drawn, record["files"][0], f"{Path(record['file']).name}, annotated"),
                _caption(record, layout),
            )
            for record in photos[:MOST_PHOTOS]
            if record["files"] and (drawn := _small(root / record["files"][0])) is not None
        ]
        if shown:
            parts.append(Markup('<ul class="photos">{}</ul>').format(Markup("").join(shown)))
    rows = [
        _face(record, row, number, layout)
        for record in photos
        for number, row in enumerate(record["rows"])
    ]
    empty = [Path(record["file"]).name for record in photos if not record["rows"]]
    notes = []
    if empty:
        more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
        notes.append(f"No face was found in {', '.join(empty[:10])}{more}.")
    if len(rows) > _ROWS:
        notes.append(f"{_ROWS} of {len(rows)} faces are shown; {FACES}.csv has all.")
    columns = [Column("file", "photo"), Column("face", "face", "shown")]
    columns.append(Column("detector", "detector", show="varies", title="found by {}"))
    for name in layout.classifiers:
        columns.append(Column(f"{name}.label", f"{name} labels as"))
        columns.append(Column(f"{name}.p", "probability, %", "percent"))
    parts.append(table(Table("Faces", tuple(columns), tuple(rows[:_ROWS]), tuple(notes))))
    left = len(photos) - MOST_PHOTOS
    lead = f"The first {MOST_PHOTOS} are shown as pictures." if left > 0 and pictures else ""
    return [Section("photos", "Photos", lead, tuple(parts))]


def _face(
    record: dict[str, Any], row: dict[str, Any], number: int, layout: Layout
) -> dict[str, Any]:
    face: dict[str, Any] = {
        "file": Path(record["file"]).name,
        "face": number,
        "detector": row["detector"],
    }
    for name in layout.classifiers:
        label = row[f"{name}.label"]
        face[f"{name}.label"] = label
        face[f"{name}.p"] = None if label is None else row[f"{name}.{label}"]
    return face


def _caption(record: dict[str, Any], layout: Layout) -> str:
    """What the first classifier says of the faces of a photo, in a line."""
    name = Path(record["file"]).name
    if not record["rows"]:
        return f"{name}: no face"
    labels = [row[f"{layout.classifiers[0]}.label"] or "no answer" for row in record["rows"]]
    counts = [(label, labels.count(label)) for label in (*EMOTIONS, "other", "no answer")]
    told = ", ".join(
        f"{label}{f' ({count})' if count > 1 else ''}" for label, count in counts if count
    )
    return f"{name}: labelled as {told}"


def _video(
    record: dict[str, Any],
    rows: Path,
    layout: Layout,
    root: Path,
    number: int,
    *,
    pictures: bool,
) -> Section:
    from markupsafe import Markup

    name = Path(record["file"]).name
    parts = []
    drawn = [file for file in record["files"] if file.endswith(".mp4")]
    if drawn:
        parts.append(
            Markup(
                '<video controls preload="metadata" src="{}" aria-label="{} with the answers drawn '
                'in"></video>'
            ).format(_address(drawn[0]), name)
        )
    if record["files"]:
        links = Markup(", ").join(
            Markup('<a href="{}">{}</a>').format(_address(file), file) for file in record["files"]
        )
        parts.append(Markup("<p>Files: {}</p>").format(links))
    parts += [Markup('<p class="warning">{}</p>').format(fault) for fault in record["faults"]]
    if record["not_spotted"]:
        text = f"{record['not_spotted']} people were there with too many others to be spotted in."
        parts.append(Markup("<p>{}</p>").format(text))
    people = people_in(rows, layout)
    told = {(one["detector"], one["track"]): one for one in record["people"]}
    seen = [one for one in people if len(one.frame) > 1]
    for detector in record["faces"]:
        own = [person for person in seen if person.detector == detector]
        for person in own[:MOST_PEOPLE]:
            about = told[person.detector, person.track]
            events = [
                event
                for event in record["events"]
                if (event["detector"], event["track"]) == (person.detector, person.track)
            ]
            several = len(record["faces"]) > 1
            parts.append(
                person_part(person, about, events, root, several=several, pictures=pictures)
            )
        if len(own) > MOST_PEOPLE:
            text = f"{MOST_PEOPLE} of {len(own)} people are shown; the tables have all."
            parts.append(Markup("<p>{}</p>").format(text))
    if not people:
        parts.append(Markup("<p>No face was found.</p>"))
    parts += _said(record)
    faces = ", ".join(
        f"a face in {count} by {detector}" for detector, count in record["frames_with_face"].items()
    )
    lead = (
        f"{record['width']} x {record['height']} pixels, {_length(record['seconds'])}, "
        f"{record['frames']} frames looked at, {faces}. Analysed in "
        f"{_length(record['analysed_in_s'])}."
    )
    return Section(f"video-{number}", name, lead, tuple(parts))


def _said(record: dict[str, Any]) -> list[Markup]:
    from markupsafe import Markup

    said = record["said"]
    if said is None:
        return []
    columns = (
        Column("from", "from, s", "time"),
        Column("to", "to, s", "time"),
        Column("text", "words"),
        Column("labelled", "words express"),
    )
    rows = tuple(
        {
            "from": one["begin_s"],
            "to": one["end_s"],
            "text": one["text"],
            "labelled": " or ".join(one["labelled"]) or None,
        }
        for one in said["utterances"]
    )
    by = f"heard by {said['transcriber']}"
    by += f", read by {said['text_emotion']}" if said["text_emotion"] else ""
    notes = [said["fault"]] if said["fault"] else []
    notes.append("Words may be heard wrongly, and whose they are is not known.")
    parts = [Markup("<h3>What was said</h3>")]
    if rows:
        parts.append(table(Table(f"What was said, {by}", columns, rows, tuple(notes))))
    else:
        text = said["fault"] or f"No word was heard by {said['transcriber']}."
        parts.append(Markup("<p>{}</p>").format(text))
    return parts


def _failed(outcome: Outcome) -> list[Section]:
    if not outcome.failed:
        return []
    rows = tuple({"file": one.path, "reason": one.reason} for one in outcome.failed)
    columns = (Column("file", "file"), Column("reason", "why"))
    return [
        Section("failed", "Failed", "", (table(Table("Not analysed", columns, rows)),)),
    ]


def _made(outcome: Outcome, files: Sequence[str]) -> Section:
    from markupsafe import Markup

    record = outcome.record
    rows = tuple(
        {
            "kind": one["kind"],
            "name": one["name"],
            "from": f"{one['distribution']} {one['version']}",
            "weights": ", ".join(
                f"{name} ({w['sha256'][:12]})" for name, w in one["weights"].items()
            )
            or None,
            "licence": one["licence"] or None,
        }
        for one in record["components"]
    )
    columns = (
        Column("kind", "kind"),
        Column("name", "name"),
        Column("from", "from"),
        Column("weights", "weights (SHA-256)"),
        Column("licence", "licence"),
    )
    manner = record["manner"]
    looked = "every frame" if manner["every"] == 1 else f"every {manner['every']} frames"
    rate = "" if manner["fps"] is None else f", at most {manner['fps']:g} frames per second"
    links = Markup(", ").join(
        Markup('<a href="{}">{}</a>').format(_address(file), file) for file in files
    )
    several = ", ".join(f"{FACES}.{form}" for form in FORMS)
    return Section(
        "made",
        "How it was made",
        f"Detectors looked at {looked} of a video{rate}.",
        (
            table(Table("Components", columns, rows)),
            Markup(
                "<p>Tables: {}. The page docs/analyzing.md of fxbench says what the columns of {} "
                "mean.</p>"
            ).format(links, several),
        ),
    )


def _small(path: Path) -> UInt8 | None:
    """A picture that was written, shrunk for the page; None where it is not there any more."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        return None
    scale = 2 * _WIDTH / image.shape[1]
    if scale < 1:
        size = (2 * _WIDTH, max(1, round(image.shape[0] * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8)


def _linked(image: UInt8, file: str, alt: str) -> Markup:
    from markupsafe import Markup

    width = min(_WIDTH, image.shape[1])
    shown = picture(image, alt=alt, width=width)
    return Markup('<a href="{}">{}</a>').format(_address(file), shown)


def _address(file: str) -> str:
    """A file beside the page, as an address in it."""
    from urllib.parse import quote

    return quote(file)


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def _length(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
