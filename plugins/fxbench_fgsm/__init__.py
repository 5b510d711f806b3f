"""`fgsm`: the fast gradient sign method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fxbench
from fxbench.component import Component

if TYPE_CHECKING:
    from fxbench_fgsm.attack import Fgsm


def create() -> Fgsm:
    """The attack; it has no options."""
    from fxbench_fgsm.attack import Fgsm

    return Fgsm()


@fxbench.hookimpl
def fxbench_attacks() -> list[Component]:
    """The attack `fgsm`."""
    return [
        Component(
            name="fgsm",
            summary="Fast gradient sign method: one step of epsilon along the gradient's sign.",
            factory=create,
            traits=frozenset({"default", "fixed"}),
        )
    ]
