"""CREMA-D: actors who speak sentences, the emotion in the name of the file.

Cao, Cooper, Keutmann, Gur, Nenkova & Verma (2014), CREMA-D: crowd-sourced emotional multimodal
actors dataset, IEEE Transactions on Affective Computing 5(4). `1001_DFA_ANG_XX.flv` is: actor,
sentence, emotion, level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.video import SUFFIXES
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.component import Terms

_PARTS = 4
_EMOTIONS = {
    "NEU": "neutral",
    "HAP": "happiness",
    "SAD": "sadness",
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
}


def load(root: Path, terms: Terms) -> VideoDataset:
    """The dataset of a folder.

    Raises:
        DataError: it is no folder.
    """
    layout.folder(root, "the .flv files")
    return VideoDataset("crema-d", root, {"all": lambda: _videos(root)}, terms)


def _videos(root: Path) -> tuple[Video, ...]:
    found: dict[str, Video] = {}
    for path in layout.search(root, lambda path: path.suffix.lower() in SUFFIXES, 6):
        parts = path.stem.split("_")
        if len(parts) == _PARTS and parts[2].upper() in _EMOTIONS:
            emotion = EMOTIONS.index(_EMOTIONS[parts[2].upper()])
            found.setdefault(path.stem, Video(path.stem, path, emotion, parts[0]))
    if not found:
        raise DataError(f"{root} holds no videos: expected is VideoFlash/1001_DFA_ANG_XX.flv.")
    return tuple(found[name] for name in sorted(found))
