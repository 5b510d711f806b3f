"""The reference: AutoAttack's parts, each of ART, one after another until one succeeds."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench_art.asking import HELD, Judge, as_floats, first_square, levels_of, two_scores
from fxbench_art.losses import CrossEntropy, LogitsRatio, Loss, gradient
from fxbench_art.toolbox import (
    AutoProjectedGradientDescent,
    BaseEstimator,
    ClassifierMixin,
    LossGradientsMixin,
    NeuralNetworkMixin,
    SquareAttack,
    seeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.attacked import WhiteBox
    from fxbench.types import Float32, Float64, Int64, UInt8

GOALS = 7
"""Towards how many labels the targeted part goes at most: all others of the eight emotions."""

_FURTHER = 10
"""How many steps Auto-PGD goes on after a success. A variant that has only just crossed the border
is read rightly again by the same network in another runtime."""


class _FooledError(Exception):
    """The classifier was fooled some steps ago: the search for this face is over."""


class _Estimator(LossGradientsMixin, NeuralNetworkMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One face of a classifier as ART wants it: of two classes, that which holds, and fooled.

    Gradients are taken at ART's floating-point variants, answers are those for images of 8 bits
    within the budget.

    Attributes:
        loss: what Auto-PGD is to go up.
        lowest: uint8 (size, size, 3), of all variants that were asked about the one that the
            classifier holds by the least, or is fooled by the most.
        margin: of that.
        slopes: how many gradients were taken that were not 0 everywhere, and how many that were.
    """

    def __init__(self, model: WhiteBox, judge: Judge) -> None:
        super().__init__(
            model=model, clip_values=(0.0, 1.0), channels_first=False, preprocessing=None
        )
        self.nb_classes = 2
        self.loss: Loss
        self.lowest: UInt8 = judge.clean
        self.margin = np.inf
        self.slopes = [0, 0]
        self._judge = judge
        self._further = _FURTHER

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of a face."""
        return self._judge.clean.shape

    def predict(self, x: Float32, **_: Any) -> Float32:
        """Scores float32 (M, 2)."""
        return two_scores(self._judge.margins(self._logs(x)))

    def compute_loss(self, x: Float32, y: Any, **_: Any) -> Float64:  # noqa: ARG002
        """The loss that is to rise, float64 (M,)."""
        self._further -= self.margin < 0
        if self._further < 0:
            raise _FooledError
        return self.loss.values(self._logs(x))

    def loss_gradient(self, x: Float32, y: Any, **_: Any) -> Float32:  # noqa: ARG002
        """Its gradient, float32 (M, size, size, 3)."""
        found = gradient(self._model, x, self.loss.slopes(self._logs(x)))
        self.slopes[not found.any()] += 1
        return found

    def fit(self, x: Any, y: Any, **_: Any) -> None:
        """Nothing is trained here."""

    def get_activations(self, x: Any, layer: Any, batch_size: int, framework: bool = False) -> Any:
        """There are no layers to be seen."""

    def _logs(self, variants: Float32) -> Float64:
        pixels = self._judge.pixels(variants)
        logs = self._judge.logs(pixels)
        margins = self._judge.margins(logs)
        best = int(margins.argmin())
        if margins[best] < self.margin:
            self.margin, self.lowest = float(margins[best]), pixels[best].copy()
        return logs


class AutoAttack:
    """Gradient and random search without parameters (Croce and Hein, ICML 2020).

    Auto-PGD on cross-entropy, Auto-PGD on the targeted difference of logits ratio towards each
    other label, and Square, each on the faces that withstood those before. FAB, which the paper has
    as well, is not in ART.

    Attributes:
        norm: `linf`: no pixel changes by more than epsilon.
        faces: on how many faces it is run at most.
        gradients: how many gradients it takes for each face at most.
    """

    norm = "linf"

    def __init__(self, steps: int, squares: int, faces: int) -> None:
        """Set up.

        Args:
            steps: of each Auto-PGD.
            squares: steps of Square.
            faces: see above.
        """
        self.faces = faces
        self.gradients = steps * (1 + 2 * GOALS)
        self._steps = steps
        self._squares = squares

    def perturb(
        self,
        model: WhiteBox,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,
    ) -> Float32:
        """Attack each face by itself, until one part of the attack succeeds.

        Every answer that counts is one for an image of 8 bits within the budget.

        Args:
            model: the surrogate.
            faces: float32 (M, size, size, 3) in [0, 1].
            targets: float32 (M, K), one-hot: the right label, or where `model.targeted` the wanted.
            epsilon: in units of [0, 1] pixels. Below one grey level the faces come back.
            seeds: int64 (M,): nothing else decides what is random for a face.

        Returns:
            float32 (M, size, size, 3): of all variants that were tried the one that the classifier
            is fooled by the most, or holds by the least.
        """
        found = faces.copy()
        flat = np.zeros(len(faces), np.bool_)
        levels = levels_of(epsilon)
        if levels == 0:
            return found
        for row, (face, target, seed) in enumerate(zip(faces, targets, seeds, strict=True)):
            judge = Judge(model, face, target, levels=levels)
            estimator = _Estimator(model, judge)
            with seeded(int(seed)):
                self._search(estimator, judge, face, levels / 255)
            found[row] = as_floats(estimator.lowest)
            flat[row] = estimator.slopes[0] == 0 < estimator.slopes[1]
        # The last call was about one face; the core reads here about each.
        model.flat = flat
        return found

    def _search(self, estimator: _Estimator, judge: Judge, face: Float32, epsilon: float) -> None:
        goals = _goals(judge)
        left = None if judge.targeted else judge.column
        parts: tuple[Callable[[], None], ...] = (
            lambda: self._climb(
                estimator, face, CrossEntropy(judge.column, targeted=judge.targeted), 1, epsilon
            ),
            lambda: self._climb(estimator, face, LogitsRatio(goals, left), len(goals), epsilon),
            lambda: self._squares_of(estimator, face, epsilon),
        )
        estimator.predict(face[None])
        for part in parts:
            if estimator.margin < 0:
                return
            with suppress(_FooledError):
                part()

    def _squares_of(self, estimator: _Estimator, face: Float32, epsilon: float) -> None:
        SquareAttack(
            estimator,
            eps=epsilon,
            max_iter=self._squares,
            p_init=first_square(len(face)),
            verbose=False,
        ).generate(face[None].copy(), HELD)

    def _climb(
        self, estimator: _Estimator, face: Float32, loss: Loss, count: int, epsilon: float
    ) -> None:
        """Auto-PGD from `count` random points at once."""
        estimator.loss = loss
        AutoProjectedGradientDescent(
            estimator,
            eps=epsilon,
            eps_step=2 * epsilon,
            max_iter=self._steps,
            nb_random_init=1,
            batch_size=count,
            loss_type=None,
            verbose=False,
        ).generate(np.repeat(face[None], count, axis=0), np.repeat(HELD, count, axis=0))


def _goals(judge: Judge) -> Int64:
    """The labels to go to, the likeliest first: the wanted one, or those that are not the right."""
    if judge.targeted:
        return np.array([judge.column])
    likeliest: Int64 = np.argsort(-judge.logs(judge.clean[None])[0], kind="stable")
    others: Int64 = likeliest[likeliest != judge.column]
    return others[:GOALS]
