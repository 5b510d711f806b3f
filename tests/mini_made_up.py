"""Made-up faces and a small appearance model fitted to them."""

from __future__ import annotations

import cv2
import numpy as np
from fxbench_floors.mean_shape import shape
from fxbench_mini.fitting import Faces

PER_CLASS = 26


def face(label: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A grey 48x48 drawing and its 68 points: the mouth and the brows show the class."""
    points = shape().astype(np.float64)
    points -= points.mean(0)
    points *= 30 / np.ptp(points[:, 0])
    points[48:, 1] *= 1 + 0.04 * label
    points[17:27, 1] -= 0.3 * label
    points[54, 1] -= 0.4 * (label == 7)  # contempt: one corner of the mouth
    points = points * rng.uniform(0.9, 1.1) + rng.normal(0, 0.15, (68, 2)) + [23.5, 25]
    picture = np.full((48, 48), 60 + 5 * label, np.uint8)

    def draw(part: slice, grey: int) -> None:
        outline = np.round(points[part] * 16).astype(np.int32)
        cv2.fillPoly(picture, [outline], grey, shift=4)

    draw(slice(0, 27), 170)
    for part, grey in ((slice(36, 42), 40), (slice(42, 48), 40), (slice(48, 60), 90)):
        draw(part, grey)
    noise = cv2.GaussianBlur(rng.normal(0, 40, (48, 48)), (0, 0), 4)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), points


def faces(per_class: int = PER_CLASS, seed: int = 0) -> Faces:
    """Faces of all eight classes."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(8), per_class)
    drawn = [face(label, rng) for label in labels.tolist()]
    return Faces(
        np.stack([picture for picture, _ in drawn]),
        np.stack([points for _, points in drawn]),
        labels,
    )
