"""Label order: do the outputs mean what they are declared to mean?"""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.audit.assignment import (
    ALPHA,
    NONE,
    STRICT,
    Order,
    codes_of,
    gain,
    probability,
    text_of,
)
from fxbench.audit.findings import Finding
from fxbench.labels import EMOTIONS
from fxbench.metrics.intervals import proportion
from fxbench.types import Bool, Int64


def check(order: Order, top: Int64, truth: Int64, labels: tuple[str | None, ...] | None) -> Finding:
    """Compare the best way to read the outputs with the declared one.

    A wrong order is one that another reading, found on one half of the images, beats significantly
    on the other half; both halves take part in turn.

    Args:
        order: what the images tell, found with the same `labels`.
        top: int64 (N,), the output that won.
        truth: int64 (N,), the right emotions.
        labels: what the outputs are declared to mean, None where nobody knows.
    """
    numbers: dict[str, Any] = {
        "declared": None if labels is None else text_of(codes_of(labels)),
        "best": text_of(order.codes),
        "certain": [round(float(share), 3) for share in order.certain],
        "accuracy_best": _share(order.codes[top] == truth),
        "accuracy_best_held_out": _share(order.right),
        "chance": order.chance,
        "images": {name: int((truth == code).sum()) for code, name in enumerate(EMOTIONS)},
        "confusion": order.counts.tolist(),
    }
    if order.chance > ALPHA:
        return Finding(
            "labels",
            "undetermined",
            "The answers to these images have too little to do with their emotions to tell what "
            f"the outputs mean (p = {order.chance:.2g} that it is chance).",
            numbers,
            "Audit it on more labelled images, or see whether the input is right.",
        )
    if labels is None:
        return _found(order, numbers)
    declared = codes_of(labels)
    old = declared[top] == truth
    better, worse, p = gain(order.right, old)
    numbers |= {"accuracy_declared": _share(old), "better": better, "worse": worse, "p": p}
    exchanged = order.codes != declared
    unsure = _names(declared, ~order.sure)
    rest = f" Too few images tell about {unsure}." if unsure else ""
    if better > worse and p <= STRICT and (exchanged & order.sure).any():
        unsure = _names(order.codes, ~order.sure)
        rest = f" Too few images tell about {unsure} in it." if unsure else ""
        return Finding(
            "labels",
            "fail",
            f"The order of the labels is wrong: read as declared {_percent(old)} of the answers "
            f"are right, in the best order {_percent(order.codes[top] == truth)} "
            f"({_percent(order.right)} on images that it was not found on; {probability(p)})."
            f"{rest}",
            numbers,
            f"Read the outputs as --labels {text_of(order.codes)}",
        )
    if (exchanged & order.sure).any():
        return Finding(
            "labels",
            "warn",
            f"Another order seems likelier for {_names(declared, exchanged & order.sure)}, but "
            f"does not score significantly better ({probability(p)}).{rest}",
            numbers,
            f"Audit it on more images of these emotions; the other order is {text_of(order.codes)}",
        )
    agreed = declared[order.sure & ~exchanged]
    if np.isin(truth, agreed).mean() < 0.5:
        return Finding(
            "labels",
            "undetermined",
            f"Too few images tell about {unsure}, which is too much to call the order right.",
            numbers,
            "Audit it on more labelled images.",
        )
    return Finding(
        "labels",
        "pass",
        f"The declared order is the best one ({_percent(old)} of the answers are right).{rest}",
        numbers,
    )


def _found(order: Order, numbers: dict[str, Any]) -> Finding:
    unsure = _names(order.codes, ~order.sure & (order.codes != NONE))
    if not (order.sure & (order.codes != NONE)).any():
        return Finding(
            "labels",
            "undetermined",
            "The order of the labels was not given, and too few images tell about any output.",
            numbers,
            f"Audit it on more labelled images; the likeliest order is {text_of(order.codes)}",
        )
    right = numbers["accuracy_best_held_out"]["value"]
    rest = f" Too few images tell about {unsure}: undetermined." if unsure else ""
    return Finding(
        "labels",
        "pass",
        f"The order of the labels was not given and was found: {100 * right:.1f} % of the answers "
        f"are right in it, on images that it was not found on.{rest}",
        numbers,
        f"Read the outputs as --labels {text_of(order.codes)}",
    )


def _names(codes: Int64, chosen: Bool) -> str:
    """The meanings of some outputs, for people; those without one by their place, from 1 on."""
    names = [
        f"output {place + 1}" if codes[place] == NONE else EMOTIONS[codes[place]]
        for place in np.flatnonzero(chosen).tolist()
    ]
    return ", ".join(names)


def _share(right: Bool) -> dict[str, Any]:
    return dict(proportion(int(right.sum()), len(right)))


def _percent(right: Bool) -> str:
    return f"{100 * float(right.mean()):.1f} %"
