"""The classifiers that are one network with the weights that come with its package.

In Keras on TensorFlow, in ONNX Runtime, and there in 8 bits. Importing this module imports none of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench.component import Component, Weights
from fxbench.weights import shipped

if TYPE_CHECKING:
    from fxbench.keras_network import KerasNetwork
    from fxbench.onnx_network import OnnxNetwork

_MEND = "pip install --force-reinstall --no-deps fxbench"
_FILES = {"keras": ".weights.h5", "onnx": ".onnx", "int8": "-int8.onnx"}


def components(
    name: str,
    summary: str,
    folder: Path,
    build: Callable[[], Any],
    *,
    licence: str,
    variants: Collection[str] = ("onnx", "int8"),
    default: bool = True,
    card: str = "CARD.md",
) -> list[Component]:
    """The classifiers NAME, NAME-onnx and NAME-int8.

    Args:
        name: of the network: its files are NAME.weights.h5, NAME.onnx and NAME-int8.onnx.
        summary: of the first.
        folder: where the files and their manifest lie.
        build: see :class:`fxbench.keras_network.KerasNetwork`.
        licence: of the weights.
        variants: which of `onnx` and `int8` there are beside the network in Keras.
        default: whether a run takes them unless told otherwise.
        card: the model card, in the plugin's folder.
    """

    def weights(kind: str) -> Weights:
        source = f"shipped with fxbench, see the plugin's {card}"
        file = f"{name}{_FILES[kind]}"
        return shipped(folder, file, mend=_MEND, source=source, licence=licence)

    keras = weights("keras")
    traits = frozenset({"default"} if default else ())
    first = Component(
        name=name,
        summary=summary,
        factory=partial(_keras, name, build, keras),
        extra="tensorflow",
        requires=("tensorflow", "keras"),
        traits=traits | {"gradient"},
        weights=(keras,),
        licence="research use, see the weights",
    )

    summaries = {
        "onnx": f"{name} in ONNX Runtime: the same network, without TensorFlow.",
        "int8": f"{name} in ONNX Runtime with 8-bit weights and activations.",
    }

    def variant(kind: str) -> Component:
        file = weights(kind)
        return Component(
            name=f"{name}-{kind}",
            summary=summaries[kind],
            factory=partial(_onnx, f"{name}-{kind}", file),
            requires=("onnxruntime",),
            traits=traits,
            weights=(file,),
            variant_of=name,
            licence=first.licence,
        )

    return [first, *(variant(kind) for kind in variants)]


def _keras(name: str, build: Callable[[], Any], weights: Weights) -> KerasNetwork:
    from fxbench.keras_network import KerasNetwork

    return KerasNetwork(name, build, weights)


def _onnx(name: str, weights: Weights) -> OnnxNetwork:
    from fxbench.onnx_network import OnnxNetwork

    return OnnxNetwork(name, weights)
