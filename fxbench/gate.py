"""The gate: did a run get worse than its baseline?

A regression needs two things: a change beyond its budget, and a test which says that chance alone
does not make such a change. All tests of a gate are one family. What can't be compared is no pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fxbench.baseline import as_kept
from fxbench.budgets import LATENCY, POINT, Budget, Budgets, Floor
from fxbench.changes import Flip, Tested, count_flips, flips, is_tested, tested
from fxbench.compare import changed_components, fewer_images, nearest
from fxbench.errors import UsageError
from fxbench.judgement import Check, Judgement
from fxbench.latency_changes import TimeChange, latency_change
from fxbench.metrics.differences import independent_difference
from fxbench.metrics.paired import holm
from fxbench.names import unknown_name
from fxbench.sides import (
    Key,
    Matcher,
    Pair,
    Record,
    Side,
    by_combination,
    called,
    estimates,
    fits,
    has_answers,
    place,
    reason,
)

_ROUNDING = 1e-9
_UNTIMED = {"attack", "corruption", "spotter", "every", "smoothing"}
_PAIRS = 1_000_000
"""Of cells, that are looked through for what a missing one may be called now."""


def judge(
    run: Side,
    baseline: Side,
    budgets: Budgets | None = None,
    paired: Mapping[str, TimeChange] | None = None,
) -> Judgement:
    """Hold a run against its baseline.

    Args:
        run: what may have got worse.
        baseline: what it is measured by.
        budgets: how much it may; the default ones where None.
        paired: of cells of the run, by id, how their latency changed by a measurement of its own,
            which then counts in the place of what the two sides have.

    Raises:
        UsageError: a budget or a floor means no cell, or there is nothing to look at.
    """
    return _Gate(run, baseline, budgets or Budgets(), paired).judge()


def watched_for_latency(run: Side, baseline: Side, budgets: Budgets | None = None) -> list[Record]:
    """The run's cells whose latency a budget watches: clean ones that the baseline has as well."""
    watched = budgets or Budgets()
    there = by_combination(baseline.cells.values(), watched.renamed)
    return [
        cell
        for key, cell in by_combination(run.cells.values()).items()
        if key in there
        and cell["status"] == "ok"
        and not _UNTIMED & set(cell["axes"])
        and any(b.metric == LATENCY and fits(cell["axes"], b.cells) for b in watched.budgets)
    ]


@dataclass(frozen=True, slots=True)
class _Beside:
    """A cell of the baseline and the run's."""

    before: Record
    after: Record
    pair: Pair | str


class _Gate:
    """One judgement under way."""

    def __init__(
        self,
        run: Side,
        baseline: Side,
        budgets: Budgets,
        paired: Mapping[str, TimeChange] | None,
    ) -> None:
        self._run = run
        self._baseline = baseline
        self._budgets = budgets
        self._paired = paired
        self._matcher = Matcher(baseline, run)
        results = [cell for cell in baseline.cells.values() if cell["status"] == "ok"]
        self._here = by_combination(run.cells.values())
        self._there = by_combination(results, budgets.renamed)

    def judge(self) -> Judgement:
        """Everything, in order."""
        self._refuse_idle()
        checks: list[Check] = []
        for key, before in self._there.items():
            absent = self._absent(key, before)
            if absent is not None:
                checks.append(absent)
                continue
            after = self._here[key]
            pair = self._matcher.pair(before, after)
            checks += self._watched(_Beside(before, after, pair))
        checks = _adjusted(checks)
        checks += self._floors()
        if not checks:
            raise UsageError(
                f"There is nothing to gate: {self._baseline.name} has no cell that a budget or a "
                "floor means."
            )
        worse = {check.cell for check in checks if check.verdict == "regression"}
        return Judgement(
            self._run.name,
            self._baseline.name,
            tuple(checks),
            sum(check.p_holm is not None for check in checks),
            tuple(cell["axes"] for key, cell in self._here.items() if self._is_new(key, cell)),
            changed_components(self._baseline, self._run),
            dict(self._flips(worse)),
        )

    def _flips(self, cells: set[str]) -> Iterator[tuple[str, tuple[Flip, ...]]]:
        for key, before in self._there.items():
            after = self._here.get(key)
            if after is not None and after["id"] in cells:
                pair = self._matcher.pair(before, after)
                if isinstance(pair, Pair):
                    yield after["id"], tuple(flips(pair))

    def _is_new(self, key: Key, cell: Record) -> bool:
        return key not in self._there and cell["status"] == "ok"

    def _absent(self, key: Key, before: Record) -> Check | None:
        """What is said of a cell of the baseline that the run has no result of."""
        after = self._here.get(key)
        if after is None:
            few = len(self._there) * len(self._here) <= _PAIRS
            known = nearest(before["axes"], self._run.cells.values()) if few else None
            hint = f"; it has {called(known)}" if known else ""
            why = f"the run does not have it{hint}"
            return Check(before["id"], before["axes"], "", "there", "missing", why)
        if after["status"] != "ok":
            return Check(after["id"], after["axes"], "", "there", "failed", reason(after))
        return None

    def _watched(self, beside: _Beside) -> Iterator[Check]:
        """The checks of a cell that both have, by its budgets; tests are not yet adjusted."""
        metrics = dict.fromkeys(budget.metric for budget in self._budgets.budgets)
        for metric in metrics:
            budget = self._budget(beside.after, metric)
            if budget is None:
                continue
            if metric == LATENCY:
                yield from self._timed(beside, budget)
            elif self._has(beside.before, metric) or self._has(beside.after, metric):
                yield self._check(beside, budget)

    def _budget(self, cell: Record, metric: str) -> Budget | None:
        """The last one that means the cell and the metric."""
        meant = [
            budget
            for budget in self._budgets.budgets
            if budget.metric == metric and fits(cell["axes"], budget.cells)
        ]
        return meant[-1] if meant else None

    @staticmethod
    def _has(cell: Record, metric: str) -> bool:
        return bool(cell.get("latency")) if metric == LATENCY else metric in dict(estimates(cell))

    def _check(self, beside: _Beside, budget: Budget) -> Check:
        after = beside.after
        blank = Check(
            after["id"],
            after["axes"],
            budget.metric,
            budget.kind,
            "not comparable",
            limit=budget.limit,
            significance=budget.significance,
        )
        pair = beside.pair
        if isinstance(pair, Pair):
            few = len(pair.ids) < self._budgets.images * pair.total
            share = fewer_images(pair)
            blank = replace(blank, why=share, images=len(pair.ids), flipped=count_flips(pair))
            if few:
                least = f"{100 * self._budgets.images:g} %"
                why = f"{share}; at least {least} are asked for: see `images` in [gate]"
                return replace(blank, why=why)
            if is_tested(budget.metric):
                return _of_images(blank, beside, tested(budget.metric, pair))
        elif is_tested(budget.metric) and has_answers(after):
            return replace(blank, why=pair)
        return self._of_numbers(blank, beside, budget)

    def _of_numbers(self, blank: Check, beside: _Beside, budget: Budget) -> Check:
        """By the two numbers and their intervals, where images can't be set side by side."""
        other = self._matcher.other_data(place(beside.after))
        if other is not None:
            return replace(blank, why=other)
        counts = [(cell.get("images") or {}).get("n") for cell in (beside.before, beside.after)]
        if counts[0] != counts[1]:
            why = f"the baseline's are of {counts[0]} images, the run's of {counts[1]}"
            return replace(blank, why=f"{budget.metric} needs the same images: {why}")
        before, after = (
            as_kept(cell)["metrics"].get(budget.metric) or {}
            for cell in (beside.before, beside.after)
        )
        first, second = before.get("value"), after.get("value")
        if first is None and second is None:
            return replace(blank, verdict="passed", why="no image counts")
        if first is None or second is None:
            side = self._baseline.name if first is None else self._run.name
            return replace(blank, why=f"{side} has no value of it")
        found = independent_difference(before, after)
        blank = _measured(blank, first, second)
        if budget.significance >= 1:
            return replace(blank, verdict="passed", test="none")
        if found is None:
            why = (
                f"{budget.metric} has no interval, so that chance can't be judged: give this "
                "budget significance = 1 to go by its limit alone"
            )
            return replace(blank, why=why)
        p = found.p_less if budget.kind == "drop" else 1 - found.p_less
        return replace(blank, verdict="passed", p=p, test="intervals")

    def _timed(self, beside: _Beside, budget: Budget) -> Iterator[Check]:
        after = beside.after
        if self._paired is not None:
            if after["id"] not in self._paired:
                return
            change = self._paired[after["id"]]
        elif not (self._has(beside.before, LATENCY) or self._has(after, LATENCY)):
            return
        else:
            sides = self._baseline, self._run
            change = latency_change(as_kept(beside.before), as_kept(after), *sides)
        check = Check(
            after["id"],
            after["axes"],
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
        if change.factor is not None and change.p_slower is None and budget.significance < 1:
            check = replace(check, why="it has no interval, so that chance can't be judged")
        elif change.factor is not None:
            check = replace(check, verdict="passed")
        yield check

    def _floors(self) -> Iterator[Check]:
        for floor in self._budgets.floors:
            for key, cell in self._here.items():
                if not fits(cell["axes"], floor.cells):
                    continue
                if cell["status"] == "ok":
                    yield from _above(floor, cell, self._there.get(key, {}))
                elif key not in self._there and self._may_have(cell, floor.metric):
                    # Of those in the baseline it is said already.
                    why = f"{floor.text}: {reason(cell)}"
                    yield Check(cell["id"], cell["axes"], floor.metric, "floor", "failed", why)

    def _may_have(self, cell: Record, metric: str) -> bool:
        """Whether a cell without a result was asked for, and would have had the metric."""
        if cell["status"] == "skipped" and not cell.get("asked", True):
            return False
        every = (*self._baseline.cells.values(), *self._run.cells.values())
        alike = [c for c in every if c["status"] == "ok" and set(c["axes"]) == set(cell["axes"])]
        return not alike or any(self._has(other, metric) for other in alike)

    def _refuse_idle(self) -> None:
        """Say so where a budget or floor that somebody wrote down watches nothing."""
        cells = [*self._baseline.cells.values(), *self._run.cells.values()]
        written: list[Budget | Floor] = [*self._budgets.budgets, *self._budgets.floors]
        for one in written:
            if one.origin is None:
                continue
            meant = [cell for cell in cells if fits(cell["axes"], one.cells)]
            if not meant:
                raise UsageError(f"{one.origin}: no cell of the run or the baseline is meant.")
            known = {name for cell in meant for name, _ in estimates(cell)}
            known |= {LATENCY} if isinstance(one, Budget) else set()
            if one.metric not in known and any(cell["status"] == "ok" for cell in meant):
                raise UsageError(f"{one.origin}: {unknown_name('metric', one.metric, known)}")


def _above(floor: Floor, cell: Record, before: Record) -> Iterator[Check]:
    """Whether a cell reaches a floor; nothing where it never had the metric."""
    known = dict(estimates(cell))
    if floor.metric not in known and floor.metric not in dict(estimates(before)):
        return
    value = known.get(floor.metric, {}).get("value")
    check = Check(
        cell["id"],
        cell["axes"],
        floor.metric,
        "floor",
        "passed",
        floor.text,
        None,
        value,
        floor.least if floor.least is not None else floor.most,
    )
    if value is None:
        yield replace(
            check, verdict="not comparable", why=f"{floor.text}: the run has no value of it"
        )
    elif (floor.least is not None and value < floor.least) or (
        floor.most is not None and value > floor.most
    ):
        yield replace(check, verdict="below the floor")
    else:
        yield check


def _of_images(blank: Check, beside: _Beside, result: Tested) -> Check:
    """By a paired test on the images that both have."""
    if result.change is None or result.before is None or result.after is None:
        values = (dict(estimates(one)).get(result.metric) for one in (beside.before, beside.after))
        if all(value is None or value.get("value") is None for value in values):
            return replace(blank, verdict="passed", why="no image counts")
        # Of a detector that finds no face any more, say: the baseline has a value, the run none.
        return replace(blank, why=f"no image that both have counts in {result.metric}")
    check = _measured(blank, result.before, result.after)
    check = replace(check, images=result.images, test=result.test)
    if blank.rule != "factor":
        ends = (-result.change.high, -result.change.low)
        if blank.rule == "rise":
            ends = (result.change.low, result.change.high)
        check = replace(check, low=ends[0] / POINT, high=ends[1] / POINT)
    if blank.significance is not None and blank.significance >= 1:
        return replace(check, verdict="passed", test="none")
    if result.same:
        # Nothing speaks for either side: no level could be passed, so it takes no share of it.
        return replace(check, verdict="passed")
    if result.p_less is None:
        return replace(check, why=f"there are too few images to test {result.metric}")
    p = result.p_less if blank.rule == "drop" else 1 - result.p_less
    return replace(check, verdict="passed", p=p)


def _measured(check: Check, before: float, after: float) -> Check:
    """With the two numbers, and by how much the second is worse."""
    if check.rule == "factor":
        worse = after / before if before else (1.0 if after == before else float("inf"))
    else:
        worse = (before - after if check.rule == "drop" else after - before) / POINT
    return replace(check, before=before, after=after, worse=worse)


def _adjusted(checks: list[Check]) -> list[Check]:
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
    if check.significance is not None and check.significance >= 1:
        return replace(check, verdict="regression")
    if check.p_holm is None or check.significance is None or check.p_holm > check.significance:
        return replace(check, why=_joined(check.why, "beyond its budget, but chance may do that"))
    return replace(check, verdict="regression")


def _joined(*texts: str | None) -> str:
    return "; ".join(text for text in texts if text)
