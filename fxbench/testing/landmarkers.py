"""Rules for landmarkers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxbench.schemes import SCHEMES
from fxbench.testing.pictures import boxes, photos
from fxbench.testing.rules import Refused, Rule, Trial, frozen, same, unchanged
from fxbench.types import Boxes, Points, UInt8

TOLERANCE = 0.05
"""By how many pixels a point may differ between a batch and its faces one by one."""

REACH = 0.5
"""How far beyond its box, as a fraction of its sides, the middle of a face's points may lie."""


def _inputs(trial: Trial) -> tuple[tuple[UInt8, ...], Boxes]:
    images = tuple(picture.copy() for picture in trial.pictures) or photos()
    return images, boxes(images)


def _locate(trial: Trial, images: Sequence[UInt8], found: Boxes, landmarker: Any = None) -> Points:
    """A copy of the answer for copies of the images, its form checked."""
    made = trial.made if landmarker is None else landmarker
    answer: Any = made.locate(tuple(image.copy() for image in images), found)
    if not isinstance(answer, Points):
        raise Refused(f"locate must return Points, not {type(answer).__name__}.")
    if len(answer.xy) != len(found):
        raise Refused(f"It returned {len(answer.xy)} rows of points for {len(found)} boxes.")
    if answer.scheme != trial.made.scheme:
        raise Refused(
            f"The points have the scheme {answer.scheme!r}, but it declares {trial.made.scheme!r}."
        )
    return Points(answer.xy.copy(), answer.scheme)


def _scheme(trial: Trial) -> str:
    scheme = trial.made.scheme
    if not isinstance(scheme, str) or not scheme.strip():
        raise Refused(f"scheme must be a name such as '300w-68', not {scheme!r}.")
    return scheme


def _points(trial: Trial) -> str:
    images, found = _inputs(trial)
    answer = _locate(trial, images, found)
    count, named = answer.xy.shape[1], SCHEMES.get(answer.scheme)
    if not count or (named is not None and count != len(named)):
        expected = "at least one" if named is None else str(len(named))
        raise Refused(f"It returned {count} points a face; {answer.scheme} has {expected}.")
    if np.isinf(answer.xy).any():
        raise Refused("A coordinate is infinite: a face that was not located is a row of NaN.")
    missing = np.isnan(answer.xy).reshape(len(found), -1)
    if (missing.any(axis=1) & ~missing.all(axis=1)).any():
        raise Refused("A row is NaN in part: a face that was not located is NaN throughout.")
    located = int((~missing.any(axis=1)).sum())
    return f"{count} points, {located} of {len(found)} faces located"


def _pixels(trial: Trial) -> None:
    images, found = _inputs(trial)
    answer = _locate(trial, images, found)
    for row, (xy, box) in enumerate(zip(answer.xy, found.xyxy, strict=True)):
        if np.isnan(xy).any():
            continue
        middle, side = xy.mean(axis=0), box[2:] - box[:2]
        if ((middle < box[:2] - REACH * side) | (middle > box[2:] + REACH * side)).any():
            raise Refused(
                f"The points of box {row}, {box.round().tolist()}, have their middle at "
                f"{middle.round(2).tolist()}: points are in pixels of the whole image."
            )


def _no_box(trial: Trial) -> None:
    images, _ = _inputs(trial)
    none = Boxes.from_lists([])
    points = {len(_locate(trial, given, none).xy) for given in (images, ())}
    if points != {0}:
        raise Refused("It located points where there is no box.")


def _odd_boxes(trial: Trial) -> None:
    image = photos()[0]
    height, width = (float(side) for side in image.shape[:2])
    odd = [(3.2, 4.1, 3.9, 4.8), (-20, -20, width / 2, height / 2), (0, 0, width, 2.0)]
    for box in odd:
        _locate(trial, (image,), Boxes.from_lists([[(*box, 1.0)]]))
    _locate(trial, (image[:1, :1],), Boxes.from_lists([[(0, 0, 1, 1, 1.0)]]))


def _inputs_kept(trial: Trial) -> None:
    images, found = _inputs(trial)
    given = tuple(image.copy() for image in images)
    xyxy = found.xyxy.copy()
    trial.made.locate(given, found)
    for before, after in zip(images, given, strict=True):
        unchanged("an image", before, after)
    unchanged("the boxes", xyxy, found.xyxy)
    trial.made.locate(tuple(frozen(image) for image in given), found)


def _deterministic(trial: Trial) -> str:
    images, found = _inputs(trial)
    first, second = (_locate(trial, images, found).xy for _ in range(2))
    return same("A second call", second, first, TOLERANCE, " pixels")


def _answer_kept(trial: Trial) -> None:
    images, found = _inputs(trial)
    first = trial.made.locate(images, found)
    before = first.xy.copy()
    # The same number of boxes, each in another place.
    moved = Boxes(found.frame, found.xyxy + np.float32(1), found.score, found.track)
    trial.made.locate(tuple(image[::-1, ::-1] for image in images), moved)
    unchanged("its earlier answer when it was called again", before, first.xy)


def _batch(trial: Trial) -> str:
    images, found = _inputs(trial)
    together = _locate(trial, images, found).xy
    alone = np.concatenate(
        [
            _locate(trial, (images[frame],), _one(found, row)).xy
            for row, frame in enumerate(found.frame.tolist())
        ]
    )
    return same("Each face alone, against all at once", alone, together, TOLERANCE, " pixels")


def _one(found: Boxes, row: int) -> Boxes:
    return Boxes(
        np.zeros(1, np.int64),
        found.xyxy[row : row + 1],
        found.score[row : row + 1],
        found.track[row : row + 1],
    )


def _reproducible(trial: Trial) -> str:
    images, found = _inputs(trial)
    other = _locate(trial, images, found, trial.make()).xy
    return same("A second object", other, _locate(trial, images, found).xy, TOLERANCE, " pixels")


_SEE = "p = photos(); print(c.locate(p, boxes(p)))"
_SEE_XY = "p = photos(); print(c.locate(p, boxes(p)).xy)"

RULES = (
    Rule("scheme", "Read the name of its points.", _scheme, "print(repr(c.scheme))"),
    Rule(
        "points",
        "Locate in boxes of several images: float32 (M, P, 2), one row for each box, of the "
        "declared scheme; a row of NaN where not located.",
        _points,
        _SEE,
        ("scheme",),
    ),
    Rule(
        "pixels",
        "Compare the points with their boxes: in pixels of the image, near the box.",
        _pixels,
        "p = photos(); b = boxes(p); print(b.xyxy, c.locate(p, b).xy.mean(axis=1))",
        ("points",),
    ),
    Rule(
        "no-box",
        "Locate in no box, with images and without: no row.",
        _no_box,
        "p = photos(); b = boxes([]); print(c.locate(p, b), c.locate((), b))",
        ("scheme",),
    ),
    Rule(
        "odd-boxes",
        "Locate in a box below a pixel, one that leaves the image, a strip, and a 1 x 1 image.",
        _odd_boxes,
        "p = photos()[0][:1, :1]; print(c.locate((p,), boxes([p])))",
        ("scheme",),
    ),
    Rule(
        "inputs-kept",
        "Locate in images that it may not change, then in images that it can't.",
        _inputs_kept,
        "p = [i.copy() for i in photos()]; c.locate(tuple(p), boxes(p)); "
        "print([(i != j).sum() for i, j in zip(p, photos())])",
        ("points",),
    ),
    Rule(
        "deterministic",
        f"Locate twice: equal within {TOLERANCE:g} pixels.",
        _deterministic,
        _SEE_XY,
        ("points",),
    ),
    Rule(
        "answer-kept",
        "Locate in other images and look at the first answer again.",
        _answer_kept,
        "p = photos(); a = c.locate(p, boxes(p)).xy; b = a.copy(); "
        "c.locate(p[::-1], boxes(p[::-1])); print((a != b).sum())",
        ("points",),
    ),
    Rule(
        "batch-independent",
        f"Locate in all boxes at once and in each alone: equal within {TOLERANCE:g} pixels.",
        _batch,
        "p = photos(); print(c.locate(p, boxes(p)).xy[0], c.locate(p[:1], boxes(p[:1])).xy[0])",
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        f"Make it a second time and locate in the same boxes: equal within {TOLERANCE:g} pixels.",
        _reproducible,
        _SEE_XY,
        ("deterministic",),
    ),
)
