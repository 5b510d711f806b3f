"""How much worse a run may be than its baseline: the table `[gate]` of `fxbench.toml`."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fxbench.errors import UsageError
from fxbench.names import unknown_name
from fxbench.sides import AXES

POINT = 0.01
"""What a point is: of a share from 0 to 1 a hundredth, a percentage point."""
SIGNIFICANCE = 0.005
"""Of all tests of a gate together: a false alarm in 200 runs at most."""
IMAGES = 0.9
LATENCY = "latency"
"""The metric of a budget for time."""

Kind = Literal["drop", "rise", "factor"]
Pattern = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a metric may go.

    Attributes:
        metric: as a cell's record has it, `recall.fear` for that of one emotion, or `latency`.
        kind: `drop` of what is good when high, `rise` of what is good when low, or `factor`.
        limit: points for `drop` and `rise`.
        significance: a change beyond the limit counts where its adjusted p value is at most this. 1
            for no test: the limit decides alone.
        cells: for each axis that matters the values that are meant, `*` and `?` as in file names.
        origin: where it stands, for messages; None for one that nobody gave.
    """

    metric: str
    kind: Kind
    limit: float
    significance: float = SIGNIFICANCE
    cells: Pattern = field(default_factory=dict)
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Floor:
    """What a metric must reach, whatever the baseline is.

    Attributes:
        metric: as for a budget.
        least: the least value, as the record has it: a share from 0 to 1.
        most: the greatest; one of the two is None.
        cells: as for a budget.
        origin: as for a budget.
    """

    metric: str
    least: float | None
    most: float | None
    cells: Pattern = field(default_factory=dict)
    origin: str | None = None

    @property
    def text(self) -> str:
        """As it is written: `recall.fear >= 0.35`."""
        return (
            f"{self.metric} >= {self.least:g}"
            if self.least is not None
            else f"{self.metric} <= {self.most:g}"
        )


DEFAULT = (Budget("accuracy_end_to_end", "drop", 1.0), Budget(LATENCY, "factor", 1.15))
"""What holds where nobody says more."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """All that a gate is asked to watch.

    Attributes:
        budgets: of those that mean a cell and a metric, the last holds.
        floors: all hold.
        images: the least share of the baseline's images that must be in the run too.
        renamed: the new names of components, by those that they have in the baseline.
    """

    budgets: tuple[Budget, ...] = DEFAULT
    floors: tuple[Floor, ...] = ()
    images: float = IMAGES
    renamed: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> Budgets:
    """The budgets of a file; the default ones where it has no table `[gate]`, or isn't there.

    Args:
        path: of `fxbench.toml`.

    Raises:
        UsageError: something in it is not as it must be.
    """
    if not path.is_file():
        return Budgets()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    return _Reader(str(path)).budgets(content.get("gate", {}))


_KEYS = ("significance", "images", "renamed", "floors", "budgets")
_BUDGET_KEYS = ("metric", "drop", "rise", "factor", "significance", "cells")
_FLOOR = re.compile(r"\s*([A-Za-z0-9_./-]+)\s*(>=|<=)\s*([-+0-9.eE]+)\s*")
_GOOD_WHEN_HIGH = re.compile(
    r"accuracy|recall|precision|f1\b|f1_|^uar$|^auc$|^detection_rate$|^robust\."
)
"""Metrics of which more is better: what bounds growth would watch nothing but that."""
_GOOD_WHEN_LOW = re.compile(
    r"^(ece|ece_calibrated|brier|aurc|cross_entropy|kl|jitter)$|^nme|error|^false_|^flips"
)
"""And those of which less is: a drop would watch nothing but that."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes the table apart; messages say where."""

    path: str

    def budgets(self, table: Any) -> Budgets:
        where = f"{self.path} [gate]"
        self._known(where, table, _KEYS)
        level = self._level(where, table, SIGNIFICANCE)
        budgets = tuple(
            self._budget(f"{where} budgets, number {number}", entry, level)
            for number, entry in enumerate(self._list(where, table, "budgets"), 1)
        )
        floors = tuple(
            self._floor(f"{where} floors, number {number}", entry)
            for number, entry in enumerate(self._list(where, table, "floors"), 1)
        )
        renamed = table.get("renamed", {})
        if not isinstance(renamed, dict) or not all(
            isinstance(name, str) and name for pair in renamed.items() for name in pair
        ):
            raise UsageError(
                f'{where} renamed: expected a table such as {{ "old" = "new" }}, with no name '
                f"empty, got {renamed!r}."
            )
        return Budgets(
            budgets or tuple(_at(budget, level) for budget in DEFAULT),
            floors,
            self._number(where, table, "images", IMAGES, 0, 1),
            renamed,
        )

    def _budget(self, where: str, entry: Any, level: float) -> Budget:
        self._known(where, entry, _BUDGET_KEYS)
        metric = entry.get("metric")
        if not isinstance(metric, str) or not metric:
            raise UsageError(f'{where}: expected a metric, such as metric = "{DEFAULT[0].metric}".')
        kinds = [kind for kind in ("drop", "rise", "factor") if kind in entry]
        if len(kinds) != 1:
            raise UsageError(
                f"{where}: expected one of drop (points), rise (points) and factor, got "
                f"{' and '.join(kinds) or 'none'}."
            )
        kind: Kind = kinds[0]  # type: ignore[assignment]
        if metric == LATENCY and kind != "factor":
            raise UsageError(f"{where}: latency has a factor, such as factor = 1.15.")
        if kind != "drop" and _GOOD_WHEN_HIGH.search(metric):
            raise UsageError(
                f"{where}: {metric} is good when high, and a {kind} says how much a metric may "
                "grow: give a drop in points, such as drop = 1.0."
            )
        if kind == "drop" and _GOOD_WHEN_LOW.search(metric):
            raise UsageError(
                f"{where}: {metric} is good when low, and a drop says how much a metric may fall: "
                "give a rise in points, such as rise = 1.0."
            )
        limit = self._number(where, entry, kind, None, 1 if kind == "factor" else 0, math.inf)
        significance = self._level(where, entry, level)
        return Budget(metric, kind, limit, significance, self._cells(where, entry), where)

    def _floor(self, where: str, entry: Any) -> Floor:
        table = {"floor": entry} if isinstance(entry, str) else entry
        self._known(where, table, ("floor", "cells"))
        text = table.get("floor")
        match = _FLOOR.fullmatch(text) if isinstance(text, str) else None
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise UsageError(
                f'{where}: expected a text such as "recall.fear >= 0.35", got {text!r}.'
            )
        if match[1] == LATENCY:
            raise UsageError(
                f"{where}: latency has no floor, as its time depends on the machine: give a "
                'budget with metric = "latency" and a factor.'
            )
        if bound > 1 and _GOOD_WHEN_HIGH.search(match[1]):
            raise UsageError(
                f"{where}: {match[1]} is a share from 0 to 1, got {bound:g}: {bound / 100:g}?"
            )
        least = bound if match[2] == ">=" else None
        most = bound if match[2] == "<=" else None
        return Floor(match[1], least, most, self._cells(where, table), where)

    def _cells(self, where: str, entry: Mapping[str, Any]) -> Pattern:
        cells = entry.get("cells", {})
        self._known(f"{where} cells", cells, AXES, "axis")
        return {axis: self._globs(f"{where} cells", axis, globs) for axis, globs in cells.items()}

    @staticmethod
    def _globs(where: str, axis: str, globs: Any) -> tuple[str, ...]:
        given = globs if isinstance(globs, list) else [globs]
        if not given or not all(isinstance(one, str | int | float) for one in given):
            raise UsageError(
                f'{where}: {axis} is a text such as "emopy*", or a list of them, not {globs!r}.'
            )
        return tuple(f"{one:g}" if isinstance(one, float) else str(one) for one in given)

    @staticmethod
    def _known(where: str, table: Any, keys: tuple[str, ...], what: str = "entry") -> None:
        if not isinstance(table, dict):
            raise UsageError(f"{where}: expected a table with some of {', '.join(keys)}.")
        for key in table:
            if key not in keys:
                raise UsageError(f"{where}: {unknown_name(what, key, keys)}")

    @staticmethod
    def _list(where: str, table: Mapping[str, Any], key: str) -> list[Any]:
        entries = table.get(key, [])
        if not isinstance(entries, list):
            raise UsageError(f"{where} {key}: expected a list, or tables [[gate.{key}]].")
        return entries

    def _level(self, where: str, table: Mapping[str, Any], default: float) -> float:
        level = self._number(where, table, "significance", default, 0, 1)
        if not level:
            raise UsageError(
                f"{where} significance: no test comes out at 0, so that nothing would ever be a "
                f"regression: expected a number above 0, such as {SIGNIFICANCE}."
            )
        return level

    @staticmethod
    def _number(
        where: str,
        table: Mapping[str, Any],
        key: str,
        default: float | None,
        low: float,
        high: float,
    ) -> float:
        value = table.get(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not (low <= value <= high and math.isfinite(value))
        ):
            upto = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
            raise UsageError(f"{where} {key}: expected a number, {upto}, got {value!r}.")
        return float(value)


def _at(budget: Budget, level: float) -> Budget:
    return Budget(budget.metric, budget.kind, budget.limit, level)
