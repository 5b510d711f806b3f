"""The faces of a video with their landmarks, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fxbench.frame_batches import frame_batches
from fxbench.outputs import located
from fxbench.prefetch import ahead
from fxbench.types import Bool, Boxes, Frames, Int64, Points
from fxbench.watching import Watch

if TYPE_CHECKING:
    from fxbench.protocols import Detector, Landmarker
    from fxbench.video import Reader


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Some frames of a video, one after another, with the faces in them.

    Attributes:
        number: int64 (N,), of each frame in the video, from 0 on.
        frames: the pictures and their times.
        boxes: the M faces with their tracks, `frame` an index into the N.
        detected: bool (M,): whether the detector found it there, and did not look elsewhere.
        points: its landmarks, a row for each box.
    """

    number: Int64
    frames: Frames
    boxes: Boxes
    detected: Bool
    points: Points


def locate(
    reader: Reader,
    numbers: Int64,
    detector: Detector,
    landmarker: Landmarker,
    name: str,
    *,
    every: int = 1,
) -> Iterator[Located]:
    """Find, follow and measure the faces of a video. It is read once, ahead of the finding.

    Args:
        reader: of the video.
        numbers: int64 (N,), the frames that are taken, ascending.
        detector: finds the faces.
        landmarker: locates their landmarks.
        name: of the landmarker, for messages.
        every: the detector looks at every so many of the frames; boxes are moved in between.

    Yields:
        Batches, in order, without a gap.

    Raises:
        ImageError: the video ends sooner, or a frame can't be decoded: after what comes before it.
        PluginError: what a component answers is not as it must be.
    """
    watch = Watch(every)
    batches = ahead(frame_batches(reader, numbers), 2)
    try:
        for number, frames in batches:
            due = watch.due(len(number))
            looked = tuple(frames.images[i] for i in due.tolist())
            found = detector.detect(looked) if looked else Boxes.from_lists([])
            boxes = watch.complete(frames, due, found)
            points = located(name, landmarker, frames.images, boxes)
            yield Located(number, frames, boxes, np.isin(boxes.frame, due), points)
    finally:
        batches.close()
