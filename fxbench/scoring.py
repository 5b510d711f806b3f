"""From the answers of one cell to its metrics. docs/metrics.md defines each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.metrics import soft
from fxbench.metrics.classification import (
    COLUMNS,
    NOT_FOUND,
    OTHER,
    accuracy,
    confusion_matrix,
    macro_f1,
    multi_target_accuracy,
    recall,
)
from fxbench.metrics.intervals import proportion
from fxbench.metrics.paired import compare, rank_ranges
from fxbench.outputs import by_emotion
from fxbench.types import Answers, Bool, Int64, check_array

if TYPE_CHECKING:
    from collections.abc import Sequence

Float16 = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a cell answered, one row for each image of a protocol.

    Attributes:
        found: bool (N,), whether a face was found.
        outputs: float16 (N, K), the classifier's probabilities as they are stored; a row is
            meaningless where no face was found.
        labels: the K emotions that the outputs mean, None for one without counterpart.
    """

    found: Bool
    outputs: Float16
    labels: tuple[str | None, ...]

    def __post_init__(self) -> None:
        check_array("Predictions.found", self.found, np.bool_, (None,))
        shape = (len(self.found), len(self.labels))
        check_array("Predictions.outputs", self.outputs, np.float16, shape)
        if not self.labels:
            raise PluginError("Predictions.labels is empty: a classifier has at least one output.")
        unknown = {label for label in self.labels if label is not None} - set(EMOTIONS)
        if unknown:
            raise PluginError(
                f"Predictions.labels has {sorted(unknown)}; use None or one of {list(EMOTIONS)}."
            )
        if not np.isfinite(self.outputs[self.found]).all():
            raise PluginError("Predictions.outputs holds a probability that is not finite.")


def top_emotions(p: Predictions) -> Int64:
    """The answers, int64 (N,): the emotion of the highest output, the first where several are.

    An index into EMOTIONS; NOT_FOUND (-1) without a face; OTHER (-2) where an output without
    counterpart is highest.
    """
    return _winners(p, range(len(p.labels)))


def _winners(p: Predictions, among: Sequence[int]) -> Int64:
    """`top_emotions`, with the outputs at `among` alone taking part."""
    if not len(among):
        return np.where(p.found, OTHER, NOT_FOUND).astype(np.int64)
    codes = np.array([_code(p.labels[k]) for k in among], np.int64)
    # Float32 holds each float16 exactly and is several times as fast to compare.
    winner = p.outputs[:, list(among)].astype(np.float32).argmax(axis=1)
    answers: Int64 = codes[winner]
    answers[~p.found] = NOT_FOUND
    return answers


def _code(label: str | None) -> int:
    return OTHER if label is None else EMOTIONS.index(label)


def score(answers: Answers, p: Predictions, shared: tuple[str, ...]) -> dict[str, Any]:
    """The metrics of a cell, ready for JSON.

    A metric that has no meaning for the cell (no votes, not all eight labels, no shared label) is
    left out; one that has meaning but nothing to count has the value None and `n` 0.

    Args:
        answers: what is right, N images.
        p: what was answered, of the same N images.
        shared: the emotions that all compared classifiers have.

    Returns:
        `images` (`n`, `found`), `metrics` (each an Estimate by its name), `recall` and
        `recall_end_to_end` (an Estimate by emotion) and `confusion` (`labels`, `columns` and
        `counts`).

    Raises:
        ValueError: when the two are not equally long.
    """
    _check_length(answers, p)
    top = top_emotions(p)
    counts = confusion_matrix(answers.labels, top)
    metrics: dict[str, Any] = {
        "accuracy": accuracy(counts),
        "accuracy_end_to_end": accuracy(counts, end_to_end=True),
        "macro_f1": macro_f1(counts),
        "macro_f1_end_to_end": macro_f1(counts, end_to_end=True),
        "detection_rate": proportion(int(p.found.sum()), len(p.found)),
    }
    if shared:
        shared_counts = _shared_counts(answers, p, shared)
        metrics["accuracy_shared"] = accuracy(shared_counts)
        metrics["accuracy_shared_end_to_end"] = accuracy(shared_counts, end_to_end=True)
        metrics["macro_f1_shared"] = macro_f1(shared_counts)
        metrics["macro_f1_shared_end_to_end"] = macro_f1(shared_counts, end_to_end=True)
    if answers.accepted is not None:
        for name, end_to_end in (("", False), ("_end_to_end", True)):
            metrics[f"multi_target_accuracy{name}"] = multi_target_accuracy(
                answers.accepted, top, end_to_end=end_to_end
            )
    if answers.distribution is not None and set(EMOTIONS) <= set(p.labels):
        votes, probabilities = (
            answers.distribution[p.found],
            by_emotion(p.outputs.astype(np.float64), p.labels)[p.found],
        )
        metrics["cross_entropy"] = soft.cross_entropy(votes, probabilities)
        metrics["kl"] = soft.kl(votes, probabilities)
    return {
        "images": {"n": len(p.found), "found": int(p.found.sum())},
        "metrics": metrics,
        "recall": recall(counts),
        "recall_end_to_end": recall(counts, end_to_end=True),
        "confusion": {
            "labels": list(EMOTIONS),
            "columns": list(COLUMNS),
            "counts": counts.tolist(),
        },
    }


def _check_length(answers: Answers, p: Predictions) -> None:
    if len(answers.labels) != len(p.found):
        raise ValueError(f"There are {len(p.found)} predictions for {len(answers.labels)} images.")


def _shared_counts(answers: Answers, p: Predictions, shared: tuple[str, ...]) -> Int64:
    """The confusion matrix of the images and of the outputs whose emotions are shared."""
    codes = [EMOTIONS.index(label) for label in shared]
    truth = np.where(np.isin(answers.labels, codes), answers.labels, -1)
    among = [k for k, label in enumerate(p.labels) if label in shared]
    return confusion_matrix(truth, _winners(p, among))


def correct_end_to_end(answers: Answers, p: Predictions) -> Bool:
    """Which answers are right, a missed face counted as wrong: what cells are ranked by.

    Returns:
        bool (L,), one for each of the L images with a right label, in the order of `answers`: the
        same images for every cell of a dataset, split and protocol.
    """
    _check_length(answers, p)
    labelled = answers.labels >= 0
    right: Bool = top_emotions(p)[labelled] == answers.labels[labelled]
    return right


def rank(cells: Sequence[tuple[str, Bool]]) -> dict[str, dict[str, Any]]:
    """Ranks as ranges, and the paired tests behind them, ready for JSON.

    Args:
        cells: the id of each cell of one family (a dataset, split, protocol and condition) and
            which of the same L images it got right, bool (L,).

    Returns:
        For each id `rank` (`low`, `high`, `of`) and `paired`, one entry for each other cell: its id
        as `cell`, the images that this cell alone got right (`better`) and that the other alone
        did (`worse`), the mid-p value `p` and the adjusted `p_holm`.

    Raises:
        ValueError: when the cells are not on equally many images, or an id comes twice.
    """
    if not cells:
        return {}
    ids = [cell for cell, _ in cells]
    if len(set(ids)) != len(ids):
        raise ValueError("A cell comes twice in the family to rank.")
    if len({len(right) for _, right in cells}) != 1:
        raise ValueError("Cells that are ranked together must be on the same images.")
    counts, p, p_holm = compare(np.stack([right for _, right in cells]))
    ranges = rank_ranges(counts, p_holm).tolist()
    better, raw, adjusted = counts.tolist(), p.tolist(), p_holm.tolist()
    return {
        cell: {
            "rank": {"low": ranges[i][0], "high": ranges[i][1], "of": len(ids)},
            "paired": [
                {
                    "cell": other,
                    "better": better[i][j],
                    "worse": better[j][i],
                    "p": raw[i][j],
                    "p_holm": adjusted[i][j],
                }
                for j, other in enumerate(ids)
                if j != i
            ],
        }
        for i, cell in enumerate(ids)
    }
