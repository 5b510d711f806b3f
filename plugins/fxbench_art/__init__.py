"""Attacks through adversarial-robustness-toolbox: `square`, `hopskipjump` and `autoattack`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fxbench
from fxbench.component import Component, Option
from fxbench.errors import UsageError

if TYPE_CHECKING:
    from fxbench_art.autoattack import AutoAttack
    from fxbench_art.hopskipjump import HopSkip
    from fxbench_art.square import Square

_NORMS = ("l2", "linf")


def create_square(faces: int, queries: int) -> Square:
    """The Square attack."""
    _positive("square", faces=faces, queries=queries)
    from fxbench_art.square import Square

    return Square(faces, queries)


def create_hopskipjump(norm: str, faces: int, queries: int) -> HopSkip:
    """HopSkipJump."""
    _positive("hopskipjump", faces=faces, queries=queries)
    from fxbench_art.hopskipjump import HopSkip

    return HopSkip(norm, faces, queries)


def create_autoattack(steps: int, squares: int, faces: int) -> AutoAttack:
    """AutoAttack."""
    _positive("autoattack", steps=steps, squares=squares, faces=faces)
    from fxbench_art.autoattack import AutoAttack

    return AutoAttack(steps, squares, faces)


def _positive(name: str, **values: int) -> None:
    for option, value in values.items():
        if value < 1:
            raise UsageError(f"{name}.{option} is {value}, but must be at least 1.")


_FACES = Option("faces", "int", 50, "On how many faces it is run at most, evenly spaced.")
_QUERIES = Option("queries", "int", 200, "How often it asks about each face at most.")


@fxbench.hookimpl
def fxbench_attacks() -> list[Component]:
    """The attacks `square`, `hopskipjump` and `autoattack`."""
    return [
        Component(
            name="square",
            summary="Square attack: random squares, kept where they help; asks for scores only.",
            factory=create_square,
            extra="attacks",
            requires=("art",),
            traits=frozenset({"black-box", "fixed"}),
            options=(_FACES, _QUERIES),
        ),
        Component(
            name="hopskipjump",
            summary="HopSkipJump: walks along the border of the decision; asks for labels only.",
            factory=create_hopskipjump,
            extra="attacks",
            requires=("art",),
            traits=frozenset({"black-box", "minimum"}),
            options=(
                Option(
                    "norm",
                    "str",
                    "l2",
                    "Which distance is made small: `l2` (root mean square) or `linf`.",
                    choices=_NORMS,
                ),
                _FACES,
                _QUERIES,
            ),
        ),
        Component(
            name="autoattack",
            summary="AutoAttack's parts that ART has: two kinds of Auto-PGD, then Square.",
            factory=create_autoattack,
            extra="attacks",
            requires=("art",),
            traits=frozenset({"fixed"}),
            options=(
                Option("steps", "int", 100, "How many steps each Auto-PGD takes."),
                Option("squares", "int", 500, "How many steps Square takes."),
                _FACES,
            ),
            no_weaker_than=("fgsm", "pgd"),
        ),
    ]
