"""The `.pts` format, version 1, as 300-W and others use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from fxbench.errors import DataError
from fxbench.types import Float64

_FURTHEST = 1_000_000.0
_MOST_POINTS = 10_000
_HEADER = re.compile(r"(version|n_points)\s*:\s*([0-9]{1,6})(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def parse(data: bytes, file: Path) -> Float64:
    """The points in a file, with its own origin.

        version: 1
        n_points: 68
        {
        446.000 91.000
        ...
        }

    Args:
        data: the file's contents. Blank lines, and lines that begin with `#` or `//`, are passed
            over.
        file: its name, for messages.

    Returns:
        float64 (P, 2).

    Raises:
        DataError: it is no such file; the message says the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _fail(file, data.count(b"\n", 0, error.start) + 1, "it is not text")
    count: int | None = None
    points: list[tuple[float, float]] | None = None
    closed = False
    number = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", "//")):
            continue
        if closed:
            _fail(file, number, f"{line[:40]!r} stands after the closing brace")
        if points is None:
            if line == "{":
                points = []
            else:
                key, value = _header(line, file, number)
                if key == "version" and value != 1:
                    _fail(file, number, f"the version is {value}, but only 1 is known")
                count = value if key == "n_points" else count
        elif line == "}":
            closed = True
        else:
            points.append(_point(line, file, number))
            if len(points) > _MOST_POINTS:
                _fail(file, number, f"more than {_MOST_POINTS:,} points are no landmarks")
    if points is None or not closed:
        brace = "{" if points is None else "}"
        _fail(file, max(number, 1), f"the file ends without the line {brace!r}: it is cut short")
    if not points or count not in (None, len(points)):
        said = "at least one" if count is None else f"n_points is {count}, so {count}"
        _fail(file, number, f"there are {len(points)} points, but {said} is expected")
    return np.array(points, np.float64)


def _header(line: str, file: Path, number: int) -> tuple[str, int]:
    header = _HEADER.fullmatch(line)
    if header is None:
        _fail(
            file,
            number,
            f"{line[:40]!r} is not 'version: 1', 'n_points: 68' or the opening brace",
        )
    return header[1], int(header[2])


def _point(line: str, file: Path, number: int) -> tuple[float, float]:
    parts = line.split()
    good = len(parts) == 2 and all(_NUMBER.fullmatch(part) for part in parts)
    if not good or any(abs(float(part)) > _FURTHEST for part in parts):
        _fail(file, number, f"{line[:40]!r} is not a point: two numbers of pixels are expected")
    return float(parts[0]), float(parts[1])


def _fail(file: Path, line: int, what: str) -> NoReturn:
    raise DataError(f"{file}, line {line}: {what}.")
