"""Faces that are turned, or turned, scaled and moved, by where their eyes are.

How :mod:`fxbench.faces` cuts a face out depends on its box alone. Here its landmarks have a say.
docs/alignment.md tells when that helps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fxbench.errors import UsageError
from fxbench.faces import INTERPOLATION, crops, image_sizes, padded_size, pixel_edges
from fxbench.schemes import Groups, groups
from fxbench.types import Bool, FaceSpec, Float32, Float64, Int64, UInt8, check_array

HOW = ("eyes", "similarity")
"""The ways to align."""

EYE_ROW = 0.37
EYE_DISTANCE = 0.38
"""Where the eyes of a face stand that `similarity` aligned, as fractions of its side without a
margin: so far below its top edge and so far apart, the middle between them in the middle of the
width. A face of FER+ keeps its size and place so: the means of 3,000 evenly spaced images of FER+
train, by the points of `dlib-68` behind `full-frame`, are 0.372, 0.380 and, of the middle, 0.498
from the left (standard deviations 0.055, 0.057 and 0.044).
"""

_NEAREST = 1.0
"""Eyes that are less than so many pixels apart have no direction that could be trusted."""

_FAR = 2.0**20
"""Points beyond so many pixels are in no image: they were not located."""

_LARGEST = 2**15 - 2
"""The longest side, in pixels, that `cv2.warpAffine` takes."""


def eye_groups(scheme: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The points whose mean is the centre of each eye.

    Args:
        scheme: the name of a landmark scheme.

    Returns:
        Indices for the subject's left eye and for the right one: of the centre or the pupil where
        the scheme has it, else of the points around the eye, or of its two corners. None where the
        scheme is not known or has none of these of both eyes.
    """
    for parts in (("centre",), ("pupil",), ("outer_corner", "inner_corner")):
        names = tuple(f"{side}_eye_{part}" for side in ("left", "right") for part in parts)
        found = groups(scheme, tuple(name.replace("_eye_pupil", "_pupil") for name in names))
        if found is not None:
            half = len(found) // 2
            return _together(found[:half]), _together(found[half:])
    return None


def _together(parts: Groups) -> tuple[int, ...]:
    return tuple(index for part in parts for index in part)


def aligned(
    images: tuple[UInt8, ...],
    frame: Int64,
    xyxy: Float32,
    points: Float32,
    scheme: str,
    spec: FaceSpec,
    how: str,
) -> tuple[UInt8, Bool]:
    """Cut faces out of images with their eyes level, and render them.

    `eyes` cuts as :func:`fxbench.faces.crops` does, with the picture turned about the middle of
    that cut until the eyes are level: what DeepFace's `align` does to the face that it found.
    `similarity` turns, scales and moves the picture so that both eyes stand at fixed places, at
    :data:`EYE_ROW` and :data:`EYE_DISTANCE`, by the one similarity that takes two points to two
    others. The box is not used, a margin of `spec` shows so much more around the face, and `fit`
    makes no difference. Either turns by any angle: a face that stands on its head is put upright.

    A face is resampled once, as `spec` says, so that it differs from its crop in where it is taken
    alone. `area` takes means where a face is shrunk to less than half, and is bilinear otherwise;
    `linear` has aliases where the crop has them. Outside the image its edge pixels go on, as in
    what fxbench trains with; the bars of `pad` stay black.

    Args:
        images: N images, RGB uint8 (H, W, 3) of any sizes; they are not changed.
        frame: int64 (M,), indices into `images` in any order.
        xyxy: float32 (M, 4), the faces' boxes, pixels.
        points: float32 (M, P, 2), pixels, whole numbers are pixel centres.
        scheme: of the points.
        spec: how to render.
        how: one of :data:`HOW`.

    Returns:
        The faces, uint8 (M, size, size, 3), and which of them were aligned, bool (M,). The others
        are crops: their eyes are not known (NaN, or a scheme without eyes) or are at one point.

    Raises:
        PluginError: an argument has another dtype or shape, a box is not finite or belongs to no
            image.
        UsageError: an unknown way to align.
    """
    if how not in HOW:
        raise UsageError(f"Faces can be aligned by {' or '.join(HOW)}, not by {how!r}.")
    sizes = image_sizes(images, frame, xyxy)
    check_array("points", points, np.float32, (len(frame), None, 2))
    out = np.zeros((len(frame), spec.size, spec.size, 3), np.uint8)
    right, between = _eyes(points, scheme)
    with np.errstate(invalid="ignore"):
        apart = np.hypot(between[:, 0], between[:, 1])
        usable = (apart >= _NEAREST) & (np.abs(right) <= _FAR).all(axis=1) & (apart <= _FAR)
    if not usable.all():
        out[~usable] = crops(images, (frame[~usable], xyxy[~usable]), spec)
    if usable.any():
        rows = np.flatnonzero(usable)
        if how == "eyes":
            placed = _turned(between[rows], xyxy[rows], sizes[rows], spec)
        else:
            placed = _standing(right[rows], between[rows], spec)
        _render(images, frame[rows], sizes[rows], placed, spec, out, rows)
    return out, usable


def _eyes(points: Float32, scheme: str) -> tuple[Float64, Float64]:
    """The centre of the right eye and the way from there to the left one, float64 (M, 2) each.

    Pixels from the image's corner: the first pixel's centre is at one half. NaN where not known.
    """
    eyes = eye_groups(scheme)
    if eyes is None:
        unknown = np.full((len(points), 2), np.nan)
        return unknown, unknown
    left, right = (points[:, list(group)].astype(np.float64).mean(axis=1) for group in eyes)
    return right + 0.5, left - right


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Where in their images faces are.

    Attributes:
        linear: float64 (M, 2, 2), the step in the image that is a step of one pixel of the face.
        source: float64 (M, 2), a point of the image, pixels from its corner.
        target: float64 (M, 2), where it stands in the face, likewise.
        size: int64 (M, 2), width and height of the face, in the middle of the square.
    """

    linear: Float64
    source: Float64
    target: Float64
    size: Int64


def _turning(along: Float64) -> Float64:
    """The matrices (M, 2, 2) that turn and stretch the x axis to `along` (M, 2)."""
    x, y = along[:, 0], along[:, 1]
    return np.stack([np.stack([x, -y], axis=1), np.stack([y, x], axis=1)], axis=1)


def _turned(between: Float64, xyxy: Float32, sizes: Int64, spec: FaceSpec) -> _Placed:
    edges = pixel_edges(xyxy, spec.margin, sizes)
    sides = edges[:, 2:] - edges[:, :2]
    if spec.fit == "pad":
        size = np.array([padded_size(w, h, spec.size) for w, h in sides.tolist()], np.int64)
    else:
        size = np.full(sides.shape, spec.size, np.int64)
    direction = between / np.hypot(between[:, :1], between[:, 1:])
    linear = _turning(direction) * (sides / size)[:, None, :]
    return _Placed(linear, edges[:, :2] + sides / 2, size / 2, size)


def _standing(right: Float64, between: Float64, spec: FaceSpec) -> _Placed:
    # A margin on both sides makes the face a smaller part of the square.
    face = spec.size / (1 + 2 * spec.margin)
    linear = _turning(between / (EYE_DISTANCE * face))
    eyes = np.array([spec.size / 2, (EYE_ROW + spec.margin) * face])
    count = len(right)
    return _Placed(
        linear,
        right + between / 2,
        np.broadcast_to(eyes, (count, 2)),
        np.full((count, 2), spec.size, np.int64),
    )


def _render(
    images: tuple[UInt8, ...],
    frame: Int64,
    sizes: Int64,
    placed: _Placed,
    spec: FaceSpec,
    out: UInt8,
    rows: Int64,
) -> None:
    """Into `out[rows]`, which is black."""
    # Image pixels for one of the face, along the axis that has fewer.
    steps = np.hypot(placed.linear[:, 0], placed.linear[:, 1]).min(axis=1)
    regions = _regions(placed, sizes, steps)
    sides = regions[:, 2:] - regions[:, :2]
    averaged = sides.max(axis=1) > _LARGEST
    if spec.interpolation == "area":
        averaged |= steps > 2
    # To two pixels for one of the face: bilinear sampling takes the mean of those.
    shrunk = np.clip(np.rint(sides * 2 / steps[:, None]), 1, _LARGEST)
    scale = np.where(averaged[:, None], shrunk / sides, 1.0)
    linear = placed.linear * scale[:, :, None]
    offset = (placed.source - regions[:, :2]) * scale
    # From corners to the centres of pixels, from which OpenCV counts.
    offset -= (linear @ (placed.target - 0.5)[:, :, None])[:, :, 0] + 0.5
    matrices = np.concatenate([linear, offset[:, :, None]], axis=2)
    corner = (spec.size - placed.size) // 2
    flags = cv2.WARP_INVERSE_MAP | (
        cv2.INTER_LINEAR if spec.interpolation == "area" else INTERPOLATION[spec.interpolation]
    )
    for i, (row, index) in enumerate(zip(rows.tolist(), frame.tolist(), strict=True)):
        x1, y1, x2, y2 = regions[i].tolist()
        part = images[index][y1:y2, x1:x2]
        if averaged[i]:
            part = cv2.resize(part, shrunk[i].astype(int).tolist(), interpolation=cv2.INTER_AREA)
        width, height = placed.size[i].tolist()
        face = cv2.warpAffine(
            part, matrices[i], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        left, top = corner[i].tolist()
        out[row, top : top + height, left : left + width] = face


def _regions(placed: _Placed, sizes: Int64, steps: Float64) -> Int64:
    """The part of each image that its face is taken from, int64 (M, 4), at least one pixel."""
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)]) * placed.size[:, None]
    middle = placed.size[:, None] / 2 - placed.target[:, None]
    spread = (corners + middle) @ placed.linear.transpose(0, 2, 1) + placed.source[:, None]
    # As far around it as interpolation reaches.
    reach = 2 + 2 * steps[:, None]
    start = np.clip(np.floor(spread.min(axis=1) - reach), 0, sizes - 1)
    stop = np.clip(np.ceil(spread.max(axis=1) + reach), start + 1, sizes)
    return np.concatenate([start, stop], axis=1).astype(np.int64)
