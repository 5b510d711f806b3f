"""A small classifier for attacks to be tried on: NumPy only, differentiable, the same anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.attacked import QueriesSpentError, QueryModel, WhiteBox, to_pixels
from fxbench.labels import EMOTIONS
from fxbench.testing.pictures import faces
from fxbench.types import FaceSpec, Float32, Float64, Int64, UInt8

_SIDE = 16
_HIDDEN = 12


class Surrogate:
    """One hidden layer of tanh and a softmax over the eight emotions, with fixed random weights.

    Faces are computed one by one, so that the answer for a face has the same bits in any batch.

    Attributes:
        labels: the eight emotions.
        face: 16 x 16.
    """

    labels: tuple[str | None, ...] = EMOTIONS
    face = FaceSpec(_SIDE)

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        inputs = _SIDE * _SIDE * 3
        self._first = random.normal(size=(_HIDDEN, inputs)) / np.sqrt(inputs) * 4
        self._second = random.normal(size=(len(EMOTIONS), _HIDDEN))

    def _forward(self, face: Float64) -> tuple[Float64, Float64]:
        hidden = np.tanh(self._first @ (face.reshape(-1) - 0.5))
        logits = self._second @ hidden
        odds = np.exp(logits - logits.max())
        return hidden, odds / odds.sum()

    def predict(self, faces: UInt8) -> Float32:
        """Probabilities float32 (M, 8) for RGB faces uint8 (M, 16, 16, 3)."""
        answers = np.empty((len(faces), len(EMOTIONS)), np.float32)
        for row, face in enumerate(faces):
            answers[row] = self._forward(face.astype(np.float64) / 255)[1]
        return answers

    def gradient(self, faces: Float32, targets: Float32) -> Float32:
        """The gradient of the cross-entropy; see :class:`fxbench.protocols.Differentiable`."""
        slopes = np.empty(faces.shape, np.float32)
        for row, (face, target) in enumerate(zip(faces, targets, strict=True)):
            hidden, probabilities = self._forward(face.astype(np.float64))
            share = target.astype(np.float64)
            error = self._second.T @ (probabilities * share.sum() - share)
            slopes[row] = (self._first.T @ (error * (1 - hidden**2))).reshape(face.shape)
        return slopes


def attack_inputs(
    count: int = 8, *, targeted: bool = False
) -> tuple[WhiteBox, Float32, Float32, Int64]:
    """What the kit gives to an attack that takes gradients: model, faces, targets and seeds.

    Args:
        count: of faces.
        targeted: whether the targets are to be reached.

    Returns:
        The model; float32 (count, 16, 16, 3) in [0, 1]; one-hot float32 (count, 8): the model's own
        answer for each face, or, where they are to be reached, its second best; int64 (count,).
    """
    classifier = Surrogate()
    rendered = faces(classifier.face, count=count)
    targets = np.zeros((count, len(EMOTIONS)), np.float32)
    order = np.argsort(classifier.predict(rendered), axis=1)
    targets[np.arange(count), order[:, -2 if targeted else -1]] = 1
    pixels: Float32 = rendered.astype(np.float32) / np.float32(255)
    seeds = 1000 + 17 * np.arange(count, dtype=np.int64)
    return WhiteBox(classifier, targeted=targeted), pixels, targets, seeds


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What an attack is called with.

    Attributes:
        model: a QueryModel and one face for an attack that has `queries`, else a WhiteBox and all.
        faces: float32 (M, 16, 16, 3) in [0, 1].
        targets: float32 (M, 8).
        seeds: int64 (M,).
    """

    model: WhiteBox | QueryModel
    faces: Float32
    targets: Float32
    seeds: Int64

    def answer(self, attack: Any, epsilon: float) -> Any:
        """What the attack returns; where it runs out of queries, what the core takes instead."""
        try:
            return attack.perturb(
                self.model, self.faces, self.targets, epsilon=epsilon, seeds=self.seeds
            )
        except QueriesSpentError:
            best = self.model.best if isinstance(self.model, QueryModel) else None
            return self.faces if best is None else best[np.newaxis].astype(np.float32) / 255


def calls(
    attack: Any,
    *,
    targeted: bool = False,
    rows: Sequence[int] = tuple(range(8)),
    queries: int | None = None,
    counted: Callable[[int], None] = lambda _: None,
) -> Iterator[Call]:
    """How the core calls an attack, with the faces of :func:`attack_inputs`.

    Args:
        attack: whom.
        targeted: whether the targets are to be reached.
        rows: which of the eight faces, in this order.
        queries: how often it may ask for each face, where that is not what it says itself.
        counted: told of each call for how many faces gradients were taken, or answers asked for.
    """
    _, pixels, targets, seeds = attack_inputs(targeted=targeted)
    if not hasattr(attack, "queries"):
        model = WhiteBox(Surrogate(), targeted=targeted, counted=counted)
        index = np.array(rows, np.int64)
        yield Call(model, pixels[index], targets[index], seeds[index])
        return
    for row in rows:
        asked = QueryModel(
            Surrogate(),
            to_pixels(pixels[row]),
            int(targets[row].argmax()),
            norm=attack.norm,
            budget=attack.queries if queries is None else queries,
            targeted=targeted,
            counted=counted,
        )
        one = slice(row, row + 1)
        yield Call(asked, pixels[one].copy(), targets[one].copy(), seeds[one].copy())


def try_attack(
    attack: Any,
    epsilon: float = 8 / 255,
    *,
    targeted: bool = False,
    rows: Sequence[int] = tuple(range(8)),
    queries: int | None = None,
) -> Float32:
    """Let an attack perturb the kit's faces, called as the core does.

    Args:
        attack: which one.
        epsilon: the budget in units of [0, 1] pixels.
        targeted: whether the targets are to be reached.
        rows: which of the eight faces, in this order.
        queries: how often it may ask for each face, where that is not what it says itself.

    Returns:
        What the attack returned, float32 (M, 16, 16, 3).
    """
    made = calls(attack, targeted=targeted, rows=rows, queries=queries)
    return np.concatenate([call.answer(attack, epsilon) for call in made])
