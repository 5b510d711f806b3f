"""The Square attack, on a classifier of which only the scores are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench.attacked import QueriesSpentError
from fxbench_art.asking import (
    HELD,
    Judge,
    as_floats,
    check_one,
    first_square,
    levels_of,
    nearest,
    two_scores,
)
from fxbench_art.toolbox import BlackBoxClassifierNeuralNetwork, SquareAttack, seeded

if TYPE_CHECKING:
    from fxbench.attacked import QueryModel
    from fxbench.types import Float32, Int64


class Square:
    """Squares of random place and colour, kept where they help (Andriushchenko et al., ECCV 2020).

    Attributes:
        norm: `linf`: no pixel changes by more than epsilon.
        faces: on how many faces it is run at most.
        queries: how often it asks about each face at most.
    """

    norm = "linf"

    def __init__(self, faces: int, queries: int) -> None:
        self.faces = faces
        self.queries = queries

    def perturb(
        self,
        model: QueryModel,
        faces: Float32,
        targets: Float32,
        *,
        epsilon: float,
        seeds: Int64,
    ) -> Float32:
        """Run ART's SquareAttack until the classifier is fooled or the queries are spent.

        Every variant that is asked about is an image of 8 bits within the budget. The loss is the
        difference of two log-probabilities, see :meth:`Judge.margins`.

        Args:
            model: whom to ask.
            faces: float32 (1, size, size, 3) in [0, 1].
            targets: float32 (1, K), one-hot: the right label, or where `model.targeted` the wanted.
            epsilon: in units of [0, 1] pixels. Below one grey level the face comes back, unasked.
            seeds: int64 (1,): nothing else decides what is random.

        Returns:
            float32 (1, size, size, 3).

        Raises:
            PluginError: there is more than one face.
        """
        levels = levels_of(epsilon)
        if len(faces) == 0 or levels == 0:
            return faces.copy()
        check_one(faces)
        judge = Judge(model, faces[0], targets[0], levels=levels)

        def scores(variants: Float32) -> Float32:
            return two_scores(judge.margins(judge.logs(judge.pixels(variants))))

        attack = SquareAttack(
            BlackBoxClassifierNeuralNetwork(
                scores,
                faces.shape[1:],
                2,
                channels_first=False,
                clip_values=(0.0, 1.0),
                preprocessing=None,
            ),
            eps=levels / 255,
            # A query for the face, one for the stripes that it begins with, then one a step. How
            # large the squares are depends on the share of the steps that are done.
            max_iter=max(1, model.left - 2),
            p_init=first_square(faces.shape[1]),
            verbose=False,
        )
        try:
            with seeded(int(seeds[0])):
                found = attack.generate(faces.copy(), HELD)
        except QueriesSpentError:
            return nearest(model, judge.clean)
        return as_floats(judge.pixels(found))
