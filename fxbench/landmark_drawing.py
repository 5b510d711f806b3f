"""The video with boxes and landmarks drawn into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fxbench.landmark_video import Located
from fxbench.overlay import Shown, annotate
from fxbench.recording import recording


class Drawing:
    """A video that is written while it is drawn, without sound. Use it in a `with` statement.

    Args:
        path: the file, `.mp4`.
        fps: frames per second, about.
        scheme: of the points. One whose contours are not known is drawn as dots.

    Raises:
        StoreError: it can't be written.
    """

    def __init__(self, path: Path, fps: float, scheme: str) -> None:
        self._scheme = scheme
        self._recording = recording(path, fps)

    def __enter__(self) -> Drawing:
        self._recording.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *others: object) -> None:
        self._recording.__exit__(kind, *others)

    def add(self, some: Located) -> None:
        """Draw the next frames.

        Raises:
            StoreError: the file can't be written.
        """
        for index, image in enumerate(some.frames.images):
            faces = [
                Shown(
                    some.boxes.xyxy[row],
                    int(some.boxes.track[row]),
                    points=some.points.xy[row],
                    scheme=self._scheme,
                    found=bool(some.detected[row]),
                )
                for row in np.flatnonzero(some.boxes.frame == index).tolist()
            ]
            self._recording.add(annotate(image, faces), float(some.frames.time_s[index]))
