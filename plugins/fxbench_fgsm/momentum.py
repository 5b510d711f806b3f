"""The momentum iterative fast gradient sign method, whose faces fool other networks more often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import UsageError
from fxbench_fgsm.ball import Ball
from fxbench_fgsm.descent import check_steps

if TYPE_CHECKING:
    from fxbench.attacked import WhiteBox
    from fxbench.types import Float32, Int64

_TINY = np.finfo(np.float32).tiny


class Momentum:
    """Steps along a running sum of gradients (Dong et al., CVPR 2018, arXiv 1710.06081).

    With v = 0 at first, each of T steps does (algorithm 1, equations 6, 7 and 9)

        v = decay * v + gradient / |gradient|_1
        point = point + epsilon / T * sign(v)           with `linf`
        point = point + epsilon / T * v / rms(v)        with `l2`

    where |x|_1 is the sum of absolute values and rms their root mean square.

    Attributes:
        norm: the ball's.
        gradients: how many it takes for each face.
    """

    def __init__(self, name: str, ball: type[Ball], *, steps: int, decay: float) -> None:
        """With the norm of `ball`.

        Args:
            name: of the component, for messages.
            ball: in which it looks.
            steps: T.
            decay: how much of the sum is kept at each step; 0 is no momentum.

        Raises:
            UsageError: a number that makes no sense.
        """
        check_steps(name, steps)
        if not decay >= 0:
            raise UsageError(f"{name} got decay={decay:g}; expected is 0 or more, such as 1.")
        self.norm = ball.norm
        self.gradients = steps
        self._ball = ball
        self._steps = steps
        self._decay = np.float32(decay)

    def perturb(
        self,
        model: WhiteBox,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,  # noqa: ARG002 - the protocol's; nothing here is random
    ) -> Float32:
        """The faces after the last step, in the ball and in [0, 1].

        Args:
            model: the surrogate.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K).
            epsilon: the ball's size in units of [0, 1] pixels; 0 gives back the faces.
            seeds: int64 (M,), not used.

        Returns:
            float32 (M, size, size, 3).
        """
        points = faces.copy()
        if epsilon == 0 or len(faces) == 0:
            return points
        ball = self._ball(faces, epsilon)
        sums = np.zeros(faces.shape, np.float32)
        normalised = np.empty(faces.shape, np.float32)
        for _ in range(self._steps):
            slopes = model.gradient(points, targets)
            lengths = np.abs(slopes, out=normalised).sum(axis=(1, 2, 3), keepdims=True)
            np.divide(slopes, np.maximum(lengths, _TINY), out=normalised)
            sums *= self._decay
            sums += normalised
            ball.climb(points, sums, epsilon / self._steps)
        return points
