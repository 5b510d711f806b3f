"""OpenAI's Whisper.

Radford et al., Robust speech recognition via large-scale weak supervision, ICML 2023.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from fxbench.errors import UnavailableError, UsageError
from fxbench.names import unknown_name
from fxbench.speech.words import RATE, Word
from fxbench.types import Float32
from fxbench_whisper.models import models, name_of

_LEAST_S = 0.1
"""Less sound than this holds no word, and Whisper's spectrum takes none of no length."""


class FasterWhisper:
    """See :class:`fxbench.protocols.Transcriber`.

    Args:
        model: the name of a model's folder; empty for the first that is found.
        language: that is spoken; empty to have it told.
        beam: how many guesses are followed at once.

    Raises:
        UsageError: there is no such model or language, or `beam` is less than 1.
        UnavailableError: there is no model at all.
    """

    def __init__(self, model: str, language: str, beam: int) -> None:
        if beam < 1:
            raise UsageError(f"faster-whisper.beam is {beam}; expected is at least 1.")
        path = _chosen(model)
        # From the folder alone: it downloads nothing.
        self._model = WhisperModel(
            str(path), device="cpu", compute_type="default", local_files_only=True
        )
        known = self._model.supported_languages
        if language and language not in known:
            raise UsageError(unknown_name("language", language, known))
        self._language = language or None
        self._beam = beam

    def transcribe(self, samples: Float32) -> tuple[Word, ...]:
        """The words of a sound; see :class:`fxbench.protocols.Transcriber`."""
        seconds = len(samples) / RATE
        if seconds < _LEAST_S or not samples.any():
            return ()
        segments, _ = self._model.transcribe(
            np.ascontiguousarray(samples),
            language=self._language,
            beam_size=self._beam,
            # Higher ones draw lots: the same sound must give the same words.
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=True,
        )
        words = []
        for segment in segments:
            for word in segment.words or ():
                begin_s = min(max(0.0, float(word.start)), seconds)
                end_s = min(max(begin_s, float(word.end)), seconds)
                probability = min(1.0, max(0.0, float(word.probability)))
                if word.word.strip():
                    words.append(Word(word.word.strip(), begin_s, end_s, probability))
        return tuple(sorted(words, key=lambda word: (word.begin_s, word.end_s)))


def _chosen(name: str) -> Path:
    found = {name_of(path): path for path in reversed(models())}
    if not found:
        raise UnavailableError(
            "No model of faster-whisper is found: put its folder into one that FXBENCH_WEIGHTS "
            "names."
        )
    if not name:
        return models()[0]
    if name not in found:
        raise UsageError(unknown_name("model of faster-whisper", name, found))
    return found[name]
