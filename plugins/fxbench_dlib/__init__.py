"""Components made of dlib."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option


def _hog(*, upsample: int, threshold: float) -> Any:
    from fxbench_dlib.hog import Hog

    return Hog(upsample, threshold)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `dlib-hog`."""
    return [
        Component(
            name="dlib-hog",
            summary="dlib's frontal face detector: HOG features and a linear classifier.",
            factory=_hog,
            extra="dlib",
            requires=("dlib",),
            options=(
                Option(
                    "upsample",
                    "int",
                    1,
                    "How often an image of at least 128 pixels a side is doubled: 0 finds faces "
                    "from 80 pixels on, 1 from 40 on in about four times the time.",
                ),
                Option(
                    "threshold",
                    "float",
                    0.0,
                    "The lowest score of a face; a lower one finds more, and errs more.",
                ),
            ),
        )
    ]
