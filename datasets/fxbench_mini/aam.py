"""An active appearance model that draws faces (Cootes, Edwards & Taylor 2001).

Active appearance models, IEEE PAMI 23(6): 681-685. A face is a shape, the 300-W 68 points in a
normalised frame, and a texture, the grey values that are left when the face is warped
piecewise-affinely onto the mean shape. Both are a mean and orthonormal modes (PCA). Here shape and
texture keep their own modes, and what ties them together is the covariance of their joint
parameters.

The frame has its origin in the mean shape's centre of gravity, and one unit is the distance between
the outer corners of its eyes; x grows to the right and y down. The 68 points end at the brows, so
that forehead and surroundings come from points on the frame's edge, which no shape moves.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from fxbench.errors import DataError
from fxbench.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from fxbench.types import Float32, Float64, Int64, UInt8

FRAME = (-1.15, -1.35, 1.15, 1.25)
"""What the texture covers, in the normalised frame: left, top, right, bottom."""

DENSITY = 40
"""Texture pixels in one unit of the frame."""

LEVEL = 122.0
CONTRAST = 52.0
"""Grey level of a texture value of 0, and grey levels for a texture value of 1."""

SHARE = 0.36
"""Distance of the eyes' outer corners of the mean shape in a picture, as a share of its side."""

CENTRE = (0.5, 0.545)
"""Where the mean shape's centre lies in a picture, as shares of its side: the hair needs room."""

PLAIN = 118
"""The grey of a plain background."""


_FINER = 2
"""Pictures are drawn this much larger and then averaged down: closed lips are a narrow place."""


class Pose(NamedTuple):
    """Where the face is in the picture.

    Attributes:
        scale: 1 for a face as large as :data:`SHARE` says.
        angle: in-plane rotation in degrees, positive clockwise as seen in the picture.
        dx: shift to the right, pixels.
        dy: shift down, pixels.
    """

    scale: float = 1.0
    angle: float = 0.0
    dx: float = 0.0
    dy: float = 0.0


CENTRED = Pose()


def frame_size() -> tuple[int, int]:
    """Rows and columns of a texture."""
    left, top, right, bottom = FRAME
    return round((bottom - top) * DENSITY), round((right - left) * DENSITY)


def edge_points(per_side: int = 5) -> Float32:
    """Points along the frame's edge, float32 (4 * (per_side - 1), 2), clockwise from its corner."""
    left, top, right, bottom = FRAME
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    steps = np.linspace(0, 1, per_side)[:-1, None]
    sides = [(1 - steps) * corners[i] + steps * corners[(i + 1) % 4] for i in range(4)]
    return np.concatenate(sides).astype(np.float32)


def to_texture(points: Any) -> Float64:
    """From the frame to pixels of the texture, where whole numbers are pixel centres."""
    shifted = (np.asarray(points, np.float64) - np.array(FRAME[:2])) * DENSITY
    return np.asarray(shifted - 0.5, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class AppearanceModel:
    """A fitted model.

    Attributes:
        mean_shape: float32 (68, 2), in the normalised frame.
        shape_modes: float32 (S, 68, 2), orthonormal, the largest variance first.
        edge: float32 (E, 2), the fixed points on the frame's edge.
        triangles: int64 (R, 3), indices into the 68 points followed by `edge`.
        mean_texture: float32 (H, W): 0 is the mean grey level of a face, 1 its standard deviation.
        texture_modes: float32 (T, H, W), orthonormal.
        opacity: float32 (H, W) in 0..1, where the texture is the face and where it fades out.
        class_means: float32 (8, S + T), the joint parameters of each emotion, in the order of
            :data:`fxbench.labels.EMOTIONS`; the shape's parameters first.
        within: float32 (S + T, S + T), the lower Cholesky factor of the pooled covariance within
            the classes.
    """

    mean_shape: Float32
    shape_modes: Float32
    edge: Float32
    triangles: Int64
    mean_texture: Float32
    texture_modes: Float32
    opacity: Float32
    class_means: Float32
    within: Float32

    @property
    def overall_mean(self) -> Float32:
        """The mean of the class means, each class counted once; float32 (S + T,)."""
        return np.asarray(self.class_means.mean(0), np.float32)

    def shape(self, parameters: Float32) -> Float32:
        """The 68 points in the normalised frame, float32 (68, 2)."""
        own = parameters[: len(self.shape_modes)]
        moved = self.mean_shape + np.tensordot(own, self.shape_modes, 1)
        return np.asarray(moved, np.float32)

    def texture(self, parameters: Float32) -> Float32:
        """The texture on the mean shape, float32 (H, W)."""
        own = parameters[len(self.shape_modes) :]
        return np.asarray(self.mean_texture + np.tensordot(own, self.texture_modes, 1), np.float32)

    def render(
        self,
        parameters: Float32,
        *,
        size: int,
        pose: Pose = CENTRED,
        background: UInt8 | None = None,
    ) -> tuple[UInt8, Float32]:
        """Draw a face.

        Args:
            parameters: float32 (S + T,), the shape's first.
            size: the side of the picture, pixels.
            pose: where the face is.
            background: uint8 (size, size); plain where None.

        Returns:
            The picture, grey uint8 (size, size), and its 68 points, float32 (68, 2) in pixels,
            where whole numbers are pixel centres. Points may lie outside the picture.
        """
        shape = self.shape(parameters)
        points = to_picture(np.concatenate([shape, self.edge]), size, pose)
        x, y = _inverse_warp(
            (points + 0.5) * _FINER - 0.5,
            to_texture(np.concatenate([self.mean_shape, self.edge])),
            self.triangles,
            size * _FINER,
        )
        grey = self.texture(parameters) * CONTRAST + LEVEL
        fine = cv2.remap(
            cv2.merge([grey * self.opacity, self.opacity]), x, y, cv2.INTER_LINEAR
        )  # outside the texture both are 0
        face, alpha = cv2.split(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA))
        behind = np.float32(PLAIN) if background is None else background.astype(np.float32)
        picture = np.clip(face + (1 - alpha) * behind, 0, 255)
        return (
            np.round(picture).astype(np.uint8),
            np.ascontiguousarray(points[: len(shape)], np.float32),
        )

    def save(self, path: Path) -> None:
        """Write an .npz file without pickle, atomically; the same model gives the same bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for field in fields(self):
                part = io.BytesIO()
                np.lib.format.write_array(part, getattr(self, field.name), allow_pickle=False)
                name = zipfile.ZipInfo(f"{field.name}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(name, part.getvalue(), zipfile.ZIP_DEFLATED)
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> AppearanceModel:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file is missing or holds no appearance model.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                return cls(**{field.name: archive[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} holds no appearance model ({error}): fit one with "
                "`python -m fxbench_mini.variants fit`."
            ) from error


def to_picture(points: Float32, size: int, pose: Pose) -> Float64:
    """From the normalised frame to pixels of a picture with `size` pixels a side."""
    unit = SHARE * size * pose.scale
    turn = np.radians(pose.angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * unit
    shift = np.array([CENTRE[0] * size + pose.dx, CENTRE[1] * size + pose.dy]) - 0.5
    return np.asarray(points.astype(np.float64) @ rotation + shift, np.float64)


def _inverse_warp(
    target: Float64, source: Float64, triangles: Int64, size: int
) -> tuple[Float32, Float32]:
    """For each pixel of the picture its place in the texture; far outside where no triangle is.

    A triangle that a shape turns over is left out: where a shape folds, its neighbours cover it.
    """
    x = np.full((size, size), -1e4, np.float32)
    y = np.full((size, size), -1e4, np.float32)
    for corners in triangles:
        a, b, c = target[corners]
        doubled = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if doubled <= 1e-9:
            continue
        low = np.maximum(np.ceil(np.minimum(np.minimum(a, b), c) - 1e-6), 0).astype(int)
        high = np.minimum(np.floor(np.maximum(np.maximum(a, b), c) + 1e-6), size - 1).astype(int)
        if (low > high).any():
            continue
        columns = np.arange(low[0], high[0] + 1)
        rows = np.arange(low[1], high[1] + 1)[:, None]
        of_b = ((columns - a[0]) * (c[1] - a[1]) - (rows - a[1]) * (c[0] - a[0])) / doubled
        of_c = ((rows - a[1]) * (b[0] - a[0]) - (columns - a[0]) * (b[1] - a[1])) / doubled
        inside = (of_b >= -1e-6) & (of_c >= -1e-6) & (of_b + of_c <= 1 + 1e-6)
        p, q, r = source[corners]
        block = (slice(low[1], high[1] + 1), slice(low[0], high[0] + 1))
        x[block][inside] = (p[0] + of_b * (q[0] - p[0]) + of_c * (r[0] - p[0]))[inside]
        y[block][inside] = (p[1] + of_b * (q[1] - p[1]) + of_c * (r[1] - p[1]))[inside]
    return x, y
