"""The gate: did a run get worse than its baseline?

A regression needs two things: a change beyond its budget, and a test which says that chance alone
does not make such a change. All tests of a gate are one family. What can't be compared is no pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fxbench.baseline import as_kept
from fxbench.budgets import LATENCY, Budget, Budgets
from fxbench.changes import Flip, count_flips, flips, is_tested, tested
from fxbench.compare import changed_components, fewer_images, nearest
from fxbench.errors import UsageError
from fxbench.gate_checks import Beside, adjusted, blank, of_images, of_numbers, of_time
from fxbench.gate_cover import budget_for, common, refuse_idle, untimed, unwatched
from fxbench.gate_floors import floor_checks
from fxbench.judgement import Check, Judgement
from fxbench.latency_changes import TimeChange, latency_change
from fxbench.sides import (
    Key,
    Matcher,
    Pair,
    Record,
    Side,
    by_combination,
    called,
    estimates,
    has_answers,
    place,
    reason,
)

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
        every = (*self._baseline.cells.values(), *self._run.cells.values())
        refuse_idle(every, self._budgets)
        checks: list[Check] = []
        for key, before in self._there.items():
            absent = self._absent(key, before)
            if absent is not None:
                checks.append(absent)
                continue
            after = self._here[key]
            pair = self._matcher.pair(before, after)
            checks += self._watched(Beside(before, after, pair))
        checks = adjusted(checks)
        checks += floor_checks(self._budgets.floors, self._here, self._there, every)
        if not checks:
            raise UsageError(
                f"There is nothing to gate: {self._baseline.name} has no cell that a budget or a "
                "floor means."
            )
        both = common(self._there, self._here)
        worse = {check.cell for check in checks if check.verdict == "regression"}
        return Judgement(
            self._run.name,
            self._baseline.name,
            tuple(checks),
            sum(check.p_holm is not None for check in checks),
            tuple(cell["axes"] for key, cell in self._here.items() if self._is_new(key, cell)),
            tuple(unwatched(both, checks)),
            () if self._paired is not None else tuple(untimed(both, self._budgets)),
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

    def _watched(self, beside: Beside) -> Iterator[Check]:
        """The checks of a cell that both have, by its budgets; tests are not yet adjusted."""
        known = {name for cell in (beside.before, beside.after) for name, _ in estimates(cell)}
        for metric in dict.fromkeys(budget.metric for budget in self._budgets.budgets):
            budget = budget_for(beside.after, metric, self._budgets)
            if budget is None:
                continue
            if metric == LATENCY:
                yield from self._timed(beside, budget)
            elif metric in known:
                yield self._check(beside, budget)

    def _check(self, beside: Beside, budget: Budget) -> Check:
        check, pair = blank(beside.after, budget), beside.pair
        if isinstance(pair, Pair):
            few = len(pair.ids) < self._budgets.images * pair.total
            share = fewer_images(pair)
            check = replace(check, why=share, images=len(pair.ids), flipped=count_flips(pair))
            if few:
                least = f"{100 * self._budgets.images:g} %"
                why = f"{share}; at least {least} are asked for: see `images` in [gate]"
                return replace(check, why=why)
            if is_tested(budget.metric):
                return of_images(check, beside, tested(budget.metric, pair))
        elif is_tested(budget.metric) and has_answers(beside.after):
            return replace(check, why=pair)
        other = self._matcher.other_data(place(beside.after))
        if other is not None:
            return replace(check, why=other)
        return of_numbers(check, beside, (self._baseline.name, self._run.name))

    def _timed(self, beside: Beside, budget: Budget) -> Iterator[Check]:
        before, after = beside.before, beside.after
        if self._paired is not None:
            if after["id"] in self._paired:
                yield of_time(after, budget, self._paired[after["id"]])
        elif before.get("latency") or after.get("latency"):
            sides = self._baseline, self._run
            yield of_time(after, budget, latency_change(as_kept(before), as_kept(after), *sides))
