"""The files that `fxbench speech` writes: tables, tracks for players and annotators, a diagram."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fxbench import elan, webvtt
from fxbench.errors import StoreError
from fxbench.files import write_atomic
from fxbench.labels import EMOTIONS
from fxbench.speech.beside import Shown, Side
from fxbench.speech.tracks import NOTE, cues, tiers
from fxbench.speech.words import OTHER, Said

WORDS, UTTERANCES, BESIDE = "words.csv", "utterances.csv", "beside.csv"
LINES, TRACK, ELAN, PLOT = "speech.jsonl", "speech.vtt", "speech.eaf", "speech.png"
FORMS = (WORDS, UTTERANCES, LINES, TRACK, ELAN, PLOT, BESIDE)
"""What can be written, by the endings of the files; :data:`BESIDE` where faces were looked at."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A video, what is said in it, and what its faces show meanwhile.

    Attributes:
        video: the file.
        said: what is said.
        faces: what people's faces show; None where nobody looked.
        sides: each person beside each utterance.
    """

    video: Path
    said: Said
    faces: tuple[Shown, ...] | None = None
    sides: tuple[Side, ...] = ()

    def record(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        sides = [side.record() for side in self.sides]
        return {
            "video": self.video.name,
            **self.said.record(),
            "beside": None if self.faces is None else sides,
        }


def target(video: Path, folder: Path, form: str) -> Path:
    """The file of that form that is written of a video."""
    return folder / f"{video.stem}-{form}"


def make(folder: Path) -> None:
    """Make a folder that is to be written into.

    Raises:
        StoreError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} can't be made: {error.strerror or error}. Name another folder."
        ) from error


def write(heard: Heard, folder: Path, forms: Iterable[str] = FORMS) -> tuple[Path, ...]:
    """Write the files; each appears when it is whole, and replaces one of its name.

    Args:
        heard: what is to be written.
        folder: where they go; it is made where it is missing.
        forms: which.

    Returns:
        The files, in the order of :data:`FORMS`.

    Raises:
        StoreError: one can't be written.
        UnavailableError: a diagram is wanted, and matplotlib is not installed.
    """
    make(folder)
    wanted = set(forms)
    made = []
    for form in FORMS:
        if form not in wanted or (form == BESIDE and heard.faces is None):
            continue
        path = target(heard.video, folder, form)
        if form == PLOT:
            from fxbench.speech.drawn import timeline

            timeline(heard, path)
        else:
            write_atomic(path, _TEXTS[form](heard, path).encode("utf-8"))
        made.append(path)
    return tuple(made)


def _words(heard: Heard, _: Path) -> str:
    rows = []
    for index, utterance in enumerate(heard.said.utterances):
        rows += [{"utterance": index, **word.record()} for word in utterance.words]
    return _csv(("utterance", "word", "begin_s", "end_s", "probability"), rows)


def _utterances(heard: Heard, _: Path) -> str:
    columns = ("utterance", "begin_s", "end_s", "words", "text", "labelled", *EMOTIONS, OTHER)
    rows = []
    for index, utterance in enumerate(heard.said.utterances):
        record = utterance.record()
        shares = record.pop("shares") or dict.fromkeys(EMOTIONS)
        record["labelled"] = " ".join(record["labelled"])
        if utterance.shares is None:
            record[OTHER] = None
        rows.append({"utterance": index, **record, **shares})
    return _csv(columns, rows)


def _beside(heard: Heard, _: Path) -> str:
    columns = (
        *("utterance", "begin_s", "end_s", "text", "said"),
        *("detector", "classifier", "track", "frames", "shown", "probability", "verdict"),
    )
    rows = []
    for side in heard.sides:
        utterance = heard.said.utterances[side.utterance]
        times = {"begin_s": round(utterance.begin_s, 3), "end_s": round(utterance.end_s, 3)}
        record = {**side.record(), "said": " ".join(side.said)}
        rows.append({**record, **times, "text": utterance.text})
    return _csv(columns, rows)


def _lines(heard: Heard, _: Path) -> str:
    return "".join(f"{json.dumps(one, allow_nan=False)}\n" for one in _objects(heard))


def _objects(heard: Heard) -> Iterator[dict[str, Any]]:
    """One object a line: first what was listened to, then each utterance with its words."""
    said = heard.said.record()
    del said["words"], said["utterances"]
    yield {"kind": "video", "video": heard.video.name, **said}
    for index, utterance in enumerate(heard.said.utterances):
        own = {"kind": "utterance", "utterance": index, **utterance.record()}
        yield own | {"words": [word.record() for word in utterance.words]}
    for side in heard.sides:
        yield {"kind": "beside", **side.record()}


def _track(heard: Heard, _: Path) -> str:
    return webvtt.document(cues(heard.said), note=NOTE)


def _elan(heard: Heard, path: Path) -> str:
    found = tiers(heard.said, heard.sides)
    return elan.document(found, media=heard.video, folder=path.parent).decode("utf-8")


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table; what is None is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


_TEXTS = {
    WORDS: _words,
    UTTERANCES: _utterances,
    BESIDE: _beside,
    LINES: _lines,
    TRACK: _track,
    ELAN: _elan,
}
