"""What a network is trained on and judged by, out of a dataset."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from fxbench.errors import DataError, UsageError
from fxbench.faces import crops
from fxbench.labels import EMOTIONS
from fxbench.names import unknown_name
from fxbench.protocols import Dataset
from fxbench.training.contract import TrainingData
from fxbench.types import Answers, Bool, FaceSpec, Float32, Int64, UInt8

_CLASSES = len(EMOTIONS)


def training_data(
    dataset: Dataset,
    face: FaceSpec,
    *,
    name: str,
    train: str = "train",
    valid: str = "valid",
    left_out: frozenset[str] = frozenset(),
    report: Callable[[str], None] = lambda _: None,
) -> TrainingData:
    """Read the training and validation images of a dataset.

    Targets are vote distributions where the dataset has votes, under the protocol that keeps most
    images, else its labels. Left out are training images that occur, pixel for pixel, in another
    split of the dataset, and those that `left_out` names.

    Args:
        dataset: what to read.
        face: how the network wants its faces.
        name: what messages call the dataset.
        train: the split to train on.
        valid: the split to judge by, under the dataset's default protocol.
        left_out: ids of training images that are not to be used.
        report: told what is being done.

    Raises:
        UsageError: the dataset lacks a split.
        DataError: it has no labels, or fewer than two of the emotions.
    """
    for split in (train, valid):
        if split not in dataset.splits:
            raise UsageError(unknown_name(f"split of {name}", split, dataset.splits))
    protocol, answers = _most_targets(dataset, train, name)
    report(f"reading {name} {train}")
    images, digests, kept = _grey(dataset, train, answers.rows, face.size)
    targets = _targets(answers.take(kept))
    elsewhere: set[bytes] = set()
    for split in dataset.splits:
        if split != train:
            report(f"looking for copies of {name} {split}")
            elsewhere |= _digests_of(dataset, split)
    ids = np.array(dataset.ids(train), object)[answers.rows[kept]]
    named = np.array([str(i) in left_out for i in ids], bool)
    copied = np.array([digest in elsewhere for digest in digests], bool)
    used = np.flatnonzero(~(named | copied))
    if len(used) == 0 or len(np.unique(targets[used].argmax(1))) < 2:
        raise DataError(
            f"{name} {train} has images of fewer than two emotions to train on: a network can't "
            "learn to tell anything apart from them."
        )
    report(f"reading {name} {valid}")
    known = set(digests)
    faces, labels, own = _judged(dataset, valid, face, name)
    return TrainingData(
        tuple(images[i] for i in used),
        targets[used],
        faces,
        labels,
        np.array([digest in known for digest in own], bool),
        {
            "dataset": name,
            "train": train,
            "protocol_of_targets": protocol,
            "targets": "labels" if answers.distribution is None else "vote distributions",
            "images": len(used),
            "left_out_as_copies": int(copied.sum()),
            "left_out_by_name": int((named & ~copied).sum()),
            "valid": valid,
            "protocol": dataset.protocols[0],
            "valid_images": len(labels),
            "fingerprints": {split: dataset.fingerprint(split) for split in (train, valid)},
            "licence": dataset.terms.licence,
        },
    )


def _most_targets(dataset: Dataset, split: str, name: str) -> tuple[str, Answers]:
    """The protocol that has a target for most images, and these."""
    best: tuple[str, Answers] | None = None
    for protocol in dataset.protocols:
        answers = dataset.answers(split, protocol)
        known: Bool = answers.labels >= 0
        if answers.distribution is not None:
            known = np.asarray(np.isfinite(answers.distribution).all(1), np.bool_)
        answers = answers.take(np.flatnonzero(known))
        if best is None or len(answers.rows) > len(best[1].rows):
            best = protocol, answers
    if best is None or not len(best[1].rows):
        raise DataError(
            f"{name} {split} has no emotion labels: training needs a dataset that has them, such "
            "as ferplus."
        )
    return best


def _targets(answers: Answers) -> Float32:
    if answers.distribution is not None:
        return answers.distribution
    return np.eye(_CLASSES, dtype=np.float32)[answers.labels]


def _grey(
    dataset: Dataset, split: str, rows: Int64, size: int
) -> tuple[list[UInt8], list[bytes], Int64]:
    """The images that can be read, grey and at most `size` wide.

    With them a digest of each as it was, and their places in `rows`.
    """
    images: list[UInt8] = []
    digests: list[bytes] = []
    read: list[int] = []
    for batch in dataset.batches(split, rows):
        read += batch.rows.tolist()
        for image in batch.frames.images:
            grey = _greyed(image)
            digests.append(_digest(grey))
            if max(grey.shape) > size:
                grey = np.asarray(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA))
            images.append(grey)
    return images, digests, np.searchsorted(rows, read).astype(np.int64)


def _greyed(image: UInt8) -> UInt8:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _digest(image: UInt8) -> bytes:
    return repr(image.shape).encode() + image.tobytes()


def _digests_of(dataset: Dataset, split: str) -> set[bytes]:
    rows = np.arange(len(dataset.ids(split)), dtype=np.int64)
    return {
        _digest(_greyed(image))
        for batch in dataset.batches(split, rows)
        for image in batch.frames.images
    }


def _judged(
    dataset: Dataset, split: str, face: FaceSpec, name: str
) -> tuple[UInt8, Int64, list[bytes]]:
    """The faces of the default protocol with their labels, and a digest of each image."""
    answers = dataset.answers(split, dataset.protocols[0])
    answers = answers.take(np.flatnonzero(answers.labels >= 0))
    if not len(answers.rows):
        raise DataError(
            f"{name} {split} has no emotion labels to judge by: choose a split that has them."
        )
    faces: list[UInt8] = []
    read: list[int] = []
    digests: list[bytes] = []
    for batch in dataset.batches(split, answers.rows):
        images = batch.frames.images
        whole = np.array([(0, 0, image.shape[1], image.shape[0]) for image in images], np.float32)
        frame = np.arange(len(images), dtype=np.int64)
        faces.append(crops(images, (frame, whole.reshape(-1, 4)), face))
        read += batch.rows.tolist()
        digests += [_digest(_greyed(image)) for image in images]
    labels = answers.labels[np.searchsorted(answers.rows, read)]
    return np.concatenate(faces), labels, digests
