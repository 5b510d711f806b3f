"""Finding the labelled images in a tree of folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fxbench.errors import DataError, UsageError
from fxbench.images import SUFFIXES
from fxbench.labels import EMOTIONS, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SPLITS = {"test": "test", "valid": "valid", "val": "valid", "train": "train"}
"""What a split's folder may be called, the split to evaluate by default first."""

_SKIP = "skip"
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Item:
    """An image: its name (the path from the root, with `/`), its file, and its emotion's index."""

    id: str
    path: Path
    label: int


def parse_labels(text: str) -> dict[str, int | None]:
    """The label map `folder=emotion,folder=emotion`.

    Returns:
        By folder, an index into EMOTIONS; None for a folder that is to be skipped.

    Raises:
        UsageError: the text is no such list.
    """
    labels: dict[str, int | None] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        folder, equals, word = (piece.strip() for piece in part.partition("="))
        emotion = canonical(word)
        if not folder or not equals or (emotion is None and word != _SKIP):
            raise UsageError(
                f"folder.labels has the part {part!r}; expected is 'folder=emotion', with one of "
                f"{', '.join(EMOTIONS)}, or {_SKIP} to leave the folder out."
            )
        if folder in labels:
            raise UsageError(f"folder.labels names the folder {folder!r} twice: keep one of them.")
        labels[folder] = None if emotion is None else EMOTIONS.index(emotion)
    return labels


def find(root: Path, labels: Mapping[str, int | None]) -> dict[str, tuple[Item, ...]]:
    """The images below `root` by split, in the order test, valid, train; or all in `all`.

    An image lies in a label's folder or in a folder directly inside that. Files of other types and
    names that begin with a dot are passed over.

    Args:
        root: holds the labels' folders, or the splits' folders with those inside.
        labels: from :func:`parse_labels`; other folders mean what their names say.

    Raises:
        DataError: there are no images, a folder with images has no emotion, or a link leads out of
            `root`.
    """
    if not root.is_dir():
        raise DataError(
            f"The folder {root} does not exist: set folder.path to one that holds a folder of "
            "images for each emotion."
        )
    try:
        return _find(root, labels)
    except OSError as error:
        raise DataError(f"{error.filename} can't be read: {error.strerror}.") from error


def _find(root: Path, labels: Mapping[str, int | None]) -> dict[str, tuple[Item, ...]]:
    folders = [path for path in _entries(root, root) if path.is_dir()]
    named: dict[str, list[Path]] = {}
    for folder in folders:
        split = _SPLITS.get(folder.name.lower())
        if split and any(path.is_dir() for path in _entries(folder, root)):
            named.setdefault(split, []).append(folder)
    for split, places in named.items():
        if len(places) > 1:
            names = " and ".join(place.name for place in places)
            raise DataError(f"{root} holds {names}, which both mean the split {split}: keep one.")
    if not named:
        images = _labelled(root, root, labels)
        if not images:
            raise DataError(_nothing(root))
        return {"all": images}
    beside = [folder.name for folder in folders if _label(folder.name, labels) is not None]
    if beside:
        raise DataError(
            f"{root} holds splits and beside them the label folders {', '.join(beside)}: move "
            "those into a split, or set folder.path to one split's folder."
        )
    splits = {
        split: _labelled(named[split][0], root, labels)
        for split in dict.fromkeys(_SPLITS.values())
        if split in named
    }
    splits = {split: images for split, images in splits.items() if images}
    if not splits:
        raise DataError(_nothing(root))
    return splits


def _labelled(place: Path, root: Path, labels: Mapping[str, int | None]) -> tuple[Item, ...]:
    items: list[Item] = []
    unknown: list[str] = []
    for folder in _entries(place, root):
        if not folder.is_dir() or labels.get(folder.name, 0) is None:
            continue
        label = _label(folder.name, labels)
        images = list(_images(folder, root))
        if images and label is None:
            unknown.append(folder.name)
        elif label is not None:
            items += (Item(_id(image, root), image, label) for image in images)
    if unknown:
        shown = ", ".join(unknown[:_LISTED]) + (", ..." if len(unknown) > _LISTED else "")
        raise DataError(
            f"{place} holds folders whose names are no emotion: {shown}. Say what each means, or "
            f"skip it: `--set folder.labels={unknown[0]}=happiness` or "
            f"`--set folder.labels={unknown[0]}={_SKIP}`, several joined by commas; the emotions "
            f"are {', '.join(EMOTIONS)}."
        )
    return tuple(sorted(items, key=lambda item: item.id))


def _images(folder: Path, root: Path) -> Iterator[Path]:
    for path in _entries(folder, root):
        if path.is_dir():
            yield from (inner for inner in _entries(path, root) if _is_image(inner))
        elif _is_image(path):
            yield path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def _entries(folder: Path, root: Path) -> Iterator[Path]:
    """What a folder holds, by name, hidden names left out."""
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.name.startswith("."):
            continue
        if path.is_symlink() and not _leads_inside(path, root):
            raise DataError(
                f"{path} is a link that leads out of {root}, which is not followed: put the images "
                "themselves there."
            )
        yield path


def _leads_inside(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def _label(folder: str, labels: Mapping[str, int | None]) -> int | None:
    if folder in labels:
        return labels[folder]
    emotion = canonical(folder)
    return None if emotion is None else EMOTIONS.index(emotion)


def _id(path: Path, root: Path) -> str:
    # A name that isn't valid UTF-8 must not stop what writes it to a file.
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _nothing(root: Path) -> str:
    return (
        f"{root} holds no labelled images: expected is one folder for each emotion "
        f"({', '.join(EMOTIONS)}) with {', '.join(suffix[1:] for suffix in SUFFIXES)} files."
    )
