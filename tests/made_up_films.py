"""Made-up videos: grey squares whose level tells what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from made_up import Squares, Uniform

from fxbench.clips import Clip, Interval
from fxbench.types import Answers, Batch, Boxes, Failure, Frames, Points

LENGTHS = (12, 20, 9)
SHOWN = {0: Interval(4, 6, 8, "micro"), 2: Interval(2, 3, 7, "macro")}
FPS = 10.0


class Films(Squares):
    """Three clips at 10 frames per second. Frames of an expression are bright, the others dark."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.broken: set[int] = set()
        first = np.cumsum([0, *LENGTHS])
        self.labels = np.zeros(first[-1], np.int64)
        for clip, shown in SHOWN.items():
            self.labels[first[clip] + shown.onset : first[clip] + shown.offset + 1] = 1
        self._clips = tuple(
            Clip(
                f"{clip}.mp4",
                int(first[clip]),
                frames,
                FPS,
                int(clip in SHOWN),
                f"s{clip}",
                (SHOWN[clip],) if clip in SHOWN else (),
            )
            for clip, frames in enumerate(LENGTHS)
        )

    def clips(self, split: str) -> tuple[Clip, ...]:
        return self._clips

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(str(row) for row in range(len(self.labels)))

    def answers(self, split: str, protocol: str) -> Answers:
        return Answers(np.arange(len(self.labels)), self.labels)

    def batches(self, split: str, rows: np.ndarray) -> Iterator[Batch]:
        self.asked += rows.tolist()
        first = np.array([clip.first for clip in self._clips])
        here = first[np.searchsorted(first, rows, side="right") - 1]
        assert len(set(here.tolist())) == 1, "frames of two clips were asked for at once"
        good = np.array([row for row in rows.tolist() if row not in self.broken], np.int64)
        images = tuple(np.full((16, 16, 3), 40 + 160 * self.labels[r], np.uint8) for r in good)
        time_s = (good - here[0]) / FPS
        failures = [Failure(r, str(r), "torn") for r in rows.tolist() if r in self.broken]
        yield Batch(good, Frames(tuple(map(str, good)), images, time_s), None, tuple(failures))


class Bright(Uniform):
    """Bright faces are happy, others neutral; it counts them."""

    def __init__(self) -> None:
        self.faces = 0

    def predict(self, faces: np.ndarray) -> np.ndarray:
        self.faces += len(faces)
        answers = np.zeros((len(faces), 8), np.float32)
        answers[np.arange(len(faces)), (faces.mean(axis=(1, 2, 3)) > 100).astype(int)] = 1
        return answers


class Middle:
    """One point, in the middle of the face."""

    scheme = "middle"

    def locate(self, images: tuple[np.ndarray, ...], boxes: Boxes) -> Points:
        middle = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
        return Points(middle[:, None].astype(np.float32), self.scheme)


class Watcher:
    """Notes what it is given and finds what is bright."""

    def __init__(self) -> None:
        self.tracks: list[tuple[float, list[Any]]] = []

    def spot(self, track: Any) -> tuple[Interval, ...]:
        parts = list(track)
        self.tracks.append((track.fps, parts))
        frame = np.concatenate([part.frame for part in parts])
        levels = [image.mean() for part in parts for image in part.images]
        bright = frame[np.array(levels) > 100]
        if not len(bright):
            return ()
        onset, offset = int(bright[0]), int(bright[-1])
        kind = "micro" if (offset - onset + 1) / track.fps <= 0.5 else "macro"
        return (Interval(onset, (onset + offset) // 2, offset, kind),)
