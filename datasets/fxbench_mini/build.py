"""Building the dataset `mini` from FER+: fit the model, draw the faces, check them, write them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.files import write_atomic, write_json
from fxbench.labels import EMOTIONS
from fxbench_mini import clips, files, selection
from fxbench_mini.aam import AppearanceModel
from fxbench_mini.fitting import Faces, fit
from fxbench_mini.sampling import (
    DEVIATION,
    EXAGGERATION,
    EXPRESSION_DEVIATION,
    SIZE,
    Neighbours,
    Sample,
    draw,
    face_box,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fxbench.protocols import Dataset
    from fxbench.types import UInt8

    Report = Callable[[str, float], None]

COUNTS = (600, 450, 250, 200, 200, 200, 200, 200)
"""Pictures of each emotion: between equal numbers and those of FER+.

With equal numbers a model that gives up a frequent emotion for a rare one gains here what it loses
on FER+, and the two datasets rank such models the other way round.
"""

SCHEMA = 1

_TRIES = 20


class MiniBuilder:
    """Builds the dataset `mini`."""

    def build(self, source: Dataset, folder: Path, *, seed: int, report: Report) -> None:
        """Fit the model to `source` and write the dataset.

        The same source, seed and versions of the libraries give the same bytes.

        Args:
            source: FER+, with its splits train, to fit to, and valid: no picture of it is used,
                and it tells how near photographs of other people are.
            folder: gets the files, each whole or not at all, the manifest last.
            seed: of everything that chance decides.
            report: called with a step in words and the share of the work that is done.

        Raises:
            DataError: the source is not FER+ or has too few faces.
            StoreError: the folder can't be written.
            UnavailableError: dlib or its model is missing.
        """
        model, faces, pictures = fitted(
            source, seed=seed, report=lambda step, done: report(step, 0.7 * done)
        )
        neighbours = Neighbours(*pictures)
        written, checks = write_stills(
            model,
            neighbours,
            folder,
            seed=seed,
            report=lambda step, done: report(step, 0.7 + 0.1 * done),
        )
        clips.write(
            model,
            folder / "clips",
            seed=seed,
            neighbours=neighbours,
            report=lambda step, done: report(step, 0.8 + 0.2 * done),
        )
        write_json(
            folder / files.MANIFEST,
            {
                "schema": SCHEMA,
                "seed": seed,
                "emotions": list(EMOTIONS),
                "size": SIZE,
                "files": written,
                "model": record(model, faces),
                "source": {split: source.fingerprint(split) for split in ("train", "valid")},
                "sampling": {
                    "exaggeration": list(EXAGGERATION),
                    "deviation": DEVIATION,
                    "expression_deviation": EXPRESSION_DEVIATION,
                },
                "neighbours": checks,
            },
        )
        report("done", 1.0)


def fitted(
    source: Dataset, *, seed: int, report: Report
) -> tuple[AppearanceModel, Faces, tuple[UInt8, UInt8]]:
    """Fit the model to FER+.

    Args:
        source: see :meth:`MiniBuilder.build`.
        seed: for which faces are taken, and for the randomised PCA.
        report: see :meth:`MiniBuilder.build`.

    Returns:
        The model, the faces that it was fitted to, and all pictures of train and of valid, uint8
        (N, 48, 48) each.

    Raises:
        DataError: the source is not FER+ or has too few faces.
        UnavailableError: dlib or its model is missing.
    """
    report("reading the training pictures", 0.0)
    training = selection.read(source, "train")
    valid = selection.read(source, "valid")
    others = [valid.images]
    if "test" in source.splits:
        others.append(selection.read(source, "test").images)
    faces = selection.choose(
        training,
        np.concatenate(others),
        seed=seed,
        report=lambda step, done: report(step, 0.14 + 0.43 * done),
    )
    model = fit(faces, seed=seed, report=lambda step, done: report(step, 0.57 + 0.43 * done))
    return model, faces, (training.images, valid.images)


def record(model: AppearanceModel, faces: Faces) -> dict[str, Any]:
    """What the model was fitted to, for the manifest."""
    counts = np.bincount(faces.labels, minlength=len(EMOTIONS))
    return {
        "faces": dict(zip(EMOTIONS, counts.tolist(), strict=True)),
        "shape_modes": len(model.shape_modes),
        "texture_modes": len(model.texture_modes),
    }


def write_stills(
    model: AppearanceModel,
    neighbours: Neighbours,
    folder: Path,
    *,
    seed: int,
    counts: Sequence[int] = COUNTS,
    report: Report = lambda _step, _done: None,
) -> tuple[dict[str, str], dict[str, Any]]:
    """Draw the faces, draw those again that are too near to a photograph, and write them.

    Args:
        model: the fitted model.
        neighbours: tells how near a picture is to a training image.
        folder: gets :data:`fxbench_mini.files.STILLS` and :data:`fxbench_mini.files.FACES`.
        seed: each picture has its own stream of random numbers, from this seed, its emotion, its
            number and how often it was drawn again.
        counts: how many of each emotion.
        report: see :meth:`MiniBuilder.build`.

    Returns:
        The sha256 of each file, and the figures of the check for the manifest.
    """
    wanted = [(label, number) for label, count in enumerate(counts) for number in range(count)]
    drawn: dict[tuple[int, int], Sample] = {}
    distance: dict[tuple[int, int], float] = {}
    again = 0
    todo = wanted
    for attempt in range(_TRIES):
        for done, (label, number) in enumerate(todo):
            if done % 50 == 0:
                report(f"drawing {EMOTIONS[label]}", done / len(todo))
            rng = np.random.default_rng([seed, label, number, attempt])
            drawn[label, number] = draw(model, label, rng)
        far = neighbours.distances(np.stack([drawn[key].crop for key in todo]))
        distance |= dict(zip(todo, far.tolist(), strict=True))
        todo = [key for key in todo if distance[key] <= neighbours.limit]
        if not todo:
            break
        again += len(todo)
    assert not todo, "the model draws its own training images"
    samples = [drawn[key] for key in wanted]
    points = np.stack([sample.points for sample in samples])
    contents = {
        files.STILLS: files.archive(
            (files.picture_id(*key), files.png(drawn[key].image)) for key in wanted
        ),
        files.FACES: files.arrays(
            {
                "labels": np.array([label for label, _ in wanted], np.int64),
                "points": points,
                "boxes": np.stack([face_box(own, SIZE) for own in points]),
            }
        ),
    }
    for name, data in contents.items():
        write_atomic(folder / name, data)
    own = np.array([distance[key] for key in wanted])
    checks = {
        "limit": neighbours.limit,
        "drawn_again": again,
        "nearest": float(own.min()),
        "median": float(np.median(own)),
        "median_of_valid": float(np.median(neighbours.of_valid)),
    }
    return {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}, checks
