"""SMIC: micro-expressions cut from their onset to their offset, three classes.

Li, Pfister, Huang, Zhao & Pietikäinen (2013), A spontaneous micro-expression database: inducement,
collection and baseline, FG 2013.

Clips are folders of images: `HS/s1/micro/negative/s1_ne_01`. HS is a high-speed camera, VIS and NIR
are a normal and a near-infrared one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.video import image_files
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.component import Terms

RATES = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}
"""Frames per second of each camera."""


def load(root: Path, negative: str, terms: Terms) -> VideoDataset:
    """The dataset of a folder: a split for each camera.

    Args:
        root: the folder.
        negative: the emotion that the class of that name is taken for.
        terms: what the licence allows.

    Raises:
        DataError: it holds none of the cameras' folders.
    """
    layout.folder(root, "HS, VIS or NIR")
    found = {
        camera.name.upper(): camera
        for camera in (
            root,
            *layout.search(root, lambda path: path.is_dir() and path.name.upper() in RATES),
        )
        if camera.name.upper() in RATES
    }
    if not found:
        raise DataError(f"{root} holds no clips: expected is HS/s1/micro/negative/s1_ne_01.")
    labels = {
        "negative": EMOTIONS.index(negative),
        "positive": EMOTIONS.index("happiness"),
        "surprise": EMOTIONS.index("surprise"),
    }
    return VideoDataset(
        "smic",
        root,
        {
            name.lower(): partial(_videos, found[name], RATES[name], labels)
            for name in RATES
            if name in found
        },
        terms,
    )


def _videos(camera: Path, fps: float, labels: dict[str, int]) -> tuple[Video, ...]:
    return tuple(
        Video(clip.name, clip, labels[label.name.lower()], person.name, fps=fps, files=images)
        for person in layout.folders(camera)
        for micro in layout.folders(person)
        if micro.name.lower() == "micro"
        for label in layout.folders(micro)
        if label.name.lower() in labels
        for clip in layout.folders(label)
        if (images := image_files(clip))
    )
