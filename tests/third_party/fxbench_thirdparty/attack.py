"""An attack that draws random numbers."""

from __future__ import annotations

import numpy as np

from fxbench.protocols import Differentiable
from fxbench.types import Float32, Int64


class Jump:
    """A step up the loss in half of the values, which each face's seed chooses; l2."""

    norm = "l2"

    def perturb(
        self,
        model: Differentiable,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,
    ) -> Float32:
        answer = faces.copy()
        slopes = model.gradient(faces, targets)
        for row, seed in enumerate(seeds):
            kept = np.random.default_rng(seed).integers(0, 2, faces.shape[1:])
            step = slopes[row] * kept.astype(np.float32)
            length = np.sqrt(np.mean(np.square(step)))
            answer[row] += np.float32(epsilon) * step / np.maximum(length, np.float32(1e-12))
        return answer
