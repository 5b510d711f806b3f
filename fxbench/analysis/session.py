"""All files of an analysis, one after another; what is done already is not done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.analysis import clip, stills
from fxbench.analysis.columns import Layout
from fxbench.analysis.media import PHOTO, Media, Refused, names
from fxbench.analysis.parts import Parts
from fxbench.errors import FxbenchError, StoppedError
from fxbench.keys import component_digest, core_digest, digest
from fxbench.labels import EMOTIONS
from fxbench.prefetch import ahead
from fxbench.weights import check

if TYPE_CHECKING:
    from fxbench.analysis.clip import Manner
    from fxbench.analysis.engine import Engine
    from fxbench.registry import Entry
    from fxbench.speech import Listener, Said

SCHEMA = 1
_FRAME_BYTES = 5000
"""What a frame of a video takes, about: how long a video is, before it is opened."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell for a formula that begins so."""

Progress = Callable[[str, float], None]
"""Told what is under way, and how much of all is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all files.

    Attributes:
        media: what is known of each file, in order, and where the rows of a video are.
        failed: the files that could not be analysed, and why.
        kept: how many were done before.
        layout: of the table of faces.
        record: all of it, as `analysis.json` holds it.
    """

    media: tuple[tuple[dict[str, Any], Path | None], ...]
    failed: tuple[Refused, ...]
    kept: int
    layout: Layout
    record: dict[str, Any]

    @property
    def whole(self) -> bool:
        """Whether all files were analysed to their ends, and every component answered."""
        return not self.failed and not any(record["faults"] for record, _ in self.media)


def analyse(
    media: Sequence[Media],
    engine: Engine,
    folder: Path,
    manner: Manner,
    *,
    listener: Listener | None = None,
    anew: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Analyse files.

    Args:
        media: they, see :func:`fxbench.analysis.media.find`.
        engine: looks at them.
        folder: that is written to.
        manner: how.
        listener: listens to videos; None where nobody asks what is said.
        anew: whether also what is done already is done again.
        progress: told how far it is.

    Raises:
        StoreError: something can't be written.
        UnavailableError: PyAV is missing, and annotated videos or words are wanted.
    """
    layout = Layout.of(engine)
    settings = _settings(engine, listener, manner)
    parts = Parts(folder, digest(settings), anew=anew)
    parts.begin()
    tell = progress or (lambda _text, _share: None)
    tasks = [(one, shown(one.path), name) for one, name in zip(media, names(media), strict=True)]
    whole = done = 0.0
    kept = 0
    known: dict[str, dict[str, Any]] = {}
    failed: list[Refused] = []
    waiting: list[tuple[Media, str, str]] = []
    videos = []
    for one, text, name in tasks:
        record = parts.done(one, name)
        if record is not None and record["file"] == text:
            known[name] = record
            kept += 1
            continue
        weight = _weight(one)
        whole += weight
        if one.kind == PHOTO:
            waiting.append((one, text, name))
        else:
            videos.append((one, text, name, weight))
    for photo, result in _photos(engine, waiting):
        if isinstance(result, str):
            failed.append(Refused(photo.shown, result))
        else:
            record = stills.analyse(photo, result, layout, folder, annotated=manner.photos)
            known[photo.name] = parts.keep(photo.media, photo.name, record)
        done += 1
        tell("Looking at photos", done / whole)
    for one, text, name, weight in videos:
        at = partial(_at, tell, f"Watching {one.path.name}", done / whole, weight / whole)
        at(0.0)
        task = clip.Task(one.path, text, name, folder, parts.rows_of(name))
        try:
            listen = None
            if listener is not None:
                listen = partial(_listened, listener, tell, (done + weight) / whole)
            record = clip.analyse(task, engine, layout, manner, listen=listen, progress=at)
            known[name] = parts.keep(one, name, record)
        except StoppedError:
            raise
        except FxbenchError as error:
            failed.append(Refused(text, str(error)))
        done += weight
    order = [name for _, _, name in tasks if name in known]
    found = tuple(
        (known[name], None if known[name]["kind"] == PHOTO else parts.rows_of(name))
        for name in order
    )
    return Outcome(found, tuple(failed), kept, layout, _record(settings, found, failed))


def with_refused(outcome: Outcome, refused: Sequence[Refused]) -> Outcome:
    """The same with files that were refused before anything was read."""
    failed = (*refused, *outcome.failed)
    record = outcome.record | {"failed": [asdict(one) for one in failed]}
    return Outcome(outcome.media, failed, outcome.kept, outcome.layout, record)


def shown(path: Path) -> str:
    """A path as tables hold it: a text, whatever it is made of, and no formula in a spreadsheet."""
    text = os.fsencode(path).decode(errors="replace")
    return f"./{text}" if text.startswith(_FORMULA) else text


def _photos(
    engine: Engine, waiting: list[tuple[Media, str, str]]
) -> Iterator[tuple[stills.Photo, Any]]:
    batches = ahead(stills.read(waiting), 1)
    try:
        for photos in batches:
            yield from zip(photos, stills.look(engine, photos), strict=True)
    finally:
        batches.close()


def _at(tell: Progress, what: str, before: float, own: float, share: float) -> None:
    tell(what, before + own * share)


def _listened(listener: Listener, tell: Progress, share: float, video: Path) -> Said:
    tell(f"Listening to {video.name}", share)
    return listener.said(video)


def _weight(media: Media) -> float:
    """How much work a file is, about, in pictures."""
    if media.kind == PHOTO:
        return 1.0
    try:
        return max(1.0, media.path.stat().st_size / _FRAME_BYTES)
    except OSError:
        return 1.0


def _settings(engine: Engine, listener: Listener | None, manner: Manner) -> dict[str, Any]:
    """All that what is written depends on, but the files."""
    entries = [entry for some in engine.entries.values() for entry in some]
    record: dict[str, Any] = {
        "fxbench": fxbench.__version__,
        "core": core_digest(),
        "manner": asdict(manner),
        "components": [_component(entry, engine) for entry in entries],
    }
    if listener is not None:
        record["speech"] = [
            {"kind": entry.kind.name, "name": entry.name, "version": entry.plugin.version}
            for entry in listener.entries
        ]
    return record


def _component(entry: Entry, engine: Engine) -> dict[str, Any]:
    weights = check(entry.component)
    return {
        "kind": entry.kind.name,
        "name": entry.name,
        "distribution": entry.plugin.distribution,
        "version": entry.plugin.version,
        "licence": entry.component.licence,
        "options": engine.options.record(entry.component),
        "weights": weights,
        "digest": component_digest(entry, engine.options, weights),
    }


def _record(
    settings: dict[str, Any],
    media: tuple[tuple[dict[str, Any], Path | None], ...],
    failed: list[Refused],
) -> dict[str, Any]:
    unwanted = ("rows", "key", "schema")
    return {
        "schema": SCHEMA,
        "emotions": list(EMOTIONS),
        **settings,
        "media": [
            {key: value for key, value in record.items() if key not in unwanted}
            for record, _ in media
        ],
        "failed": [asdict(one) for one in failed],
    }
