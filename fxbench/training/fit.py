"""Fits a Keras network to vote distributions: the engine of the trainers that are shipped.

It runs on each backend of Keras 3 (`KERAS_BACKEND`). On TensorFlow batch normalisation is fused
while training (:mod:`fxbench.training.fused`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from fxbench.errors import StoreError, UnavailableError
from fxbench.loader import one_line
from fxbench.training import checkpoint as checkpoints
from fxbench.training.augment import augmented
from fxbench.training.contract import Watcher, merit
from fxbench.training.recipe import Recipe
from fxbench.training.statistics import Statistics
from fxbench.types import Float32, Int64, UInt8

_EVALUATION_BATCH = 256
_PREPARED_BY = 512  # faces
_AVERAGE_EVERY = 4  # steps: reading all weights of a large network takes a while


class Network(Protocol):
    """What the engine must know of a network.

    Attributes:
        name: of its weight file.
        size: of its faces, pixels.
        head: the names of the layers that are new on top of pretrained ones.
    """

    name: str
    size: int
    head: tuple[str, ...]

    def build(self, precision: str) -> Any:
        """The network from grey float32 (N, size, size, 1) in [0, 1] to probabilities (N, 8)."""
        ...

    def prepare(self, model: Any, faces: Float32) -> None:
        """Give a network that was just built what it begins with, by looking at some faces."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Training images grey uint8 (H, W), targets float32 (N, 8), how much each image counts."""

    images: tuple[UInt8, ...]
    targets: Float32
    weights: Float32


def balanced(targets: Float32, power: float) -> Float32:
    """How much each image counts: its classes' inverse frequency to a power, 1 on average."""
    frequency = targets.mean(0)
    per_class = np.where(frequency > 0, frequency, 1.0) ** -power
    weights = targets @ per_class
    result: Float32 = (weights / weights.mean()).astype(np.float32)
    return result


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented training batches, each drawn from its own seed: no thread changes them."""

    def __init__(self, examples: Examples, size: int, recipe: Recipe, epoch: int) -> None:
        super().__init__(workers=1)
        self._examples, self._size, self._recipe = examples, size, recipe
        self._epoch = epoch
        self._order = self._shuffled()

    def _shuffled(self) -> Int64:
        random = np.random.default_rng((self._recipe.seed, self._epoch))
        return random.permutation(len(self._examples.images))

    def __len__(self) -> int:
        return max(1, len(self._examples.images) // self._recipe.batch)

    def __getitem__(self, index: int) -> tuple[Float32, Float32, Float32]:
        batch = self._recipe.batch
        rows = self._order[index * batch : (index + 1) * batch]
        random = np.random.default_rng((self._recipe.seed, self._epoch, index))
        images = [self._examples.images[row] for row in rows]
        faces = augmented(images, self._size, self._recipe, random)
        return faces, self._examples.targets[rows], self._examples.weights[rows]


class _Average:
    """The exponential moving average of all weights, running statistics included."""

    def __init__(self, values: Sequence[Any], decay: float, steps: int = 0) -> None:
        self._decay, self.steps = decay, steps
        self.values = [np.array(value, np.float32) for value in values]

    def update(self, model: Any) -> None:
        self.steps += _AVERAGE_EVERY
        # The first steps must not keep the random initial weights.
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps)) ** _AVERAGE_EVERY
        for average, now in zip(self.values, model.get_weights(), strict=True):
            np.add(average, np.float32(1 - decay) * (now - average), out=average)


class _Each(keras.callbacks.Callback):  # type: ignore[misc]
    """Averages the weights and tells of each step."""

    def __init__(self, average: _Average, epoch: int, steps: int, watcher: Watcher) -> None:
        super().__init__()
        self._average, self._number, self._watcher = average, epoch, watcher
        self._steps = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (batch + 1) % _AVERAGE_EVERY == 0:
            self._average.update(self.model)
        self._watcher.step(self._number, batch + 1, self._steps, float((logs or {})["loss"]))


def probabilities(model: Any, faces: UInt8) -> Float32:
    """A network's answers float32 (N, 8) for grey faces uint8 (N, size, size)."""
    answers = [
        keras.ops.convert_to_numpy(
            model.predict_on_batch(
                faces[i : i + _EVALUATION_BATCH, ..., np.newaxis].astype(np.float32) / 255
            )
        )
        for i in range(0, len(faces), _EVALUATION_BATCH)
    ]
    return np.concatenate(answers).astype(np.float32)


class Fit:
    """One training.

    Args:
        network: what to train.
        recipe: how.
        examples: on what.
        valid: grey faces uint8 (V, size, size) and labels int64 (V,) to judge each epoch by.
        folder: where `checkpoint.npz` and the best weights so far, `NAME.weights.h5`, are written
            after each epoch.
        identity: what a checkpoint must have in common with this training to be resumed by it.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        examples: Examples,
        valid: tuple[UInt8, Int64],
        folder: Path,
        *,
        identity: dict[str, Any],
    ) -> None:
        self._network, self._recipe, self._examples = network, recipe, examples
        self._valid, self._folder = valid, folder
        self._identity = {"network": network.name, "recipe": recipe.record(), **identity}
        self.weights = folder / f"{network.name}.weights.h5"
        self.checkpoint = folder / "checkpoint.npz"
        self.history: list[dict[str, Any]] = []
        keras.utils.set_random_seed(recipe.seed)
        if recipe.deterministic and keras.config.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()
        self._refuse_other_backend()
        self._model = network.build(recipe.precision)
        faces = self._some_faces()
        network.prepare(self._model, faces[:_PREPARED_BY])
        self._judge = network.build("float32")
        measured = network.build("float32")
        if keras.config.backend() == "tensorflow":
            from fxbench.training.fused import fused

            self._model, measured = fused(self._model), fused(measured)
        self._robust: Any = None
        if recipe.adversarial_epsilon:
            from fxbench.training.adversarial import AdversarialModel, Judge

            self._model = AdversarialModel(self._model, recipe)
            self._robust = Judge(self._judge, *valid, recipe)
        self._statistics = Statistics(measured, faces)
        self._average = _Average(self._model.get_weights(), recipe.average)

    def _refuse_other_backend(self) -> None:
        backend = keras.config.backend()
        if self._recipe.adversarial_epsilon and backend != "tensorflow":
            raise UnavailableError(
                f"Adversarial training needs Keras on TensorFlow, but its backend is {backend!r}: "
                "unset KERAS_BACKEND, or set the recipe's adversarial_epsilon to 0."
            )

    def run(self, watcher: Watcher, *, resume: bool = False) -> Any:
        """Train to the end and return the network with the best weights, in float32.

        Raises:
            DataError: the checkpoint to resume from is missing or damaged.
            UsageError: it is of another training.
            StoreError: the disk is full; the checkpoint of the epoch before is whole.
        """
        done = 0
        saved = None
        if resume:
            saved = checkpoints.load(self.checkpoint, self._identity)
            done, self.history = saved.epoch, list(saved.history)
        recipe = self._recipe
        if done < recipe.head_epochs:
            self._phase(range(done, recipe.head_epochs), saved, watcher, head=True)
            saved, done = None, recipe.head_epochs
        if done < recipe.epochs:
            # The end of the head's phase leaves an optimizer that is of no use to the next.
            if done == recipe.head_epochs and saved is not None:
                checkpoints.restore(self._model.variables, saved.model)
                self._average = _Average(saved.average, recipe.average, saved.steps)
                saved = None
            self._phase(range(done, recipe.epochs), saved, watcher, head=False)
        self._judge.load_weights(self.weights)
        return self._judge

    def _phase(
        self,
        epochs: range,
        saved: checkpoints.Checkpoint | None,
        watcher: Watcher,
        *,
        head: bool,
    ) -> None:
        model, recipe = self._model, self._recipe
        for layer in model.layers:
            layer.trainable = not head or layer.name in self._network.head
        model.compile(self._optimizer(head=head), "categorical_crossentropy", jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        if saved is not None:
            checkpoints.restore(model.variables, saved.model)
            checkpoints.restore(model.optimizer.variables, saved.optimizer)
            self._average = _Average(saved.average, recipe.average, saved.steps)
        for epoch in epochs:
            start = time.perf_counter()
            batches = _Batches(self._examples, self._network.size, recipe, epoch)
            each = _Each(self._average, epoch + 1, len(batches), watcher)
            result = model.fit(batches, verbose=0, callbacks=[each], shuffle=False)
            self._end_of(epoch, result.history["loss"][0], time.perf_counter() - start, watcher)

    def _optimizer(self, *, head: bool) -> Any:
        recipe = self._recipe
        if head:
            rate: Any = recipe.peak
        else:
            steps = max(1, len(self._examples.images) // recipe.batch)
            total = steps * (recipe.epochs - recipe.head_epochs)
            warm_up = int(recipe.warm_up * total)
            rate = keras.optimizers.schedules.CosineDecay(
                recipe.peak / 100, total - warm_up, warmup_target=recipe.peak, warmup_steps=warm_up
            )
        optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def _end_of(self, epoch: int, loss: float, seconds: float, watcher: Watcher) -> None:
        """Judge the epoch, keep the weights where they are the best so far, and the state."""
        self._judge.set_weights(self._statistics.of(self._average.values))
        faces, labels = self._valid
        answers = probabilities(self._judge, faces)
        right = np.maximum(answers[np.arange(len(labels)), labels], 1e-7)
        record = {
            "epoch": epoch + 1,
            "loss": round(float(loss), 5),
            "valid_loss": round(float(-np.log(right).mean()), 5),
            "valid_accuracy": round(float((answers.argmax(1) == labels).mean()), 5),
        }
        if self._robust is not None:
            record["valid_robust_accuracy"] = round(self._robust.accuracy(), 5)
        record["seconds"] = round(seconds, 1)
        best = max((merit(line) for line in self.history), default=-1.0)
        self.history.append(record)
        if merit(record) > best:
            self._save_weights(self.weights)
        if self._recipe.keep_epochs:
            self._save_weights(self._folder / f"epoch-{epoch + 1:02}.weights.h5")
        model = self._model
        state = checkpoints.Checkpoint(
            epoch + 1,
            _values(model.variables),
            _values(model.optimizer.variables),
            self._average.values,
            self._average.steps,
            self.history,
        )
        checkpoints.save(self.checkpoint, state, self._identity)
        watcher.epoch(record)

    def _save_weights(self, path: Path) -> None:
        # Keras writes a file by its name, so what it wrote is renamed: a kill leaves no half file.
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name.removesuffix('.weights.h5')}.tmp.weights.h5")
        try:
            self._judge.save_weights(temporary)
            temporary.replace(path)
        except (OSError, RuntimeError, ValueError) as error:
            # HDF5 has an error of its own for each way in which a disk can fail.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StoreError(
                f"{path} could not be written ({one_line(error)}). Free some space, or make the "
                "folder writable, and go on with --resume."
            ) from error

    def _some_faces(self, count: int = 2048) -> Float32:
        """Plain training faces, float32 (n, size, size, 1) in [0, 1]."""
        still = Recipe(
            rotation=0, scale=0, shift=0, contrast=0, brightness=0, erase=0, seed=self._recipe.seed
        )
        random = np.random.default_rng((self._recipe.seed, 2**31))
        rows = random.permutation(len(self._examples.images))[:count]
        images = [self._examples.images[row] for row in rows]
        return augmented(images, self._network.size, still, random)


def _values(variables: Sequence[Any]) -> list[Any]:
    return [keras.ops.convert_to_numpy(variable) for variable in variables]
