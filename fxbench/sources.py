"""The images of a plan: which rows of which datasets, in which chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fxbench.availability import availability, require
from fxbench.clips import Clip, taken
from fxbench.errors import FxbenchError, PluginError, UsageError
from fxbench.keys import component_digest, digest
from fxbench.names import unknown_name
from fxbench.options import Options
from fxbench.protocols import Dataset, Videos
from fxbench.registry import Entry, Registry
from fxbench.selection import Reason, Selection
from fxbench.types import Answers, Int64
from fxbench.weights import check

CHUNK_ROWS = 1024
"""A chunk is the rows [k * 1024, (k + 1) * 1024) of a split that a plan selects. Of videos it is
whole clips, as many as have so many frames together, one at least: what follows a face through a
clip begins with the clip."""


@dataclass(frozen=True, eq=False)
class Source:
    """The images of a plan: some rows of a split of a dataset under a protocol.

    Attributes:
        clips: all videos of the split, in the order of their rows; none where it has stills.
        fps: how many frames per second of videos are taken at most; None for all.
    """

    entry: Entry
    dataset: Dataset
    split: str
    protocol: str
    answers: Answers
    fingerprint: str
    key: str
    clips: tuple[Clip, ...] = ()
    fps: float | None = None

    def chunks(self) -> Iterator[Answers]:
        """The answers of each chunk, in order."""
        rows = self.answers.rows
        number = (
            _chunk_numbers(self.clips)[self.clip_of(rows)] if self.clips else rows // CHUNK_ROWS
        )
        for value in np.unique(number):
            yield self.answers.take(np.flatnonzero(number == value))

    def subset(self, count: int | None) -> Int64:
        """At most so many of its rows, evenly spaced, int64; all of them where `count` is None."""
        rows = self.answers.rows
        return rows if count is None else rows[evenly_spaced(len(rows), count)]

    def clip_of(self, rows: Int64) -> Int64:
        """The index in `clips` of the video that each row is of, int64."""
        return _clip_of(self.clips, rows)

    def by_clip(self, rows: Int64) -> Iterator[Int64]:
        """Rows, those of one video at a time; of stills all at once."""
        if not self.clips:
            yield rows
            return
        clip = self.clip_of(rows)
        yield from np.split(rows, np.flatnonzero(np.diff(clip)) + 1)

    @cached_property
    def watched(self) -> tuple[Clip, ...]:
        """The videos that any row is of, in order."""
        return tuple(self.clips[index] for index in np.unique(self.clip_of(self.answers.rows)))

    def fps_of(self, clip: Clip) -> float:
        """How many frames per second of a video are taken."""
        return clip.fps if self.fps is None else min(clip.fps, self.fps)

    @property
    def name(self) -> str:
        """For people: dataset, split and protocol."""
        return f"{self.entry.name} {self.split} ({self.protocol})"

    @cached_property
    def references(self) -> dict[str, dict[str, Any]]:
        """What people agree on among each other, by the name of each line, ready for JSON.

        Raises:
            PluginError: what the dataset gives are no estimates.
        """
        given = getattr(self.dataset, "references", None)
        lines = given(self.split, self.protocol) if given is not None else {}
        found = {str(name): dict(line) for name, line in lines.items()}
        if any(set(line) != {"value", "low", "high", "n"} for line in found.values()):
            raise PluginError(
                f"A reference line of the dataset {self.entry.name} must have value, low, high and "
                "n, and nothing else."
            )
        return found

    @property
    def has_labels(self) -> bool:
        """Whether any image has an emotion to compare with."""
        return bool((self.answers.labels >= 0).any())

    @property
    def has_boxes(self) -> bool:
        """Whether its images have true boxes of all their faces."""
        return bool(getattr(self.dataset, "has_boxes", self.dataset.scheme))

    @cached_property
    def whole(self) -> tuple[Clip, ...]:
        """The videos all of whose frames count, as far as they are taken.

        A protocol that leaves out what is between expressions leaves nothing to be found.
        """
        if not self.clips:
            return ()
        counts = np.bincount(self.clip_of(self.answers.rows), minlength=len(self.clips))
        return tuple(
            clip
            for clip, count in zip(self.clips, counts.tolist(), strict=True)
            if count == len(taken(clip.frames, clip.fps, self.fps))
        )

    @property
    def has_intervals(self) -> bool:
        """Whether somebody has looked for expressions in a whole video."""
        return any(clip.intervals is not None for clip in self.whole)

    @property
    def identity(self) -> dict[str, Any]:
        """What a run on it depends on, the licence's terms included, since tables obey them."""
        return {"key": self.key, "name": self.name, "terms": asdict(self.dataset.terms)}


def _clip_of(clips: tuple[Clip, ...], rows: Int64) -> Int64:
    first = np.array([clip.first for clip in clips], np.int64)
    return (np.searchsorted(first, rows, side="right") - 1).astype(np.int64)


def _chunk_numbers(clips: tuple[Clip, ...]) -> Int64:
    """The chunk that each video is in, whichever are selected, int64."""
    numbers: list[int] = []
    held = 0
    for clip in clips:
        start = bool(held) and held + clip.frames > CHUNK_ROWS
        numbers.append((numbers[-1] if numbers else 0) + start)
        held = clip.frames + (0 if start else held)
    return np.array(numbers, np.int64)


def _by_person(answers: Answers, clips: tuple[Clip, ...]) -> Answers:
    """The frames of a person depend on each other; those of a clip where not all have a name."""
    if not clips:
        return answers
    clip = _clip_of(clips, answers.rows)
    names = np.array([one.subject for one in clips], np.str_)
    groups = {"subject": names[clip]} | dict(answers.groups) if (names != "").any() else {}
    clusters = answers.clusters
    if clusters is None:
        _, person = np.unique(names, return_inverse=True)
        clusters = person.astype(np.int64)[clip] if (names != "").all() else clip
    return replace(answers, clusters=clusters, groups=groups or answers.groups)


def _limited(answers: Answers, clips: tuple[Clip, ...], selection: Selection) -> Answers:
    """What a person wants of the images: evenly spaced ones, of videos whole ones and at a rate."""
    if not clips:
        if selection.limit is None:
            return answers
        return answers.take(evenly_spaced(len(answers.rows), selection.limit))
    clip = _clip_of(clips, answers.rows)
    keep = np.ones(len(clip), np.bool_)
    if selection.fps is not None:
        there = [one.first + taken(one.frames, one.fps, selection.fps) for one in clips]
        keep &= np.isin(answers.rows, np.concatenate(there))
    if selection.limit is not None:
        shown = np.unique(clip)
        keep &= np.isin(clip, shown[evenly_spaced(len(shown), selection.limit)])
    return answers.take(np.flatnonzero(keep))


def datasets(
    registry: Registry,
    options: Options,
    selection: Selection,
    load: Callable[[Entry], Any],
    left_out: list[tuple[Entry, Reason]],
) -> tuple[Source, ...]:
    """The images to evaluate on.

    Raises:
        UnavailableError: a dataset that was named can't be used.
        UsageError: an unknown name, split or protocol, or no dataset is left.
        FxbenchError: a dataset that was named can't be read.
    """
    named = {
        name: registry.get("dataset", name) for name in selection.datasets or () if name != "all"
    }
    wide: dict[str, Entry] = {}
    if selection.datasets is None:
        wide = {entry.name: entry for entry in _unnamed(registry, options)}
    elif "all" in selection.datasets:
        wide = {entry.name: entry for entry in registry.of_kind("dataset")}
    for entry in named.values():
        require(entry, options)
    sources: list[Source] = []
    errors: list[FxbenchError] = []
    mends: list[str] = []
    for name, entry in (named | wide).items():
        state = availability(entry, options)
        if state.state != "ready":
            mends.append(f"{name}: {state.mend}")
            continue
        try:
            sources.append(_source(entry, options, selection, load))
        except FxbenchError as error:
            # Of several datasets that nobody named, one without the split is just not meant, and
            # one that can't be read stops no other.
            if name in named:
                raise
            errors.append(error)
            kind = "no such split" if isinstance(error, UsageError) else "broken"
            left_out.append((entry, Reason(kind, str(error))))
    if errors and not sources:
        raise errors[0]
    if not sources:
        raise UsageError(f"No dataset is ready. Say where one is ({'; '.join(mends)}).")
    return tuple(sources)


def _unnamed(registry: Registry, options: Options) -> list[Entry]:
    """The datasets where a person names none.

    Those that somebody said the place of are meant; else those that come with their images; else
    whatever is ready.
    """
    entries = list(registry.of_kind("dataset"))
    told = [
        entry
        for entry in entries
        if any(option.required for option in entry.component.options)
        and not options.missing(entry.component)
    ]
    shipped = [entry for entry in entries if "default" in entry.component.traits]
    return told or shipped or entries


def _source(
    entry: Entry, options: Options, selection: Selection, load: Callable[[Entry], Any]
) -> Source:
    dataset: Dataset = load(entry)
    if not dataset.splits or not dataset.protocols:
        raise PluginError(f"The dataset {entry.name} has no split or no protocol.")
    split = selection.split or dataset.splits[0]
    if split not in dataset.splits:
        raise UsageError(unknown_name(f"split of {entry.name}", split, dataset.splits))
    protocol = selection.protocol or dataset.protocols[0]
    if protocol not in dataset.protocols:
        raise UsageError(unknown_name(f"protocol of {entry.name}", protocol, dataset.protocols))
    answers = dataset.answers(split, protocol)
    if not len(answers.rows):
        raise UsageError(
            f"{entry.name} {split} has no image that counts under the protocol {protocol}: "
            "choose another split or protocol."
        )
    _check_answers(entry.name, answers)
    clips = dataset.clips(split) if isinstance(dataset, Videos) else ()
    _check_clips(entry.name, clips, answers)
    answers = _limited(_by_person(answers, clips), clips, selection)
    fingerprint = dataset.fingerprint(split)
    key = digest(
        {
            "component": component_digest(entry, options, check(entry.component)),
            "fingerprint": fingerprint,
            "split": split,
        }
    )
    fps = selection.fps if clips else None
    return Source(entry, dataset, split, protocol, answers, fingerprint, key, clips, fps)


def _check_answers(name: str, answers: Answers) -> None:
    if (np.diff(answers.rows) <= 0).any() or answers.rows[0] < 0:
        raise PluginError(f"The answers of the dataset {name} must have ascending rows from 0 on.")
    if answers.labels.min() < -1 or answers.labels.max() > 7:
        raise PluginError(f"The labels of the dataset {name} must be from 0 to 7, or -1 for none.")


def _check_clips(name: str, clips: tuple[Clip, ...], answers: Answers) -> None:
    ends = np.cumsum([0, *(clip.frames for clip in clips)]).tolist()
    if [clip.first for clip in clips] != ends[:-1] or any(clip.frames < 1 for clip in clips):
        raise PluginError(f"The videos of the dataset {name} must follow one another without gaps.")
    if clips and answers.rows[-1] >= ends[-1]:
        raise PluginError(f"The dataset {name} has row {answers.rows[-1]} after its last video.")
    names = [clip.name for clip in clips]
    if len(set(names)) < len(names):
        raise PluginError(f"Two videos of the dataset {name} have the same name.")


def evenly_spaced(total: int, limit: int) -> Int64:
    """At most `limit` indices below `total`, evenly spaced from 0 on, int64."""
    count = min(total, limit)
    return (np.arange(count) * total // max(count, 1)).astype(np.int64)
