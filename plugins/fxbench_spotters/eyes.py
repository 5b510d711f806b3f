"""Blinks: as long as the lids are shut, landmarks of the whole face jump."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.ndimage import binary_dilation, grey_closing

if TYPE_CHECKING:
    from fxbench.types import Bool, Float32, Float64, UInt8

_CORNERS = ((36, 39), (42, 45))
_HEIGHT = 0.35
"""An eye is looked at this far above and below its corners, in its widths."""

_SHUT = 0.22
"""Lids are shut where the eyes' contrast is lower than before and behind by this share."""

_LONGEST = 0.6
"""Seconds: eyes that are narrow for longer don't blink."""

_MARGIN = 0.05
"""Seconds before and after, in which the lids move."""


def eye_contrast(image: UInt8, points: Float32 | Float64) -> float:
    """How much darker the iris is than what is around it: shut lids leave skin and a line.

    Args:
        image: RGB uint8 (H, W, 3) or grey uint8 (H, W).
        points: (68, 2), 300-W's, pixels.

    Returns:
        Grey levels between the 10th and the 80th percentile, the mean of both eyes; NaN where no
        eye lies in the picture, or nobody knows where.
    """
    found = []
    if not np.isfinite(points[36:48]).all():
        return float("nan")
    for outer, inner in _CORNERS:
        (x1, y1), (x2, y2) = points[outer].tolist(), points[inner].tolist()
        reach = _HEIGHT * math.hypot(x2 - x1, y2 - y1)
        left, right = sorted((x1, x2))
        top = max(0, round((y1 + y2) / 2 - reach))
        eye = image[top : max(0, round((y1 + y2) / 2 + reach)) + 1]
        eye = eye[:, max(0, round(left)) : max(0, round(right)) + 1]
        if eye.size:
            grey = cv2.cvtColor(eye, cv2.COLOR_RGB2GRAY) if eye.ndim == 3 else eye
            low, high = np.percentile(grey, (10, 80))
            found.append(high - low)
    return float(np.mean(found)) if found else float("nan")


def blinks(contrast: Float64, step_s: float) -> Bool:
    """In which steps the lids are shut, or on their way, bool (N,).

    Args:
        contrast: float64 (N,), by :func:`eye_contrast`.
        step_s: seconds from one step to the next.
    """
    # A closing fills the valleys that are narrower than its window and nothing else.
    around = grey_closing(contrast, size=(1 + 2 * max(1, round(_LONGEST / step_s / 2)),))
    shut = contrast < (1 - _SHUT) * around
    return np.asarray(binary_dilation(shut, iterations=max(1, round(_MARGIN / step_s))), np.bool_)
