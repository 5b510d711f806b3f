"""Attacks that follow the gradient, and the noise that they are compared with."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component, Option

if TYPE_CHECKING:
    from fxbench_fgsm.descent import BestDescent, Descent
    from fxbench_fgsm.fast_gradient import FastGradient, Noise
    from fxbench_fgsm.momentum import Momentum

_STEPS = Option("steps", "int", 10, "How many steps it makes; each takes one gradient.")
_STEP = Option(
    "step", "float", 0.25, "The length of a step, as a multiple of epsilon; 2.5 / steps is usual."
)
_RESTARTS = Option(
    "restarts",
    "int",
    1,
    "From how many random starts it sets out; of several, each face keeps the end with the largest "
    "loss.",
)
_RANDOM_START = Option(
    "random_start", "bool", True, "Start from a random point within epsilon; else from the face."
)
_DECAY = Option(
    "decay", "float", 1.0, "How much of the sum of earlier gradients each step keeps; 0 is none."
)


def _ball(norm: str) -> Any:
    from fxbench_fgsm import ball

    return {"linf": ball.Linf, "l2": ball.L2}[norm]


def _fast_gradient(norm: str) -> FastGradient:
    from fxbench_fgsm.fast_gradient import FastGradient

    return FastGradient(_ball(norm))


def _noise(norm: str) -> Noise:
    from fxbench_fgsm.fast_gradient import Noise

    return Noise(_ball(norm))


def _descent(name: str, norm: str, **options: Any) -> Descent:
    from fxbench_fgsm.descent import Descent

    return Descent(name, _ball(norm), **options)


def _best_descent(**options: Any) -> BestDescent:
    from fxbench_fgsm.descent import BestDescent

    return BestDescent("pgd-best", **options)


def _momentum(name: str, norm: str, **options: Any) -> Momentum:
    from fxbench_fgsm.momentum import Momentum

    return Momentum(name, _ball(norm), **options)


@fxbench.hookimpl
def fxbench_attacks() -> list[Component]:
    """FGSM, PGD and MI-FGSM by both norms, PGD that keeps its best, and noise."""
    iterative = frozenset({"fixed", "iterative"})
    components = [
        Component(
            name="pgd-best",
            summary="Projected gradient descent from FGSM's point, which keeps its best point.",
            factory=_best_descent,
            traits=iterative | {"control"},
            options=(_STEPS, _STEP),
            no_weaker_than=("fgsm",),
        )
    ]
    for norm, suffix, by in (("linf", "", "L-infinity"), ("l2", "-l2", "L2")):
        noise = (f"noise{suffix}",)
        components += [
            Component(
                name=f"fgsm{suffix}",
                summary=f"Fast gradient method: one step of epsilon along the gradient, {by}.",
                factory=partial(_fast_gradient, norm),
                traits=frozenset({"fixed"} if suffix else {"default", "fixed"}),
            ),
            Component(
                name=f"pgd{suffix}",
                summary=f"Projected gradient descent from a random start, {by}.",
                factory=partial(_descent, f"pgd{suffix}", norm),
                traits=iterative,
                options=(_STEPS, _STEP, _RESTARTS, _RANDOM_START),
                no_weaker_than=noise,
            ),
            Component(
                name=f"mi-fgsm{suffix}",
                summary=f"Steps along a running sum of gradients (momentum), {by}.",
                factory=partial(_momentum, f"mi-fgsm{suffix}", norm),
                traits=iterative,
                options=(_STEPS, _DECAY),
                no_weaker_than=noise,
            ),
            Component(
                name=f"noise{suffix}",
                summary=f"Random noise of the size epsilon, to compare attacks with, {by}.",
                factory=partial(_noise, norm),
                traits=frozenset({"control", "fixed"}),
            ),
        ]
    return sorted(components, key=lambda component: component.name)
