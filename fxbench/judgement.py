"""What a gate looked at, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fxbench.changes import Flip, Flipped
    from fxbench.sides import Record

Verdict = Literal[
    "passed",
    "regression",
    "below the floor",
    "missing",
    "failed",
    "not comparable",
    "not compared",
]
NO: tuple[Verdict, ...] = ("regression", "below the floor", "missing", "failed")
"""The verdicts that make the answer no."""
Rule = Literal["drop", "rise", "factor", "floor", "there"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        cell: the id of the run's cell, or of the baseline's where the run has none.
        axes: of the cell.
        metric: what is watched; empty where it is whether the cell is there at all.
        rule: what it may not do.
        verdict: `passed`; the four of :data:`NO`; `not comparable`, which is no pass either; or
            `not compared`, which is one, and happens to latency alone.
        why: what must be known beside the numbers.
        before: the baseline's value.
        after: the run's.
        limit: of the budget or floor, as it was given.
        worse: by how much it is worse: points, or a factor.
        low: the lower end of the 95 % interval of `worse`.
        high: the upper end.
        p: one-sided, that chance alone makes it so much worse; None without a test.
        p_holm: adjusted for all tests of the gate.
        significance: what `p_holm` is held against.
        test: which test it was.
        images: how many images were compared.
        flipped: how many of them were answered differently.
    """

    cell: str
    axes: Record
    metric: str
    rule: Rule
    verdict: Verdict
    why: str | None = None
    before: float | None = None
    after: float | None = None
    limit: float | None = None
    worse: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    significance: float | None = None
    test: str | None = None
    images: int | None = None
    flipped: Flipped | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a gate says.

    Attributes:
        run: the run's name.
        baseline: the baseline's.
        checks: everything that was looked at, in the order of the baseline.
        tests: how many tests were adjusted for.
        new: the axes of cells that the baseline doesn't have.
        unwatched: of cells that both have, but of which no number was looked at: no budget and no
            floor means a number of them that can be compared.
        untimed: of cells that a budget for latency means and neither side has timed.
        changed: the components that are not those of the baseline.
        flips: of each cell with a regression, the images that it answers differently.
    """

    run: str
    baseline: str
    checks: tuple[Check, ...]
    tests: int = 0
    new: tuple[Record, ...] = ()
    unwatched: tuple[Record, ...] = ()
    untimed: tuple[Record, ...] = ()
    changed: tuple[str, ...] = ()
    flips: Mapping[str, tuple[Flip, ...]] = field(default_factory=dict)

    def of(self, *verdicts: Verdict) -> tuple[Check, ...]:
        """The checks that ended so."""
        return tuple(check for check in self.checks if check.verdict in verdicts)

    @property
    def exit_code(self) -> int:
        """1 where something got worse, else 2 where something can't be compared, else 0."""
        if self.of(*NO):
            return 1
        return 2 if self.of("not comparable") else 0

    @property
    def ok(self) -> bool:
        """Whether everything could be looked at, and nothing got worse."""
        return self.exit_code == 0
