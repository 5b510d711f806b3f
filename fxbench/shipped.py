"""The classifiers that are one network with the weights that come with its package.

In Keras on TensorFlow, in ONNX Runtime, and there in 8 bits. Importing this module imports none of
them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench.component import Component, Weights
from fxbench.weights import shipped

if TYPE_CHECKING:
    from fxbench.keras_network import KerasNetwork
    from fxbench.onnx_network import OnnxNetwork

_MEND = "pip install --force-reinstall --no-deps fxbench"
_SOURCE = "shipped with fxbench, see the plugin's CARD.md"


def components(
    name: str, summary: str, folder: Path, build: Callable[[], Any], *, licence: str
) -> list[Component]:
    """The classifiers NAME, NAME-onnx and NAME-int8.

    Args:
        name: of the network: its files are NAME.weights.h5, NAME.onnx and NAME-int8.onnx.
        summary: of the first.
        folder: where the files and their manifest lie.
        build: see :class:`fxbench.keras_network.KerasNetwork`.
        licence: of the weights.
    """

    def weights(file: str) -> Weights:
        return shipped(folder, file, mend=_MEND, source=_SOURCE, licence=licence)

    keras, onnx, int8 = (weights(f"{name}{end}") for end in (".weights.h5", ".onnx", "-int8.onnx"))
    first = Component(
        name=name,
        summary=summary,
        factory=partial(_keras, name, build, keras),
        extra="tensorflow",
        requires=("tensorflow", "keras"),
        traits=frozenset({"default", "gradient"}),
        weights=(keras,),
        licence="research use, see the weights",
    )

    def variant(kind: str, summary: str, file: Weights) -> Component:
        return Component(
            name=f"{name}-{kind}",
            summary=summary,
            factory=partial(_onnx, f"{name}-{kind}", file),
            requires=("onnxruntime",),
            traits=frozenset({"default"}),
            weights=(file,),
            variant_of=name,
            licence=first.licence,
        )

    return [
        first,
        variant("onnx", f"{name} in ONNX Runtime: the same network, without TensorFlow.", onnx),
        variant("int8", f"{name} in ONNX Runtime with 8-bit weights and activations.", int8),
    ]


def _keras(name: str, build: Callable[[], Any], weights: Weights) -> KerasNetwork:
    from fxbench.keras_network import KerasNetwork

    return KerasNetwork(name, build, weights)


def _onnx(name: str, weights: Weights) -> OnnxNetwork:
    from fxbench.onnx_network import OnnxNetwork

    return OnnxNetwork(name, weights)
