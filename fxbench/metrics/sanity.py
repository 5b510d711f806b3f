"""Do the attacks of a run behave as attacks that work must? Diagnostics, no verdicts.

A robust accuracy is worth as much as the attacks behind it: a classifier whose gradients are of no
use (masked), and an attack that was stopped too early, look like robustness. Carlini, Athalye,
Papernot, Brendel, Rauber, Tsipras, Goodfellow, Madry & Kurakin (2019), On evaluating adversarial
robustness, arXiv:1902.06705, list what must hold where neither is the case. See also Athalye,
Carlini & Wagner (2018), Obfuscated gradients give a false sense of security, ICML.

Each check compares two conditions on the same images: all that both were run on and that were right
when clean. One of the two must be the stronger. What each check claims:

- `stronger-with-epsilon`: an iterative attack breaks more images with a larger budget;
- `noise`: an attack breaks more images than noise of the same size;
- `no-weaker`: an attack that contains another one breaks at least as many as that;
- `white-box`: an attack with the classifier's own gradients breaks at least as many as the same one
  with those of another classifier.

The first two claim more than, the last two not less than.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.metrics.paired import ALPHA, discordant, holm, one_sided_mid_p_mcnemar

if TYPE_CHECKING:
    from fxbench.types import Bool, Int64

STRONGER_WITH_EPSILON = "stronger-with-epsilon"
NO_WEAKER = "no-weaker"
WHITE_BOX = "white-box"
NOISE = "noise"
GRADIENT = "gradient"

CHECKS = (STRONGER_WITH_EPSILON, NO_WEAKER, WHITE_BOX, NOISE, GRADIENT)
"""The names of the checks."""

WARNING = "gradient masking or unconverged attack"
"""How the message of a warning begins."""

FLAT = 0.01
"""The share of faces with a gradient of 0 above which an attack is warned of."""

_SOURCE = "(Carlini et al. 2019)"
_AT_LEAST = (NO_WEAKER, WHITE_BOX)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two conditions of which one is expected to be the stronger attack, on the same n images.

    The images are all that both were run on and that were right when clean.

    Attributes:
        check: one of CHECKS but `gradient`.
        what: the condition that is expected to be the stronger, as people read it.
        against: the other one.
        stronger: bool (n,), whether the image is still right under `what`.
        weaker: bool (n,), whether it is still right under `against`.
        clusters: int64 (n,); images with the same number have one vote together. None where each
            has its own.
    """

    check: str
    what: str
    against: str
    stronger: Bool
    weaker: Bool
    clusters: Int64 | None = None


def judge(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Test all comparisons of a run together.

    Each is tested in both directions by a one-sided mid-p McNemar test on the images that only one
    of the two conditions breaks; the p values of each direction are adjusted for the number of
    comparisons by Holm's procedure at 5 %. A comparison without such an image has no p value and
    takes part in no correction: whatever its p value, it could not be significant.

    The status of a comparison:

    - `warn`: the condition expected to be the stronger is significantly weaker;
    - `pass`: it is significantly stronger. Or it breaks every image: nothing is left to break. Or,
      where the check claims no more than 'at least as strong', it breaks at least as many images as
      the other one, and not none; that is what was seen, not a proof that both are equal;
    - `inconclusive`: anything else. The images can't tell.

    Args:
        comparisons: of one run.

    Returns:
        In the same order: `check`, `what`, `against`, `status`, `n`, `stronger` (images that only
        the one expected to be the stronger breaks), `weaker` (the reverse), `p` and `p_holm` (of
        the direction that was seen: of being weaker where `weaker` exceeds `stronger`; None where
        no image differs), `message`.

    Raises:
        ValueError: a check that is not known, or the two conditions are not on the same images.
    """
    for comparison in comparisons:
        if comparison.check not in CHECKS[:-1]:
            raise ValueError(f"The check {comparison.check!r} is none of {', '.join(CHECKS[:-1])}.")
        if comparison.stronger.shape != comparison.weaker.shape:
            raise ValueError(
                f"{comparison.what} on {comparison.stronger.shape} images and "
                f"{comparison.against} on {comparison.weaker.shape} are not the same images."
            )
    votes = [discordant(np.stack([c.weaker, c.stronger]), c.clusters) for c in comparisons]
    only_stronger = np.array([table[0, 1] for table in votes], np.int64)
    only_weaker = np.array([table[1, 0] for table in votes], np.int64)
    tested = np.flatnonzero(only_stronger + only_weaker)
    p = np.full((2, len(comparisons)), np.nan)
    p_holm = p.copy()
    for direction, (more, less) in enumerate(
        ((only_stronger, only_weaker), (only_weaker, only_stronger))
    ):
        p[direction, tested] = one_sided_mid_p_mcnemar(more[tested], less[tested])
        p_holm[direction, tested] = holm(p[direction, tested])
    records = []
    for index, comparison in enumerate(comparisons):
        gained, lost = int(only_stronger[index]), int(only_weaker[index])
        seen = 1 if lost > gained else 0
        known = gained + lost > 0
        significant = known and bool(p_holm[seen, index] <= ALPHA)
        status, message = _verdict(comparison, gained, lost, significant)
        records.append(
            {
                "check": comparison.check,
                "what": comparison.what,
                "against": comparison.against,
                "status": status,
                "n": len(comparison.stronger),
                "stronger": gained,
                "weaker": lost,
                "p": float(p[seen, index]) if known else None,
                "p_holm": float(p_holm[seen, index]) if known else None,
                "message": message,
            }
        )
    return records


def _verdict(comparison: Comparison, gained: int, lost: int, significant: bool) -> tuple[str, str]:
    """The status of a comparison, and the sentence that says why."""
    n = len(comparison.stronger)
    what, against = comparison.what, comparison.against
    if n == 0:
        return "inconclusive", f"no image that {what} and {against} were run on was right before"
    broken = n - int(comparison.stronger.sum())
    other = n - int(comparison.weaker.sum())
    counts = f"{what} breaks {broken:,} of {n:,} images, {against} {other:,}"
    if significant and lost > gained:
        return "warn", f"{WARNING}: {counts} {_SOURCE}"
    if significant:
        return "pass", counts
    if broken == n:
        return "pass", f"{counts}: nothing is left to break"
    if broken == 0:
        return "inconclusive", f"{counts}: nothing was broken that could tell"
    if comparison.check in _AT_LEAST and gained >= lost:
        return "pass", f"{counts}: no fewer"
    return "inconclusive", f"{counts}: too small a difference to tell"


def gradient_check(flat: int, attacked: int, what: str) -> dict[str, Any]:
    """Are there gradients? An attack can't move a face whose gradient is 0 everywhere.

    It happens where a classifier is so sure that its probabilities round to 0 and 1, and where
    something in it can't be differentiated (Carlini & Wagner 2017, Towards evaluating the
    robustness of neural networks, IEEE S&P, on such a defence).

    Args:
        flat: the attacked faces whose gradient was 0 everywhere.
        attacked: the faces that were attacked.
        what: the condition, as people read it.

    Returns:
        A record as those of :func:`judge`, without p values: `pass` where no gradient is 0, `warn`
        where more than FLAT of them are, `inconclusive` between. `weaker` is `flat`.

    Raises:
        ValueError: `flat` is not from 0 to `attacked`.
    """
    if not 0 <= flat <= attacked:
        raise ValueError(f"{flat} faces without a gradient of {attacked} attacked can't be.")
    if attacked == 0:
        status, message = "inconclusive", f"{what} attacked no face"
    elif flat == 0:
        status, message = "pass", f"{what}: every face has a gradient"
    else:
        counts = f"{what}: the gradient of {flat:,} of {attacked:,} faces is 0 everywhere"
        many = flat > FLAT * attacked
        status = "warn" if many else "inconclusive"
        message = f"{WARNING}: {counts} {_SOURCE}" if many else counts
    return {
        "check": GRADIENT,
        "what": what,
        "against": "",
        "status": status,
        "n": attacked,
        "stronger": 0,
        "weaker": flat,
        "p": None,
        "p_holm": None,
        "message": message,
    }
