"""Adversarial training: each step trains on faces that were changed to mislead the network.

The change is found by projected gradient descent within an L-infinity ball, from a random point in
it (Madry et al., ICLR 2018, arXiv 1706.06083). A single step of 1.25 epsilon is the fast form of
Wong, Rice and Kolter (ICLR 2020, arXiv 2001.03994). TensorFlow only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fxbench.sources import evenly_spaced
from fxbench.training.recipe import Recipe
from fxbench.types import Int64, UInt8

JUDGED_BY = 500
"""How many validation faces, evenly spaced, are attacked after each epoch."""

_JUDGING_STEPS = 5
_AT_ONCE = 125  # faces: for a gradient all activations are kept


def step_size(epsilon: float, steps: int) -> float:
    """How far each of `steps` moves: 2.5 epsilon / steps, or 1.25 epsilon for a single one."""
    return 1.25 * epsilon if steps == 1 else 2.5 * epsilon / steps


def attacker(model: Any) -> Callable[[Any, Any, Any, float, int], Any]:
    """What misleads a network.

    Args:
        model: from grey faces (N, size, size, 1) in [0, 1] to probabilities; its layer `logits`
            holds what goes into the softmax.

    Returns:
        A function of faces float32, targets float32 (N, classes), a start from -1 to 1 with the
        faces' shape, epsilon and the number of steps. It returns faces in [0, 1] within epsilon of
        those given. Batch normalisation and dropout work as in inference, so that looking for the
        faces changes nothing in the network (Pang et al., ICLR 2021).
    """
    logits = keras.Model(model.input, model.get_layer("logits").output)

    def attack(faces: Any, targets: Any, start: Any, epsilon: float, steps: int) -> Any:
        low = tf.maximum(faces - epsilon, 0.0)
        high = tf.minimum(faces + epsilon, 1.0)
        found = tf.clip_by_value(faces + epsilon * start, low, high)
        for _ in range(steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(found)
                answers = tf.cast(logits(found, training=False), tf.float32)
                loss = tf.nn.softmax_cross_entropy_with_logits(targets, answers)
            uphill = tf.sign(tape.gradient(loss, found))
            found = tf.clip_by_value(found + step_size(epsilon, steps) * uphill, low, high)
        return found

    return attack


class AdversarialModel(keras.Model):  # type: ignore[misc]
    """A functional model, with the same layers, that trains on misleading faces.

    In each step the first faces of the batch, `adversarial_share` of it, are replaced; the rest
    stay as they are (Kurakin et al., ICLR 2017).

    Args:
        model: the network.
        recipe: with an `adversarial_epsilon` above 0.
    """

    def __init__(self, model: Any, recipe: Recipe) -> None:
        super().__init__(model.input, model.output, name=model.name)
        self._recipe = recipe
        # A variable of the model, so that a checkpoint holds where its random numbers are.
        self._starts = keras.random.SeedGenerator(recipe.seed)
        self._attack = attacker(model)

    def train_step(self, data: Any) -> Any:
        """Mislead, then train as ever."""
        faces, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        return super().train_step((self.mislead(faces, targets), targets, weights))

    def mislead(self, faces: Any, targets: Any) -> Any:
        """A batch whose first faces, `adversarial_share` of it, mislead the network.

        Args:
            faces: float32 (N, size, size, 1) in [0, 1].
            targets: float32 (N, classes).
        """
        recipe = self._recipe
        count = tf.cast(tf.shape(faces)[0], tf.float32) * recipe.adversarial_share
        attacked = tf.cast(tf.round(count), tf.int32)
        chosen = faces[:attacked]
        start = keras.random.uniform(tf.shape(chosen), -1.0, 1.0, seed=self._starts)
        found = self._attack(
            chosen,
            targets[:attacked],
            start,
            recipe.adversarial_epsilon,
            recipe.adversarial_steps,
        )
        return tf.concat([found, faces[attacked:]], 0)


class Judge:
    """Measures how often a network stays right under attack.

    The attack has 5 steps, its start is drawn from the recipe's seed, and it works on the first
    :data:`JUDGED_BY` evenly spaced faces. It compares epochs; a strong attack has more steps.

    Args:
        model: the network, in float32.
        faces: grey uint8 (V, size, size).
        labels: int64 (V,).
        recipe: whose epsilon and seed are used.
    """

    def __init__(self, model: Any, faces: UInt8, labels: Int64, recipe: Recipe) -> None:
        rows = evenly_spaced(len(faces), JUDGED_BY)
        self._model = model
        self._faces = (faces[rows, ..., np.newaxis] / 255).astype(np.float32)
        self._labels = labels[rows]
        classes = int(model.output_shape[-1])
        self._targets = np.eye(classes, dtype=np.float32)[self._labels]
        random = np.random.default_rng(recipe.seed)
        self._start = random.uniform(-1, 1, self._faces.shape).astype(np.float32)
        attack, epsilon = attacker(model), recipe.adversarial_epsilon
        self._attack = tf.function(
            lambda faces, targets, start: attack(faces, targets, start, epsilon, _JUDGING_STEPS)
        )

    def accuracy(self) -> float:
        """The share of faces that are right when attacked."""
        right = 0
        for i in range(0, len(self._faces), _AT_ONCE):
            part = slice(i, i + _AT_ONCE)
            found = self._attack(self._faces[part], self._targets[part], self._start[part])
            answers = keras.ops.convert_to_numpy(self._model.predict_on_batch(found))
            right += int((answers.argmax(1) == self._labels[part]).sum())
        return right / len(self._faces)
