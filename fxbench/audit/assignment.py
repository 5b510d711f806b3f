"""Which emotion each output of a classifier means, from its answers to labelled faces.

What speaks for an output meaning an emotion is read off two tables, emotions by outputs:

* the confusion matrix, each row divided by its sum: how often the output wins on faces of the
  emotion;
* Somers' D (2 AUC - 1; Somers 1962, American Sociological Review 27(6)): how much higher the
  output's value is on faces of the emotion than on others. It tells about outputs that seldom win.

Neither depends on how frequent the emotions are, so that a classifier that is biased towards one
emotion is not taken for one whose outputs are exchanged. Of all ways to give the labels to the
outputs, the one with the largest sum is found by the Hungarian method (Kuhn 1955, Naval Research
Logistics Quarterly 2; `scipy.optimize.linear_sum_assignment`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from fxbench.labels import EMOTIONS
from fxbench.metrics.paired import mid_p_mcnemar
from fxbench.types import Bool, Float64, Int64

NONE = -1
"""Instead of an emotion: the output has no counterpart."""

ALPHA = 0.01
"""The level of the permutation test: answers below it have something to do with the emotions."""

STRICT = 0.001
"""The level at which one reading is called better than another: an accusation should be sure."""

SURE = 0.95
"""In what share of the draws an output must get the same emotion to be called certain."""

FEW = 5
"""An emotion with fewer images is never certain, whatever they say."""

_DRAWS = 400
_SHUFFLES = 199
_EIGHT = len(EMOTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a classifier answered.

    Attributes:
        outputs: float (N, K).
        truth: int64 (N,), the right emotions, indices into EMOTIONS.
    """

    outputs: npt.NDArray[np.floating]
    truth: Int64

    @property
    def top(self) -> Int64:
        """The output that won, int64 (N,), the first where several are equal."""
        winners: Int64 = self.outputs.argmax(axis=1).astype(np.int64)
        return winners

    def take(self, index: Int64) -> Answers:
        """The answers at these positions."""
        return Answers(self.outputs[index], self.truth[index])


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The two tables.

    Attributes:
        counts: int64 (8, K), the confusion matrix.
        somers: float64 (8, K), in [-1, 1]; 0 for an emotion without images.
        error: float64 (8,), the standard error of a Somers' D of that many images.
    """

    counts: Int64
    somers: Float64
    error: Float64

    @property
    def table(self) -> Float64:
        """The sum of both, float64 (8, K); 0 for an emotion without images."""
        images = np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        table: Float64 = self.counts / images + self.somers
        return table

    def drawn(self, random: np.random.Generator) -> Float64:
        """The table as it might be for all faces: one draw from its posterior.

        Each row of the confusion matrix from a Dirichlet distribution with Jeffreys' prior, each
        Somers' D from a normal distribution: few images make wide ones.
        """
        odds = random.standard_gamma(self.counts + 0.5)
        shares = odds / odds.sum(axis=1, keepdims=True)
        noise = random.standard_normal(self.somers.shape) * self.error[:, None]
        table: Float64 = shares + self.somers + noise
        return table


def percentiles(outputs: npt.NDArray[np.floating]) -> Float64:
    """Each value's place among those of its output, in (0, 1), float64 (N, K); ties share one."""
    ranks: Float64 = (rankdata(outputs, axis=0) - 0.5) / max(len(outputs), 1)
    return ranks


def evidence(top: Int64, places: Float64, truth: Int64) -> Evidence:
    """Both tables.

    Args:
        top: int64 (N,), the output that won.
        places: float64 (N, K), as :func:`percentiles` gives them.
        truth: int64 (N,), the right emotions.
    """
    outputs = places.shape[1]
    counts = np.bincount(truth * outputs + top, minlength=_EIGHT * outputs)
    counts = counts.reshape(_EIGHT, outputs).astype(np.int64)
    images = np.bincount(truth, minlength=_EIGHT).astype(np.float64)
    others = len(truth) - images
    sums = np.eye(_EIGHT)[:, truth] @ places
    # The mean place among all is half the emotion's own share plus the area under the curve
    # times that of the others.
    usable = (images > 0) & (others > 0)
    mean = sums / np.maximum(images, 1)[:, None]
    share = (images / max(len(truth), 1))[:, None]
    area = (mean - share / 2) / np.where(usable[:, None], 1 - share, 1)
    somers = np.where(usable[:, None], 2 * area - 1, 0.0)
    error = np.sqrt((1 / np.maximum(images, 1) + 1 / np.maximum(others, 1)) / 3)
    return Evidence(counts, somers, error)


def slots_of(labels: tuple[str | None, ...] | None, truth: Int64, outputs: int) -> Int64:
    """The meanings that are to be given to the outputs, at least as many as there are outputs.

    Args:
        labels: what the outputs are declared to mean; None where nobody knows. Declared meanings
            are only exchanged with each other: no output gets one that none was declared to have.
        truth: the right emotions of the images.
        outputs: how many there are, K.

    Returns:
        int64 (S,), S >= K: indices into EMOTIONS, or NONE.
    """
    if labels is not None:
        return codes_of(labels)
    present = np.unique(truth)
    spare = max(0, outputs - len(present))
    return np.concatenate([present, np.full(spare, NONE)]).astype(np.int64)


def codes_of(labels: tuple[str | None, ...]) -> Int64:
    """The emotions, int64 (K,), as indices into EMOTIONS, NONE for one without counterpart."""
    codes = [NONE if label is None else EMOTIONS.index(label) for label in labels]
    return np.array(codes, np.int64)


def best(table: Float64, slots: Int64, declared: Int64 | None = None) -> tuple[Int64, float]:
    """Give a meaning to each output so that the sum over the table is largest.

    Args:
        table: float64 (8, K).
        slots: int64 (S,), see :func:`slots_of`; NONE has the value 0 for every output.
        declared: int64 (K,), what is preferred among equally good ways.

    Returns:
        int64 (K,), the meaning of each output, and the sum.
    """
    values = np.where((slots >= 0)[:, None], table[slots], 0.0)
    bonus = 1e-9 * (slots[:, None] == declared[None, :]) if declared is not None else 0.0
    rows, columns = linear_sum_assignment(values + bonus, maximize=True)
    codes = np.full(table.shape[1], NONE, np.int64)
    codes[columns] = slots[rows]
    return codes, float(values[rows, columns].sum())


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What the outputs mean, as the images tell.

    Attributes:
        codes: int64 (K,), the best way to give the meanings to the outputs.
        certain: float64 (K,), in what share of the draws the output got the same meaning; 0
            where that is an emotion with fewer than :data:`FEW` images.
        right: bool (N,), which answers are right in an order that was found on other images.
        chance: the probability of an order as good as this if the answers had nothing to do with
            the emotions (a permutation test).
        counts: int64 (8, K), the confusion matrix.
    """

    codes: Int64
    certain: Float64
    right: Bool
    chance: float
    counts: Int64

    @property
    def sure(self) -> Bool:
        """Which outputs are certain, bool (K,)."""
        return self.certain >= SURE


def halves(truth: Int64, seed: int = 0) -> Bool:
    """One half of the images at random, with the same share of each emotion, bool (N,)."""
    random = np.random.default_rng((seed, 1))
    first = np.zeros(len(truth), np.bool_)
    for emotion in np.unique(truth):
        index = random.permutation(np.flatnonzero(truth == emotion))
        # Of an odd number the larger half falls to either side in turn.
        first[index[: (len(index) + emotion % 2) // 2]] = True
    return first


def find(
    answers: Answers, labels: tuple[str | None, ...] | None, *, seed: int = 0, sure: bool = True
) -> Order:
    """What the outputs mean.

    Args:
        answers: N images, K outputs.
        labels: what the outputs are declared to mean, None where nobody knows.
        seed: of the halves, the draws and the shuffles.
        sure: False leaves out the draws and the shuffles: `certain` is 0 and `chance` 1.
    """
    truth, top = answers.truth, answers.top
    slots = slots_of(labels, truth, answers.outputs.shape[1])
    declared = None if labels is None else codes_of(labels)
    places = percentiles(answers.outputs)
    whole = evidence(top, places, truth)
    codes, value = best(whole.table, slots, declared)
    first = halves(truth, seed)
    right = np.zeros(len(truth), np.bool_)
    for half in (first, ~first):
        # Places among all the images know nothing of their labels, so that they can be shared.
        there = evidence(top[~half], places[~half], truth[~half])
        guess, _ = best(there.table, slots, declared)
        right[half] = guess[top[half]] == truth[half]
    certain, chance = np.zeros(len(codes)), 1.0
    if sure:
        random = np.random.default_rng((seed, 2))
        few = whole.counts.sum(axis=1) < FEW
        for _ in range(_DRAWS):
            drawn = whole.drawn(random)
            if labels is None:
                # What hardly an image speaks for must not make the others uncertain. Where an order
                # is to be called wrong it must: a bias towards a rare emotion looks like one.
                drawn = np.where(few[:, None], 0.0, drawn)
            certain += best(drawn, slots)[0] == codes
        certain /= _DRAWS
        certain[(codes >= 0) & few[codes]] = 0.0
        reached = 0
        for _ in range(_SHUFFLES):
            table = evidence(top, places, random.permutation(truth)).table
            reached += best(table, slots)[1] >= value
        chance = (1 + reached) / (1 + _SHUFFLES)
    return Order(codes, certain, right, chance, whole.counts)


def gain(new: Bool, old: Bool) -> tuple[int, int, float]:
    """How two readings of the same images differ.

    Args:
        new: bool (N,), which answers the one gets right.
        old: bool (N,), which the other.

    Returns:
        The images that only the new one gets right, those that only the old one does, and the
        two-sided mid-p value of McNemar's test (see :func:`fxbench.metrics.paired.mid_p_mcnemar`).
    """
    better, worse = int((new & ~old).sum()), int((old & ~new).sum())
    return better, worse, float(mid_p_mcnemar(better, worse))


def probability(p: float) -> str:
    """A p value for people."""
    return f"p = {p:.2g}" if p >= 1e-99 else "p < 1e-99"


def text_of(codes: Int64) -> str:
    """Meanings as `--labels` takes them."""
    return ",".join("none" if code == NONE else EMOTIONS[code] for code in codes.tolist())
