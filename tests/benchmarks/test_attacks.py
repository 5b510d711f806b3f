"""What projected gradient descent costs beside its gradients, on FER+ valid.

The goal is images/s of at least 0.9 of the bare loop over the same gradients; docs/benchmarks.md
says what is in each side. No test fails because something is slow: they assert that both sides took
as many gradients, and that the faces were attacked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fxbench.adversary import aim, perturbed, seeds_of
from fxbench.batching import BATCH
from fxbench.faces import crops
from fxbench.labels import EMOTIONS, column_of
from fxbench.types import Float32, UInt8

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(3600),
    # TensorFlow, Keras and DeepFace warn of one another's old interfaces.
    pytest.mark.filterwarnings("ignore"),
]

IMAGES = {"emopy": 512, "mobilenetv2": 256, "deepface": 256}
ROUNDS = 5
EPSILON = 8 / 255

networks = pytest.mark.parametrize("name", IMAGES)


class Gradients:
    """A classifier's gradients, counted in faces.

    Attributes:
        faces: for how many gradients were taken.
    """

    def __init__(self, classifier: Any) -> None:
        self.faces = 0
        self._gradient = classifier.gradient
        classifier.gradient = self.counted

    def counted(self, faces: Float32, targets: Float32) -> Float32:
        self.faces += len(faces)
        slopes: Float32 = self._gradient(faces, targets)
        return slopes

    def of(self, work: Callable[[], Any]) -> int:
        """How many a piece of work takes."""
        before = self.faces
        work()
        return self.faces - before


class Faces:
    """The faces of a run that are attacked, with what they are moved away from."""

    def __init__(self, ours: Any, classifier: Any) -> None:
        images = [image for batch in ours.batches() for image in batch.frames.images]
        answers = ours.source.answers
        labels = classifier.labels
        columns = [column_of(labels, e) for e in EMOTIONS]
        aimed = aim(answers.labels, np.array(columns), len(labels))
        index = np.flatnonzero(aimed.attacked)
        size = [(0, 0, image.shape[1], image.shape[0]) for image in images]
        boxes = (np.arange(len(images)), np.array(size, np.float32))
        self.clean: UInt8 = crops(tuple(images), boxes, classifier.face)[index]
        self.pixels = self.clean.astype(np.float32) / np.float32(255)
        self.targets = aimed.targets[index]
        self.rows = answers.rows[index]
        self.aimed = aim(answers.labels[index], np.array(columns), len(labels))

    @property
    def parts(self) -> list[slice]:
        return [slice(start, start + BATCH) for start in range(0, len(self.clean), BATCH)]

    def gradients(self, classifier: Any, steps: int) -> None:
        """The bare loop: each gradient of each batch, and nothing else."""
        for part in self.parts:
            for _ in range(steps):
                classifier.gradient(self.pixels[part], self.targets[part])


@networks
def test_an_attack_against_its_gradients(
    bench: Callable[..., Any], standin: None, compare: Callable[..., None], name: str
) -> None:
    ours = bench(
        detectors=("full-frame",), classifiers=(name,), attacks=("pgd",), limit=IMAGES[name]
    )
    classifier, pgd = ours.component("classifier", name), ours.component("attack", "pgd")
    faces = Faces(ours, classifier)
    made: list[UInt8] = []

    def attack() -> None:
        made.clear()
        for part in faces.parts:
            aimed = type(faces.aimed)(faces.targets[part], faces.aimed.attacked[part])
            seeds = seeds_of(faces.rows[part])
            clean = faces.clean[part]
            answer = perturbed(pgd, classifier, clean, aimed, epsilon=EPSILON, seeds=seeds)
            made.append(answer.faces)

    def bare() -> None:
        faces.gradients(classifier, pgd.gradients)

    counted = Gradients(classifier)
    assert counted.of(attack) == counted.of(bare) == len(faces.clean) * pgd.gradients
    right = faces.targets.argmax(axis=1)
    before = (classifier.predict(faces.clean).argmax(axis=1) == right).mean()
    after = (classifier.predict(np.concatenate(made)).argmax(axis=1) == right).mean()
    assert after < before / 2
    compare(
        f"PGD of {pgd.gradients} steps against the bare gradients, {name}: images/s",
        "at least 0.9",
        len(faces.clean),
        attack,
        bare,
        rounds=ROUNDS,
        of="speed",
    )


@networks
def test_a_run_against_its_gradients(
    bench: Callable[..., Any], standin: None, compare: Callable[..., None], name: str
) -> None:
    ours = bench(
        detectors=("full-frame",),
        classifiers=(name,),
        attacks=("pgd",),
        epsilons=(EPSILON,),
        limit=IMAGES[name],
    )
    classifier, pgd = ours.component("classifier", name), ours.component("attack", "pgd")
    faces = Faces(ours, classifier)

    def bare() -> None:
        faces.gradients(classifier, pgd.gradients)

    counted = Gradients(classifier)
    assert counted.of(ours.run) == counted.of(bare) == len(faces.clean) * pgd.gradients
    compare(
        f"fxbench run with PGD against the bare gradients, {name}: images/s",
        "at least 0.9",
        len(faces.clean),
        ours.run,
        bare,
        rounds=ROUNDS,
        of="speed",
    )
    axes = {"classifier": name, "attack": "pgd", "epsilon": pytest.approx(EPSILON)}
    (cell,) = [c for c in ours.run().cells if axes.items() <= c["axes"].items()]
    assert cell["images"]["attacked"] == len(faces.clean)
