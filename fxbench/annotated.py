"""Photos in a folder with boxes and landmarks: what datasets of landmarks have in common.

A dataset plugin reads its own annotation files and gives the photos to :class:`AnnotatedPhotos`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxbench import images
from fxbench.component import Terms
from fxbench.errors import DataError, ImageError, UsageError
from fxbench.types import Answers, Batch, Failure, Float32, Frames, Int64, Points, Truth, UInt8

_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo and the faces that are annotated in it.

    Attributes:
        id: its name, unique within the split.
        path: its file; None where an annotation has no photo, which is then reported as unreadable.
        xyxy: float32 (F, 4), the faces' boxes in pixels.
        points: float32 (F, P, 2), their landmarks in pixels.
        size: its width and height, where the annotation says them: one that differs is reported as
            unreadable, since its boxes and points mean other pixels.
    """

    id: str
    path: Path | None
    xyxy: Float32
    points: Float32
    size: tuple[int, int] | None = None


class AnnotatedPhotos:
    """A :class:`fxbench.protocols.Dataset` of photos with boxes and landmarks, and no emotions.

    Every photo counts, and every face in it. Reading batches in one thread while another asks for
    answers is safe.

    Args:
        name: the component's, for messages.
        root: the folder that all photos must lie in.
        splits: for each split, in order, what reads its photos when they are first needed.
        scheme: of the landmarks.
        terms: what the licence allows.
    """

    protocols: tuple[str, ...] = ("faces",)

    def __init__(
        self,
        name: str,
        root: Path,
        splits: Mapping[str, Callable[[], tuple[Photo, ...]]],
        scheme: str,
        terms: Terms,
    ) -> None:
        self.splits = tuple(splits)
        self.terms = terms
        self.scheme: str | None = scheme
        self._points_scheme = scheme
        self._name = name
        self._root = root
        self._readers = dict(splits)
        self._photos: dict[str, tuple[Photo, ...]] = {}
        self._fingerprints: dict[str, str] = {}
        self._reading = threading.Lock()
        self._hashing = threading.Lock()

    def ids(self, split: str) -> tuple[str, ...]:
        """The name of every photo of the split, in order.

        Raises:
            UsageError: an unknown split.
            DataError: an annotation file can't be used.
        """
        return tuple(photo.id for photo in self._split(split))

    def answers(self, split: str, protocol: str) -> Answers:
        """Every photo of the split; none has a label.

        Raises:
            UsageError: an unknown split or protocol.
            DataError: an annotation file can't be used.
        """
        if protocol not in self.protocols:
            raise UsageError(
                f"The dataset {self._name} has no protocol {protocol!r}: it has "
                f"{', '.join(self.protocols)}."
            )
        count = len(self._split(split))
        return Answers(np.arange(count, dtype=np.int64), np.full(count, -1, np.int64))

    def batches(self, split: str, rows: Int64) -> Iterator[Batch]:
        """The photos of `rows` with the box and the points of each face, 16 photos at a time.

        Raises:
            UsageError: an unknown split.
            DataError: a row that the split doesn't have, or an annotation file that can't be used.
        """
        photos = self._split(split)
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(photos)):
            raise DataError(
                f"Rows {rows.min()} to {rows.max()} of {self._name}, split {split}, were asked "
                f"for: it has {len(photos)}."
            )
        for start in range(0, len(rows), _BATCH):
            yield self._batch(photos, rows[start : start + _BATCH])

    def fingerprint(self, split: str) -> str:
        """A hash of the photos' names and bytes, their faces' boxes and landmarks.

        Returns:
            SHA-256 in hexadecimal.

        Raises:
            UsageError: an unknown split.
            DataError: an annotation file can't be used.
        """
        photos = self._split(split)
        with self._hashing:
            if split not in self._fingerprints:
                digest = hashlib.sha256(f"{self._name} 1 {split} {self.scheme!r}\n".encode())
                for photo in photos:
                    try:
                        content = hashlib.sha256(self._read(photo)).hexdigest()
                    except ImageError:
                        content = "unreadable"
                    shape = photo.points.shape
                    digest.update(f"{photo.id!r} {photo.size} {shape} {content}\n".encode())
                    digest.update(photo.xyxy.astype("<f4").tobytes())
                    digest.update(photo.points.astype("<f4").tobytes())
                self._fingerprints[split] = digest.hexdigest()
            return self._fingerprints[split]

    def _batch(self, photos: tuple[Photo, ...], rows: Int64) -> Batch:
        pictures, read, failures = [], [], []
        for row in rows.tolist():
            try:
                pictures.append(self._image(photos[row]))
                read.append(row)
            except ImageError as error:
                failures.append(Failure(row, photos[row].id, str(error)))
        shown = [photos[row] for row in read]
        counts = [len(photo.xyxy) for photo in shown]
        # The first photo only gives the number of points, for a batch without any face.
        points = np.concatenate([photos[0].points[:0], *(photo.points for photo in shown)])
        xyxy = np.concatenate([photos[0].xyxy[:0], *(photo.xyxy for photo in shown)])
        return Batch(
            np.array(read, np.int64),
            Frames.stills(tuple(photo.id for photo in shown), tuple(pictures)),
            Truth(
                np.repeat(np.arange(len(shown), dtype=np.int64), counts),
                xyxy=xyxy,
                points=Points(points, self._points_scheme),
            ),
            tuple(failures),
        )

    def _image(self, photo: Photo) -> UInt8:
        image = images.decode(self._read(photo), photo.id)
        height, width = image.shape[:2]
        if photo.size not in (None, (width, height)):
            raise ImageError(
                f"{photo.id} is {width} x {height} pixels, but was annotated at "
                f"{photo.size[0]} x {photo.size[1]}: take the original photo."
            )
        return image

    def _read(self, photo: Photo) -> bytes:
        if photo.path is None:
            raise ImageError(f"{photo.id} is missing: there is no image for its annotation.")
        try:
            inside = photo.path.resolve().is_relative_to(self._root.resolve())
        except (OSError, RuntimeError):  # links in a circle
            inside = False
        if not inside:
            raise ImageError(f"{photo.id} leads out of {self._root}: it is not read.")
        return images.read(photo.path, self._root, photo.id)

    def _split(self, split: str) -> tuple[Photo, ...]:
        if split not in self._readers:
            raise UsageError(
                f"The dataset {self._name} in {self._root} has no split {split!r}: there is "
                f"{', '.join(self.splits)}."
            )
        with self._reading:
            if split not in self._photos:
                photos = self._readers[split]()
                if not photos:
                    raise DataError(f"The split {split} of {self._name} holds no photo.")
                self._photos[split] = photos
            return self._photos[split]


def read_annotations(path: Path, root: Path, limit: int) -> bytes:
    """The bytes of an annotation file of a dataset.

    Args:
        path: the file.
        root: the folder that it must lie in.
        limit: how many bytes it may have.

    Raises:
        DataError: it is missing, can't be read, is larger, or is a link that leads out of `root`.
    """
    try:
        data = images.read(path, root, str(path))
    except ImageError as error:
        raise DataError(str(error)) from error
    if len(data) > limit:
        raise DataError(
            f"{path} has {len(data):,} bytes, more than the {limit:,} that are read: it is "
            "no annotation file of this dataset."
        )
    return data
