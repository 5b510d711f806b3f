"""Where pixels are, how many there are, and how they are stored."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fxbench.errors import FxbenchError
from fxbench.types import Float32, UInt8
from fxbench_corruptions.everyday import PUBLISHED_SIDE, Face

_SKEW = (0.03, 0.05, 0.06, 0.07, 0.08)
_PUSH = ((0.0, 0.2), (0.05, 0.2), (0.08, 0.06), (0.1, 0.04), (0.1, 0.03))
_CELLS = (30, 28, 27, 24, 20)
_FINER = 4
_QUALITY = (80, 65, 58, 50, 40)
_ACROSS = (32, 24, 16, 12, 8)
_USUAL_SIDE = 48
_DEGREES = (6, 12, 20, 30, 45)


def elastic_transform(
    picture: UInt8, severity: int, random: np.random.Generator, face: Face
) -> UInt8:
    """Skew the picture about the face, and push its points about by a smooth random field."""
    skew = _SKEW[severity - 1] * face.side
    push, smooth = (part * face.side for part in _PUSH[severity - 1])
    height, width = picture.shape[:2]
    moved = random.uniform(-1, 1, (3, 2)) * skew
    x, y = face.middle(picture)
    third = face.side / 3
    corners = np.array([(x + third, y + third), (x + third, y - third), (x - third, y - third)])
    affine = cv2.getAffineTransform(
        (corners + moved).astype(np.float32), corners.astype(np.float32)
    )
    step = face.grain
    cells = (2, math.ceil(height / step) + 1, math.ceil(width / step) + 1)
    drawn = random.random(cells, np.float32) * 2 - 1
    across: Float32 = np.arange(width, dtype=np.float32)
    down: Float32 = np.arange(height, dtype=np.float32)[:, None]
    if push:
        enlarging = np.array([[1 / step, 0, 0], [0, 1 / step, 0]])
        x_push, y_push = (
            cv2.warpAffine(
                cv2.GaussianBlur(field, (0, 0), smooth / step) * np.float32(push),
                enlarging,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for field in drawn
        )
        across, down = across + x_push, down + y_push
    from_x = affine[0, 0] * across + affine[0, 1] * down + affine[0, 2]
    from_y = affine[1, 0] * across + affine[1, 1] * down + affine[1, 2]
    bent = cv2.remap(
        picture,
        from_x.astype(np.float32),
        from_y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(bent, np.uint8)


def _resized(picture: UInt8, columns: int, rows: int, how: int) -> UInt8:
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=how), np.uint8)


def pixelate(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - nothing is random
    """Leave 30 to 20 pixels across the face."""
    height, width = picture.shape[:2]
    left = _CELLS[severity - 1] / max(face.side, PUBLISHED_SIDE)
    columns, rows = (max(1, round(side * left)) for side in (width, height))
    small = _resized(picture, columns, rows, cv2.INTER_AREA)
    # A pixel that two cells share is a mixture of both, by area.
    large = _resized(small, width * _FINER, height * _FINER, cv2.INTER_NEAREST)
    return _resized(large, width, height, cv2.INTER_AREA)


def low_resolution(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:  # noqa: ARG001 - nothing is random
    """Leave 32 to 8 pixels across the face, and enlarge it smoothly.

    A face of less than 48 pixels loses as much of its resolution as one of 48.
    """
    height, width = picture.shape[:2]
    left = _ACROSS[severity - 1] / max(face.side, _USUAL_SIDE)
    columns, rows = (max(1, round(side * left)) for side in (width, height))
    small = _resized(picture, columns, rows, cv2.INTER_AREA)
    return _resized(small, width, height, cv2.INTER_CUBIC)


def jpeg_compression(
    picture: UInt8,
    severity: int,
    random: np.random.Generator,  # noqa: ARG001 - nothing is random
    face: Face,  # noqa: ARG001 - blocks of a JPEG file have 8 pixels
) -> UInt8:
    """Store it as a JPEG file of quality 80 to 40, and read that."""
    coloured = picture.ndim == 3
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if coloured else picture
    done, file = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY[severity - 1]])
    if not done:
        raise FxbenchError(
            f"OpenCV can't write a picture of {picture.shape[1]} x {picture.shape[0]} pixels as a "
            "JPEG file: give a smaller one."
        )
    if not coloured:
        return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)).astype(np.uint8, copy=False)
    read = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR)).astype(np.uint8, copy=False)
    return np.ascontiguousarray(read[..., ::-1])


def rotation(picture: UInt8, severity: int, random: np.random.Generator, face: Face) -> UInt8:
    """Turn it by 6 to 45 degrees to either side; what was outside is mirrored."""
    degrees = _DEGREES[severity - 1] * (1 if random.random() < 0.5 else -1)
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D(face.middle(picture), degrees, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, np.uint8)
