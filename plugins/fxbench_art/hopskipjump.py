"""HopSkipJump, on a classifier of which only the decisions are known."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.attacked import QueriesSpentError
from fxbench_art.asking import HELD, Judge, check_one, nearest
from fxbench_art.toolbox import BlackBoxClassifierNeuralNetwork, HopSkipJump, seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fxbench.attacked import QueryModel
    from fxbench.types import Float32, Int64

_STARTS = 0.2
"""The share of the queries that may be spent on finding a starting point."""

_WEIGHTS = (0.25, 1.0)
"""How much of the first, and of the last starting points is pattern; the rest is the face."""

_CELLS = (6, 16)
"""How many blots a pattern has along a side, at least and at most."""

_PRECISION = 0.01
"""How near to the border a binary search comes, as a share of the distance: seven queries."""

_DIRECTIONS = 16
"""How many directions are tried for the first estimate of the border's slope."""

_RESERVE = 10
"""Queries that are kept for the step and the search that follow an estimate."""

_STEPS = 1000
"""More than any budget lasts for."""


class _In8Bits(HopSkipJump):  # type: ignore[misc]
    """ART's HopSkipJump, for images of 8 bits and few queries.

    Its directions are tried at a hundredth of the distance, which is far below one grey level where
    it counts: rounding would decide then, not the classifier. Here they are tried at a distance of
    one grey level (root mean square). The binary search ends sooner, and the last estimate is as
    large as what is left of the queries allows.
    """

    def __init__(self, estimator: Any, model: QueryModel, norm: str) -> None:
        super().__init__(
            estimator,
            norm=2 if norm == "l2" else np.inf,
            init_eval=_DIRECTIONS,
            max_iter=_STEPS,
            verbose=False,
        )
        self.theta = _PRECISION
        self._model = model
        self._level = float(np.sqrt(np.prod(estimator.input_shape))) / 255

    def _compute_delta(self, *_: Any, **__: Any) -> float:
        return self._level

    def _compute_update(self, current_sample: Float32, num_eval: int, **kwargs: Any) -> Float32:
        affordable = max(1, min(num_eval, self._model.left - _RESERVE))
        found: Float32 = super()._compute_update(
            current_sample=current_sample, num_eval=affordable, **kwargs
        )
        return found


def starting_points(face: Float32, random: np.random.Generator, count: int) -> Iterator[Float32]:
    """Variants of a face float32 (size, size, 3) with more and more of a pattern of grey blots.

    A network of faces gives noise of single pixels the same answer each time, blots many.
    """
    size = len(face)
    for weight in np.linspace(*_WEIGHTS, count, dtype=np.float32):
        cells = int(random.integers(_CELLS[0], _CELLS[1] + 1))
        blots = random.uniform(-0.5, 1.5, (cells, cells)).astype(np.float32)
        pattern = cv2.resize(blots, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        mixed: Float32 = (1 - weight) * face + weight * pattern[..., None]
        yield mixed


class HopSkip:
    """Walks along the border of the decision (Chen, Jordan and Wainwright, IEEE S&P 2020).

    Attributes:
        norm: `l2` (root mean square per pixel) or `linf`: the distance that is made small.
        faces: on how many faces it is run at most.
        queries: how often it asks about each face at most.
    """

    def __init__(self, norm: str, faces: int, queries: int) -> None:
        self.norm = norm
        self.faces = faces
        self.queries = queries

    def perturb(
        self,
        model: QueryModel,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,  # noqa: ARG002 - the protocol's; the distance is what is looked for
        seeds: Int64,
    ) -> Float32:
        """Run ART's HopSkipJump until the queries are spent.

        ART is told of each variant, as an image of 8 bits, whether the classifier is fooled, and
        nothing else.

        Args:
            model: whom to ask.
            faces: float32 (1, size, size, 3) in [0, 1].
            targets: float32 (1, K), one-hot: the right label, or where `model.targeted` the wanted.
            epsilon: not used.
            seeds: int64 (1,): nothing else decides what is random.

        Returns:
            float32 (1, size, size, 3): the nearest image that fooled the classifier; the face where
            none did.

        Raises:
            PluginError: there is more than one face.
        """
        if len(faces) == 0:
            return faces.copy()
        check_one(faces)
        judge = Judge(model, faces[0], targets[0], patience=4 * model.left)

        def decisions(variants: Float32) -> Float32:
            fooled = judge.fooled(judge.logs(judge.pixels(variants)))
            return np.stack([~fooled, fooled], axis=1).astype(np.float32)

        def fooled(variant: Float32) -> bool:
            return bool(decisions(variant[None])[0, 1])

        random = np.random.default_rng(int(seeds[0]) % 2**64)
        tries = starting_points(faces[0], random, int(_STARTS * model.left))
        with suppress(QueriesSpentError):
            if fooled(faces[0]):
                return faces.copy()
            start = next((variant for variant in tries if fooled(variant)), None)
            if start is not None:
                estimator = BlackBoxClassifierNeuralNetwork(
                    decisions,
                    faces.shape[1:],
                    2,
                    channels_first=False,
                    clip_values=(0.0, 1.0),
                    preprocessing=None,
                )
                # An estimate of 0 becomes NaN in ART, which then gives up.
                with seeded(int(seeds[0])), np.errstate(invalid="ignore", divide="ignore"):
                    _In8Bits(estimator, model, self.norm).generate(
                        faces.copy(), HELD, x_adv_init=start[None]
                    )
        return nearest(model, judge.clean)
