"""Finding the splits of FER+ in a folder: three layouts, two label files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fxbench.errors import DataError, UsageError
from fxbench.images import SUFFIXES
from fxbench_ferplus.images import (
    LABEL_FILE,
    CsvImages,
    FolderImages,
    ImageSource,
    ZipImages,
    read_text_file,
)
from fxbench_ferplus.label_files import (
    USAGES,
    Labels,
    NewLabels,
    read_label_csv,
    read_new_labels,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEW_LABEL_FILE = "fer2013new.csv"
LABEL_FILES = (LABEL_FILE, NEW_LABEL_FILE)

FOLDERS = {"test": "FER2013Test", "valid": "FER2013Valid", "train": "FER2013Train"}
_KAGGLE_FILE = "fer2013.csv"
_EXPECTED = (
    "the folders FER2013Train, FER2013Valid or FER2013Test with images and label.csv, those "
    "folders as zip files, or Kaggle's fer2013.csv beside FER+'s fer2013new.csv"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A split that is there: its images, and how to read its labels."""

    images: ImageSource
    read_labels: Callable[[], Labels]


def find(path: Path, label_file: str) -> tuple[dict[str, Source], dict[str, str]]:
    """The splits in a folder.

    Args:
        path: the folder that holds the splits; or one split's folder or zip file itself.
        label_file: one of :data:`LABEL_FILES`.

    Returns:
        What is there by split, in the order test, valid, train; and for each other split why not.

    Raises:
        DataError: no split is there.
        UsageError: another label file.
    """
    if label_file not in LABEL_FILES:
        raise UsageError(
            f"ferplus.labels is {label_file!r}; it can be {' or '.join(map(repr, LABEL_FILES))}."
        )
    if not path.exists():
        raise DataError(
            f"The folder {path} does not exist: set ferplus.path to one that holds {_EXPECTED}."
        )
    splits, root = tuple(FOLDERS), path
    for split, folder in FOLDERS.items():
        if path.name in (folder, f"{folder}.zip"):
            splits, root = (split,), path.parent
    if not root.is_dir():
        raise DataError(f"{path} is not a folder: set ferplus.path to one that holds {_EXPECTED}.")
    tree = _Tree(root, label_file)
    found: dict[str, Source] = {}
    absent: dict[str, str] = {}
    for split in splits:
        try:
            source = tree.source(split)
        except OSError as error:
            raise DataError(f"{error.filename} can't be read: {error.strerror}.") from error
        if isinstance(source, Source):
            found[split] = source
        else:
            absent[split] = source
    if not found:
        reasons = " ".join(dict.fromkeys(reason for reason in absent.values() if reason))
        raise DataError(reasons or f"{path} holds no split of FER+: expected are {_EXPECTED}.")
    return found, absent


class _Tree:
    def __init__(self, root: Path, label_file: str) -> None:
        self._root = root
        self._label_file = label_file

    @cached_property
    def _new_labels(self) -> NewLabels:
        path = self._root / NEW_LABEL_FILE
        return read_new_labels(read_text_file(path), str(path))

    @cached_property
    def _kaggle_images(self) -> CsvImages:
        return CsvImages(self._root / _KAGGLE_FILE, self._new_labels)

    def source(self, split: str) -> Source | str:
        """The split, or why it can't be read; nothing of it there is an empty reason."""
        images = self._images(split)
        if isinstance(images, str):
            return images
        if self._label_file == NEW_LABEL_FILE:
            if not (self._root / NEW_LABEL_FILE).is_file():
                return (
                    f"{NEW_LABEL_FILE} is not in {self._root}: put it there, or set "
                    f"`--set ferplus.labels={LABEL_FILE}`."
                )
            return Source(images, lambda: self._new_labels.split(split))
        own = self._root / FOLDERS[split] / LABEL_FILE
        if isinstance(images, CsvImages) and not own.is_file():
            return (
                f"{self._root} holds Kaggle's {_KAGGLE_FILE}, which has no {LABEL_FILE}: set "
                f"`--set ferplus.labels={NEW_LABEL_FILE}`, or put FER+'s {LABEL_FILE} files into "
                "FER2013Train, FER2013Valid and FER2013Test there."
            )
        return Source(images, lambda: self._read_label_csv(images, own))

    def _images(self, split: str) -> ImageSource | str:
        folder = self._root / FOLDERS[split]
        if folder.is_dir() and any(
            file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            for file in folder.iterdir()
        ):
            return FolderImages(folder)
        archive = folder.with_name(f"{folder.name}.zip")
        if archive.is_file():
            return ZipImages(archive, folder.name)
        kaggle = self._root / _KAGGLE_FILE
        if kaggle.is_file():
            if not (self._root / NEW_LABEL_FILE).is_file():
                return (
                    f"{kaggle} has no image names: put FER+'s {NEW_LABEL_FILE} beside it, which "
                    "has them."
                )
            if USAGES[split] not in self._new_labels.usages:
                return ""
            return self._kaggle_images
        if (folder / LABEL_FILE).is_file():
            return (
                f"{folder} holds {LABEL_FILE} but no images: make them with the FER+ repository's "
                f"generate_training_data.py, or put Kaggle's {_KAGGLE_FILE} and FER+'s "
                f"{NEW_LABEL_FILE} into {self._root}."
            )
        return ""

    def _read_label_csv(self, images: ImageSource, own: Path) -> Labels:
        found = images.label_csv()
        if found is None and own.is_file():
            found = read_text_file(own), str(own)
        if found is None:
            raise DataError(
                f"{own} is missing: put FER+'s {LABEL_FILE} of that split beside the images, or "
                f"set `--set ferplus.labels={NEW_LABEL_FILE}` with that file in {self._root}."
            )
        return read_label_csv(*found)
