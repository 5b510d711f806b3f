"""Trains `emopy`: ``python -m fxbench_emopy.train --data FILE --out FILE``.

:mod:`fxbench_emopy.training_data` describes the file of images and votes.
It runs on each backend of Keras 3 (``KERAS_BACKEND``); on TensorFlow it needs no further package.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cv2
import keras
import numpy as np

from fxbench.errors import DataError
from fxbench.labels import EMOTIONS
from fxbench_emopy.network import SIZE, build
from fxbench_emopy.training_data import Data, read

if TYPE_CHECKING:
    from fxbench.types import Float32, Int64, UInt8

_CLASSES = len(EMOTIONS)
_EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the network is trained.

    Attributes:
        epochs: passes over the training images.
        batch: images in a step.
        peak: the highest learning rate, reached after the warm-up; it then falls to 0 as a cosine.
        warm_up: the fraction of all steps that the learning rate rises in.
        weight_decay: AdamW's, on the kernels alone.
        average: the decay of the exponential moving average of the weights, whose value is kept.
        spatial_dropout: see :func:`fxbench_emopy.network.build`.
        dropout: likewise.
        rotation: largest turn of a face, degrees.
        scale: largest change of its size, as a fraction.
        shift: farthest move, pixels.
        contrast: largest change of its contrast, as a fraction.
        brightness: largest change of its brightness, as a fraction of the range.
        erase: how often a random rectangle is greyed out (Zhong et al., AAAI 2020).
        seed: of the initial weights, the order, the dropout and the augmentation.
        precision: a Keras precision policy.
    """

    epochs: int = 16
    batch: int = 64
    peak: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 1e-4
    average: float = 0.998
    spatial_dropout: float = 0.1
    dropout: float = 0.4
    rotation: float = 12.0
    scale: float = 0.08
    shift: float = 3.0
    contrast: float = 0.25
    brightness: float = 0.12
    erase: float = 0.0
    seed: int = 1
    precision: str = "float32"


_DEFAULT = Recipe()


def augmented(faces: UInt8, recipe: Recipe, random: np.random.Generator) -> Float32:
    """Randomly turned, scaled, moved, mirrored and relit faces.

    Args:
        faces: uint8 (N, 48, 48).
        recipe: how far each change may go.
        random: where the changes are drawn from.

    Returns:
        float32 (N, 48, 48, 1) in [0, 1].
    """
    count = len(faces)
    angle = np.deg2rad(random.uniform(-recipe.rotation, recipe.rotation, count))
    factor = random.uniform(1 - recipe.scale, 1 + recipe.scale, count)
    shift = random.uniform(-recipe.shift, recipe.shift, (count, 2))
    mirror = random.choice((-1.0, 1.0), count)
    contrast = random.uniform(1 - recipe.contrast, 1 + recipe.contrast, (count, 1, 1))
    brightness = random.uniform(-recipe.brightness, recipe.brightness, (count, 1, 1))
    erased = np.flatnonzero(random.random(count) < recipe.erase)

    centre = (SIZE - 1) / 2
    moved = np.empty((count, SIZE, SIZE), np.uint8)
    for i in range(count):
        cosine, sine = factor[i] * np.cos(angle[i]), factor[i] * np.sin(angle[i])
        linear = np.array([[mirror[i] * cosine, -sine], [mirror[i] * sine, cosine]])
        offset = centre - linear @ (centre, centre) + shift[i]
        cv2.warpAffine(
            faces[i],
            np.column_stack([linear, offset]),
            (SIZE, SIZE),
            dst=moved[i],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    lit = moved.astype(np.float32) / 255
    mean = lit.mean((1, 2), keepdims=True)
    lit = np.clip((lit - mean) * contrast + mean + brightness, 0, 1).astype(np.float32)
    for row in erased:
        height, width = random.integers(8, 21, 2)
        top, left = random.integers(0, (SIZE - height + 1, SIZE - width + 1))
        lit[row, top : top + height, left : left + width] = random.random()
    return np.expand_dims(lit, -1)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented training batches, each drawn from its own seed: no thread changes them."""

    def __init__(self, faces: UInt8, targets: Float32, recipe: Recipe) -> None:
        super().__init__(workers=1)
        self._faces, self._targets, self._recipe = faces, targets, recipe
        self._epoch = 0
        self._order = self._shuffled()

    def _shuffled(self) -> Int64:
        random = np.random.default_rng((self._recipe.seed, self._epoch))
        return random.permutation(len(self._faces))

    def __len__(self) -> int:
        return len(self._faces) // self._recipe.batch

    def __getitem__(self, index: int) -> tuple[Float32, Float32]:
        size = self._recipe.batch
        rows = self._order[index * size : (index + 1) * size]
        random = np.random.default_rng((self._recipe.seed, self._epoch, index))
        return augmented(self._faces[rows], self._recipe, random), self._targets[rows]

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._order = self._shuffled()


class _Average:
    """The exponential moving average of all weights, running statistics included."""

    def __init__(self, model: Any, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self.values = [np.array(value, np.float64) for value in model.get_weights()]

    def update(self, model: Any) -> None:
        self._steps += 1
        # The first steps must not keep the random initial weights.
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        self.values = [
            decay * value + (1 - decay) * now
            for value, now in zip(self.values, model.get_weights(), strict=True)
        ]

    def copy_to(self, model: Any) -> None:
        model.set_weights([value.astype(np.float32) for value in self.values])


class _Log(keras.callbacks.Callback):  # type: ignore[misc]
    """After each step averages the weights, after each epoch scores, saves and logs them."""

    def __init__(self, average: _Average, judge: Any, data: Data, out: Path):
        super().__init__()
        self._average, self._judge, self._data, self._out = average, judge, data, out
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._average.update(self.model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._average.copy_to(self._judge)
        self._judge.save_weights(self._out)
        answers = probabilities(self._judge, self._data.valid_faces)
        right = answers.argmax(1) == self._data.valid_labels
        line = {
            "epoch": epoch + 1,
            "loss": round(float(logs["loss"]), 4),
            "valid_accuracy": round(float(right.mean()), 4),
            "seconds": round(time.perf_counter() - self._start, 1),
        }
        with log_file(self._out).open("a") as file:
            file.write(json.dumps(line) + "\n")
        click.echo(json.dumps(line))


def log_file(out: Path) -> Path:
    """Where the log of the training of `out` stands: one JSON object a line for each epoch."""
    return out.with_suffix(".log.jsonl")


def probabilities(model: Any, faces: UInt8) -> Float32:
    """The network's answer float32 (N, 8) for grey faces uint8 (N, 48, 48)."""
    answers = [
        keras.ops.convert_to_numpy(
            model.predict_on_batch(
                faces[i : i + _EVALUATION_BATCH, ..., np.newaxis].astype(np.float32) / 255
            )
        )
        for i in range(0, len(faces), _EVALUATION_BATCH)
    ]
    return np.concatenate(answers).astype(np.float32)


def fit(data: Data, recipe: Recipe, out: Path) -> Any:
    """Train a network and save its averaged weights.

    Args:
        data: what to train on, and what to score after each epoch; nothing is chosen by the score.
        recipe: how to train.
        out: the weights' file, ending in `.weights.h5`, written after each epoch; the log stands
            beside it.

    Returns:
        The network in float32 with the weights that were saved last.
    """
    keras.utils.set_random_seed(recipe.seed)
    model = build(
        _CLASSES,
        spatial_dropout=recipe.spatial_dropout,
        dropout=recipe.dropout,
        precision=recipe.precision,
    )
    judge = build(_CLASSES)
    batches = _Batches(data.faces, data.targets, recipe)
    steps = recipe.epochs * len(batches)
    warm_up = int(recipe.warm_up * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.peak / 100, steps - warm_up, warmup_target=recipe.peak, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "categorical_crossentropy")
    log_file(out).unlink(missing_ok=True)
    average = _Average(model, recipe.average)
    log = _Log(average, judge, data, out)
    model.fit(batches, epochs=recipe.epochs, verbose=0, callbacks=[log])
    return judge


def wilson(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson, JASA 1927)."""
    share, square = right / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * float(np.sqrt(share * (1 - share) / count + square / count / 4))
    return middle - half, middle + half


def score(answers: Float32, labels: Int64) -> dict[str, Any]:
    """Accuracy with its interval and per-class recall of `answers` (N, 8) on `labels` (N,)."""
    right = answers.argmax(1) == labels
    low, high = wilson(int(right.sum()), len(right))
    return {
        "images": len(right),
        "accuracy": round(float(right.mean()), 4),
        "interval": [round(low, 4), round(high, 4)],
        "recall": {
            emotion: round(float(right[labels == i].mean()), 3)
            for i, emotion in enumerate(EMOTIONS)
            if (labels == i).any()
        },
    }


@click.command()
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--copies", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--epochs", type=click.IntRange(1), default=_DEFAULT.epochs, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=_DEFAULT.batch, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=_DEFAULT.seed, show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16"]),
    default=_DEFAULT.precision,
    show_default=True,
)
def main(
    *,
    data: Path,
    copies: Path | None,
    out: Path,
    epochs: int,
    batch: int,
    seed: int,
    precision: str,
) -> None:
    """Train emopy and write its weights to OUT (ending in .weights.h5)."""
    if not out.name.endswith(".weights.h5"):
        raise click.BadParameter(f"{out.name} must end in .weights.h5.", param_hint="--out")
    try:
        images = read(data, copies)
    except DataError as error:
        raise click.ClickException(str(error)) from error
    recipe = Recipe(epochs=epochs, batch=batch, seed=seed, precision=precision)
    labels = images.valid_labels
    click.echo(f"{len(images.faces)} training images, {len(labels)} validation images, {recipe}")
    model = fit(images, recipe, out)
    answers = probabilities(model, images.valid_faces)
    result = score(answers, labels)
    if images.valid_copied.any() and not images.valid_copied.all():
        own = ~images.valid_copied
        result["without_copies"] = score(answers[own], labels[own])
    result["parameters"] = model.count_params()
    result["sha256"] = hashlib.sha256(out.read_bytes()).hexdigest()
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
