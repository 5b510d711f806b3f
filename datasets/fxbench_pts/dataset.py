"""A folder of photos and `.pts` files as a :class:`fxbench.protocols.Dataset`."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from fxbench.annotated import AnnotatedPhotos, Photo, read_annotations
from fxbench.errors import DataError, UsageError
from fxbench.images import SUFFIXES
from fxbench.schemes import point_count
from fxbench_pts.pts_file import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fxbench.component import Terms

_SPLITS = {
    "test": "test",
    "testset": "test",
    "valid": "valid",
    "val": "valid",
    "train": "train",
    "trainset": "train",
}
"""What a split's folder may be called, the split to evaluate by default first."""

_MAX_BYTES = 1_000_000


def load(path: str | Path, scheme: str, origin: int, terms: Terms) -> AnnotatedPhotos:
    """The dataset in a folder: a photo and one face for each `.pts` file.

    A file's photo has the same name and lies in the same folder. The face's box is that of its
    points: the smallest one that holds the pixels they lie in.

    Args:
        path: the folder; in it may lie the splits' folders, else the split is called `all`.
        scheme: of the points. One that is known by its name only may have any number of points,
            the same in all files.
        origin: what the files call the first pixel, 1 or 0.
        terms: what the licence allows.

    Raises:
        DataError: the folder can't be used.
        UsageError: another origin, or an empty scheme.
    """
    if origin not in (0, 1) or not scheme:
        raise UsageError(
            f"pts got the scheme {scheme!r} and the origin {origin}; expected are a name such as "
            "300w-68, and 1 (300-W's, as in Matlab) or 0 for the first pixel."
        )
    root = Path(path).expanduser()
    splits = {
        split: partial(_photos, root, files, scheme, origin) for split, files in _find(root).items()
    }
    return AnnotatedPhotos("pts", root, splits, scheme, terms)


def _find(root: Path) -> dict[str, tuple[Path, ...]]:
    """The `.pts` files by split."""
    if not root.is_dir():
        raise DataError(
            f"The folder {root} does not exist: set pts.path to one that holds photos with .pts "
            "files beside them."
        )
    found: dict[str, list[Path]] = {}
    for path in _files(root):
        first, *deeper = path.relative_to(root).parts
        split = _SPLITS.get(first.lower()) if deeper else None
        found.setdefault(split or "all", []).append(path)
    if not found:
        raise DataError(
            f"{root} holds no .pts file: expected is one for each photo, with its name, in the "
            "same folder."
        )
    if len(found) > 1 and "all" in found:
        named = ", ".join(split for split in found if split != "all")
        raise DataError(
            f"{root} holds .pts files in folders for the splits {named} and others beside those, "
            f"such as {found['all'][0]}: move these into a split, or set pts.path to one split's "
            "folder."
        )
    order = [*dict.fromkeys(_SPLITS.values()), "all"]
    return {
        split: tuple(sorted(found[split], key=lambda path: _id(path, root)))
        for split in order
        if split in found
    }


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            path = Path(folder, name)
            if path.is_symlink():
                raise DataError(
                    f"{path} is a link to a folder, which is not followed: put the files "
                    "themselves there."
                )
        for name in names:
            if name.lower().endswith(".pts") and not name.startswith("."):
                yield Path(folder, name)


def _unreadable(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename} can't be read: {error.strerror}.") from error


def _photos(root: Path, files: tuple[Path, ...], scheme: str, origin: int) -> tuple[Photo, ...]:
    photos = []
    beside: dict[Path, dict[str, list[Path]]] = {}
    count = point_count(scheme)
    for file in files:
        points = parse(read_annotations(file, root, _MAX_BYTES), file)
        if count is None:
            count = len(points)
        if len(points) != count:
            raise DataError(
                f"{file} has {len(points)} points, but {count} are expected of the scheme "
                f"{scheme}: name the files' own scheme with --set pts.scheme=NAME."
            )
        if file.parent not in beside:
            beside[file.parent] = _images(file.parent)
        images = beside[file.parent].get(file.stem, [])
        if len(images) > 1:
            raise DataError(
                f"{file} has more than one photo, {' and '.join(p.name for p in images)}: keep one."
            )
        path = images[0] if images else None
        xy = (points - origin).astype(np.float32)
        # A pixel's number is that of its middle: the point 3.7 lies in pixel 4.
        low, high = np.floor(xy.min(axis=0) + 0.5), np.floor(xy.max(axis=0) + 0.5) + 1
        box = np.concatenate([low, high]).astype(np.float32)
        photos.append(Photo(_id(path or file, root), path, box[None], xy[None]))
    (name, times), *_ = Counter(photo.id for photo in photos).most_common(1)
    if times > 1:
        raise DataError(
            f"{root / name} has {times} .pts files, whose names differ in the suffix's case: keep "
            "one."
        )
    return tuple(photos)


def _images(folder: Path) -> dict[str, list[Path]]:
    """The photos of a folder by their names without suffix."""
    images: dict[str, list[Path]] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
                images.setdefault(path.stem, []).append(path)
    except OSError as error:
        _unreadable(error)
    return images


def _id(path: Path, root: Path) -> str:
    # A name that isn't valid UTF-8 must not stop what writes it to a file.
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
