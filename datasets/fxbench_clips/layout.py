"""What the readers have in common: finding files, and turning annotated numbers into frames."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

from fxbench.clips import Interval, kind_of
from fxbench.errors import DataError, ImageError
from fxbench.labels import EMOTIONS, canonical
from fxbench.video import frame_number, image_files, natural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

UNKNOWN = -1
"""The emotion of what has none of the eight."""


def emotion_of(name: str) -> int:
    """The index of an emotion, :data:`UNKNOWN` for others."""
    emotion = canonical(name)
    return UNKNOWN if emotion is None else EMOTIONS.index(emotion)


def folder(path: Path, what: str) -> Path:
    """The folder itself.

    Raises:
        DataError: it isn't there.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder: name the one that holds {what}.")
    return path


def entries(path: Path) -> tuple[Path, ...]:
    """What is in a folder, in natural order, without what begins with a dot.

    Raises:
        DataError: it can't be read.
    """
    try:
        found = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error
    return tuple(sorted(found, key=lambda entry: natural(entry.name)))


def folders(path: Path) -> tuple[Path, ...]:
    """The folders in a folder, in natural order."""
    return tuple(entry for entry in entries(path) if entry.is_dir())


def search(root: Path, wanted: Callable[[Path], bool], depth: int = 3) -> Iterator[Path]:
    """Files and folders below a folder, at most so deep; what is found is not searched.

    Links are not followed: what they lead to may be outside, or the same again.
    """
    for entry in entries(root):
        if wanted(entry):
            yield entry
        elif depth > 1 and entry.is_dir() and not entry.is_symlink():
            yield from search(entry, wanted, depth - 1)


def annotation_file(root: Path, beginning: str, example: str) -> Path:
    """The table of a dataset: the last by name of those that begin so, in a folder or one in it.

    Args:
        root: the folder.
        beginning: of its name, in lower case.
        example: its name as it is published, for the message.

    Raises:
        DataError: there is none.
    """
    found = [
        path
        for path in search(root, lambda path: path.name.lower().startswith(beginning), 2)
        if path.suffix.lower() in (".csv", ".xlsx") and path.is_file()
    ]
    if found:
        return max(found, key=lambda path: natural(path.name))
    raise DataError(
        f"{root} holds no annotations: expected is {example}, or its first sheet saved as CSV with "
        "the same beginning of the name. An old .xls file must be saved as .xlsx or CSV."
    )


class Numbered:
    """The images of a folder by the numbers in their names, which annotations mean.

    Args:
        path: the folder; one that can't be read has no images.
    """

    def __init__(self, path: Path) -> None:
        try:
            found = [(frame_number(file), file) for file in image_files(path)]
        except ImageError:
            found = []
        named = sorted((n, file) for n, file in found if n is not None)
        self.files = tuple(file for _, file in named)
        self._numbers = [number for number, _ in named]

    def index(self, number: int) -> int:
        """The frame that a number means, the nearest one after it where that is missing."""
        return bisect_left(self._numbers, number)

    def between(self, first: int, last: int) -> tuple[Path, ...]:
        """The images from one number to another, both included."""
        return self.files[bisect_left(self._numbers, first) : bisect_right(self._numbers, last)]


def interval(
    onset: int, apex: int | None, offset: int, fps: float, kind: str | None = None
) -> Interval:
    """An expression; its kind by its duration where it is not said.

    Args:
        onset: its first frame.
        apex: where it is strongest; one that lies outside is taken for not known.
        offset: its last frame.
        fps: frames per second.
        kind: `micro` or `macro`.
    """
    if apex is not None and not onset <= apex <= offset:
        apex = None
    rise = None if apex is None else (apex - onset) / fps
    return Interval(onset, apex, offset, kind or kind_of((offset - onset + 1) / fps, rise))


def in_order(
    intervals: Sequence[Interval], emotions: Sequence[int]
) -> tuple[tuple[Interval, ...], tuple[int, ...]]:
    """Intervals by their onsets, with their emotions."""
    pairs = sorted(
        zip(intervals, emotions, strict=True), key=lambda pair: (pair[0].onset, pair[0].offset)
    )
    return tuple(one for one, _ in pairs), tuple(emotion for _, emotion in pairs)
