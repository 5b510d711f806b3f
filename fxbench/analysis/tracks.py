"""What was found in a video as tracks beside it: for ELAN, and for players (WebVTT)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fxbench import elan, webvtt
from fxbench.elan import Annotation, Tier
from fxbench.files import write_atomic
from fxbench.webvtt import Cue

if TYPE_CHECKING:
    from fxbench.analysis.people import Person
    from fxbench.analysis.spots import Spotted
    from fxbench.speech import Said

FOLDER = "tracks"


def write(
    video: Path,
    name: str,
    root: Path,
    people: tuple[Person, ...],
    events: tuple[Spotted, ...],
    said: Said | None,
    frame_s: float,
) -> list[str]:
    """Write `tracks/NAME.eaf`, `tracks/NAME.vtt` and, of what is said, `tracks/NAME-speech.vtt`.

    Args:
        video: that they are about.
        name: of it in files.
        root: the folder of the analysis.
        people: who is in it.
        events: what was spotted.
        said: what was said, or None.
        frame_s: how long a frame is, seconds.

    Returns:
        The paths within `root`.

    Raises:
        StoreError: one can't be written.
    """
    tiers = [*_emotions(people, frame_s), *_spotted(events, frame_s), *_said(said)]
    data = elan.document(tiers, media=video, folder=root / FOLDER)
    places = {f"{FOLDER}/{name}.eaf": data}
    places[f"{FOLDER}/{name}.vtt"] = webvtt.document(_cues(people, frame_s), note=_NOTE).encode()
    if said is not None:
        cues = [Cue(one.begin_s, one.end_s, one.text) for one in said.utterances]
        note = f"What {said.transcriber} heard."
        places[f"{FOLDER}/{name}-speech.vtt"] = webvtt.document(cues, note=note).encode()
    for place, content in places.items():
        write_atomic(root / place, content)
    return list(places)


_NOTE = (
    "What faces are labelled as, by the mean probabilities of half a second.\n"
    "People are told apart by position and motion within this video alone."
)


def _emotions(people: tuple[Person, ...], frame_s: float) -> list[Tier]:
    several = len({person.detector for person in people}) > 1
    return [
        Tier(
            f"{_who(person, several=several)}, {classifier}",
            tuple(
                Annotation(one.begin_s, one.end_s, one.label)
                for one in person.segments(classifier, frame_s)
            ),
            "emotion",
            f"person {person.track}",
        )
        for person in people
        for classifier in person.labels
    ]


def _spotted(events: tuple[Spotted, ...], frame_s: float) -> list[Tier]:
    several = len({event.detector for event in events}) > 1
    tiers: dict[tuple[str, int, str], list[Annotation]] = {}
    for event in events:
        own = tiers.setdefault((event.detector, event.track, event.spotter), [])
        own.append(Annotation(event.times[0], event.times[2] + frame_s, event.interval.kind))
    return [
        Tier(
            f"person {track}{f' ({detector})' if several else ''}, {spotter}",
            tuple(own),
            "expression",
            f"person {track}",
        )
        for (detector, track, spotter), own in tiers.items()
    ]


def _said(said: Said | None) -> list[Tier]:
    if said is None:
        return []
    tiers = [
        Tier(
            "words",
            tuple(Annotation(word.begin_s, word.end_s, word.text) for word in said.words),
            "speech",
        ),
        Tier(
            "utterances",
            tuple(Annotation(one.begin_s, one.end_s, one.text) for one in said.utterances),
            "speech",
        ),
    ]
    if said.text_emotion:
        labelled = tuple(
            Annotation(one.begin_s, one.end_s, " or ".join(one.labelled))
            for one in said.utterances
            if one.labelled
        )
        tiers.append(Tier(f"words express, {said.text_emotion}", labelled, "emotion"))
    return tiers


def _cues(people: tuple[Person, ...], frame_s: float) -> list[Cue]:
    """What each classifier labels whom as. Of several detectors it is the first."""
    cues = []
    for person in people:
        if person.detector != people[0].detector:
            continue
        several = len(person.labels) > 1
        for classifier in person.labels:
            by = f" ({classifier})" if several else ""
            cues += [
                Cue(
                    one.begin_s,
                    one.end_s,
                    f"labelled as {one.label}{by}",
                    f"person {person.track}",
                )
                for one in person.segments(classifier, frame_s)
            ]
    return cues


def _who(person: Person, *, several: bool) -> str:
    return f"person {person.track}{f' ({person.detector})' if several else ''}"
