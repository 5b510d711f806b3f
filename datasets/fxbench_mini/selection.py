"""Which faces of FER+ the model is fitted to, and where their landmarks are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fxbench.errors import DataError, UnavailableError
from fxbench.labels import EMOTIONS
from fxbench.weights import search
from fxbench_mini.fitting import Faces

if TYPE_CHECKING:
    from collections.abc import Callable

    from fxbench.protocols import Dataset
    from fxbench.types import Float64, Int64, UInt8

VOTES = (7, 7, 7, 7, 7, 5, 5, 5)
"""How many of ten votes a face needs for its emotion, in FER+'s order; fewer for the rare ones."""

CAP = 500
"""How many faces of an emotion are used at most."""

_SIDE = 48
_ENLARGED = 4
_PADDING = 40
"""Pixels around the enlarged picture: dlib's detector finds more faces with some room."""

_ROLL = (15.0, 25.0)
_YAW = (0.35, 0.7)
"""Degrees of rotation in the plane, and the logarithm of how much nearer the nose is to one ear
than to the other, up to which a face is upright and frontal; the second for the rare emotions, of
which there are too few otherwise."""

_RARE = 5
_PREDICTOR = "shape_predictor_68_face_landmarks.dat"


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Grey pictures of a split.

    Attributes:
        images: uint8 (N, 48, 48).
        votes: float32 (N, 10).
    """

    images: UInt8
    votes: Any


def read(source: Dataset, split: str) -> Pictures:
    """All pictures of a split of FER+.

    Raises:
        DataError: the split is missing, has no votes, or its pictures are not 48x48.
    """
    if split not in source.splits:
        raise DataError(
            f"The data have no split {split!r} but {', '.join(source.splits)}: building mini needs "
            "FER+'s train and valid."
        )
    images, votes = [], []
    for batch in source.batches(split, np.arange(len(source.ids(split)), dtype=np.int64)):
        if batch.truth is None or batch.truth.votes is None:
            raise DataError(f"The split {split} has no votes: mini is fitted to FER+.")
        for image in batch.frames.images:
            if image.shape[:2] != (_SIDE, _SIDE):
                raise DataError(
                    f"A picture of {split} is {image.shape[1]}x{image.shape[0]}: mini is fitted to "
                    "FER+, whose pictures are 48x48."
                )
            images.append(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        votes.append(batch.truth.votes[np.argsort(batch.truth.frame, kind="stable")])
    if not images:
        raise DataError(f"No picture of the split {split} could be read.")
    return Pictures(np.stack(images).astype(np.uint8), np.concatenate(votes))


def candidates(training: Pictures, others: UInt8) -> tuple[Int64, Int64]:
    """Faces that most annotators agree on, each picture once.

    A picture that also occurs among `others` is left out, and of copies within training the first
    one stays, or none where they have different labels.

    Returns:
        Ascending rows, int64 (M,), and their labels, int64 (M,).
    """
    top = training.votes.argmax(1)
    needed = np.array([*VOTES, np.inf, np.inf])
    agreed = training.votes.max(1) >= needed[top]
    left_out = {image.tobytes() for image in others}
    first: dict[bytes, int] = {}
    disputed: set[int] = set()
    for row in np.flatnonzero(agreed).tolist():
        key = training.images[row].tobytes()
        if key in left_out:
            continue
        earlier = first.setdefault(key, row)
        if top[earlier] != top[row]:
            disputed.add(earlier)
    rows = np.array([row for row in first.values() if row not in disputed], np.int64)
    return rows, top[rows].astype(np.int64)


def choose(
    training: Pictures,
    others: UInt8,
    *,
    seed: int,
    cap: int = CAP,
    report: Callable[[str, float], None] = lambda _step, _done: None,
) -> Faces:
    """The faces to fit to: agreed on, copies dropped, found by dlib, upright and frontal.

    Args:
        training: the split to choose from.
        others: uint8 (V, 48, 48), pictures that must not be among them.
        seed: for which faces are taken of an emotion that has more than `cap`.
        cap: how many at most of each emotion.
        report: called with a step in words and the share of the work that is done.

    Raises:
        UnavailableError: dlib or its model is missing.
    """
    rows, labels = candidates(training, others)
    locate = Landmarks()
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    points: list[Float64] = []
    kept: list[int] = []
    for label, name in enumerate(EMOTIONS):
        report(f"locating landmarks of {name}", label / len(EMOTIONS))
        found = 0
        for row in rng.permutation(rows[labels == label]).tolist():
            own = locate(training.images[row])
            if own is None or not is_frontal(own, label):
                continue
            chosen.append(row)
            points.append(own)
            kept.append(label)
            found += 1
            if found == cap:
                break
    return Faces(
        training.images[chosen],
        np.array(points, np.float64).reshape(-1, 68, 2),
        np.array(kept, np.int64),
    )


def is_frontal(points: Float64, label: int) -> bool:
    """Whether a face is upright and looks into the camera, as far as its points tell."""
    rare = int(label >= _RARE)
    across = points[45] - points[36]
    roll = np.degrees(np.arctan2(across[1], across[0]))
    right, left = np.linalg.norm(points[[2, 14]] - points[30], axis=1)
    yaw = np.log(max(right, 1e-6) / max(left, 1e-6))
    return bool(abs(roll) < _ROLL[rare] and abs(yaw) < _YAW[rare])


class Landmarks:
    """dlib's detector and 68 landmarks (Kazemi & Sullivan 2014) on pictures enlarged four times.

    Raises:
        UnavailableError: dlib or its model is missing.
    """

    def __init__(self) -> None:
        path = _predictor()
        if path is None or find_spec("dlib") is None:
            raise UnavailableError(
                "Building mini locates landmarks with dlib, which is not installed: "
                "`pip install 'fxbench[dlib]'`."
            )
        import dlib

        self._rectangles = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(path))

    def __call__(self, picture: UInt8) -> Float64 | None:
        """The 68 points of the surest face, float64 (68, 2), or None where none is found."""
        side = _SIDE * _ENLARGED
        large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
        padded = np.pad(large, _PADDING, mode="edge")
        found, scores, _ = self._rectangles.run(padded, 0, 0.0)
        if not found:
            return None
        shape = self._predictor(padded, found[int(np.argmax(scores))])
        points = np.array([(point.x, point.y) for point in shape.parts()], np.float64)
        return np.asarray((points - _PADDING + 0.5) / _ENLARGED - 0.5, np.float64)


def _predictor() -> Path | None:
    """The model in a folder of FXBENCH_WEIGHTS, else in face_recognition_models.

    That package can't be imported where setuptools has no `pkg_resources`, so it is not.
    """
    path = search(_PREDICTOR)
    if path is not None:
        return path
    spec = find_spec("face_recognition_models")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "models" / _PREDICTOR
        if path.is_file():
            return path
    return None
