"""Carrying a perturbation that was made on one classifier's faces over to another's.

Both crops show a part of the same image. What one shows of it, and where in the crop that lies, is
settled by :mod:`fxbench.faces`; here a change of one crop is laid onto the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fxbench.errors import PluginError
from fxbench.faces import padded_size, pixel_edges
from fxbench.types import FaceSpec, Float32, Int64, check_array


class _Axis(NamedTuple):
    """One axis of a crop: which pixels of it show which ones of the image, both from and to."""

    image: tuple[int, int]
    crop: tuple[int, int]


def carried(
    change: npt.NDArray[Any],
    surrogate: FaceSpec,
    target: FaceSpec,
    xyxy: Float32,
    sizes: Int64,
) -> Float32:
    """A perturbation as it lies on the target's own crops of the same boxes.

    The change of a pixel of the target's crop is that of the surrogate's at the same place of the
    image, interpolated bilinearly: it lies between those of its neighbours there, so that the
    largest change gets no larger. (Its root mean square may: whoever adds it to a face holds the
    sum to the budget again.) Where the target's crop is padded, or shows what the surrogate's does
    not, there is no change. What the target's crop doesn't show is lost. How the two specs
    interpolate pixels doesn't matter here.

    Args:
        change: (M, s, s, 3) of any signed or floating type, s the surrogate's size: the
            perturbation of its crops, in any unit.
        surrogate: how it takes faces.
        target: how the target does.
        xyxy: float32 (M, 4), the faces' boxes, pixels.
        sizes: int64 (M, 2), width and height of each box's image.

    Returns:
        float32 (M, t, t, 3), t the target's size, in the same unit. Where both specs crop alike it
        is the change itself, exactly.

    Raises:
        PluginError: an argument has another shape or type.
    """
    count = len(xyxy)
    check_array("xyxy", xyxy, np.float32, (None, 4))
    check_array("sizes", sizes, np.int64, (count, 2))
    check_array("change", change, change.dtype, (count, surrogate.size, surrogate.size, 3))
    if not (
        np.issubdtype(change.dtype, np.signedinteger) or np.issubdtype(change.dtype, np.floating)
    ):
        raise PluginError(
            f"A change is {change.dtype.name}, but goes both ways: a signed or floating type is "
            "expected."
        )
    if _crops_alike(surrogate, target):
        return change.astype(np.float32)
    out = np.zeros((count, target.size, target.size, 3), np.float32)
    edges = (pixel_edges(xyxy, spec.margin, sizes).tolist() for spec in (surrogate, target))
    for made, face, theirs, ours in zip(change, out, *edges, strict=True):
        x, y = _axes(theirs, surrogate)
        to_x, to_y = _axes(ours, target)
        seen = made[slice(*y.crop), slice(*x.crop)].astype(np.float32, copy=False)
        shown = face[slice(*to_y.crop), slice(*to_x.crop)]
        if theirs == ours:
            # The two crops show the same, so this is the resize of a whole picture.
            if seen.shape == shown.shape:
                shown[:] = seen
            else:
                shown[:] = cv2.resize(seen, shown.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        else:
            rows, columns = _between(y, to_y), _between(x, to_x)
            part = shown[rows.inside, columns.inside]
            if part.size:
                part[:] = columns.take(rows.take(seen, 0), 1)
    return out


def _crops_alike(a: FaceSpec, b: FaceSpec) -> bool:
    return (a.size, a.fit, a.margin) == (b.size, b.fit, b.margin)


def _axes(edges: list[int], spec: FaceSpec) -> tuple[_Axis, _Axis]:
    """Both axes, x and y, of the crop of what lies within the edges."""
    x1, y1, x2, y2 = edges
    width = height = spec.size
    if spec.fit == "pad":
        width, height = padded_size(x2 - x1, y2 - y1, spec.size)
    left, top = (spec.size - width) // 2, (spec.size - height) // 2
    return _Axis((x1, x2), (left, left + width)), _Axis((y1, y2), (top, top + height))


class _Between(NamedTuple):
    """How the pixels of one axis are made from those of another, two from each.

    Attributes:
        inside: the pixels whose centres the other shows.
        low: int64 (n,), for each of them the first of the two.
        high: int64 (n,), the second.
        share: float32 (n,), of the second.
    """

    inside: slice
    low: Int64
    high: Int64
    share: Float32

    def take(self, seen: Float32, axis: int) -> Float32:
        """The pixels inside, of what is seen: float32 (h, w, 3)."""
        low = np.take(seen, self.low, axis)
        high = np.take(seen, self.high, axis)
        high -= low
        high *= np.expand_dims(self.share, (1, 2) if axis == 0 else (0, 2))
        high += low
        return high


def _between(seen: _Axis, shown: _Axis) -> _Between:
    """From the pixels of what the surrogate's crop shows to those of what the target's does."""
    start, stop = shown.image
    count = shown.crop[1] - shown.crop[0]
    at = start + (np.arange(count) + 0.5) * (stop - start) / count
    first, last = seen.image
    index = np.flatnonzero((at >= first) & (at <= last))
    inside = slice(int(index[0]), int(index[-1]) + 1) if len(index) else slice(0, 0)
    pixels = seen.crop[1] - seen.crop[0]
    place = ((at[inside] - first) * pixels / (last - first) - 0.5).clip(0, pixels - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, pixels - 1)
    return _Between(inside, low, high, (place - low).astype(np.float32))
