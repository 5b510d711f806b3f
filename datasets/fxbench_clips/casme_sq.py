"""CAS(ME)^2: long videos with micro- and macro-expressions.

Qu, Wang, Yan, Li, Wu & Fu (2018), CAS(ME)^2: a database for spontaneous macro-expression and
micro-expression spotting and recognition, IEEE Transactions on Affective Computing 9(4).

The annotations, `CAS(ME)^2code_final.xlsx`, have no header. The first sheet has a line for each
expression: number of the participant, name of the video and of the expression in it (`anger1_2`),
onset, apex, offset, action units, emotion (positive, negative, surprise, others), type, and the
emotion that the participant reported. The second sheet names the folders of participants, the third
the codes of videos. As CSV these two are called `naming_rule1.csv` and `naming_rule2.csv`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fxbench.clips import MACRO, MICRO
from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.video_dataset import Video, VideoDataset
from fxbench_clips import layout
from fxbench_clips.sheets import read, whole

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.clips import Interval
    from fxbench.component import Terms
    from fxbench_clips.sheets import Row

FPS = 30.0

_NEGATIVE = ("sadness", "anger", "disgust", "fear")
_NAME = "CAS(ME)^2code_final.xlsx"
_COLUMNS = 8


def load(root: Path, terms: Terms) -> VideoDataset:
    """The dataset of a folder. Its videos are read when they are first needed.

    Raises:
        DataError: it is no folder.
    """
    layout.folder(root, f"rawpic and {_NAME}")
    return VideoDataset("casme-sq", root, {"all": lambda: _videos(root)}, terms)


def _videos(root: Path) -> tuple[Video, ...]:
    path = layout.annotation_file(root, "cas(me)^2code", _NAME)
    main, subjects, codes = _sheets(path, root)
    lines: dict[tuple[str, str], list[Row]] = {}
    for row in main:
        number, name = whole(row[0]), row[1].strip().rsplit("_", 1)[0]
        if number not in subjects or name not in codes:
            raise DataError(
                f"{path} has an expression of participant {row[0]} in {row[1]}, which its other "
                "sheets don't name: take them as they are published, in CSV as naming_rule1.csv "
                "and naming_rule2.csv."
            )
        lines.setdefault((subjects[number], codes[name]), []).append(row)
    found = [
        _video(entry, lines.pop((_subject(entry.parent.name), _code(entry)), []))
        for entry in _recordings(root)
    ]
    if lines:
        subject, code = next(iter(lines))
        raise DataError(
            f"{root} lacks {len(lines)} videos that {path.name} annotates, such as {code} of "
            f"s{subject}: expected is rawpic/s15/15_0101disgustingteeth with the frames."
        )
    return tuple(found)


def _sheets(path: Path, root: Path) -> tuple[list[Row], dict[int, str], dict[str, str]]:
    sheets = read(path, root)
    if path.suffix.lower() == ".csv":
        for name in ("naming_rule1.csv", "naming_rule2.csv"):
            sheets += read(path.with_name(name), root)
    if len(sheets) < 3:
        raise DataError(f"{path} has {len(sheets)} sheets: expected are the three of {_NAME}.")
    main = [row for row in sheets[0] if len(row) >= _COLUMNS and whole(row[0]) is not None]
    # Their first line may be a header, and has no numbers.
    subjects = {
        number: _subject(row[1])
        for row in sheets[1]
        if len(row) > 2 and (number := whole(row[2])) is not None
    }
    codes = {
        row[1].strip(): f"{code:04}"
        for row in sheets[2]
        if len(row) > 1 and (code := whole(row[0])) is not None
    }
    if not main:
        raise DataError(f"{path} has no expression on its first sheet: expected is {_NAME}.")
    return main, subjects, codes


def _subject(text: str) -> str:
    """`s15` and `15` are the same."""
    return text.strip().lower().lstrip("s")


def _code(entry: Path) -> str:
    """`0101` of `15_0101disgustingteeth`."""
    return entry.name.partition("_")[2][:4]


def _recordings(root: Path) -> tuple[Path, ...]:
    """The folders of frames, or else the videos."""
    for name in ("rawpic", "rawvideo"):
        for folder in layout.search(root, partial(_is_folder, name), 2):
            inner = folder / name
            people = layout.folders(inner if inner.is_dir() else folder)
            found = [
                entry
                for person in people
                for entry in layout.entries(person)
                if _code(entry).isdigit() and entry.is_dir() == (name == "rawpic")
            ]
            if found:
                return tuple(found)
    raise DataError(f"{root} holds no videos: expected is rawpic/s15/15_0101disgustingteeth.")


def _is_folder(name: str, path: Path) -> bool:
    return path.name == name and path.is_dir()


def _video(entry: Path, lines: list[Row]) -> Video:
    numbered = layout.Numbered(entry) if entry.is_dir() else None
    intervals: list[Interval] = []
    emotions = []
    for row in lines:
        first, top, last = (whole(row[column]) or 0 for column in (2, 3, 4))
        last = last or top  # so the authors' baseline reads an offset of 0
        if not 0 < first <= last:
            raise DataError(
                f"The annotations of {entry.name} have an expression from frame {first} to {last}."
            )
        if numbered is None:
            onset, apex, offset = first - 1, top - 1, last - 1
        else:
            onset, apex, offset = (numbered.index(number) for number in (first, top, last))
            offset = min(offset, len(numbered.files) - 1)
            if onset > offset:
                continue  # in none of the frames that are there
        kind = MICRO if row[7].strip().lower().startswith(MICRO) else MACRO
        intervals.append(layout.interval(onset, apex if top else None, offset, FPS, kind))
        emotions.append(_emotion(row))
    ordered, shown = layout.in_order(intervals, emotions)
    subject = _subject(entry.parent.name)
    return Video(
        f"s{subject}/{entry.name}",
        entry,
        subject=f"s{subject}",
        intervals=ordered,
        emotions=shown,
        fps=FPS,
        files=None if numbered is None else numbered.files,
    )


def _emotion(row: Row) -> int:
    """Of a negative expression the one that its participant reported, where that is negative."""
    group = row[6].strip().lower()
    if group == "positive":
        return EMOTIONS.index("happiness")
    if group != "negative":
        return layout.emotion_of(group)
    reported = layout.emotion_of(row[8] if len(row) > _COLUMNS else "")
    named = reported >= 0 and EMOTIONS[reported] in _NEGATIVE
    return reported if named else layout.UNKNOWN
