"""Which files are photos and which are videos, and how a photo is read.

Nothing is decoded before its size is known: see :mod:`fxbench.images` and :mod:`fxbench.video`,
which have the limits.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxbench import images, video
from fxbench.errors import ImageError
from fxbench.types import UInt8

PHOTO, VIDEO = "photo", "video"

_LONGEST_NAME = 80
_ODD = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True, slots=True)
class Media:
    """A file to be analysed.

    Attributes:
        path: of it.
        kind: `photo` or `video`, by its name.
    """

    path: Path
    kind: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What was named and can't be analysed: its path as a text, and why, one sentence."""

    path: str
    reason: str


def find(
    paths: Iterable[str | Path], without: Path | None = None
) -> tuple[tuple[Media, ...], tuple[Refused, ...]]:
    """The photos and videos that are named, each once, in the order in which they were named.

    Args:
        paths: files; folders, of which all photos and videos are taken, those of their folders too;
            and patterns such as `clips/*.mp4`, where no file has that very name. Hidden files of a
            folder are left out, and links to folders are not followed.
        without: a folder that is left out: the one that is written to.

    Returns:
        What is there, and what is not.
    """
    found: dict[str, Media] = {}
    refused: list[Refused] = []
    for given in paths:
        path = Path(given).expanduser()
        try:
            own = _of(path, without)
        except ImageError as error:
            refused.append(Refused(str(given), str(error)))
            continue
        for media in own:
            found.setdefault(os.path.realpath(media.path), media)
    return tuple(found.values()), tuple(refused)


def kind_of(path: Path) -> str | None:
    """`photo` or `video`, by what the file is called; None for neither."""
    suffix = path.suffix.lower()
    if suffix in images.SUFFIXES:
        return PHOTO
    return VIDEO if suffix in video.SUFFIXES else None


def _of(path: Path, without: Path | None) -> list[Media]:
    try:
        if path.is_dir():
            return _in(path, without)
        there = os.path.lexists(path)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} can't be read: {error}.") from error
    if not there and glob.has_magic(str(path)):
        # Path.glob takes no absolute pattern.
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)), key=_natural)  # noqa: PTH207
        some = [
            media
            for match in matches
            for media in (_in(match, without) if match.is_dir() else _one(match))
        ]
        if not some:
            raise ImageError(f"No photo or video is called like {path}.")
        return some
    if not there:
        raise ImageError(f"There is no {path}: name a photo, a video, a folder or a pattern.")
    kind = kind_of(path)
    if kind is None:
        raise ImageError(
            f"{path} is no photo ({', '.join(images.SUFFIXES)}) and no video "
            f"({', '.join(video.SUFFIXES)}) by its name."
        )
    return [Media(path, kind)]


def _one(path: Path) -> list[Media]:
    kind = kind_of(path)
    return [] if kind is None else [Media(path, kind)]


def _in(folder: Path, without: Path | None) -> list[Media]:
    out = None if without is None else without.absolute().resolve()
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        place = Path(root)
        if out is not None and place.resolve() == out:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [place / name for name in files if not name.startswith(".")]
    some = [media for path in sorted(found, key=_natural) for media in _one(path)]
    if not some:
        raise ImageError(f"{folder} holds no photo and no video.")
    return some


def _natural(path: Path) -> list[object]:
    return [video.natural(part) for part in path.parts]


def names(media: Sequence[Media]) -> tuple[str, ...]:
    """What the files that are written of each are called, without an ending: none twice.

    It is the file's name without its ending, with what may trouble a system replaced. Where several
    would be called alike the ending is added, as in `clip-mov`, and where that is not enough, a
    hash of the path.
    """
    paths = [one.path for one in media]
    stems = [_plain(path, path.stem) for path in paths]
    named = [f"{stem}-{_plain(path, path.suffix)}" for stem, path in zip(stems, paths, strict=True)]
    hashed = [f"{name}-{_hash(path)}" for name, path in zip(named, paths, strict=True)]
    often, often_named = _counts(stems), _counts(named)
    return tuple(
        stem if often[stem.casefold()] == 1 else name if often_named[name.casefold()] == 1 else own
        for stem, name, own in zip(stems, named, hashed, strict=True)
    )


def _counts(texts: Sequence[str]) -> Counter[str]:
    """How often each is there, on a system that doesn't tell capital letters."""
    return Counter(text.casefold() for text in texts)


def _plain(path: Path, part: str) -> str:
    text = os.fsencode(part).decode(errors="replace")
    return _ODD.sub("_", text).strip("._")[-_LONGEST_NAME:] or _hash(path)


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:8]


def read_photo(path: Path) -> UInt8:
    """A photo, RGB uint8 (H, W, 3).

    Raises:
        ImageError: it is missing, no plain file, damaged, or too large; see
            :func:`fxbench.images.decode`.
    """
    place = path.resolve()  # a link that a person names may lead anywhere
    return images.decode(images.read(place, place.parent, path.name), path.name)
