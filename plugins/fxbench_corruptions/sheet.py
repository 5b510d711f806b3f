"""A picture of all corruptions, for the documentation: `python -m fxbench_corruptions.sheet`.

It shows a face of the dataset `mini`, whose licence allows that.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fxbench.errors import FxbenchError
from fxbench.registry import discover
from fxbench.types import Points, UInt8
from fxbench_corruptions import fxbench_corruptions

SEVERITIES = (1, 3, 5)

_BLOCKS = 3
_SIDE = 112
_GAP = 4
_LABEL = 132
_LINE = 18


def main(arguments: list[str] | None = None) -> None:
    """Write the sheet to a file."""
    parser = argparse.ArgumentParser(
        prog="python -m fxbench_corruptions.sheet", description="Draws all corruptions of a face."
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--row", type=int, default=616, help="Row of the dataset mini.")
    parser.add_argument("--seed", type=int, default=11, help="Of what is random.")
    given = parser.parse_args(arguments)
    image, side, points = _face(given.row)
    page = sheet(image, side, points, given.seed)
    grey = bool((page == page[..., :1]).all())
    done, file = cv2.imencode(".png", page[..., 0] if grey else page[..., ::-1])
    if not done:
        raise FxbenchError("OpenCV can't write the sheet as a PNG file.")
    given.output.write_bytes(file.tobytes())


def _face(row: int) -> tuple[UInt8, float, Points]:
    """A picture of `mini`, the side of its face, and its true points."""
    mini: Any = discover().get("dataset", "mini").component.factory()
    (batch,) = mini.batches(mini.splits[0], np.array([row], np.int64))
    wide, high = (batch.truth.xyxy[0, 2:] - batch.truth.xyxy[0, :2]).tolist()
    return batch.frames.images[0], float(np.sqrt(wide * high)), batch.truth.points


def sheet(image: UInt8, side: float, points: Points, seed: int) -> UInt8:
    """All corruptions of a picture at three severities, RGB uint8 (H, W, 3).

    Args:
        image: RGB uint8 (H, W, 3).
        side: of the face, pixels.
        points: of the face, one row.
        seed: of what is random.
    """
    components = fxbench_corruptions()
    rows = -(-len(components) // _BLOCKS)
    block = _LABEL + len(SEVERITIES) * (_SIDE + _GAP) + 3 * _GAP
    page = np.full((_LINE + rows * (_SIDE + _GAP), _BLOCKS * block, 3), 255, np.uint8)
    for number in range(_BLOCKS):
        for column, severity in enumerate(SEVERITIES):
            left = number * block + _LABEL + column * (_SIDE + _GAP) + _SIDE // 2 - 4
            _write(page, str(severity), left, _LINE - 5)
    for index, component in enumerate(components):
        left, top = index // rows * block, _LINE + index % rows * (_SIDE + _GAP)
        _write(page, component.name, left + 4, top + _SIDE // 2 + 4)
        corruption = component.factory()
        for column, severity in enumerate(SEVERITIES):
            random = np.random.default_rng(seed)
            changed = corruption.corrupt(image, severity, random=random, side=side, points=points)
            start = left + _LABEL + column * (_SIDE + _GAP)
            shown = cv2.resize(changed, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
            page[top : top + _SIDE, start : start + _SIDE] = shown
    return page


def _write(page: UInt8, text: str, left: int, base: int) -> None:
    cv2.putText(page, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)


if __name__ == "__main__":
    main()
