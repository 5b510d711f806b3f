"""CMU PocketSphinx behind its own voice activity detector.

Huggins-Daines et al., Pocketsphinx: a free, real-time continuous speech recognition system for
hand-held devices, ICASSP 2006.
"""

from __future__ import annotations

import io
import re

import numpy as np
from pocketsphinx import Decoder, Segmenter

from fxbench.errors import UsageError
from fxbench.speech.words import RATE, Word
from fxbench.types import Float32

_VARIANT = re.compile(r"\(\d+\)$")
_FILLERS = ("<", "[", "+")
_TAIL = RATE // 2


class PocketSphinx:
    """See :class:`fxbench.protocols.Transcriber`.

    Args:
        vad: how strictly noise is told from speech, 0 to 3.

    Raises:
        UsageError: `vad` is out of its range.
    """

    def __init__(self, vad: int) -> None:
        if not 0 <= vad <= 3:
            raise UsageError(f"pocketsphinx.vad is {vad}; expected is 0 to 3.")
        self._vad = vad
        self._decoder = Decoder(samprate=RATE, loglevel="FATAL")
        self._per_frame = 1.0 / self._decoder.config["frate"]

    def transcribe(self, samples: Float32) -> tuple[Word, ...]:
        """The words of a sound; see :class:`fxbench.protocols.Transcriber`."""
        # The decoder goes on with what it learnt of noise and loudness: a sound must not depend on
        # the one before it.
        self._decoder.reinit_feat()
        segmenter = Segmenter(vad_mode=self._vad, sample_rate=RATE)
        words = [
            word
            for segment in segmenter.segment(io.BytesIO(_pcm(samples, segmenter.frame_bytes)))
            for word in self._decoded(segment.pcm, segment.start_time, len(samples) / RATE)
        ]
        return tuple(sorted(words, key=lambda word: (word.begin_s, word.end_s)))

    def _decoded(self, pcm: bytes, start_s: float, seconds: float) -> list[Word]:
        decoder = self._decoder
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return []
        words = []
        for segment in decoder.seg():
            begin_s = max(0.0, start_s) + segment.start_frame * self._per_frame
            if segment.word.startswith(_FILLERS) or begin_s >= seconds:
                continue
            # The last frame is within the word.
            end_s = max(0.0, start_s) + (segment.end_frame + 1) * self._per_frame
            text = _VARIANT.sub("", segment.word)
            words.append(Word(text, begin_s, min(end_s, seconds), min(1.0, max(0.0, segment.prob))))
        return words


def _pcm(samples: Float32, frame_bytes: int) -> bytes:
    """16-bit samples with silence after them, which ends what is said last.

    The length is no multiple of the segmenter's frames: it drops speech that lasts to the end of a
    sound that is.
    """
    pcm = np.rint(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes() + bytes(2 * _TAIL)
    return pcm if len(pcm) % frame_bytes else pcm + bytes(2)
