"""Rules for datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fxbench.component import Terms
from fxbench.labels import EMOTIONS
from fxbench.testing import videos
from fxbench.testing.rows import ask, by_row, equal, read, sample, some_of
from fxbench.testing.rules import NotTried, Refused, Rule, Trial
from fxbench.types import Answers, Batch, Int64

SAMPLE = 2000
"""How many images of a split are read at most."""

_ALONE = 8
_NAMED = 200


def _names(what: str, names: Any) -> None:
    good = isinstance(names, tuple) and names and all(isinstance(n, str) and n for n in names)
    if not good or len(set(names)) < len(names):
        raise Refused(f"{what} must be a tuple of different names, at least one, not {names!r}.")


def _splits(trial: Trial) -> str:
    _names("splits", trial.made.splits)
    _names("protocols", trial.made.protocols)
    return f"{', '.join(trial.made.splits)}; {', '.join(trial.made.protocols)}"


def _terms(trial: Trial) -> str:
    terms = trial.made.terms
    if not isinstance(terms, Terms):
        raise Refused(f"terms must be Terms, not {terms!r}.")
    allowed = (terms.may_redistribute, terms.may_show, terms.may_send_to_cloud)
    if not isinstance(terms.licence, str) or not terms.licence.strip():
        raise Refused("terms.licence must say the licence, if only 'not stated'.")
    if any(not isinstance(flag, bool) for flag in allowed):
        raise Refused(f"What terms allows must be True or False, not {allowed}.")
    if trial.component.terms is None:
        raise Refused("Its Component has no terms: say what its licence allows there too.")
    return terms.licence


def _scheme(trial: Trial) -> str:
    scheme = trial.made.scheme
    if scheme is not None and (not isinstance(scheme, str) or not scheme.strip()):
        raise Refused(f"scheme must be None, or the name of its landmarks, not {scheme!r}.")
    return scheme or "no landmarks"


def _answers(trial: Trial) -> str:
    made = trial.made
    counts = {
        split: [len(ask(trial, split, protocol).rows) for protocol in made.protocols]
        for split in made.splits
    }
    if not counts[made.splits[0]][0]:
        raise Refused(
            f"No image of the default split {made.splits[0]} counts under the default protocol "
            f"{made.protocols[0]}."
        )
    return ", ".join(f"{split}: {'/'.join(map(str, each))}" for split, each in counts.items())


def _counts_stable(trial: Trial) -> str:
    other = trial.make()
    compared = 0
    for split in trial.made.splits:
        for protocol in trial.made.protocols:
            first = ask(trial, split, protocol)
            for again in (ask(trial, split, protocol), ask(trial, split, protocol, other)):
                same = np.array_equal(first.rows, again.rows)
                if not same or not np.array_equal(first.labels, again.labels):
                    raise Refused(
                        f"{split} ({protocol}): {len(first.rows)} answers at first, then "
                        f"{len(again.rows)} or others."
                    )
                if not np.array_equal(_together(first), _together(again)):
                    raise Refused(f"{split} ({protocol}): other clusters at the second call.")
                compared += 1
    return f"{compared} comparisons"


def _together(answers: Answers) -> Int64:
    """The clusters; where there are none each image by itself."""
    return answers.rows if answers.clusters is None else answers.clusters


def _fingerprint(trial: Trial) -> str:
    split = trial.made.splits[0]
    first = trial.made.fingerprint(split)
    if not isinstance(first, str) or not first:
        raise Refused(f"fingerprint must return a text, not {first!r}.")
    for what, dataset in (("A second call", trial.made), ("A second object", trial.make())):
        again = dataset.fingerprint(split)
        if again != first:
            raise Refused(f"{what} gives {again!r} for {split} instead of {first!r}.")
    return first[:16]


def _rows(trial: Trial) -> str:
    limit = max(_ALONE, SAMPLE // len(trial.made.splits))
    good = failed = 0
    reason = ""
    for split in trial.made.splits:
        for batch in read(trial, split, sample(trial, split, limit)):
            good += len(batch.rows)
            failed += len(batch.failures)
            reason = reason or next((failure.reason for failure in batch.failures), "")
    if not good:
        raise Refused(f"No image can be read: {reason}")
    return f"{good} images read" + (f", {failed} can't be read ({reason})" if failed else "")


def _no_rows(trial: Trial) -> None:
    for _ in read(trial, trial.made.splits[0], np.zeros(0, np.int64)):
        pass


def _ids_unique(trial: Trial) -> str:
    total = 0
    for split in trial.made.splits:
        ids: Any = trial.made.ids(split)
        if not isinstance(ids, tuple) or not all(isinstance(name, str) and name for name in ids):
            raise Refused(f"{split}: ids must return a tuple of texts, none of them empty.")
        if len(set(ids)) < len(ids):
            seen: dict[str, int] = {}
            for row, name in enumerate(ids):
                if name in seen:
                    raise Refused(f"{split}: rows {seen[name]} and {row} have the id {name!r}.")
                seen[name] = row
        total += len(ids)
    return f"{total} ids"


def _ids_agree(trial: Trial) -> str:
    compared = 0
    for split in trial.made.splits:
        ids = trial.made.ids(split)
        for batch in read(trial, split, sample(trial, split, _NAMED)):
            named = zip(batch.rows.tolist(), batch.frames.ids, strict=True)
            for row, name in [*named, *((f.row, f.id) for f in batch.failures)]:
                if row >= len(ids) or ids[row] != name:
                    listed = ids[row] if row < len(ids) else f"one of {len(ids)} rows"
                    raise Refused(f"{split}: row {row} is {name!r} in a batch, but {listed!r}.")
                compared += 1
    return f"{compared} names"


def _addressable(trial: Trial) -> str:
    compared = 0
    for split in trial.made.splits:
        rows = sample(trial, split, _ALONE)
        together = by_row(trial, split, rows)
        subsets = [rows[index : index + 1] for index in range(len(rows))]
        for subset in [*subsets, rows[1::2]]:
            for row, facts in by_row(trial, split, subset).items():
                parts = zip(facts, together.get(row, ()), strict=False)
                if row not in together or not all(equal(a, b) for a, b in parts):
                    raise Refused(
                        f"{split}: row {row} asked for with {len(subset) - 1} others isn't what it "
                        f"is among {len(rows)}."
                    )
                compared += 1
    return f"{compared} comparisons"


def _truth(trial: Trial) -> str:
    split, protocol = trial.made.splits[0], trial.made.protocols[0]
    answers = ask(trial, split, protocol)
    some = some_of(trial, split, answers.rows, 256)
    labels = dict(zip(answers.rows[some].tolist(), answers.labels[some].tolist(), strict=True))
    compared = known = 0
    for batch in read(trial, split, answers.rows[some]):
        truth = batch.truth
        if truth is None:
            continue
        known += 1
        frame = truth.frame
        if len(frame) and (frame.min() < 0 or frame.max() >= len(batch.rows)):
            raise Refused(f"The truth names frame {frame.max()} of {len(batch.rows)}.")
        if truth.points is not None and truth.points.scheme != trial.made.scheme:
            raise Refused(
                f"The true points have the scheme {truth.points.scheme!r}, but the dataset "
                f"declares {trial.made.scheme!r}."
            )
        if truth.votes is not None:
            compared += _compare_votes(batch, frame, truth.votes, labels)
    if not known:
        raise NotTried("Its batches come without truth.")
    return f"{compared} labels agree with the votes" if compared else "no votes to compare"


def _compare_votes(
    batch: Batch, frame: Int64, votes: npt.NDArray[Any], labels: dict[int, int]
) -> int:
    """Raise Refused where an image of one face has a label that other emotions outvote."""
    if not np.isfinite(votes).all() or votes.min(initial=0) < 0:
        raise Refused("A number of votes is negative or not finite.")
    faces = np.bincount(frame, minlength=len(batch.rows))
    compared = 0
    for index, row in enumerate(batch.rows.tolist()):
        label = labels[row]
        if label < 0 or faces[index] != 1:
            continue
        given = votes[np.flatnonzero(frame == index)[0], : len(EMOTIONS)]
        if given[label] < given.max():
            raise Refused(
                f"Row {row} has the label {EMOTIONS[label]}, but most votes for "
                f"{EMOTIONS[int(given.argmax())]}: truth and answers are of different rows."
            )
        compared += 1
    return compared


_SEE_ANSWERS = "print(c.answers(c.splits[0], c.protocols[0]))"
_SEE_ROWS = (
    "r = c.answers(c.splits[0], c.protocols[0]).rows[:9]; "
    "print(r, [(b.rows, b.frames.ids, b.failures) for b in c.batches(c.splits[0], r)])"
)

RULES = (
    Rule(
        "splits",
        "Read its splits and protocols: different names.",
        _splits,
        "print(c.splits, c.protocols)",
    ),
    Rule("scheme", "Read the name of its landmarks.", _scheme, "print(repr(c.scheme))"),
    Rule("terms", "Read what its licence allows.", _terms, "print(c.terms)"),
    Rule(
        "answers",
        "Ask for the answers of every split under every protocol: ascending rows, labels from -1 "
        "to 7, distributions that sum to 1.",
        _answers,
        _SEE_ANSWERS,
        ("splits",),
    ),
    videos.CLIPS,
    Rule(
        "counts-stable",
        "Ask again, and ask a second object: the same rows, labels and clusters.",
        _counts_stable,
        _SEE_ANSWERS,
        ("answers",),
    ),
    Rule(
        "fingerprint-stable",
        "Ask for the default split's fingerprint twice, and a second object: the same text.",
        _fingerprint,
        "print(c.fingerprint(c.splits[0]), c.fingerprint(c.splits[0]))",
        ("splits",),
    ),
    Rule(
        "rows",
        f"Read up to {SAMPLE} evenly spaced images: exactly the rows that were asked for, in "
        "order, each in a batch or among its failures.",
        _rows,
        _SEE_ROWS,
        ("answers", "clips"),
    ),
    Rule(
        "no-rows", "Read no row: no image.", _no_rows, _SEE_ROWS.replace("[:9]", "[:0]"), ("rows",)
    ),
    Rule(
        "ids-unique",
        "Ask for the name of every row: no two of a split are equal.",
        _ids_unique,
        "print(c.ids(c.splits[0])[:9])",
        ("splits",),
    ),
    Rule(
        "ids-agree",
        f"Compare the names with those of up to {_NAMED} images that are read.",
        _ids_agree,
        _SEE_ROWS.replace("print(r,", "print(c.ids(c.splits[0])[:9],"),
        ("rows", "ids-unique"),
    ),
    Rule(
        "rows-addressable",
        f"Read {_ALONE} rows at once, each alone, and every other one: the same images and truth.",
        _addressable,
        _SEE_ROWS,
        ("rows",),
    ),
    Rule(
        "truth",
        "Compare the truth with its batch and with the answers: frames in range, no label that "
        "other emotions outvote.",
        _truth,
        _SEE_ROWS,
        ("rows",),
    ),
    *videos.RULES,
)
