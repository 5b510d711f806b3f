"""Our attacks against those of adversarial-robustness-toolbox: one network, the same faces.

Its gradients are its own: its estimator differentiates the network that was built from the shipped
weights a second time, with its own loss.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from real_faces import real_faces

from fxbench.attacked import WhiteBox, to_pixels
from fxbench.registry import discover
from fxbench.testing import faces as drawn
from fxbench.testing import load
from fxbench.types import FaceSpec

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SIDE = 48
COUNT = 64
Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def network() -> Any:
    pytest.importorskip("tensorflow")
    return load("classifier", "emopy")


@pytest.fixture(scope="module")
def art() -> Any:
    """The library's attacks, and the network as its estimator."""
    tf = pytest.importorskip("tensorflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(
            "art", reason="adversarial-robustness-toolbox is not installed (extra `attacks`)"
        )
        from art.attacks import evasion
        from art.estimators.classification import TensorFlowV2Classifier
    import keras
    from fxbench_emopy.network import build

    whole = build()
    whole.load_weights(discover().get("classifier", "emopy").component.weights[0].locate())
    logits = keras.Model(whole.inputs, whole.get_layer("logits").output)

    def answer(pixels: Any, training: bool = False) -> Any:
        pixels = tf.cast(pixels, tf.float32)
        # BT.601, written down once more.
        grey = 0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]
        return logits(grey[..., None], training=False)

    loss = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
    estimator = TensorFlowV2Classifier(
        model=answer,
        nb_classes=8,
        input_shape=(SIDE, SIDE, 3),
        loss_object=loss,
        clip_values=(0, 1),
    )
    return evasion, estimator


@pytest.fixture(scope="module", params=["drawn", "real"])
def given(request: pytest.FixtureRequest, network: Any) -> tuple[Array, Array]:
    """Faces float32 in [0, 1] and one-hot targets: in colour, drawn, or grey, of FER+."""
    if request.param == "drawn":
        faces = drawn(FaceSpec(SIDE), count=COUNT)
        labels = network.predict(faces).argmax(axis=1)
    else:
        shared: Path = request.getfixturevalue("shared")
        faces, labels = real_faces(shared, SIDE, COUNT)
    assert len(faces) == COUNT
    return faces.astype(np.float32) / np.float32(255), np.eye(8, dtype=np.float32)[labels]


def ours(
    network: Any, given: tuple[Array, Array], name: str, epsilon: float, **options: Any
) -> Array:
    """Our answer, in 8 bits."""
    targeted = options.pop("targeted", False)
    attack = load("attack", name, **options)
    found = attack.perturb(
        WhiteBox(network, targeted=targeted), *given, epsilon=epsilon, seeds=np.arange(COUNT)
    )
    assert (to_pixels(found) != to_pixels(given[0])).any(axis=(1, 2, 3)).all()
    return to_pixels(found)


def theirs(norm: str, epsilon: float) -> dict[str, Any]:
    """Norm and budget as the library wants them: its L2 is the length, ours per pixel."""
    if norm == "linf":
        return {"norm": np.inf, "eps": epsilon, "batch_size": COUNT}
    return {"norm": 2, "eps": epsilon * float(np.sqrt(SIDE * SIDE * 3)), "batch_size": COUNT}


@pytest.mark.parametrize("epsilon", [2 / 255, 8 / 255])
@pytest.mark.parametrize(("name", "norm"), [("fgsm", "linf"), ("fgsm-l2", "l2")])
def test_the_fast_gradient_method_is_the_same(
    network: Any, art: Any, given: Any, name: str, norm: str, epsilon: float
) -> None:
    evasion, estimator = art
    attack = evasion.FastGradientMethod(estimator, **theirs(norm, epsilon))
    expected = to_pixels(attack.generate(given[0], given[1]))
    found = ours(network, given, name, epsilon)
    if norm == "linf":
        np.testing.assert_array_equal(found, expected)
    else:
        # A value in the middle between two grey levels may fall to either side.
        assert (found == expected).mean() > 0.9999


@pytest.mark.parametrize(("name", "norm"), [("pgd", "linf"), ("pgd-l2", "l2")])
def test_projected_gradient_descent_is_the_same(
    network: Any, art: Any, given: Any, name: str, norm: str
) -> None:
    evasion, estimator = art
    budget = theirs(norm, 8 / 255)
    attack = evasion.ProjectedGradientDescentNumpy(
        estimator, **budget, eps_step=0.25 * budget["eps"], max_iter=10, verbose=False
    )
    expected = to_pixels(attack.generate(given[0], given[1]))
    found = ours(network, given, name, 8 / 255, random_start=False)
    assert (found == expected).mean() >= 0.999


def test_a_targeted_descent_is_the_same(network: Any, art: Any, given: Any) -> None:
    evasion, estimator = art
    faces, labels = given
    towards = faces, np.roll(labels, 1, axis=1)
    attack = evasion.ProjectedGradientDescentNumpy(
        estimator, eps=8 / 255, eps_step=2 / 255, max_iter=5, batch_size=COUNT, targeted=True,
        verbose=False,
    )  # fmt: skip
    expected = to_pixels(attack.generate(*towards))
    found = ours(network, towards, "pgd", 8 / 255, steps=5, random_start=False, targeted=True)
    assert (found == expected).mean() >= 0.999


@pytest.mark.parametrize(("name", "norm"), [("mi-fgsm", "linf"), ("mi-fgsm-l2", "l2")])
def test_momentum_is_the_same(network: Any, art: Any, given: Any, name: str, norm: str) -> None:
    evasion, estimator = art
    budget = theirs(norm, 8 / 255)
    # Its MomentumIterativeMethod refuses TensorFlow; what it would call does not.
    attack = evasion.ProjectedGradientDescentNumpy(
        estimator, **budget, eps_step=budget["eps"] / 5, max_iter=5, decay=1.0, verbose=False
    )
    expected = to_pixels(attack.generate(given[0], given[1]))
    # It sums in float64.
    assert (ours(network, given, name, 8 / 255, steps=5) == expected).mean() >= 0.999
