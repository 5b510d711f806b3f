"""Reading image files that a person or a dataset brings: bounded, and never a crash.

OpenCV decodes. The size of a picture is read from its header first, so that a small file that
unpacks to gigabytes is refused before any memory is taken for it.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from fxbench.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.types import UInt8

MAX_PIXELS = 100_000_000
"""The largest picture that is decoded, width times height."""

MAX_BYTES = 50_000_000
"""The largest file that is read."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
"""What image files are called, in lower case."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})

if "OPENCV_LOG_LEVEL" not in os.environ:
    # A picture that OpenCV can't read is reported by whoever asked for it, in one sentence.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode(data: bytes, what: str) -> UInt8:
    """The picture in a PNG, JPEG, BMP or WebP file.

    Grey becomes RGB with equal channels, an alpha channel is dropped, 16 bits become 8, a JPEG's
    EXIF orientation is applied.

    Args:
        data: the whole file.
        what: its name, for the message.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ImageError: the file is empty, corrupt, cut short, of another format, larger than
            :data:`MAX_BYTES`, or its picture has more than :data:`MAX_PIXELS` pixels.
    """
    if not data:
        raise ImageError(f"{what} is an empty file, not an image.")
    if len(data) > MAX_BYTES:
        raise ImageError(_too_large(what, len(data)))
    try:
        width, height = _dimensions(data)
    except (struct.error, IndexError) as error:
        raise ImageError(f"{what} is cut short: its header is not complete.") from error
    except ValueError as error:
        raise ImageError(f"{what} {error}.") from error
    if width < 1 or height < 1:
        raise ImageError(f"{what} has no pixels: its header says {width} x {height}.")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{what} is {width} x {height} pixels, more than the "
            f"{MAX_PIXELS // 1_000_000} megapixels that are read: make it smaller."
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ImageError(f"{what} is corrupt: OpenCV can't decode it.") from error
    if image is None:
        raise ImageError(f"{what} is corrupt or cut short: OpenCV can't decode it.")
    return cast("UInt8", image)


def read(path: Path, root: Path, what: str) -> bytes:
    """The bytes of an image file of a dataset.

    Args:
        path: the file.
        root: the folder that it must lie in: a symbolic link that leads out of it is refused.
        what: its name, for the message.

    Raises:
        ImageError: it is missing, can't be read, is no plain file, is larger than
            :data:`MAX_BYTES`, or is a link that leads out of `root`.
    """
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            raise ImageError(f"{what} is a link that leads out of {root}: it is not read.")
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise ImageError(f"{what} is not a plain file.")
        if info.st_size > MAX_BYTES:
            raise ImageError(_too_large(what, info.st_size))
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        place = "" if what == str(path) else f": there is no {path}"
        raise ImageError(f"{what} is missing{place}.") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, Python < 3.13
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{what} can't be read: {reason}.") from error


def _too_large(what: str, count: int) -> str:
    return (
        f"{what} is a file of {count / 1e6:.0f} MB, more than the {MAX_BYTES // 1_000_000} MB "
        "that are read: make it smaller."
    )


def _dimensions(data: bytes) -> tuple[int, int]:
    """Width and height by the header; ValueError completes the sentence '<file> ...'."""
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"BM"):
        if struct.unpack_from("<I", data, 14)[0] == 12:  # OS/2
            return cast("tuple[int, int]", struct.unpack_from("<HH", data, 18))
        width, height = struct.unpack_from("<ii", data, 18)
        return width, abs(height)  # a negative height: rows from top to bottom
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    raise ValueError("is not a PNG, JPEG, BMP or WebP image")


def _png(data: bytes) -> tuple[int, int]:
    """Walks the chunks: libpng would write of a broken one to standard error, past any handler."""
    if data[12:16] != b"IHDR":
        raise ValueError("is corrupt: a PNG begins with its header")
    width, height = struct.unpack_from(">II", data, 16)
    position = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise ValueError("is cut short: a chunk of the PNG is not complete")
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(memoryview(data)[position + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            raise ValueError("is corrupt: a checksum of the PNG is wrong")
        if kind == b"IEND":
            return width, height
        position = end + 4


def _jpeg(data: bytes) -> tuple[int, int]:
    position = 2
    while True:
        if data[position] != 0xFF:
            raise ValueError("is corrupt: a marker of the JPEG is missing")
        while data[position] == 0xFF:  # any number of them may stand before a marker
            position += 1
        marker = data[position]
        position += 1
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
        if marker in (0xD9, 0xDA):
            raise ValueError("is corrupt: the JPEG has no frame header")
        if marker not in _JPEG_BARE:
            position += struct.unpack_from(">H", data, position)[0]


def _webp(data: bytes) -> tuple[int, int]:
    form = data[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        if len(data) < 30:
            raise IndexError
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise ValueError("is corrupt: the WebP has no picture")
