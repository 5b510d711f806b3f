"""Rules for attacks, tried on a small classifier of the kit's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxbench.adversary import held
from fxbench.attacked import QueryModel, to_pixels
from fxbench.testing.rules import NotTried, Refused, Rule, Trial, frozen, same, unchanged
from fxbench.testing.surrogate import Call, attack_inputs, calls
from fxbench.types import Float32, Float64, check_array

EPSILONS = (2 / 255, 8 / 255)

TOLERANCE = 1e-4
"""By how much a pixel in [0, 1] may differ between a batch and its faces one by one."""

SLACK = 1e-3
"""By how much of the budget an answer may exceed it: what rounding to float32 costs."""

FEW = 5
"""Queries that no search can do with."""

_EIGHT = tuple(range(8))
_FOUR = _EIGHT[:4]
_ORDER = (5, 2, 7, 0, 3, 6, 1, 4)


def _black_box(trial: Trial) -> bool:
    return "black-box" in trial.component.traits


def _faces_of(trial: Trial) -> Sequence[int]:
    """Queries take their time."""
    return _FOUR if _black_box(trial) else _EIGHT


def _epsilon(trial: Trial) -> float:
    return 1.0 if "minimum" in trial.component.traits else EPSILONS[-1]


def _perturb(
    trial: Trial,
    epsilon: float,
    *,
    attack: Any = None,
    rows: Sequence[int] | None = None,
    targeted: bool = False,
) -> Float32:
    """The answer for faces of the kit, its form checked."""
    made = trial.made if attack is None else attack
    rows = _faces_of(trial) if rows is None else rows
    answers = [_answer(made, call, epsilon) for call in calls(made, rows=rows, targeted=targeted)]
    return np.concatenate(answers)


def _answer(attack: Any, call: Call, epsilon: float) -> Float32:
    try:
        answer: Any = call.answer(attack, epsilon)
    except AttributeError as error:
        if error.obj is not call.model:
            raise
        raise Refused(_asks_for_more(error.name, call.model)) from error
    check_array("What perturb returns", answer, np.float32, call.faces.shape)
    if not np.isfinite(answer).all():
        raise Refused("A pixel is not finite.")
    checked: Float32 = answer
    return checked


def _asks_for_more(name: str | None, model: object) -> str:
    if isinstance(model, QueryModel):
        return (
            f"It uses model.{name}: with the trait 'black-box' it gets a QueryModel, which gives "
            "answers only."
        )
    return f"It uses model.{name}: without the trait 'black-box' it gets a WhiteBox, without that."


def _norm(trial: Trial) -> str:
    norm = trial.made.norm
    if norm not in ("linf", "l2"):
        raise Refused(f"norm must be 'linf' or 'l2', not {norm!r}.")
    return str(norm)


def _declared(trial: Trial) -> str:
    traits = trial.component.traits
    kinds = sorted(traits & {"fixed", "minimum"})
    if len(kinds) != 1:
        raise Refused(
            "It must have one of the traits 'fixed' (takes an epsilon) and 'minimum' (finds the "
            f"smallest perturbation), but has {', '.join(kinds) or 'none'}."
        )
    if "iterative" in traits and "fixed" not in traits:
        raise Refused("The trait 'iterative' means something with the trait 'fixed' only.")
    if _black_box(trial) != hasattr(trial.made, "queries"):
        raise Refused(
            "An attack with the trait 'black-box' says in the attribute queries how often it may "
            "ask for each face, and no other attack has that."
        )
    for name, least in (("gradients", 0), ("faces", 1), ("queries", 1)):
        value = getattr(trial.made, name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise Refused(f"{name} must be a whole number from {least} on, not {value!r}.")
    others = trial.component.no_weaker_than
    if not isinstance(others, tuple) or trial.component.name in others:
        raise Refused(f"no_weaker_than must be a tuple of other attacks, not {others!r}.")
    return ", ".join(sorted(traits))


def _faces(trial: Trial) -> str:
    rows = np.array(_faces_of(trial))
    model, faces, targets, _ = attack_inputs()
    answer = _perturb(trial, _epsilon(trial))
    before, after = (
        float(model.loss(pixels, targets[rows]).mean()) for pixels in (faces[rows], answer)
    )
    return f"the mean cross-entropy goes from {before:.3g} to {after:.3g}"


def _effort(trial: Trial) -> str:
    taken: list[int] = []
    for call in calls(trial.made, rows=_faces_of(trial), counted=taken.append):
        call.answer(trial.made, _epsilon(trial))
    each = sum(taken) / len(_faces_of(trial))
    if _black_box(trial):
        return f"it asks {each:g} times for a face, of {trial.made.queries}"
    declared = getattr(trial.made, "gradients", None)
    if declared is not None and each > declared:
        raise Refused(f"It says that it takes {declared} gradients for a face, and takes {each:g}.")
    return f"it takes {each:g} gradients for a face"


def _size(norm: str, after: Float32, before: Float32) -> Float64:
    """The change of each face, in units of [0, 1] pixels."""
    change: Float64 = after.astype(np.float64) - before.astype(np.float64)
    largest: Float64 = np.abs(change).max(axis=(1, 2, 3))
    spread: Float64 = np.sqrt(np.square(change).mean(axis=(1, 2, 3)))
    return largest if norm == "linf" else spread


def _budget(trial: Trial) -> str:
    _must_be_fixed(trial)
    norm = trial.made.norm
    faces = attack_inputs()[1][np.array(_faces_of(trial))]
    figures = []
    for epsilon in EPSILONS:
        answer = _perturb(trial, epsilon)
        raw = float(_size(norm, answer, faces).max())
        if raw > epsilon * (1 + SLACK):
            raise Refused(
                f"With epsilon {epsilon * 255:g}/255 a face changes by {raw * 255:.4g}/255 "
                f"({norm}): the core would clip that, so it measures another attack."
            )
        kept = held(to_pixels(faces), answer, norm, epsilon).astype(np.float32) / np.float32(255)
        left = float(_size(norm, kept, faces).max())
        figures.append(f"{raw * 255:.3g}/255, {left * 255:.3g}/255 as an image")
    return "; ".join(figures)


def _must_be_fixed(trial: Trial) -> None:
    if "fixed" not in trial.component.traits:
        raise NotTried("It takes no epsilon: it finds the smallest perturbation.")


def _zero(trial: Trial) -> str:
    _must_be_fixed(trial)
    if _black_box(trial):
        raise NotTried("It is not called with epsilon 0: there is nothing to ask.")
    faces = attack_inputs()[1]
    return same("With epsilon 0, against the faces", _perturb(trial, 0.0), faces, 1e-6)


def _minimum(trial: Trial) -> str:
    if "minimum" not in trial.component.traits:
        raise NotTried("It finds no smallest perturbation: it takes an epsilon.")
    rows = np.array(_faces_of(trial))
    model, faces, targets, _ = attack_inputs()
    answer = _perturb(trial, 1.0)
    right = targets[rows].argmax(axis=1)
    fooled = model.predict(to_pixels(answer)).argmax(axis=1) != right
    if not fooled.any():
        raise Refused(
            f"None of {len(rows)} faces is misread after it, though epsilon 1 allows any change."
        )
    sizes = _size(trial.made.norm, answer, faces[rows])[fooled]
    return (
        f"{fooled.sum()} of {len(rows)} are misread, the median change is "
        f"{np.median(sizes) * 255:.3g}/255"
    )


def _targeted(trial: Trial) -> str:
    rows = np.array(_faces_of(trial))
    model, faces, targets, _ = attack_inputs(targeted=True)
    answer = _perturb(trial, _epsilon(trial), targeted=True)
    before, after = (
        -float(model.loss(pixels, targets[rows]).mean()) for pixels in (faces[rows], answer)
    )
    if after > before + SLACK and _follows(trial):
        raise Refused(
            f"Where model.targeted is true, it is to move towards the targets, but their mean "
            f"cross-entropy rises from {before:.3g} to {after:.3g}."
        )
    return f"the targets' mean cross-entropy goes from {before:.3g} to {after:.3g}"


def _follows(trial: Trial) -> bool:
    """Whether it looks at the classifier at all: what is drawn at random has no aim."""
    asked: list[int] = []
    for call in calls(trial.made, rows=_faces_of(trial), counted=asked.append):
        call.answer(trial.made, _epsilon(trial))
    return bool(asked)


def _spent(trial: Trial) -> str:
    if not _black_box(trial):
        raise NotTried("It asks nothing: it takes gradients.")
    asked = 0
    for call in calls(trial.made, rows=_FOUR, queries=FEW):
        _answer(trial.made, call, _epsilon(trial))
        asked += call.model.used if isinstance(call.model, QueryModel) else 0
    return f"it asks {asked} times for four faces"


def _empty(trial: Trial) -> None:
    if _black_box(trial):
        raise NotTried("It gets exactly one face in each call.")
    _perturb(trial, EPSILONS[-1], rows=())


def _inputs_kept(trial: Trial) -> None:
    epsilon = _epsilon(trial)
    rows = _FOUR[:1] if _black_box(trial) else _EIGHT
    for call in calls(trial.made, rows=rows):
        before = call.faces.copy(), call.targets.copy(), call.seeds.copy()
        call.answer(trial.made, epsilon)
        unchanged("the faces", before[0], call.faces)
        unchanged("the targets", before[1], call.targets)
        unchanged("the seeds", before[2], call.seeds)
    for call in calls(trial.made, rows=rows):
        still = Call(call.model, frozen(call.faces), frozen(call.targets), frozen(call.seeds))
        still.answer(trial.made, epsilon)


def _deterministic(trial: Trial) -> str:
    first, second = (_perturb(trial, _epsilon(trial)) for _ in range(2))
    return same("A second call with the same seeds", second, first, 1e-6)


def _batch(trial: Trial) -> str:
    rows = _faces_of(trial)
    order = [row for row in _ORDER if row in rows]
    together = _perturb(trial, _epsilon(trial))
    figure = ""
    if not _black_box(trial):
        alone = np.concatenate([_perturb(trial, _epsilon(trial), rows=(row,)) for row in rows])
        figure = same("Each face alone, against all eight", alone, together, TOLERANCE)
    shuffled = _perturb(trial, _epsilon(trial), rows=order)
    other = same("In another order with their seeds", shuffled, together[order], TOLERANCE)
    return figure or other


def _reproducible(trial: Trial) -> str:
    epsilon = _epsilon(trial)
    other = _perturb(trial, epsilon, attack=trial.make())
    return same("A second object", other, _perturb(trial, epsilon), TOLERANCE)


_FACES = "f = attack_inputs()[1]; "

RULES = (
    Rule("norm", "Read its norm.", _norm, "print(repr(c.norm))"),
    Rule(
        "declared",
        "Read its traits, gradients, faces and queries, and what it must not be weaker than.",
        _declared,
        "print([getattr(c, name, None) for name in ('gradients', 'faces', 'queries')])",
        ("norm",),
    ),
    Rule(
        "faces",
        "Perturb eight faces, or four one by one where it may only ask: float32 of their shape, "
        "finite.",
        _faces,
        "a = try_attack(c); print(a.dtype, a.shape, a.min(), a.max())",
        ("declared",),
    ),
    Rule(
        "effort",
        "Count the gradients that it takes, or how often it asks.",
        _effort,
        "from fxbench.testing.surrogate import calls; n = []; "
        "[a.answer(c, 8 / 255) for a in calls(c, counted=n.append)]; print(sum(n) / 8)",
        ("faces",),
    ),
    Rule(
        "budget",
        "Measure its answer for epsilon 2/255 and 8/255 before and after the core clips it.",
        _budget,
        f"{_FACES}d = try_attack(c)[: len(f)] - f; "
        "print(abs(d).max() * 255, (d**2).mean(axis=(1, 2, 3)) ** 0.5 * 255)",
        ("faces",),
    ),
    Rule(
        "zero-budget",
        "Perturb with epsilon 0: the faces as they were.",
        _zero,
        f"{_FACES}print(abs(try_attack(c, 0.0) - f).max())",
        ("faces",),
    ),
    Rule(
        "minimum",
        "Perturb with epsilon 1, where it looks for the smallest change: a face is misread.",
        _minimum,
        f"{_FACES}print(abs(try_attack(c, 1.0) - f).max(axis=(1, 2, 3)))",
        ("faces",),
    ),
    Rule(
        "targeted",
        "Perturb towards the model's second best answer: it becomes no less likely.",
        _targeted,
        "m, f, t, s = attack_inputs(targeted=True); a = try_attack(c, targeted=True); "
        "print(-m.loss(f, t), -m.loss(a, t))",
        ("faces",),
    ),
    Rule(
        "queries-spent",
        f"Perturb four faces with {FEW} queries each: an answer, or QueriesSpentError.",
        _spent,
        f"print(try_attack(c, queries={FEW}).shape)",
        ("faces",),
    ),
    Rule(
        "empty-batch",
        "Perturb no face: float32 (0, size, size, 3).",
        _empty,
        "print(try_attack(c, rows=()).shape)",
        ("declared",),
    ),
    Rule(
        "inputs-kept",
        "Perturb arrays that it may not change, then arrays that it can't.",
        _inputs_kept,
        "from fxbench.testing.surrogate import calls; a = next(calls(c)); g = a.faces.copy(); "
        "a.answer(c, 0.1); print((a.faces != g).sum())",
        ("faces",),
    ),
    Rule(
        "deterministic",
        "Perturb twice with the same seeds: equal within 1e-6.",
        _deterministic,
        "print(abs(try_attack(c) - try_attack(c)).max())",
        ("faces",),
    ),
    Rule(
        "batch-independent",
        "Perturb the faces at once, each alone with its own seed, and in another order with their "
        f"seeds: equal within {TOLERANCE:g}.",
        _batch,
        "print(abs(try_attack(c)[3] - try_attack(c, rows=[3])[0]).max())",
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        f"Make it a second time and perturb the same faces: equal within {TOLERANCE:g}.",
        _reproducible,
        "print(abs(try_attack(c) - try_attack(c)).max())",
        ("deterministic",),
    ),
)
