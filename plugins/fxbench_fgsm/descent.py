"""Projected gradient descent, from a random point of the ball or from where FGSM ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fxbench.errors import UsageError
from fxbench_fgsm.ball import Ball, Linf, generators

if TYPE_CHECKING:
    from fxbench.attacked import WhiteBox
    from fxbench.types import Float32, Int64


def check_steps(name: str, steps: int) -> None:
    """Raise UsageError unless there is a step to make."""
    if steps < 1:
        raise UsageError(f"{name} got steps={steps}; expected is at least one step.")


def _check_step(name: str, step: float) -> None:
    if not step > 0:
        raise UsageError(
            f"{name} got step={step:g}; expected is a part of epsilon above 0, such as 0.25."
        )


class Descent:
    """Steps up the loss, each followed by a projection back into the ball.

    Madry, Makelov, Schmidt, Tsipras and Vladu (ICLR 2018, arXiv 1706.06083, sections 2.1 and 5).
    The last point is taken, as there.

    Attributes:
        norm: the ball's; the steps are those of :class:`fxbench_fgsm.fast_gradient.FastGradient`.
        gradients: how many it takes for each face.
    """

    def __init__(
        self,
        name: str,
        ball: type[Ball],
        *,
        steps: int,
        step: float,
        restarts: int,
        random_start: bool,
    ) -> None:
        """With the norm of `ball`.

        Args:
            name: of the component, for messages.
            ball: in which it looks.
            steps: how many, from each start.
            step: the length of each as a multiple of epsilon.
            restarts: from how many starts. Of several, each face keeps the end whose loss is the
                largest, in 8 bits.
            random_start: whether to start from a random point of the ball, else from the face.

        Raises:
            UsageError: a number that makes no sense.
        """
        check_steps(name, steps)
        _check_step(name, step)
        if restarts < 1:
            raise UsageError(f"{name} got restarts={restarts}; expected is at least one start.")
        if restarts > 1 and not random_start:
            raise UsageError(
                f"{name} got restarts={restarts} without a random start, which would end at the "
                "same point each time: set random_start=true, or restarts=1."
            )
        self.norm = ball.norm
        self.gradients = steps * restarts
        self._ball = ball
        self._steps = steps
        self._step = step
        self._restarts = restarts
        self._random_start = random_start

    def perturb(
        self,
        model: WhiteBox,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,
    ) -> Float32:
        """The faces where the steps end, in the ball and in [0, 1].

        Args:
            model: the surrogate.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K).
            epsilon: the ball's size in units of [0, 1] pixels; 0 gives back the faces.
            seeds: int64 (M,), of the starts.

        Returns:
            float32 (M, size, size, 3).
        """
        if epsilon == 0 or len(faces) == 0:
            return faces.copy()
        ball = self._ball(faces, epsilon)
        randoms = generators(seeds) if self._random_start else []
        length = self._step * epsilon
        kept: _Best | None = None
        for _ in range(self._restarts):
            points = ball.anywhere(randoms) if self._random_start else faces.copy()
            for _ in range(self._steps):
                ball.climb(points, model.gradient(points, targets), length)
            if self._restarts == 1:
                return points
            if kept is None:
                kept = _Best(model, targets, points)
            else:
                kept.see(points)
        assert kept is not None
        return kept.points


class BestDescent:
    """L-infinity descent that starts where FGSM ends and keeps the best point that it comes by.

    The best one of a face has the largest loss in 8 bits. The start counts too, so that the loss is
    never smaller than FGSM's: where FGSM nevertheless breaks clearly more faces, something hides
    the loss from the gradient (Carlini et al. 2019, arXiv 1902.06705).

    Attributes:
        norm: `linf`.
        gradients: how many it takes for each face: one for FGSM, and one for each step.
    """

    norm = "linf"

    def __init__(self, name: str, *, steps: int, step: float) -> None:
        """Steps as those of :class:`Descent`.

        Args:
            name: of the component, for messages.
            steps: how many.
            step: the length of each as a multiple of epsilon.

        Raises:
            UsageError: a number that makes no sense.
        """
        check_steps(name, steps)
        _check_step(name, step)
        self.gradients = steps + 1
        self._steps = steps
        self._step = step

    def perturb(
        self,
        model: WhiteBox,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,  # noqa: ARG002 - the protocol's; nothing here is random
    ) -> Float32:
        """The best faces seen, in the ball and in [0, 1].

        Args:
            model: the surrogate.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K).
            epsilon: the ball's size in units of [0, 1] pixels. What counts is whole grey levels, so
                that a loss in 8 bits is that of a face in the ball; below one, the faces come back.
            seeds: int64 (M,), not used.

        Returns:
            float32 (M, size, size, 3).
        """
        epsilon = float(np.floor(epsilon * 255 + 1e-6)) / 255
        points = faces.copy()
        if epsilon == 0 or len(faces) == 0:
            return points
        ball = Linf(faces, epsilon)
        ball.climb(points, model.gradient(points, targets), epsilon)
        best = _Best(model, targets, points.copy())
        for _ in range(self._steps):
            ball.climb(points, model.gradient(points, targets), self._step * epsilon)
            best.see(points)
        return best.points


class _Best:
    """Of the points seen of each face, the one with the largest loss in 8 bits.

    Attributes:
        points: float32 (M, size, size, 3).
    """

    def __init__(self, model: WhiteBox, targets: Float32, points: Float32) -> None:
        self.points = points
        self._model = model
        self._targets = targets
        self._losses = model.loss(points, targets)

    def see(self, points: Float32) -> None:
        losses = self._model.loss(points, self._targets)
        better = losses > self._losses
        self.points[better] = points[better]
        self._losses[better] = losses[better]
