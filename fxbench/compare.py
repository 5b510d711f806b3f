"""Two runs, cell by cell: better, worse, no difference shown, or not comparable and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fxbench.changes import Flip, Flipped, Tested, count_flips, flips, tested
from fxbench.latency_changes import TimeChange, latency_change
from fxbench.metrics.paired import ALPHA, holm
from fxbench.names import counted
from fxbench.sides import PLACE, Key, Matcher, Pair, Record, Side, by_combination

Verdict = Literal["better", "worse", "no difference shown", "not comparable"]
METRIC = "accuracy_end_to_end"


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell that two runs have.

    Attributes:
        cell: its id in the second run.
        axes: of the cell.
        verdict: of the second run's, measured by the first's.
        why: it can't be compared, or what must be known beside the numbers.
        tested: the metric; None where it can't be compared.
        p_holm: the test's p value, adjusted for all cells that were tested.
        flipped: how many images were answered differently.
        images: which; empty unless they were asked for.
        latency: how it changed; None where neither run has measured it.
    """

    cell: str
    axes: Record
    verdict: Verdict
    why: str | None = None
    tested: Tested | None = None
    p_holm: float | None = None
    flipped: Flipped | None = None
    images: tuple[Flip, ...] = ()
    latency: TimeChange | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs have in common, and how it differs.

    Attributes:
        before: the first run's name.
        after: the second's.
        metric: what was tested.
        cells: those that both have.
        only_before: the axes of cells that the first alone has.
        only_after: the second alone.
        changed: the components that are not the same: their code, versions, weights or options.
        tests: how many hypotheses were adjusted for.
    """

    before: str
    after: str
    metric: str
    cells: tuple[Compared, ...]
    only_before: tuple[Record, ...] = ()
    only_after: tuple[Record, ...] = ()
    changed: tuple[str, ...] = field(default=())
    tests: int = 0


def compare(
    before: Side,
    after: Side,
    *,
    metric: str = METRIC,
    wanted: Callable[[Record], bool] = bool,
    renamed: Mapping[str, str] | None = None,
    images: bool = False,
) -> Comparison:
    """Compare the cells that two runs have in common.

    A cell is better or worse where the two-sided test says so after Holm's correction over all
    cells in which any image speaks for either side. A cell of which no image does can't be called
    different, whatever the level, so it needs no share of the error (Tarone 1990, A modified
    Bonferroni method for discrete data, Biometrics 46(2), 515-522).

    Args:
        before: what is measured by.
        after: what is measured.
        metric: one that :func:`fxbench.changes.is_tested` knows.
        wanted: which cells take part, by their record.
        renamed: the new names of components, by their old ones; a cell of the first side that has
            such a new name already is left out.
        images: whether the images that were answered differently are listed.
    """
    matcher = Matcher(before, after)
    there = by_combination(before.cells.values(), renamed, twice=True)
    here = by_combination(after.cells.values())
    common = [key for key in there if key in here and wanted(here[key])]
    cells = [
        replace(
            _compared(matcher, there[key], here[key], metric, images),
            latency=_latency(there[key], here[key], before, after),
        )
        for key in common
    ]
    adjusted = _adjusted(cells)
    return Comparison(
        before.name,
        after.name,
        metric,
        tuple(adjusted),
        tuple(_only(there, here, wanted)),
        tuple(_only(here, there, wanted)),
        changed_components(before, after),
        sum(cell.p_holm is not None for cell in adjusted),
    )


def _only(
    own: Mapping[Key, Record],
    others: Mapping[Key, Record],
    wanted: Callable[[Record], bool],
) -> Iterable[Record]:
    return (cell["axes"] for key, cell in own.items() if key not in others and wanted(cell))


def _latency(before: Record, after: Record, first: Side, second: Side) -> TimeChange | None:
    if not before.get("latency") and not after.get("latency"):
        return None
    return latency_change(before, after, first, second)


def _compared(
    matcher: Matcher, before: Record, after: Record, metric: str, images: bool
) -> Compared:
    pair = matcher.pair(before, after)
    if isinstance(pair, str):
        return Compared(after["id"], after["axes"], "not comparable", pair)
    result = tested(metric, pair)
    if result.change is None:
        why = f"no image that both have counts in {metric}"
        return Compared(after["id"], after["axes"], "not comparable", why)
    return Compared(
        after["id"],
        after["axes"],
        "no difference shown",
        fewer_images(pair),
        result,
        None,
        count_flips(pair),
        tuple(flips(pair)) if images else (),
    )


def fewer_images(pair: Pair) -> str | None:
    """A sentence where not all images of the first side could be compared."""
    if len(pair.ids) == pair.total:
        return None
    return f"on the {len(pair.ids):,} of {counted(pair.total, 'image')} that both have"


def _adjusted(cells: Sequence[Compared]) -> list[Compared]:
    family = [
        index
        for index, cell in enumerate(cells)
        if cell.tested is not None and not cell.tested.same
    ]
    values = holm([_p(cells[index]) for index in family]).tolist()
    judged = list(cells)
    for index, p_holm in zip(family, values, strict=True):
        verdict, why = _verdict(cells[index], p_holm)
        judged[index] = replace(cells[index], p_holm=p_holm, verdict=verdict, why=why)
    return judged


def _p(cell: Compared) -> float:
    return 1.0 if cell.tested is None or cell.tested.p is None else cell.tested.p


def _verdict(cell: Compared, p_holm: float) -> tuple[Verdict, str | None]:
    """The verdict of a cell that was tested, and what must be known beside it."""
    tested = cell.tested
    change = None if tested is None else tested.change
    if tested is None or change is None or change.value == 0 or p_holm > ALPHA:
        return "no difference shown", cell.why
    # Each image counts in the change, each cluster has one vote in the test: where a large cluster
    # goes the other way than most, the test is about the opposite of what the change says.
    if tested.won is not None and tested.lost is not None:
        votes = tested.won - tested.lost
        if votes * change.value <= 0:
            way = "better" if change.value > 0 else "worse"
            against = (
                f"more images are {way}, but of the clusters of images {tested.won:,} won and "
                f"{tested.lost:,} lost"
            )
            return "no difference shown", "; ".join(filter(None, (cell.why, against)))
    return ("better" if change.value > 0 else "worse"), cell.why


def changed_components(before: Side, after: Side) -> tuple[str, ...]:
    """The components of both sides that are not the same, by kind and name."""
    return tuple(
        name
        for name, key in after.components.items()
        if name in before.components and before.components[name] != key
    )


def nearest(axes: Record, cells: Iterable[Record]) -> Record | None:
    """The axes, among those of `cells`, that differ from the given ones in one axis alone."""
    for cell in cells:
        other: Record = cell["axes"]
        names: set[Any] = set(axes) | set(other)
        differing = [axis for axis in names if axes.get(axis) != other.get(axis)]
        if len(differing) == 1 and differing[0] in (*PLACE, "detector", "classifier"):
            return other
    return None
