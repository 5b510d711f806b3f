"""CASME II: micro-expressions cut from their onset to their offset.

Yan, Li, Wang, Zhao, Liu, Chen & Fu (2014), CASME II: an improved spontaneous micro-expression
database and the baseline evaluation, PLoS ONE 9(1).

A folder for each person (`sub01`) holds one for each clip (`EP02_01f`), in which the number of an
image is that of the frame: `reg_img46.jpg` in the cropped pictures, `img46.jpg` in the raw ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench.errors import DataError
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout
from fxbench_clips.sheets import Table, read

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.component import Terms

FPS = 200.0

_NAME = "CASME2-coding-20190701.xlsx"
_COLUMNS = ("Subject", "Filename", "OnsetFrame", "OffsetFrame", "Estimated Emotion")


def load(root: Path, repression: str, terms: Terms) -> VideoDataset:
    """The dataset of a folder. Its clips are read when they are first needed.

    Args:
        root: the folder.
        repression: the emotion that repression is taken for, or `none`.
        terms: what the licence allows.

    Raises:
        DataError: it is no folder.
    """
    layout.folder(root, f"sub01 and so on, and {_NAME}")
    return VideoDataset(
        "casme2",
        root,
        {"all": lambda: _videos(root, repression)},
        terms,
    )


def _videos(root: Path, repression: str) -> tuple[Video, ...]:
    path = layout.annotation_file(root, "casme2", _NAME)
    people = {
        number: person
        for person in layout.search(root, lambda one: _number(one) is not None)
        if (number := _number(person)) is not None
    }
    if not people:
        raise DataError(f"{root} holds no clips: expected is Cropped/sub01/EP02_01f.")
    found = []
    for line in Table(path, read(path, root)[0], _COLUMNS):
        subject = line.number("Subject")
        onset, offset = line.number("OnsetFrame"), line.number("OffsetFrame")
        if subject is None:
            continue  # a remark below the table
        if onset is None or offset is None:
            raise DataError(f"{line.where} has no onset or offset.")
        name = f"sub{subject:02}/{line.text('Filename')}"
        folder = people.get(subject, root / f"sub{subject:02}") / line.text("Filename")
        emotion = line.text("Estimated Emotion").lower()
        found.append(
            Video(
                name,
                folder,
                layout.emotion_of(repression if emotion == "repression" else emotion),
                f"sub{subject:02}",
                fps=FPS,
                files=layout.Numbered(folder).between(onset, offset),
            )
        )
    return tuple(found)


def _number(path: Path) -> int | None:
    """1 of `sub01`."""
    digits = path.name.lower().removeprefix("sub")
    if digits == path.name.lower() or not digits.isdigit() or not path.is_dir():
        return None
    return int(digits)
