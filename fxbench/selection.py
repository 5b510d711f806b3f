"""What a person asked for, and the components that it comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fxbench.availability import availability
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS, canonical
from fxbench.names import unknown_name
from fxbench.options import Options
from fxbench.registry import Entry, Registry

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
    "spotters",
)
"""The fields that are names of components."""


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
    spotters: tuple[str, ...] | None = None
    every: tuple[int, ...] = (1,)
    smoothing: tuple[float, ...] = (0.0,)
    fps: float | None = None
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
        known = {label: canonical(label) for label in self.target_labels if label != "none"}
        if not self.target_labels or not all(known.values()):
            wrong = [label for label, emotion in known.items() if emotion is None] or [""]
            raise UsageError(unknown_name("target label", wrong[0], ("none", *EMOTIONS)))
        labels = dict.fromkeys(known.get(label) or "none" for label in self.target_labels)
        object.__setattr__(self, "target_labels", tuple(labels))
        if not self.severities or not set(self.severities) <= set(SEVERITIES):
            raise UsageError(
                f"severities must be a tuple of numbers from 1 to 5, not {self.severities!r}."
            )
        if not self.aligns or not set(self.aligns) <= set(ALIGNMENTS):
            wrong = [how for how in self.aligns if how not in ALIGNMENTS] or [""]
            raise UsageError(unknown_name("way to align", wrong[0], ALIGNMENTS))
        if not self.every or not all(isinstance(k, int) and k >= 1 for k in self.every):
            raise UsageError(f"every must be a tuple of whole numbers from 1, not {self.every!r}.")
        if not self.smoothing or not all(0 <= s < math.inf for s in self.smoothing):
            raise UsageError(
                f"smoothing must be a tuple of seconds, 0 for none, not {self.smoothing!r}."
            )
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UsageError(f"fps must be frames per second, above 0, or None, not {self.fps!r}.")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit must be at least 1 or None, not {self.limit!r}.")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a cell has no result.

    Attributes:
        kind: `missing extra`, `missing weights`, `needs option`, `broken`, `broken weights`,
            `no gradient`, `nothing to attack`, `no landmarks`, `no landmark truth`,
            `no emotion labels`, `no intervals`, `no classifier`, `below one grey level`, `terms` or
            `error`; of a dataset that is left out as a whole, also what is said there.
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
        ("spotter", selection.spotters),
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
