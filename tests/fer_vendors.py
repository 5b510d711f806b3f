"""The own code of `fer` and `facex`, run without what their packages import besides it."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


def folder(package: str) -> Path:
    """Where a package lies; the test skips where it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {package}: pip install --no-deps {package}")
    return Path(spec.submodule_search_locations[0])


def shell(monkeypatch: pytest.MonkeyPatch, package: str) -> Path:
    """A module that has a package's name and files, and has not run its `__init__.py`."""
    where = folder(package)
    module = ModuleType(package)
    module.__spec__ = find_spec(package)
    module.__path__ = [str(where)]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, module)
    return where


def load_fer(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """An object of `fer.FER`, and what its network answers in a list beside it."""
    where = shell(monkeypatch, "fer")
    resources = ModuleType("pkg_resources")
    resources.resource_filename = lambda _, name: str(where / name)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pkg_resources", resources)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = importlib.import_module("fer.fer").FER(**options)
    network, answers = made._classify_emotions, []

    def classify(faces: Any) -> Any:
        # Keras and TensorFlow Lite warn of how they are used.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers.append(np.asarray(network(faces)))
        return answers[-1]

    made._classify_emotions = classify
    return made, answers


def resize(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `skimage.transform.resize` does to 8-bit grey, for where scikit-image is not there.

    Its defaults: bilinear, mirrored at the edges, smoothed by a Gaussian before it shrinks.
    """
    from scipy import ndimage

    given = image[..., None].astype(np.float64) / 255
    factors = np.divide(given.shape, shape)
    sigma = np.maximum(0, (factors - 1) / 2)
    given = ndimage.gaussian_filter(given, sigma, cval=0, mode="mirror")
    return ndimage.zoom(given, 1 / factors, order=1, mode="mirror", cval=0, grid_mode=True)


def load_facex(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An object of `facex.core.EmotionClassifier`."""
    where = shell(monkeypatch, "facex")
    if find_spec("skimage") is None:
        module = ModuleType("skimage.transform")
        module.resize = resize  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "skimage", ModuleType("skimage"))
        monkeypatch.setitem(sys.modules, "skimage.transform", module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        core = importlib.import_module("facex.core")
        return core.EmotionClassifier(str(where / "assets" / "model_optimized.tflite"))
