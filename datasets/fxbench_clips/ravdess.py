"""RAVDESS: actors who speak and sing, the emotion in the name of the file.

Livingstone & Russo (2018), The Ryerson audio-visual database of emotional speech and song
(RAVDESS), PLoS ONE 13(5). `02-01-06-01-02-01-12.mp4` is: modality, vocal channel, emotion,
intensity, statement, repetition, actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.component import Terms

_PARTS = 7
_CALM = "02"
_EMOTIONS = {
    "01": "neutral",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
_WITH_SOUND = "01"


def load(root: Path, calm: str, terms: Terms) -> VideoDataset:
    """The dataset of a folder.

    Args:
        root: the folder.
        calm: `skip`, or the emotion that calm is taken for.
        terms: what the licence allows.

    Raises:
        DataError: it is no folder.
    """
    layout.folder(root, "the .mp4 files")
    splits = {"all": lambda: _videos(root, calm)}
    return VideoDataset("ravdess", root, splits, terms)


def _videos(root: Path, calm: str) -> tuple[Video, ...]:
    emotions = _EMOTIONS if calm == "skip" else _EMOTIONS | {_CALM: calm}
    takes: dict[tuple[str, ...], Path] = {}
    for path in layout.search(root, lambda path: path.suffix.lower() == ".mp4", 6):
        parts = path.stem.split("-")
        if len(parts) != _PARTS or not all(part.isdigit() for part in parts):
            continue
        # The same take is published with sound and without: one of them is enough.
        take = (parts[-1], *parts[1:-1])
        if parts[2] in emotions and (take not in takes or parts[0] == _WITH_SOUND):
            takes[take] = path
    if not takes:
        raise DataError(f"{root} holds no videos: expected is Actor_01/02-01-06-01-02-01-01.mp4.")
    return tuple(
        Video(path.name, path, EMOTIONS.index(emotions[take[2]]), f"actor{take[0]}")
        for take, path in sorted(takes.items())
    )
