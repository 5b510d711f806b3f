"""What a cloak achieves, and how much it changes the picture.

The answers come from the pixels that are written, through the crops of :mod:`fxbench.faces`:
nothing that :mod:`fxbench.cloak` believes of its own success is taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fxbench.component import Component
from fxbench.faces import crops, match
from fxbench.labels import column_of
from fxbench.outputs import probabilities
from fxbench.protocols import Classifier, Detector
from fxbench.types import Boxes, Float32, Float64, Int64, UInt8
from fxbench.views import failures_of

JPEG_QUALITY = 90
"""At which the cloaked picture is saved to see what is left of the effect."""

LEAST_OVERLAP = 0.5
"""The least intersection over union at which a face of the cloaked picture is the same one."""

SURROGATE, SAME, UNSEEN = "surrogate", "same network", "unseen"
ROLES = (UNSEEN, SAME, SURROGATE)
"""What a classifier is to a cloak: `surrogate`: its gradients made it; `same network`: a variant of
a surrogate in another runtime; `unseen`: neither."""

CHANGES = ("after", "jpeg", "redetected", "control")
"""The pictures that answers are compared with the original's on: the cloaked one; that saved as
JPEG; that with the faces where the detector finds them in it; and, to tell direction from size, the
original with the same change put on upside down."""

_REACH = 5
"""How far the windows of the structural similarity reach, pixels."""

_BAND = 512


@dataclass(frozen=True, slots=True)
class Asked:
    """A classifier that is asked.

    Attributes:
        name: of it.
        classifier: itself.
        role: one of :data:`ROLES`.
        network: the classifier that it is a variant of, else its own name.
    """

    name: str
    classifier: Classifier
    role: str
    network: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a classifier says of a face: its likeliest output, the emotion that means, and how sure.

    The label is None for an output without counterpart among the eight.
    """

    output: int
    label: str | None
    probability: float


@dataclass(frozen=True, slots=True)
class Told:
    """What one classifier says of one face in all pictures.

    Attributes:
        classifier: its name.
        role: one of :data:`ROLES`.
        network: the classifier that it is a variant of, else its own name.
        face: which one, from 0 on.
        before: in the original; None where it gave no answer.
        answers: by :data:`CHANGES`; None where it gave none, or the face was not found again.
        target: the output that was to be reached, -1 where the classifier has none that means it;
            None where any other than the one before will do.
    """

    classifier: str
    role: str
    network: str
    face: int
    before: Answer | None
    answers: Mapping[str, Answer | None]
    target: int | None = None

    def changed(self, picture: str) -> bool | None:
        """Whether the answer was moved as wanted; None where that can't be said.

        Without a target: away from the answer before. With one: to it, from another; there is
        nothing to say where it was the answer before, or where the classifier doesn't have it.
        """
        answer = self.answers[picture]
        if self.before is None or answer is None:
            return None
        if self.target is None:
            return answer.output != self.before.output
        if self.target in (-1, self.before.output):
            return None
        return answer.output == self.target


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a picture is from another.

    Attributes:
        largest: the largest change of a pixel, grey levels.
        psnr: peak signal-to-noise ratio of the whole picture, dB; None where nothing changed.
        psnr_faces: that of the changed areas alone.
        ssim: structural similarity of the whole picture, 1 where nothing changed.
        ssim_faces: that of the changed areas alone.
    """

    largest: int
    psnr: float | None
    psnr_faces: float | None
    ssim: float
    ssim_faces: float


def role_of(component: Component, surrogates: Iterable[Component]) -> str:
    """What a classifier is to a cloak that was made with these surrogates."""
    made_with = list(surrogates)
    if any(component.name == other.name for other in made_with):
        return SURROGATE
    network = component.variant_of or component.name
    same = any(network == (other.variant_of or other.name) for other in made_with)
    return SAME if same else UNSEEN


def ask(
    image: UInt8,
    result: UInt8,
    boxes: Float32,
    areas: Int64,
    detector: Detector,
    asked: Sequence[Asked],
    target: str | None = None,
) -> list[Told]:
    """What each classifier says of each face before and after.

    Args:
        image: RGB uint8 (H, W, 3), the original.
        result: the same cloaked.
        boxes: float32 (M, 4), the faces in the original.
        areas: int64 (M, 4), where they were changed.
        detector: finds the faces of the cloaked picture again.
        asked: the classifiers.
        target: the emotion that was to be reached, if one was.

    Returns:
        For each classifier, for each face.

    Raises:
        FxbenchError: a component failed.
    """
    again = found_again(detector.detect((result,)), boxes)
    there = np.flatnonzero(np.isfinite(again).all(axis=1))
    everyone = np.arange(len(boxes))
    pictures = {
        "before": (image, boxes, everyone),
        "after": (result, boxes, everyone),
        "jpeg": (as_jpeg(result), boxes, everyone),
        "redetected": (result, again[there], there),
        "control": (upside_down(image, result, areas), boxes, everyone),
    }
    told = []
    for one in asked:
        wanted = None if target is None else column_of(one.classifier.labels, target)
        answers = {
            name: _answers(one, picture, xyxy, faces.tolist())
            for name, (picture, xyxy, faces) in pictures.items()
        }
        for face in range(len(boxes)):
            before, *others = (answers[name].get(face) for name in pictures)
            after = dict(zip(CHANGES, others, strict=True))
            told.append(Told(one.name, one.role, one.network, face, before, after, wanted))
    return told


def _answers(one: Asked, picture: UInt8, boxes: Float32, faces: list[int]) -> dict[int, Answer]:
    """By face. Those that a service gave no answer about are not there."""
    where = np.zeros(len(boxes), np.int64), np.ascontiguousarray(boxes)
    outputs = probabilities(one.name, one.classifier, crops((picture,), where, one.classifier.face))
    silent = {row for row, _ in failures_of(one.classifier)} if faces else set()
    answers = {}
    for row, face in enumerate(faces):
        best = int(outputs[row].argmax())
        if row not in silent:
            answers[face] = Answer(best, one.classifier.labels[best], float(outputs[row, best]))
    return answers


def found_again(found: Boxes, boxes: Float32) -> Float32:
    """The box of each face in the cloaked picture, float32 (M, 4), a row of NaN where none is."""
    pairs = match(found, np.zeros(len(boxes), np.int64), boxes, LEAST_OVERLAP)
    again = np.full(boxes.shape, np.nan, np.float32)
    again[pairs >= 0] = found.xyxy[pairs[pairs >= 0]]
    return again


def as_jpeg(image: UInt8) -> UInt8:
    """The picture after it was saved as JPEG and read again."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def upside_down(image: UInt8, result: UInt8, areas: Int64) -> UInt8:
    """The original with each area's change put on upside down: as large, without a direction."""
    control = image.copy()
    for x1, y1, x2, y2 in areas.tolist():
        part = np.s_[y1:y2, x1:x2]
        change = result[part].astype(np.int16) - image[part]
        control[part] = np.clip(image[part] + change[::-1], 0, 255).astype(np.uint8)
    return control


def difference(image: UInt8, result: UInt8, areas: Int64) -> Difference:
    """How far the cloaked picture is from the original.

    PSNR is 10 log10(255^2 / mean squared error) over all pixels and channels. SSIM is that of Wang,
    Bovik, Sheikh & Simoncelli (2004), Image quality assessment: from error visibility to structural
    similarity, IEEE Transactions on Image Processing 13(4): windows of 11 x 11 pixels weighted by
    a Gaussian with sigma 1.5, K1 = 0.01, K2 = 0.03, the mean over all pixels of red, green and
    blue (OpenCV's QualitySSIM).

    Args:
        image: RGB uint8 (H, W, 3).
        result: the same, with no change outside the areas.
        areas: int64 (M, 4), edges in pixels.
    """
    height, width = image.shape[:2]
    if not len(areas):
        return Difference(0, None, None, 1.0, 1.0)
    inside = np.zeros((height, width), np.bool_)
    for x1, y1, x2, y2 in areas.tolist():
        inside[y1:y2, x1:x2] = True
    (left, top), (right, bottom) = areas[:, :2].min(0).tolist(), areas[:, 2:].max(0).tolist()
    left, right = max(0, left - _REACH), min(width, right + _REACH)
    top, bottom = max(0, top - _REACH), min(height, bottom + _REACH)
    squares = lost = lost_faces = 0.0
    largest = 0
    # In bands, since the maps of a large picture would take gigabytes.
    for start in range(top, bottom, _BAND):
        stop = min(bottom, start + _BAND)
        missing = _lost(image, result, (left, start, right, stop))
        lost += float(missing.sum())
        lost_faces += float(missing[inside[start:stop, left:right]].sum())
        change = cv2.absdiff(image[start:stop, left:right], result[start:stop, left:right])
        largest = max(largest, int(change.max()))
        squares += float(np.square(change.astype(np.float32)).sum(dtype=np.float64))
    covered = int(inside.sum())
    return Difference(
        largest,
        _decibels(squares / (3 * width * height)),
        _decibels(squares / (3 * covered)),
        1.0 - lost / (width * height),
        1.0 - lost_faces / covered,
    )


def _lost(image: UInt8, result: UInt8, part: tuple[int, int, int, int]) -> Float64:
    """One less the structural similarity of each pixel of a part `x1, y1, x2, y2`, (h, w).

    A margin is compared with it, so that the part's borders count as within the picture.
    """
    x1, y1, x2, y2 = part
    left, top = max(0, x1 - _REACH), max(0, y1 - _REACH)
    wider = np.s_[top : y2 + _REACH, left : x2 + _REACH]
    compared = cv2.quality.QualitySSIM.create(image[wider])
    compared.compute(result[wider])
    likeness = compared.getQualityMap()
    inner = np.asarray(likeness, np.float64)[y1 - top : y2 - top, x1 - left : x2 - left]
    lost: Float64 = 1.0 - inner.mean(axis=2)
    return lost


def _decibels(error: float) -> float | None:
    return float(10 * np.log10(255**2 / error)) if error else None


def counts(told: Iterable[Told], role: str, picture: str) -> tuple[int, int]:
    """How many answers of classifiers in a role were moved as wanted, and of how many."""
    moved = [one.changed(picture) for one in told if one.role == role]
    known = [one for one in moved if one is not None]
    return sum(known), len(known)


def record(told: Sequence[Told], changed: Difference) -> dict[str, Any]:
    """All numbers, for JSON: `classifiers`, `summary` by role, and `picture`."""
    return {
        "classifiers": [
            {
                "name": one.classifier,
                "role": one.role,
                "network": one.network,
                "face": one.face,
                "before": _plain(one.before),
                **{
                    name: None
                    if answer is None
                    else {**_plain(answer), "changed": one.changed(name)}
                    for name, answer in one.answers.items()
                },
            }
            for one in told
        ],
        "summary": {role: dict(_summary(told, role)) for role in ROLES},
        "picture": asdict(changed),
    }


def _plain(answer: Answer | None) -> Any:
    if answer is None:
        return None
    return {"label": answer.label, "probability": round(answer.probability, 6)}


def _summary(told: Sequence[Told], role: str) -> Iterator[tuple[str, Any]]:
    yield "classifiers", len({one.classifier for one in told if one.role == role})
    yield "networks", len({one.network for one in told if one.role == role})
    for picture in CHANGES:
        moved, of = counts(told, role, picture)
        yield picture, {"changed": moved, "of": of}


def sheet(image: UInt8, result: UInt8, areas: Int64, levels: int, path: Path) -> Path:
    """Draw the original, the change enlarged and the cloaked picture; below, the largest face.

    Args:
        image: RGB uint8 (H, W, 3).
        result: the same cloaked.
        areas: int64 (M, 4), where it was changed.
        levels: the budget: a change by so much is drawn black or white, none grey.
        path: the PNG to write.

    Raises:
        UnavailableError: matplotlib is not installed.
        StoreError: the file can't be written.
    """
    from fxbench.plots import figure, save

    sides = areas[:, 2:] - areas[:, :2]
    x1, y1, x2, y2 = areas[sides.prod(axis=1).argmax()].tolist()
    made = figure(10.0, 7.2)
    titles = ("Original", f"Change, {127 / levels:.0f} times enlarged", "Cloaked")
    for row, part in zip(made.subplots(2, 3), (np.s_[:, :], np.s_[y1:y2, x1:x2]), strict=True):
        before, after = image[part], result[part]
        change = after.astype(np.float32) - before
        enlarged = np.clip(127.5 + change * (127 / levels), 0, 255).astype(np.uint8)
        for axes, picture, title in zip(row, (before, enlarged, after), titles, strict=True):
            axes.imshow(_shown(picture), interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(title, fontsize=9)
    return save(made, path)


def _shown(picture: UInt8) -> UInt8:
    """Not larger than a panel of the figure can show."""
    scale = 1200 / max(picture.shape[:2])
    if scale >= 1:
        return picture
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
