"""A run, or a baseline that was made of one, as one of the two sides of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.answers import NOT_ASKED, Answered
from fxbench.errors import UsageError
from fxbench.labels import EMOTIONS
from fxbench.names import counted
from fxbench.tabular import format_epsilon

if TYPE_CHECKING:
    from fxbench.store import StoredRun
    from fxbench.types import Int64

Record = Mapping[str, Any]
Place = tuple[str, str, str]
Key = tuple[tuple[str, Any], ...]
"""What makes two cells of two runs the same one."""

PLACE = ("dataset", "split", "protocol")
_COMPONENTS = (
    "detector",
    "landmarker",
    "classifier",
    "attack",
    "surrogate",
    "corruption",
    "spotter",
)
AXES = (
    *PLACE,
    "detector",
    "landmarker",
    "align",
    "classifier",
    "attack",
    "norm",
    "epsilon",
    "surrogate",
    "target_label",
    "subset",
    "corruption",
    "severity",
    "spotter",
    "every",
    "smoothing",
)
"""Every axis that a cell can have, in the order in which it is called by them."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """What two runs are compared by.

    Attributes:
        name: for people.
        cells: their records, by id.
        answered: what the cells with a classifier answered, by dataset, split and protocol.
        datasets: of each dataset its `fingerprint`.
        environment: what it ran on.
        components: a hash of each component, by kind and name.
    """

    name: str
    cells: Mapping[str, Record]
    answered: Mapping[Place, Answered]
    datasets: Mapping[str, Record]
    environment: Record
    components: Mapping[str, str]


def side_of_run(stored: StoredRun, answered: tuple[Answered, ...]) -> Side:
    """A run as a side.

    Args:
        stored: its records.
        answered: what :func:`fxbench.answers.read` gives for its folder.
    """
    run = stored.run
    return Side(
        str(run["id"]),
        {cell["id"]: cell for cell in stored.cells},
        {(one.dataset, one.split, one.protocol): one for one in answered},
        run.get("datasets") or {},
        run.get("environment") or {},
        run.get("components") or {},
    )


def has_answers(cell: Record) -> bool:
    """Whether what a cell answers to single images is an emotion."""
    return bool(cell["axes"].get("classifier")) and not cell["axes"].get("spotter")


def unanswered(side: Side) -> list[Record]:
    """The cells with a result that answers to single images belong to, and are not there."""
    cells = [c for c in side.cells.values() if c["status"] == "ok" and has_answers(c)]
    tops = {where: answered.tops for where, answered in side.answered.items()}
    return [cell for cell in cells if cell["id"] not in tops.get(place(cell), {})]


def place(cell: Record) -> Place:
    """The dataset, split and protocol of a cell."""
    axes = cell["axes"]
    return axes["dataset"], axes["split"], axes["protocol"]


def combination(axes: Record, renamed: Mapping[str, str] | None = None) -> Key:
    """What makes two cells of two runs the same one.

    Args:
        axes: of a cell.
        renamed: the new names of components, by their old ones.
    """
    names = renamed or {}
    return tuple(
        sorted(
            (axis, names.get(value, value) if axis in _COMPONENTS else value)
            for axis, value in axes.items()
        )
    )


def by_combination(
    cells: Iterable[Record], renamed: Mapping[str, str] | None = None, *, twice: bool = False
) -> dict[Key, Record]:
    """Cells by what makes them the same one in another run.

    Args:
        cells: of the older side.
        renamed: the new names of components, by their old ones.
        twice: whether a renamed cell may take the place of one that has its new name already.

    Raises:
        UsageError: there is one, and it may not; or two have the same name from the beginning.
    """
    found: dict[Key, Record] = {}
    for cell in cells:
        key = combination(cell["axes"], renamed)
        if key in found and not twice:
            raise UsageError(_twice(called(dict(key)), renamed or {}))
        if key not in found or key != combination(cell["axes"]):
            found[key] = cell
    return found


def _twice(cell: str, renamed: Mapping[str, str]) -> str:
    if not renamed:
        return f"Two cells are called {cell}: give the command of that run, or baseline, again."
    names = " and ".join(f"{old} to {new}" for old, new in renamed.items())
    return (
        f"Two cells would be called {cell}, as {names} is renamed: expected a new name that no "
        "other has. Make the baseline again, or rename something else."
    )


def called(axes: Record, *, whole: bool = True) -> str:
    """A cell as people call it: `mini test single, opencv-haar, emopy, fgsm linf 8/255`.

    Args:
        axes: of the cell.
        whole: with its dataset, split and protocol.
    """
    words = [" ".join(str(axes[axis]) for axis in PLACE)] if whole else []
    words += [str(axes[axis]) for axis in ("detector", "classifier", "spotter") if axes.get(axis)]
    if axes.get("landmarker"):
        words.append(" ".join(str(axes[a]) for a in ("align", "landmarker") if axes.get(a)))
    if axes.get("corruption"):
        words.append(f"{axes['corruption']} {axes.get('severity')}")
    if axes.get("attack"):
        budget = format_epsilon(axes["epsilon"]) if "epsilon" in axes else None
        whom = axes.get("surrogate")
        through = f"through {whom}" if whom and whom != axes.get("classifier") else None
        to = f"to {axes['target_label']}" if axes.get("target_label") else None
        on = f"on {axes['subset']} images" if axes.get("subset") else None
        said = (axes["attack"], axes.get("norm"), budget, through, to, on)
        words.append(" ".join(str(one) for one in said if one is not None))
    if axes.get("every"):
        words.append(f"every {axes['every']}")
    if axes.get("smoothing"):
        words.append(f"smoothed {axes['smoothing']:g} s")
    return ", ".join(words)


def fits(axes: Record, pattern: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a cell is meant by a pattern.

    Args:
        axes: of the cell; an axis that it doesn't have is `none`.
        pattern: for each axis that matters what its value may be, `*` and `?` as in file names.
    """
    return all(
        any(fnmatchcase(_shown(axes, axis), glob) for glob in globs)
        for axis, globs in pattern.items()
    )


def _shown(axes: Record, axis: str) -> str:
    value = axes.get(axis)
    if value is None:
        return "none"
    return format_epsilon(value) if axis == "epsilon" else str(value)


def estimates(cell: Record) -> Iterator[tuple[str, Record]]:
    """Every number of a cell with its name: `accuracy`, `recall.fear`, `robust.linf.8/255`."""
    yield from (cell.get("metrics") or {}).items()
    for name, values in cell.items():
        if isinstance(values, Mapping) and values and set(values) <= set(EMOTIONS):
            for emotion, estimate in values.items():
                yield f"{name}.{emotion}", estimate
    for one in cell.get("robust") or ():
        yield f"robust.{one['norm']}.{format_epsilon(one['epsilon'])}", one["estimate"]


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """The images that two sides have in common, of one dataset, split and protocol.

    Attributes:
        before: int64 (N,), the place of each in the first side's vectors.
        after: int64 (N,), the same in the second's.
        total: how many the first has.
        ids: their names.
        labels: int64 (N,), the right emotion, -1 without one.
        clusters: int64 (N,), as the second side says.
    """

    before: Int64
    after: Int64
    total: int
    ids: tuple[str, ...]
    labels: Int64
    clusters: Int64


def images_in_common(before: Answered, after: Answered) -> Common | str:
    """The images that both have, or why they can't be set side by side."""
    first = {name: index for index, name in enumerate(before.ids)}
    if len(first) < len(before.ids) or len(set(after.ids)) < len(after.ids):
        return "images have the same name, so that they can't be told apart"
    pairs = [(first[name], index) for index, name in enumerate(after.ids) if name in first]
    if not pairs:
        return "they have no image in common"
    here, there = np.array(pairs, np.int64).T
    labels = after.labels[there]
    other = int((before.labels[here] != labels).sum())
    if other:
        images = counted(len(pairs), "image")
        return f"{other:,} of the {images} that both have got another label"
    ids = tuple(after.ids[index] for index in there.tolist())
    return Common(here, there, len(before.ids), ids, labels, after.clusters[there])


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What two cells answered to the same images.

    Attributes:
        ids: the names of the N images that both were asked about.
        labels: int64 (N,), the right emotion, -1 without one.
        clusters: int64 (N,), images with the same number are not independent.
        before: int64 (N,), as :meth:`fxbench.answers.Answered.top` says, never NOT_ASKED.
        after: the same.
        total: how many images the first cell was asked about.
    """

    ids: tuple[str, ...]
    labels: Int64
    clusters: Int64
    before: Int64
    after: Int64
    total: int


def pair(common: Common, before: Int64, after: Int64) -> Pair:
    """Two vectors of answers, on the images that both have and were asked about.

    Args:
        common: the images.
        before: what the first side's cell answered, all of its images.
        after: the same of the second.
    """
    first, second = before[common.before], after[common.after]
    asked = (first != NOT_ASKED) & (second != NOT_ASKED)
    total = int((before != NOT_ASKED).sum())
    keep = np.flatnonzero(asked)
    ids = common.ids if len(keep) == len(common.ids) else tuple(common.ids[i] for i in keep)
    return Pair(ids, common.labels[keep], common.clusters[keep], first[keep], second[keep], total)


class Matcher:
    """Sets cells of two sides beside each other."""

    def __init__(self, before: Side, after: Side) -> None:
        self._before = before
        self._after = after
        self._common: dict[Place, Common | str] = {}

    def pair(self, before: Record, after: Record) -> Pair | str:
        """What two cells answered to the images that both have, or why that can't be said.

        Args:
            before: the record of a cell of the first side.
            after: of the second side, about the same dataset, split and protocol.
        """
        for side, cell in ((self._before, before), (self._after, after)):
            if cell["status"] != "ok":
                return f"it has no result in {side.name}: {reason(cell)}"
        other = self.other_data(place(after))
        if other is not None:
            return other
        if not has_answers(after):
            return "answers to single images are kept of classifiers alone"
        for side, cell in ((self._before, before), (self._after, after)):
            answered = side.answered.get(place(cell))
            if answered is None or cell["id"] not in answered.tops:
                return (
                    f"{side.name} has no answers to single images of it: an earlier version of "
                    "fxbench made it, or its folder answers is lost; give the command of that run "
                    "again"
                )
        common = self._images(place(after))
        if isinstance(common, str):
            return common
        made = pair(
            common,
            self._before.answered[place(before)].top(before["id"]),
            self._after.answered[place(after)].top(after["id"]),
        )
        return made if made.ids else "no image was answered by both"

    def other_data(self, where: Place) -> str | None:
        """Why results about a dataset can't be compared at all; None where they can."""
        dataset = where[0]
        first, second = (
            (side.datasets.get(dataset) or {}).get("fingerprint")
            for side in (self._before, self._after)
        )
        if first == second:
            return None
        return (
            f"the data of {dataset} are others: the fingerprint is {str(first)[:12]} in "
            f"{self._before.name} and {str(second)[:12]} in {self._after.name}"
        )

    def _images(self, where: Place) -> Common | str:
        if where not in self._common:
            self._common[where] = images_in_common(
                self._before.answered[where], self._after.answered[where]
            )
        return self._common[where]


def reason(cell: Record) -> str:
    """Why a cell has no result: `failed: …`."""
    message = (cell.get("reason") or {}).get("message")
    return f"{cell['status']}: {message}" if message else str(cell["status"])
