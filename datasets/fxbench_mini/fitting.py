"""Fitting the appearance model: shapes by Procrustes, textures by warping, both by PCA.

Cootes, Edwards & Taylor (2001), Active appearance models, IEEE PAMI 23(6), section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import Delaunay

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench.schemes import SCHEMES
from fxbench_mini.aam import (
    DENSITY,
    AppearanceModel,
    edge_points,
    frame_size,
    to_texture,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.types import Bool, Float32, Float64, Int64, UInt8

SHAPE_MODES = 24
TEXTURE_MODES = 100

_ROUNDS = 4
"""How often unseen pixels are filled in from the modes; after that they hardly change."""

_EVERY = 25
"""A class with fewer faces than this can't be told from its neighbours' noise."""

_FOREHEAD = 0.85
"""How far the forehead reaches above the eyes, in units of the frame."""

_FADE = 0.3
"""Width of the seam between face and background, in units of the frame."""


def mirror_order() -> Int64:
    """For each of the 68 points the one that it becomes in a mirrored picture."""
    names = SCHEMES["300w-68"]
    swapped = [
        name.replace("left", "\0").replace("right", "left").replace("\0", "right") for name in names
    ]
    return np.array([names.index(name) for name in swapped], np.int64)


def align(shapes: Float64) -> tuple[Float64, Float64]:
    """Generalised Procrustes alignment by shift, scale and rotation.

    Gower (1975), Generalized Procrustes analysis, Psychometrika 40(1). The mean is symmetric where
    the shapes come with their mirror images.

    Args:
        shapes: float64 (N, 68, 2), any unit.

    Returns:
        The aligned shapes, and their mean, float64 (68, 2): centred, upright, the outer corners of
        the eyes one unit apart.
    """
    points = shapes[..., 0] + 1j * shapes[..., 1]
    points = points - points.mean(1, keepdims=True)
    mean = points[0]
    for _ in range(10):
        aligned = _onto(points, mean)
        mean = aligned.mean(0)
        eyes = mean[45] - mean[36]
        mean = mean * np.conj(eyes) / abs(eyes) ** 2
    aligned = _onto(points, mean)
    return np.stack([aligned.real, aligned.imag], -1), np.stack([mean.real, mean.imag], -1)


def _onto(points: np.ndarray, mean: np.ndarray) -> np.ndarray:
    factor = (np.conj(points) @ mean) / (abs(points) ** 2).sum(1)
    return np.asarray(points * factor[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces to fit to.

    Attributes:
        images: uint8 (N, h, w), grey.
        points: float64 (N, 68, 2), pixels of the images; whole numbers are pixel centres.
        labels: int64 (N,), indices into EMOTIONS.
    """

    images: UInt8
    points: Float64
    labels: Int64

    def with_mirrored(self) -> Faces:
        """These faces and their mirror images; contempt only with its raised corner on one side.

        Contempt is the one expression that is not symmetric: together with its mirror images, its
        mean would be a weak smile.
        """
        width = self.images.shape[2]
        flipped = self.points[:, mirror_order()] * [-1, 1] + [width - 1, 0]
        images = np.concatenate([self.images, self.images[:, :, ::-1]])
        points = np.concatenate([self.points, flipped])
        labels = np.concatenate([self.labels, self.labels])
        raised = _corner_raised(points) > 0
        keep = raised | (labels != EMOTIONS.index("contempt"))
        return Faces(images[keep], points[keep], labels[keep])


def _corner_raised(points: Float64) -> Float64:
    """How much higher the mouth's corner on the right of the picture is, across the eyes' line."""
    eyes = points[:, 45] - points[:, 36]
    mouth = points[:, 54] - points[:, 48]
    return np.asarray(eyes[:, 1] * mouth[:, 0] - eyes[:, 0] * mouth[:, 1], np.float64)


def fit(
    faces: Faces,
    *,
    seed: int,
    shape_modes: int = SHAPE_MODES,
    texture_modes: int = TEXTURE_MODES,
    report: Callable[[str, float], None] = lambda _step, _done: None,
) -> AppearanceModel:
    """The model of these faces.

    Each class weighs the same in the means. What a picture doesn't show of the frame (FER2013 cuts
    off many chins) is filled in from what others show: PCA and reconstruction in turn, as in
    Dray & Josse (2015), Principal component analysis with missing values, Plant Ecology 216(5).

    Args:
        faces: upright and frontal, all eight classes.
        seed: for the randomised PCA.
        shape_modes: how many modes of shape are kept.
        texture_modes: how many modes of texture are kept.
        report: called with a step in words and the share of the work that is done.

    Raises:
        DataError: a class has too few faces.
    """
    counts = np.bincount(faces.labels, minlength=len(EMOTIONS))
    if (counts < _EVERY).any():
        scarce = [f"{EMOTIONS[i]} {counts[i]}" for i in np.flatnonzero(counts < _EVERY)]
        raise DataError(
            f"The data hold too few frontal faces of {', '.join(scarce)}: at least {_EVERY} of "
            "each emotion are needed to fit the model. Give the whole of FER+'s train."
        )
    faces = faces.with_mirrored()
    counts = np.bincount(faces.labels, minlength=len(EMOTIONS))
    weights = (1 / np.maximum(counts, 200))[faces.labels]
    weights /= weights.mean()
    rng = np.random.default_rng(seed)
    report("aligning the shapes", 0.0)
    shapes, _ = align(faces.points)
    mean_shape = np.asarray(np.average(shapes, 0, weights), np.float64)
    edge = edge_points()
    source = np.concatenate([mean_shape, edge])
    triangles = _clockwise(source, np.asarray(Delaunay(source).simplices, np.int64))
    flat, modes = _principal(
        (shapes - mean_shape).reshape(len(shapes), -1).astype(np.float32),
        weights,
        shape_modes,
        rng,
    )
    opacity = _opacity(mean_shape)
    report("warping the textures", 0.1)
    textures, seen = _textures(faces, shapes, source, triangles, opacity > 0.99)
    mean_texture, texture_flat, texture_basis = _fill(
        textures, seen, weights, texture_modes, rng, report
    )
    joint = np.concatenate([flat, texture_flat], 1)
    means = np.stack([joint[faces.labels == c].mean(0) for c in range(len(EMOTIONS))])
    residual = (joint - means[faces.labels]) * np.sqrt(weights)[:, None]
    covariance = residual.T.astype(np.float64) @ residual / weights.sum()
    covariance += np.eye(len(covariance)) * 1e-9 * np.trace(covariance)
    return AppearanceModel(
        mean_shape=mean_shape.astype(np.float32),
        shape_modes=modes.reshape(-1, 68, 2),
        edge=edge,
        triangles=triangles,
        mean_texture=mean_texture.reshape(frame_size()),
        texture_modes=texture_basis.reshape(-1, *frame_size()),
        opacity=opacity,
        class_means=means.astype(np.float32),
        within=np.linalg.cholesky(covariance).astype(np.float32),
    )


def _clockwise(points: Float64, triangles: Int64) -> Int64:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    turned = triangles.copy()
    turned[area < 0] = turned[area < 0][:, ::-1]
    return turned


def _principal(
    rows: Float32, weights: Float64, count: int, rng: np.random.Generator
) -> tuple[Float32, Float32]:
    """Weighted PCA of centred rows: coordinates (N, count) and orthonormal modes (count, D).

    Halko, Martinsson & Tropp (2011), Finding structure with randomness, SIAM Review 53(2),
    algorithm 4.4: two power iterations.
    """
    scaled = rows * np.sqrt(weights, dtype=np.float64).astype(np.float32)[:, None]
    basis = rng.standard_normal((rows.shape[1], min(count + 16, *rows.shape))).astype(np.float32)
    for _ in range(3):
        basis, _ = np.linalg.qr(scaled.T @ (scaled @ basis))
    projected = (scaled @ basis).astype(np.float64)
    values, vectors = np.linalg.eigh(projected.T @ projected)
    order = np.argsort(values)[::-1][:count]
    modes = np.ascontiguousarray((basis @ vectors[:, order].astype(np.float32)).T)
    # The sign of a mode is arbitrary: its largest entry is made positive.
    modes *= np.sign(modes[np.arange(len(modes)), np.abs(modes).argmax(1)])[:, None]
    return rows @ modes.T, modes


def _fill(
    textures: Float32,
    seen: Bool,
    weights: Float64,
    count: int,
    rng: np.random.Generator,
    report: Callable[[str, float], None],
) -> tuple[Float32, Float32, Float32]:
    """Mean, coordinates and modes of textures of which some pixels were not seen."""
    share = weights.astype(np.float32)
    weight = share @ seen.astype(np.float32)
    mean = np.asarray((share @ np.where(seen, textures, 0)) / np.maximum(weight, 1e-6), np.float32)
    # What almost no picture shows takes the mean of what is shown at the frame's edge.
    mean[weight < 5] = mean[(weight >= 5) & (weight < np.percentile(weight, 30) + 1)].mean()
    filled = np.where(seen, textures, mean)
    for turn in range(_ROUNDS):
        report("finding the modes of texture", 0.2 + 0.8 * turn / _ROUNDS)
        mean = np.asarray((share @ filled) / share.sum(), np.float32)
        coordinates, modes = _principal(filled - mean, weights, count, rng)
        if turn < _ROUNDS - 1:
            filled = np.where(seen, textures, mean + coordinates @ modes)
    return mean, coordinates, modes


def _textures(
    faces: Faces, shapes: Float64, source: Float64, triangles: Int64, inside: Bool
) -> tuple[Float32, Bool]:
    """Each face on the mean shape, float32 (N, H * W), and which pixels its picture shows."""
    rows, columns = frame_size()
    corner, share = _barycentric(source, triangles, rows, columns)
    height, width = faces.images.shape[1:]
    inner = inside.ravel()
    textures = np.empty((len(faces.images), rows * columns), np.float32)
    seen = np.empty(textures.shape, np.bool_)
    edge = source[len(shapes[0]) :]
    for i, image in enumerate(faces.images):
        around = _similarity(shapes[i], faces.points[i], edge)
        target = np.concatenate([faces.points[i], around])
        place = np.einsum("pcd,pc->pd", target[corner], share).astype(np.float32)
        x, y = place[:, 0].reshape(rows, columns), place[:, 1].reshape(rows, columns)
        sampled = cv2.remap(
            np.ascontiguousarray(image).astype(np.float32),
            x,
            y,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ).ravel()
        shown = ((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)).ravel()
        known = sampled[inner & shown]
        textures[i] = (sampled - known.mean()) / max(float(known.std()), 4.0)
        seen[i] = shown
    return textures, seen


def _similarity(frame: Float64, picture: Float64, points: Float64) -> Float64:
    """Points of the frame in the picture, by the shift, scale and rotation of the shape."""
    a = frame[:, 0] + 1j * frame[:, 1]
    b = picture[:, 0] + 1j * picture[:, 1]
    factor = (np.conj(a - a.mean()) @ (b - b.mean())) / (abs(a - a.mean()) ** 2).sum()
    moved = (points[:, 0] + 1j * points[:, 1] - a.mean()) * factor + b.mean()
    return np.stack([moved.real, moved.imag], -1)


def _barycentric(
    source: Float64, triangles: Int64, rows: int, columns: int
) -> tuple[Int64, Float64]:
    """For each texture pixel its triangle's corners (P, 3) and their shares (P, 3)."""
    y, x = np.mgrid[:rows, :columns]
    pixels = np.stack([x.ravel(), y.ravel()], -1).astype(np.float64)
    corners = to_texture(source)
    best = np.full(len(pixels), -np.inf)
    corner = np.zeros((len(pixels), 3), np.int64)
    share = np.zeros((len(pixels), 3))
    for triangle in triangles:
        matrix = np.vstack([corners[triangle].T, np.ones(3)])
        if abs(np.linalg.det(matrix)) < 1e-9:
            continue
        own = np.linalg.solve(matrix, np.vstack([pixels.T, np.ones(len(pixels))])).T
        better = own.min(1) > best
        best[better] = own.min(1)[better]
        corner[better], share[better] = triangle, own[better]
    return corner, share


def _opacity(mean_shape: Float64) -> Float32:
    """1 on the face and its forehead, fading to 0 before the frame's edge."""
    rows, columns = frame_size()
    eyes = mean_shape[36:48].mean(0)
    half = (mean_shape[16, 0] - mean_shape[0, 0]) / 2
    turn = np.linspace(np.pi, 2 * np.pi, 25)
    top = np.stack(
        [
            eyes[0] + half * np.cos(turn),
            mean_shape[[0, 16], 1].mean()
            + (_FOREHEAD + mean_shape[[0, 16], 1].mean() - eyes[1]) * np.sin(turn),
        ],
        -1,
    )
    outline = np.concatenate([top, mean_shape[16::-1]])
    canvas = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(canvas, [np.round(to_texture(outline) * 16).astype(np.int32)], 1, shift=4)
    distance = cv2.distanceTransform(1 - canvas, cv2.DIST_L2, 5) / DENSITY
    y, x = np.mgrid[:rows, :columns]
    fade = np.clip(1 - distance / _FADE, 0, 1)
    border = np.minimum.reduce([x, columns - 1 - x, y, rows - 1 - y]) / (0.08 * DENSITY)
    smooth = np.minimum(fade * fade * (3 - 2 * fade), np.clip(border, 0, 1))
    return np.asarray(smooth, np.float32)
