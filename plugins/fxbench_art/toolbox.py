"""The parts of adversarial-robustness-toolbox (ART) that are used, imported without its noise."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_GENERATOR = threading.Lock()
"""ART draws from NumPy's one global generator: no two attacks may do so at the same time."""

_HOMES = ("HOME", "USERPROFILE")


@contextmanager
def _another_home() -> Iterator[None]:
    """A temporary home: ART makes a folder `.art` there when it is imported, for what it downloads.

    Nothing that is used here downloads anything.
    """
    before = {name: os.environ.get(name) for name in _HOMES}
    with TemporaryDirectory(prefix="fxbench-art-", ignore_cleanup_errors=True) as folder:
        try:
            os.environ.update(dict.fromkeys(_HOMES, folder))
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


with warnings.catch_warnings(), _another_home():
    # It warns that PyTorch is not there, which nothing here needs.
    warnings.simplefilter("ignore")
    from art.attacks.evasion import AutoProjectedGradientDescent, HopSkipJump, SquareAttack
    from art.estimators import BaseEstimator, LossGradientsMixin, NeuralNetworkMixin
    from art.estimators.classification import BlackBoxClassifierNeuralNetwork
    from art.estimators.classification.classifier import ClassifierMixin

__all__ = [
    "AutoProjectedGradientDescent",
    "BaseEstimator",
    "BlackBoxClassifierNeuralNetwork",
    "ClassifierMixin",
    "HopSkipJump",
    "LossGradientsMixin",
    "NeuralNetworkMixin",
    "SquareAttack",
    "seeded",
]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """NumPy's global generator begins with `seed`, and is afterwards as it was."""
    with _GENERATOR:
        before = np.random.get_state()  # noqa: NPY002 - the generator that ART draws from
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002
