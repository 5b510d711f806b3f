"""Words with their times, and what they make up. Only the standard library is imported here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fxbench.errors import PluginError
from fxbench.labels import EMOTIONS

OTHER = "other"
"""What the words of an utterance express most, where it is none of the eight emotions."""

RATE = 16_000
"""Samples per second of the sound that a transcriber gets."""

LONGEST_S = 60.0
"""Seconds of sound that a transcriber gets at once, at most."""

LEAST_S = 45.0
"""And at least, of a sound that goes on: a part ends in a pause after that."""

_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was said.

    Attributes:
        text: as the transcriber writes it.
        begin_s: seconds from the beginning of the sound.
        end_s: likewise.
        probability: how sure the transcriber is of it, from 0 to 1 on its own scale; None where it
            doesn't say.

    Raises:
        PluginError: the text is empty, a time is not finite or negative, the word ends before it
            begins, or the probability is out of its range.
    """

    text: str
    begin_s: float
    end_s: float
    probability: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise PluginError(f"A word must have a text, but is {self.text!r}.")
        times = self.begin_s, self.end_s
        if not all(math.isfinite(time) for time in times) or not 0 <= self.begin_s <= self.end_s:
            raise PluginError(
                f"The word {self.text!r} is said from {self.begin_s} to {self.end_s}: expected are "
                "seconds from 0 on, the end not before the beginning."
            )
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise PluginError(
                f"The word {self.text!r} has the probability {self.probability}: expected is a "
                "number from 0 to 1, or None."
            )

    def later(self, seconds: float) -> Word:
        """The same word so many seconds later."""
        return replace(self, begin_s=self.begin_s + seconds, end_s=self.end_s + seconds)

    def record(self) -> dict[str, Any]:
        """The word as JSON can hold it."""
        return {
            "word": self.text,
            "begin_s": round(self.begin_s, 3),
            "end_s": round(self.end_s, 3),
            "probability": None if self.probability is None else round(self.probability, 4),
        }


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words that were said without a long pause between them, and what they express.

    Attributes:
        words: at least one.
        shares: of what the words express, how much falls to each of EMOTIONS, in their order: 0
            where another is expressed, None where the text emotion has no such label. None as a
            whole where no word expresses anything that it knows.
        other: how much falls to outputs without counterpart among the eight.
        labelled: the emotions that most of it falls to, several where they are tied; `other` where
            that is none of the eight; empty where no word expresses anything.
    """

    words: tuple[Word, ...]
    shares: tuple[float | None, ...] | None = None
    other: float = 0.0
    labelled: tuple[str, ...] = ()

    @property
    def begin_s(self) -> float:
        """When the first word begins, seconds."""
        return self.words[0].begin_s

    @property
    def end_s(self) -> float:
        """When the last of the words ends, seconds."""
        return max(word.end_s for word in self.words)

    @property
    def text(self) -> str:
        """The words in a row."""
        return " ".join(word.text for word in self.words)

    @property
    def tokens(self) -> tuple[str, ...]:
        """What a text emotion reads: the words in lower case, without punctuation."""
        return tokens(self.text)

    def record(self) -> dict[str, Any]:
        """The utterance as JSON can hold it, without its single words."""
        shares = None
        if self.shares is not None:
            rounded = (None if share is None else round(share, 4) for share in self.shares)
            shares = dict(zip(EMOTIONS, rounded, strict=True))
        return {
            "begin_s": round(self.begin_s, 3),
            "end_s": round(self.end_s, 3),
            "text": self.text,
            "words": len(self.words),
            "labelled": list(self.labelled),
            "shares": shares,
            "other": round(self.other, 4),
        }


@dataclass(frozen=True, slots=True)
class Said:
    """What is said in a video.

    Attributes:
        words: in the order of their beginnings, in seconds on the clock of the video's pictures.
        utterances: the same words, put together.
        seconds: where the sound ends, on that clock.
        transcriber: the name of what told the words.
        text_emotion: the name of what told their emotions; empty where nothing did.
        fault: why there is no sound, or less than the whole; empty where nothing is wrong.
    """

    words: tuple[Word, ...]
    utterances: tuple[Utterance, ...]
    seconds: float
    transcriber: str = ""
    text_emotion: str = ""
    fault: str = ""

    def record(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "transcriber": self.transcriber,
            "text_emotion": self.text_emotion,
            "seconds": round(self.seconds, 3),
            "fault": self.fault,
            "words": [word.record() for word in self.words],
            "utterances": [utterance.record() for utterance in self.utterances],
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Said:
        """What :meth:`record` wrote."""
        words = tuple(
            Word(one["word"], one["begin_s"], one["end_s"], one["probability"])
            for one in record["words"]
        )
        utterances, first = [], 0
        for one in record["utterances"]:
            shares = one["shares"]
            utterances.append(
                Utterance(
                    words[first : first + one["words"]],
                    None if shares is None else tuple(shares[name] for name in EMOTIONS),
                    one["other"],
                    tuple(one["labelled"]),
                )
            )
            first += one["words"]
        return cls(
            words,
            tuple(utterances),
            record["seconds"],
            record["transcriber"],
            record["text_emotion"],
            record["fault"],
        )


def tokens(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; an apostrophe within one stays."""
    return tuple(token.replace("\u2019", "'") for token in _TOKEN.findall(text.lower()))
