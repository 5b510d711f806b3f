"""SAMM Long Videos: long videos with micro- and macro-expressions.

Yap, Kendrick & Yap (2020), SAMM Long Videos: a spontaneous facial micro- and macro-expressions
dataset, FG 2020. Davison, Lansley, Costen, Tan & Yap (2018), SAMM: a spontaneous micro-facial
movement dataset, IEEE Transactions on Affective Computing 9(1), has the emotions of the
micro-expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench.clips import MACRO, MICRO
from fxbench.errors import DataError
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout
from fxbench_clips.sheets import Table, read

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.clips import Interval
    from fxbench.component import Terms
    from fxbench_clips.sheets import Line

FPS = 200.0

_NAME = "SAMM_LongVideos_V3_Release.xlsx"
_EMOTIONS = "samm_micro_facs"
_COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Offset", "Type")


def load(root: Path, terms: Terms) -> VideoDataset:
    """The dataset of a folder. Its videos are read when they are first needed.

    Raises:
        DataError: it is no folder.
    """
    layout.folder(root, f"SAMM_longvideos and {_NAME}")
    return VideoDataset("samm-lv", root, {"all": lambda: _videos(root)}, terms)


def _videos(root: Path) -> tuple[Video, ...]:
    path = layout.annotation_file(root, "samm_longvideos_v", _NAME)
    lines: dict[str, list[Line]] = {}
    for line in Table(path, read(path, root)[0], _COLUMNS):
        name = line.text("Filename")
        if name.count("_") >= 2:  # what stands below the table has none
            lines.setdefault("_".join(name.split("_")[:2]), []).append(line)
    emotions = _emotions(root)
    recordings = [
        entry
        for entry in layout.search(root, lambda one: one.is_dir() and _is_video(one.name))
        if entry.is_dir()
    ]
    absent = sorted(set(lines) - {entry.name for entry in recordings})
    if absent:
        raise DataError(
            f"{root} lacks {len(absent)} videos that {path.name} annotates, such as {absent[0]}: "
            f"expected is SAMM_longvideos/{absent[0]} with the frames."
        )
    return tuple(_video(entry, lines.get(entry.name, []), emotions) for entry in recordings)


def _is_video(name: str) -> bool:
    """`006_1`: person and video."""
    person, _, video = name.partition("_")
    return person.isdigit() and video.isdigit()


def _emotions(root: Path) -> dict[str, int]:
    """Those of the micro-expressions, where SAMM's own table is there."""
    found = list(
        layout.search(
            root,
            lambda path: (
                path.name.lower().startswith("samm_")
                and "micro_facs" in path.name.lower()
                and path.suffix.lower() in (".csv", ".xlsx")
            ),
            2,
        )
    )
    if not found:
        return {}
    table = Table(found[-1], read(found[-1], root)[0], ("Filename", "Estimated Emotion"))
    return {
        line.text("Filename"): layout.emotion_of(line.text("Estimated Emotion")) for line in table
    }


def _frame(line: Line, name: str) -> int:
    number = line.number(name) if line.text(name) else 0
    if number is None:
        raise DataError(
            f"{line.where} has {name} {line.text(name)!r}: expected is the number of a frame."
        )
    return number


def _video(entry: Path, lines: list[Line], emotions: dict[str, int]) -> Video:
    numbered = layout.Numbered(entry)
    intervals: list[Interval] = []
    shown = []
    for line in lines:
        first, top, last = (_frame(line, name) for name in ("Onset", "Apex", "Offset"))
        first, last = first or top, last or top
        if not 0 < first <= last:
            raise DataError(f"{line.where} has an expression from frame {first} to {last}.")
        onset, apex, offset = (numbered.index(number) for number in (first, top, last))
        offset = min(offset, len(numbered.files) - 1)  # two of the annotations end after the video
        if onset > offset:
            continue
        kind = MICRO if line.text("Type").lower().startswith(MICRO) else MACRO
        intervals.append(layout.interval(onset, apex if top else None, offset, FPS, kind))
        micro = kind == MICRO
        shown.append(emotions.get(line.text("Filename"), -1) if micro else layout.UNKNOWN)
    ordered, in_order = layout.in_order(intervals, shown)
    return Video(
        entry.name,
        entry,
        subject=entry.name.split("_")[0],
        intervals=ordered,
        emotions=in_order,
        fps=FPS,
        files=numbered.files,
    )
