"""One check of a gate: how far a number went, and what a test says of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fxbench.baseline import as_kept
from fxbench.budgets import LATENCY, POINT, Budget
from fxbench.judgement import Check
from fxbench.metrics.differences import independent_difference
from fxbench.metrics.paired import holm
from fxbench.sides import estimates

if TYPE_CHECKING:
    from fxbench.changes import Tested
    from fxbench.latency_changes import TimeChange
    from fxbench.sides import Pair, Record

_ROUNDING = 1e-9
UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Beside:
    """A cell of the baseline and the run's, and what both answered, or why that is not known."""

    before: Record
    after: Record
    pair: Pair | str


def blank(cell: Record, budget: Budget) -> Check:
    """The check of a budget before anything was looked at."""
    return Check(
        cell["id"],
        cell["axes"],
        budget.metric,
        budget.kind,
        "not comparable",
        limit=budget.limit,
        significance=budget.significance,
    )


def of_numbers(check: Check, beside: Beside, names: tuple[str, str]) -> Check:
    """By the two numbers and their intervals, where images can't be set side by side.

    Args:
        check: as :func:`blank` makes it.
        beside: the cells, which are about the same data.
        names: of the baseline and the run.
    """
    metric = check.metric
    counts = [(cell.get("images") or {}).get("n") for cell in (beside.before, beside.after)]
    if counts[0] != counts[1]:
        why = f"the baseline's are of {counts[0]} images, the run's of {counts[1]}"
        return replace(check, why=f"{metric} needs the same images: {why}")
    before, after = (
        as_kept(cell)["metrics"].get(metric) or {} for cell in (beside.before, beside.after)
    )
    first, second = before.get("value"), after.get("value")
    if first is None and second is None:
        return replace(check, verdict="passed", why="no image counts")
    if first is None or second is None:
        return replace(check, why=f"{names[0 if first is None else 1]} has no value of it")
    check = _measured(check, first, second)
    if first == second:
        # Nothing to test: neither takes it a share of the error nor needs it an interval.
        return replace(check, verdict="passed", why=_joined(check.why, UNCHANGED))
    if _untested(check):
        return replace(check, verdict="passed", test="none")
    found = independent_difference(before, after)
    if found is None:
        why = (
            f"{metric} has no interval, so that chance can't be judged: give this budget "
            "significance = 1 to go by its limit alone"
        )
        return replace(check, why=why)
    p = found.p_less if check.rule == "drop" else 1 - found.p_less
    return replace(check, verdict="passed", p=p, test="intervals")


def of_time(cell: Record, budget: Budget, change: TimeChange) -> Check:
    """By how the latency of a cell changed."""
    check = Check(
        cell["id"],
        cell["axes"],
        LATENCY,
        "factor",
        "not compared",
        change.why,
        change.before,
        change.after,
        budget.limit,
        change.factor,
        change.low,
        change.high,
        change.p_slower,
        significance=budget.significance,
        test=change.test,
    )
    if change.factor is None:
        return check
    if change.p_slower is None and not _untested(check):
        return replace(check, why="it has no interval, so that chance can't be judged")
    return replace(check, verdict="passed")


def of_images(check: Check, beside: Beside, result: Tested) -> Check:
    """By a paired test on the images that both have."""
    if result.change is None or result.before is None or result.after is None:
        values = (dict(estimates(one)).get(result.metric) for one in (beside.before, beside.after))
        if all(value is None or value.get("value") is None for value in values):
            return replace(check, verdict="passed", why="no image counts")
        # Of a detector that finds no face any more, say: the baseline has a value, the run none.
        return replace(check, why=f"no image that both have counts in {result.metric}")
    check = _measured(check, result.before, result.after)
    check = replace(check, images=result.images, test=result.test)
    if check.rule != "factor":
        ends = (-result.change.high, -result.change.low)
        if check.rule == "rise":
            ends = (result.change.low, result.change.high)
        check = replace(check, low=ends[0] / POINT, high=ends[1] / POINT)
    if _untested(check):
        return replace(check, verdict="passed", test="none")
    if result.same:
        # Nothing speaks for either side: no level could be passed, so it takes no share of it.
        return replace(check, verdict="passed")
    if result.p_less is None:
        return replace(check, why=f"there are too few images to test {result.metric}")
    p = result.p_less if check.rule == "drop" else 1 - result.p_less
    return replace(check, verdict="passed", p=p)


def _untested(check: Check) -> bool:
    """Whether a budget asks for no test."""
    return check.significance is not None and check.significance >= 1


def _measured(check: Check, before: float, after: float) -> Check:
    """With the two numbers, and by how much the second is worse."""
    if check.rule == "factor":
        worse = after / before if before else (1.0 if after == before else float("inf"))
    else:
        worse = (before - after if check.rule == "drop" else after - before) / POINT
    return replace(check, before=before, after=after, worse=worse)


def adjusted(checks: list[Check]) -> list[Check]:
    """The checks with their tests adjusted for each other, and judged."""
    family = [index for index, check in enumerate(checks) if check.p is not None]
    values = holm([p for check in checks if (p := check.p) is not None]).tolist()
    judged = list(checks)
    for index, p_holm in zip(family, values, strict=True):
        judged[index] = replace(checks[index], p_holm=p_holm)
    return [_judged(check) for check in judged]


def _judged(check: Check) -> Check:
    if check.verdict != "passed" or check.worse is None or check.limit is None:
        return check
    if check.worse <= check.limit + _ROUNDING:
        return check
    if _untested(check):
        return replace(check, verdict="regression")
    if check.p_holm is None or check.significance is None or check.p_holm > check.significance:
        return replace(check, why=_joined(check.why, "beyond its budget, but chance may do that"))
    return replace(check, verdict="regression")


def _joined(*texts: str | None) -> str:
    return "; ".join(text for text in texts if text)
