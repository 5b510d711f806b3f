"""How well found boxes cover the true faces.

A box is right (a true positive) when it is paired with a true box: one to one, of enough overlap.
Every other box is a false positive, and a true box that no box is paired with is missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from fxbench.faces import iou
from fxbench.metrics.intervals import CONFIDENCE, Estimate, wilson, without_interval

if TYPE_CHECKING:
    from fxbench.types import Bool, Float32, Float64, Int64

_BLOCK = 1 << 20
"""How many overlaps are reckoned at once: about 100 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """The pairs of a found and a true box of one image that overlap enough.

    Attributes:
        box: int64 (P,), the found box of each pair.
        face: int64 (P,), its true box.
        iou: float64 (P,), their intersection over union.
    """

    box: Int64
    face: Int64
    iou: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall at every score that a box has, from the highest on.

    Attributes:
        score: float64 (S,), descending: boxes of this score or more are taken.
        recall: float64 (S,), the share of the true boxes that were found; it never falls.
        precision: float64 (S,), the share of the boxes taken that are right.
    """

    score: Float64
    recall: Float64
    precision: Float64


def overlaps(
    image: Int64, xyxy: Float32, true_image: Int64, true_xyxy: Float32, least: float
) -> Overlaps:
    """All pairs of a found and a true box in the same image with an overlap of at least `least`.

    Args:
        image: int64 (M,), the image of each found box, in any order.
        xyxy: float32 (M, 4), pixels.
        true_image: int64 (T,), the image of each true box, in any order.
        true_xyxy: float32 (T, 4), pixels.
        least: intersection over union, above 0.
    """
    by_image = np.argsort(true_image, kind="stable")
    ordered = true_image[by_image]
    first = np.searchsorted(ordered, image, side="left")
    count = np.searchsorted(ordered, image, side="right") - first
    parts = []
    # A block holds the boxes whose last pair lies in the same _BLOCK of pairs.
    blocks = (np.cumsum(count) - 1) // _BLOCK
    edges = [*np.flatnonzero(np.diff(blocks, prepend=-2)).tolist(), len(image)]
    for start, stop in pairwise(edges):
        counts = count[start:stop]
        box = np.repeat(np.arange(start, stop), counts)
        nth = np.arange(len(box)) - np.repeat(np.cumsum(counts) - counts, counts)
        face = by_image[first[box] + nth]
        shared = iou(xyxy[box], true_xyxy[face])
        enough = shared >= least
        parts.append((box[enough], face[enough], shared[enough]))
    if not parts:
        empty = np.empty(0, np.int64)
        return Overlaps(empty, empty, np.empty(0))
    return Overlaps(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def pair(
    pairs: Overlaps, score: Float32, xyxy: Float32, true_xyxy: Float32, threshold: float
) -> Int64:
    """The true box that each found box is paired with.

    In each image boxes take their turn by descending score: each is paired with the true box that
    overlaps it most among those that are left, if that is at least `threshold` (Lin et al. 2014,
    Microsoft COCO: common objects in context, ECCV, as in its evaluation code). Among boxes of
    equal score the pair that overlaps most goes first. So the order of the rows decides nothing.

    Args:
        pairs: from :func:`overlaps`, with a `least` that is not above `threshold`.
        score: float32 (M,), of the found boxes.
        xyxy: float32 (M, 4), the found boxes: where score and overlap are equal as well, the box
            further left, then further up goes first.
        true_xyxy: float32 (T, 4), likewise.
        threshold: the least intersection over union of a pair.

    Returns:
        int64 (M,), indices into `true_xyxy`, each once at most; -1 for a false positive.
    """
    matched = np.full(len(score), -1, np.int64)
    taken = np.zeros(len(true_xyxy), np.bool_)
    enough = pairs.iou >= threshold
    box, face, shared = pairs.box[enough], pairs.face[enough], pairs.iou[enough]
    order = np.lexsort((*true_xyxy[face].T[::-1], *xyxy[box].T[::-1], -shared, -score[box]))
    box, face = box[order], face[order]
    while len(box):
        # A pair that is the first of its box and of its face can't be spoilt by another one: all
        # of these are made at once, which gives what going through the pairs one by one would.
        turn = np.arange(len(box))
        first = (_first(box, turn, len(score)) == turn) & (
            _first(face, turn, len(true_xyxy)) == turn
        )
        matched[box[first]] = face[first]
        taken[face[first]] = True
        left = (matched[box] < 0) & ~taken[face]
        box, face = box[left], face[left]
    return matched


def _first(of: Int64, turn: Int64, size: int) -> Int64:
    """For each element of `of`, the first turn at which its value stands there."""
    first = np.empty(size, np.int64)
    # The last one written stays.
    first[of[::-1]] = turn[::-1]
    return first[of]


def precision_recall(score: Float32, right: Bool, faces: int) -> Curve:
    """Precision and recall as the least score that is taken falls.

    Boxes of equal score are taken together, so that their order decides nothing.

    Args:
        score: float32 (M,), of the found boxes.
        right: bool (M,), which of them are paired with a true box.
        faces: how many true boxes there are, at least 1.
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order].astype(np.float64)
    last = np.flatnonzero(np.diff(falling, append=-np.inf))
    hits = np.cumsum(right[order])[last]
    return Curve(falling[last], hits / faces, hits / (last + 1))


def average_precision(score: Float32, right: Bool, faces: int) -> Estimate:
    """The area under the interpolated curve of precision over recall, from all its points.

    Everingham, Van Gool, Williams, Winn & Zisserman (2010), The PASCAL visual object classes (VOC)
    challenge, International Journal of Computer Vision 88(2), 303-338, section 4.2, with every
    recall instead of eleven of them, as in VOC since 2010 (Everingham, Eslami, Van Gool, Williams,
    Winn & Zisserman 2015, The PASCAL visual object classes challenge: a retrospective, IJCV 111(1),
    98-136). The interpolated precision at a recall is the highest at that recall or above; at
    recalls that are not reached it is 0.

    Args:
        score: float32 (M,), of the found boxes.
        right: bool (M,), which of them are paired with a true box.
        faces: how many true boxes there are.

    Returns:
        From 0 to 1, without an interval; `n` is `faces`.
    """
    if not faces:
        return without_interval(None, 0)
    curve = precision_recall(score, right, faces)
    best = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return without_interval(float((np.diff(curve.recall, prepend=0.0) * best).sum()), faces)


def clustered_proportion(hits: Int64, n: Int64) -> Estimate:
    """A proportion of boxes with a 95 % interval that knows that boxes come by images.

    Boxes of one image are alike: what is hard about it is hard for all of them. Wilson's interval
    (see :func:`fxbench.metrics.intervals.wilson`) is taken for as many independent boxes as tell as
    much: n / deff, at least 1. The design effect deff is the variance between images (of the ratio
    estimator) over that of independent boxes, times the square of Student's quantile over the
    normal one, since few images may tell the former. Korn & Graubard (1998), Confidence intervals
    for proportions with small expected number of positive counts estimated from survey data, Survey
    Methodology 24(2), 193-201; with Wilson's interval: Dean & Pagano (2015), Evaluating confidence
    interval methods for binomial proportions in clustered surveys, Journal of Survey Statistics and
    Methodology 3(4), 484-503.

    It is never narrower than for independent boxes. It is the same where no image has more than one
    box, and where all or no boxes are hits or there is one image only: then nothing shows how alike
    they are.

    Args:
        hits: int64 (I,), by image.
        n: int64 (I,), boxes by image.

    Returns:
        `n` is the number of boxes.
    """
    hits, n = hits[n > 0], n[n > 0]
    boxes, images = int(n.sum()), len(n)
    if not boxes:
        return without_interval(None, 0)
    share = hits.sum() / boxes
    effective = float(boxes)
    if n.max() > 1 and images > 1 and 0 < share < 1:
        between = images / (images - 1) * ((hits - share * n) ** 2).sum() / boxes**2
        quantile = (1 + CONFIDENCE) / 2
        few = float(stdtrit(images - 1, quantile) / ndtri(quantile)) ** 2
        design = few * between * boxes / (share * (1 - share))
        effective = max(1.0, boxes / max(1.0, design))
    low, high = wilson(np.array(share * effective), np.array(effective))
    return Estimate(value=float(share), low=float(low), high=float(high), n=boxes)
