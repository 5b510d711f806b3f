"""What attacks achieve.

The accuracy under one attack needs no function of its own: it is the accuracy of the answers to the
adversarial faces, over the same images as the clean accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.metrics.intervals import Estimate
from fxbench.metrics.shares import Shares

if TYPE_CHECKING:
    from fxbench.types import Bool, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One attack that a classifier was under: which images it was run on, and what came of them.

    Attributes:
        name: of the attack, as the tables are to call it, such as `pgd` or `pgd from emopy`.
        norm: `linf` or `l2`.
        epsilon: its budget in units of [0, 1] pixels.
        right: bool (N,), whether the answer was right; where it was not run, this says nothing.
        attacked: bool (N,), the images that it was run on.
    """

    name: str
    norm: str
    epsilon: float
    right: Bool
    attacked: Bool


def attack_success_rate(
    attacked: Bool, right_clean: Bool, right_attacked: Bool, clusters: Int64 | None = None
) -> Estimate:
    """The share of the attacked faces that were right when clean and are wrong now.

    An attack can only succeed on a face that was right before, so all others stay out of the
    denominator `n`. (Rates over all faces, which count mistakes on clean faces as successes, are in
    use elsewhere and are higher.)

    Args:
        attacked: bool (N,), whether the face was handed to the attack at all.
        right_clean: bool (N,), whether the answer to the clean face was right.
        right_attacked: bool (N,), whether the answer to the adversarial face is.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.
    """
    candidates = attacked & right_clean
    return Shares(clusters).of(~right_attacked, candidates)


def targeted_success_rate(
    attacked: Bool,
    right_clean: Bool,
    away: Bool,
    reached: Bool,
    clusters: Int64 | None = None,
) -> Estimate:
    """The share of the attacked faces that get the target's label now.

    Only faces that were right when clean, and whose label is not the target, can be a success, and
    only they are counted. To be wrong in another way is none: targeted rates are never higher than
    untargeted ones of the same faces.

    Args:
        attacked: bool (N,), whether the face was handed to the attack at all.
        right_clean: bool (N,), whether the answer to the clean face was right.
        away: bool (N,), whether the right label is another one than the target.
        reached: bool (N,), whether the answer to the adversarial face is the target.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.
    """
    candidates = attacked & right_clean & away
    return Shares(clusters).of(reached, candidates)


def transfer_success(
    attacked: Bool, right: Bool, succeeded: Bool, clusters: Int64 | None = None
) -> Estimate:
    """The share of successes among the attacked faces that several classifiers got right.

    With surrogate and target it says what transfers of what could; with all classifiers of a run
    the denominators are the same everywhere, so that only these rates can be compared between
    surrogates and targets.

    Args:
        attacked: bool (N,), whether the face was handed to the attack at all.
        right: bool (K, N), whether each of K classifiers was right about the clean face.
        succeeded: bool (N,), whether the target answered as the attacker wants.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.
    """
    candidates = attacked & right.all(axis=0)
    return Shares(clusters).of(succeeded, candidates)


def robust_at(
    right_clean: Bool, conditions: Sequence[Condition], clusters: Int64 | None = None
) -> list[dict[str, Any]]:
    """Robust at epsilon: the share of images that survive every attack up to each budget.

    An image survives at epsilon when its clean answer is right and no attack of that norm that was
    run on it with a budget of at most epsilon makes the answer wrong. It is the accuracy under the
    worst of the attacks, taken face by face (Croce & Hein 2020, Reliable evaluation of adversarial
    robustness with an ensemble of diverse parameter-free attacks, ICML), and over smaller budgets
    too, since what is within a smaller ball is within the larger: so it never rises with epsilon.
    It is an upper bound: an attack that was not run might break more.

    Args:
        right_clean: bool (N,), of all labelled images; a missed face is wrong.
        conditions: what was run; those with epsilon 0 break nothing.
        clusters: int64 (N,); images with the same number depend on each other. None where none do.

    Returns:
        For each norm, in the order given, and each epsilon above 0 that occurs, ascending: `norm`,
        `epsilon`, `attacks` (the names of those counted, each once), `images` (by name, on how many
        images each was run) and `estimate`, over the images that any of them was run on.
    """
    records: list[dict[str, Any]] = []
    shares = Shares(clusters)
    for norm in dict.fromkeys(condition.norm for condition in conditions):
        own = [c for c in conditions if c.norm == norm and c.epsilon > 0]
        # What no attack was run on is no evidence: it would look like survival.
        tried = np.any([c.attacked for c in own], axis=0) if own else np.zeros_like(right_clean)
        survives = right_clean & tried
        run_on: dict[str, Bool] = {}
        for epsilon in sorted({condition.epsilon for condition in own}):
            for condition in own:
                if condition.epsilon == epsilon:
                    survives &= condition.right | ~condition.attacked
                    before = run_on.get(condition.name, np.zeros_like(right_clean))
                    run_on[condition.name] = before | condition.attacked
            # In the order given, whatever the budget at which each first came in.
            names = [name for name in dict.fromkeys(c.name for c in own) if name in run_on]
            records.append(
                {
                    "norm": norm,
                    "epsilon": epsilon,
                    "attacks": names,
                    "images": {name: int(run_on[name].sum()) for name in names},
                    "estimate": shares.of(survives, tried),
                }
            )
    return records
