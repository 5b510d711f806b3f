"""What an attack achieves.

The robust accuracy needs no function of its own: it is the accuracy of the answers to the
adversarial faces, over the same images as the clean accuracy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fxbench.metrics.intervals import Estimate, proportion

if TYPE_CHECKING:
    from fxbench.types import Bool


def attack_success_rate(attacked: Bool, right_clean: Bool, right_attacked: Bool) -> Estimate:
    """The share of the attacked faces that were right when clean and are wrong now.

    An attack can only succeed on a face that was right before, so all others stay out of the
    denominator `n`. (Rates over all faces, which count mistakes on clean faces as successes, are in
    use elsewhere and are higher.)

    Args:
        attacked: bool (N,), whether the face was handed to the attack at all.
        right_clean: bool (N,), whether the answer to the clean face was right.
        right_attacked: bool (N,), whether the answer to the adversarial face is.
    """
    candidates = attacked & right_clean
    return proportion(int((candidates & ~right_attacked).sum()), int(candidates.sum()))
