"""The XML files of dlib's annotation tool imglab, with 68 landmarks a face."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NoReturn

# Expat is asked itself, since it tells the line. What makes XML from strangers dangerous, entities,
# needs a document type, and a file with one is refused before any entity is expanded.
from xml.parsers import expat

import numpy as np

from fxbench.annotated import Photo
from fxbench.errors import DataError
from fxbench.schemes import SCHEMES

SCHEME = "300w-68"

_COUNT = len(SCHEMES[SCHEME])
_FURTHEST = 1_000_000.0
_LONGEST = 300
_PARENTS = {"images": "dataset", "image": "images", "box": "image", "part": "box"}
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_PART = re.compile(r"[0-9]{1,3}")

_Attributes = dict[str, str]
_Box = tuple[float, float, float, float]


@dataclass(slots=True)
class _Face:
    line: int
    xyxy: _Box
    parts: dict[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class _Image:
    id: str
    path: Path
    size: tuple[int, int] | None
    faces: list[_Face] = field(default_factory=list)


def parse(data: bytes, file: Path, root: Path) -> tuple[Photo, ...]:
    """The photos that an annotation file names, in its order.

    An `<image file width height>` holds a `<box top left width height>` for each face, and each of
    those a `<part name x y>` for each of the 68 points, `00` to `67`. Width and height of an image
    may be missing. A box with `ignore='1'` is imglab's mark for what is neither a face nor
    background: it is left out.

    Args:
        data: the XML.
        file: where it came from, for messages.
        root: the folder that photos must lie in.

    Raises:
        DataError: it is no such file; the message says the line.
    """
    return _Reader(file, root).read(data)


class _Reader:
    """Takes what expat finds, element by element."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file = file
        self._root = root
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[str] = []
        self._images: dict[str, _Image] = {}
        self._image: _Image | None = None
        self._face: _Face | None = None
        self._handlers: dict[str, Callable[[_Attributes], None]] = {
            "image": self._add_image,
            "box": self._add_box,
            "part": self._add_part,
        }

    def read(self, data: bytes) -> tuple[Photo, ...]:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise DataError(
                f"{self._file}, line {error.lineno}: it is not well-formed XML "
                f"({expat.ErrorString(error.code)}): take the file anew."
            ) from error
        except (LookupError, ValueError) as error:  # of the encoding that it declares
            raise DataError(
                f"{self._file}: its encoding can't be read ({error}): save it as UTF-8."
            ) from error
        if not self._images:
            raise DataError(
                f"{self._file} names no image: expected is <dataset><images><image file=...>, as "
                "dlib's imglab writes it."
            )
        return tuple(_photo(image) for image in self._images.values())

    def _start(self, name: str, attributes: _Attributes) -> None:
        parent = self._open[-1] if self._open else None
        if parent is None and name != "dataset":
            self._fail(f"the root is <{name}>, but <dataset> is expected")
        if name in _PARENTS and _PARENTS[name] != parent:
            self._fail(f"<{name}> stands in <{parent}>, but belongs in <{_PARENTS[name]}>")
        self._open.append(name)
        handle = self._handlers.get(name)
        if handle is not None:
            handle(attributes)

    def _end(self, name: str) -> None:
        self._open.pop()
        if name == "box":
            self._finish_box()

    def _doctype(self, *_: object) -> None:
        self._fail("it declares a document type, which such files don't have; it is not read")

    def _add_image(self, attributes: _Attributes) -> None:
        name = self._text(attributes, "file", "image").replace("\\", "/")
        path = PurePosixPath(name)
        if not path.parts or path.anchor or PureWindowsPath(name).anchor or ".." in path.parts:
            self._fail(f"the image {name!r} is not a path inside the folder of the file")
        name = str(path)
        if name in self._images:
            self._fail(f"the image {name!r} is named twice: put its boxes into one <image>")
        size = None
        if "width" in attributes or "height" in attributes:
            width, height = (self._number(attributes, key, "image") for key in ("width", "height"))
            if not (width.is_integer() and height.is_integer() and min(width, height) >= 1):
                self._fail(f"the image {name!r} has no whole size of at least 1 x 1")
            size = (int(width), int(height))
        self._image = _Image(name, self._root / path, size)
        self._images[name] = self._image

    def _add_box(self, attributes: _Attributes) -> None:
        if attributes.get("ignore", "0") not in ("0", "false"):
            self._face = None
            return
        left, top, width, height = (
            self._number(attributes, key, "box") for key in ("left", "top", "width", "height")
        )
        if width <= 0 or height <= 0:
            self._fail(f"the box is {width:g} x {height:g} pixels: it must have an area")
        xyxy = (left, top, left + width, top + height)
        self._face = _Face(self._parser.CurrentLineNumber, xyxy)

    def _add_part(self, attributes: _Attributes) -> None:
        if self._face is None:
            return
        name = self._text(attributes, "name", "part")
        number = int(name) if _PART.fullmatch(name) else _COUNT
        if number >= _COUNT:
            self._fail(f"the part is called {name!r}: names from '00' to '{_COUNT - 1}' are known")
        if number in self._face.parts:
            self._fail(f"the box has the part {name!r} twice")
        x, y = (self._number(attributes, key, "part") for key in ("x", "y"))
        self._face.parts[number] = (x, y)

    def _finish_box(self) -> None:
        face, self._face = self._face, None
        if face is None or self._image is None:
            return
        lacking = [number for number in range(_COUNT) if number not in face.parts]
        if lacking:
            self._fail(
                f"the box has {len(face.parts)} parts, but {_COUNT} are expected, '00' to "
                f"'{_COUNT - 1}': '{lacking[0]:02d}' is the first that is missing",
                face.line,
            )
        self._image.faces.append(face)

    def _text(self, attributes: _Attributes, key: str, element: str) -> str:
        if not attributes.get(key):
            self._fail(f"<{element}> has no {key}")
        return attributes[key]

    def _number(self, attributes: _Attributes, key: str, element: str) -> float:
        text = self._text(attributes, key, element)
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not abs(value) <= _FURTHEST:
            self._fail(f"{key} of <{element}> is {text[:40]!r}, but a number of pixels is expected")
        return value

    def _fail(self, what: str, line: int | None = None) -> NoReturn:
        line = self._parser.CurrentLineNumber if line is None else line
        if len(what) > _LONGEST:
            what = f"{what[:_LONGEST]}..."
        raise DataError(f"{self._file}, line {line}: {what}.")


def _photo(image: _Image) -> Photo:
    points = [[face.parts[number] for number in range(_COUNT)] for face in image.faces]
    return Photo(
        image.id,
        image.path,
        np.array([face.xyxy for face in image.faces], np.float32).reshape(-1, 4),
        np.array(points, np.float32).reshape(-1, _COUNT, 2),
        image.size,
    )
