"""Values of command line options that are more than one word."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _Names = click.ParamType[tuple[str, ...]]
    _Budgets = click.ParamType[tuple[float, ...]]
    _Numbers = click.ParamType[tuple[int, ...]]
    _Amounts = click.ParamType[float]
    _Folders = click.ParamType[Path]
else:
    # Only newer versions of click have a subscript here.
    _Names = _Budgets = _Numbers = _Amounts = _Folders = click.ParamType


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


class Counts(_Numbers):
    """Whole numbers from 1 on, separated by commas."""

    name = "numbers"

    def __init__(self, most: int | None = None) -> None:
        """Up to `most`, if that is given."""
        self._most = most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """A tuple of the numbers, without repetition."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")]
        numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
        most = math.inf if self._most is None else self._most
        if len(numbers) < len(parts) or not all(1 <= number <= most for number in numbers):
            upper = "on" if self._most is None else f"to {self._most}"
            self.fail(
                f"{value!r} has something else than whole numbers from 1 {upper}: expected such as "
                "1,3,5.",
                param,
                ctx,
            )
        return tuple(dict.fromkeys(numbers))


class Seconds(_Budgets):
    """Seconds, separated by commas."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """A tuple of finite floats from 0 on."""
        if isinstance(value, tuple):
            return value
        seconds = []
        for part in value.split(","):
            try:
                number = float(part)
            except ValueError:
                number = math.nan
            if not 0 <= number < math.inf:
                self.fail(
                    f"{part.strip()!r} is no number of seconds: expected such as 0,0.2.", param, ctx
                )
            seconds.append(number)
        return tuple(dict.fromkeys(seconds))


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


class Rate(_Amounts):
    """Frames per second."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """A finite float above 0."""
        try:
            rate = float(value)
        except ValueError:
            rate = math.nan
        if not 0 < rate < math.inf:
            self.fail(
                f"{value!r} is no frame rate: expected are frames per second, above 0, such as 10.",
                param,
                ctx,
            )
        return rate


class Length(_Amounts):
    """How long something goes on."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """A finite float above 0."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(
                f"{value!r} is no number of seconds above 0: expected such as 30.", param, ctx
            )
        return seconds


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


class Tolerance(_Amounts):
    """How far numbers may be apart. With nan everything would differ, and with inf nothing."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """A finite float, not negative."""
        try:
            tolerance = float(value)
        except ValueError:
            tolerance = math.nan
        if not 0 <= tolerance < math.inf:
            self.fail(
                f"{str(value)!r} is no tolerance: expected a number from 0, such as 1e-4.",
                param,
                ctx,
            )
        return tolerance


class Whole(click.IntRange):
    """A whole number within a range, whose messages are words for people."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """An integer."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            upto = "on" if self.max is None else f"to {self.max}"
            self.fail(
                f"{str(value)!r} is no whole number from {self.min} {upto}.",
                param,
                ctx,
            )


class Results(_Folders):
    """A folder of runs: a path, or an address on object storage.

    Of an address the command gets a copy, which is brought up to date before; when the command
    ends, however it ends, what is new goes there.
    """

    name = "directory"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """The folder on this machine.

        Raises:
            click.BadParameter: it is a file.
            FxbenchError: see :class:`fxbench.places.Place`.
        """
        text = str(value)
        if ctx is not None and ctx.resilient_parsing:
            # A shell wants a word completed: nothing is fetched for that.
            return Path(text)
        if "://" not in text:
            path = click.Path(path_type=Path, file_okay=False).convert(value, param, ctx)
            return Path(str(path))
        from fxbench.places import opened

        if ctx is None:
            raise click.BadParameter("An address can be opened within a command alone.")
        return ctx.with_resource(opened(text))

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem[str]]:
        """Folders."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="dir")]
