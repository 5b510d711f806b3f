"""One step: along the gradient, or along a random direction to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench_fgsm.ball import Ball, generators

if TYPE_CHECKING:
    from fxbench.attacked import WhiteBox
    from fxbench.types import Float32, Int64


class FastGradient:
    """One step up the loss (Goodfellow, Shlens and Szegedy, ICLR 2015, section 4).

    Attributes:
        norm: `linf`: the step is epsilon times the gradient's sign; `l2`: along the gradient, and
            its root mean square is epsilon.
        gradients: how many it takes for each face.
    """

    gradients = 1

    def __init__(self, ball: type[Ball]) -> None:
        """With the norm of `ball`."""
        self.norm = ball.norm
        self._ball = ball

    def perturb(
        self,
        model: WhiteBox,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,  # noqa: ARG002 - the protocol's; nothing here is random
    ) -> Float32:
        """The faces after the step, clipped to [0, 1].

        With `linf` a pixel whose gradient is exactly 0 stays as it is.

        Args:
            model: the surrogate.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K).
            epsilon: the size of the step in units of [0, 1] pixels; 0 gives back the faces.
            seeds: int64 (M,), not used.

        Returns:
            float32 (M, size, size, 3).
        """
        points = faces.copy()
        if epsilon and len(faces):
            slopes = model.gradient(faces, targets)
            self._ball(faces, epsilon).climb(points, slopes, epsilon)
        return points


class Noise:
    """One step of the same size in a random direction: no attack, but what one must be better than.

    The three channels of a pixel move together, so that a network that makes its faces grey first
    sees the whole step. Independent channels would cancel each other there in part.

    Attributes:
        norm: `linf`: each pixel goes up or down by epsilon; `l2`: by Gaussian noise whose root mean
            square is epsilon.
        gradients: none.
    """

    gradients = 0

    def __init__(self, ball: type[Ball]) -> None:
        """With the norm of `ball`."""
        self.norm = ball.norm
        self._ball = ball

    def perturb(
        self,
        model: WhiteBox,  # noqa: ARG002 - the protocol's; noise looks at no model
        faces: Float32,
        targets: Float32,  # noqa: ARG002
        *,
        epsilon: float,
        seeds: Int64,
    ) -> Float32:
        """The faces with noise, clipped to [0, 1].

        Args:
            model: not asked.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: not used.
            epsilon: the size of the noise in units of [0, 1] pixels; 0 gives back the faces.
            seeds: int64 (M,).

        Returns:
            float32 (M, size, size, 3).
        """
        points = faces.copy()
        if epsilon and len(faces):
            directions = np.empty((*faces.shape[:3], 1), np.float32)
            for direction, random in zip(directions, generators(seeds), strict=True):
                random.standard_normal(dtype=np.float32, out=direction)
            ways = np.broadcast_to(directions, faces.shape)
            self._ball(faces, epsilon).climb(points, ways, epsilon)
        return points
