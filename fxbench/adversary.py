"""What the core does with an attack's answer: hold it to its budget, make it a real image."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.errors import PluginError
from fxbench.protocols import Attack, Classifier, Differentiable
from fxbench.types import Bool, Float32, Int64, UInt8, check_array


def targets_of(labels: Int64, columns: Int64, outputs: int) -> tuple[Float32, Bool]:
    """What an untargeted attack moves away from.

    Args:
        labels: int64 (M,), the right emotion of each face, or -1.
        columns: int64 (8,), the output that means each emotion; -1 where there is none.
        outputs: how many outputs the classifier has.

    Returns:
        One-hot targets float32 (M, outputs), and bool (M,): which faces are attacked. A face whose
        label the classifier does not have is not.
    """
    column = np.where(labels >= 0, columns[labels], -1)
    attacked = column >= 0
    targets = np.zeros((len(labels), outputs), np.float32)
    targets[np.flatnonzero(attacked), column[attacked]] = 1.0
    return targets, attacked


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


def perturbed(
    attack: Attack,
    model: Differentiable,
    faces: UInt8,
    targets: Float32,
    attacked: Bool,
    *,
    epsilon: float,
    seeds: Int64,
) -> UInt8:
    """Adversarial faces uint8 (M, size, size, 3), within the budget whatever the attack returns.

    Args:
        attack: asked for the faces that are attacked; the others are returned as they are.
        model: the surrogate.
        faces: uint8 (M, size, size, 3).
        targets: float32 (M, K), as :func:`targets_of` makes them.
        attacked: bool (M,).
        epsilon: the budget in units of [0, 1] pixels.
        seeds: int64 (M,).

    Raises:
        PluginError: the attack returned something that is no array of faces.
    """
    adversarial = faces.copy()
    index = np.flatnonzero(attacked)
    if not len(index):
        return adversarial
    clean = faces[index]
    pixels = clean.astype(np.float32) / np.float32(255)
    pixels.flags.writeable = False
    answer: Any = attack.perturb(model, pixels, targets[index], epsilon=epsilon, seeds=seeds[index])
    check_array("What the attack returned", answer, np.float32, pixels.shape)
    if not np.isfinite(answer).all():
        raise PluginError("The attack returned a pixel that is not finite.")
    project = {"linf": _within_linf, "l2": _within_l2}[attack.norm]
    adversarial[index] = project(clean, answer, epsilon)
    return adversarial


def _within_linf(clean: UInt8, answer: Float32, epsilon: float) -> UInt8:
    """No pixel changes by more than epsilon: whole grey levels, so rounding can't exceed it."""
    budget = np.int16(np.floor(epsilon * 255 + 1e-6))
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
    change *= np.minimum(1, epsilon * 255 / np.maximum(size, 1e-12))[:, None, None, None]
    rounded = np.rint(change)
    # Rounding may lengthen a change that used its whole budget; rounding towards zero can't.
    over = _rms(rounded) > epsilon * 255 + 1e-6
    rounded[over] = np.trunc(change[over])
    faces: UInt8 = np.clip(original + rounded, 0, 255).astype(np.uint8)
    return faces


def _rms(change: Float32) -> Float32:
    sizes: Float32 = np.sqrt(np.mean(np.square(change), axis=(1, 2, 3), dtype=np.float64)).astype(
        np.float32
    )
    return sizes
