"""A trainer for a network in Keras: :class:`fxbench.protocols.Trainer` with the shared engine."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from fxbench.training.contract import Trained, TrainingData, Watcher
from fxbench.training.convert import to_onnx
from fxbench.training.fit import Examples, Fit, Network, balanced, probabilities
from fxbench.training.recipe import Recipe
from fxbench.types import FaceSpec, UInt8


class KerasTrainer:
    """Trains a network as its recipe says.

    Args:
        network: what to train.
        recipe: how, unless somebody says otherwise.

    Attributes:
        face: the network's size, stretched.
        recipe: as given.
    """

    def __init__(self, network: Network, recipe: Recipe) -> None:
        self.face = FaceSpec(network.size)
        self.recipe = recipe
        self._network = network

    def train(
        self,
        data: TrainingData,
        recipe: Recipe,
        folder: Path,
        *,
        resume: bool,
        watcher: Watcher,
    ) -> Trained:
        """See :meth:`fxbench.protocols.Trainer.train`.

        On TensorFlow the network with the best weights is also written as `NAME.onnx`.
        """
        valid = _grey(data.valid_faces)
        fit = Fit(
            self._network,
            recipe,
            Examples(data.images, data.targets, balanced(data.targets, recipe.balance)),
            (valid, data.valid_labels),
            folder,
            identity={"data": data.record, "keras": keras.__version__},
        )
        model = fit.run(watcher, resume=resume)
        if keras.config.backend() == "tensorflow":
            to_onnx(model, folder / f"{self._network.name}.onnx")
        return Trained(
            fit.weights,
            fit.history,
            probabilities(model, valid),
            model.count_params(),
            f"Keras {keras.__version__} on {keras.config.backend()}",
        )


def _grey(faces: UInt8) -> UInt8:
    """Grey (ITU-R BT.601) uint8 (N, H, W) of RGB faces uint8 (N, H, W, 3)."""
    grey: UInt8 = np.rint(faces @ np.array((0.299, 0.587, 0.114))).astype(np.uint8)
    return grey
