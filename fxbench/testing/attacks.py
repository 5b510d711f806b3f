"""Rules for attacks, tried on a small classifier of the kit's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fxbench.adversary import perturbed
from fxbench.testing.rules import NotTried, Refused, Rule, Trial, frozen, same, unchanged
from fxbench.testing.surrogate import Surrogate, attack_inputs
from fxbench.types import Float32, Float64, Int64, check_array

EPSILONS = (2 / 255, 8 / 255)

TOLERANCE = 1e-4
"""By how much a pixel in [0, 1] may differ between a batch and its faces one by one."""

SLACK = 1e-3
"""By how much of the budget an answer may exceed it: what rounding to float32 costs."""

_ORDER = np.array([5, 2, 7, 0, 3, 6, 1, 4])

Inputs = tuple[Surrogate, Float32, Float32, Int64]


def _perturb(trial: Trial, inputs: Inputs, epsilon: float, attack: Any = None) -> Float32:
    """The answer for copies of the inputs, its form checked."""
    made = trial.made if attack is None else attack
    model, faces, targets, seeds = inputs
    answer: Any = made.perturb(
        model, faces.copy(), targets.copy(), epsilon=epsilon, seeds=seeds.copy()
    )
    check_array("What perturb returns", answer, np.float32, faces.shape)
    if not np.isfinite(answer).all():
        raise Refused("A pixel is not finite.")
    checked: Float32 = answer
    return checked


def _rows(inputs: Inputs, index: Any) -> Inputs:
    model, faces, targets, seeds = inputs
    return model, faces[index], targets[index], seeds[index]


def _norm(trial: Trial) -> str:
    norm = trial.made.norm
    if norm not in ("linf", "l2"):
        raise Refused(f"norm must be 'linf' or 'l2', not {norm!r}.")
    traits = sorted(trial.component.traits & {"fixed", "minimum"})
    if len(traits) != 1:
        raise Refused(
            "It must have one of the traits 'fixed' (takes an epsilon) and 'minimum' (finds the "
            f"smallest perturbation), but has {', '.join(traits) or 'none'}."
        )
    return f"{norm}, {traits[0]}"


def _faces(trial: Trial) -> str:
    inputs = attack_inputs()
    model, faces, targets, _ = inputs
    answer = _perturb(trial, inputs, EPSILONS[-1])
    before, after = (_entropy(model, pixels, targets) for pixels in (faces, answer))
    return f"the mean cross-entropy goes from {before:.3g} to {after:.3g}"


def _entropy(model: Surrogate, pixels: Float32, targets: Float32) -> float:
    rounded = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    right = (model.predict(rounded) * targets).sum(axis=1)
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def _size(norm: str, after: Float32, before: Float32) -> float:
    """The largest change among the faces, in units of [0, 1] pixels."""
    change: Float64 = after.astype(np.float64) - before.astype(np.float64)
    if norm == "linf":
        return float(np.abs(change).max())
    return float(np.sqrt(np.square(change).mean(axis=(1, 2, 3))).max())


def _budget(trial: Trial) -> str:
    _must_be_fixed(trial)
    inputs = attack_inputs()
    model, faces, targets, seeds = inputs
    clean = np.rint(faces * 255).astype(np.uint8)
    figures = []
    for epsilon in EPSILONS:
        answer = _perturb(trial, inputs, epsilon)
        raw = _size(trial.made.norm, answer, faces)
        if raw > epsilon * (1 + SLACK):
            raise Refused(
                f"With epsilon {epsilon * 255:g}/255 a face changes by {raw * 255:.4g}/255 "
                f"({trial.made.norm}): the core would clip that, so it measures another attack."
            )
        given = _Given(trial.made.norm, answer)
        attacked = np.ones(len(faces), np.bool_)
        held = perturbed(given, model, clean, targets, attacked, epsilon=epsilon, seeds=seeds)
        left = _size(trial.made.norm, held.astype(np.float32) / np.float32(255), faces)
        figures.append(f"{raw * 255:.3g}/255, {left * 255:.3g}/255 as an image")
    return "; ".join(figures)


@dataclass(slots=True, eq=False)
class _Given:
    """An attack that has answered already, for the core to clip its answer."""

    norm: str
    answer: Float32

    def perturb(self, *_: object, **__: object) -> Float32:
        return self.answer


def _must_be_fixed(trial: Trial) -> None:
    if "fixed" not in trial.component.traits:
        raise NotTried("It takes no epsilon: it finds the smallest perturbation.")


def _zero(trial: Trial) -> str:
    _must_be_fixed(trial)
    inputs = attack_inputs()
    return same("With epsilon 0, against the faces", _perturb(trial, inputs, 0.0), inputs[1], 1e-6)


def _empty(trial: Trial) -> None:
    _perturb(trial, _rows(attack_inputs(), slice(0, 0)), EPSILONS[-1])


def _inputs_kept(trial: Trial) -> None:
    model, faces, targets, seeds = attack_inputs()
    given, aims, numbers = faces.copy(), targets.copy(), seeds.copy()
    trial.made.perturb(model, given, aims, epsilon=EPSILONS[-1], seeds=numbers)
    unchanged("the faces", faces, given)
    unchanged("the targets", targets, aims)
    unchanged("the seeds", seeds, numbers)
    trial.made.perturb(
        model, frozen(faces), frozen(targets), epsilon=EPSILONS[-1], seeds=frozen(seeds)
    )


def _deterministic(trial: Trial) -> str:
    inputs = attack_inputs()
    first, second = (_perturb(trial, inputs, EPSILONS[-1]) for _ in range(2))
    return same("A second call with the same seeds", second, first, 1e-6)


def _batch(trial: Trial) -> str:
    inputs = attack_inputs()
    together = _perturb(trial, inputs, EPSILONS[-1])
    rows = [slice(row, row + 1) for row in range(len(together))]
    alone = np.concatenate([_perturb(trial, _rows(inputs, row), EPSILONS[-1]) for row in rows])
    figure = same("Each face alone, against all eight", alone, together, TOLERANCE)
    shuffled = _perturb(trial, _rows(inputs, _ORDER), EPSILONS[-1])
    same("The eight shuffled with their seeds", shuffled, together[_ORDER], TOLERANCE)
    return figure


def _reproducible(trial: Trial) -> str:
    inputs = attack_inputs()
    other = _perturb(trial, inputs, EPSILONS[-1], trial.make())
    return same("A second object", other, _perturb(trial, inputs, EPSILONS[-1]), TOLERANCE)


_CALL = "m, f, t, s = attack_inputs(); a = c.perturb(m, f, t, epsilon=8 / 255, seeds=s); "
_SEE_ALONE = (
    f"{_CALL}b = c.perturb(m, f[3:4], t[3:4], epsilon=8 / 255, seeds=s[3:4]); "
    "print(abs(a[3] - b[0]).max())"
)
_SEE_TWICE = f"{_CALL}b = c.perturb(m, f, t, epsilon=8 / 255, seeds=s); print(abs(a - b).max())"

RULES = (
    Rule(
        "norm",
        "Read its norm, and whether it is fixed or minimum.",
        _norm,
        "print(repr(c.norm))",
    ),
    Rule(
        "faces",
        "Perturb eight faces: float32 of their shape, finite.",
        _faces,
        f"{_CALL}print(a.dtype, a.shape, a.min(), a.max())",
        ("norm",),
    ),
    Rule(
        "budget",
        "Measure its answer for epsilon 2/255 and 8/255 before and after the core clips it.",
        _budget,
        f"{_CALL}print(abs(a - f).max() * 255, ((a - f) ** 2).mean(axis=(1, 2, 3)) ** 0.5 * 255)",
        ("faces",),
    ),
    Rule(
        "zero-budget",
        "Perturb with epsilon 0: the faces as they were.",
        _zero,
        "m, f, t, s = attack_inputs(); "
        "print(abs(c.perturb(m, f, t, epsilon=0.0, seeds=s) - f).max())",
        ("faces",),
    ),
    Rule(
        "empty-batch",
        "Perturb no face: float32 (0, size, size, 3).",
        _empty,
        "m, f, t, s = attack_inputs(0); print(c.perturb(m, f, t, epsilon=0.1, seeds=s).shape)",
        ("norm",),
    ),
    Rule(
        "inputs-kept",
        "Perturb arrays that it may not change, then arrays that it can't.",
        _inputs_kept,
        "m, f, t, s = attack_inputs(); g = f.copy(); c.perturb(m, g, t, epsilon=0.1, seeds=s); "
        "print((f != g).sum())",
        ("norm",),
    ),
    Rule(
        "deterministic",
        "Perturb twice with the same seeds: equal within 1e-6.",
        _deterministic,
        _SEE_TWICE,
        ("faces",),
    ),
    Rule(
        "batch-independent",
        "Perturb eight faces at once, each alone with its own seed, and shuffled with their "
        f"seeds: equal within {TOLERANCE:g}.",
        _batch,
        _SEE_ALONE,
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        f"Make it a second time and perturb the same faces: equal within {TOLERANCE:g}.",
        _reproducible,
        _SEE_TWICE,
        ("deterministic",),
    ),
)
