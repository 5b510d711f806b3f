"""Detectors that OpenCV itself ships."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option


def _haar(*, scale_factor: float, min_neighbors: int, min_size: int) -> Any:
    from fxbench_opencv.haar import Haar

    return Haar(scale_factor, min_neighbors, min_size)


@fxbench.hookimpl
def fxbench_detectors() -> list[Component]:
    """The detector `opencv-haar`."""
    return [
        Component(
            name="opencv-haar",
            summary="OpenCV's Haar cascade for frontal faces (Viola and Jones 2001).",
            factory=_haar,
            traits=frozenset({"default"}),
            requires=("cv2",),
            options=(
                Option(
                    "scale_factor",
                    "float",
                    1.1,
                    "How much larger each size that is searched is than the one before, above 1.",
                ),
                Option(
                    "min_neighbors",
                    "int",
                    5,
                    "How many overlapping windows make a face; fewer find more, and err more.",
                ),
                Option(
                    "min_size",
                    "int",
                    24,
                    "The side of the smallest face that is searched, pixels of the image.",
                ),
            ),
        )
    ]
