"""Whether a small dataset ranks models as a large one does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from fxbench.errors import UsageError
from fxbench.metrics.paired import ALPHA, compare

if TYPE_CHECKING:
    from fxbench.types import Bool, Float64, Int64

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Separation:
    """How two datasets agree on which of many models are better.

    Attributes:
        models: how many were compared.
        pairs: pairs of them that differ significantly on the reference.
        confirmed: of those, the pairs that differ significantly in the same direction.
        reversed: of those, the pairs that differ significantly in the other direction.
        reversed_unadjusted: the same without Holm's adjustment, which finds more.
        tau: Kendall's tau-b between the accuracies.
        tau_low: lower end of its 95 % interval.
        tau_high: upper end.
    """

    models: int
    pairs: int
    confirmed: int
    reversed: int
    reversed_unadjusted: int
    tau: float
    tau_low: float
    tau_high: float

    @property
    def share_reversed(self) -> float:
        """Of the pairs that differ on the reference, the share that is reversed; NaN for none."""
        return self.reversed / self.pairs if self.pairs else float("nan")


def separation(reference: Bool, other: Bool, *, seed: int = 0) -> Separation:
    """Compare how two datasets separate the same models.

    Pairs are tested with the exact mid-p McNemar test (Fagerland, Lydersen & Laake 2013), adjusted
    by Holm (1979) over all pairs, on each dataset. The interval of Kendall's tau-b (Kendall 1945)
    is the percentile bootstrap over models: they are what varies from one study to the next.

    Args:
        reference: bool (K, N), whether each of K models is right on each image, FER+ valid say.
        other: bool (K, M), the same models on the images of the other dataset.
        seed: of the bootstrap.

    Raises:
        UsageError: fewer than three models, or not the same number on both.
    """
    count = len(reference)
    if count < 3 or len(other) != count:
        raise UsageError(
            f"The separation of {count} and {len(other)} models was asked for: give the same "
            "models on both datasets, at least three."
        )
    upper = np.triu_indices(count, 1)
    counts, _, p = (table[upper] for table in _signed(reference))
    counts_other, p_raw, p_other = (table[upper] for table in _signed(other))
    differ = p <= ALPHA
    opposite = differ & (counts * counts_other < 0)
    same = differ & (counts * counts_other > 0)
    accuracy = reference.mean(1), other.mean(1)
    rng = np.random.default_rng(seed)
    draws = [_tau(*accuracy, rows) for rows in rng.integers(0, count, (RESAMPLES, count))]
    low, high = np.nanquantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return Separation(
        models=count,
        pairs=int(differ.sum()),
        confirmed=int((same & (p_other <= ALPHA)).sum()),
        reversed=int((opposite & (p_other <= ALPHA)).sum()),
        reversed_unadjusted=int((opposite & (p_raw <= ALPHA)).sum()),
        tau=float(kendalltau(*accuracy, variant="b").statistic),
        tau_low=float(low),
        tau_high=float(high),
    )


def _tau(a: Float64, b: Float64, models: Int64) -> float:
    """Tau-b by its definition, which for a few dozen models is far faster than by sorting."""
    of_a, of_b = (np.sign(x[models][:, None] - x[models]) for x in (a, b))
    ties = np.sqrt((of_a**2).sum() * (of_b**2).sum())
    return float((of_a * of_b).sum() / ties) if ties else float("nan")


def _signed(correct: Bool) -> tuple[Int64, Float64, Float64]:
    """For each two models: by how many images the first is better, p, and Holm's p; (K, K)."""
    counts, p, p_holm = compare(correct)
    return (counts - counts.T).astype(np.int64), p, p_holm
