"""A detector with an option."""

from __future__ import annotations

from fxbench.errors import UsageError
from fxbench.types import Boxes, UInt8


class Upper:
    """The upper part of every image; no face in a black one."""

    def __init__(self, share: float) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"third-upper.share is {share:g}; expected is more than 0, up to 1.")
        self._share = share

    def detect(self, images: tuple[UInt8, ...]) -> Boxes:
        return Boxes.from_lists([self._boxes(image) for image in images])

    def _boxes(self, image: UInt8) -> list[tuple[float, float, float, float, float]]:
        height, width = image.shape[:2]
        return [(0.0, 0.0, width, height * self._share, 0.5)] if image.any() else []
