"""What kind of video file is this? Told by its first bytes, before FFmpeg sees it."""

from __future__ import annotations

import stat
import struct
from pathlib import Path
from typing import Any

from fxbench.errors import ImageError

_ISO = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")
_STARTS = {
    b"RIFF": "avi",
    b"\x1a\x45\xdf\xa3": "matroska",
    b"FLV": "flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"\x00\x00\x01\xba": "mpeg",
    b"\x00\x00\x01\xb3": "mpeg",
    b"OggS": "ogg",
}
_TRANSPORT_PACKET = 188
_FLV_VIDEO, _FLV_INFO, _FLV_AVC = 9, 5, 7


def container(path: Path, root: Path | None) -> str:
    """The container, by the file's first bytes.

    FFmpeg also reads playlists, which name further files: these are no videos here.
    """
    name = shown(path)
    try:
        if root is not None and not path.resolve().is_relative_to(root.resolve()):
            raise ImageError(f"{name} leads out of {root}: it is not read.")
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise ImageError(f"{name} is not a plain file.")
        with path.open("rb") as file:
            start = file.read(_TRANSPORT_PACKET + 1)
            if not start:
                raise ImageError(f"{name} is an empty file, not a video.")
            if start[4:8] in _ISO:
                return "fragments" if _fragmented(file, info.st_size) else "iso"
    except FileNotFoundError as error:
        place = "" if name == str(path) else f": there is no {path}"
        raise ImageError(f"{name} is missing{place}.") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, Python < 3.13
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} can't be read: {reason}.") from error
    for first, form in _STARTS.items():
        if start.startswith(first):
            return form
    if start.startswith(b"version https://git-lfs"):
        raise ImageError(
            f"{name} stands for a file that Git LFS keeps: get it with `git lfs pull`."
        )
    if start[:1] == start[_TRANSPORT_PACKET:] == b"G":
        return "transport"
    raise ImageError(
        f"{name} is no video: expected is an MP4, MOV, AVI, Matroska, WebM, FLV, WMV, MPEG or Ogg "
        "file."
    )


def _fragmented(file: Any, size: int) -> bool:
    """Whether an MP4 file is in fragments: its header then doesn't say how many frames it has."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        if kind == b"moof":
            return True
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length < 8:
            return False
        position += length
    return False


def flv_frames(path: Path) -> int:
    """How many frames a Flash video has, by its tags: the file doesn't say, and decoding is slow.

    Adobe Flash Video File Format Specification 10.1, annex E.
    """
    count = 0
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(5)
        (position,) = struct.unpack(">I", file.read(4))
        position += 4
        while position + 13 <= size:
            file.seek(position)
            tag = file.read(13)
            length = int.from_bytes(tag[1:4])
            position += 11 + length + 4
            if tag[0] & 0x1F != _FLV_VIDEO or position > size or tag[11] >> 4 == _FLV_INFO:
                continue
            # Of H.264, packets other than 1 hold settings.
            count += tag[11] & 0x0F != _FLV_AVC or tag[12] == 1
    return count


def shown(path: Path) -> str:
    """The name of a file, for messages."""
    # A name that isn't valid UTF-8 must not stop what writes it to a file.
    return path.name.encode("utf-8", "backslashreplace").decode("utf-8")
