"""Where text about faces stands in a picture: next to them, covering as little as can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fxbench.overlay_plates import Plate
from fxbench.types import Float64

Places = list[Float64 | None]
"""Of each face the place of what is written of it, float64 (4,), or None for nothing."""

_APART = 3


def places(
    plates: Sequence[Plate | None],
    boxes: Float64,
    taken: Sequence[Float64],
    size: tuple[int, int],
    *,
    share: float | None,
) -> Places | None:
    """A place for each plate.

    Args:
        plates: what is written of each face, or None.
        boxes: float64 (M, 4), of the faces.
        taken: what is covered already.
        size: height and width of the picture.
        share: how much of its own face a plate may cover, if there is one face. None where places
            must be found, whatever they cover.

    Returns:
        None where a plate would cover more, or is larger than the picture.
    """
    around, found = list(taken), Places()
    height, width = size
    for index, plate in enumerate(plates):
        if plate is None or plate.width > width or plate.height > height:
            if plate is not None and share is not None:
                return None
            found.append(None)
            continue
        spot = _place(plate, index, boxes, around, size, share)
        if spot is None:
            return None
        around.append(spot)
        found.append(spot)
    return found


def corner(
    plate: Plate, boxes: Float64, taken: Sequence[Float64], size: tuple[int, int], first: int
) -> tuple[Float64, float]:
    """The corner of the picture where a plate covers least.

    Args:
        plate: that is to be placed.
        boxes: float64 (M, 4), of the faces.
        taken: what is covered already.
        size: height and width of the picture.
        first: the corner that is taken if it is as good as any: 0 to 3, row by row.

    Returns:
        The place, float64 (4,), and how much it covers there.
    """
    height, width = size
    right, below = max(0, width - plate.width), max(0, height - plate.height)
    at = np.array([(0, 0), (right, 0), (0, below), (right, below)], np.float64)
    spots = _rectangles(np.roll(at, -first, axis=0), plate)
    own, others = _covered(spots, boxes, taken, None)
    best = int(np.argmin(own + others))
    return spots[best], float((own + others)[best])


def _place(
    plate: Plate,
    index: int,
    boxes: Float64,
    taken: Sequence[Float64],
    size: tuple[int, int],
    share: float | None,
) -> Float64 | None:
    box = boxes[index]
    spots: Float64 = _beside(box, plate, size)
    own, others = _covered(spots, boxes, taken, index)
    best = int(np.argmin(0.2 * own + others))
    if share is None or own[best] + others[best] == 0:
        least: Float64 = spots[best]
        return least
    if len(boxes) > 1:
        return None
    there, covered = corner(plate, boxes, taken, size, first=1)
    if covered == 0:
        return there
    inside = np.clip([box[0], box[1], box[2], box[3]], 0, [size[1], size[0]] * 2)
    area = float((inside[2] - inside[0]) * (inside[3] - inside[1]))
    fits = (others == 0) & (own <= share * area)
    first: Float64 = spots[int(np.argmax(fits))]
    return first if fits.any() else None


def _beside(box: Float64, plate: Plate, size: tuple[int, int]) -> Float64:
    """Places next to a box and in it, inside of the picture: float64 (S, 4), the best first."""
    x1, y1, x2, y2 = box
    w, h, gap = plate.width, plate.height, _APART
    above, below = (x1, y1 - h - gap), (x1, y2 + gap)
    right, left = (x2 + gap, y1), (x1 - w - gap, y1)
    upright = plate.height > plate.width / 2
    some = [right, left, below, above] if upright else [above, below, right, left]
    some += [(x2 - w, y1 - h - gap), (x2 - w, y2 + gap), (right[0], y2 - h), (left[0], y2 - h)]
    low, high = y2 - h - 2 * gap, y1 + 2 * gap
    some += [(x, y) for y in (low, high) for x in (x1 + 2 * gap, x2 - w - 2 * gap)]
    height, width = size
    return _rectangles(np.clip(np.floor(some), 0, [width - w, height - h]), plate)


def _covered(
    spots: Float64, boxes: Float64, taken: Sequence[Float64], own: int | None
) -> tuple[Float64, Float64]:
    """How much each place covers of its own face, and of others: float64 (S,) each.

    What is written there already counts four times: text over text can't be read.
    """
    others = np.array([*boxes, *taken], np.float64).reshape(-1, 4)
    upper = np.maximum(spots[:, None, :2], others[None, :, :2])
    lower = np.minimum(spots[:, None, 2:], others[None, :, 2:])
    area: Float64 = np.clip(lower - upper, 0, None).prod(axis=2)
    weight = np.ones(len(others))
    weight[len(boxes) :] = 4.0
    mine: Float64 = np.zeros(len(spots))
    if own is not None:
        mine, weight[own] = area[:, own], 0.0
    return mine, area @ weight


def _rectangles(at: Float64, plate: Plate) -> Float64:
    spots: Float64 = np.concatenate([at, at + np.array([plate.width, plate.height])], axis=1)
    return spots
