"""How `emopy` is trained."""

from __future__ import annotations

from typing import Any

from fxbench.component import Weights
from fxbench.training.recipe import Recipe
from fxbench.weights import verified
from fxbench_emopy.network import SIZE, build

RECIPE = Recipe(epochs=26, peak=3e-3, balance=0.25, teacher_weight=0.6)


ROBUST_RECIPE = Recipe(
    epochs=20,
    peak=2e-3,
    balance=0.25,
    teacher_weight=0.6,
    adversarial_epsilon=4 / 255,
    adversarial_steps=2,
    adversarial_share=1.0,
)
"""Of `emopy-robust`, which begins with the weights of `emopy`."""


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


class RobustEmopyNetwork(EmopyNetwork):
    """The same network, which begins with the weights of `emopy` that are shipped."""

    name = "emopy-robust"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def prepare(self, model: Any, faces: Any) -> None:  # noqa: ARG002
        """Load what `emopy` has learnt.

        Raises:
            WeightsError: its file is missing or another one.
        """
        model.load_weights(verified(self.name, self._weights))
