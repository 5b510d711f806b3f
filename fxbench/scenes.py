"""The pictures in which detectors look for faces: as they are, or corrupted."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fxbench.types import Batch, Frames, Int64, Points, Truth, UInt8, check_array


def corrupted(
    corruption: Any,
    name: str,
    severity: int,
    batch: Batch,
    points: Mapping[int, Points],
    *,
    placed: bool,
    seeds: Int64,
) -> Batch:
    """A batch whose pictures are corrupted.

    Args:
        corruption: a :class:`fxbench.protocols.Corruption`.
        name: its name, which the random numbers depend on, with the seed, and nothing else.
        severity: from 1 to 5.
        batch: the pictures as they are.
        points: of the face, by the index of each picture where they are known.
        placed: whether it is put onto them: a picture without points stays as it is.
        seeds: int64 (N,), one for each picture.

    Raises:
        PluginError: what the corruption returned is no picture of the same size.
    """
    sides = face_sides(batch)
    images: list[UInt8] = []
    for index, (seed, image) in enumerate(zip(seeds.tolist(), batch.frames.images, strict=True)):
        if placed and index not in points:
            images.append(image)
            continue
        answer: Any = corruption.corrupt(
            image,
            severity,
            random=np.random.default_rng((seed, zlib.crc32(name.encode()))),
            side=sides[index],
            points=points.get(index),
        )
        check_array(f"What {name} makes of a picture", answer, np.uint8, image.shape)
        images.append(answer)
    frames = Frames(batch.frames.ids, tuple(images), batch.frames.time_s)
    return replace(batch, frames=frames)


def face_sides(batch: Batch) -> list[float]:
    """The side of each picture's face in pixels.

    The square root of the area of its first true box; where none is known, the shorter side.
    """
    sides = [float(min(image.shape[:2])) for image in batch.frames.images]
    truth = batch.truth
    if truth is not None and truth.xyxy is not None:
        for frame, (x1, y1, x2, y2) in zip(
            truth.frame[::-1].tolist(), truth.xyxy[::-1].tolist(), strict=True
        ):
            area = (x2 - x1) * (y2 - y1)
            if area > 0:
                sides[frame] = float(np.sqrt(area))
    return sides


def true_points(truth: Truth) -> dict[int, Points]:
    """The landmarks of each picture's first face, by the picture's index, where all are known."""
    located: dict[int, Points] = {}
    if truth.points is None:
        return located
    for row, frame in enumerate(truth.frame.tolist()):
        xy = truth.points.xy[row : row + 1]
        if np.isfinite(xy).all():
            located.setdefault(frame, Points(xy, truth.points.scheme))
    return located
