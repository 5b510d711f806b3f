"""A plugin for tests: NumPy only, and it writes down what it is asked to do.

The folder that this file lies in is a distribution already: with it on `sys.path`, the plugin is
found like any other.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import fxbench
from fxbench.component import Component, Option


def _log(what: str) -> None:
    """Append a line to the file that TOY_LOG names, and dawdle as long as TOY_SLEEP says.

    Whoever takes away a file that begins as TOY_DIE says is killed at once. Where TOY_HOARD
    is a file, more and more memory is taken.
    """
    path = os.environ.get("TOY_LOG")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(what + "\n")
    time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
    _suffer(os.environ.get("TOY_DIE"), os.environ.get("TOY_HOARD"))


def _suffer(die: str | None, hoard: str | None) -> None:
    for path in sorted(Path(die).parent.glob(Path(die).name + "*")) if die else ():
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
    hoarded = []
    while hoard and Path(hoard).is_file():
        hoarded.append(bytearray(os.urandom(1) * 50_000_000))
        time.sleep(0.05)


def _detector(min_mean: float = 0.0) -> object:
    _log("load toy-centre")
    from fxbench.types import Boxes

    class Centre:
        """The middle of every image whose first pixel is bright enough."""

        def detect(self, images):
            _log(f"detect {len(images)}")
            found = []
            for image in images:
                height, width = image.shape[:2]
                box = (width / 8, height / 8, width * 7 / 8, height * 7 / 8, 1.0)
                found.append([box] if image.mean() >= min_mean else [])
            return Boxes.from_lists(found)

    return Centre()


def _linear(seed: int = 0) -> object:
    _log("load toy-linear")
    import numpy as np

    from fxbench.labels import EMOTIONS
    from fxbench.types import FaceSpec

    class Linear:
        """Softmax of a random linear map: differentiable, the same everywhere."""

        labels = EMOTIONS
        face = FaceSpec(12)

        def __init__(self):
            generator = np.random.default_rng(seed)
            self.weights = generator.normal(size=(12 * 12 * 3, 8)).astype(np.float64) / 6

        def _forward(self, faces):
            logits = (faces.reshape(len(faces), 12 * 12 * 3) - 0.5) @ self.weights
            # One row at a time would give other last digits; sums of products are per row anyway.
            odds = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
            return odds / odds.sum(axis=1, keepdims=True)

        def predict(self, faces):
            _log(f"predict {len(faces)}")
            return self._forward(faces.astype(np.float64) / 255).astype(np.float32)

        def gradient(self, faces, targets):
            _log(f"gradient {len(faces)}")
            slope = (self._forward(faces.astype(np.float64)) - targets) @ self.weights.T
            return slope.reshape(faces.shape).astype(np.float32)

    return Linear()


def _seven() -> object:
    _log("load toy-seven")
    import numpy as np

    from fxbench.types import FaceSpec

    class Seven:
        """Seven outputs, one without counterpart and no contempt: bright faces are happy."""

        labels = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", None)
        face = FaceSpec(4, "pad")

        def predict(self, faces):
            _log(f"predict {len(faces)}")
            outputs = np.full((len(faces), 7), 0.1, np.float32)
            column = (faces.reshape(len(faces), 4 * 4 * 3).mean(axis=1) / 256 * 7).astype(int)
            outputs[np.arange(len(faces)), column] = 0.4
            return outputs

    return Seven()


def _broken() -> object:
    class Broken:
        from fxbench.labels import EMOTIONS as labels
        from fxbench.types import FaceSpec

        face = FaceSpec(4)

        def predict(self, faces):
            raise RuntimeError(f"no luck with {len(faces)} faces")

    return Broken()


def _wrong() -> object:
    import numpy as np

    class Wrong:
        from fxbench.labels import EMOTIONS as labels
        from fxbench.types import FaceSpec

        face = FaceSpec(4)

        def predict(self, faces):
            return np.ones((len(faces), 8), np.float32)

    return Wrong()


def _greedy() -> object:
    import numpy as np

    class Greedy:
        """Claims far more than its budget, and pixels that don't exist."""

        norm = "linf"

        def perturb(self, model, faces, targets, *, epsilon, seeds):
            return (faces + np.sign(model.gradient(faces, targets)) * 5).astype(np.float32)

    return Greedy()


@fxbench.hookimpl
def fxbench_detectors():
    return [
        Component(
            "toy-centre",
            "The middle of the image.",
            _detector,
            options=(Option("min_mean", "float", 0.0, "Darker images have no face."),),
        ),
        Component("toy-absent", "Needs what is not there.", object, requires=("not_a_module",)),
    ]


@fxbench.hookimpl
def fxbench_classifiers():
    return [
        Component(
            "toy-linear",
            "A random linear map.",
            _linear,
            traits=frozenset({"gradient"}),
            options=(Option("seed", "int", 0, "Of the map."),),
        ),
        Component("toy-seven", "Seven outputs.", _seven),
        Component("toy-broken", "Raises.", _broken),
        Component("toy-wrong", "Rows that sum to 8.", _wrong),
        Component("toy-away", "Sends images away.", _seven, sends=True, price=0.001),
    ]


@fxbench.hookimpl
def fxbench_attacks():
    return [Component("toy-greedy", "Breaks its budget.", _greedy, traits=frozenset({"fixed"}))]
