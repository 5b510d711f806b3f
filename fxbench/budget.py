"""The last look at adversarial faces before they are scored: none was changed too much."""

from __future__ import annotations

import numpy as np

from fxbench.errors import PluginError
from fxbench.types import UInt8, check_array

_ROUNDING = 1e-6
"""Grey levels: a budget is a fraction of 255, which has no exact floating-point number."""


def check_budget(clean: UInt8, adversarial: UInt8, norm: str, epsilon: float) -> None:
    """Make sure that faces were changed by no more than a budget, as they are scored: in 8 bits.

    This is computed anew from the two arrays in whole numbers, and shares nothing with what holds
    an attack to its budget. With epsilon 0 the faces must be equal.

    Args:
        clean: uint8 (M, size, size, 3).
        adversarial: the same faces, changed.
        norm: `linf`: no pixel changes by more than epsilon, of which an 8-bit image has room for
            the whole grey levels alone; `l2`: the root mean square of a face's change is at most
            epsilon.
        epsilon: the budget in units of [0, 1] pixels.

    Raises:
        PluginError: a face was changed by more, or the two are no arrays of as many faces. No score
            may be made of them.
    """
    check_array("clean", clean, np.uint8, (None, None, None, 3))
    check_array("adversarial", adversarial, np.uint8, clean.shape)
    if norm not in ("linf", "l2"):
        raise PluginError(f"The norm must be 'linf' or 'l2', not {norm!r}.")
    # A negative or missing epsilon compares as false with everything: it must not pass.
    if not epsilon >= 0:
        raise PluginError(f"epsilon must be 0 or more, not {epsilon!r}.")
    if not clean.size:
        return
    largest = np.empty(len(clean))
    for row, (before, after) in enumerate(zip(clean, adversarial, strict=True)):
        change = np.maximum(before, after) - np.minimum(before, after)
        if norm == "linf":
            largest[row] = change.max()
        else:
            total = np.square(change, dtype=np.uint16).sum(dtype=np.uint64)
            largest[row] = np.sqrt(float(total) / change.size)
    what, allowed = "the root mean square of its change is", epsilon * 255
    if norm == "linf":
        what, allowed = "one of its pixels was changed by", float(np.floor(allowed + _ROUNDING))
    worst = int(largest.argmax())
    if largest[worst] > allowed + _ROUNDING:
        raise PluginError(
            f"Adversarial face {worst} of {len(clean)} exceeds its budget: {what} "
            f"{largest[worst]:.7g} grey levels, and the norm {norm} with epsilon {epsilon:.6g} "
            f"allows {allowed:.7g}."
        )
