"""How `emopy` is trained."""

from __future__ import annotations

from typing import Any

from fxbench.training.recipe import Recipe
from fxbench_emopy.network import SIZE, build

RECIPE = Recipe(epochs=26, peak=3e-3, balance=0.25, teacher_weight=0.6)


class EmopyNetwork:
    """The network as the engine wants it; see :class:`fxbench.training.fit.Network`."""

    name = "emopy"
    size = SIZE
    head: tuple[str, ...] = ()

    def build(self, precision: str) -> Any:
        """The network with fresh weights."""
        return build(precision=precision)

    def prepare(self, model: Any, faces: Any) -> None:
        """Do nothing: there is nothing pretrained."""
