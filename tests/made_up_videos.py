"""Small videos whose frames can be told apart: frame k is plain, grey 16 + 8 * (k % 29)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cv2
import numpy as np
from fxbench_clips import fxbench_datasets

from fxbench.labels import EMOTIONS
from fxbench.video_dataset import VideoDataset

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.protocols import Videos
    from fxbench.types import Batch, UInt8

WIDTH, HEIGHT = 64, 48

COMPONENTS = {component.name: component for component in fxbench_datasets()}
HAPPY, SURPRISE, SAD, ANGRY, DISGUST = (
    EMOTIONS.index(name) for name in ("happiness", "surprise", "sadness", "anger", "disgust")
)


def plain(number: int) -> UInt8:
    """Frame `number`, its left third darker, so that one can see how it is turned."""
    picture = np.full((HEIGHT, WIDTH, 3), 16 + 8 * (number % 29), np.uint8)
    picture[:, : WIDTH // 3] //= 2
    return picture


def number_of(picture: UInt8) -> int:
    """Which frame a decoded picture is; codecs make it darker by up to 4."""
    return int(np.median(picture) - 10) // 8


def film(path: Path, frames: int = 30, fps: float = 25, codec: str = "mp4v") -> Path:
    """A video file, as its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, (WIDTH, HEIGHT)
    )
    assert writer.isOpened()
    for number in range(frames):
        writer.write(plain(number))
    writer.release()
    return path


def stills(folder: Path, numbers: range, name: str = "img{}.png") -> Path:
    """A folder of images, one for each frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, number in enumerate(numbers):
        cv2.imwrite(str(folder / name.format(number)), plain(index))
    return folder


def turn(path: Path) -> Path:
    """Make an MP4 file ask to be shown turned by 90 degrees, as telephones do."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def load(name: str, path: Path, **options: object) -> VideoDataset:
    component = COMPONENTS[name]
    defaults = {option.name: option.default for option in component.options}
    made = component.factory(**defaults | {"path": str(path)} | options)
    assert isinstance(made, VideoDataset)
    return made


def everything(dataset: Videos, split: str = "all", protocol: str = "frames") -> list[Batch]:
    return list(dataset.batches(split, dataset.answers(split, protocol).rows))


def labels(dataset: Videos, name: str, split: str = "all") -> list[int]:
    """Of the frames of a video."""
    clip = next(clip for clip in dataset.clips(split) if clip.name == name)
    answers = dataset.answers(split, "frames")
    assert answers.rows.tolist() == list(range(len(answers.rows)))
    return answers.labels[clip.first : clip.first + clip.frames].tolist()
