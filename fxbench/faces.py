"""Which face is scored, and how it is cut out and rendered for a classifier.

Every face that a classifier sees comes from here, so that two classifiers with the same
:class:`fxbench.types.FaceSpec` see the same pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from fxbench.errors import PluginError
from fxbench.types import (
    Boxes,
    FaceSpec,
    Float32,
    Float64,
    Int64,
    UInt8,
    check_array,
    check_image,
)

INTERPOLATION = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}
"""OpenCV's flags by the names of :class:`fxbench.types.FaceSpec`."""


def crop(image: UInt8, xyxy: Float32, spec: FaceSpec) -> UInt8:
    """Cut one face out of an image and render it as `spec` says.

    The margin is added to the box, each edge is rounded to the nearest pixel border (halves up) and
    clipped to the image. What is left is at least one pixel: of a box that is thinner, or that lies
    outside the image, the nearest pixels are taken, since a detector's odd box must not stop a run.

    Args:
        image: RGB uint8 (H, W, 3); it is not changed.
        xyxy: float32 (4,), the box in pixels of `image`.
        spec: size, fit, margin and interpolation. `pad` follows DeepFace's `resize_image`, so that
            DeepFace's own preprocessing of the same box agrees: the scale is the smaller of the
            two, sizes are truncated, and of an odd remainder the larger part is right and below.

    Returns:
        uint8 (size, size, 3). A cut that has this size already is not resampled.

    Raises:
        PluginError: an argument has another dtype or shape, or the box is not finite.
    """
    check_array("xyxy", xyxy, np.float32, (4,))
    frame = np.zeros(1, np.int64)
    face: UInt8 = crops((image,), (frame, xyxy[None]), spec)[0]
    return face


def crops(images: tuple[UInt8, ...], boxes: Boxes | tuple[Int64, Float32], spec: FaceSpec) -> UInt8:
    """Cut faces out of images and render them; :func:`crop` for many boxes.

    Args:
        images: N images, RGB uint8 (H, W, 3) of any sizes; they are not changed.
        boxes: M boxes, or `(frame, xyxy)`: int64 (M,) indices into `images` in any order and
            float32 (M, 4) pixels.
        spec: how to render.

    Returns:
        uint8 (M, size, size, 3), row-aligned with `boxes`.

    Raises:
        PluginError: an argument has another dtype or shape, a box is not finite or belongs to no
            image.
    """
    frame, xyxy = (boxes.frame, boxes.xyxy) if isinstance(boxes, Boxes) else boxes
    sizes = image_sizes(images, frame, xyxy)
    out = np.zeros((len(frame), spec.size, spec.size, 3), np.uint8)
    if not len(frame):
        return out
    edges = pixel_edges(xyxy, spec.margin, sizes).tolist()
    render = _pad if spec.fit == "pad" else _stretch
    interpolation = INTERPOLATION[spec.interpolation]
    for row, (index, (x1, y1, x2, y2)) in enumerate(zip(frame.tolist(), edges, strict=True)):
        render(images[index][y1:y2, x1:x2], out[row], interpolation)
    return out


def choose(boxes: Boxes, count: int, truth_xyxy: Float32 | None) -> Int64:
    """The box to score for each image, where an image has one label.

    It is the one that overlaps the true box most (intersection over union), else (no true box, or
    none overlaps) the largest, else the first.

    Args:
        boxes: what a detector found in `count` images.
        count: the number of images, N.
        truth_xyxy: float32 (N, 4), the true box of each image in pixels, a row of NaN where it is
            not known; None where no image has one.

    Returns:
        int64 (N,), indices into `boxes`; -1 where nothing was found.

    Raises:
        PluginError: a box belongs to no image, or `truth_xyxy` has another dtype or shape.
    """
    chosen = np.full(count, -1, np.int64)
    if truth_xyxy is not None:
        check_array("truth_xyxy", truth_xyxy, np.float32, (count, 4))
    if not len(boxes):
        return chosen
    _check_frames(boxes.frame, count)
    if truth_xyxy is None:
        overlap = np.zeros(len(boxes))
    else:
        overlap = np.nan_to_num(iou(boxes.xyxy, truth_xyxy[boxes.frame]), nan=0.0)
    order = np.lexsort((np.arange(len(boxes)), -_area(boxes.xyxy), -overlap, boxes.frame))
    found, first = np.unique(boxes.frame[order], return_index=True)
    chosen[found] = order[first]
    return chosen


def match(boxes: Boxes, frame: Int64, xyxy: Float32, threshold: float = 0.5) -> Int64:
    """The box that was found of each true face, each box for one face at most.

    Pairs are made greedily by descending intersection over union, as detection benchmarks do.

    Args:
        boxes: what a detector found.
        frame: int64 (T,), the image that each true face is in.
        xyxy: float32 (T, 4), the box of each true face, pixels.
        threshold: the least intersection over union of a pair.

    Returns:
        int64 (T,), indices into `boxes`; -1 for a face that was missed.
    """
    matched = np.full(len(frame), -1, np.int64)
    if not len(boxes) or not len(frame):
        return matched
    overlap = iou(xyxy[:, None], boxes.xyxy[None])
    overlap[frame[:, None] != boxes.frame[None]] = 0
    taken = np.zeros(len(boxes), np.bool_)
    order = np.argsort(-overlap, axis=None, kind="stable")
    for face, box in zip(*np.unravel_index(order, overlap.shape), strict=True):
        if overlap[face, box] < threshold:
            break
        if matched[face] < 0 and not taken[box]:
            matched[face] = box
            taken[box] = True
    return matched


def iou(a: Float32, b: Float32) -> Float64:
    """Intersection over union of boxes (the Jaccard index).

    Args:
        a: float32 (..., 4), boxes as `x1, y1, x2, y2` in pixels.
        b: the same, of a shape that broadcasts with `a`: `iou(a, b)` compares row by row,
            `iou(a[:, None], b[None])` each with each.

    Returns:
        float64 (...), in [0, 1]; 0 where both boxes have no area.
    """
    low = np.maximum(a[..., :2], b[..., :2]).astype(np.float64)
    high = np.minimum(a[..., 2:], b[..., 2:]).astype(np.float64)
    inner = np.clip(high - low, 0.0, None).prod(axis=-1)
    union = _area(a) + _area(b) - inner
    result: Float64 = np.divide(inner, union, out=np.zeros_like(union), where=union != 0)
    return result


def _area(xyxy: Float32) -> Float64:
    side = xyxy[..., 2:].astype(np.float64) - xyxy[..., :2]
    area: Float64 = side.prod(axis=-1)
    return area


def image_sizes(images: tuple[UInt8, ...], frame: Int64, xyxy: Float32) -> Int64:
    """The width and height of each box's image, int64 (M, 2).

    Args:
        images: N images.
        frame: int64 (M,), indices into `images`.
        xyxy: float32 (M, 4), the boxes.

    Raises:
        PluginError: an argument has another dtype or shape, a box is not finite or belongs to no
            image.
    """
    check_array("frame", frame, np.int64, (None,))
    check_array("xyxy", xyxy, np.float32, (len(frame), 4))
    if not len(frame):
        return np.empty((0, 2), np.int64)
    _check_frames(frame, len(images))
    if not np.isfinite(xyxy).all():
        raise PluginError("A box holds a coordinate that is not finite; pixels are expected.")
    for index in np.unique(frame).tolist():
        check_image(f"Image {index}", images[index])
    return np.array([image.shape[1::-1] for image in images], np.int64)[frame]


def _check_frames(frame: Int64, count: int) -> None:
    if frame.min() < 0 or frame.max() >= count:
        raise PluginError(
            f"A box belongs to image {frame.min() if frame.min() < 0 else frame.max()}, but there "
            f"are {count} images: indices from 0 to {count - 1} are expected."
        )


def pixel_edges(xyxy: Float32, margin: float, sizes: Int64) -> Int64:
    """The edges of what is cut out: whole pixels int64 (M, 4), at least one, within the image.

    Args:
        xyxy: float32 (M, 4), the boxes.
        margin: see :class:`fxbench.types.FaceSpec`.
        sizes: int64 (M, 2), width and height of each box's image.
    """
    low = xyxy[:, :2].astype(np.float64)
    high = xyxy[:, 2:].astype(np.float64)
    grow = margin * (high - low)
    # Clipped before the conversion, as a float beyond int64 has no defined integer.
    start = np.clip(np.floor(low - grow + 0.5), 0, sizes - 1)
    stop = np.clip(np.floor(high + grow + 0.5), start + 1, sizes)
    return np.concatenate([start, stop], axis=1).astype(np.int64)


def _stretch(face: UInt8, out: UInt8, interpolation: int) -> None:
    if face.shape == out.shape:
        out[:] = face
    else:
        cv2.resize(face, out.shape[1::-1], dst=out, interpolation=interpolation)


def padded_size(width: int, height: int, size: int) -> tuple[int, int]:
    """What `pad` makes of a cut's width and height: the arithmetic of DeepFace's `resize_image`."""
    factor = min(size / height, size / width)
    # A strip would be scaled to no pixel at all: there DeepFace fails, and here one is left.
    return max(1, int(width * factor)), max(1, int(height * factor))


def _pad(face: UInt8, out: UInt8, interpolation: int) -> None:
    """Into `out`, which is black; of an odd remainder the larger part is right and below."""
    size = len(out)
    width, height = padded_size(face.shape[1], face.shape[0], size)
    top, left = (size - height) // 2, (size - width) // 2
    inner = out[top : top + height, left : left + width]
    if face.shape == inner.shape:
        inner[:] = face
    elif inner.flags.c_contiguous:
        cv2.resize(face, (width, height), dst=inner, interpolation=interpolation)
    else:
        inner[:] = cv2.resize(face, (width, height), interpolation=interpolation)
