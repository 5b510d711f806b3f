"""What is said as tracks beside a video: for players (WebVTT) and for annotators (ELAN)."""

from __future__ import annotations

from collections.abc import Sequence

from fxbench.elan import Annotation, Tier
from fxbench.speech.beside import Side
from fxbench.speech.words import Said, Utterance
from fxbench.webvtt import Cue

NOTE = (
    "Words as a speech recogniser heard them. 'words of' names emotions that are associated with "
    "the words, not what the speaker feels."
)
"""What a reader of a track should know."""


def cues(said: Said) -> tuple[Cue, ...]:
    """A cue for each utterance, with the emotions of its words."""
    return tuple(Cue(one.begin_s, one.end_s, _captioned(one)) for one in said.utterances)


def tiers(said: Said, sides: Sequence[Side] = ()) -> tuple[Tier, ...]:
    """A tier of the utterances, one of the words, and one of what the words express.

    Args:
        said: what is said.
        sides: what faces show meanwhile: each detector's, classifier's and person's in a tier.
    """
    spoken = tuple(Annotation(one.begin_s, one.end_s, one.text) for one in said.utterances)
    words = tuple(Annotation(word.begin_s, word.end_s, word.text) for word in said.words)
    emotions = tuple(
        Annotation(one.begin_s, one.end_s, labels(one)) for one in said.utterances if one.labelled
    )
    made = [
        Tier("utterances", spoken, "utterance"),
        Tier("words", words, "word"),
        Tier("words of", emotions, "emotion"),
    ]
    people: dict[str, list[Annotation]] = {}
    for side in sides:
        name = f"person {side.track} ({side.classifier}, {side.detector}) beside words"
        one = said.utterances[side.utterance]
        text = f"{side.shown}: {side.verdict}"
        people.setdefault(name, []).append(Annotation(one.begin_s, one.end_s, text))
    made += [Tier(name, tuple(found), "verdict") for name, found in people.items()]
    return tuple(made)


def labels(utterance: Utterance) -> str:
    """The emotions of an utterance's words in one text, for people; empty where there are none."""
    return ", ".join(utterance.labelled)


def _captioned(utterance: Utterance) -> str:
    words_of = f"\n(words of {labels(utterance)})" if utterance.labelled else ""
    return utterance.text + words_of
