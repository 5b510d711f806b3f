"""What is known of the images beside their emotions: a csv with a row for each."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from fxbench.types import Int64

IMAGE = "image"
SUBJECT = "subject"
"""The column that says whom an image shows: the images of one person depend on each other."""

_LISTED = 5


def read(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a csv, by the name of their image.

    Args:
        path: of the csv: a header with the column `image` (the path from the folder, with `/`) and
            others of any name.

    Returns:
        For each image its columns.

    Raises:
        DataError: the file can't be read, has no such column, or an image twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="", strict=True)
            columns = reader.fieldnames or []
            rows = [{k: v.strip() for k, v in row.items() if k} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} can't be read ({error}): folder.metadata must be a csv file in UTF-8."
        ) from error
    others = [name for name in columns if name != IMAGE]
    if IMAGE not in columns or not others or len(set(columns)) < len(columns):
        raise DataError(
            f"{path} has the columns {', '.join(columns) or 'none'}: expected is {IMAGE!r}, the "
            "path of each image from the folder, and others, each once."
        )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        name = row.pop(IMAGE)
        if name in found:
            raise DataError(f"{path} has the image {name!r} twice: keep one of the rows.")
        found[name] = row
    return found


def check(path: Path, known: Mapping[str, object], ids: set[str]) -> None:
    """See to it that all images that a csv names are there.

    Raises:
        DataError: one is not.
    """
    strange = [name for name in known if name not in ids]
    if strange:
        raise DataError(
            f"{path} names {len(strange)} images that the folder doesn't have, such as "
            f"{', '.join(map(repr, strange[:_LISTED]))}: the column {IMAGE!r} holds their paths "
            "from the folder, with '/'."
        )


def groups(
    known: Mapping[str, Mapping[str, str]], ids: Sequence[str]
) -> dict[str, npt.NDArray[np.str_]]:
    """Each column for some images, empty where an image has no row."""
    columns = dict.fromkeys(name for row in known.values() for name in row)
    return {
        name: np.array([known.get(one, {}).get(name, "") for one in ids], np.str_)
        for name in columns
    }


def clusters(columns: Mapping[str, npt.NDArray[np.str_]]) -> Int64 | None:
    """The images of one subject together; None where no column says whom they show.

    An image of which that isn't known stands by itself.
    """
    subjects = columns.get(SUBJECT)
    if subjects is None:
        return None
    _, person = np.unique(subjects, return_inverse=True)
    alone = len(subjects) + np.arange(len(subjects))
    return np.where(subjects == "", alone, person).astype(np.int64)
