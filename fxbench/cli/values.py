"""Values of command line options that are more than one word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Names = click.ParamType[tuple[str, ...]]
    _Budgets = click.ParamType[tuple[float, ...]]
    _Numbers = click.ParamType[tuple[int, ...]]
    _Amounts = click.ParamType[float]
else:
    # Only newer versions of click have a subscript here.
    _Names = _Budgets = _Numbers = _Amounts = click.ParamType


class Names(_Names):
    """Names separated by commas."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """A tuple of the names, without repetition."""
        if isinstance(value, tuple):
            return value
        names = [part.strip() for part in value.split(",")]
        if not all(names):
            self.fail(
                f"{value!r} has an empty name: expected names such as a,b or all.", param, ctx
            )
        return tuple(dict.fromkeys(names))


class Severities(_Numbers):
    """Numbers from 1 to 5, separated by commas."""

    name = "severities"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """A tuple of the numbers, without repetition."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part in ("1", "2", "3", "4", "5") for part in parts):
            self.fail(
                f"{value!r} are no severities: expected numbers from 1 to 5, such as 1,3,5.",
                param,
                ctx,
            )
        return tuple(dict.fromkeys(int(part) for part in parts))


class Epsilons(_Budgets):
    """Budgets separated by commas, each a number or a fraction such as 8/255."""

    name = "budgets"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """A tuple of floats in [0, 1]."""
        if isinstance(value, tuple):
            return value
        budgets = []
        for part in value.split(","):
            above, slash, below = part.partition("/")
            try:
                budget = float(above) / float(below) if slash else float(above)
            except (ValueError, ZeroDivisionError):
                budget = math.nan
            if not 0 <= budget <= 1:
                self.fail(
                    f"{part.strip()!r} is no budget: expected numbers from 0 to 1 of the pixels' "
                    "range, such as 0,2/255,0.03.",
                    param,
                    ctx,
                )
            budgets.append(budget)
        return tuple(dict.fromkeys(budgets))


class Dollars(_Amounts):
    """An amount of US dollars. With nan or inf as a limit nothing would be limited."""

    name = "usd"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """A finite float, not negative."""
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if not 0 <= amount < math.inf:
            self.fail(
                f"{value!r} is no amount: expected US dollars, a number from 0, such as 0.5.",
                param,
                ctx,
            )
        return amount
