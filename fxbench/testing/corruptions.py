"""Rules for corruptions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from fxbench.testing.pictures import photos
from fxbench.testing.rules import NotTried, Refused, Rule, Trial, frozen, unchanged
from fxbench.types import Float32, Points, UInt8, check_array

SEVERITIES = (1, 2, 3, 4, 5)

_SHAPE: Float32 = np.array(
    [(0.4, 0.46), (0.6, 0.46), (0.5, 0.62), (0.42, 0.7), (0.58, 0.7)], np.float32
)
"""Where the eyes, the tip of the nose and the corners of the mouth are in a drawn picture."""

_SIZES = ((1, 1), (2, 3), (1, 40), (300, 2), (48, 48), (51, 49))


def _points(picture: UInt8) -> Points:
    """Landmarks of a face in the middle of a picture, of the scheme `yunet-5`."""
    size = np.array(picture.shape[1::-1], np.float32)
    return Points((_SHAPE * size)[None], "yunet-5")


def corrupted(
    corruption: Any, pictures: Sequence[UInt8], severity: int, *, seed: int = 0, points: bool = True
) -> tuple[UInt8, ...]:
    """What a corruption makes of pictures with a face in their middle.

    What it returns is not checked.

    Args:
        corruption: see :class:`fxbench.protocols.Corruption`.
        pictures: RGB uint8 (H, W, 3); it gets copies.
        severity: from 1 to 5.
        seed: of the random numbers; each picture has its own.
        points: whether it gets the face's landmarks, of the scheme `yunet-5`.
    """
    answers = []
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        answer = corruption.corrupt(
            picture.copy(),
            severity,
            random=np.random.default_rng((seed, index)),
            side=0.6 * float(np.sqrt(width * height)),
            points=_points(picture) if points else None,
        )
        answers.append(answer)
    return tuple(answers)


def _corrupted(
    corruption: Any, pictures: Sequence[UInt8], severity: int, *, seed: int = 0, points: bool = True
) -> tuple[UInt8, ...]:
    """The same, the answers' form checked."""
    answers = corrupted(corruption, pictures, severity, seed=seed, points=points)
    for picture, answer in zip(pictures, answers, strict=True):
        check_array(f"What severity {severity} makes of it", answer, np.uint8, picture.shape)
    return answers


def _pictures(trial: Trial) -> tuple[UInt8, ...]:
    return tuple(picture.copy() for picture in trial.pictures) or photos()


def _same_pictures(what: str, got: Sequence[UInt8], expected: Sequence[UInt8]) -> None:
    for one, other in zip(got, expected, strict=True):
        differ = int((one != other).sum())
        if differ:
            raise Refused(f"{what}: {differ} of {other.size} values of a picture differ.")


def _form(trial: Trial) -> str:
    images = _pictures(trial)
    for severity in SEVERITIES:
        _corrupted(trial.made, images, severity)
    return f"{len(images)} pictures at {len(SEVERITIES)} severities"


def change(before: UInt8, after: UInt8) -> tuple[float, float]:
    """How much a picture changed: mean absolute difference, and 1 less the structural similarity.

    Args:
        before: RGB uint8 (H, W, 3).
        after: of the same shape.
    """
    difference = float(np.abs(before.astype(np.float32) - after).mean())
    similar = cv2.quality.QualitySSIM.create(before).compute(after)
    return difference, 1 - float(np.mean(similar[:3]))


def _ascending(trial: Trial) -> str:
    images = _pictures(trial)
    changes = []
    for severity in SEVERITIES:
        answers = _corrupted(trial.made, images, severity)
        each = [change(*pair) for pair in zip(images, answers, strict=True)]
        changes.append(np.mean(each, axis=0))
    levels, structure = np.array(changes).T.tolist()
    told = ", ".join(f"{value:.3g}" for value in levels)
    if not (_grows(levels) or _grows(structure)):
        lost = ", ".join(f"{value:.3g}" for value in structure)
        raise Refused(
            f"From severity 1 to 5 a picture changes by {told} grey levels and loses {lost} of its "
            "structural similarity: one of the two must grow with each severity."
        )
    return f"the mean change is {told} grey levels"


def _grows(values: list[float]) -> bool:
    return values[0] > 0 and all(low < high for low, high in itertools.pairwise(values))


def _odd_sizes(trial: Trial) -> None:
    drawn = photos()[4]
    for height, width in _SIZES:
        image = np.ascontiguousarray(np.resize(drawn, (height, width, 3)))
        for severity in (1, 5):
            _corrupted(trial.made, (image, np.zeros_like(image)), severity)


def _inputs_kept(trial: Trial) -> None:
    for severity in (1, 5):
        for picture in _pictures(trial):
            given = picture.copy()
            points = _points(picture)
            for image in (given, frozen(picture)):
                random = np.random.default_rng(0)
                trial.made.corrupt(image, severity, random=random, side=30.0, points=points)
                unchanged("a picture", picture, given)


def _deterministic(trial: Trial) -> None:
    images = _pictures(trial)
    first, second = (_corrupted(trial.made, images, 3) for _ in range(2))
    _same_pictures("A second call with the same random numbers", second, first)


def _answer_kept(trial: Trial) -> None:
    images = _pictures(trial)
    random = np.random.default_rng(0)
    points = _points(images[0])
    first = trial.made.corrupt(images[0], 3, random=random, side=30.0, points=points)
    before = first.copy()
    _corrupted(trial.made, tuple(image[::-1, ::-1] for image in images), 3, seed=1)
    unchanged("its earlier answer when it was called again", before, first)


def _independent(trial: Trial) -> None:
    images = _pictures(trial)
    whole = _corrupted(trial.made, images, 4)
    _corrupted(trial.made, images[::-1], 1, seed=7)
    again = _corrupted(trial.made, images, 4)
    _same_pictures("After other pictures at another severity", again, whole)


def _no_points(trial: Trial) -> None:
    if "placed" in trial.component.traits:
        raise NotTried("It is placed by landmarks.")
    for severity in (1, 5):
        _corrupted(trial.made, _pictures(trial), severity, points=False)


def _reproducible(trial: Trial) -> None:
    images = _pictures(trial)
    other = _corrupted(trial.make(), images, 5)
    _same_pictures("A second object", other, _corrupted(trial.made, images, 5))


_SEE = "p = photos(); print([(i.dtype, i.shape) for s in (1, 5) for i in corrupted(c, p, s)])"
_SEE_TWICE = (
    "p = photos(); print([(i != j).sum() for i, j in zip(corrupted(c, p, 3), corrupted(c, p, 3))])"
)

RULES = (
    Rule(
        "form",
        "Corrupt pictures of several sizes at each severity: uint8 of the same shape.",
        _form,
        _SEE,
    ),
    Rule(
        "ascending",
        "Measure how much pictures change: more with each severity, in grey levels or in structure "
        "(SSIM).",
        _ascending,
        "p = photos(); print([abs(corrupted(c, p, s)[0].astype(int) - p[0]).mean() "
        "for s in (1, 2, 3, 4, 5)])",
        ("form",),
    ),
    Rule(
        "odd-sizes",
        "Corrupt pictures of one pixel, of strips and of odd sides, drawn and black.",
        _odd_sizes,
        "p = photos()[0]; print(corrupted(c, (p[:1, :1], p[:2, :3]), 5))",
        ("form",),
    ),
    Rule(
        "inputs-kept",
        "Corrupt pictures that it may not change, then pictures that it can't.",
        _inputs_kept,
        "import numpy as np; p = photos()[0]; q = p.copy(); c.corrupt(q, 5, "
        "random=np.random.default_rng(0), side=30.0, points=None); print((p != q).sum())",
        ("form",),
    ),
    Rule(
        "no-points",
        "Corrupt pictures whose face has no landmarks, unless it has the trait 'placed'.",
        _no_points,
        "print(len(corrupted(c, photos(), 1, points=False)))",
        ("form",),
    ),
    Rule(
        "deterministic",
        "Corrupt twice with the same random numbers: equal.",
        _deterministic,
        _SEE_TWICE,
        ("form",),
    ),
    Rule(
        "answer-kept",
        "Corrupt other pictures and look at the first answer again.",
        _answer_kept,
        _SEE,
        ("deterministic",),
    ),
    Rule(
        "independent",
        "Corrupt a picture again after others, at other severities: equal.",
        _independent,
        _SEE_TWICE,
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        "Make it a second time and corrupt the same pictures: equal.",
        _reproducible,
        _SEE_TWICE,
        ("deterministic",),
    ),
)
