"""Rules for text emotions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.speech.utterances import check_reading
from fxbench.testing.rules import Refused, Rule, Trial, same, unchanged
from fxbench.types import Float32

TEXTS: tuple[tuple[str, ...], ...] = (
    ("i", "am", "so", "happy", "what", "a", "joy", "and", "delight"),
    ("the", "murder", "was", "a", "horrible", "crime"),
    ("the", "table", "has", "four", "legs"),
    ("she", "cried", "in", "grief", "and", "despair"),
    ("look", "out", "there", "is", "danger"),
)
"""What people might say."""

ODD: tuple[tuple[str, ...], ...] = (
    ("",),
    ("4", "2"),
    ("çà", "日本語", "naïve", "o'clock"),
    ("<b>", "&amp;", "'; drop"),
    ("a" * 5000,),
    ("joy",) * 2000,
)
TOLERANCE = 1e-5


def _read(trial: Trial, texts: tuple[tuple[str, ...], ...], reader: Any = None) -> Float32:
    """A copy of what it reads, checked."""
    made = trial.made if reader is None else reader
    answer: Any = made.read(texts)
    try:
        check_reading("read", answer, len(texts), len(made.labels))
    except PluginError as error:
        raise Refused(str(error)) from None
    shares: Float32 = answer.copy()
    return shares


def _labels(trial: Trial) -> str:
    labels = trial.made.labels
    if not isinstance(labels, tuple) or not labels:
        raise Refused(f"labels must be a tuple with an entry for each output, not {labels!r}.")
    wrong = [label for label in labels if label is not None and label not in EMOTIONS]
    if wrong:
        raise Refused(f"labels holds {wrong}: expected are None and {', '.join(EMOTIONS)}.")
    if not any(labels):
        raise Refused("No output means one of the eight emotions.")
    return ", ".join(label or "-" for label in labels)


def _shares(trial: Trial) -> str:
    shares = _read(trial, TEXTS)
    silent = int(np.isnan(shares).all(axis=1).sum())
    if silent == len(TEXTS):
        raise Refused("It finds nothing expressed in any of the texts: each row is NaN.")
    return f"{len(TEXTS) - silent} of {len(TEXTS)} texts express something"


def _no_text(trial: Trial) -> None:
    _read(trial, ())


def _no_word(trial: Trial) -> None:
    shares = _read(trial, (TEXTS[0], ()))
    if not np.isnan(shares[1]).all():
        raise Refused(f"A text without a word expresses {shares[1]}: a row of NaN is expected.")


def _odd_words(trial: Trial) -> None:
    _read(trial, ODD)


def _deterministic(trial: Trial) -> str:
    return same("A second call", _read(trial, TEXTS), _read(trial, TEXTS), TOLERANCE)


def _alone(trial: Trial) -> str:
    together = _read(trial, TEXTS)
    alone = np.concatenate([_read(trial, (text,)) for text in TEXTS])
    return same("One text at a time", alone, together, TOLERANCE)


def _answer_kept(trial: Trial) -> None:
    answer = trial.made.read(TEXTS)
    before = answer.copy()
    trial.made.read(TEXTS[::-1])
    unchanged("an earlier answer", before, answer)


def _reproducible(trial: Trial) -> str:
    other = _read(trial, TEXTS, trial.make())
    return same("A second object", other, _read(trial, TEXTS), TOLERANCE)


_SEE = "print(c.labels, c.read((('what', 'a', 'joy'), ('the', 'table'))))"

RULES = (
    Rule("labels", "Read what its outputs mean.", _labels, "print(c.labels)"),
    Rule(
        "shares",
        "Read five texts: float32, a row for each, shares that sum to 1, or a row of NaN.",
        _shares,
        _SEE,
        ("labels",),
    ),
    Rule("no-text", "Read no text: no row.", _no_text, "print(c.read(()))", ("shares",)),
    Rule(
        "no-word",
        "Read a text without a word: a row of NaN.",
        _no_word,
        "print(c.read(((),)))",
        ("shares",),
    ),
    Rule(
        "odd-words",
        "Read an empty word, numbers, other scripts, markup, and very long words and texts.",
        _odd_words,
        "print(c.read((('',), ('4', '2'))))",
        ("shares",),
    ),
    Rule(
        "deterministic",
        "Read the same texts twice: equal.",
        _deterministic,
        f"{_SEE}; {_SEE}",
        ("shares",),
    ),
    Rule(
        "alone",
        "Read each text by itself: as among the others.",
        _alone,
        "print(c.read((('what', 'a', 'joy'), ('the', 'murder'))), c.read((('the', 'murder'),)))",
        ("deterministic",),
    ),
    Rule(
        "answer-kept",
        "Read other texts and look at an earlier answer: it is as it was.",
        _answer_kept,
        needs=("shares",),
    ),
    Rule(
        "reproducible",
        "Make it a second time and read the same texts: equal.",
        _reproducible,
        f"{_SEE}; {_SEE}",
        ("deterministic",),
    ),
)
