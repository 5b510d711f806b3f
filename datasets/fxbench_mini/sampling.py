"""Faces drawn from the model: around each emotion's mean, none of them a training image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fxbench_mini.aam import PLAIN, AppearanceModel, Pose, to_picture
from fxbench_mini.fitting import mirror_order

if TYPE_CHECKING:
    from fxbench.types import Float32, Float64, UInt8

SIZE = 96
"""The side of a sample, pixels."""

EXAGGERATION = (1.25, 1.25, 1.25, 1.5, 1.5, 1.75, 1.75, 1.75)
"""How far each class mean is moved away from the overall mean, in FER+'s order of emotions: farther
for those that look most like others."""

DEVIATION = 0.75
"""The share of the standard deviation within the classes that samples vary with."""

EXPRESSION_DEVIATION = 0.4
"""The same in the directions that tell the classes apart, so that a sample shows its label."""

_LIMIT = 2.5
"""No standard normal deviate is farther out: the tails of a linear model are no faces."""

_CROP = (0.97, 1.20, 0.76)
"""A median crop of FER2013 in the model's frame: half its width, and how far it reaches above and
below the mean shape's centre."""


_ABOVE_BROWS = 0.2
"""How far a face's box reaches above the brows, as a share of the height of its points."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One drawn face.

    Attributes:
        image: uint8 (SIZE, SIZE), grey.
        points: float32 (68, 2), pixels; whole numbers are pixel centres.
        crop: uint8 (48, 48), the part that a FER2013 image would show, for :class:`Neighbours`.
    """

    image: UInt8
    points: Float32
    crop: UInt8


def parameters(
    model: AppearanceModel, label: int, rng: np.random.Generator, *, scale: float = 1.0
) -> Float32:
    """Parameters of a face with an expression, float32 (S + T,).

    Args:
        model: the model.
        label: index into EMOTIONS.
        rng: where chance comes from.
        scale: of the deviation from the class mean: 0 for the mean face.
    """
    mean = model.overall_mean
    centre = mean + EXAGGERATION[label] * (model.class_means[label] - mean)
    deviates = np.clip(rng.standard_normal(len(mean)), -_LIMIT, _LIMIT) * DEVIATION
    telling = _telling(model)
    along = telling @ (telling.T @ deviates)
    deviates += (EXPRESSION_DEVIATION / DEVIATION - 1) * along
    return np.asarray(centre + scale * (model.within @ deviates), np.float32)


def _telling(model: AppearanceModel) -> Float64:
    """Orthonormal directions, (S + T, 7), in which the classes differ once `within` is whitened.

    These are the discriminant directions of Fisher's linear discriminant analysis.
    """
    away = (model.class_means - model.overall_mean).astype(np.float64)
    whitened = np.linalg.solve(model.within.astype(np.float64), away.T)
    left, values, _ = np.linalg.svd(whitened, full_matrices=False)
    return np.asarray(left[:, values > values[0] * 1e-6], np.float64)


def draw(model: AppearanceModel, label: int, rng: np.random.Generator) -> Sample:
    """A face with an expression, somewhere near the middle of a picture."""
    own = parameters(model, label, rng)
    pose = Pose(
        float(rng.uniform(0.92, 1.1)),
        float(np.clip(rng.normal(0, 5), -12, 12)),
        float(rng.uniform(-0.04, 0.04) * SIZE),
        float(rng.uniform(-0.03, 0.03) * SIZE),
    )
    image, points = model.render(own, size=SIZE, pose=pose, background=background(rng, SIZE))
    crop = fer_crop(image, pose)
    if rng.random() < 0.5:
        image, crop = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(crop[:, ::-1])
        points = np.ascontiguousarray(points[mirror_order()])
        points[:, 0] = SIZE - 1 - points[:, 0]
    return Sample(image, points, crop)


def background(rng: np.random.Generator, size: int) -> UInt8:
    """A plain grey, or soft blots as of a place out of focus; uint8 (size, size)."""
    level = float(np.clip(rng.normal(PLAIN, 35), 30, 225))
    if rng.random() < 0.5:
        return np.full((size, size), round(level), np.uint8)
    coarse = rng.normal(level, 30, (5, 5)).astype(np.float32)
    soft = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(np.round(soft), 0, 255), np.uint8)


def fer_crop(image: UInt8, pose: Pose) -> UInt8:
    """What a FER2013 image of this face would show, uint8 (48, 48)."""
    half, up, down = _CROP
    corners = np.array([(-half, -up), (half, -up), (-half, down)], np.float32)
    source = to_picture(corners, len(image), pose).astype(np.float32)
    target = np.array([(-0.5, -0.5), (47.5, -0.5), (-0.5, 47.5)], np.float32)
    matrix = cv2.getAffineTransform(source, target)
    return np.asarray(
        cv2.warpAffine(
            image, matrix, (48, 48), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


class Neighbours:
    """How far pictures are from the nearest training image.

    Pictures are 48x48 grey, each brought to mean 0 and length 1; the distance is Euclidean, 0 for
    a picture that differs in brightness and contrast only, 1.41 for unrelated ones. A picture and
    its mirror image count as the same.

    Args:
        training: uint8 (N, 48, 48).
        valid: uint8 (V, 48, 48), other real faces. Copies of training images don't count.
    """

    def __init__(self, training: UInt8, valid: UInt8) -> None:
        self._training = _normalised(training)
        known = {image.tobytes() for image in training}
        fresh = np.array([image.tobytes() not in known for image in valid], np.bool_)
        self.of_valid = self.distances(valid[fresh])
        self.limit = float(np.quantile(self.of_valid, 0.05))
        """95 % of the valid images are farther from training than this."""

    def distances(self, pictures: UInt8) -> Float64:
        """The distance of each picture to its nearest training image, float64 (M,)."""
        own = _normalised(pictures)
        mirrored = _normalised(pictures[:, :, ::-1])
        best = np.full(len(own), -1.0, np.float32)
        for start in range(0, len(self._training), 4096):
            part = self._training[start : start + 4096].T
            for turned in (own, mirrored):
                best = np.maximum(best, (turned @ part).max(1))
        return np.sqrt(np.maximum(2 - 2 * best.astype(np.float64), 0))


def _normalised(pictures: UInt8) -> Float32:
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat


def face_box(points: Float32, size: int) -> Float32:
    """The box around the points and the forehead above them, inside the picture; float32 (4,).

    The 68 points end at the brows; a detector's box reaches up to the hairline.
    """
    # A box counts from the pixels' edges, a point from their centres.
    left, top = points.min(0) + 0.5
    right, bottom = points.max(0) + 0.5
    box = np.array([left, top - _ABOVE_BROWS * (bottom - top), right, bottom])
    return np.asarray(np.clip(box, 0, size), np.float32)
