"""The two annotation files in a folder as a :class:`fxbench.protocols.Dataset`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fxbench.annotated import AnnotatedPhotos, Photo, read_annotations
from fxbench.errors import DataError
from fxbench.images import MAX_BYTES
from fxbench_dlibfaces.imglab import SCHEME, parse

if TYPE_CHECKING:
    from fxbench.component import Terms

FILES = {
    "test": "testing_with_face_landmarks.xml",
    "train": "training_with_face_landmarks.xml",
}


def load(path: str | Path, terms: Terms) -> AnnotatedPhotos:
    """The dataset in a folder.

    Args:
        path: holds at least one of :data:`FILES`, and the photos.
        terms: what the licence allows.

    Raises:
        DataError: neither file is there.
    """
    root = Path(path).expanduser()
    splits = {
        split: partial(_photos, root, root / name)
        for split, name in FILES.items()
        if (root / name).exists()
    }
    if not splits:
        raise DataError(
            f"{root} holds neither {' nor '.join(FILES.values())}: set dlib-faces.path to a copy "
            "of the folder examples/faces of https://github.com/davisking/dlib."
        )
    return AnnotatedPhotos("dlib-faces", root, splits, SCHEME, terms)


def _photos(root: Path, file: Path) -> tuple[Photo, ...]:
    return parse(read_annotations(file, root, MAX_BYTES), file, root)
