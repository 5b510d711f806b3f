"""The faces of a video, frame after frame: looked for, followed in between, numbered by person."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fxbench.tracking import Followed, Tracker
from fxbench.types import Boxes, Float32, Float64, Frames, Int64


class Watch:
    """One video as one detector sees it. It is told of all its frames, in order, batch by batch."""

    def __init__(self, every: int | None) -> None:
        """Without a frame.

        Args:
            every: the detector looks at every so many frames; None for each.
        """
        self._every = every or 1
        self._seen = 0
        self._silence: str | None = None
        self._tracker = Tracker()
        if self._every > 1:
            from fxbench.between import Between

            self._between = Between()
        self._followed = Followed()
        self._xyxy: Float32 = np.zeros((0, 4), np.float32)
        self._score: Float32 = np.zeros(0, np.float32)

    def due(self, count: int) -> Int64:
        """Which of the next `count` frames the detector looks at, int64."""
        return np.flatnonzero((self._seen + np.arange(count)) % self._every == 0)

    def complete(self, frames: Frames, due: Int64, found: Boxes) -> Boxes:
        """The numbered boxes of all frames of a batch.

        Args:
            frames: the pictures.
            due: int64 (D,), which of them the detector looked at.
            found: what it found in those D.
        """
        boxes, scores = [], []
        place = {frame: index for index, frame in enumerate(due.tolist())}
        for frame, image in enumerate(frames.images):
            if frame in place:
                here = found.frame == place[frame]
                self._xyxy, self._score = found.xyxy[here], found.score[here]
                lost = True
            else:
                moved = self._between.follow(image)
                kept = np.isfinite(moved).all(axis=1)
                self._xyxy, self._score = moved[kept], self._score[kept]
                lost = not kept.all()
            if lost and self._every > 1:
                self._between.start(image, self._xyxy)
            boxes.append(self._xyxy)
            scores.append(self._score)
        self._seen += len(frames.images)
        counts = [len(some) for some in boxes]
        every = Boxes(
            np.repeat(np.arange(len(counts), dtype=np.int64), counts),
            np.concatenate(boxes),
            np.concatenate(scores),
            np.full(sum(counts), -1, np.int64),
        )
        return self._tracker.tracked(every, frames.time_s)

    def unanswered(self, count: int, due: Int64, silent: Mapping[int, str]) -> dict[int, str]:
        """The frames of a batch of which nothing is known, as a service gave no answer, and why.

        Args:
            count: how many frames it has.
            due: int64 (D,), which of them the detector looked at.
            silent: those of them that got no answer. Until the next that gets one, nobody is there
                to be followed.
        """
        looked = set(due.tolist())
        found = {}
        for frame in range(count):
            if frame in looked:
                self._silence = silent.get(frame)
            if self._silence is not None:
                found[frame] = self._silence
        return found

    def choose(self, boxes: Boxes, time_s: Float64) -> Int64:
        """The box of the person who is followed in each frame of a batch, int64; -1 for none."""
        return self._followed.choose(boxes, time_s)
