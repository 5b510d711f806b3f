"""What a person asked for, and the components and images that it comes to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fxbench.availability import availability, require
from fxbench.errors import FxbenchError, PluginError, UsageError
from fxbench.keys import component_digest, digest
from fxbench.labels import EMOTIONS
from fxbench.names import unknown_name
from fxbench.options import Options
from fxbench.protocols import Dataset
from fxbench.registry import Entry, Registry
from fxbench.types import Answers, Int64
from fxbench.weights import check

ALIGNMENTS = ("none", "eyes", "similarity")
"""How faces may be aligned before they are classified; see :mod:`fxbench.align`."""

SEVERITIES = (1, 2, 3, 4, 5)
"""Of a corruption."""

_LISTS = (
    "datasets",
    "detectors",
    "landmarkers",
    "classifiers",
    "attacks",
    "surrogates",
    "targets",
    "corruptions",
)
"""The fields that are names of components."""

CHUNK_ROWS = 1024
"""A chunk is the rows [k * 1024, (k + 1) * 1024) of a split that a plan selects."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person asked for. None where they named nothing, `("all",)` for all that is ready."""

    datasets: tuple[str, ...] | None = None
    split: str | None = None
    protocol: str | None = None
    detectors: tuple[str, ...] | None = None
    landmarkers: tuple[str, ...] | None = None
    classifiers: tuple[str, ...] | None = None
    attacks: tuple[str, ...] | None = None
    epsilons: tuple[float, ...] = (0.0, 2 / 255, 8 / 255)
    surrogates: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    target_labels: tuple[str, ...] = ("none",)
    corruptions: tuple[str, ...] | None = None
    severities: tuple[int, ...] = SEVERITIES
    aligns: tuple[str, ...] = ("none",)
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in _LISTS:
            names = getattr(self, name)
            right = isinstance(names, tuple) and all(isinstance(n, str) for n in names)
            if names is not None and not right:
                raise UsageError(f"{name} must be a tuple of names or None, not {names!r}.")
        budgets = self.epsilons if isinstance(self.epsilons, tuple) else (math.nan,)
        if not all(isinstance(e, (int, float)) and 0 <= e <= 1 for e in budgets):
            raise UsageError(
                f"epsilons must be a tuple of numbers from 0 to 1, not {self.epsilons!r}."
            )
        if self.targets is not None and not self.surrogates:
            raise UsageError(
                "targets are what adversarial faces of surrogates are tried on: name those too."
            )
        if self.surrogates and self.attacks is not None and not set(self.attacks) - {"none"}:
            raise UsageError("surrogates are for attacks: name some, such as fgsm and pgd.")
        if not self.target_labels or not set(self.target_labels) <= {"none", *EMOTIONS}:
            wrong = [label for label in self.target_labels if label not in EMOTIONS] or [""]
            raise UsageError(unknown_name("target label", wrong[0], ("none", *EMOTIONS)))
        if not self.severities or not set(self.severities) <= set(SEVERITIES):
            raise UsageError(
                f"severities must be a tuple of numbers from 1 to 5, not {self.severities!r}."
            )
        if not self.aligns or not set(self.aligns) <= set(ALIGNMENTS):
            wrong = [how for how in self.aligns if how not in ALIGNMENTS] or [""]
            raise UsageError(unknown_name("way to align", wrong[0], ALIGNMENTS))
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit must be at least 1 or None, not {self.limit!r}.")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a cell has no result.

    Attributes:
        kind: `missing extra`, `missing weights`, `needs option`, `broken`, `broken weights`,
            `no gradient`, `nothing to attack`, `no landmarks`, `no landmark truth`,
            `no emotion labels`, `below one grey level`, `terms` or `error`; of a dataset that is
            left out as a whole, also what is said there.
        message: one sentence.
        mend: a command that would mend it, or None.
    """

    kind: str
    message: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A component that was asked for.

    Attributes:
        entry: the component.
        reason: why it can't run, or None.
        named: whether a person named it, as against `all` or nothing.
    """

    entry: Entry
    reason: Reason | None
    named: bool


@dataclass(frozen=True, eq=False)
class Source:
    """The images of a plan: some rows of a split of a dataset under a protocol."""

    entry: Entry
    dataset: Dataset
    split: str
    protocol: str
    answers: Answers
    fingerprint: str
    key: str

    def chunks(self) -> Iterator[Answers]:
        """The answers of each chunk, in order."""
        number = self.answers.rows // CHUNK_ROWS
        for value in np.unique(number):
            yield self.answers.take(np.flatnonzero(number == value))

    def subset(self, count: int | None) -> Int64:
        """At most so many of its rows, evenly spaced, int64; all of them where `count` is None."""
        rows = self.answers.rows
        return rows if count is None else rows[evenly_spaced(len(rows), count)]

    @property
    def name(self) -> str:
        """For people: dataset, split and protocol."""
        return f"{self.entry.name} {self.split} ({self.protocol})"

    @property
    def has_labels(self) -> bool:
        """Whether any image has an emotion to compare with."""
        return bool((self.answers.labels >= 0).any())

    @property
    def has_boxes(self) -> bool:
        """Whether its images have true boxes of all their faces."""
        return bool(getattr(self.dataset, "has_boxes", self.dataset.scheme))

    @property
    def identity(self) -> dict[str, Any]:
        """What a run on it depends on, the licence's terms included, since tables obey them."""
        return {"key": self.key, "name": self.name, "terms": asdict(self.dataset.terms)}


def ready(entry: Entry, options: Options) -> bool:
    """Whether a component can run here."""
    return availability(entry, options).state == "ready"


def choose(
    registry: Registry,
    options: Options,
    kind: str,
    names: tuple[str, ...] | None,
    left_out: list[tuple[Entry, Reason]],
) -> list[Chosen]:
    """The components of a kind that were asked for.

    Those that were asked for by name are there whatever their state; of `all` and of the default
    only what is ready, the rest is added to `left_out`.

    Raises:
        UsageError: an unknown name.
    """
    named: dict[str, Entry] = {}
    wide: dict[str, Entry] = {}
    if names is None:
        for entry in registry.of_kind(kind):
            if "default" in entry.component.traits:
                wide[entry.name] = entry
    for name in names or ():
        if name == "all":
            wide |= {entry.name: entry for entry in registry.of_kind(kind)}
        else:
            named[name] = registry.get(kind, name)
    chosen: list[Chosen] = []
    for name, entry in (named | wide).items():
        state = availability(entry, options)
        reason = None
        if state.state != "ready":
            reason = Reason(state.state, f"{name}: {state.detail}", state.mend)
            if name not in named:
                left_out.append((entry, reason))
                continue
        chosen.append(Chosen(entry, reason, name in named))
    return chosen


def check_names(registry: Registry, selection: Selection) -> None:
    """See to it that all names are right, also of what this dataset has no use for.

    Raises:
        UsageError: one is unknown.
    """
    for kind, names in (
        ("attack", selection.attacks),
        ("corruption", selection.corruptions),
        ("classifier", selection.surrogates),
        ("classifier", selection.targets),
    ):
        for name in names or ():
            if name not in ("all", "none"):
                registry.get(kind, name)


def aligning(registry: Registry, options: Options, selection: Selection) -> list[Chosen]:
    """The landmarkers that faces are aligned by: those that were named, else the first default one.

    Raises:
        UsageError: an unknown name, or none is ready.
    """
    if set(selection.aligns) <= {"none"}:
        return []
    chosen = choose(registry, options, "landmarker", selection.landmarkers, [])
    chosen = [one for one in chosen if "floor" not in one.entry.component.traits]
    if not chosen:
        raise UsageError(
            "Aligning faces needs a landmarker that is ready and no floor: `fxbench list` shows "
            "what is missing; name one with --landmarkers."
        )
    return chosen if selection.landmarkers is not None else chosen[:1]


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
    if selection.limit is not None:
        answers = answers.take(evenly_spaced(len(answers.rows), selection.limit))
    fingerprint = dataset.fingerprint(split)
    key = digest(
        {
            "component": component_digest(entry, options, check(entry.component)),
            "fingerprint": fingerprint,
            "split": split,
        }
    )
    return Source(entry, dataset, split, protocol, answers, fingerprint, key)


def _check_answers(name: str, answers: Answers) -> None:
    if (np.diff(answers.rows) <= 0).any() or answers.rows[0] < 0:
        raise PluginError(f"The answers of the dataset {name} must have ascending rows from 0 on.")
    if answers.labels.min() < -1 or answers.labels.max() > 7:
        raise PluginError(f"The labels of the dataset {name} must be from 0 to 7, or -1 for none.")


def evenly_spaced(total: int, limit: int) -> Int64:
    """At most `limit` indices below `total`, evenly spaced from 0 on, int64."""
    count = min(total, limit)
    return (np.arange(count) * total // max(count, 1)).astype(np.int64)
