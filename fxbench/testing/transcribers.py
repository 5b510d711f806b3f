"""Rules for transcribers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fxbench.errors import PluginError
from fxbench.speech.listening import check_words
from fxbench.speech.words import RATE, Word
from fxbench.testing.rules import Refused, Rule, Trial, frozen, unchanged
from fxbench.testing.sounds import voice
from fxbench.types import Float32

SECONDS = 4.0
TOLERANCE = 1e-3
"""By how much times (seconds) and probabilities may differ between two calls."""

_LOUD = 40.0
SILENT_S = 50


def _words(trial: Trial, samples: Float32, transcriber: Any = None) -> tuple[Word, ...]:
    """What it hears, checked."""
    made = trial.made if transcriber is None else transcriber
    answer = made.transcribe(samples.copy())
    try:
        check_words("transcribe", answer, len(samples) / RATE)
    except PluginError as error:
        raise Refused(str(error)) from None
    words: tuple[Word, ...] = answer
    return words


def _same(what: str, got: tuple[Word, ...], expected: tuple[Word, ...]) -> None:
    texts = [" ".join(word.text for word in words) for words in (got, expected)]
    if texts[0] != texts[1]:
        raise Refused(f"{what}: {texts[0]!r} instead of {texts[1]!r}.")
    for one, other in zip(got, expected, strict=True):
        apart = (
            abs(one.begin_s - other.begin_s),
            abs(one.end_s - other.end_s),
            abs((one.probability or 0.0) - (other.probability or 0.0)),
        )
        if max(apart) > TOLERANCE:
            raise Refused(f"{what}: {one} instead of {other}.")


def _heard(trial: Trial) -> str:
    words = _words(trial, voice(SECONDS))
    return f"{len(words)} words in {SECONDS:g} s of sound that says nothing"


def _silence(trial: Trial) -> str:
    return f"{len(_words(trial, voice(3.0, loudness=0)))} words in silence"


def _short(trial: Trial) -> None:
    for count in (0, 1, 159, 1600):
        _words(trial, voice(1.0)[:count])


def _loud(trial: Trial) -> None:
    _words(trial, np.clip(voice(2.0) * np.float32(_LOUD), -1.0, 1.0))
    _words(trial, voice(2.0, loudness=1e-4))


def _inputs_kept(trial: Trial) -> None:
    before = voice(SECONDS)
    given = before.copy()
    trial.made.transcribe(given)
    unchanged("the sound", before, given)
    trial.made.transcribe(frozen(before))


def _deterministic(trial: Trial) -> None:
    sound = voice(SECONDS)
    _same("A second call", _words(trial, sound), _words(trial, sound))


def _independent(trial: Trial) -> None:
    sound = voice(SECONDS)
    expected = _words(trial, sound)
    _words(trial, np.clip(voice(3.0, seed=1) * np.float32(3.0), -1.0, 1.0))
    _same("After another sound", _words(trial, sound), expected)


def _reproducible(trial: Trial) -> None:
    sound = voice(SECONDS)
    _same("A second object", _words(trial, sound, trial.make()), _words(trial, sound))


def _times(trial: Trial) -> str:
    once = voice(SECONDS)
    sound = np.concatenate((np.zeros(SILENT_S * RATE, np.float32), once))
    words = _words(trial, sound)
    early = [word for word in words if word.end_s < SILENT_S - 5]
    if early and len(early) == len(words):
        raise Refused(
            f"It hears {early[0].text!r} at {early[0].begin_s:.2f} s and nothing after "
            f"{SILENT_S} s, but all before is silent: times must be seconds from the first sample."
        )
    return f"{len(words)} words"


_SEE = "print(c.transcribe(voice()))"
_SEE_TWICE = "print(c.transcribe(voice()), c.transcribe(voice()))"

RULES = (
    Rule(
        "words",
        "Transcribe a drawn voice that babbles: a tuple of Word, in the order of their beginnings, "
        "within the sound.",
        _heard,
        _SEE,
    ),
    Rule(
        "silence",
        "Transcribe three seconds of silence.",
        _silence,
        "print(c.transcribe(voice(3, loudness=0)))",
        ("words",),
    ),
    Rule(
        "short",
        "Transcribe no sample, one, a hundredth and a tenth of a second.",
        _short,
        "print(c.transcribe(voice(1)[:0]), c.transcribe(voice(1)[:1]))",
        ("words",),
    ),
    Rule(
        "loud",
        "Transcribe a voice that is cut off at -1 and 1, and one that is hardly to be heard.",
        _loud,
        "print(c.transcribe(voice(2, loudness=1e-4)))",
        ("words",),
    ),
    Rule(
        "times",
        f"Transcribe a voice after {SILENT_S} seconds of silence: its words come after them.",
        _times,
        needs=("words",),
    ),
    Rule(
        "inputs-kept",
        "Transcribe a sound that it may not change, then one that it can't.",
        _inputs_kept,
        _SEE,
        ("words",),
    ),
    Rule(
        "deterministic",
        "Transcribe the same sound twice: equal.",
        _deterministic,
        _SEE_TWICE,
        ("words",),
    ),
    Rule(
        "independent",
        "Transcribe a sound again after another one: equal.",
        _independent,
        "a = c.transcribe(voice()); c.transcribe(voice(3, seed=1)); "
        "print(a, c.transcribe(voice()))",
        ("deterministic",),
    ),
    Rule(
        "reproducible",
        "Make it a second time and transcribe the same sound: equal.",
        _reproducible,
        _SEE_TWICE,
        ("deterministic",),
    ),
)
