"""What a classifier says of faces, by the eight emotions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxbench.answers import NOT_ASKED
from fxbench.labels import EMOTIONS
from fxbench.metrics.classification import OTHER
from fxbench.outputs import by_emotion
from fxbench.types import Bool, Float32, Int64, check_array


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one classifier says of M faces.

    Attributes:
        probabilities: float32 (M, 8), in the order of EMOTIONS: NaN where the classifier has no
            such label, and a whole row of NaN where it did not answer.
        other: float32 (M,), the probability on outputs without counterpart; NaN where it did not
            answer.
        best: int64 (M,), what :meth:`top` answers; None where that is the largest of the others.
    """

    probabilities: Float32
    other: Float32
    best: Int64 | None = None

    def __post_init__(self) -> None:
        count = len(self.other)
        check_array("Answer.other", self.other, np.float32, (None,))
        check_array("Answer.probabilities", self.probabilities, np.float32, (count, len(EMOTIONS)))
        if self.best is not None:
            check_array("Answer.best", self.best, np.int64, (count,))

    def __len__(self) -> int:
        return len(self.other)

    def top(self) -> Int64:
        """The answer: that of the highest output, as tables count it.

        Returns:
            int64 (M,), indices into EMOTIONS; OTHER (-2) where an output without counterpart is
            highest, NOT_ASKED (-3) where there is no answer.
        """
        if self.best is not None:
            return self.best
        known = np.isfinite(self.other)
        table = np.nan_to_num(self.probabilities, nan=-1.0)
        best = np.argmax(table, axis=1) if len(table) else np.zeros(0, np.int64)
        best = np.where(self.other > table.max(axis=1, initial=-1.0), OTHER, best)
        return np.where(known, best, NOT_ASKED).astype(np.int64)


def answer_of(outputs: Float32, labels: tuple[str | None, ...], unanswered: Bool) -> Answer:
    """An answer from a classifier's outputs.

    Args:
        outputs: float32 (M, K), probabilities.
        labels: the emotion that each of the K means, or None.
        unanswered: bool (M,), the faces that got no answer.
    """
    shares = by_emotion(outputs, labels)
    shares[:, [emotion not in labels for emotion in EMOTIONS]] = np.nan
    lost = [label is None for label in labels]
    other = np.zeros(len(outputs), np.float32)
    if any(lost):
        other = outputs[:, lost].sum(axis=1, dtype=np.float32)
    codes = np.array([OTHER if one is None else EMOTIONS.index(one) for one in labels], np.int64)
    best = codes[outputs.argmax(axis=1)]
    shares[unanswered], other[unanswered], best[unanswered] = np.nan, np.nan, NOT_ASKED
    return Answer(shares, other, best)
