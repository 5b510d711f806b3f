"""What detecting in every k-th frame costs in overlap, and what following costs in time.

docs/video.md has the figures. No test fails because something is slow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxbench import environment
from fxbench.between import Between
from fxbench.faces import iou
from fxbench.registry import discover
from fxbench.types import UInt8
from fxbench.video import VideoReader

pytestmark = pytest.mark.timeout(1800)

EVERY = (2, 5, 10)
VIDEOS = ("WolfgangLanger_Pexels.mp4", "single_face.mp4", "face_noface.mov")

Frame = tuple[UInt8, Any]
"""A picture with the boxes of its faces, float32 (m, 4)."""


class Drift:
    """How far the box of the first face is from the reference, where no detector looked."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.followed: list[float] = []
        self.left: list[float] = []
        self.lost = 0
        self._frames = 0
        self._seconds = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin another clip."""
        self._number = 0
        self._begin: Any = None
        self._between = Between()

    def see(self, frame: Frame) -> None:
        image, boxes = frame
        looked = self._number % self.every == 0
        self._number += 1
        if looked:
            self._begin = boxes[:1] if len(boxes) else None
        if self._begin is None:
            return
        start = time.thread_time()
        if looked:
            self._between.start(image, self._begin)
        else:
            moved = self._between.follow(image)
        self._seconds += time.thread_time() - start
        if looked:
            return
        self._frames += 1
        if np.isnan(moved).any():
            self.lost += 1
        elif len(boxes):
            self.followed.append(float(iou(moved, boxes[:1])[0]))
            self.left.append(float(iou(self._begin, boxes[:1])[0]))

    @property
    def line(self) -> str:
        overlaps = [
            f"{np.mean(overlap):.3f} | {np.quantile(overlap, 0.05):.3f}"
            for overlap in (self.followed, self.left)
        ]
        cost = f"{1e3 * self._seconds / self._frames:.2f}"
        return " | ".join([str(self.every), *overlaps, f"{self.lost} of {self._frames}", cost])


def synthetic(shared: Path) -> Iterator[Iterator[Frame]]:
    """The clips of `mini` with their true boxes."""
    dataset = discover().get("dataset", "mini-clips").component.factory()

    def frames(rows: range) -> Iterator[Frame]:
        for batch in dataset.batches("all", np.array(rows, np.int64)):
            yield from zip(batch.frames.images, batch.truth.xyxy[:, None], strict=True)

    for clip in dataset.clips("all"):
        yield frames(clip.rows)


def filmed(shared: Path) -> Iterator[Iterator[Frame]]:
    """Videos of people with what YuNet finds in every frame."""
    component = discover().get("detector", "opencv-yunet").component
    yunet = component.factory(**{option.name: option.default for option in component.options})

    def frames(path: Path) -> Iterator[Frame]:
        with VideoReader(path) as video:
            for _, _, image in video.read(range(video.info.frames)):
                yield image, yunet.detect((image,)).xyxy

    for name in VIDEOS:
        yield frames(shared / "data" / "video" / name)


@pytest.mark.parametrize("clips", [synthetic, filmed])
def test_how_far_boxes_drift_where_no_detector_looks(
    clips: Any,
    shared: Path,
    benchmark: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FXBENCH_WEIGHTS", str(shared / "weights"))
    environment.fix_threads(1)
    drifts = [Drift(every) for every in EVERY]

    def work() -> None:
        for clip in clips(shared):
            for drift in drifts:
                drift.restart()
            for frame in clip:
                for drift in drifts:
                    drift.see(frame)

    benchmark.pedantic(work, rounds=1)
    with capsys.disabled():
        print(f"\n{clips.__doc__} Every k-th frame looked at; then mean and 5 % quantile of the")
        print("overlap of boxes that were followed, and of boxes left in place; lost; ms a face:")
        for drift in drifts:
            print(drift.line)
    for drift in drifts:
        assert np.mean(drift.followed) > np.mean(drift.left)
