"""A plugin for :mod:`fxbench.testing.latency_study`: a classifier that can be made slower.

It is installed nowhere; the study makes it known to the processes that it starts.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import fxbench
from fxbench.component import Component

if TYPE_CHECKING:
    from fxbench.types import Float32, UInt8

NAME = "slowed"
VARIABLE = "FXBENCH_STUDY_FACTOR"
"""How many times the work that it needs a prediction shall do."""
ORIGINAL = "emopy-onnx"


class Slowed:
    """Another classifier, which is given more work than it needs.

    Attributes:
        labels: the other's.
        face: the other's.
    """

    def __init__(self, original: Any, factor: float) -> None:
        self._original = original
        self._factor = factor
        self.labels = original.labels
        self.face = original.face

    def predict(self, faces: UInt8) -> Float32:
        """The other's answers, and then so much more work of this thread.

        By the processor's time, not the clock's: else the times in which other processes had the
        processor would be stretched as well, and more than the factor would be planted.
        """
        begin = time.thread_time_ns()
        answers: Float32 = self._original.predict(faces)
        end = begin + (time.thread_time_ns() - begin) * self._factor
        while time.thread_time_ns() < end:
            sum(range(20))
        return answers


def _factory() -> Slowed:
    from fxbench.registry import discover

    original = discover().get("classifier", ORIGINAL).component.factory()
    return Slowed(original, float(os.environ.get(VARIABLE, "1")))


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifier."""
    summary = f"{ORIGINAL}, slowed down by {VARIABLE}."
    return [Component(NAME, summary, _factory, requires=("onnxruntime",))]
