"""Rules for detectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxbench.testing.pictures import photos, portrait
from fxbench.testing.rules import NotTried, Refused, Rule, Trial, frozen, same, unchanged
from fxbench.types import Boxes, Float64, UInt8

OUTSIDE = 1.0
"""By how many pixels a box may reach beyond its image."""

TOLERANCE = 0.05
"""By how many pixels a box may differ between a batch and its images one by one."""

_SCORE = 1e-3


def _pictures(trial: Trial) -> tuple[UInt8, ...]:
    return tuple(picture.copy() for picture in trial.pictures) or photos()


def _detect(trial: Trial, images: Sequence[UInt8], detector: Any = None) -> Boxes:
    """A copy of the answer for copies of the images, its form checked."""
    made = trial.made if detector is None else detector
    answer: Any = made.detect(tuple(image.copy() for image in images))
    if not isinstance(answer, Boxes):
        raise Refused(f"detect must return Boxes, not {type(answer).__name__}.")
    if len(answer) and answer.frame[-1] >= len(images):
        raise Refused(
            f"A box lies in image {answer.frame[-1]}, but there are {len(images)} images, "
            "counted from 0."
        )
    return Boxes(answer.frame.copy(), answer.xyxy.copy(), answer.score.copy(), answer.track.copy())


def _boxes(trial: Trial) -> str:
    images = _pictures(trial)
    found = _detect(trial, images)
    return f"{len(found)} boxes in {len(images)} images"


def _inside(trial: Trial) -> str:
    images = _pictures(trial)
    found = _detect(trial, images)
    if not len(found):
        raise NotTried("It found no face in the drawn pictures: give it photos.")
    beyond = _beyond(found, images)
    if beyond > OUTSIDE:
        raise Refused(
            f"A box reaches {beyond:.4g} pixels beyond its image, at most {OUTSIDE:g} is allowed: "
            "boxes are x1, y1, x2, y2 in pixels of the image as it was given."
        )
    return f"at most {beyond:.2g} pixels beyond"


def _beyond(found: Boxes, images: Sequence[UInt8]) -> float:
    """By how many pixels the boxes reach beyond their images at most."""
    sizes = np.array([image.shape[1::-1] for image in images], np.float64)[found.frame]
    over = np.concatenate([-found.xyxy[:, :2], found.xyxy[:, 2:] - sizes], axis=1)
    return abs(float(over.max(initial=0.0)))


def _no_image(trial: Trial) -> None:
    if len(_detect(trial, ())):
        raise Refused("It found a face where there is no image.")


def _odd_sizes(trial: Trial) -> str:
    sizes = ((1, 1), (2, 300), (300, 2), (48, 48), (49, 51))
    for height, width in sizes:
        for image in (portrait(height, width), np.zeros((height, width, 3), np.uint8)):
            try:
                found = _detect(trial, (image,))
            except Refused:
                raise
            except Exception as error:
                error.add_note(f"for an image of {width} x {height} pixels")
                raise
            beyond = _beyond(found, (image,))
            if beyond > OUTSIDE:
                raise Refused(
                    f"In an image of {width} x {height} pixels a box reaches {beyond:.4g} pixels "
                    "beyond it."
                )
    return f"{len(sizes)} sizes"


def _inputs_kept(trial: Trial) -> None:
    given = tuple(image.copy() for image in _pictures(trial))
    trial.made.detect(given)
    for before, after in zip(_pictures(trial), given, strict=True):
        unchanged("an image", before, after)
    trial.made.detect(tuple(frozen(image) for image in given))


def _compare(what: str, got: Boxes, expected: Boxes) -> str:
    """Raise Refused unless the boxes are the same, in the same order. Tracks may differ."""
    if not np.array_equal(got.frame, expected.frame):
        count, wanted = (np.bincount(boxes.frame).tolist() for boxes in (got, expected))
        raise Refused(f"{what}: {count} boxes per image instead of {wanted}.")
    same(f"{what}, scores", _relative(got.score), _relative(expected.score), _SCORE)
    return same(f"{what}, coordinates", got.xyxy, expected.xyxy, TOLERANCE, " pixels")


def _relative(score: Any) -> Float64:
    """Scores on a scale where a difference in the third digit is 0.001."""
    value = score.astype(np.float64)
    scaled: Float64 = np.sign(value) * np.log1p(np.abs(value))
    return scaled


def _deterministic(trial: Trial) -> str:
    images = _pictures(trial)
    return _compare("A second call", _detect(trial, images), _detect(trial, images))


def _answer_kept(trial: Trial) -> None:
    images = _pictures(trial)
    found = trial.made.detect(images)
    before = found.xyxy.copy()
    trial.made.detect(tuple(image[::-1, ::-1] for image in images))
    unchanged("its earlier answer when it was called again", before, found.xyxy)


def _batch(trial: Trial) -> str:
    images = _pictures(trial)
    together = _detect(trial, images)
    alone = _joined([_detect(trial, (image,)) for image in images])
    figure = _compare("Each image alone, against all at once", alone, together)
    backwards = _detect(trial, images[::-1])
    parts = [_of(backwards, index) for index in reversed(range(len(images)))]
    _compare("In reverse order, against their order", _joined(parts), together)
    return f"{figure} on {len(together)} boxes"


def _of(found: Boxes, index: int) -> Boxes:
    """The boxes of one image, as if it were the only one."""
    mine = found.frame == index
    return Boxes(
        np.zeros(int(mine.sum()), np.int64), found.xyxy[mine], found.score[mine], found.track[mine]
    )


def _joined(parts: list[Boxes]) -> Boxes:
    """The boxes of several images from those of each."""
    frame = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.int64)
    return Boxes(
        frame,
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.track for part in parts]),
    )


def _reproducible(trial: Trial) -> str:
    images = _pictures(trial)
    other = _detect(trial, images, trial.make())
    return _compare("A second object", other, _detect(trial, images))


_SEE = "b = c.detect(photos()); print(b.frame, b.xyxy)"
_SEE_BATCH = "p = photos(); print(c.detect(p).xyxy, [c.detect((i,)).xyxy for i in p])"

RULES = (
    Rule(
        "boxes",
        "Detect in pictures of several sizes: Boxes, each of one of the images.",
        _boxes,
        "print(c.detect(photos()))",
    ),
    Rule(
        "inside",
        f"Compare the boxes with their images: at most {OUTSIDE:g} pixel beyond.",
        _inside,
        _SEE,
        ("boxes",),
    ),
    Rule("no-image", "Detect in no image: no box.", _no_image, "print(len(c.detect(())))"),
    Rule(
        "odd-sizes",
        "Detect in images of 1 x 1, 300 x 2, 2 x 300, 48 x 48 and 51 x 49 pixels, drawn and black.",
        _odd_sizes,
        "print(c.detect((photos()[1][:1, :1],)))",
    ),
    Rule(
        "inputs-kept",
        "Detect in images that it may not change, then in images that it can't.",
        _inputs_kept,
        "p = [i.copy() for i in photos()]; c.detect(tuple(p)); "
        "print([(i != j).sum() for i, j in zip(p, photos())])",
        ("boxes",),
    ),
    Rule(
        "deterministic",
        f"Detect twice: the same boxes in the same order, within {TOLERANCE:g} pixels.",
        _deterministic,
        _SEE,
        ("boxes",),
    ),
    Rule(
        "answer-kept",
        "Detect in other images and look at the first answer again.",
        _answer_kept,
        "b = c.detect(photos()); x = b.xyxy.copy(); c.detect(photos()[::-1]); "
        "print((x != b.xyxy).sum())",
        ("boxes",),
    ),
    Rule(
        "batch-independent",
        "Detect in all images at once, in each alone, and in reverse order: the same boxes.",
        _batch,
        _SEE_BATCH,
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        "Make it a second time and detect in the same images: the same boxes.",
        _reproducible,
        _SEE,
        ("deterministic",),
    ),
)
