"""Words to utterances, and utterances to emotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS
from fxbench.speech.words import OTHER, Utterance, Word

if TYPE_CHECKING:
    from fxbench.protocols import TextEmotion
    from fxbench.types import Float32

PAUSE_S = 0.6
"""A pause from here on ends an utterance, seconds."""

LONGEST_UTTERANCE_S = 12.0
"""One that is longer is parted at its longest pause, seconds."""

_ENDS = (".", "!", "?", "…")
_TIED = 1e-6
"""What differs by less is the same: shares, and seconds."""


def utterances(words: Sequence[Word], pause_s: float = PAUSE_S) -> tuple[Utterance, ...]:
    """Put words together that are said without a pause.

    A word that ends like a sentence ends its utterance too: some transcribers write punctuation.

    Args:
        words: in the order of their beginnings.
        pause_s: how long a pause is that ends an utterance, seconds.
    """
    groups: list[list[Word]] = []
    end_s = 0.0
    for word in words:
        if (
            not groups
            or word.begin_s - end_s > pause_s - _TIED
            or groups[-1][-1].text.endswith(_ENDS)
        ):
            groups.append([])
            end_s = word.end_s
        groups[-1].append(word)
        end_s = max(end_s, word.end_s)
    return tuple(Utterance(tuple(part)) for group in groups for part in _parted(group))


def _parted(words: list[Word]) -> list[list[Word]]:
    """The same words in utterances that are not too long."""
    if len(words) < 2 or words[-1].end_s - words[0].begin_s <= LONGEST_UTTERANCE_S:
        return [words]
    pauses = [after.begin_s - before.end_s for before, after in pairwise(words)]
    # Of equal pauses that which is nearest to the middle.
    middle = (len(words) - 2) / 2
    cut = 1 + max(range(len(pauses)), key=lambda i: (round(pauses[i], 3), -abs(i - middle)))
    return _parted(words[:cut]) + _parted(words[cut:])


def expressed(
    spoken: Sequence[Utterance], text_emotion: TextEmotion, name: str = "text emotion"
) -> tuple[Utterance, ...]:
    """The same utterances with what their words express.

    Args:
        spoken: the utterances.
        text_emotion: reads them.
        name: of it, for messages.

    Raises:
        PluginError: what it answers is not of the form that it must have.
    """
    if not spoken:
        return ()
    labels = text_emotion.labels
    answer = text_emotion.read(tuple(utterance.tokens for utterance in spoken))
    check_reading(name, answer, len(spoken), len(labels))
    return tuple(_told(one, row, labels) for one, row in zip(spoken, answer, strict=True))


def check_reading(name: str, answer: Any, texts: int, outputs: int) -> None:
    """See to it that an answer of :meth:`fxbench.protocols.TextEmotion.read` is one.

    Raises:
        PluginError: it is not.
    """
    shape = getattr(answer, "shape", None)
    if not isinstance(answer, np.ndarray) or answer.dtype != np.float32:
        what = getattr(answer, "dtype", type(answer).__name__)
        raise PluginError(f"{name} must read texts to float32 (T, K), not {what}.")
    if shape != (texts, outputs):
        raise PluginError(
            f"{name} read {texts} texts with {outputs} labels to an array of the shape {shape}: "
            f"expected is {(texts, outputs)}."
        )
    silent = np.isnan(answer).all(axis=1)
    sums = answer[~silent].sum(axis=1, dtype=np.float64)
    wrong = answer[~silent]
    if np.isnan(sums).any() or (wrong < 0).any() or (np.abs(sums - 1) > 1e-3).any():
        raise PluginError(
            f"{name} must answer rows of shares that are not negative and sum to 1, or a whole row "
            "of NaN for a text that expresses nothing."
        )


def _told(utterance: Utterance, row: Float32, labels: tuple[str | None, ...]) -> Utterance:
    if np.isnan(row).all():
        return utterance
    values = [float(value) for value in row]
    shares = tuple(
        sum(value for value, label in zip(values, labels, strict=True) if label == emotion)
        if emotion in labels
        else None
        for emotion in EMOTIONS
    )
    top = max(values)
    winning = {
        label for value, label in zip(values, labels, strict=True) if value >= top - _TIED
    } - {None}
    other = sum(value for value, label in zip(values, labels, strict=True) if label is None)
    labelled = tuple(emotion for emotion in EMOTIONS if emotion in winning) or (OTHER,)
    return replace(utterance, shares=shares, other=other, labelled=labelled)
