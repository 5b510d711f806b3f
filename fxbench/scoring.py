"""From the answers of one cell to its metrics. docs/metrics.md defines each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.metrics.bootstrap import drawn_counts, percentile, units_of
from fxbench.metrics.classification import (
    COLUMNS,
    NOT_FOUND,
    OTHER,
    balanced_accuracy,
    balanced_accuracy_of,
    confusion_columns,
    confusion_matrix,
    macro_f1,
    macro_f1_of,
)
from fxbench.metrics.paired import compare, groups, rank_ranges
from fxbench.metrics.shares import Shares
from fxbench.pairs import Pairs, joined, of_family
from fxbench.scoring_probabilities import score_probabilities
from fxbench.types import Answers, Bool, Float64, Int64, check_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fxbench.metrics.intervals import Estimate

Float16 = npt.NDArray[np.float16]

MOST_GROUPS = 26
"""More groups of cells are not given: a person reads no more than there are letters."""


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
        `images` (`n`, `found`), `metrics` (each an Estimate by its name), `recall`,
        `recall_end_to_end`, `precision` and `f1` (an Estimate by emotion), `confusion` (`labels`,
        `columns` and `counts`), and what :func:`fxbench.scoring_probabilities.score_probabilities`
        adds.

    Raises:
        ValueError: when the two are not equally long.
    """
    _check_length(answers, p)
    scored = _Scored(answers, p, top_emotions(p))
    metrics = scored.counted("", answers.labels, scored.top)
    metrics["detection_rate"] = scored.shares.of(p.found, np.ones(len(p.found), np.bool_))
    if shared:
        metrics |= scored.counted("_shared", *_shared(answers, p, shared))
    if answers.accepted is not None:
        accepted = answers.accepted
        chosen = np.maximum(scored.top, 0)
        hit: Bool = np.logical_and(accepted[np.arange(len(chosen)), chosen], scored.top >= 0)
        counted: Bool = np.asarray(accepted.any(axis=1))
        metrics["multi_target_accuracy"] = scored.shares.of(hit, counted & p.found)
        metrics["multi_target_accuracy_end_to_end"] = scored.shares.of(hit, counted)
    right = scored.top == answers.labels
    outputs = p.outputs.astype(np.float64)
    told = score_probabilities(answers, p.found, outputs, p.labels, right, scored.units)
    return {
        "images": {"n": len(p.found), "found": int(p.found.sum())},
        "metrics": metrics | told.pop("metrics"),
        **scored.by_emotion(),
        "confusion": {
            "labels": list(EMOTIONS),
            "columns": list(COLUMNS),
            "counts": confusion_matrix(answers.labels, scored.top).tolist(),
        },
        **told,
    }


class _Scored:
    """A cell's answers on their way to scores.

    Attributes:
        top: int64 (N,), the answers.
        shares: what reckons shares of the images.
        units: int64 (N,), what is drawn together.
    """

    def __init__(self, answers: Answers, p: Predictions, top: Int64) -> None:
        self.top = top
        self._labels = answers.labels
        self._found = p.found
        self.shares = Shares(answers.clusters)
        # By rows, not by places: in another order the same images give the same numbers.
        self.units = units_of(answers.rows if answers.clusters is None else answers.clusters)

    def counted(self, name: str, truth: Int64, top: Int64) -> dict[str, Estimate]:
        """The scores that follow from counts, over found faces and end-to-end.

        Args:
            name: what is added to theirs.
            truth: int64 (N,), negative where an image doesn't count.
            top: int64 (N,), the answers.
        """
        labelled = truth >= 0
        counts = confusion_matrix(truth, top)
        drawn = np.zeros((0, *counts.shape))
        if len(truth):
            columns = confusion_columns(truth, top)
            drawn = drawn_counts(self.units, columns, counts.size).reshape(-1, *counts.shape)
        scores: dict[str, Estimate] = {}
        averages: list[tuple[str, Callable[..., Estimate], Callable[[Float64], Float64]]] = [
            ("macro_f1", macro_f1, macro_f1_of)
        ]
        if not name:
            averages.append(("balanced_accuracy", balanced_accuracy, balanced_accuracy_of))
        for way, asked in (("", labelled & self._found), ("_end_to_end", labelled)):
            scores[f"accuracy{name}{way}"] = self.shares.of(top == truth, asked)
            there = len(np.unique(self.units[asked]))
            tables = drawn if way else drawn[..., :-1]
            for metric, point, of in averages:
                own = point(counts, end_to_end=bool(way))
                scores[f"{metric}{name}{way}"] = percentile(
                    own["value"], of(tables), own["n"], there
                )
        return scores

    def by_emotion(self) -> dict[str, dict[str, Estimate]]:
        """Recall (of found faces and end-to-end), precision and F1 of each emotion."""
        scores: dict[str, dict[str, Estimate]] = {
            name: {} for name in ("recall", "recall_end_to_end", "precision", "f1")
        }
        answered = self._found & (self._labels >= 0)
        for index, emotion in enumerate(EMOTIONS):
            true, said = self._labels == index, (self.top == index) & answered
            hit = true & said
            scores["recall"][emotion] = self.shares.of(hit, true & self._found)
            scores["recall_end_to_end"][emotion] = self.shares.of(hit, true)
            scores["precision"][emotion] = self.shares.of(hit, said)
            scores["f1"][emotion] = self.shares.f1(hit, (true & self._found) | said)
        return scores


def _check_length(answers: Answers, p: Predictions) -> None:
    if len(answers.labels) != len(p.found):
        raise ValueError(f"There are {len(p.found)} predictions for {len(answers.labels)} images.")


def _shared(answers: Answers, p: Predictions, shared: tuple[str, ...]) -> tuple[Int64, Int64]:
    """The right answers that are shared, and what is answered of the outputs that are."""
    codes = [EMOTIONS.index(label) for label in shared]
    truth = np.where(np.isin(answers.labels, codes), answers.labels, -1)
    return truth, _winners(p, [k for k, label in enumerate(p.labels) if label in shared])


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


def rank(
    cells: Sequence[tuple[str, Bool]], clusters: Int64 | None = None
) -> tuple[dict[str, dict[str, Any]], Pairs]:
    """Ranks as ranges, and the paired tests behind them.

    Args:
        cells: the id of each cell of one family (a dataset, split, protocol and condition) and
            which of the same L images it got right, bool (L,).
        clusters: int64 (L,); images with the same number depend on each other. None where none do.

    Returns:
        For each id its rank, ready for JSON (`low`, `high`, `of`, and `groups`, the numbers of the
        groups of cells that were not told apart, from 1 on; none where there are more than
        MOST_GROUPS), and a test of each pair.

    Raises:
        ValueError: when the cells are not on equally many images, or an id comes twice.
    """
    if not cells:
        return {}, joined(())
    ids = tuple(cell for cell, _ in cells)
    if len(set(ids)) != len(ids):
        raise ValueError("A cell comes twice in the family to rank.")
    if len({len(right) for _, right in cells}) != 1:
        raise ValueError("Cells that are ranked together must be on the same images.")
    correct = np.stack([right for _, right in cells])
    counts, p, p_holm = compare(correct, clusters)
    ranges = rank_ranges(counts, p_holm)
    order = np.lexsort((-correct.sum(axis=1), ranges[:, 1], ranges[:, 0]))
    alike = groups(p_holm, order)
    if max(own[-1] for own in alike) > MOST_GROUPS:
        alike = [[] for _ in ids]
    ranks = {
        cell: {"low": low, "high": high, "of": len(ids), "groups": own}
        for cell, (low, high), own in zip(ids, ranges.tolist(), alike, strict=True)
    }
    return ranks, of_family(ids, counts, p, p_holm)
