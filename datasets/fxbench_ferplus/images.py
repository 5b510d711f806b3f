"""Where the images of a split lie: in a folder, in a zip file, or in Kaggle's `fer2013.csv`.

Each class answers `image(file, number)`, safe to call from several threads: the picture of a row of
a label file, RGB uint8 (H, W, 3), or :class:`fxbench.errors.ImageError`. `label_csv()` is the
`label.csv` that lies beside the images, with its name for messages, or None.
"""

from __future__ import annotations

import lzma
import struct
import threading
import zipfile
import zlib
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fxbench import images
from fxbench.errors import DataError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fxbench.types import UInt8
    from fxbench_ferplus.label_files import NewLabels

LABEL_FILE = "label.csv"

_MAX_RATIO = 200
_HARMLESS_TOTAL = 100_000_000
_MAX_LINE = 65_536
_SIDE = 48
_UNREADABLE_ENTRY = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted entry; NotImplementedError, a compression that is not known
    ValueError,
    struct.error,
)


class ImageSource(Protocol):
    """The images of one split."""

    def image(self, file: str, number: int | None) -> UInt8:
        """The picture of a row of a label file."""
        ...

    def label_csv(self) -> tuple[bytes, str] | None:
        """The `label.csv` that lies beside the images, and its name."""
        ...


def read_text_file(path: Path) -> bytes:
    """A label file's bytes.

    Raises:
        DataError: it can't be read or is far larger than any label file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(images.MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error
    if len(data) > images.MAX_BYTES:
        raise DataError(f"{path} is larger than {images.MAX_BYTES // 1_000_000} MB: no label file.")
    return data


class FolderImages:
    """A folder of image files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def image(self, file: str, number: int | None) -> UInt8:  # noqa: ARG002 - files go by name
        """The picture in the file of that name."""
        what = f"{self._folder.name}/{file}"
        return images.decode(images.read(self._folder / file, self._folder, what), what)

    def label_csv(self) -> tuple[bytes, str] | None:
        """The folder's own label file."""
        path = self._folder / LABEL_FILE
        return (read_text_file(path), str(path)) if path.is_file() else None


class ZipImages:
    """A zip file that is read in place: nothing of it is ever written to disk.

    Opened when first used, and checked then: an entry that climbs out of its folder and a file that
    unpacks to far more than its size are refused before anything is unpacked.
    """

    def __init__(self, path: Path, folder: str) -> None:
        self._path = path
        self._folder = folder
        self._lock = threading.Lock()
        self._opened: tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]] | None = None

    def image(self, file: str, number: int | None) -> UInt8:  # noqa: ARG002 - files go by name
        """The picture in the entry of that name."""
        return images.decode(self._read(file), f"{self._path.name}/{file}")

    def label_csv(self) -> tuple[bytes, str] | None:
        """The label file in the zip."""
        if LABEL_FILE not in self._entries()[1]:
            return None
        try:
            return self._read(LABEL_FILE), f"{self._path}/{LABEL_FILE}"
        except ImageError as error:
            raise DataError(f"{error} Download {self._path.name} again.") from error

    def _read(self, file: str) -> bytes:
        archive, entries = self._entries()
        if file not in entries:
            raise ImageError(f"{self._path.name}/{file} is missing: it is not in the zip file.")
        try:
            # What an entry declares has been checked, and zipfile reads no more than that.
            return archive.read(entries[file])
        except _UNREADABLE_ENTRY as error:
            raise ImageError(f"{self._path.name}/{file} can't be unpacked: {error}.") from error

    def _entries(self) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
        with self._lock:
            if self._opened is None:
                archive = self._open()
                try:
                    self._opened = archive, self._check(archive.infolist())
                except DataError:
                    archive.close()
                    raise
            return self._opened

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except _UNREADABLE_ENTRY as error:
            raise DataError(
                f"{self._path} is no complete zip file ({error}): download it again."
            ) from error

    def _check(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        for info in infos:
            name = info.orig_filename
            if (
                name.startswith("/")
                or any(mark in name for mark in "\\:\0")
                or ".." in name.split("/")
            ):
                raise DataError(
                    f"{self._path} holds the entry {name!r}, which leads out of its folder: such a "
                    "file is not to be trusted, get it from its publisher."
                )
            if info.file_size > images.MAX_BYTES:
                raise DataError(
                    f"{self._path} holds the entry {name!r} of {info.file_size / 1e6:.0f} MB, more "
                    f"than the {images.MAX_BYTES // 1_000_000} MB that are read."
                )
        packed, unpacked = self._path.stat().st_size, sum(info.file_size for info in infos)
        if unpacked > max(_HARMLESS_TOTAL, _MAX_RATIO * packed):
            raise DataError(
                f"{self._path} has {packed / 1e6:.1f} MB and would unpack to "
                f"{unpacked / 1e6:.0f} MB: such a file is not to be trusted, get it from its "
                "publisher."
            )
        prefix = f"{self._folder}/"
        if not any(info.filename.startswith(prefix) for info in infos):
            prefix = ""
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            file = info.filename[len(prefix) :]
            if not info.filename.startswith(prefix) or "/" in file or not file:
                continue
            if file in entries:
                raise DataError(f"{self._path} holds {info.filename!r} twice: download it again.")
            entries[file] = info
        if not any(file.lower().endswith(images.SUFFIXES) for file in entries):
            raise DataError(
                f"{self._path} holds no images in {self._folder}/: expected is the folder of that "
                "split, zipped."
            )
        return entries


class CsvImages:
    """Kaggle's `fer2013.csv`: a picture is 48 x 48 numbers from 0 to 255 in the column `pixels`.

    Its rows are those of `fer2013new.csv`, in the same order. The file has 300 MB, so that only the
    position of each row is kept.
    """

    def __init__(self, path: Path, names: NewLabels) -> None:
        self._path = path
        self._names = names
        self._lock = threading.Lock()
        self._positions: list[int] | None = None
        self._column = 0
        # Where a name stands twice, the later row's picture is the one that FER+'s own generator
        # leaves on disk.
        self._number = {file: number for number, file in enumerate(names.files) if file}

    def image(self, file: str, number: int | None) -> UInt8:
        """The picture in row `number`, or in the row that `fer2013new.csv` gives that name."""
        number = self._number.get(file) if number is None else number
        if number is None:
            raise ImageError(f"{file} is missing: {self._names.where} doesn't name it.")
        what = f"{file} ({self._path.name}, row {number + 1})"
        try:
            with self._lock:
                position = self._index()[number]
                with self._path.open("rb") as lines:
                    lines.seek(position)
                    line = lines.readline(_MAX_LINE)
            pixels = bytes(map(_GREY.__getitem__, _fields(line)[self._column].split()))
        except (KeyError, IndexError) as error:
            raise ImageError(
                f"{what} is corrupt: its pixels are not numbers from 0 to 255."
            ) from error
        except OSError as error:
            raise ImageError(f"{what} can't be read: {error.strerror}.") from error
        if len(pixels) != _SIDE * _SIDE:
            raise ImageError(f"{what} is corrupt: it has {len(pixels)} pixels, not 48 x 48.")
        return np.frombuffer(pixels, np.uint8).reshape(_SIDE, _SIDE, 1).repeat(3, 2)

    def label_csv(self) -> tuple[bytes, str] | None:
        """Kaggle's layout has none."""
        return None

    def _index(self) -> list[int]:
        if self._positions is None:
            lines = self._lines()
            header = [name.decode("ascii", "replace") for name in _fields(next(lines, (0, b""))[1])]
            missing = [name for name in ("pixels", "Usage") if name not in header]
            if missing:
                raise DataError(
                    f"{self._path} lacks the column {', '.join(map(repr, missing))}: expected are "
                    "emotion, pixels, Usage. Use the file as Kaggle has it."
                )
            self._column, usage = header.index("pixels"), header.index("Usage")
            positions: list[int] = []
            for position, line in lines:
                self._check_row(len(positions), _fields(line), usage)
                positions.append(position)
            if len(positions) != len(self._names.files):
                raise DataError(self._mismatch(f"{len(positions):,} rows"))
            self._positions = positions
        return self._positions

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, each with its position in the file."""
        position = 0
        with self._path.open("rb") as lines:
            while line := lines.readline(_MAX_LINE):
                if len(line) == _MAX_LINE:
                    raise DataError(
                        f"{self._path} has a line of more than {_MAX_LINE:,} characters: use the "
                        "file as Kaggle has it."
                    )
                if line.strip():
                    yield position, line
                position += len(line)

    def _check_row(self, number: int, fields: list[bytes], usage: int) -> None:
        if number >= len(self._names.usages):
            raise DataError(self._mismatch("more rows"))
        word = fields[usage].decode("ascii", "replace") if usage < len(fields) else ""
        if word != self._names.usages[number]:
            raise DataError(self._mismatch(f"the usage {word!r} in row {number + 1}"))

    def _mismatch(self, what: str) -> str:
        return (
            f"{self._path} has {what}, which doesn't fit the {len(self._names.files):,} rows of "
            f"{self._names.where}: they are joined row by row, so use both files unchanged."
        )


_GREY = {str(value).encode(): value for value in range(256)}


def _fields(line: bytes) -> list[bytes]:
    return [field.strip(b' "\r\n') for field in line.split(b",")]
