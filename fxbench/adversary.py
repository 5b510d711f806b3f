"""What the core does with an attack's answer: hold it to its budget, make it a real image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.attacked import QueriesSpentError, QueryModel, UnansweredError, WhiteBox
from fxbench.budget import check_budget
from fxbench.errors import PluginError
from fxbench.protocols import Attack, Classifier
from fxbench.types import Bool, Float32, Float64, Int64, UInt8, check_array

_IN_CACHE = 2**18
"""How many numbers are held to a budget at once: several passes over more take two to three times
as long, since each reads them from memory anew."""

_HALVINGS = 12
"""How often the scale of a change is halved in search of the largest that fits."""

_ROUNDING = 1e-6
"""Grey levels: what a budget may be exceeded by, since it is a fraction of 255."""


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """What an attack is to do to each of M faces.

    Attributes:
        targets: float32 (M, K), one-hot: the output to be moved away from, or to be reached.
        attacked: bool (M,), which faces are attacked.
        targeted: whether the outputs are to be reached.
    """

    targets: Float32
    attacked: Bool
    targeted: bool = False


def aim(labels: Int64, columns: Int64, outputs: int, towards: int | None = None) -> Aim:
    """What an attack moves away from, or towards.

    A face whose label the classifier doesn't have is not attacked, nor one that has the label to be
    reached already.

    Args:
        labels: int64 (M,), the right emotion of each face, or -1.
        columns: int64 (8,), the output that means each emotion; -1 where there is none.
        outputs: how many outputs the classifier has.
        towards: the emotion to be reached; None for any other than the right one.
    """
    column = np.where(labels >= 0, columns[labels], -1)
    attacked: Bool = column >= 0
    if towards is not None:
        attacked &= (labels != towards) & (columns[towards] >= 0)
        column = np.where(attacked, columns[towards], -1)
    targets = np.zeros((len(labels), outputs), np.float32)
    targets[np.flatnonzero(attacked), column[attacked]] = 1.0
    return Aim(targets, attacked, towards is not None)


def check_variant(target: Classifier, surrogate: Classifier) -> None:
    """Make sure that faces made for one classifier mean the same to another.

    Raises:
        PluginError: they take other faces, or have other labels.
    """
    if (surrogate.face, surrogate.labels) != (target.face, target.labels):
        raise PluginError(
            "It is declared a variant of the surrogate, but has other labels or takes other faces "
            f"({target.face} and {surrogate.face}): gradients of one say nothing about the other."
        )


def seeds_of(rows: Int64, seed: int = 0) -> Int64:
    """One seed for each face, int64 (M,): it depends on the face's row alone, not on its batch."""
    return (rows << 8) ^ np.int64(seed)


@dataclass(frozen=True, slots=True, eq=False)
class Adversarial:
    """Faces after an attack.

    Attributes:
        faces: uint8 (M, size, size, 3); one that was not attacked is as it was.
        attacked: bool (M,).
        flat: int8 (M,), 1 for attacked faces whose first gradient was 0 everywhere; -1 where that
            is not known.
        queries: int32 (M,), how often the classifier was asked about each; None of an attack that
            takes gradients.
    """

    faces: UInt8
    attacked: Bool
    flat: Any
    queries: Any


def perturbed(
    attack: Attack,
    classifier: Any,
    faces: UInt8,
    aimed: Aim,
    *,
    epsilon: float,
    seeds: Int64,
    black_box: bool = False,
    counted: Callable[[int], None] = lambda _: None,
) -> Adversarial:
    """Adversarial faces, within the budget whatever the attack returns.

    Args:
        attack: asked for the faces that are attacked; the others are returned as they are.
        classifier: the surrogate; for a black-box attack the classifier that is asked.
        faces: uint8 (M, size, size, 3).
        aimed: what to do to them.
        epsilon: the budget in units of [0, 1] pixels.
        seeds: int64 (M,).
        black_box: whether the attack may only ask.
        counted: told of each call for how many faces gradients were taken, or answers asked for.

    Raises:
        PluginError: the attack returned something that is no array of faces.
    """
    queries = np.zeros(len(faces), np.int32) if black_box else None
    made = Adversarial(faces.copy(), aimed.attacked, np.zeros(len(faces), np.int8), queries)
    index = np.flatnonzero(aimed.attacked)
    if not len(index) or (black_box and epsilon == 0):
        return made
    if queries is not None:
        for row in index.tolist():
            model = _asked(attack, classifier, faces[row], aimed, row, counted)
            answer = _answer(attack, model, faces, aimed, np.array([row]), epsilon, seeds)
            if answer is not None:
                made.faces[row] = held(faces[row : row + 1], answer, attack.norm, epsilon)[0]
            elif model.best is not None:
                best = model.best[None].astype(np.float32) / np.float32(255)
                made.faces[row] = held(faces[row : row + 1], best, attack.norm, epsilon)[0]
            queries[row] = model.used
            if model.silent is not None:
                raise UnansweredError(f"The classifier gave no answer ({model.silent}).")
        return made
    white = WhiteBox(classifier, targeted=aimed.targeted, counted=counted)
    answer = _answer(attack, white, faces, aimed, index, epsilon, seeds)
    if answer is not None:
        made.faces[index] = held(faces[index], answer, attack.norm, epsilon)
    if white.flat is not None:
        known = len(white.flat) == len(index)
        made.flat[index] = white.flat if known else -1
    return made


def _asked(
    attack: Attack,
    classifier: Classifier,
    face: UInt8,
    aimed: Aim,
    row: int,
    counted: Callable[[int], None],
) -> QueryModel:
    return QueryModel(
        classifier,
        face,
        int(aimed.targets[row].argmax()),
        norm=attack.norm,
        budget=int(getattr(attack, "queries", 0)),
        targeted=aimed.targeted,
        counted=counted,
    )


def _answer(
    attack: Attack,
    model: WhiteBox | QueryModel,
    faces: UInt8,
    aimed: Aim,
    index: Int64,
    epsilon: float,
    seeds: Int64,
) -> Float32 | None:
    """What an attack makes of some of the faces; None where it ran out of queries."""
    pixels = faces[index].astype(np.float32) / np.float32(255)
    pixels.flags.writeable = False
    try:
        answer: Any = attack.perturb(
            model, pixels, aimed.targets[index], epsilon=epsilon, seeds=seeds[index]
        )
    except QueriesSpentError:
        return None
    check_array("What the attack returned", answer, np.float32, pixels.shape)
    if not np.isfinite(answer).all():
        raise PluginError("The attack returned a pixel that is not finite.")
    checked: Float32 = answer
    return checked


def held(clean: UInt8, wanted: Float32, norm: str, epsilon: float) -> UInt8:
    """Faces as near to the wanted ones as the budget allows, in 8 bits.

    Args:
        clean: uint8 (M, size, size, 3).
        wanted: float32 of that shape, in units of [0, 1] pixels.
        norm: `linf` or `l2` (root mean square).
        epsilon: the budget in units of [0, 1] pixels.

    Raises:
        PluginError: the result exceeds its budget: no score may be made of it.
    """
    within = {"linf": _within_linf, "l2": _within_l2}[norm]
    faces = np.empty_like(clean)
    at_once = max(1, _IN_CACHE // max(1, clean[:1].size))
    for start in range(0, len(clean), at_once):
        part = slice(start, start + at_once)
        faces[part] = within(clean[part], wanted[part], epsilon)
    check_budget(clean, faces, norm, epsilon)
    return faces


def sizes(clean: UInt8, faces: UInt8, norm: str) -> Float64:
    """How much each face was changed, grey levels, float64 (M,)."""
    change = faces.astype(np.float32) - clean.astype(np.float32)
    if norm == "linf":
        largest: Float64 = np.abs(change).max(axis=(1, 2, 3), initial=0.0).astype(np.float64)
        return largest
    return _rms(change)


def _within_linf(clean: UInt8, answer: Float32, epsilon: float) -> UInt8:
    """No pixel changes by more than epsilon: whole grey levels, so rounding can't exceed it."""
    budget = np.int16(np.floor(epsilon * 255 + _ROUNDING))
    wanted = np.rint(np.clip(answer, 0, 1) * np.float32(255)).astype(np.int16)
    original = clean.astype(np.int16)
    kept = np.clip(wanted, original - budget, original + budget).clip(0, 255)
    faces: UInt8 = kept.astype(np.uint8)
    return faces


def _within_l2(clean: UInt8, answer: Float32, epsilon: float) -> UInt8:
    """The root mean square of a face's change is at most epsilon."""
    original = clean.astype(np.float32)
    change = np.clip(answer, 0, 1) * np.float32(255) - original
    size = _rms(change)
    shrunk = np.minimum(1, epsilon * 255 / np.maximum(size, 1e-12)).astype(np.float32)
    change *= shrunk[:, None, None, None]
    rounded = np.rint(change)
    # Rounding may lengthen a change that used its whole budget: it is made smaller until it fits.
    # Small changes would lose a large part of it, were they rounded towards zero.
    for row in np.flatnonzero(_rms(rounded) > epsilon * 255 + _ROUNDING).tolist():
        rounded[row] = _longest_rounded(change[row], epsilon * 255 + _ROUNDING)
    faces: UInt8 = np.clip(original + rounded, 0, 255).astype(np.uint8)
    return faces


def _longest_rounded(change: Float32, allowed: float) -> Float32:
    """A change in whole grey levels, scaled down by as little as its root mean square allows."""
    fits, scale = np.trunc(change), (0.0, 1.0)
    for _ in range(_HALVINGS):
        middle = np.float32(sum(scale) / 2)
        rounded = np.rint(change * middle)
        if float(np.sqrt(np.mean(np.square(rounded), dtype=np.float64))) <= allowed:
            fits, scale = rounded, (float(middle), scale[1])
        else:
            scale = (scale[0], float(middle))
    return fits


def _rms(change: Float32) -> Float64:
    return np.sqrt(np.mean(np.square(change), axis=(1, 2, 3), dtype=np.float64))
