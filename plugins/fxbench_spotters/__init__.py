"""What finds expressions in videos: from landmarks, from motion in the picture, from emotions."""

from __future__ import annotations

from typing import Any

import fxbench
from fxbench.component import Component, Option

_SURE = "How far from rest the apex must be, {unit}; a higher one finds less, and errs less."


def _none() -> Any:
    from fxbench_spotters.floors import Nothing

    return Nothing()


def _everything() -> Any:
    from fxbench_spotters.floors import Everything

    return Everything()


def _landmark_motion(*, threshold: float) -> Any:
    from fxbench_spotters.landmark_motion import LandmarkMotion

    return LandmarkMotion(threshold)


def _optical_flow(*, threshold: float, main_direction: bool) -> Any:
    from fxbench_spotters.optical_flow import OpticalFlow

    return OpticalFlow(threshold, main_direction=main_direction)


def _emotion_change(*, threshold: float) -> Any:
    from fxbench_spotters.emotion_change import EmotionChange

    return EmotionChange(threshold)


@fxbench.hookimpl
def fxbench_spotters() -> list[Component]:
    """The spotters that are shipped."""
    return [
        Component(
            name="landmark-motion",
            summary="Peaks in the movement of brows, nose and mouth, by their landmarks.",
            factory=_landmark_motion,
            traits=frozenset({"default", "points"}),
            options=(
                Option(
                    "threshold",
                    "float",
                    0.04,
                    _SURE.format(unit="in distances between the eyes' outer corners"),
                ),
            ),
        ),
        Component(
            name="optical-flow",
            summary="Peaks in how far optical flow carries regions of brows, nose and mouth.",
            factory=_optical_flow,
            traits=frozenset({"default", "points"}),
            options=(
                Option(
                    "threshold",
                    "float",
                    0.03,
                    _SURE.format(unit="in distances between the eyes' outer corners"),
                ),
                Option(
                    "main_direction",
                    "bool",
                    False,
                    "Average only the flow that goes where most of a region's does.",
                ),
            ),
        ),
        Component(
            name="emotion-change",
            summary="Peaks in how far a classifier's answers are from those at rest.",
            factory=_emotion_change,
            traits=frozenset({"default", "probabilities"}),
            options=(
                Option(
                    "threshold", "float", 0.2, _SURE.format(unit="Hellinger's distance, 0 to 1")
                ),
            ),
        ),
        Component(
            name="spot-none",
            summary="No expression, ever: the floor for spotters.",
            factory=_none,
            traits=frozenset({"default", "floor"}),
        ),
        Component(
            name="spot-everything",
            summary="Each clip is one expression from its first frame to its last: another floor.",
            factory=_everything,
            traits=frozenset({"default", "floor"}),
        ),
    ]
