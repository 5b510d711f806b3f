"""Faces that most classifiers read rightly, those that most misread, and those in dispute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.answers import NOT_ASKED
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import NOT_FOUND, OTHER
from fxbench.pages.pictures import picture
from fxbench.pages.tables import table
from fxbench.report.section import Cell, Section, section
from fxbench.tables import classified
from fxbench.tabular import Column, Table

if TYPE_CHECKING:
    from markupsafe import Markup

    from fxbench.answers import Answered
    from fxbench.types import Bool, Float64, Int64, UInt8

Thumbnails = Callable[[str, str, Sequence[int]], tuple[Mapping[int, "UInt8"], str]]
"""Gives small pictures RGB uint8 (H, W, 3) of rows of a dataset's split, and where it has none a
sentence why."""

FACES = 12
"""How many stand on a sheet."""
_ANSWERS = 3
"""How many different answers are told of a face; the rest is counted."""
_AGREED = 2 / 3
"""Where the most frequent answer has a larger share, there is no dispute."""
_WORDS = {NOT_FOUND: "no face found", OTHER: "none of the eight"}


@dataclass(frozen=True, slots=True)
class Pick:
    """A face of a sheet.

    Attributes:
        row: of the split.
        id: the image's name.
        label: the right emotion.
        right: how many cells answered that.
        asked: how many were asked.
        answers: what was answered and how often, the most frequent first.
    """

    row: int
    id: str
    label: str
    right: int
    asked: int
    answers: tuple[tuple[str, int], ...]

    @property
    def told(self) -> str:
        """The answers in words."""
        shown = [f"{name} ({count})" if self.asked > 1 else name for name, count in self.answers]
        more = len(shown) - _ANSWERS
        return ", ".join(shown[:_ANSWERS]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Sheet:
    """Some faces of one sort; `sort` is its heading, `lead` says how they were chosen."""

    sort: str
    lead: str
    picks: tuple[Pick, ...]


def sections(
    cells: Sequence[Cell], answered: Iterable[Answered], thumbnails: Thumbnails | None = None
) -> list[Section]:
    """Sheets of each dataset, split and protocol."""
    from markupsafe import Markup

    parts: list[Markup] = []
    sources = list(answered)
    for source in sources:
        made = sheets(cells, source)
        if not made:
            continue
        if len(sources) > 1:
            name = f"{source.dataset}, {source.split}, {source.protocol}"
            parts.append(Markup("<h3>{}</h3>").format(name))
        pictures: Mapping[int, UInt8] = {}
        if thumbnails is not None:
            rows = sorted({pick.row for sheet in made for pick in sheet.picks})
            pictures, why = thumbnails(source.dataset, source.split, rows)
            if why:
                parts.append(Markup('<p class="warning">No pictures: {}</p>').format(why))
        parts += [_shown(sheet, pictures) for sheet in made]
    lead = (
        "Chosen by what the clean cells that are no floor answered, by turns from each emotion. "
        "They show what the numbers are about, and are no sample that a share can be read from."
    )
    if thumbnails is None:
        lead += " With --with-images the report has their pictures, where a licence allows it."
    return section("faces", "Faces that were right, wrong and disputed", *parts, lead=lead)


def sheets(cells: Sequence[Cell], source: Answered) -> list[Sheet]:
    """What stands on the sheets of one dataset; those without a face are left out."""
    floors = {cell["axes"].get("classifier") for cell in cells if cell.get("floor")}
    known = set(source.cells)
    clean = [
        cell["id"]
        for cell in classified(cells, attacked=False)
        if cell["status"] == "ok" and cell["id"] in known
        if cell["axes"]["classifier"] not in floors
    ]
    if not clean:
        return []
    tops = np.stack([source.top(cell) for cell in clean])
    asked = (tops != NOT_ASKED).sum(axis=0)
    right = ((tops == source.labels) & (tops != NOT_ASKED)).sum(axis=0)
    counts = asked > 0
    counts &= source.labels >= 0
    share = np.divide(right, asked, out=np.zeros(len(asked)), where=counts)
    found = (tops >= 0).any(axis=0)
    several = len(clean) > 1
    who = f"more than half of {len(clean)} cells" if several else "the cell"
    made = [
        Sheet(
            "Right",
            f"Read rightly by {who}.",
            _picks(source, tops, -share, counts & (share > 0.5)),
        ),
        Sheet(
            "Wrong",
            f"Found, and read wrongly by {who}.",
            _picks(source, tops, share, counts & found & (share < 0.5)),
        ),
    ]
    if several:
        agreed, entropy = _answers(tops)
        disputed = counts & (agreed <= _AGREED)
        lead = (
            "No answer has more than two thirds of the cells; those that differ most stand first."
        )
        made.append(Sheet("Disputed", lead, _picks(source, tops, -entropy, disputed)))
    return [sheet for sheet in made if sheet.picks]


def _answers(tops: Int64) -> tuple[Float64, Float64]:
    """How far cells agree about each image.

    Args:
        tops: int64 (C, N), the answers of C cells.

    Returns:
        float64 (N,) each: the share of the most frequent answer, and the entropy in nats.
    """
    answers = np.arange(OTHER, len(EMOTIONS))
    counts = np.stack([(tops == answer).sum(axis=0) for answer in answers])
    total = counts.sum(axis=0)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    logs = np.log(shares, out=np.zeros(shares.shape), where=shares > 0)
    return shares.max(axis=0), np.asarray(-(shares * logs).sum(axis=0))


def _picks(source: Answered, tops: Int64, order: Float64, wanted: Bool) -> tuple[Pick, ...]:
    """By turns from each right emotion, of each cluster one: copies show nothing new."""
    places = np.flatnonzero(wanted)
    places = places[np.argsort(order[places], kind="stable")]
    queues = [
        iter(places[source.labels[places] == label].tolist()) for label in range(len(EMOTIONS))
    ]
    chosen: list[int] = []
    taken: set[int] = set()
    while queues and len(chosen) < FACES:
        for queue in list(queues):
            place = next((p for p in queue if int(source.clusters[p]) not in taken), None)
            if place is None:
                queues.remove(queue)
            elif len(chosen) < FACES:
                chosen.append(place)
                taken.add(int(source.clusters[place]))
    return tuple(_pick(source, tops[:, place], place) for place in chosen)


def _pick(source: Answered, tops: Int64, place: int) -> Pick:
    given = tops[tops != NOT_ASKED]
    answers, counts = np.unique(given, return_counts=True)
    pairs = sorted(zip(counts.tolist(), answers.tolist(), strict=True), key=lambda p: (-p[0], p[1]))
    label = int(source.labels[place])
    return Pick(
        int(source.rows[place]),
        source.ids[place],
        EMOTIONS[label],
        int((given == label).sum()),
        len(given),
        tuple((_WORDS.get(a) or EMOTIONS[a], count) for count, a in pairs),
    )


def _shown(sheet: Sheet, pictures: Mapping[int, UInt8]) -> Markup:
    from markupsafe import Markup

    if any(pick.row in pictures for pick in sheet.picks):
        items = Markup("\n").join(_item(pick, pictures.get(pick.row)) for pick in sheet.picks)
        return Markup('<h3>{}</h3><p class="lead">{}</p><ul class="sheet">{}</ul>').format(
            sheet.sort, sheet.lead, items
        )
    rows = tuple(
        {
            "id": pick.id,
            "label": pick.label,
            "right": f"{pick.right} of {pick.asked}",
            "answers": pick.told,
        }
        for pick in sheet.picks
    )
    columns = (
        Column("id", "image"),
        Column("label", "labelled as"),
        Column("right", "right in"),
        Column("answers", "answered as"),
    )
    return table(Table(f"{sheet.sort}: {sheet.lead}", columns, rows), filters=False)


def _item(pick: Pick, image: UInt8 | None) -> Markup:
    from markupsafe import Markup

    alt = f"{pick.id}, labelled as {pick.label}"
    shown = "" if image is None else picture(image, alt=alt, width=136)
    mark = "right" if 2 * pick.right >= pick.asked else "wrong"
    return Markup(
        "<li>{}labelled as <strong>{}</strong><br>"
        '<span class="{}">right in {} of {}</span><br>answered as {}</li>'
    ).format(shown, pick.label, mark, pick.right, pick.asked, pick.told)
