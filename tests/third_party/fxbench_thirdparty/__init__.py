"""Somebody else's plugin: a detector, a classifier, an attack and a dataset, NumPy only."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option, Terms

_TERMS = Terms("CC0 1.0", may_redistribute=True, may_show=True, may_send_to_cloud=True)


def _upper(*, share: float) -> Any:
    from fxbench_thirdparty.detector import Upper

    return Upper(share)


def _linear() -> Any:
    from fxbench_thirdparty.classifier import Linear

    return Linear()


def _jump() -> Any:
    from fxbench_thirdparty.attack import Jump

    return Jump()


def _stripes(*, count: int) -> Any:
    from fxbench_thirdparty.dataset import Stripes

    return Stripes(count, _TERMS)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    option = Option("share", "float", 0.75, "How much of the image's height is face.")
    return [Component("third-upper", "The upper part of the image.", _upper, options=(option,))]


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    return [
        Component(
            "third-linear",
            "A random linear map, seven outputs of its own order.",
            _linear,
            traits=frozenset({"gradient"}),
        )
    ]


@fxbench.hookimpl
def fxbench_attacks() -> list[Component]:
    summary = "A step along the gradient with random zeros."
    return [Component("third-jump", summary, _jump, traits=frozenset({"fixed"}))]


@fxbench.hookimpl
def fxbench_datasets() -> list[Component]:
    option = Option("count", "int", 16, "How many images there are.")
    return [Component("third-stripes", "Drawn stripes.", _stripes, options=(option,), terms=_TERMS)]
