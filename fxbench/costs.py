"""What a plan sends to services elsewhere, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fxbench.cells import Cell
from fxbench.component import Component
from fxbench.plan import Plan


def costs(plan: Plan) -> tuple[int, float]:
    """How many images go to services elsewhere at most, and what that costs in US dollars.

    A detector is asked once for each image, a classifier or landmarker once behind each detector
    and for each attack, but a service that answers all of it in one call once for each image.
    Nothing that is sent away is timed. What was answered before costs nothing, and is counted here.
    """
    calls, price = 0, 0.0
    for source in plan.sources:
        images = len(source.answers.rows)
        asked = {
            what: component
            for cell in plan.runnable(source)
            for what, component in _questions(plan, cell)
            if component.sends
        }
        calls += images * len(asked)
        price += images * sum(component.price or 0.0 for component in asked.values())
    return calls, price


def _questions(plan: Plan, cell: Cell) -> Iterator[tuple[tuple[Any, ...], Component]]:
    """What a cell asks about each image, and of whom: equal questions are asked once."""
    faces = (cell.detector, cell.align, cell.landmarker)
    names: list[tuple[str, str | None, tuple[Any, ...]]] = [
        ("detector", cell.detector, ()),
        ("landmarker", cell.landmarker, (cell.detector, cell.align is not None)),
        ("classifier", cell.classifier, (*faces, cell.attack, cell.norm, cell.epsilon)),
    ]
    for kind, name, about in names:
        if name is None:
            continue
        component = plan.registry.get(kind, name).component
        # A face that was changed is another picture; else the answer about the image serves.
        changed = kind == "classifier" and (cell.attack is not None or cell.align is not None)
        if component.source is not None and not changed:
            yield ("image", component.source.name), component
        else:
            yield (kind, name, *about), component
