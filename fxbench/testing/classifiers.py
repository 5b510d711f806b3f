"""Rules for classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.labels import EMOTIONS
from fxbench.protocols import Differentiable
from fxbench.testing.pictures import faces
from fxbench.testing.rules import NotTried, Refused, Rule, Trial, frozen, same, unchanged
from fxbench.types import FaceSpec, Float32, Float64, UInt8, check_array

TOLERANCE = 1e-4
"""By how much a probability may differ between a batch and its faces one by one."""

AGAIN = 1e-6
"""By how much a probability may differ between two calls with the same faces."""

SUM = 1e-3
"""By how much a row of probabilities may miss 1."""

GRADIENT = 0.2
"""By how much the gradient may miss the finite differences, relative to those (Euclidean norms)."""

_FLAT = 1e-3
"""A slope, in nats for a change of a patch by the whole range of pixels, too small to measure."""

_PATCHES = 16
_ORDER = np.array([5, 2, 7, 0, 3, 6, 1, 4])


def _faces(trial: Trial) -> UInt8:
    return faces(trial.made.face, trial.pictures)


def _predict(trial: Trial, given: UInt8, classifier: Any = None) -> Float32:
    """A copy of the answer for a copy of the faces, its form checked."""
    made = trial.made if classifier is None else classifier
    answer: Any = made.predict(given.copy())
    check_array("What predict returns", answer, np.float32, (len(given), len(trial.made.labels)))
    checked: Float32 = answer.copy()
    return checked


def _labels(trial: Trial) -> str:
    labels = trial.made.labels
    if not isinstance(labels, tuple) or not labels:
        raise Refused(f"labels must be a tuple of at least one emotion, not {labels!r}.")
    wrong = [label for label in labels if label is not None and label not in EMOTIONS]
    if wrong:
        raise Refused(
            f"labels holds {wrong}: each must be one of {', '.join(EMOTIONS)}, or None where an "
            "output has no counterpart among them."
        )
    if not any(labels):
        raise Refused("labels holds no emotion, only None: it could never be right.")
    return f"{sum(label is not None for label in labels)} emotions in {len(labels)} outputs"


def _face(trial: Trial) -> str:
    face = trial.made.face
    if not isinstance(face, FaceSpec):
        raise Refused(f"face must be a FaceSpec, not {face!r}.")
    if not isinstance(face.size, int) or not 0 <= face.margin < 10:
        raise Refused(f"face must have a whole size and a margin from 0 on, not {face!r}.")
    return f"{face.size} x {face.size}, {face.fit}"


def _probabilities(trial: Trial) -> str:
    shape = (1, trial.made.face.size, trial.made.face.size, 3)
    noise = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    extremes = {
        "drawn faces": _faces(trial),
        "a black face": np.zeros(shape, np.uint8),
        "a white face": np.full(shape, 255, np.uint8),
        "noise": noise,
    }
    worst = 0.0
    for what, given in extremes.items():
        answer = _predict(trial, given)
        if not np.isfinite(answer).all():
            raise Refused(f"For {what} a probability is not finite: {answer[0].tolist()}.")
        if answer.min() < 0:
            raise Refused(f"For {what} a probability is negative: {answer.min():.3g}.")
        sums = answer.sum(axis=1, dtype=np.float64)
        wrong = float(sums[np.abs(sums - 1).argmax()])
        worst = max(worst, abs(wrong - 1))
        if abs(wrong - 1) > SUM:
            raise Refused(f"For {what} a row sums to {wrong:.4g} instead of 1.")
    return f"sums miss 1 by at most {worst:.1g}"


def _empty(trial: Trial) -> None:
    size = trial.made.face.size
    none = np.zeros((0, size, size, 3), np.uint8)
    _predict(trial, none)
    if "gradient" in trial.component.traits and isinstance(trial.made, Differentiable):
        targets = np.zeros((0, len(trial.made.labels)), np.float32)
        _slopes(trial, none.astype(np.float32), targets)


def _inputs_kept(trial: Trial) -> None:
    given = _faces(trial)
    before = given.copy()
    trial.made.predict(given)
    unchanged("the faces", before, given)
    trial.made.predict(frozen(given))


def _deterministic(trial: Trial) -> str:
    given = _faces(trial)
    return same("A second call", _predict(trial, given), _predict(trial, given), AGAIN)


def _answer_kept(trial: Trial) -> None:
    given = _faces(trial)
    first = trial.made.predict(given.copy())
    before = first.copy()
    trial.made.predict(255 - given)
    unchanged("its earlier answer when it was called again", before, first)


def _batch(trial: Trial) -> str:
    given = _faces(trial)
    together = _predict(trial, given)
    alone = np.concatenate([_predict(trial, face[None]) for face in given])
    figure = same("Each face alone, against all eight", alone, together, TOLERANCE)
    shuffled = _predict(trial, given[_ORDER])
    same("The eight shuffled, against their order", shuffled, together[_ORDER], TOLERANCE)
    # A run hands over up to 64 faces at once.
    many = _predict(trial, np.tile(given, (8, 1, 1, 1)))
    same("The eight eight times over", many, np.tile(together, (8, 1)), TOLERANCE)
    return figure


def _reproducible(trial: Trial) -> str:
    given = _faces(trial)
    other = _predict(trial, given, trial.make())
    return same("A second object", other, _predict(trial, given), TOLERANCE)


def _pixels(trial: Trial, count: int) -> tuple[UInt8, Float32, Float32]:
    """Faces that may be changed by a grey level, the same in [0, 1], and soft targets.

    An output that is certainly wrong gets no share: its logarithm has no digits left.
    """
    given = _faces(trial)[:count].clip(8, 247)
    answer = _predict(trial, given)
    share = np.random.default_rng(5).dirichlet(np.ones(answer.shape[1]), len(given))
    share[answer < 1e-6] = 0
    share /= share.sum(axis=1, keepdims=True)
    return given, given.astype(np.float32) / np.float32(255), share.astype(np.float32)


def _slopes(trial: Trial, pixels: Float32, targets: Float32) -> Float32:
    answer: Any = trial.made.gradient(pixels.copy(), targets.copy())
    check_array("What gradient returns", answer, np.float32, pixels.shape)
    checked: Float32 = answer.copy()
    return checked


def _gradient(trial: Trial) -> str:
    has_method = isinstance(trial.made, Differentiable)
    if "gradient" not in trial.component.traits:
        hint = ": it has the method, declare the trait" if has_method else ""
        raise NotTried(f"It has no trait 'gradient'{hint}.")
    if not has_method:
        raise Refused("It has the trait 'gradient', but no method gradient.")
    _, pixels, targets = _pixels(trial, 8)
    slopes = _slopes(trial, pixels, targets)
    if not np.isfinite(slopes).all():
        raise Refused("A slope is not finite.")
    given, aims = pixels.copy(), targets.copy()
    trial.made.gradient(given, aims)
    unchanged("the faces", pixels, given)
    unchanged("the targets", targets, aims)
    trial.made.gradient(frozen(pixels), frozen(targets))
    return f"norms from {_norms(slopes).min():.2g} to {_norms(slopes).max():.2g}"


def _norms(slopes: Float32) -> Float64:
    norms: Float64 = np.sqrt(np.square(slopes, dtype=np.float64).sum(axis=(1, 2, 3)))
    return norms


def _finite_differences(trial: Trial) -> str:
    given, pixels, targets = _pixels(trial, 4)
    slopes = _slopes(trial, pixels, targets).astype(np.float64)
    floor = _FLAT * np.sqrt(_PATCHES * len(given))
    largest = max(1, given.shape[1] // 8)
    figures = []
    # A wide change crosses more of a network's kinks, a narrow one says less of the whole face:
    # where the wide one disagrees, narrower ones decide.
    for side in sorted({largest, max(1, largest // 3), 1}, reverse=True):
        claimed, measured = _directions(trial, (given, targets), slopes, side)
        missed = float(np.linalg.norm(claimed - measured))
        size = float(np.linalg.norm(measured))
        error = missed / max(size, floor)
        figures.append(f"{error:.2g} on patches of {side} x {side}")
        if error <= GRADIENT and (side == largest or size > 5 * floor):
            return f"relative error {figures[-1]}"
    raise Refused(
        "The gradient misses the finite differences of the cross-entropy: the relative error is "
        f"{', '.join(figures)}, at most {GRADIENT:g} is allowed."
    )


def _directions(
    trial: Trial, at: tuple[UInt8, Float32], slopes: Float64, side: int
) -> tuple[Float64, Float64]:
    """Slopes along random directions, as the gradient claims them and as they are measured.

    A direction is one channel of one square patch, changed by one grey level: predict takes no
    smaller step.
    """
    given, targets = at
    random = np.random.default_rng(11)
    claimed, measured = [], []
    for _ in range(_PATCHES):
        step = np.zeros(given.shape, np.int16)
        for row in range(len(given)):
            y, x = random.integers(0, given.shape[1] - side + 1, 2)
            sign = random.choice((-1, 1))
            step[row, y : y + side, x : x + side, random.integers(3)] = sign
        up = _entropy(trial, (given + step).astype(np.uint8), targets)
        down = _entropy(trial, (given - step).astype(np.uint8), targets)
        claimed.append((slopes * step).sum(axis=(1, 2, 3)))
        measured.append((up - down) * 255 / 2)
    return np.concatenate(claimed), np.concatenate(measured)


def _entropy(trial: Trial, given: UInt8, targets: Float32) -> Float64:
    answer = np.maximum(_predict(trial, given).astype(np.float64), 1e-30)
    entropy: Float64 = -(targets * np.log(answer)).sum(axis=1)
    return entropy


def _gradient_batch(trial: Trial) -> str:
    _, pixels, targets = _pixels(trial, 8)
    together = _slopes(trial, pixels, targets)
    rows = [slice(row, row + 1) for row in range(len(pixels))]
    alone = np.concatenate([_slopes(trial, pixels[row], targets[row]) for row in rows])
    shuffled = _slopes(trial, pixels[_ORDER], targets[_ORDER])
    largest = np.abs(together).max(axis=(1, 2, 3), keepdims=True).astype(np.float64)
    scale = np.maximum(largest, 1e-6)
    figure = same("Each face alone, against all eight", alone / scale, together / scale, 1e-3)
    same("The eight shuffled", shuffled / scale[_ORDER], (together / scale)[_ORDER], 1e-3)
    return f"{figure} of the largest slope"


_SEE_ALL = "f = faces(c.face); print(c.predict(f))"
_SEE_BATCH = "f = faces(c.face); print(c.predict(f)[3], c.predict(f[3:4])[0])"
_SEE_TWICE = "f = faces(c.face); print(c.predict(f)[0], c.predict(f)[0])"
_SEE_KEPT = "f = faces(c.face); g = f.copy(); c.predict(g); print((f != g).sum())"
_SEE_GRADIENT = (
    "f = faces(c.face).astype('float32') / 255; p = c.predict(faces(c.face)); "
    "print(c.gradient(f, p))"
)

RULES = (
    Rule(
        "labels",
        "Compare labels with the eight emotions.",
        _labels,
        "print(c.labels)",
    ),
    Rule("face", "Read how it wants faces.", _face, "print(c.face)"),
    Rule(
        "probabilities",
        "Predict drawn faces, black, white and noise: float32 (M, K), finite, at least 0, rows "
        "that sum to 1.",
        _probabilities,
        _SEE_ALL,
        ("labels", "face"),
    ),
    Rule(
        "empty-batch",
        "Predict no face, and ask for its gradient: float32 (0, K) and (0, size, size, 3).",
        _empty,
        "print(c.predict(faces(c.face)[:0]).shape)",
        ("labels", "face"),
    ),
    Rule(
        "inputs-kept",
        "Predict faces that it may not change, then faces that it can't.",
        _inputs_kept,
        _SEE_KEPT,
        ("labels", "face"),
    ),
    Rule(
        "deterministic",
        f"Predict the same faces twice: equal within {AGAIN:g}.",
        _deterministic,
        _SEE_TWICE,
        ("probabilities",),
    ),
    Rule(
        "answer-kept",
        "Predict other faces and look at the first answer again.",
        _answer_kept,
        "a = c.predict(faces(c.face)); b = a.copy(); c.predict(255 - faces(c.face)); "
        "print((a != b).sum())",
        ("probabilities",),
    ),
    Rule(
        "batch-independent",
        f"Predict eight faces at once, each alone, and shuffled: equal within {TOLERANCE:g}.",
        _batch,
        _SEE_BATCH,
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        f"Make it a second time and predict the same faces: equal within {TOLERANCE:g}.",
        _reproducible,
        _SEE_ALL,
        ("deterministic",),
    ),
    Rule(
        "gradient",
        "Ask for gradients: float32 of the faces' shape, finite, inputs kept.",
        _gradient,
        _SEE_GRADIENT,
        ("deterministic",),
    ),
    Rule(
        "finite-differences",
        "Compare the gradient with central differences of one grey level in random patches: "
        f"relative error at most {GRADIENT:g}.",
        _finite_differences,
        _SEE_GRADIENT,
        ("gradient",),
    ),
    Rule(
        "gradient-batch-independent",
        "Ask for the gradients of eight faces at once, each alone, and shuffled: equal within "
        "a thousandth of the largest slope.",
        _gradient_batch,
        _SEE_GRADIENT,
        ("gradient",),
    ),
)
