"""What a plan sends to services elsewhere, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from fxbench.cells import Cell
from fxbench.component import Component
from fxbench.errors import UsageError
from fxbench.plan import Plan

_DIGITS = 9
"""Prices are added up to a billionth of a dollar: sums of floats are no exact amounts."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a plan sends away.

    Attributes:
        calls: images that go to services elsewhere at most.
        price: what those cost in US dollars whose price is known.
        unpriced: the names of the components that send images at a price that is not known.
    """

    calls: int = 0
    price: float = 0.0
    unpriced: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`about 0.012 USD`, or that the price is not known, and whose."""
        if not self.unpriced:
            return f"about {dollars(self.price)} USD"
        unknown = f"a price that is not known ({', '.join(self.unpriced)})"
        return f"about {dollars(self.price)} USD and {unknown}" if self.price else unknown

    @property
    def sentence(self) -> str:
        """The beginning of one, for whoever has to agree."""
        what = f"This plan sends {self.calls} images to cloud services"
        return f"{what} at {self}" if self.unpriced else f"{what} and costs {self}"


def dollars(price: float) -> str:
    """An amount with two decimals from one dollar on, three below, more where those are zeros.

    It is rounded up, so that who allows as much as is shown allows enough.
    """
    exact = Decimal(str(round(price, _DIGITS)))
    if not exact:
        return "0"
    places = 2 if exact >= 1 else max(3, -exact.adjusted())
    return f"{exact.quantize(Decimal(1).scaleb(-places), ROUND_CEILING):f}"


def checked_limit(limit: float | None) -> None:
    """See to it that a limit of the cost is one.

    Raises:
        UsageError: it is negative, infinite or not a number, with which nothing would be limited.
    """
    if limit is not None and not 0 <= limit < math.inf:
        raise UsageError(
            f"max_cost is {limit}: expected an amount of US dollars from 0, such as 0.5, or None."
        )


def costs(plan: Plan) -> Costs:
    """How many images go to services elsewhere at most, and what that costs.

    A detector is asked once for each image, a classifier or landmarker once behind each detector
    and for each attack, but a service that answers all of it in one call once for each image.
    Nothing that is sent away is timed. What was answered before costs nothing, and is counted here.
    """
    calls, price = 0, 0.0
    unpriced: dict[str, None] = {}
    for source in plan.sources:
        images = len(source.answers.rows)
        asked = {
            what: (component, count)
            for cell in plan.runnable(source)
            for what, component, count in _questions(plan, cell, images)
            if component.sends
        }
        calls += sum(count for _, count in asked.values())
        price += sum(count * (component.price or 0.0) for component, count in asked.values())
        unpriced |= dict.fromkeys(c.name for c, _ in asked.values() if c.price is None)
    return Costs(calls, round(price, _DIGITS), tuple(unpriced))


def _questions(
    plan: Plan, cell: Cell, images: int
) -> Iterator[tuple[tuple[Any, ...], Component, int]]:
    """What a cell asks, of whom and how often at most: equal questions are asked once."""
    scene = (cell.corruption, cell.severity, cell.every)
    looked = math.ceil(images / (cell.every or 1))
    faces = (*scene, cell.detector, cell.align, cell.landmarker)
    condition = tuple(cell.attack_axes.values())
    count = min(images, cell.subset or images)
    names: list[tuple[str, str | None, tuple[Any, ...], int]] = [
        ("detector", cell.detector, scene, looked),
        ("landmarker", cell.landmarker, (cell.detector, cell.align is not None), images),
        ("classifier", cell.classifier, (*faces, *condition), count),
    ]
    for kind, name, about, times in names:
        if name is None:
            continue
        component = plan.registry.get(kind, name).component
        # A face that was changed is another picture; else the answer about the image serves.
        changed = kind == "classifier" and (cell.attack is not None or cell.align is not None)
        if component.source is not None and not changed:
            yield ("image", component.source.name, *scene), component, times
        else:
            yield (kind, name, *about), component, times
    means = None if cell.attack is None else plan.means[cell.attack]
    minimum = means is not None and "minimum" in means.traits
    if means is not None and means.queries and (minimum or cell.epsilon):
        asked = plan.registry.get("classifier", cell.scored)
        about = tuple(plan.condition(cell).values())
        # Of the nearest face that an attack has found, it is asked once more.
        times = count * ((means.queries or 0) + minimum)
        yield ("queries", cell.scored, *faces, *about), asked.component, times
