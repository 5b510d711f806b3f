"""The fast gradient sign method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fxbench.protocols import Differentiable
    from fxbench.types import Float32, Int64


class Fgsm:
    """One step up the loss (Goodfellow, Shlens and Szegedy, ICLR 2015, section 4).

    Attributes:
        norm: `linf`: no pixel changes by more than epsilon.
    """

    norm = "linf"

    def perturb(
        self,
        model: Differentiable,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,  # noqa: ARG002 - the protocol's; nothing here is random
    ) -> Float32:
        """`faces + epsilon * sign(d cross_entropy / d faces)`, not clipped to [0, 1].

        A pixel whose gradient is exactly 0 stays as it is.

        Args:
            model: the surrogate.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K), the right label of each face.
            epsilon: the size of the step in units of [0, 1] pixels; 0 gives back the faces.
            seeds: int64 (M,), not used.

        Returns:
            float32 (M, size, size, 3).
        """
        if epsilon == 0 or len(faces) == 0:
            return faces.copy()
        step = np.float32(epsilon) * np.sign(model.gradient(faces, targets))
        return faces + step
