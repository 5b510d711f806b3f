"""One face attacked through one classifier, and what every other makes of it.

The attack is held to its budget, rounded to 8 bits and judged by the same code as in a run: see
:mod:`fxbench.adversary` and :mod:`fxbench.transfer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.adversary import Aim, held, perturbed, seeds_of, sizes
from fxbench.cloak_effect import role_of
from fxbench.component import Component
from fxbench.errors import UsageError
from fxbench.faces import crops, image_sizes
from fxbench.labels import EMOTIONS, column_of
from fxbench.outputs import by_emotion, probabilities
from fxbench.transfer import carried
from fxbench.types import FaceSpec, Float32, UInt8

OTHER = "none of the eight"
"""What stands for an output without counterpart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A classifier that is asked.

    Attributes:
        component: its record.
        classifier: itself.
    """

    component: Component
    classifier: Any


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a classifier says of the face before and after.

    Attributes:
        classifier: its name.
        role: what it is to the attack, one of :data:`fxbench.cloak_effect.ROLES`.
        before: the emotion, or :data:`OTHER`, and its probability.
        after: the same of the adversarial face.
        clean: float32 (8,), all emotions before; NaN where it has no such label.
        adversarial: float32 (8,), after.
    """

    classifier: str
    role: str
    before: tuple[str, float]
    after: tuple[str, float]
    clean: Float32
    adversarial: Float32

    @property
    def changed(self) -> bool:
        """Whether the answer is another."""
        return self.before[0] != self.after[0]


@dataclass(frozen=True, slots=True, eq=False)
class Attacked:
    """A face before and after an attack.

    Attributes:
        clean: uint8 (size, size, 3), the face as the surrogate takes it.
        adversarial: uint8 (size, size, 3).
        largest: the largest change of a pixel, grey levels.
        spread: the root mean square of all changes, grey levels.
        said: what each classifier says, in the order asked.
        queries: how often the classifier was asked; None of an attack that takes gradients.
        flat: whether its first gradient was 0 everywhere, so that there was nowhere to go.
    """

    clean: UInt8
    adversarial: UInt8
    largest: float
    spread: float
    said: tuple[Said, ...]
    queries: int | None
    flat: bool

    @property
    def enlarged(self) -> UInt8:
        """The change around a middle grey, so that the largest is black or white."""
        change = self.adversarial.astype(np.float32) - self.clean
        scale = 127 / max(1.0, self.largest)
        drawn: UInt8 = np.clip(127.5 + change * scale, 0, 255).astype(np.uint8)
        return drawn


def attacked(
    image: UInt8,
    box: Float32,
    attack: Any,
    surrogate: Asked,
    asked: Iterable[Asked],
    *,
    epsilon: float,
    towards: str | None = None,
    black_box: bool = False,
    seed: int = 0,
) -> Attacked:
    """Attack a face, and ask classifiers.

    Args:
        image: RGB uint8 (H, W, 3).
        box: float32 (4,), the face, pixels.
        attack: that is run.
        surrogate: whose gradients it takes, or whom it asks.
        asked: who is asked then.
        epsilon: the budget in units of [0, 1] pixels.
        towards: the emotion to be reached; None for any but the surrogate's clean answer.
        black_box: whether the attack only asks.
        seed: of what is random.

    Raises:
        UsageError: the surrogate has no output for that emotion, or answers it already.
        FxbenchError: a component failed.
    """
    model, name = surrogate.classifier, surrogate.component.name
    place = np.zeros(1, np.int64), np.ascontiguousarray(box[None])
    clean = crops((image,), place, model.face)
    top = int(probabilities(name, model, clean)[0].argmax())
    column = top if towards is None else column_of(model.labels, towards)
    if column < 0:
        raise UsageError(f"{name} has no output for {towards}: choose another emotion.")
    if towards is not None and column == top:
        raise UsageError(
            f"{name} labels the face as {towards} already: choose another emotion, or any."
        )
    targets = np.zeros((1, len(model.labels)), np.float32)
    targets[0, column] = 1
    made = perturbed(
        attack,
        model,
        clean,
        Aim(targets, np.ones(1, np.bool_), towards is not None),
        epsilon=epsilon,
        seeds=seeds_of(np.zeros(1, np.int64), seed),
        black_box=black_box,
    )
    change = made.faces.astype(np.float32) - clean
    sides = image_sizes((image,), *place)
    said = []
    for one in asked:
        spec: FaceSpec = one.classifier.face
        own = crops((image,), place, spec)
        after = made.faces
        if spec != model.face:
            wanted = own + carried(change, model.face, spec, place[1], sides)
            after = held(own, (wanted / 255).astype(np.float32), attack.norm, epsilon)
        said.append(_said(one, role_of(one.component, (surrogate.component,)), own, after))
    return Attacked(
        clean[0],
        made.faces[0],
        float(sizes(clean, made.faces, "linf")[0]),
        float(sizes(clean, made.faces, "l2")[0]),
        tuple(said),
        None if made.queries is None else int(made.queries[0]),
        bool(made.flat[0] == 1),
    )


def _said(one: Asked, role: str, clean: UInt8, adversarial: UInt8) -> Said:
    labels = tuple(one.classifier.labels)
    outputs = probabilities(
        one.component.name, one.classifier, np.concatenate([clean, adversarial])
    )
    shares = np.full((2, len(EMOTIONS)), np.nan, np.float32)
    known = [code for code, emotion in enumerate(EMOTIONS) if emotion in labels]
    shares[:, known] = by_emotion(outputs, labels)[:, known]
    before, after = ((labels[int(row.argmax())] or OTHER, float(row.max())) for row in outputs)
    return Said(one.component.name, role, before, after, shares[0], shares[1])
